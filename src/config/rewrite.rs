//! Rewrites: `rewrite NAME { … };` and `rewrite { … }` in a log path.
//!
//! ```text
//! body         (item ";")* (path ";")*          each ends with a `;`, the last one too
//! item         function "(" options condition(E)? ")" | "junction" "{" (path ";")* "}"
//! path         ("channel" | "log") "{" … "}"
//! ```
//!
//! The items are done in their order, each to what the ones before it have made of the message. The paths at
//! the end are the channels of one junction.
use std::sync::Arc;

use super::driver::{DriverHead, Options, Syntax};
use super::filter::FilterStatement;
use super::log_path::LogPath;
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
    /// `junction { … }`, or the paths at the end.
    Junction(Vec<LogPath>),
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
            RewriteItem::Junction(_) => None,
        })
    }

    /// The paths in it.
    pub fn paths(&self) -> impl Iterator<Item = &LogPath> {
        let of = |item| match item {
            &RewriteItem::Function(_) => &[][..],
            RewriteItem::Junction(channels) => channels,
        };
        self.items.iter().flat_map(of)
    }
}

impl Parser {
    /// `{ … }` of a rewrite called `name`, whose statement is at `span`; `depth` is how many paths are around
    /// it.
    pub(super) fn rewrite_body(
        &mut self,
        name: String,
        span: Span,
        depth: usize,
    ) -> Parsed<RewriteStatement> {
        let open = self.expect(&TokenKind::LBrace)?;
        let mut paths: Vec<LogPath> = Vec::new();
        let items = self.body(open, Some(Place::Rewrite), |parser, _| {
            let (word, span) = (parser.peek().kind.clone(), parser.peek().span);
            let is = |keyword| matches!(&word, TokenKind::Word(word) if same_word(word, keyword));
            if is("channel") || is("log") {
                parser.next();
                paths.push(parser.log_path(span, depth + 1)?);
                return Ok(None);
            }
            if let Some(first) = paths.first() {
                let message = "this has to come before the paths of the rewrite";
                return Err(parser.report.error_with(span, message, first.span, "a path", None));
            }
            if is("junction") {
                parser.next();
                return parser.junction(depth).map(RewriteItem::Junction).map(Some);
            }
            parser.rewrite_function().map(RewriteItem::Function).map(Some)
        });
        let mut items: Vec<RewriteItem> = items.into_iter().flatten().collect();
        if !paths.is_empty() {
            items.push(RewriteItem::Junction(paths));
        }
        Ok(RewriteStatement { name, span, items })
    }

    fn rewrite_function(&mut self) -> Parsed<RewriteFunction> {
        let syntaxes = &self.vocabulary.rewrites;
        let words: Vec<_> = syntaxes.iter().map(Syntax::word).collect();
        let (Key { value: word, span }, open) = self.driver_name(Place::Rewrite, &words)?;
        let Some(syntax) = syntaxes.iter().find(|syntax| same_word(syntax.word, &word)) else {
            unreachable!("the name is one of the words")
        };
        self.condition = None;
        let options = (syntax.read)(self, DriverHead { word: syntax.word, span, open })?;
        let condition = self.condition.take();
        Ok(RewriteFunction { word: syntax.word, span, options, condition })
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
        self.options_in_parentheses(open, Place::FunctionOption, &known, |parser, key| {
            if !same_word("condition", &key.value) {
                return read(parser, key);
            }
            Some(parser.condition(key.span).map(|condition| parser.condition = Some(condition)))
        });
    }
}
