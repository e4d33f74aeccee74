//! `subst(…)`: puts something else in the place of what a pattern matches.
//!
//! ```text
//! value ─► first match ─► its groups are $0, $1 … ─► the template ─► the match's place
//!             ▲                                                          │
//!             └── flags(global): from the match's end on, up to the last character ┘
//! ```
//!
//! After a match that is empty, the next one is looked for at the same place as long as it is not empty there;
//! otherwise one character is left as it is, under `utf8` a whole one.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use super::pieces::{Padded, Pieces};
use super::value::{Contexts, Value};
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser, TokenKind, ValueUse};
use crate::config::{Config, Spanned, TemplateOptions, TemplateText};
use crate::filter::matched;
use crate::message::batch::Text;
use crate::message::{MESSAGE_MAX, RevisedRow, ValueName, ValueType};
use crate::pattern::{Captures, Flag, Matcher, PatternOptions, Type};

/// `subst("pattern" "template" value() type() flags() condition())`
#[derive(Debug, Clone)]
pub(super) struct SubstOptions {
    /// The pattern.
    pub matcher: Matcher,
    /// The template.
    pub text: TemplateText,
    /// `value()`: the name of the value; without it, MESSAGE.
    pub value: Option<Spanned<String>>,
}

impl FunctionOptions for SubstOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut pattern = PatternOptions::read(parser, Type::Pcre).inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let text = parser.rewrite_template(head)?;
        let mut value = None;
        let known = || std::iter::once("value").chain(PatternOptions::KNOWN).collect();
        parser.rewrite_options(head.open, &known, |parser, key| match &*key.value {
            "value" => Some(parser.value_name(ValueUse::Write).map(|name| value = Some(name))),
            "type" if is_glob(parser) => {
                let span = parser.peek().span;
                let help = Some("use pcre, or string with flags(prefix) or flags(substring)".to_owned());
                Some(Err(parser.report.error(span, "subst() has no patterns of type(glob)", help)))
            }
            _ => pattern.apply(parser, key),
        });
        let matcher = pattern.compile(parser)?;
        Ok(Self { matcher, text, value })
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let matcher = self.matcher.clone();
        let is_global = matcher.flags().has(Flag::Global);
        Ok(Box::new(Subst {
            not_empty: if is_global { matcher.not_empty() } else { None },
            replacement: Value::compile(config, &self.text, &TemplateOptions::default(), contexts)?,
            name: self.value.as_ref().map_or(ValueName::Message, |name| ValueName::new(&name.value)),
            matcher,
            has_given_up: AtomicBool::new(false),
        }))
    }
}

#[derive(Debug)]
struct Subst {
    matcher: Matcher,
    /// The pattern for a match that begins at once and is not empty.
    not_empty: Option<Matcher>,
    replacement: Value,
    name: ValueName,
    /// Tells whether it was said that a match was given up.
    has_given_up: AtomicBool,
}

impl Subst {
    /// Looks for a match from `start` on; behind an empty one, `is_again`, for one that begins there and has
    /// something in it. Returns where it is.
    fn find(
        &self,
        (text, start, is_again): (&[u8], usize, bool),
        captures: &mut Captures,
    ) -> Option<Range<usize>> {
        let (string, flags) = (self.matcher.kind() == Type::String, self.matcher.flags());
        if is_again && !string {
            let not_empty = self.not_empty.as_ref()?;
            return not_empty.find_at(text, start, captures).then(|| captures.get(0)).flatten();
        }
        if is_again || (string && start > 0 && !flags.has(Flag::Prefix) && !flags.has(Flag::Substring)) {
            return None;
        }
        // What a prefix stood before begins anew.
        let before = if string { start } else { 0 };
        let is_found = self.matcher.find_at(&text[before..], start - before, captures);
        let range = is_found.then(|| captures.get(0)).flatten()?;
        Some(range.start + before..range.end + before)
    }

    /// Says, the first time, that a match was given up.
    fn report(&self, scratch: &mut Scratch) {
        if self.matcher.given_up() > 0 && !self.has_given_up.swap(true, Ordering::Relaxed) {
            scratch.say(format!(
                "subst(): a match of `{}` takes too many steps, and the text stays as it is; it is the first, and \
                 no other will be reported",
                self.matcher.pattern()
            ));
        }
    }

