//! Text to items: the syntax of templates.
//!
//! ```text
//! template := ( literal | '$$' | '$*' | value | call )*
//! value    := '$' NAME ref? | '${' name ( ':-' default )? '}' ref?
//! ref      := '@' digits | '@'            only when a second '@' follows, which is literal
//! call     := '$(' function ( space argument )* ')' ref?
//! argument := a template; '…' and "…" (with backslash escapes) keep spaces together
//! ```
//!
//! NAME is letters, digits and `_`; between braces a name may have any character but `:` and `}`. A `$`
//! that starts none of these is literal. An argument is unquoted first and then compiled as a template
//! of its own, so every byte carries the place that it came from.

use std::ops::Range;

use super::error::TemplateError;
use super::function::Function;
use super::item::{Call, Item};
use super::macros::{Value, resolve};

/// Text with the place of each of its bytes in the template.
struct Text {
    bytes: Vec<u8>,
    /// One more than there are bytes: the last one is the place of the end.
    at: Vec<usize>,
}

impl Text {
    fn span(&self, range: Range<usize>) -> Range<usize> {
        self.at[range.start]..self.at[range.end].max(self.at[range.start] + usize::from(!range.is_empty()))
    }

    fn str(&self, range: Range<usize>) -> String {
        String::from_utf8_lossy(&self.bytes[range]).into_owned()
    }
}

/// What parsing gives.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) items: Vec<Item>,
    /// The names of values with their places, for `suspicious_names`.
    pub(super) names: Vec<(Range<usize>, String)>,
}

/// Nested calls beyond this depth are an error, so that a hostile text cannot exhaust the stack.
const DEPTH: usize = 32;

/// Parses a whole template.
pub(super) fn parse(text: &str) -> Result<Parsed, TemplateError> {
    let text = Text { bytes: text.as_bytes().to_vec(), at: (0..=text.len()).collect() };
    let mut names = Vec::new();
    let items = Parser { text: &text, pos: 0, names: &mut names, depth: 0 }.items()?;
    Ok(Parsed { items, names })
}

