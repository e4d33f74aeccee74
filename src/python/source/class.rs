//! The class `LogSource` as the module has it: what pyo3 makes of it, with the method that it does not make
//! ([`post_message`]).

use pyo3::prelude::*;

use super::{LogSource, post_message};

/// Adds the class to `module`.
pub(in crate::python) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LogSource>()?;
    let class = module.py().get_type::<LogSource>();
    class.setattr("post_message", post_message::method(&class)?)
}
