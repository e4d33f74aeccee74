//! Tables of options: `name(value)` in the parentheses of a driver, or in `options { }`.
//!
//! A block of options is a struct and a table that says, for each name, of what kind its value is and which
//! field it sets. Structs that occur in several drivers (the options that all sources have, those of all that
//! write text) have one table each; a driver asks its own table first, then theirs.
use std::time::Duration;

use super::hooks::HOOK_COMMANDS;
use super::parser::{Opening, Parsed, Parser};
use super::report::Reported;
use super::span::{Span, Spanned};
use super::template_text::TemplateText;
use super::token::{TokenKind, same_word};
use super::unsupported::{Place, refusal, refused_words};

/// A table of options of the struct `T`.
pub(crate) type Table<T> = &'static [(&'static str, Kind<T>)];

/// The kind of an option's value, and what is done with it.
pub(crate) enum Kind<T: 'static> {
    /// A quoted text or a word.
    Text(fn(&mut T, Spanned<String>)),
    /// Any number of quoted texts and words.
    Texts(fn(&mut T, Spanned<String>)),
    /// `yes` or `no`.
    YesNo(fn(&mut T, bool)),
    /// A whole number, from the one to the other.
    Int(i64, i64, fn(&mut T, i64)),
    /// A number of seconds, perhaps with a fraction.
    Seconds(fn(&mut T, Duration)),
    /// A whole number of milliseconds.
    Milliseconds(fn(&mut T, Duration)),
    /// A template's text, or its name.
    Template(fn(&mut T, TemplateText)),
    /// Something else.
    Other(fn(&mut Parser, &mut T) -> Parsed<()>),
    /// Accepted with any value, and without effect here: the reason follows "has no effect".
    NoEffect(&'static str),
    /// Read and checked as the kind says, and without effect here: said, so that nobody relies on it.
    Unused(&'static str, &'static Self),
    /// An old spelling of the option `new()`, which comes first; its value is read as the kind says.
    Obsolete(&'static str, &'static Self),
}

/// The end of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its `)`, which was taken.
    Closed,
    /// Its `)` is missing. Nothing was reported yet.
    Missing,
    /// An error was reported, and no `)` was found after it.
    Reported,
    /// It was the use of a block, whose text comes next.
    Expanded,
}

/// The name of an option and its place.
pub(crate) type Key = Spanned<String>;

/// The largest number that fields of 32 bits take.
pub(crate) const MAX_INT: i64 = i32::MAX as i64;
/// The reason why `internal()` of a driver changes nothing.
pub(crate) const NO_LEVELS: &str = "in Inrush: its statistics have no levels";

/// Reads the value of `key` if `table` has it.
pub(crate) fn apply<T>(
    table: Table<T>,
    target: &mut T,
    parser: &mut Parser,
    key: &Key,
) -> Option<Parsed<()>> {
    let (_, kind) = table.iter().find(|(name, _)| same_word(name, &key.value))?;
    Some(kind.read(target, parser, key))
}

impl<T> Kind<T> {
    fn read(&self, target: &mut T, parser: &mut Parser, key: &Key) -> Parsed<()> {
        match self {
            Self::Text(set) => set(target, parser.string("a text")?),
            Self::Texts(set) => {
                while !parser.sees(&TokenKind::RParen) {
                    set(target, parser.string("a text")?);
                }
            }
            Self::YesNo(set) => set(target, parser.yes_no()?),
            Self::Int(least, most, set) => set(target, parser.integer(*least, *most)?),
            Self::Seconds(set) => set(target, parser.seconds()?),
            Self::Milliseconds(set) => {
                set(target, Duration::from_millis(parser.integer(0, MAX_INT)?.unsigned_abs()));
            }
            Self::Template(set) => set(target, parser.template_argument()?),
            Self::Other(read) => return read(parser, target),
            Self::NoEffect(why) => {
                parser.report.warn(key.span, format!("`{}` has no effect {why}", key.value), None);
                parser.skip_value();
            }
            Self::Unused(why, kind) => {
                parser.report.warn(key.span, format!("`{}` has no effect {why}", key.value), None);
                return kind.read(target, parser, key);
            }
            Self::Obsolete(new, kind) => {
                let help = Some(format!("use {new}"));
                parser.report.warn(key.span, format!("{}() is an old spelling", key.value), help);
                return kind.read(target, parser, key);
            }
        }
        Ok(())
    }
}

/// The names of a table.
pub(crate) fn names<T>(table: Table<T>) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(name, _)| *name)
}

impl Parser {
    /// A number of seconds, perhaps with a fraction.
    pub(crate) fn seconds(&mut self) -> Parsed<Duration> {
        self.float().map(Duration::from_secs_f64)
    }

    /// The place of the name of the option whose value is read.
    pub(crate) fn option_span(&self) -> Span {
        self.option
    }

