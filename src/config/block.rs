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
//! The text of a [generator](super::generator) is made at its use.
mod arguments;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub(super) use arguments::Arguments;
use arguments::arguments_of;

use super::built_in::{BUILT_IN, MakeText};
use super::generator::{GeneratorArguments, Generators, Maker};
use super::option_table::Key;
use super::parser::{Opening, Parsed, Parser};
use super::raw::Argument;
use super::report::Reported;
use super::span::Span;
use super::token::TokenKind;
use super::unsupported::Place;
use crate::nearest::did_you_mean;

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

/// A block that was defined.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    /// The name in the definition. The language's own blocks and those of a host have none.
    span: Option<Span>,
    text: BlockText,
}

/// The text of a block.
#[derive(Debug)]
enum BlockText {
    /// It is written in the configuration.
    Written {
        parameters: Vec<Argument>,
        /// It has `...`: other arguments are taken as well.
        is_open: bool,
        body: Span,
        outer: Option<Arc<Arguments>>,
    },
    /// It is made at each use.
    Made(Maker),
    /// The language makes it at each use.
    BuiltIn(MakeText),
}

impl Block {
    /// A part of an application, which is defined at `span`.
    pub(super) fn part(name: String, span: Span, body: Span, outer: Option<Arc<Arguments>>) -> Self {
        let text = BlockText::Written { parameters: Vec::new(), is_open: false, body, outer };
        Self { name, span: Some(span), text }
    }
}

/// The blocks so far, by context and name, the name written with `-`.
#[derive(Debug, Default)]
pub(super) struct Blocks(HashMap<(&'static str, String), Arc<Block>>);

impl Blocks {
    /// The blocks before the first line: the language's own, and the generators of a host.
    pub(super) fn new(generators: Option<&Arc<dyn Generators>>) -> Self {
        let mut blocks = Self::default();
        for (context, name, make) in BUILT_IN {
            blocks.add(
                context,
                Block { name: (*name).to_owned(), span: None, text: BlockText::BuiltIn(*make) },
            );
        }
        if let Some(generators) = generators {
            for (context, name) in generators.names() {
                if let Some(context) = context_called(&context) {
                    let maker = Maker::Host(Arc::clone(generators), context);
                    blocks.add_made(context, &name, None, maker);
                }
            }
        }
        blocks
    }

    /// Adds a generator, which is defined at `span`.
    pub(super) fn add_made(&mut self, context: &'static str, name: &str, span: Option<Span>, maker: Maker) {
        self.add(context, Block { name: name.to_owned(), span, text: BlockText::Made(maker) });
    }

    /// Adds those of `others` that are for a context and name that there is not.
    pub(super) fn add_absent(&mut self, others: Self) {
        for (key, block) in others.0 {
            self.0.entry(key).or_insert(block);
        }
    }

    /// Adds a block.
    pub(super) fn add(&mut self, context: &'static str, block: Block) {
        self.0.insert((context, block.name.replace('_', "-")), Arc::new(block));
    }

    fn get(&self, context: &'static str, name: &str) -> Option<&Arc<Block>> {
        self.0.get(&(context, name.replace('_', "-")))
    }
}

/// Tells whether blocks can be for `context`.
pub fn is_context(context: &str) -> bool {
    context_called(context).is_some()
}

/// The context of blocks that is called `word`.
pub(super) fn context_called(word: &str) -> Option<&'static str> {
    CONTEXTS.into_iter().find(|known| *known == word.replace('_', "-"))
}

/// The help for a context that does not exist.
pub(super) fn context_help(word: &str) -> String {
    did_you_mean(word, CONTEXTS).unwrap_or_else(|| format!("one of {}", CONTEXTS.join(", ")))
}

impl Place {
    /// The context of the blocks that may be used there.
    pub(super) fn context(self) -> &'static str {
        match self {
            Self::Statement => "root",
            Self::Global => "options",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Parser => "parser",
            Self::LogPath => "log",
            Self::Filter => "filter",
            // An option of a rewrite function has no blocks of its own: those for rewrites are whole
            // functions.
            Self::Rewrite | Self::FunctionOption => "rewrite",
            Self::SourceOption => "inner-src",
            Self::DestinationOption => "inner-dest",
        }
    }
}

