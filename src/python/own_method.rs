//! The methods that a user's class has of its own: [`own`].

use pyo3::PyTypeInfo;
use pyo3::prelude::*;

use super::type_name::type_name;

/// The method that the class of `instance`, or its constructor, has in the place of that of the base `B`.
pub(super) fn own<'py, B: PyTypeInfo>(
    instance: &Bound<'py, PyAny>,
    method: &str,
) -> Option<Bound<'py, PyAny>> {
    let found = instance.getattr(method).ok()?;
    let of_base = instance.py().get_type::<B>().getattr(method).ok();
    let of_class = instance.get_type().getattr(method).ok();
    let is_inherited = of_base.is_some_and(|base| of_class.is_some_and(|own| own.is(&base)));
    if !is_inherited {
        return Some(found);
    }
    // Set by the constructor: `self.send = …`.
    let attributes = instance.getattr("__dict__").ok()?;
    attributes.contains(method).unwrap_or(false).then_some(found)
}

/// The same, of an object of a class called `name`, to be called.
///
/// # Errors
/// It cannot be called: the mistake, and how it is mended.
pub(super) fn own_callable<B: PyTypeInfo>(
    instance: &Bound<'_, PyAny>,
    method: &str,
    name: &str,
) -> Result<Option<Py<PyAny>>, (String, String)> {
    match own::<B>(instance, method) {
        Some(found) if !found.is_callable() => {
            let what = type_name(&found);
            Err((
                format!("{method} of class `{name}` cannot be called: it is {what}"),
                format!("define {method}(self, …)"),
            ))
        }
        found => Ok(found.map(Bound::unbind)),
    }
}
