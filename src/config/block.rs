//! `block CONTEXT NAME(parameters) { text };`: a text of the configuration under a name, and its uses.
//!
//! ```text
//! block source door(port(514) tag() ...) { network(port(`port`) tags(`tag`) `__VARARGS__`); };
//! source s { door(tag("front") keep-hostname(yes)); };
//!            └─ is read as: network(port(514) tags("front") keep_hostname(yes) ); ─┘
//! ```
//!
//! A use is replaced by the text: the lexer reads it next, with the arguments in the place of their names
//! between backticks. Arguments are texts too, taken as they are written. What is wrong in the text is shown
//! in the block and at its use. A word that the language knows in a place is never a block there.
use std::collections::HashMap;
use std::sync::Arc;

use super::option_table::Key;
use super::parser::{Opening, Parsed, Parser};
use super::raw::Argument;
use super::report::Reported;
use super::span::Span;
use super::token::TokenKind;
use super::unsupported::Place;

/// The most blocks that may be open within each other.
const MAX_DEPTH: usize = 256;

/// The contexts that a block can be of: the place that its text is for.
const CONTEXTS: [&str; 10] = [
    "root",
    "source",
    "destination",
    "log",
    "options",
    "filter",
    "parser",
    "rewrite",
    "inner-src",
    "inner-dest",
];

/// The arguments of one use of a block, by the names of its parameters, written with `-`.
#[derive(Debug)]
pub(super) struct Arguments {
    values: HashMap<String, String>,
    /// Those of the use whose text has the definition of this block.
    outer: Option<Arc<Arguments>>,
}

impl Arguments {
    /// The text for the name between two backticks, if it is that of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let name = name.replace('_', "-");
        let own = self.values.get(&name).map(String::as_str);
        own.or_else(|| self.outer.as_ref().and_then(|outer| outer.get(&name)))
    }

    /// The names of all parameters.
    pub(super) fn names(&self) -> Vec<&str> {
        let outer = self.outer.iter().flat_map(|outer| outer.names());
        self.values.keys().map(String::as_str).chain(outer).collect()
    }
}

/// A block that was defined.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    /// The name in the definition.
    span: Span,
    parameters: Vec<Argument>,
    /// It has `...`: other arguments are taken as well.
    is_open: bool,
    /// The text.
    pub(super) body: Span,
    outer: Option<Arc<Arguments>>,
}

/// The blocks so far, by context and name, the name written with `-`.
pub(super) type Blocks = HashMap<(&'static str, String), Arc<Block>>;

impl Place {
    /// The context of the blocks that may be used there.
    fn context(self) -> &'static str {
        match self {
            Self::Statement => "root",
            Self::Global => "options",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::LogPath => "log",
            Self::Filter => "filter",
            Self::SourceOption => "inner-src",
            Self::DestinationOption => "inner-dest",
        }
    }
}

impl Parser {
    /// Reads what comes after `block`.
    pub(super) fn block_statement(&mut self) -> Parsed<()> {
        let context = self.block_word("a context, as in block source name() { … }")?;
        let Some(known) = CONTEXTS.into_iter().find(|known| *known == context.value.replace('_', "-")) else {
            let all = || format!("one of {}", CONTEXTS.join(", "));
            let help = self.suggestion(&context.value, CONTEXTS).unwrap_or_else(all);
            let message = format!("a block cannot be for `{}`", context.value);
            return Err(self.report.error(context.span, message, Some(help)));
        };
        let name = self.block_word("a name for the block")?;
        let open = self.open_parenthesis()?;
        let parameters = self.arguments()?;
        let is_open = self.peek().is_operator("...");
        if is_open {
            self.next();
        }
        if !self.eat(&TokenKind::RParen) {
            let expected = if is_open {
                "`)`: `...` is the last parameter"
            } else {
                "a parameter, as in name(default), or `)`"
            };
            self.unexpected(expected);
            self.close_parenthesis(open);
            return Err(Reported);
        }
        self.expect(&TokenKind::LBrace)?;
        let body = self.expect(&TokenKind::Code)?;
        // Without a closing brace the lexer reported that.
        if !self.eat(&TokenKind::RBrace) {
            return Err(Reported);
        }
        let outer = self.lexer.arguments().cloned();
        let key = (known, name.value.replace('_', "-"));
        let block = Block { name: name.value, span: name.span, parameters, is_open, body, outer };
        self.blocks.insert(key, Arc::new(block));
        Ok(())
    }

    /// A bare word of a definition.
    fn block_word(&mut self, expected: &str) -> Parsed<Key> {
        let token = self.peek();
        let TokenKind::Word(word) = &token.kind else { return Err(self.unexpected(expected)) };
        let word = Key::new(word.clone(), token.span);
        self.next();
        Ok(word)
    }

