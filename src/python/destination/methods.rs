//! The methods of a destination's object that its thread calls, taken before its `init()`: [`Methods`].

use pyo3::prelude::*;

use super::LogDestination;
use crate::python::own_method::own_callable;

/// The callbacks of a destination, and whether each may be a coroutine function.
pub(crate) const CALLBACKS: &[(&str, bool)] = &[
    ("send", false),
    ("send_batch", false),
    ("flush", false),
    ("open", false),
    ("close", false),
    ("is_opened", false),
    ("init", false),
    ("deinit", false),
    ("generate_persist_name", false),
];

/// The way of messages to the object.
pub(super) enum Sending {
    /// `send()`: one by one.
    Each(Py<PyAny>),
    /// `send_batch()`: a list of them.
    Batch(Py<PyAny>),
}

/// The methods. Those that the base has and the class has not are not called.
pub(super) struct Methods {
    pub(super) send: Sending,
    pub(super) flush: Option<Py<PyAny>>,
    pub(super) open: Option<Py<PyAny>>,
    pub(super) is_opened: Option<Py<PyAny>>,
    pub(super) generate_persist_name: Option<Py<PyAny>>,
}

impl Methods {
    /// Those of `instance`, of a class called `name`.
    ///
    /// # Errors
    /// The mistake in them, and how it is mended.
    pub(super) fn take(instance: &Bound<'_, PyAny>, name: &str) -> Result<Self, (String, String)> {
        let callable = |method: &str| own_callable::<LogDestination>(instance, method, name);
        let send = match (callable("send_batch")?, callable("send")?) {
            (Some(batch), _) => Sending::Batch(batch),
            (None, Some(each)) => Sending::Each(each),
            (None, None) => {
                return Err((
                    format!("class `{name}` has no method send()"),
                    "define send(self, msg), which returns self.SUCCESS".to_owned(),
                ));
            }
        };
        Ok(Self {
            send,
            flush: callable("flush")?,
            open: callable("open")?,
            is_opened: callable("is_opened")?,
            generate_persist_name: callable("generate_persist_name")?,
        })
    }
}
