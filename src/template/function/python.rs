//! `$(python module.function argument …)`: a function of the host's ([`HostFunction`]).

use std::fmt;
use std::sync::Arc;

use super::Compiled;
use crate::message::ValueType;
use crate::template::build::{Build, Source};
use crate::template::host::{self, HostFunction};
use crate::template::item::{Call, Items, Scope};
use crate::template::surroundings::Later;

const USAGE: &str = "$(python module.function [argument …])";

/// The call of a function of the host's.
struct HostCall {
    name: String,
    function: Later<Arc<dyn HostFunction>>,
    arguments: Box<[Items]>,
}

/// Compiles `$(python)`.
pub(super) fn python(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let [name, arguments @ ..] = sources else {
        return Err(build.call_error("`python` takes the name of a function", USAGE));
    };
    let items = build.items(name)?;
    let text = items.as_literal().and_then(|text| std::str::from_utf8(text).ok());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        let message = "the name of a function is a text, the same for all messages";
        return Err(build.error(name, message, USAGE));
    };
    let function = build.surroundings.host_function(text, name.place());
    let function = function.map_err(|message| build.error(name, &message, ""))?;
    build.notes.calls_host = true;
    let arguments = arguments.iter().map(|argument| build.items(argument)).collect::<Result<_, _>>()?;
    Ok(Box::new(HostCall { name: text.to_owned(), function, arguments }))
}

impl Call for HostCall {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let Some(function) = self.function.get() else {
            // There is no host, or the configuration does not run.
            out.extend_from_slice(host::ERROR);
            return ValueType::String;
        };
        let arguments: Vec<Vec<u8>> = self.arguments.iter().map(|items| items.text(scope)).collect();
        function.call(scope.message, scope.context.sequence, &arguments, out)
    }
}

impl fmt::Debug for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        host::meet();
        let mut call = f.debug_tuple("python");
        call.field(&self.name).field(&self.function.get()).field(&self.arguments).finish()
    }
}
