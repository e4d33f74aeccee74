//! Results of callbacks that are to be true, and the words for those that are not.

use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::escape::escaped;
use super::places::{self, Place};

/// The most characters of a result that are shown.
const LONGEST: usize = 60;

/// A false result of a callback.
pub(super) struct FalseResult {
    /// The result as Python shows it; none for `False`, which is meant.
    shown: Option<String>,
    /// The place of the method.
    pub place: Option<Place>,
}

impl FalseResult {
    /// The false `result` of a `method`; none when it is true.
    ///
    /// # Errors
    /// The result was asked for its truth, and raised.
    pub(super) fn of(method: &Bound<'_, PyAny>, result: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if result.is_truthy()? {
            return Ok(None);
        }
        let shown = (!result.is_instance_of::<PyBool>()).then(|| {
            let text = result.repr().map(|text| escaped(&text));
            text.unwrap_or_default().chars().take(LONGEST).collect()
        });
        Ok(Some(Self { shown, place: places::of_method(method) }))
    }

    /// The words for a result that was perhaps not meant; none for `False`.
    pub(crate) fn described(&self) -> Option<String> {
        let shown = self.shown.as_deref()?;
        let is_false = if shown == "None" { "" } else { ", which is false" };
        Some(format!("returned {shown}{is_false}: end it with `return True`"))
    }
}
