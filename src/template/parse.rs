//! Text to items: the syntax of templates.
//!
//! ```text
//! template := ( literal | '$$' | '$*' | value | call )*
//! value    := '$' NAME | '${' name ( ':-' default )? '}' ref?
//! ref      := '@' digits | '@@'           the second is the character '@'
//! call     := '$(' ( function ( space argument )* )? ')' ref?
//! argument := a template; '…' and "…" keep spaces together and have no escapes, a backslash outside of them takes the
//!             next byte as it is, parentheses stay together, so does what stands between `${` and `}`
//! ```
//!
//! NAME is letters, digits and `_`; between braces a name may have any character but `:` and `}`. A `$` that
//! starts none of these is literal, so is an `@` that starts no reference. An argument is unquoted first and
//! then compiled as a template of its own, so every byte carries the place that it came from. Quotes inside
//! of inner parentheses are left for the inner call; backslashes are not, so each level takes one off.
//!
//! Texts are bytes: they need not be UTF-8.

use std::ops::Range;

use super::build::{Build, Source};
use super::correlated;
use super::error::TemplateError;
use super::function::Function;
use super::item::{Call, Item, Items, Scope};
use super::macros::{Value, resolve};
use super::surroundings::{NamedTemplate, Surroundings};
use crate::message::{Lookup, ValueType};

/// The result of parsing.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) items: Items,
    pub(super) notes: Notes,
}

/// The compiler's remarks: what is legal and worth telling.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The names of values with their places, for `suspicious_names`.
    pub(super) names: Vec<(Range<usize>, String)>,
    /// Texts that do something else than they look like.
    pub(super) warnings: Vec<TemplateError>,
    /// Tells whether a function of the host's is called.
    pub(super) calls_host: bool,
}

/// Nested calls beyond this depth are an error, so that a hostile text cannot exhaust the stack.
const DEPTH: usize = 32;

/// The most arguments of a function.
const ARGUMENTS: usize = 64;

/// Parses a whole template.
pub(super) fn parse(text: &[u8], surroundings: &mut dyn Surroundings) -> Result<Parsed, TemplateError> {
    let mut notes = Notes::default();
    let items = items(&Source::of(text), &mut notes, surroundings, 0)?;
    Ok(Parsed { items, notes })
}

/// Parses a template or an argument, which is `depth` calls deep.
pub(super) fn items(
    text: &Source,
    notes: &mut Notes,
    surroundings: &mut dyn Surroundings,
    depth: usize,
) -> Result<Items, TemplateError> {
    let (is_typed, has_backslashes) = (surroundings.is_typed(), surroundings.has_backslashes());
    let list = Parser { text, pos: 0, notes, surroundings, depth, has_backslashes }.items()?;
    Ok(Items { list: list.into(), is_typed })
}