impl Parser {
    /// Reads what comes after `block`.
    pub(super) fn block_statement(&mut self) -> Parsed<()> {
        let context = self.block_word("a context, as in block source name() { … }")?;
        let Some(known) = context_called(&context.value) else {
            let message = format!("a block cannot be for `{}`", context.value);
            return Err(self.report.error(context.span, message, Some(context_help(&context.value))));
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
        let text = BlockText::Written { parameters, is_open, body, outer };
        let block = Block { name: name.value, span: Some(name.span), text };
        if !self.gives_way(known, &block, name.span.file) {
            self.lexer.blocks.add(known, block);
        }
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

    /// The block called `word` that may be used at `place`.
    fn block(&mut self, place: Place, word: &str) -> Option<Arc<Block>> {
        let context = place.context();
        if self.lexer.blocks.get(context, word).is_none() && !self.knows(place, word) {
            self.read_own_block(context, word);
        }
        self.lexer.blocks.get(context, word).cloned()
    }

    /// The names of the blocks that may be used at `place`.
    pub(super) fn block_names(&self, place: Place) -> Vec<String> {
        let here = self.lexer.blocks.0.iter().filter(|((context, _), _)| *context == place.context());
        let mut names: Vec<_> = here.map(|(_, block)| block.name.clone()).collect();
        names.extend(self.own_names(place).map(str::to_owned));
        names.sort();
        names.dedup();
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
        let block = self
            .block(place, &key.value)
            .filter(|_| !matches!(place, Place::Statement | Place::FunctionOption))?;
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
        let used = name.to(self.last_span());
        self.check_depth(block, used)?;
        match &block.text {
            BlockText::Written { parameters, is_open, body, outer } => {
                let values = self.values(block, name, parameters, *is_open, given)?;
                let arguments = Arguments { values, outer: outer.clone() };
                self.lexing().open_block(block, *body, used, Arc::new(arguments));
            }
            BlockText::Made(maker) => {
                let text = self.made(block, maker, used, &arguments_of(given))?;
                self.lexing().open_made(block, text, used);
            }
            BlockText::BuiltIn(make) => {
                let text = make(self, &arguments_of(given), used)?;
                self.lexing().open_made(block, text, used);
            }
        }
        Ok(())
    }

    /// Checks that `block`, which is used at `used`, is not open, and few others are.
    fn check_depth(&mut self, block: &Arc<Block>, used: Span) -> Parsed<()> {
        let on_way: Vec<_> = self.lexer.open_blocks().collect();
        // An application may use those of another topic.
        let is_open = |open: &Arc<Block>| Arc::ptr_eq(open, block);
        let may_be_open = matches!(block.text, BlockText::BuiltIn(_));
        if let Some(first) = on_way.iter().position(|open| !may_be_open && is_open(open)) {
            let names: Vec<_> = on_way[first..].iter().map(|open| open.name.as_str()).collect();
            let help =
                (names.len() > 1).then(|| format!("the way is {} → {}", names.join(" → "), block.name));
            let message = format!("the block `{}` uses itself", block.name);
            return Err(self.error_about(block, used, message, "the block", help));
        }
        if on_way.len() >= MAX_DEPTH {
            let message = format!("blocks use blocks more than {MAX_DEPTH} levels deep");
            return Err(self.report.error(used, message, None));
        }
        Ok(())
    }

    /// Reports `message` at `span`, and shows the definition of `block` with it, labelled `there`.
    fn error_about(
        &mut self,
        block: &Block,
        span: Span,
        message: String,
        there: &str,
        help: Option<String>,
    ) -> Reported {
        match block.span {
            Some(definition) => self.report.error_with(span, message, definition, there, help),
            None => self.report.error(span, message, help),
        }
    }

    /// The text that `maker` makes for the use of `block` at `used`.
    fn made(
        &mut self,
        block: &Block,
        maker: &Maker,
        used: Span,
        arguments: &GeneratorArguments,
    ) -> Parsed<String> {
        let place = format!("the generator {}", block.name);
        self.lexer.environment.progress.note(Path::new(&place));
        let (run, most) = (self.lexer.environment.run_command, self.lexer.budget.text());
        maker.make(&block.name, arguments, run, most).map_err(|error| {
            // What others refer to may be missing with it.
            self.lexer.pragmas.incomplete = true;
            let what = error.lines().last().unwrap_or_default();
            let message = format!("the generator `{}` fails: {what}", block.name);
            let mut diagnostic = self.report.map.error(used, message, None);
            if let Some(definition) = block.span {
                diagnostic = diagnostic.with_label(self.report.map.label(definition, "the generator"));
            }
            if error.lines().count() > 1 {
                diagnostic = diagnostic.with_note(error);
            }
            self.report.push(diagnostic)
        })
    }

    /// The text for each parameter of `block`, which is used at `name`.
    fn values(
        &mut self,
        block: &Block,
        name: Span,
        parameters: &[Argument],
        is_open: bool,
        given: Vec<Argument>,
    ) -> Parsed<HashMap<String, String>> {
        let mut values = HashMap::new();
        let mut others = String::new();
        let mut reported = None;
        for argument in given {
            if parameters.iter().any(|parameter| parameter.name == argument.name) {
                values.insert(argument.name, argument.text);
            } else if is_open {
                others.extend([&argument.name.replace('-', "_"), "(", &argument.text, ") "]);
            } else {
                let names: Vec<_> = parameters.iter().map(|one| one.name.as_str()).collect();
                let help =
                    self.suggestion(&argument.name, names.iter().copied()).or_else(|| match names[..] {
                        [] => Some("it has none".to_owned()),
                        _ => Some(format!("it has {}", names.join(", "))),
                    });
                let message = format!("the block `{}` has no parameter `{}`", block.name, argument.name);
                reported = Some(self.error_about(block, argument.span, message, "the block", help));
            }
        }
        for Argument { name: parameter, text: default, span } in parameters {
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
        if is_open {
            values.insert("--VARARGS--".to_owned(), others);
        }
        reported.map_or(Ok(values), Err)
    }
}

#[cfg(test)]
mod tests;
