//! The one error of the crate: [`Error`].

use std::fmt;

use crate::config::{Diagnostic, Diagnostics};
use crate::state;
use crate::syslog::{ParseError, UnknownFlag};
use crate::template::TemplateError;

/// The error of what users of the crate call.
///
/// A room has a type of its own where its callers look into it: a [`Diagnostic`] has a place, a
/// [`ParseError`] an offset. Each of them becomes one of these with `?`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A configuration is refused, for all of these reasons.
    Config(Diagnostics),
    /// The state file cannot be opened, read or written.
    State(state::Error),
    /// A template does not compile.
    Template(TemplateError),
    /// A syslog message does not parse (RFC 5424, RFC 3164).
    Parse(ParseError),
    /// A word is no flag of a source.
    Flag(UnknownFlag),
    /// The system refuses something: the sentence names the thing, and says what was expected.
    System(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(diagnostics) => diagnostics.fmt(f),
            Self::State(error) => error.fmt(f),
            Self::Template(error) => error.fmt(f),
            Self::Parse(error) => error.fmt(f),
            Self::Flag(error) => error.fmt(f),
            Self::System(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Error {}

macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from! {
    Diagnostics => Config,
    state::Error => State,
    TemplateError => Template,
    ParseError => Parse,
    UnknownFlag => Flag,
    String => System,
}

impl From<Diagnostic> for Error {
    fn from(error: Diagnostic) -> Self {
        Self::Config(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    /// Breaks without it: an error loses its text, or its place, on the way to a user of the crate.
    #[test]
    fn each_error_keeps_its_text() {
        let template = Template::compile("${x").unwrap_err();
        assert_eq!(Error::from(template.clone()).to_string(), template.to_string());
        assert_eq!(Error::from("no such thing".to_owned()).to_string(), "no such thing");
        let diagnostic = Diagnostic::without_place("wrong".to_owned());
        assert_eq!(
            Error::from(diagnostic).to_string(),
            Diagnostics::from(Diagnostic::without_place("wrong".to_owned())).to_string()
        );
    }
}