struct Parser<'t> {
    text: &'t Source,
    pos: usize,
    notes: &'t mut Notes,
    surroundings: &'t mut dyn Surroundings,
    depth: usize,
    /// A backslash takes the next byte as it is.
    has_backslashes: bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.bytes.get(self.pos).copied()
    }

    fn error<T>(&self, from: usize, to: usize, message: &str, help: &str) -> Result<T, TemplateError> {
        Err(self.note(from, to, message, help))
    }

    fn note(&self, from: usize, to: usize, message: &str, help: &str) -> TemplateError {
        let help = (!help.is_empty()).then(|| help.to_owned());
        let end = to.min(self.text.bytes.len());
        TemplateError { at: self.text.span(from..end), message: message.to_owned(), help }
    }

    fn warn(&mut self, from: usize, to: usize, message: &str, help: &str) {
        let note = self.note(from, to, message, help);
        self.notes.warnings.push(note);
    }

    fn items(mut self) -> Result<Vec<Item>, TemplateError> {
        let mut items = Vec::new();
        let mut literal = Vec::new();
        while let Some(byte) = self.peek() {
            let start = self.pos;
            self.pos += 1;
            if byte != b'$' {
                let quoted = (byte == b'\\' && self.has_backslashes).then(|| self.peek()).flatten();
                self.pos += usize::from(quoted.is_some());
                literal.push(quoted.unwrap_or(byte));
                continue;
            }
            // The byte after the `$` tells what it begins; one that begins nothing is literal.
            let item = match self.peek() {
                Some(b'$') => {
                    self.pos += 1;
                    literal.push(b'$');
                    continue;
                }
                Some(b'*') => {
                    self.pos += 1;
                    Item::Value(Value::Matches, None)
                }
                Some(b'{') => {
                    let value = self.braced(start)?;
                    self.referred(value)
                }
                Some(b'(') => {
                    let call = self.call(start)?;
                    self.referred(call)
                }
                Some(next) if is_name(next) => self.unbraced(),
                _ => {
                    literal.push(b'$');
                    continue;
                }
            };
            // The text up to here is an item before it.
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
        let bytes = &self.text.bytes[range.clone()];
        let Ok(name) = std::str::from_utf8(bytes) else { return Value::Named(Box::new(Lookup::new(bytes))) };
        let value = resolve(name);
        self.notes.names.push((self.text.span(range), name.to_owned()));
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
            self.warn(start, end + 1, "there is no name between the braces: nothing is written", "`${NAME}`");
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

    /// Reads the `@` after `item`: the number behind it chooses a message of the context, counted back from the
    /// message itself, `@0`.
    fn referred(&mut self, item: Item) -> Item {
        if self.peek() != Some(b'@') {
            return item;
        }
        let start = self.pos;
        self.pos += 1;
        if self.peek() == Some(b'@') {
            return item;
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.pos += 1;
        }
        if start + 1 == self.pos {
            self.pos = start;
            let message =
                "this `@` is a character: a number after it would choose a message of a correlation";
            self.warn(start, start + 1, message, "write `@@` to say so");
            return item;
        }
        let digits = &self.text.bytes[start + 1..self.pos];
        // A number that no context is long enough for is as good as the largest.
        let back = digits
            .iter()
            .fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
        match item {
            Item::Value(..) if back == 0 => item,
            item => {
                let items = Items { list: Box::new([item]), is_typed: self.surroundings.is_typed() };
                Item::Call(Box::new(Nth { back, items }))
            }
        }
    }

    fn call(&mut self, start: usize) -> Result<Item, TemplateError> {
        if self.depth == DEPTH {
            return self.error(start, start + 2, "template functions are nested too deeply", "");
        }
        self.pos += 1;
        let (name, name_at) = self.function_name(start)?;
        let mut arguments = Vec::new();
        while self.next_argument(start)? {
            arguments.push(self.argument(start)?);
        }
        self.pos += 1;
        if name.bytes.is_empty() {
            self.warn(start, self.pos, "there is no function name after `$(`: nothing is written", "");
            return Ok(Item::Value(Value::Nothing, None));
        }
        if arguments.len() > ARGUMENTS {
            let message = format!("a template function has at most {ARGUMENTS} arguments");
            return self.error(start, self.pos, &message, "");
        }
        let name = name.text();
        let place = start..self.pos;
        if let Some(template) = self.surroundings.function(&name) {
            if !arguments.is_empty() {
                return self.error(start, self.pos, &format!("`{name}` takes no arguments"), "");
            }
            return Ok(Item::Call(Box::new(Own { name, template })));
        }
        let function = match Function::find(&name, &self.surroundings.functions()) {
            Ok(function) => function,
            Err((message, help)) => return self.error(name_at.start, name_at.end, &message, &help),
        };
        let call = self.text.span(place);
        let (notes, surroundings) = (&mut *self.notes, &mut *self.surroundings);
        let mut build = Build { notes, surroundings, depth: self.depth + 1, call };
        function.compile(&mut build, &arguments).map(Item::Call)
    }

    /// The name of the function, which may be quoted, and its place; no bytes when there is none.
    fn function_name(&mut self, call: usize) -> Result<(Source, Range<usize>), TemplateError> {
        self.spaces();
        let start = self.pos;
        let name = if self.peek().is_some_and(|b| b != b')') { Some(self.argument(call)?) } else { None };
        let none = || Source { bytes: Vec::new(), at: vec![self.text.at[start]] };
        Ok((name.unwrap_or_else(none), start..self.pos))
    }

    /// Tells whether there is another argument, and not the end of the call.
    fn next_argument(&mut self, call: usize) -> Result<bool, TemplateError> {
        self.spaces();
        match self.peek() {
            None => self.error(call, call + 2, "this `$(` is not closed", "a `)` after the arguments"),
            Some(byte) => Ok(byte != b')'),
        }
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.pos += 1;
        }
    }

    /// Takes the quotes and backslashes off one argument. The quotes of a nested `$(…)` are its own, and
    /// stay.
    fn argument(&mut self, call: usize) -> Result<Source, TemplateError> {
        let mut text = Source { bytes: Vec::new(), at: Vec::new() };
        let mut parens = 0_usize;
        let mut brace = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' | b'\'' => {
                    let length = self.quoted(byte)?;
                    let keep = usize::from(parens == 0);
                    self.pos += keep;
                    (keep..length - keep).for_each(|_| self.push(&mut text));
                    self.pos += keep;
                    continue;
                }
                b'\\' => {
                    self.pos += 1;
                    if self.peek().is_none() {
                        break;
                    }
                }
                b'}' if brace => brace = false,
                _ if brace => {}
                b'{' if text.bytes.last() == Some(&b'$') => brace = true,
                b'(' => parens += 1,
                b')' if parens > 0 => parens -= 1,
                _ if parens == 0 && (byte == b')' || byte.is_ascii_whitespace()) => {
                    text.at.push(self.text.at[self.pos]);
                    return Ok(text);
                }
                _ => {}
            }
            self.push(&mut text);
        }
        self.error(call, call + 2, "this `$(` is not closed", "a `)` after the arguments")
    }

    /// The length of the quoted text that starts here, with its quotes.
    fn quoted(&self, quote: u8) -> Result<usize, TemplateError> {
        let inside = &self.text.bytes[self.pos + 1..];
        if let Some(length) = inside.iter().position(|byte| *byte == quote) {
            return Ok(length + 2);
        }
        let help = "inside of quotes a backslash is a character: use the other kind of quotes";
        self.error(self.pos, self.pos + 1, "this quote is not closed", help)
    }

    /// Copies the next byte with its place.
    fn push(&mut self, text: &mut Source) {
        text.bytes.push(self.text.bytes[self.pos]);
        text.at.push(self.text.at[self.pos]);
        self.pos += 1;
    }
}

/// A call of a function that the configuration has made of a template.
#[derive(Debug)]
struct Own {
    #[expect(dead_code, reason = "it is for the debug text")]
    name: String,
    template: NamedTemplate,
}

impl Call for Own {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        self.template.append(scope, out)
    }
}

/// `${name}@N` and `$(function …)@N`: for the message that is so many before the last one of the context.
#[derive(Debug)]
struct Nth {
    back: usize,
    items: Items,
}

impl Call for Nth {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let found =
            correlated::nth(scope, self.back, |scope| self.items.append_typed(scope, None, false, out));
        found.unwrap_or_default()
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
