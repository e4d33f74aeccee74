//! `log { }`: which messages go where.
use super::destination::DestinationStatement;
use super::filter::FilterStatement;
use super::option_table::Key;
use super::parser::{Parsed, Parser};
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

impl LogItem {
    /// The paths in it.
    pub fn paths(&self) -> Vec<&LogPath> {
        match self {
            Self::Source(_) | Self::Destination(_) | Self::Filter(_) | Self::Rewrite(_) => Vec::new(),
            Self::Junction(channels) => channels.iter().collect(),
            Self::If { branches, otherwise } => {
                branches.iter().map(|branch| &branch.path).chain(otherwise).collect()
            }
            Self::Log(path) => vec![path],
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

/// `flags()` of a log path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathFlags {
    /// `flow-control` or `no-flow-control`; `None` means: as in `options {}`, or as the path around it.
    pub flow_control: Option<bool>,
    /// `final`: what went this way goes no further.
    pub is_final: bool,
    /// `fallback`: only what went no other way.
    pub fallback: bool,
    /// `catchall`: every message of every source.
    pub catchall: bool,
}

const FLAGS: [&str; 7] =
    ["flow-control", "no-flow-control", "final", "fallback", "catchall", "catch-all", "drop-unmatched"];

const ITEMS: [&str; 4] = ["source", "destination", "log", "flags"];

/// The place in a path: what may still come depends on it.
#[derive(Default)]
struct Progress {
    /// The first item that is no source.
    other: Option<Span>,
    /// The first embedded path.
    embedded: Option<Span>,
    flags: Option<(PathFlags, Span)>,
}

impl Parser {
    /// Reads what comes after `log`, which was at `start`. `depth` is how many paths are around it.
    pub(super) fn log_path(
        &mut self,
        start: Span,
        depth: usize,
    ) -> Parsed<(LogPath, Option<Spanned<String>>)> {
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
            Some(name) => name.value.clone(),
            None => self.anonymous("log"),
        };
        let (items, flags) = self.path_items(open, depth);
        let span = start.to(given.as_ref().map_or(start, |name| name.span));
        Ok((LogPath { name, items, flags, span }, given))
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
            "source" => self.source_ref(span).map(|source| Some(LogItem::Source(source))),
            "destination" => self.destination_ref(span).map(|to| Some(LogItem::Destination(to))),
            "filter" => self.filter_ref(span).map(|filter| Some(LogItem::Filter(filter))),
            "rewrite" => self.rewrite_ref(span).map(|rewrite| Some(LogItem::Rewrite(rewrite))),
            "junction" => self.junction(depth).map(|channels| Some(LogItem::Junction(channels))),
            "if" => self.if_item(span, depth).map(Some),
            "log" | "channel" => self.log_path(span, depth + 1).map(|(path, _)| Some(LogItem::Log(path))),
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
            ("source" | "destination", ..) => {}
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

    fn rewrite_ref(&mut self, start: Span) -> Parsed<RewriteRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("rewrite");
            return self.rewrite_body(name, start).map(RewriteRef::Inline);
        }
        let name = self.reference("rewrite")?;
        Ok(RewriteRef::Named(name.value, name.span))
    }

    /// Reads what comes after `junction`.
    fn junction(&mut self, depth: usize) -> Parsed<Vec<LogPath>> {
        let open = self.expect(&TokenKind::LBrace)?;
        let channels = self.body(open, None, |parser, _| {
            if !parser.peek().is("channel") && !parser.peek().is("log") {
                return Err(parser.unexpected("a channel, as in channel { … };"));
            }
            let span = parser.next().span;
            parser.log_path(span, depth + 1).map(|(path, _)| path)
        });
        let with_source = channels.iter().find(|channel| channel.has_source());
        let without_source = channels.iter().find(|channel| !channel.has_source());
        if let (Some(with_source), Some(without_source)) = (with_source, without_source) {
            let message = "some channels of this junction have a source, and this one has none";
            let (at, there) = (without_source.span, with_source.span);
            return Err(self.report.error_with(at, message, there, "one with a source", None));
        }
        Ok(channels)
    }

