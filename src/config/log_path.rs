//! `log { }`: which messages go where.
use super::destination::DestinationStatement;
use super::filter::FilterStatement;
use super::option_table::Key;
use super::parser::{Parsed, Parser};
use super::parser_statement::ParserStatement;
use super::path_flags::PathFlags;
use super::rewrite::RewriteRef;
use super::source::SourceStatement;
use super::span::{Span, Spanned};
use super::token::{TokenKind, same_word};
use super::unsupported::Place;

/// The deepest that log paths may be nested. Each level takes stack in the parser.
const MAX_DEPTH: usize = 64;

/// `log [NAME] { … };`
#[derive(Debug, Clone)]
pub struct LogPath {
    /// The name; of an anonymous path, one that nobody can have written.
    pub name: String,
    /// The name in the text, where it has one.
    pub given: Option<Span>,
    /// Its parts, in the order in which it was written.
    pub items: Vec<LogItem>,
    /// `flags()`
    pub flags: PathFlags,
    /// The place where the path starts.
    pub span: Span,
}

/// One item of a log path.
#[derive(Debug, Clone)]
pub enum LogItem {
    /// `source(…)` or `source { … }`
    Source(SourceRef),
    /// `destination(…)` or `destination { … }`
    Destination(DestinationRef),
    /// `filter(…)` or `filter { … }`
    Filter(FilterRef),
    /// `rewrite(…)` or `rewrite { … }`
    Rewrite(RewriteRef),
    /// `parser(…)` or `parser { … }`
    Parser(ParserRef),
    /// `junction { channel { … }; … }`: each channel gets the messages; what comes out of them goes on.
    Junction(Vec<LogPath>),
    /// `if … elif … else …`
    If {
        /// `if` and each `elif`.
        branches: Vec<IfBranch>,
        /// `else`; without it, what takes no branch goes on unchanged.
        otherwise: Option<LogPath>,
    },
    /// `log { … }` or `channel { … }`
    Log(LogPath),
}

/// `if` or `elif`.
#[derive(Debug, Clone)]
pub struct IfBranch {
    /// The condition in parentheses. Without one, a message takes the branch that it comes out of.
    pub condition: Option<FilterStatement>,
    /// The branch.
    pub path: LogPath,
}

/// A filter in a log path.
#[derive(Debug, Clone)]
pub enum FilterRef {
    /// `filter(name)`: one of [`Config::filters`](super::Config::filters).
    Named(String, Span),
    /// `filter { … }`
    Inline(FilterStatement),
}

/// A parser in a log path.
#[derive(Debug, Clone)]
pub enum ParserRef {
    /// `parser(name)`: one of [`Config::parsers`](super::Config::parsers).
    Named(String, Span),
    /// `parser { … }`
    Inline(ParserStatement),
}

impl LogItem {
    /// The paths that are branches of the path it is in.
    pub fn paths(&self) -> Vec<&LogPath> {
        match self {
            Self::Source(_) | Self::Destination(_) | Self::Filter(_) | Self::Rewrite(_) | Self::Parser(_) => {
                Vec::new()
            }
            Self::Junction(channels) => channels.iter().collect(),
            Self::If { branches, otherwise } => {
                branches.iter().map(|branch| &branch.path).chain(otherwise).collect()
            }
            Self::Log(path) => vec![path],
        }
    }

    /// The paths in the body of the statement that is written in it.
    pub fn body_paths(&self) -> Vec<&LogPath> {
        match self {
            Self::Source(SourceRef::Inline(statement)) => statement.paths().collect(),
            Self::Destination(DestinationRef::Inline(statement)) => statement.paths().collect(),
            Self::Parser(ParserRef::Inline(statement)) => statement.paths().collect(),
            Self::Rewrite(RewriteRef::Inline(statement)) => statement.paths().collect(),
            _ => Vec::new(),
        }
    }
}

impl LogPath {
    /// Tells whether there is a source in it, or in a path in it.
    pub(crate) fn has_source(&self) -> bool {
        let is_source = |item: &LogItem| match item {
            LogItem::Source(_) => true,
            other => other.paths().into_iter().any(LogPath::has_source),
        };
        self.items.iter().any(is_source)
    }
}

