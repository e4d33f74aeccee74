//! The Python half: the extension module `inrush._native`.
//!
//! The only room that knows pyo3. Parallel to `python/inrush/`:
//!
//! * [`message`]: `LogMessage`, a draft until it is posted; [`pairs`]: its name-value methods;
//! * [`values`]: Python values to typed texts and back; [`datetime`]: stamps to datetimes and back;
//! * [`parse`]: `LogMessage.parse` and `ParseOptions`;
//! * [`source`]: `LogSource`, what a user's class derives from;
//! * [`buffer`]: `Buffer`, what `acquire_buffer` returns;
//! * [`release`]: where Python objects that the engine viewed are let go, under the GIL;
//! * [`cell`]: state that the GIL guards; [`clock`]: the time and the local offset.

pub mod cell;
pub mod clock;
pub mod datetime;
pub mod message;
pub mod pairs;
pub mod parse;
pub mod release;
pub mod values;

use pyo3::prelude::*;

/// The extension module.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    message::add_to(module)?;
    parse::add_to(module)?;
    Ok(())
}
