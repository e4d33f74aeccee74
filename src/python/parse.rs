//! parse
use pyo3::prelude::*;
use std::sync::Arc;
/// How a source's messages are parsed.
#[pyclass(frozen)]
pub struct ParseOptions {
    #[allow(dead_code)]
    options: Arc<crate::syslog::ParseOptions>,
}
impl ParseOptions {
    /// new
    pub fn new(options: Arc<crate::syslog::ParseOptions>) -> Self {
        Self { options }
    }
}
