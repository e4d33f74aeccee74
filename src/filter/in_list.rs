//! `in-list(…)`: a value that is a line of a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::value::Value;
use super::{Compiled, FilterOptions, Test};
use crate::config::grammar::{DriverHead, Parsed, Parser, Place, TokenKind, ValueUse};
use crate::config::{Config, Spanned};
use crate::message::MessageRef;
use crate::template::Moment;

type Lines = HashSet<Box<[u8]>, RandomState>;

/// `in-list("file" value("NAME"))`, also `in-list("file" "NAME")`.
#[derive(Clone)]
pub struct InListOptions {
    file: Spanned<String>,
    lines: Arc<Lines>,
    value: Spanned<String>,
}

impl std::fmt::Debug for InListOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("InList").field(&self.file).field(&self.lines.len()).field(&self.value).finish()
    }
}

impl FilterOptions for InListOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let file = parser.string("the name of a file");
        let file = file.inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let lines = match read(&file.value) {
            Ok(text) => Ok(Arc::new(lines(&text))),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", file.value);
                Err(parser.report.error(file.span, message, None))
            }
        };
        let mut value = None;
        if matches!(parser.peek().kind, TokenKind::Text(_)) {
            value = parser.value_name(ValueUse::Read).ok();
        }
        parser.options_in_parentheses(head.open, Place::FunctionOption, &|| vec!["value"], |parser, key| {
            (key.value == "value").then(|| parser.value_name(ValueUse::Read).map(|name| value = Some(name)))
        });
        let lines = lines?;
        let Some(value) = value else {
            let help = Some("as in in-list(\"file\" value(\"PROGRAM\"))".to_owned());
            return Err(parser.report.error(head.span, "`in-list` needs a value()", help));
        };
        Ok(Self { file, lines, value })
    }

    fn compile(&self, config: &Config) -> Compiled {
        let value = Value::of(config, &self.value)?;
        Ok(Arc::new(InList { lines: Arc::clone(&self.lines), value }))
    }
}

/// The text of a file. A device has no end.
fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// The lines of `text` that are not empty, without what ends them.
fn lines(text: &[u8]) -> Lines {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(Box::from).collect()
}

#[derive(Debug)]
struct InList {
    lines: Arc<Lines>,
    value: Value,
}

impl Test for InList {
    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool {
        self.value.with(message, moment, |text| self.lines.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: the last line of a file without a newline loses a byte, or a line of Windows never
    /// matches, or an empty value does.
    #[test]
    fn lines_are_whole() {
        let lines = lines(b"alpha\nbeta\r\n\n\r\ngamma");
        let has = |text: &str| lines.contains(text.as_bytes());
        assert!(has("alpha") && has("beta") && has("gamma"));
        assert!(!has("") && !has("gamm") && !has("beta\r"));
        assert_eq!(lines.len(), 3);
    }
}
