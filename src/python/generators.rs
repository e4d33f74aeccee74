//! Generators of configuration: `register_config_generator(context, name, function)`.
//!
//! A function that code of the configuration has registered is called where its name is used, while the
//! configuration is read, with a dict of the arguments as they are written. A registration by a module lasts
//! as long as the module; one by a python block is forgotten before the blocks run again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::type_name::type_name;
use super::{exception, fork};
use crate::config::{GeneratorArguments, Generators, is_context};

/// The module of the python blocks.
const BLOCKS: &str = "_syslogng_main";

/// A function that was registered.
struct Registered {
    /// With `-` for `_`, as the name.
    context: String,
    name: String,
    function: Py<PyAny>,
}

static REGISTERED: Mutex<Vec<Registered>> = Mutex::new(Vec::new());

fn registry() -> MutexGuard<'static, Vec<Registered>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `register_config_generator(context, name, config_generator)`
///
/// # Errors
/// `ValueError` for a context that there is not, `TypeError` for what cannot be called.
#[pyfunction]
fn register_config_generator(
    py: Python<'_>,
    context: &str,
    name: &str,
    config_generator: Bound<'_, PyAny>,
) -> PyResult<()> {
    if !is_context(context) {
        return Err(PyValueError::new_err(format!(
            "register_config_generator: no context of the configuration is called {context:?}"
        )));
    }
    if !config_generator.is_callable() {
        let given = type_name(&config_generator);
        return Err(PyTypeError::new_err(format!(
            "register_config_generator: config_generator: a callable expected, got {given}"
        )));
    }
    let (context, name) = (context.replace('_', "-"), name.replace('_', "-"));
    let registered = Registered { context, name, function: config_generator.unbind() };
    let same = |other: &Registered| other.context == registered.context && other.name == registered.name;
    // Let go of outside of the lock: what goes with a function may run code.
    let before: Vec<_> = registry().extract_if(.., |other| same(other)).collect();
    registry().push(registered);
    py.detach(|| drop(before));
    Ok(())
}

/// Forgets the functions that python blocks have registered.
pub(super) fn forget_those_of_blocks(py: Python<'_>) {
    let of_blocks = |registered: &mut Registered| {
        let module = registered.function.bind(py).getattr("__module__");
        module.is_ok_and(|module| module.eq(BLOCKS).unwrap_or(false))
    };
    let all = std::mem::take(&mut *registry());
    let (mut forgotten, mut kept) = (Vec::new(), Vec::new());
    for mut registered in all {
        if of_blocks(&mut registered) { &mut forgotten } else { &mut kept }.push(registered);
    }
    registry().extend(kept);
    drop(forgotten);
}

/// The generators that there are, if there are some.
pub(super) fn registered(_: Python<'_>) -> Option<Arc<dyn Generators>> {
    (!registry().is_empty()).then(|| Arc::new(Functions) as Arc<dyn Generators>)
}

/// The functions that were registered.
#[derive(Debug)]
struct Functions;

impl Generators for Functions {
    fn names(&self) -> Vec<(String, String)> {
        let both = |registered: &Registered| (registered.context.clone(), registered.name.clone());
        registry().iter().map(both).collect()
    }

    fn generate(&self, context: &str, name: &str, arguments: &GeneratorArguments) -> Result<String, String> {
        let call = |py: Python<'_>| {
            let result = call(py, context, name, arguments);
            fork::leave(py, &result);
            result.map_err(|error| exception::traceback(py, &error))
        };
        Python::try_attach(call).unwrap_or_else(|| Err("Python has come to its end".to_owned()))
    }
}

fn call(py: Python<'_>, context: &str, name: &str, arguments: &GeneratorArguments) -> PyResult<String> {
    let found = registry()
        .iter()
        .find(|one| one.context == context && one.name == name.replace('_', "-"))
        .map(|one| one.function.clone_ref(py));
    let Some(function) = found else {
        return Err(PyValueError::new_err("it is not registered any more"));
    };
    let given = PyDict::new(py);
    for (name, text) in arguments {
        given.set_item(name, text)?;
    }
    let result = function.bind(py).call1((given,))?;
    if let Ok(text) = result.cast::<PyString>() {
        return text.extract();
    }
    if let Ok(bytes) = result.cast::<PyBytes>() {
        let text = std::str::from_utf8(bytes.as_bytes());
        return text.map(str::to_owned).map_err(|error| PyValueError::new_err(error.to_string()));
    }
    Err(PyTypeError::new_err(format!("str or bytes expected of a generator, got {}", type_name(&result))))
}

/// Adds the function to `module`, without a place in its `__all__`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let function = wrap_pyfunction!(register_config_generator, module)?;
    module.as_any().setattr("register_config_generator", function)
}
