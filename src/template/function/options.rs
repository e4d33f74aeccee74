//! Options of a function's call: `--length 7`, `--length=7`, `-l 7`.
//!
//! They may stand anywhere among the arguments, and `--` ends them. An argument that starts with `-` as it is
//! written is an option, or an error; what a message puts in the place of a macro never is.

use crate::nearest::did_you_mean;
use crate::template::build::{Build, Source};
use crate::template::error::TemplateError;

/// An option that a function knows.
#[derive(Debug, Clone, Copy)]
pub(in crate::template) struct Known {
    pub(in crate::template) name: &'static str,
    /// Its letter; a space for none.
    pub(in crate::template) letter: char,
    pub(in crate::template) has_value: bool,
}

impl Known {
    /// An option with a value.
    pub(in crate::template) const fn value(name: &'static str, letter: char) -> Self {
        Self { name, letter, has_value: true }
    }

    /// An option without one.
    pub(in crate::template) const fn flag(name: &'static str, letter: char) -> Self {
        Self { name, letter, has_value: false }
    }
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub(in crate::template) enum Given {
    /// An option by its name, where it stands, and its value.
    Option(&'static str, Source, Option<Source>),
    Argument(Source),
}

/// Tells options and arguments apart, in the order in which they are written.
///
/// # Errors
/// An option that is none of `known`, or has no value.
pub(in crate::template) fn read(
    build: &Build<'_>,
    sources: &[Source],
    known: &[Known],
) -> Result<Vec<Given>, TemplateError> {
    let (mut given, mut ended) = (Vec::with_capacity(sources.len()), false);
    let mut sources = sources.iter();
    while let Some(source) = sources.next() {
        let bytes = &*source.bytes;
        if ended || bytes.len() < 2 || bytes[0] != b'-' {
            given.push(Given::Argument(source.clone()));
            continue;
        }
        if bytes == b"--" {
            ended = true;
            continue;
        }
        // The name, up to a `=`.
        let is_long = bytes[1] == b'-';
        let start = if is_long { 2 } else { 1 };
        let equals = bytes.iter().position(|byte| *byte == b'=').filter(|_| is_long);
        let name = String::from_utf8_lossy(&bytes[start..equals.unwrap_or(bytes.len())]).into_owned();
        let option = known
            .iter()
            .find(|option| if is_long { option.name == name } else { name.chars().eq([option.letter]) });
        let Some(option) = option else {
            let names: Vec<String> = known.iter().map(|option| format!("--{}", option.name)).collect();
            let written = source.text();
            let help = did_you_mean(&written, names.iter().map(String::as_str))
                .unwrap_or_else(|| format!("the options are {}", names.join(", ")));
            return Err(build.error(source, &format!("unknown option `{written}`"), &help));
        };
        // The value: behind the `=`, or the next argument.
        let value = match equals {
            Some(_) if !option.has_value => {
                return Err(build.error(source, &format!("`--{name}` takes no value"), ""));
            }
            Some(equals) => Some(source.part(equals + 1..source.bytes.len())),
            None if option.has_value => match sources.next() {
                Some(value) => Some(value.clone()),
                None => return Err(build.error(source, &format!("`{}` takes a value", source.text()), "")),
            },
            None => None,
        };
        given.push(Given::Option(option.name, source.clone(), value));
    }
    Ok(given)
}
