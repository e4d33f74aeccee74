//! `value(NAME)`: names of values in filters, parsers and rewrites.
//!
//! A `$` in front and braces around a name are none of it, and warned of. A macro is computed from a message:
//! it may be read by its name, and never written. A few names are both: `HOST`, `SOURCE` or `PEERIP` are
//! macros that give a value of that name where there is one.

use super::parser::{Parsed, Parser};
use super::span::Spanned;
use super::token::Text;
use crate::template::{is_settable, nearest_macro};

/// The use of a value by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueUse {
    /// It is read.
    Read,
    /// It is set or unset.
    Write,
}

impl Parser {
    /// The name of a value.
    pub(crate) fn value_name(&mut self, used: ValueUse) -> Parsed<Spanned<String>> {
        let written = self.text("the name of a value")?;
        let written = self.utf8(written)?;
        let name = self.without_dollar(&written)?;
        let span = written.span;
        if name.is_empty() {
            let help = Some("name one, as in value(\"PROGRAM\")".to_owned());
            return Err(self.report.error(span, "the name of a value is not empty", help));
        }
        if let Some(rest) = name.strip_prefix(".SDATA.")
            && rest.rsplit_once('.').is_none_or(|(id, parameter)| id.is_empty() || parameter.is_empty())
        {
            let message = format!("`{name}` is no parameter of structured data");
            let help = "write the element's id and the parameter's name: .SDATA.id.name".to_owned();
            return Err(self.report.error(span, message, Some(help)));
        }
        if used == ValueUse::Write && !is_settable(&name) {
            let message = format!("`{name}` is computed from the message, and nothing can be set under it");
            return Err(self.report.error(span, message, instead_of(&name).map(str::to_owned)));
        }
        if let Some(near) = nearest_macro(&name) {
            let message = format!("no macro is called `{name}`: a value of that name is meant");
            self.report.warn(span, message, Some(format!("did you mean `{near}`?")));
        }
        Ok(Spanned::new(name, span))
    }

    /// The name without a `$` in front, and the braces around it.
    fn without_dollar(&mut self, written: &Text) -> Parsed<String> {
        let text = written.value.as_str();
        let Some(name) = text.strip_prefix('$') else { return Ok(text.to_owned()) };
        let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        if name.contains(['$', '(', '{']) {
            let message = format!("`{text}` is not the name of a value");
            return Err(self.report.error(written.span, message, None));
        }
        let message = format!("the `$` of `{text}` is not part of the name");
        self.report.warn(written.span, message, Some(format!("write \"{name}\"")));
        Ok(name.to_owned())
    }
}

/// The function that changes what the macro `name` is computed from.
fn instead_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "PRI" => "set-pri() sets it",
        "FACILITY" | "FACILITY_NUM" => "set-facility() sets it",
        "LEVEL" | "LEVEL_NUM" | "PRIORITY" | "SEVERITY" | "SEVERITY_NUM" => "set-severity() sets it",
        "TAGS" => "set-tag() and clear-tag() change the tags",
        "SDATA" => "set its parameters, as in value(\".SDATA.id.name\")",
        "MSGHDR" => "it is made of PROGRAM and PID",
        "TZ" | "TZOFFSET" => "set-time-zone() shows the time in another zone",
        _ => return None,
    })
}
