//! The base of a user's class, `LogSource` or `LogFetcher`: [`Kind`], and the engine's part of its instances
//! ([`hosted`]).

use pyo3::prelude::*;
use pyo3::types::PyType;

use super::fetcher::LogFetcher;
use super::hosted::Hosted;
use super::source::LogSource;

/// The kind of a class, by its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has `run()`.
    Source,
    /// It has `fetch()`.
    Fetcher,
}

impl Kind {
    /// The kind of `class`; `None` when it derives from neither base.
    pub(crate) fn of(class: &Bound<'_, PyType>) -> Option<Self> {
        if class.is_subclass_of::<LogSource>().unwrap_or(false) {
            return Some(Self::Source);
        }
        class.is_subclass_of::<LogFetcher>().unwrap_or(false).then_some(Self::Fetcher)
    }

    /// The base class.
    pub(crate) fn base(self, py: Python<'_>) -> Bound<'_, PyType> {
        match self {
            Self::Source => py.get_type::<LogSource>(),
            Self::Fetcher => py.get_type::<LogFetcher>(),
        }
    }

    /// The method in which the source's thread spends its time.
    pub(crate) fn main_method(self) -> &'static str {
        match self {
            Self::Source => "run",
            Self::Fetcher => "fetch",
        }
    }

    /// The callbacks, and whether each may be a coroutine function.
    pub(crate) fn callbacks(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Source => &[
                ("run", true),
                ("request_exit", true),
                ("init", false),
                ("deinit", false),
                ("suspend", false),
                ("wakeup", false),
                ("generate_persist_name", false),
                ("finalize", false),
            ],
            Self::Fetcher => &[
                ("fetch", false),
                ("init", false),
                ("deinit", false),
                ("open", false),
                ("close", false),
                ("request_exit", false),
                ("generate_persist_name", false),
                ("finalize", false),
            ],
        }
    }

    /// The prefix of the name under which its state is kept.
    pub(crate) fn persist_prefix(self) -> &'static str {
        match self {
            Self::Source => "python-source",
            Self::Fetcher => "python-fetcher",
        }
    }
}

/// The engine's part of `instance`; `None` when it derives from neither base.
pub(crate) fn hosted<'a>(instance: &'a Bound<'_, PyAny>) -> Option<&'a Hosted> {
    if let Ok(source) = instance.cast::<LogSource>() {
        return Some(source.get().hosted());
    }
    instance.cast::<LogFetcher>().ok().map(|fetcher| fetcher.get().hosted())
}