    /// Puts `by` in the place of the matches of a plain pattern.
    fn replace_plain(&self, by: &[u8], row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        let value = row.read().value(&self.name).filter(|(value_type, _)| !value_type.is_binary());
        let text = value.map(|(_, text)| text).unwrap_or_default();
        let is_global = self.matcher.flags().has(Flag::Global);
        let (by, mut out, mut last) = (Padded::new(by), Pieces::new(scratch.memory()), 0..0);
        self.matcher.find_plain(text, |range| {
            out.push(text, last.end..range.start);
            out.push_padded(&by);
            last = range;
            is_global && out.len() <= MESSAGE_MAX
        });
        // A match is not empty.
        if last.is_empty() {
            return;
        }
        out.push(text, last.end..text.len());
        let found: SmallVec<[u8; 32]> = text[last].into();
        row.set_named(b"0", ValueType::String, Text::Copy(&found));
        row.unset_matches(1);
        row.set_value(&self.name, ValueType::String, Text::Copy(out.text()));
    }

    /// The text with its matches replaced; `None` where there is none.
    fn replaced(&self, text: &[u8], row: &mut RevisedRow<'_>, scratch: &mut Scratch) -> Option<Vec<u8>> {
        let flags = self.matcher.flags();
        let (is_global, is_string) = (flags.has(Flag::Global), self.matcher.kind() == Type::String);
        let (mut captures, mut last) = (self.matcher.captures(), self.matcher.captures());
        let stores = !is_string;
        let (mut out, mut start, mut is_again, mut is_found) = (Vec::new(), 0, false, false);
        loop {
            match self.find((text, start, is_again), &mut captures) {
                Some(range) => {
                    is_found = true;
                    out.extend_from_slice(&text[start..range.start]);
                    // The template may name the groups; otherwise those of the last match are enough.
                    if stores && !self.replacement.is_constant() {
                        matched::store_found(&self.matcher, &captures, Some(text), row);
                    }
                    std::mem::swap(&mut captures, &mut last);
                    out.extend_from_slice(self.replacement.of(row.read(), scratch).1);
                    is_again = range.is_empty();
                    start = range.end;
                }
                None if is_again && start < text.len() => {
                    let end = start + character(&text[start..], flags.has(Flag::Utf8));
                    out.extend_from_slice(&text[start..end]);
                    (start, is_again) = (end, false);
                }
                None => break,
            }
            // At the end of the text there is no further match of an expression, and one of a text is empty.
            let is_done = if is_string { is_again && start >= text.len() } else { start >= text.len() };
            if !is_global || is_done || out.len() > MESSAGE_MAX {
                break;
            }
        }
        if !is_found {
            self.report(scratch);
            return None;
        }
        if stores && self.replacement.is_constant() {
            matched::store_found(&self.matcher, &last, Some(text), row);
        }
        out.extend_from_slice(&text[start..]);
        Some(out)
    }
}

impl Operation for Subst {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        if let (true, Some(by)) = (self.matcher.is_plain(), self.replacement.constant()) {
            return self.replace_plain(by, row, scratch);
        }
        let value = row.read().value(&self.name).filter(|(value_type, _)| !value_type.is_binary());
        let text = value.map(|(_, text)| text).unwrap_or_default();
        if !self.matcher.is_match(text) && self.matcher.given_up() == 0 {
            return;
        }
        let text = text.to_vec();
        if let Some(replaced) = self.replaced(&text, row, scratch) {
            row.set_value(&self.name, ValueType::String, Text::Copy(&replaced));
        }
    }
}

/// Tells whether the word `glob` is here.
fn is_glob(parser: &mut Parser) -> bool {
    match &parser.peek().kind {
        TokenKind::Word(word) => word == "glob",
        TokenKind::Text(text) => text.value == "glob",
        _ => false,
    }
}

/// The number of bytes of the first character of `text`.
fn character(text: &[u8], utf8: bool) -> usize {
    let more = || text[1..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
    1 + if utf8 { more() } else { 0 }
}
