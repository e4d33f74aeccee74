//! Messages as dicts, for destinations with `value-pairs()`: [`Pairs`].

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::message::{MessageRef, ValueType};
use crate::python::clock;
use crate::python::values::Read;
use crate::template::this_process;
use crate::template::{Context, OnError, Options, TimeZoneUse, ValuePairs};

/// Makes dicts of messages.
pub(super) struct Pairs {
    values: Arc<ValuePairs>,
    context: Context,
}

impl Pairs {
    /// Dicts of `values`, which are formatted as `options` say.
    pub(super) fn new(values: &Arc<ValuePairs>, options: &Options) -> Self {
        Self { values: Arc::clone(values), context: Context::new(options, this_process(), TimeZoneUse::Send) }
    }

    /// Says that messages are made dicts of now.
    pub(super) fn begin(&mut self, py: Python<'_>) {
        self.context.now = clock::now(py);
    }

    /// The first thing that was wrong with a value, once.
    pub(super) fn take_complaint(&mut self) -> Option<String> {
        self.context.take_complaint()
    }

    /// `message`, whose SEQNUM is `sequence`, as a dict. A value whose text is not of its type costs what
    /// `on-error()` says.
    ///
    /// # Errors
    /// The reason why the message is dropped, or what Python raised.
    pub(super) fn dict<'py>(
        &mut self,
        py: Python<'py>,
        message: MessageRef<'_>,
        sequence: u64,
    ) -> PyResult<Result<Bound<'py, PyDict>, String>> {
        self.context.sequence = sequence;
        let on_error = self.context.on_error();
        // Plain data first: no code of Python's runs while a message is looked at.
        let mut read: Vec<(Vec<u8>, Read)> = Vec::new();
        let wrong = self.values.of(message, &self.context, |values| {
            for value in values {
                let made = Read::of(py, value.value_type, value.value);
                if is_of_type(value.value_type, &made) {
                    read.push((value.name.to_vec(), made));
                    continue;
                }
                match on_error {
                    OnError::DropMessage | OnError::SilentlyDropMessage => {
                        let name = String::from_utf8_lossy(value.name).into_owned();
                        let word = value.value_type.word();
                        return Some(format!("value-pairs(): the value of `{name}` is no {word}"));
                    }
                    OnError::DropProperty | OnError::SilentlyDropProperty => {}
                    OnError::FallbackToString | OnError::SilentlyFallbackToString => {
                        read.push((value.name.to_vec(), made));
                    }
                }
            }
            None
        });
        if let Some(wrong) = wrong {
            return Ok(Err(wrong));
        }
        let dict = PyDict::new(py);
        for (name, value) in read {
            let name = match std::str::from_utf8(&name) {
                Ok(name) => PyString::new(py, name),
                // As Python names files that are not UTF-8.
                Err(_) => py
                    .import("os")?
                    .getattr("fsdecode")?
                    .call1((PyBytes::new(py, &name),))?
                    .cast_into::<PyString>()?,
            };
            dict.set_item(name, value.into_object(py)?)?;
        }
        Ok(Ok(dict))
    }
}

/// Tells whether what was read is of the type that the value has.
fn is_of_type(value_type: ValueType, read: &Read) -> bool {
    let has_form = matches!(
        value_type,
        ValueType::Integer | ValueType::Double | ValueType::Boolean | ValueType::Datetime
    );
    !has_form || !matches!(read, Read::Bytes(_))
}
