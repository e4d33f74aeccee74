//! The refusal of a configuration because of a class: [`Refusal`].

use pyo3::prelude::*;

use super::exception;
use crate::config::{Config, Diagnostic, Span};

/// Makes the diagnostics at the place of one `class()`.
pub(super) struct Refusal<'a, 'py> {
    pub(super) py: Python<'py>,
    pub(super) config: &'a Config,
    /// The place.
    pub(super) span: Span,
}

impl Refusal<'_, '_> {
    /// `what` is wrong.
    pub(super) fn of(&self, what: String) -> Diagnostic {
        self.config.error(self.span, what, None)
    }

    /// The same, with how it is mended.
    pub(super) fn with_help(&self, what: String, help: String) -> Diagnostic {
        self.config.error(self.span, what, Some(help))
    }

    /// The same, because of an exception, whose traceback is shown.
    pub(super) fn for_exception(&self, what: String, error: &PyErr) -> Diagnostic {
        self.of(what).with_note(exception::traceback(self.py, error))
    }
}
