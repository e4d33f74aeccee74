//! The class `LogMessage` as the module has it: what pyo3 makes of it, with what it does not make ([`call`],
//! [`parse`], [`recycle`]).

use pyo3::prelude::*;

use super::{LogMessage, call, parse, payload, recycle};

/// Adds the class to `module`.
pub(in crate::python) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    payload::check_layout(module.py())?;
    module.add_class::<LogMessage>()?;
    call::set(module.py());
    parse::set(module.py())?;
    recycle::set(module.py())
}
