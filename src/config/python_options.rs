//! A class of Python and its options, as all drivers name them: [`PythonClass`].
//!
//! ```text
//! options("key" "text"  key => word  count 5  ratio 0.5  on yes  also True
//!         list => [a "b"]  format LogTemplate("$MSG")  key(value))
//! ```
//!
//! Keys may be bare, with `-` read as `_`; of two equal keys the later one counts. The form `key(value)` is
//! not part of the grammar of syslog-ng, but public sources are written with it.
use indexmap::IndexMap;

use super::number::Number;
use super::option_table::{Kind, Table};
use super::parser::{Parsed, Parser};
use super::report::Reported;
use super::span::{Span, Spanned};
use super::token::TokenKind;

/// A class of the user's code, with what an object of it gets.
#[derive(Debug, Clone)]
pub struct PythonClass {
    /// `class()`: a name of the python blocks, or one with its module.
    pub name: Spanned<String>,
    /// `options()`, of all that were written; keys have `_` for `-`.
    pub options: IndexMap<String, OptionValue>,
    /// `loaders()` or `imports()`: modules to import before the class is looked up.
    pub loaders: Vec<Spanned<String>>,
}

/// The options that name a class.
pub(crate) const CLASS: Table<PythonClass> = &[
    ("class", Kind::Text(|to, name| to.name = name)),
    ("options", Kind::Other(|parser, to| parser.python_options(&mut to.options))),
    ("loaders", Kind::Texts(|to, module| to.loaders.push(module))),
    (
        "imports",
        Kind::Other(|parser, to| {
            let span = parser.last_span();
            parser.report.warn(span, "imports() is an old spelling", Some("use loaders()".to_owned()));
            while !parser.sees(&TokenKind::RParen) {
                to.loaders.push(parser.string("the name of a module")?);
            }
            Ok(())
        }),
    ),
];

impl PythonClass {
    /// That of a driver at `at`; it has no name yet.
    pub(crate) fn unnamed(at: Span) -> Self {
        Self { name: Spanned::new(String::new(), at), options: IndexMap::new(), loaders: Vec::new() }
    }

    /// Refuses the driver called `word` when no class was named. `errors` is the number of errors before its
    /// options were read: one of them may be the reason.
    pub(crate) fn require_name(&self, parser: &mut Parser, word: &str, errors: usize) -> Parsed<()> {
        if !self.name.value.is_empty() {
            return Ok(());
        }
        if parser.report.errors() == errors {
            let help = Some("name the class with class(\"Name\") or class(\"module.Name\")".to_owned());
            parser.report.error(self.name.span, format!("{word}() needs the name of a class"), help);
        }
        Err(Reported)
    }
}

/// A value of `options()`: the Python object that `init()` gets.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// A quoted text or a bare word: `str`.
    Str(String),
    /// A whole number: `int`.
    Int(i64),
    /// A number with a decimal point: `float`.
    Float(f64),
    /// `yes`, `no`, `on`, `off`, `True` or `False`: `bool`.
    Bool(bool),
    /// `[…]`: `list[str]`.
    List(Vec<String>),
    /// `LogTemplate("…")`: a `LogTemplate`. The text compiles.
    Template(Spanned<String>),
}

impl Parser {
    /// The pairs of `options()`, up to its `)`.
    fn python_options(&mut self, to: &mut IndexMap<String, OptionValue>) -> Parsed<()> {
        while !self.sees(&TokenKind::RParen) {
            let key = self.string("the name of an option")?;
            let value = if self.sees(&TokenKind::LParen) {
                let open = self.open_parenthesis()?;
                if let TokenKind::RParen = self.peek().kind {
                    return Err(self.without_value(&key));
                }
                let value = self.python_value()?;
                if !self.eat(&TokenKind::RParen) {
                    self.unexpected("`)` after one value");
                    self.close_parenthesis(open);
                }
                value
            } else {
                self.eat(&TokenKind::Arrow);
                if let TokenKind::RParen = self.peek().kind {
                    return Err(self.without_value(&key));
                }
                self.python_value()?
            };
            to.insert(key.value.replace('-', "_"), value);
        }
        Ok(())
    }

    fn without_value(&mut self, key: &Spanned<String>) -> super::report::Reported {
        let help = Some(format!("each option has a name and a value: \"{}\" => \"value\"", key.value));
        let span = key.span.to(self.last_span());
        self.report.error(span, format!("the option `{}` has no value", key.value), help)
    }

    fn python_value(&mut self) -> Parsed<OptionValue> {
        if !starts_value(&self.peek().kind) {
            return Err(self.unexpected("a value"));
        }
        let token = self.next();
        match token.kind {
            TokenKind::Text(text) => Ok(OptionValue::Str(self.utf8(text)?.value)),
            TokenKind::Number(Number::Int(value), _) => Ok(OptionValue::Int(value)),
            TokenKind::Number(Number::Float(value), _) => Ok(OptionValue::Float(value)),
            TokenKind::Number(Number::TooLarge, written) => {
                let help = Some(format!("put it in quotes to pass it as text: \"{written}\""));
                Err(self.report.error(token.span, format!("{written} does not fit into 64 bits"), help))
            }
            TokenKind::Word(word) if word == "LogTemplate" && self.sees(&TokenKind::LParen) => {
                self.next();
                let text = if let TokenKind::RParen = self.peek().kind {
                    Spanned::new(String::new(), self.peek().span)
                } else {
                    let text = self.text("the text of a template")?;
                    let text = self.utf8(text)?;
                    let span = text.span;
                    Spanned::new(self.compiled(text)?.text, span)
                };
                self.expect(&TokenKind::RParen)?;
                Ok(OptionValue::Template(text))
            }
            TokenKind::Word(word) => Ok(match word.as_str() {
                "yes" | "on" | "True" => OptionValue::Bool(true),
                "no" | "off" | "False" => OptionValue::Bool(false),
                _ => OptionValue::Str(word),
            }),
            _ => {
                let mut list = Vec::new();
                while !self.eat(&TokenKind::RBracket) {
                    list.push(self.string("a text or `]`")?.value);
                }
                Ok(OptionValue::List(list))
            }
        }
    }
}

/// Tells whether a value can start with a token of this kind: a text, a number, a word, or the `[` of a list.
fn starts_value(kind: &TokenKind) -> bool {
    matches!(kind, TokenKind::Text(_) | TokenKind::Number(..) | TokenKind::Word(_) | TokenKind::LBracket)
}