    /// Reads what comes after `if`, which was at `start`, up to the last branch.
    fn if_item(&mut self, start: Span, depth: usize) -> Parsed<LogItem> {
        let mut branches = vec![self.if_branch(start, depth)?];
        let mut otherwise = None;
        loop {
            let (is_elif, is_else) = (self.peek().is("elif"), self.peek().is("else"));
            if !is_elif && !is_else {
                return Ok(LogItem::If { branches, otherwise });
            }
            let span = self.next().span;
            if otherwise.is_some() {
                return Err(self.report.error(span, "nothing can come after `else { … }` but a `;`", None));
            }
            if is_elif {
                branches.push(self.if_branch(span, depth)?);
            } else {
                otherwise = Some(self.if_path(span, depth)?);
            }
        }
    }

    fn if_branch(&mut self, start: Span, depth: usize) -> Parsed<IfBranch> {
        let condition = match self.peek().kind {
            TokenKind::LParen => Some(self.if_condition(start)?),
            TokenKind::LBrace => None,
            _ => return Err(self.unexpected("`(` and a condition, or `{`")),
        };
        self.if_path(start, depth).map(|path| IfBranch { condition, path })
    }

    /// `{ … }` of a branch, whose word is at `start`.
    fn if_path(&mut self, start: Span, depth: usize) -> Parsed<LogPath> {
        if !self.sees(&TokenKind::LBrace) {
            return Err(self.unexpected("`{`"));
        }
        self.log_path(start, depth + 1).map(|(path, _)| path)
    }

    fn source_ref(&mut self, start: Span) -> Parsed<SourceRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("source");
            return self.source_body(name, start).map(SourceRef::Inline);
        }
        let name = self.reference("source")?;
        Ok(SourceRef::Named(name.value, name.span))
    }

    fn destination_ref(&mut self, start: Span) -> Parsed<DestinationRef> {
        if let TokenKind::LBrace = self.peek().kind {
            let name = self.anonymous("destination");
            return self.destination_body(name, start).map(DestinationRef::Inline);
        }
        let name = self.reference("destination")?;
        Ok(DestinationRef::Named(name.value, name.span))
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

    fn path_flags(&mut self, depth: usize) -> Parsed<PathFlags> {
        let mut flags = PathFlags::default();
        let mut flow_control: Option<Spanned<bool>> = None;
        self.expect(&TokenKind::LParen)?;
        while !self.eat(&TokenKind::RParen) {
            let word = self.string("a flag")?;
            if self.is_old_flag(&word) {
                continue;
            }
            let Some(flag) = FLAGS.iter().find(|flag| same_word(flag, &word.value)) else {
                let help = self.suggestion(&word.value, FLAGS);
                self.report.error(word.span, format!("unknown flag `{}`", word.value), help);
                continue;
            };
            match *flag {
                "flow-control" | "no-flow-control" => {
                    let wanted = Spanned::new(*flag == "flow-control", word.span);
                    if let Some(other) = flow_control.filter(|other| other.value != wanted.value) {
                        let message = "a path cannot have both flow-control and no-flow-control";
                        self.report.error_with(word.span, message, other.span, "the other one", None);
                    }
                    flow_control = Some(wanted);
                }
                "final" => flags.is_final = true,
                "fallback" => flags.fallback = true,
                "drop-unmatched" => {
                    let message = "`drop-unmatched` has no effect: it was removed from the language in 4.1";
                    self.report.warn(word.span, message, None);
                }
                _ => {
                    flags.catchall = true;
                    if depth > 0 {
                        let message = format!("`{flag}` has no effect on an embedded path");
                        self.report.warn(word.span, message, None);
                    }
                }
            }
        }
        flags.flow_control = flow_control.map(|flag| flag.value);
        Ok(flags)
    }
}
