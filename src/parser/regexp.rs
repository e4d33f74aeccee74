//! `regexp-parser()`: the groups of the first pattern that matches.
//!
//! The groups are `$0`, `$1` … `$255`, as those of a filter with `flags(store-matches)`; one with a name is a
//! value of that name, too, with the prefix in front. A group that took no part unsets its number, and leaves
//! a value of its name as it is. Where no pattern matches, the message does not go on.
//!
//! Where a single pattern is to be found, PCRE2 looks for it at once. Of several ones, and of one that was
//! given up on, it is asked first in linear time whether the text matches at all, if the pattern allows it.

use super::found::NAME_MAX;
use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Table, Text, TokenKind};
use crate::filter::matched::{MOST, Number};
use crate::message::{FieldName, ValueName, ValueType};
use crate::pattern::{Captures, Flag, GivenUp, Matcher, PatternSettings, Type};
use crate::rewrite::Contexts;

/// The options of `regexp-parser()`.
#[derive(Debug, Clone)]
pub(super) struct RegexpOptions {
    /// `patterns()`, as they are written.
    written: Vec<Text>,
    /// `patterns()`
    matchers: Vec<Matcher>,
    /// `prefix()` of the names of groups.
    prefix: String,
    /// `flags()`, `type()`
    settings: PatternSettings,
    text: TextOptions,
}

const TABLE: Table<RegexpOptions> = &[
    ("patterns", Kind::Other(read_patterns)),
    ("prefix", Kind::Text(|to, prefix| to.prefix = prefix.value)),
    ("flags", Kind::Other(|parser, to| to.settings.read_flags(parser))),
    ("type", Kind::Other(read_type)),
];

fn read_patterns(parser: &mut Parser, to: &mut RegexpOptions) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let text = parser.text("a pattern in quotes")?;
        to.written.push(parser.utf8(text)?);
    }
    Ok(())
}

fn read_type(parser: &mut Parser, to: &mut RegexpOptions) -> Parsed<()> {
    let span = parser.peek().span;
    to.settings.read_type(parser)?;
    if matches!(to.settings.kind(), Type::Pcre | Type::Posix) {
        return Ok(());
    }
    let help = Some("use type(pcre), or leave it out".to_owned());
    Err(parser.report.error(span, "the patterns of regexp-parser() are regular expressions", help))
}

impl RegexpOptions {
    /// Compiles the patterns, when all options are read.
    fn compile_patterns(&mut self, parser: &mut Parser, head: DriverHead) -> Parsed<()> {
        if self.written.is_empty() {
            let help = Some("name some, as in patterns('(?<user>\\w+)')".to_owned());
            parser.report.warn(head.span, "without patterns() no message goes on", help);
        }
        for pattern in &self.written {
            let matcher = self.settings.compile(parser, pattern)?;
            let too_long = |name: &&String| self.prefix.len() + name.len() > NAME_MAX;
            if let Some(name) = matcher.group_names().iter().flatten().find(too_long) {
                let message =
                    format!("a name has at most {NAME_MAX} bytes: the group `{name}` is not set by its name");
                parser.report.warn(pattern.span, message, None);
            }
            self.matchers.push(matcher);
        }
        Ok(())
    }
}

impl ParserOptions for RegexpOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            written: Vec::new(),
            matchers: Vec::new(),
            prefix: String::new(),
            settings: PatternSettings::new(Type::Pcre),
            text: TextOptions::default(),
        };
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        options.compile_patterns(parser, head)?;
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        let pattern = |matcher: &Matcher| Pattern::new(matcher, &self.prefix);
        Ok(Box::new(Regexp { patterns: self.matchers.iter().map(pattern).collect() }))
    }
}

/// No pattern matches.
const NO_MATCH: Refused = Refused("no match");
/// No pattern matches, as far as it was looked for.
const TOO_MANY_STEPS: Refused = Refused("too many steps");

#[derive(Debug)]
struct Regexp {
    patterns: Box<[Pattern]>,
}

#[derive(Debug)]
struct Pattern {
    matcher: Matcher,
    /// The same pattern for texts that are not UTF-8, where it is one for UTF-8.
    bytewise: Option<Matcher>,
    /// The groups that have a name.
    names: Box<[(usize, ValueName)]>,
}

impl Parse for Regexp {
    fn parse(&self, text: &[u8], _: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let mut refused = NO_MATCH;
        for pattern in &self.patterns {
            let matcher = pattern.matcher(text);
            let is_careful = self.patterns.len() > 1 || matcher.given_up() > 0;
            if is_careful && matcher.rules_out(text) {
                continue;
            }
            let mut captures = matcher.captures();
            match matcher.try_find_at(text, 0, &mut captures) {
                Ok(true) => {
                    pattern.store(&captures, found);
                    return Ok(());
                }
                Ok(false) => {}
                Err(GivenUp) => {
                    refused = TOO_MANY_STEPS;
                    found.say(format!(
                        "a match of `{}` takes too many steps: there is none",
                        matcher.pattern()
                    ));
                }
            }
        }
        Err(refused)
    }
}

impl Pattern {
    fn new(matcher: &Matcher, prefix: &str) -> Self {
        let flags = matcher.flags();
        let bytewise = flags.has(Flag::Utf8).then(|| {
            // What is a character only in UTF-8 (`\x{100}`) matches in no other text.
            Matcher::new(matcher.pattern(), matcher.kind(), flags.without(Flag::Utf8)).ok()
        });
        let named = |(group, name): (usize, &Option<String>)| {
            let name = format!("{prefix}{}", name.as_ref()?);
            (name.len() <= NAME_MAX).then(|| (group, ValueName::new(&name)))
        };
        Self {
            matcher: matcher.clone(),
            bytewise: bytewise.flatten(),
            names: matcher.group_names().iter().enumerate().filter_map(named).collect(),
        }
    }

    /// The pattern for `text`.
    #[inline]
    fn matcher(&self, text: &[u8]) -> &Matcher {
        match &self.bytewise {
            Some(bytewise) if std::str::from_utf8(text).is_err() => bytewise,
            _ => &self.matcher,
        }
    }

    /// Sets the groups that `captures` has. More than can be stored are none.
    fn store(&self, captures: &Captures, found: &mut Found<'_, '_>) {
        if captures.len() > MOST {
            return;
        }
        let mut number = Number::default();
        for group in 0..captures.len() {
            let name = number.text(group);
            match captures.get(group) {
                Some(part) => found.part(name, ValueType::String, part),
                None => found.row().unset(FieldName::Text, name),
            }
        }
        if let Ok(first) = u8::try_from(captures.len()) {
            found.row().unset_matches(first);
        }
        for (group, name) in &self.names {
            if let Some(part) = captures.get(*group) {
                found.known_part(name, ValueType::String, part);
            }
        }
    }
}

#[cfg(test)]
mod tests;
