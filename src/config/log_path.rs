//! `log { }`: which messages go where.
use super::destination::DestinationStatement;
use super::option_table::Key;
use super::parser::{Parsed, Parser};
use super::source::SourceStatement;
use super::span::{Span, Spanned};
use super::token::{TokenKind, same_word};
use super::unsupported::Place;

/// How deep log paths may be nested. Each level takes stack in the parser.
const MAX_DEPTH: usize = 64;

/// `log [NAME] { … };`
#[derive(Debug, Clone)]
pub struct LogPath {
    /// The name; of an anonymous path, one that nobody can have written.
    pub name: String,
    /// What it consists of, in the order in which it was written.
    pub items: Vec<LogItem>,
    /// `flags()`
    pub flags: PathFlags,
    /// Where the path starts.
    pub span: Span,
}

/// One item of a log path.
#[derive(Debug, Clone)]
pub enum LogItem {
    /// `source(…)` or `source { … }`
    Source(SourceRef),
    /// `destination(…)` or `destination { … }`
    Destination(DestinationRef),
    /// `log { … }`
    Log(LogPath),
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

impl Parser {
    /// What comes after `log`, which was at `start`. `depth` is how many paths are around it.
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
        let mut flags: Option<(PathFlags, Span)> = None;
        let mut embedded = None;
        let items = self.body(open, |parser, _| {
            let token = parser.peek();
            let span = token.span;
            let TokenKind::Word(word) = &token.kind else {
                return Err(parser.unexpected("an item of a log path, as in source(name)"));
            };
            let key = Key::new(word.clone(), span);
            let Some(item) = ITEMS.iter().find(|item| same_word(item, &key.value)) else {
                return Err(parser.unknown_word(Place::LogPath, &key, &ITEMS));
            };
            parser.next();
            if let Some((_, there)) = flags {
                let message = "flags() has to be the last item of its path";
                parser.report.error_with(there, message, span, "this comes after it", None);
                flags = None;
            }
            if let (Some(there), "source" | "destination") = (embedded, *item) {
                let message = format!("{item} has to come before the embedded paths");
                parser.report.error_with(span, message, there, "an embedded path", None);
            }
            match *item {
                "source" => parser.source_ref(span).map(|source| Some(LogItem::Source(source))),
                "destination" => parser.destination_ref(span).map(|to| Some(LogItem::Destination(to))),
                "log" => {
                    embedded = Some(span);
                    parser.log_path(span, depth + 1).map(|(path, _)| Some(LogItem::Log(path)))
                }
                _ => {
                    flags = Some((parser.path_flags(depth)?, span));
                    Ok(None)
                }
            }
        });
        let flags = flags.map(|(flags, _)| flags).unwrap_or_default();
        let items: Vec<_> = items.into_iter().flatten().collect();
        let span = start.to(given.as_ref().map_or(start, |name| name.span));
        Ok((LogPath { name, items, flags, span }, given))
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
    fn reference(&mut self, kind: &str) -> Parsed<Spanned<String>> {
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
