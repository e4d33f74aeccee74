//! Rewrites: `rewrite NAME { … };` and `rewrite { … }` in a log path.
//!
//! ```text
//! body         (item ";")*          each item ends with a `;`, the last one too
//! item         function "(" options condition(E)? ")"
//! ```
//!
//! The items are done in their order, each to what the ones before it have made of the message.
use std::sync::Arc;

use super::driver::{DriverHead, Options, Syntax};
use super::filter::FilterStatement;
use super::option_table::Key;
use super::parser::{Opening, Parsed, Parser};
use super::span::Span;
use super::template_text::TemplateText;
use super::token::{TokenKind, same_word};
use super::unsupported::Place;

/// `rewrite NAME { … };`, or a rewrite written inside a log path.
#[derive(Debug, Clone)]
pub struct RewriteStatement {
    /// The name; of an anonymous rewrite, one that nobody can have written.
    pub name: String,
    /// The start of the statement.
    pub span: Span,
    /// The items, in the order in which they are done.
    pub items: Vec<RewriteItem>,
}

/// One item of a rewrite.
#[derive(Debug, Clone)]
pub enum RewriteItem {
    /// A rewrite function.
    Function(RewriteFunction),
}

/// A rewrite function with its options.
#[derive(Debug, Clone)]
pub struct RewriteFunction {
    /// The word that names it, as `set`.
    pub word: &'static str,
    /// The place of the word.
    pub span: Span,
    /// Its options.
    pub options: Arc<dyn Options>,
    /// `condition()`: other messages go on as they are.
    pub condition: Option<FilterStatement>,
}

impl RewriteFunction {
    /// Its options, if they are of this type.
    pub fn options<T: Options>(&self) -> Option<&T> {
        let options: &dyn std::any::Any = &*self.options;
        options.downcast_ref()
    }
}

/// A rewrite in a log path.
#[derive(Debug, Clone)]
pub enum RewriteRef {
    /// `rewrite(name)`: one of [`Config::rewrites`](super::Config::rewrites).
    Named(String, Span),
    /// `rewrite { … }`
    Inline(RewriteStatement),
}

impl RewriteStatement {
    /// The conditions of its functions.
    pub fn conditions(&self) -> impl Iterator<Item = &FilterStatement> {
        self.items.iter().filter_map(|item| match item {
            RewriteItem::Function(function) => function.condition.as_ref(),
        })
    }
}

impl Parser {
    /// `{ … }` of a rewrite called `name`, whose statement is at `span`.
    pub(super) fn rewrite_body(&mut self, name: String, span: Span) -> Parsed<RewriteStatement> {
        let open = self.expect(&TokenKind::LBrace)?;
        let items = self.body(open, Some(Place::Rewrite), |parser, _| parser.rewrite_item());
        Ok(RewriteStatement { name, span, items })
    }

    fn rewrite_item(&mut self) -> Parsed<RewriteItem> {
        let syntaxes = &self.vocabulary.rewrites;
        let words: Vec<_> = syntaxes.iter().map(Syntax::word).collect();
        let (Key { value: word, span }, open) = self.driver_name(Place::Rewrite, &words)?;
        let Some(syntax) = syntaxes.iter().find(|syntax| same_word(syntax.word, &word)) else {
            unreachable!("the name is one of the words")
        };
        self.condition = None;
        let options = (syntax.read)(self, DriverHead { word: syntax.word, span, open })?;
        let condition = self.condition.take();
        Ok(RewriteItem::Function(RewriteFunction { word: syntax.word, span, options, condition }))
    }

    /// The template that a rewrite function begins with.
    pub(crate) fn rewrite_template(&mut self, head: DriverHead) -> Parsed<TemplateText> {
        self.template_operand().inspect_err(|_| {
            self.close_parenthesis(head.open);
        })
    }

    /// Reads the options of a rewrite function up to the `)` of `open`: `condition()`, which all have, and
    /// those that `read` knows, by the names of `known`.
    pub(crate) fn rewrite_options(
        &mut self,
        open: Opening,
        known: &dyn Fn() -> Vec<&'static str>,
        mut read: impl FnMut(&mut Parser, &Key) -> Option<Parsed<()>>,
    ) {
        let known = || known().into_iter().chain(["condition"]).collect();
        self.options_in_parentheses(open, Place::RewriteOption, &known, |parser, key| {
            if !same_word("condition", &key.value) {
                return read(parser, key);
            }
            Some(parser.condition(key.span).map(|condition| parser.condition = Some(condition)))
        });
    }
}