struct Parser<'t> {
    text: &'t Text,
    pos: usize,
    names: &'t mut Vec<(Range<usize>, String)>,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.bytes.get(self.pos).copied()
    }

    fn error<T>(&self, from: usize, to: usize, message: &str, help: &str) -> Result<T, TemplateError> {
        let help = (!help.is_empty()).then(|| help.to_owned());
        let end = to.min(self.text.bytes.len());
        Err(TemplateError { at: self.text.span(from..end), message: message.to_owned(), help })
    }

    fn items(mut self) -> Result<Vec<Item>, TemplateError> {
        let mut items = Vec::new();
        let mut literal = Vec::new();
        while let Some(byte) = self.peek() {
            let start = self.pos;
            self.pos += 1;
            if byte != b'$' {
                literal.push(byte);
                continue;
            }
            let item = match self.peek() {
                Some(b'$') => {
                    self.pos += 1;
                    literal.push(b'$');
                    continue;
                }
                Some(b'*') => {
                    self.pos += 1;
                    Item::Value(Value::Nothing, None)
                }
                Some(b'{') => self.braced(start)?,
                Some(b'(') => self.call(start)?,
                Some(next) if is_name(next) => self.unbraced(),
                _ => {
                    literal.push(b'$');
                    continue;
                }
            };
            let item = if self.reference()? { item } else { Item::Value(Value::Nothing, None) };
            if !literal.is_empty() {
                items.push(Item::Literal(std::mem::take(&mut literal).into()));
            }
            items.push(item);
        }
        if !literal.is_empty() {
            items.push(Item::Literal(literal.into()));
        }
        Ok(items)
    }

    fn unbraced(&mut self) -> Item {
        let start = self.pos;
        while self.peek().is_some_and(is_name) {
            self.pos += 1;
        }
        Item::Value(self.value(start..self.pos), None)
    }

    fn value(&mut self, range: Range<usize>) -> Value {
        let name = self.text.str(range.clone());
        let value = resolve(&name);
        self.names.push((self.text.span(range), name));
        value
    }

    fn braced(&mut self, start: usize) -> Result<Item, TemplateError> {
        self.pos += 1;
        let name = self.pos;
        let Some(len) = self.text.bytes[name..].iter().position(|b| *b == b'}') else {
            return self.error(start, start + 2, "this `${` is not closed", "a `}` after the name");
        };
        let end = name + len;
        let colon = self.text.bytes[name..end].iter().position(|b| *b == b':').map(|at| name + at);
        let name_end = colon.unwrap_or(end);
        if name_end == name {
            return self.error(start, end + 1, "there is no name between the braces", "`${NAME}`");
        }
        let default = match colon {
            None => None,
            Some(at) if self.text.bytes[at..end].starts_with(b":-") => {
                Some(self.text.bytes[at + 2..end].into())
            }
            Some(at) => {
                let message = "after the name, only `:-` and a default value are possible";
                return self.error(at, end, message, "`${NAME:-default}`");
            }
        };
        let value = self.value(name..name_end);
        self.pos = end + 1;
        Ok(Item::Value(value, default))
    }

    /// Reads the `@` after a value, and tells whether the message that it names is there: `@0` is the
    /// message itself, others belong to a correlation.
    fn reference(&mut self) -> Result<bool, TemplateError> {
        if self.peek() != Some(b'@') {
            return Ok(true);
        }
        self.pos += 1;
        if self.peek() == Some(b'@') {
            return Ok(true);
        }
        let start = self.pos;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.pos += 1;
        }
        if start == self.pos {
            let message = "after a macro, `@` and a number choose a message of a correlation";
            return self.error(start - 1, start, message, "write `@@` for the character `@`");
        }
        Ok(self.text.bytes[start..self.pos].iter().all(|b| *b == b'0'))
    }

    fn call(&mut self, start: usize) -> Result<Item, TemplateError> {
        if self.depth == DEPTH {
            return self.error(start, start + 2, "template functions are nested too deeply", "");
        }
        self.pos += 1;
        self.spaces();
        let name = self.pos;
        while self.peek().is_some_and(|b| b != b')' && !b.is_ascii_whitespace()) {
            self.pos += 1;
        }
        let name = name..self.pos;
        let mut arguments = Vec::new();
        loop {
            self.spaces();
            match self.peek() {
                None => {
                    return self.error(
                        start,
                        start + 2,
                        "this `$(` is not closed",
                        "a `)` after the arguments",
                    );
                }
                Some(b')') => break,
                Some(_) => arguments.push(self.argument(start)?),
            }
        }
        self.pos += 1;
        let function = match Function::find(&self.text.str(name.clone())) {
            Ok(function) => function,
            Err((message, help)) => return self.error(name.start, name.end, &message, &help),
        };
        let mut compiled = Vec::with_capacity(arguments.len());
        for text in &arguments {
            let parser = Parser { text, pos: 0, names: &mut *self.names, depth: self.depth + 1 };
            compiled.push(parser.items()?.into_boxed_slice());
        }
        match Call::new(function, compiled) {
            Ok(call) => Ok(Item::Call(Box::new(call))),
            Err(message) => self.error(start, self.pos, &message, function.usage()),
        }
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.pos += 1;
        }
    }

    /// Takes the quotes off one argument. What is inside a nested `$(…)` or `${…}` is copied as it
    /// stands: its quotes are its own.
    fn argument(&mut self, call: usize) -> Result<Text, TemplateError> {
        let mut text = Text { bytes: Vec::new(), at: Vec::new() };
        let mut quote = None;
        let mut parens = 0_usize;
        let mut brace = false;
        loop {
            let Some(byte) = self.peek() else {
                return match quote {
                    Some((_, at)) => self.error(at, at + 1, "this quote is not closed", ""),
                    None => {
                        self.error(call, call + 2, "this `$(` is not closed", "a `)` after the arguments")
                    }
                };
            };
            let nested = parens > 0 || brace;
            let mut keep = true;
            match (byte, quote) {
                (_, Some((open, _))) if byte == open => {
                    quote = None;
                    keep = nested;
                }
                (b'\\', Some((b'"', _))) => {
                    if nested {
                        self.push(&mut text);
                    } else {
                        self.pos += 1;
                    }
                    if self.peek().is_none() {
                        continue;
                    }
                }
                (_, Some(_)) => {}
                (b'}', None) if brace => brace = false,
                _ if brace => {}
                (b'\'' | b'"', None) => {
                    quote = Some((byte, self.pos));
                    keep = nested;
                }
                (b'{', None) if text.bytes.last() == Some(&b'$') => brace = true,
                (b'(', None) => parens += 1,
                (b')', None) if parens > 0 => parens -= 1,
                (b')', None) => break,
                (_, None) if parens == 0 && byte.is_ascii_whitespace() => break,
                _ => {}
            }
            if keep {
                self.push(&mut text);
            } else {
                self.pos += 1;
            }
        }
        text.at.push(self.text.at[self.pos]);
        Ok(text)
    }

    /// Copies the next byte with its place.
    fn push(&mut self, text: &mut Text) {
        text.bytes.push(self.text.bytes[self.pos]);
        text.at.push(self.text.at[self.pos]);
        self.pos += 1;
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