/// A source in a log path.
#[derive(Debug, Clone)]
pub enum SourceRef {
    /// `source(name)`: one of [`Config::sources`](super::Config::sources).
    Named(String, Span),
    /// `source { … }`
    Inline(SourceStatement),
}

/// A destination in a log path.
#[derive(Debug, Clone)]
pub enum DestinationRef {
    /// `destination(name)`: one of [`Config::destinations`](super::Config::destinations).
    Named(String, Span),
    /// `destination { … }`
    Inline(DestinationStatement),
}

const ITEMS: [&str; 4] = ["source", "destination", "log", "flags"];

/// The place in a path: what may still come depends on it.
#[derive(Default)]
pub(super) struct Progress {
    /// The first source.
    pub(super) source: Option<Span>,
    /// The first item that is no source.
    pub(super) other: Option<Span>,
    /// The first embedded path.
    embedded: Option<Span>,
    flags: Option<(PathFlags, Span)>,
}

impl Parser {
    /// Reads what comes after `log`, which was at `start`. `depth` is how many paths are around it.
    pub(super) fn log_path(&mut self, start: Span, depth: usize) -> Parsed<LogPath> {
        let mut given = None;
        if let TokenKind::Word(_) | TokenKind::Text(_) = self.peek().kind {
            given = Some(self.string("a name for the path")?);
        }
        if depth >= MAX_DEPTH {
            let message = format!("log paths are nested more than {MAX_DEPTH} levels deep");
            return Err(self.report.error(start, message, None));
        }
        let open = self.expect(&TokenKind::LBrace)?;
        let name = match &given {
            Some(name) => self.path_name(name),
            None => self.anonymous("log"),
        };
        let (items, flags) = self.path_items(open, depth);
        let given = given.map(|name| name.span);
        let span = start.to(given.unwrap_or(start));
        Ok(LogPath { name, given, items, flags, span })
    }

    /// The name of a path, which no other path may have, wherever it is.
    fn path_name(&mut self, name: &Spanned<String>) -> String {
        let first = self.path_names.get(&name.value).copied();
        if self.duplicate("log path", name, first).is_ok() {
            self.path_names.insert(name.value.clone(), name.span);
        }
        name.value.clone()
    }

    /// The items of a path, whose brace at `open` was read.
    fn path_items(&mut self, open: Span, depth: usize) -> (Vec<LogItem>, PathFlags) {
        let mut progress = Progress::default();
        let place = Some(Place::LogPath);
        let items = self.body(open, place, |parser, _| parser.path_item(&mut progress, depth));
        (items.into_iter().flatten().collect(), progress.flags.map(|(flags, _)| flags).unwrap_or_default())
    }