    /// Skips the value of an option, up to its `)`.
    pub(super) fn skip_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek().kind {
                TokenKind::LParen => depth += 1,
                TokenKind::RParen if depth == 0 => return,
                TokenKind::RParen => depth -= 1,
                TokenKind::End | TokenKind::Semicolon | TokenKind::LBrace | TokenKind::RBrace => return,
                _ => {}
            }
            self.next();
        }
    }

    /// Reads options up to the `)` of `open`, and takes that.
    ///
    /// `read` gets each name, with the parser at its value, and gives `None` for a name it does not know:
    /// `place` and `known` then make the error. False if the `)` is missing, which is reported.
    pub(crate) fn options_in_parentheses(
        &mut self,
        open: Opening,
        place: Place,
        known: &dyn Fn() -> Vec<&'static str>,
        mut read: impl FnMut(&mut Parser, &Key) -> Option<Parsed<()>>,
    ) -> bool {
        let has_hooks = matches!(place, Place::SourceOption | Place::DestinationOption);
        let known = || known().into_iter().chain(has_hooks.then_some(HOOK_COMMANDS)).collect();
        let read = |parser: &mut Self, key: &Key| {
            let is_hooks = has_hooks && same_word(HOOK_COMMANDS, &key.value);
            if is_hooks { Some(parser.hook_commands(place)) } else { read(parser, key) }
        };
        self.options_up_to_parenthesis(open, place, &known, read) && self.eat(&TokenKind::RParen)
    }

    /// Reads the options that are the value of one, as in `tls(…)`, up to its `)`, which is left to the caller.
    pub(crate) fn nested_options(
        &mut self,
        place: Place,
        known: &dyn Fn() -> Vec<&'static str>,
        read: impl FnMut(&mut Parser, &Key) -> Option<Parsed<()>>,
    ) -> Parsed<()> {
        if self.options_up_to_parenthesis(self.innermost(), place, known, read) {
            Ok(())
        } else {
            Err(Reported)
        }
    }

    /// Reads options up to the `)` of `open`, which is left to the caller.
    fn options_up_to_parenthesis(
        &mut self,
        open: Opening,
        place: Place,
        known: &dyn Fn() -> Vec<&'static str>,
        mut read: impl FnMut(&mut Parser, &Key) -> Option<Parsed<()>>,
    ) -> bool {
        loop {
            let is_word = matches!(self.peek().kind, TokenKind::Word(_));
            let is_option = is_word && self.sees_at(1, &TokenKind::LParen);
            match &self.peek().kind {
                TokenKind::RParen => return true,
                TokenKind::End | TokenKind::Semicolon | TokenKind::RBrace => break,
                TokenKind::Word(_) if is_option => match self.option(place, known, &mut read) {
                    Ending::Closed | Ending::Expanded => {}
                    Ending::Missing => break,
                    Ending::Reported => return false,
                },
                _ => {
                    self.unexpected("an option, as in name(value)");
                    // Whether there is a `)` or not: one error is enough.
                    return self.find_closing(open);
                }
            }
        }
        self.unclosed_parenthesis(open);
        false
    }

    /// Reads `name(value)`, which is at the cursor.
    pub(super) fn option(
        &mut self,
        place: Place,
        known: &dyn Fn() -> Vec<&'static str>,
        read: &mut impl FnMut(&mut Parser, &Key) -> Option<Parsed<()>>,
    ) -> Ending {
        let token = self.next();
        let TokenKind::Word(name) = token.kind else { return Ending::Missing };
        let key = Spanned::new(name, token.span);
        let Ok(open) = self.open_parenthesis() else { return Ending::Reported };
        self.option = key.span;
        match read(self, &key) {
            Some(Ok(())) if self.eat(&TokenKind::RParen) => return Ending::Closed,
            Some(Ok(()))
                if matches!(self.peek().kind, TokenKind::Semicolon | TokenKind::RBrace | TokenKind::End) =>
            {
                return Ending::Missing;
            }
            Some(Ok(())) => {
                let found = self.peek().kind.describe();
                let span = self.peek().span;
                let message = format!("expected `)` after the value of `{}`, found {found}", key.value);
                self.report.error(span, message, None);
            }
            Some(Err(_)) => {}
            None => match self.option_opens_block(place, &key, open) {
                Some(Ok(())) => return Ending::Expanded,
                Some(Err(Reported)) => {}
                None => drop(self.unknown_word(place, &key, &known())),
            },
        }
        if self.close_parenthesis(open) { Ending::Closed } else { Ending::Reported }
    }

    /// Reports a word that means nothing at `place`: as not supported if it is known, else with the nearest
    /// of `known`.
    pub(super) fn unknown_word(&mut self, place: Place, key: &Key, known: &[&'static str]) -> Reported {
        self.has_unknown_word = true;
        if place == Place::Statement && key.value == "include" {
            let message = "`include` is no statement since version 3.20";
            let help = Some("write @include \"path\", from the first column on".to_owned());
            return self.report.refuse(key.span, message, help);
        }
        let refused = self.vocabulary.refused(place);
        if let Some(message) = refusal(place, refused, &key.value) {
            return self.report.refuse(key.span, &message, None);
        }
        let blocks = self.block_names(place);
        let words = known.iter().chain(refused).chain(refused_words(place)).copied();
        let help = self
            .own_help(place, &key.value)
            .or_else(|| self.suggestion(&key.value, words.chain(blocks.iter().map(String::as_str))));
        self.report.error(key.span, format!("unknown {} `{}`", place.noun(), key.value), help)
    }
}
