//! Tells whether a callback does its work when it is called, by its definition: [`check`].
//!
//! Calling a generator function, or one that is `async`, does nothing of what it says: it gives an object
//! that somebody has to ask or to await. Nobody does, but for the coroutine of a source's `run()` and
//! `request_exit()`. Such a source would end, or go on, without a word; so it is refused, by its definition
//! where that can be seen, otherwise by what a call gives ([`returned`](super::returned)).

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyFunction};

use super::returned::place_of_code;
use super::source::LogSource;

/// Looks at the definitions of `callbacks` of `owner`, which is a class called `name`, or an object of it. Each
/// comes with whether it may be a coroutine function.
///
/// # Errors
/// What is wrong with one, and how it is mended.
pub(crate) fn check(
    owner: &Bound<'_, PyAny>,
    callbacks: &[(&str, bool)],
    name: &str,
) -> Result<(), (String, String)> {
    for (method, may_be_async) in callbacks {
        let Ok(callback) = owner.getattr(*method) else { continue };
        if is_plain(&callback) {
            continue;
        }
        let is = |question: &str| {
            let inspect = owner.py().import("inspect");
            inspect
                .and_then(|inspect| inspect.call_method1(question, (&callback,))?.is_truthy())
                .unwrap_or(false)
        };
        let what = if is("isgeneratorfunction") {
            "a generator function"
        } else if is("isasyncgenfunction") {
            "an asynchronous generator function"
        } else if !may_be_async && is("iscoroutinefunction") {
            "a coroutine function"
        } else {
            continue;
        };
        let place = place(&callback).map_or_else(String::new, |place| format!(", at {place}"));
        return Err((format!("{method}() of class `{name}` is {what}{place}"), help(method, what)));
    }
    Ok(())
}

/// Tells whether `callback` is a function or method in C, or one in Python that says of itself that a call of
/// it does its work.
///
/// Nearly all are. For the others, and those with attributes, which may be marks, `inspect` is asked: to
/// import it takes as long as a tenth of the start.
fn is_plain(callback: &Bound<'_, PyAny>) -> bool {
    // CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE and CO_ASYNC_GENERATOR.
    const UNFINISHED: u32 = 0x20 | 0x80 | 0x100 | 0x200;
    let in_python = |function: &Bound<'_, PyAny>| -> PyResult<bool> {
        let flags: u32 = function.getattr("__code__")?.getattr("co_flags")?.extract()?;
        Ok(flags & UNFINISHED == 0 && function.getattr("__dict__")?.is_empty()?)
    };
    let function = callback.getattr("__func__").unwrap_or_else(|_| callback.clone());
    if function.is_instance_of::<PyFunction>() {
        return in_python(&function).unwrap_or(false);
    }
    // The native base's own: bound to an object, or as the class has it.
    let of_base = function.py().get_type::<LogSource>().getattr("init").map(|method| method.get_type());
    function.is_instance_of::<PyCFunction>() || of_base.is_ok_and(|kind| kind.is(function.get_type()))
}

/// The advice for a callback that is `what`.
fn help(method: &str, what: &str) -> String {
    match method {
        "run" => {
            "nobody asks it for what it yields: post each message with self.post_message() in the place of `yield`".to_owned()
        }
        "fetch" if what == "a generator function" => {
            "define fetch(self) without yield; it may return (LogFetcher.SUCCESS, an iterator of messages)".to_owned()
        }
        _ if what == "a coroutine function" => {
            format!("define {method}(self) without async: only run() of a LogSource may have it")
        }
        _ => format!("define {method}() without yield: a call of it would do nothing"),
    }
}

/// The place of a function: `FILE:LINE`.
fn place(callback: &Bound<'_, PyAny>) -> Option<String> {
    let callback = callback.getattr("__func__").unwrap_or_else(|_| callback.clone());
    // What `functools.partial` calls.
    let function = callback.getattr("func").unwrap_or(callback);
    place_of_code(&function.getattr("__code__").ok()?)
}