    /// The words that items start with.
    pub(super) fn path_words(&self) -> Vec<&'static str> {
        let further = self.vocabulary.path_items.iter().copied();
        let channel = self.vocabulary.has_path_item("junction").then_some("channel");
        ITEMS.into_iter().chain(further).chain(channel).collect()
    }

    /// One item; none for `flags()`.
    fn path_item(&mut self, progress: &mut Progress, depth: usize) -> Parsed<Option<LogItem>> {
        let token = self.peek();
        let span = token.span;
        let TokenKind::Word(word) = &token.kind else {
            return Err(self.unexpected("an item of a log path, as in source(name)"));
        };
        let key = Key::new(word.clone(), span);
        let words = self.path_words();
        let Some(item) = words.iter().copied().find(|item| same_word(item, &key.value)) else {
            return Err(self.unknown_word(Place::LogPath, &key, &words));
        };
        self.next();
        self.check_place(progress, item, span);
        match item {
            "source" => self.source_ref(span, depth).map(|source| Some(LogItem::Source(source))),
            "destination" => self.destination_ref(span, depth).map(|to| Some(LogItem::Destination(to))),
            "filter" => self.filter_ref(span).map(|filter| Some(LogItem::Filter(filter))),
            "rewrite" => self.rewrite_ref(span, depth).map(|rewrite| Some(LogItem::Rewrite(rewrite))),
            "parser" => self.parser_ref(span, depth).map(|parser| Some(LogItem::Parser(parser))),
            "parallelize" => self.parallelize(span),
            "junction" => {
                let channels = self.junction(depth)?;
                self.check_sources(progress, span, &channels)?;
                Ok(Some(LogItem::Junction(channels)))
            }
            "if" => {
                let item = self.if_item(span, depth)?;
                self.check_if_sources(progress, span, &item)?;
                Ok(Some(item))
            }
            "log" | "channel" => self.log_path(span, depth + 1).map(|path| Some(LogItem::Log(path))),
            _ => {
                progress.flags = Some((self.path_flags(depth)?, span));
                Ok(None)
            }
        }
    }

    /// Checks that `item` may come here: sources first, embedded paths behind all other items, then
    /// `flags()`.
    fn check_place(&mut self, progress: &mut Progress, item: &str, span: Span) {
        if let Some((_, there)) = progress.flags.take() {
            let message = "flags() has to be the last item of its path";
            self.report.error_with(there, message, span, "this comes after it", None);
        }
        match (item, progress.embedded, progress.other) {
            ("log" | "channel", ..) => {
                progress.embedded.get_or_insert(span);
            }
            ("flags", ..) => {}
            (_, Some(there), _) => {
                let message = format!("{item} has to come before the embedded paths");
                self.report.error_with(span, message, there, "an embedded path", None);
            }
            ("source", _, Some(there)) => {
                let message = "source has to come before what happens to its messages";
                self.report.error_with(span, message, there, "this comes first", None);
            }
            ("source", ..) => {
                progress.source.get_or_insert(span);
            }
            // Those may bring the sources themselves, and are looked at when they are read.
            ("junction" | "if", ..) => {}
            _ => {
                progress.other.get_or_insert(span);
            }
        }
    }

    fn filter_ref(&mut self, start: Span) -> Parsed<FilterRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("filter");
            return self.filter_body(name, start).map(FilterRef::Inline);
        }
        let name = self.reference("filter")?;
        Ok(FilterRef::Named(name.value, name.span))
    }

    fn rewrite_ref(&mut self, start: Span, depth: usize) -> Parsed<RewriteRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("rewrite");
            return self.rewrite_body(name, start, depth).map(RewriteRef::Inline);
        }
        let name = self.reference("rewrite")?;
        Ok(RewriteRef::Named(name.value, name.span))
    }

    /// Reads what comes after `parallelize`, which was at `start`.
    fn parallelize(&mut self, start: Span) -> Parsed<Option<LogItem>> {
        let open = self.open_parenthesis()?;
        self.close_parenthesis(open);
        let message = "`parallelize` has no effect: the messages of a source are kept in their order";
        self.report.warn(start, message, None);
        Ok(None)
    }

    fn source_ref(&mut self, start: Span, depth: usize) -> Parsed<SourceRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("source");
            return self.source_body(name, start, depth).map(SourceRef::Inline);
        }
        let name = self.reference("source")?;
        Ok(SourceRef::Named(name.value, name.span))
    }

    fn destination_ref(&mut self, start: Span, depth: usize) -> Parsed<DestinationRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("destination");
            return self.destination_body(name, start, depth).map(DestinationRef::Inline);
        }
        let name = self.reference("destination")?;
        Ok(DestinationRef::Named(name.value, name.span))
    }

    fn parser_ref(&mut self, start: Span, depth: usize) -> Parsed<ParserRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("parser");
            return self.parser_body(name, start, depth).map(ParserRef::Inline);
        }
        let name = self.reference("parser")?;
        Ok(ParserRef::Named(name.value, name.span))
    }

    /// `(name)`
    pub(super) fn reference(&mut self, kind: &str) -> Parsed<Spanned<String>> {
        if !self.sees(&TokenKind::LParen) {
            return Err(self.unexpected(&format!("`(` and the name of a {kind}, or `{{`")));
        }
        self.next();
        let name = self.string(&format!("the name of a {kind}"))?;
        self.expect(&TokenKind::RParen)?;
        Ok(name)
    }
}
