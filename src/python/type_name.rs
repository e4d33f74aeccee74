//! The name of a type in errors: [`type_name`].
//!
//! A `TypeError` says what was expected and what came instead; every room that takes Python objects says so.

use pyo3::prelude::*;

use super::escape::escaped;

/// The name of `value`'s type, for error messages.
pub(super) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().qualname().map_or_else(|_| "an object".to_owned(), |name| escaped(&name))
}