    fn block(&self, place: Place, word: &str) -> Option<Arc<Block>> {
        if self.blocks.is_empty() {
            return None;
        }
        self.blocks.get(&(place.context(), word.replace('_', "-"))).cloned()
    }

    /// The names of the blocks that may be used at `place`.
    pub(super) fn block_names(&self, place: Place) -> Vec<String> {
        let here = self.blocks.iter().filter(|((context, _), _)| *context == place.context());
        let mut names: Vec<_> = here.map(|(_, block)| block.name.clone()).collect();
        names.sort();
        names
    }

    /// Has the text of a block read next, if the word here is the name of one and not a word that the
    /// language knows at `place`.
    pub(super) fn opens_block(&mut self, place: Place) -> Parsed<bool> {
        let token = self.peek();
        let TokenKind::Word(word) = &token.kind else { return Ok(false) };
        let key = Key::new(word.clone(), token.span);
        let Some(block) = self.block(place, &key.value) else { return Ok(false) };
        if self.knows(place, &key.value) {
            return Ok(false);
        }
        self.next();
        let open = self.open_parenthesis()?;
        self.expand(&block, key.span, open)?;
        Ok(true)
    }

    /// The same for an option that is not known, whose `(` was read.
    pub(super) fn option_opens_block(
        &mut self,
        place: Place,
        key: &Key,
        open: Opening,
    ) -> Option<Parsed<()>> {
        // An option of a template is no statement.
        let block = self.block(place, &key.value).filter(|_| place != Place::Statement)?;
        Some(self.expand(&block, key.span, open))
    }

    /// Reads the arguments of a use of `block`, whose name is at `name`, and has its text read next.
    fn expand(&mut self, block: &Arc<Block>, name: Span, open: Opening) -> Parsed<()> {
        let given = self.arguments()?;
        if !self.eat(&TokenKind::RParen) {
            self.unexpected("an argument, as in name(text), or `)`");
            self.close_parenthesis(open);
            return Err(Reported);
        }
        let values = self.values(block, name, given)?;
        let used = name.to(self.last_span());
        let on_way: Vec<_> = self.lexer.open_blocks().collect();
        if let Some(first) = on_way.iter().position(|open| Arc::ptr_eq(open, block)) {
            let names: Vec<_> = on_way[first..].iter().map(|open| open.name.as_str()).collect();
            let help =
                (names.len() > 1).then(|| format!("the way is {} → {}", names.join(" → "), block.name));
            let message = format!("the block `{}` uses itself", block.name);
            return Err(self.report.error_with(used, message, block.span, "the block", help));
        }
        if on_way.len() >= MAX_DEPTH {
            let message = format!("blocks use blocks more than {MAX_DEPTH} levels deep");
            return Err(self.report.error(used, message, None));
        }
        let arguments = Arguments { values, outer: block.outer.clone() };
        self.lexing().open_block(block, used, Arc::new(arguments));
        Ok(())
    }

    /// The text for each parameter of `block`, which is used at `name`.
    fn values(&mut self, block: &Block, name: Span, given: Vec<Argument>) -> Parsed<HashMap<String, String>> {
        let mut values = HashMap::new();
        let mut others = String::new();
        let mut reported = None;
        for argument in given {
            if block.parameters.iter().any(|parameter| parameter.name == argument.name) {
                values.insert(argument.name, argument.text);
            } else if block.is_open {
                others.extend([&argument.name.replace('-', "_"), "(", &argument.text, ") "]);
            } else {
                let names: Vec<_> = block.parameters.iter().map(|one| one.name.as_str()).collect();
                let help =
                    self.suggestion(&argument.name, names.iter().copied()).or_else(|| match names[..] {
                        [] => Some("it has none".to_owned()),
                        _ => Some(format!("it has {}", names.join(", "))),
                    });
                let message = format!("the block `{}` has no parameter `{}`", block.name, argument.name);
                reported =
                    Some(self.report.error_with(argument.span, message, block.span, "the block", help));
            }
        }
        for Argument { name: parameter, text: default, span } in &block.parameters {
            let value = values.entry(parameter.clone()).or_default();
            if value.is_empty() {
                value.clone_from(default);
            }
            if value.is_empty() && reported.is_none() {
                let message = format!("the block `{}` needs `{parameter}(…)`", block.name);
                let there = "this parameter has no default";
                reported = Some(self.report.error_with(name, message, *span, there, None));
            }
        }
        if block.is_open {
            values.insert("--VARARGS--".to_owned(), others);
        }
        reported.map_or(Ok(values), Err)
    }
}

#[cfg(test)]
mod tests;
