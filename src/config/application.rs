//! `application NAME[TOPIC] { filter { … }; parser { … }; };`, and `app-parser(topic(TOPIC))`, which tries the
//! applications of a topic.
//!
//! ```text
//! application sudo[syslog] { filter { program("sudo"); }; parser { kv-parser(); }; };
//! parser p { app-parser(topic(syslog)); };
//!            └─ is read as: channel {
//!                   if { filter { … }; parser { … }; rewrite { set-tag(".app.sudo"); … }; }
//!                   elif { … }                               the others, in the order of their statements
//!                   else { filter { … never true … }; };
//!               };
//! ```
//!
//! The parts of an application are taken as they are written: a library has many of them, and nobody minds
//! those that are not used. Each part is a block under a name that nobody writes, so errors are shown where it
//! is written. `transformation NAME[TOPIC] { … };` is of the same form, and is not used.
use std::fmt::Write as _;

use super::block::Block;
use super::generator::GeneratorArguments;
use super::parser::{Parsed, Parser};
use super::report::Reported;
use super::span::Span;
use super::token::{TokenKind, same_word};

/// The parts of an application.
const PARTS: [&str; 3] = ["filter", "parser", "filterx"];

/// The options of `app-parser()`.
const OPTIONS: [&str; 7] = [
    "topic",
    "auto-parse",
    "auto-parse-include",
    "auto-parse-exclude",
    "allow-overlaps",
    "permissive",
    "filterx-app-variable",
];

/// A filter that never holds: a tag that nobody gives.
const REJECT: &str = "filter { tags(\".app-parser.rejected\"); };";
/// The branch for messages of no application.
const ELSE_REJECT: &str = "else { filter { tags(\".app-parser.rejected\"); }; };";

/// An application, whose parts are blocks.
#[derive(Debug)]
pub(super) struct Application {
    name: String,
    topic: String,
    /// The name of its blocks.
    block: String,
    /// Its parts, each with its place.
    parts: Vec<(&'static str, Span)>,
}

impl Application {
    /// Its start, as it is written where it has no quotes.
    pub(super) fn head(&self) -> String {
        format!("application {}[{}] ", self.name, self.topic)
    }

    /// The place of its first part.
    pub(super) fn span(&self) -> Option<Span> {
        self.parts.first().map(|(_, span)| *span)
    }

    /// Tells whether `other` has the same name and topic.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.topic == other.topic
    }

    fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|(own, _)| *own == part)
    }

    /// Its part of the text that `app-parser()` becomes; one that is `named` says who it is.
    fn text(&self, named: bool) -> String {
        let mut text = String::new();
        for part in ["filter", "parser"].into_iter().filter(|part| self.has(part)) {
            let end = if part == "parser" { ";" } else { "" };
            let _ = write!(text, "{part} {{ {}(){end} }}; ", self.block);
        }
        if named {
            let name = quotable(&self.name);
            let _ = write!(
                text,
                "rewrite {{ set-tag(\".app.{name}\"); \
                 set(\"{name}\" value(\".app.name\") condition(\"${{.app.name}}\" eq \"\")); }}; "
            );
        }
        text
    }
}

/// `name` as a template between double quotes has it.
fn quotable(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$").replace('`', "``")
}

impl Parser {
    /// Reads what comes after `application`.
    pub(super) fn application_statement(&mut self) -> Parsed<()> {
        let application = self.application()?;
        if self.application_gives_way(&application) {
            return Ok(());
        }
        self.lexer.own.note_application(self.applications.len());
        // The number of those that are gone stays: others are counted with them.
        if let Some(before) = self.applications.iter_mut().find(|other| application.is_same(other)) {
            before.topic.clear();
        }
        self.applications.push(application);
        Ok(())
    }

    /// An application, behind that word.
    pub(super) fn application(&mut self) -> Parsed<Application> {
        let name = self.string("a name, as in application name[topic] { … }")?;
        let topic = self.topic()?;
        let open = self.expect(&TokenKind::LBrace)?;
        let number = self.application_number;
        self.application_number += 1;
        let block =
            format!("application/{number}/{}", name.value.replace(|c| !char::is_alphanumeric(c), "-"));
        let mut application = Application { name: name.value, topic, block, parts: Vec::new() };
        loop {
            while self.eat(&TokenKind::Semicolon) {}
            if self.eat(&TokenKind::RBrace) {
                break;
            }
            if self.sees(&TokenKind::End) {
                let found = self.peek().kind.describe();
                let message = format!("expected filter, parser, filterx or `}}`, found {found}");
                return Err(self.report.error_with(
                    self.last_span().after(),
                    message,
                    open,
                    "opened here",
                    None,
                ));
            }
            if let Ok(()) = self.application_part(&mut application) {
                self.semicolons();
                continue;
            }
            self.skip_item();
            if self.sees(&TokenKind::End) {
                return Err(Reported);
            }
        }
        Ok(application)
    }

    /// Reads `filter { … }`, `parser { … }` or `filterx { … }`: a later one takes the place of an earlier one.
    fn application_part(&mut self, application: &mut Application) -> Parsed<()> {
        let word = self.next();
        let Some(part) = PARTS.into_iter().find(|part| word.is(part)) else {
            let message = format!("expected filter, parser or filterx, found {}", word.kind.describe());
            return Err(self.report.error(word.span, message, None));
        };
        self.lexer.begin_raw();
        self.expect(&TokenKind::LBrace)?;
        let body = self.expect(&TokenKind::Code)?;
        // Without a closing brace the lexer reported that.
        if !self.eat(&TokenKind::RBrace) {
            return Err(Reported);
        }
        application.parts.retain(|(own, _)| *own != part);
        application.parts.push((part, word.span));
        if part != "filterx" {
            let outer = self.lexer.arguments().cloned();
            self.lexer.blocks.add(part, Block::part(application.block.clone(), word.span, body, outer));
        }
        Ok(())
    }

    /// Reads what comes after `transformation`.
    pub(super) fn transformation_statement(&mut self) -> Parsed<()> {
        self.string("a name, as in transformation name[topic] { … }")?;
        self.topic()?;
        self.lexer.begin_raw();
        self.expect(&TokenKind::LBrace)?;
        self.expect(&TokenKind::Code)?;
        if self.eat(&TokenKind::RBrace) { Ok(()) } else { Err(Reported) }
    }

    fn topic(&mut self) -> Parsed<String> {
        self.expect(&TokenKind::LBracket)?;
        let topic = self.string("a topic, as in name[topic] { … }")?;
        self.expect(&TokenKind::RBracket)?;
        Ok(topic.value)
    }

    /// Tells whether there are applications of `topic`.
    pub(super) fn has_applications(&self, topic: &str) -> bool {
        self.applications.iter().any(|one| one.topic == topic)
    }

    /// The text that `app-parser(…)`, which is used at `used`, becomes.
    pub(super) fn app_parser(&mut self, arguments: &GeneratorArguments, used: Span) -> Parsed<String> {
        self.read_own_applications();
        for (name, _) in arguments {
            if !OPTIONS.iter().any(|option| same_word(option, name)) {
                let help = self.suggestion(name, OPTIONS);
                return Err(self.report.error(used, format!("unknown option `{name}`"), help));
            }
        }
        let given = |option: &str| {
            let text = arguments.iter().find(|(name, _)| same_word(option, name)).map(|(_, text)| text);
            text.map(|text| {
                text.split([',', ' ', '\t', '\n', '\r']).map(unquoted).filter(|one| !one.is_empty())
            })
        };
        let list = |option| given(option).map(|all| all.collect::<Vec<_>>());
        if given("filterx-app-variable").is_some() {
            let message = "the option `filterx-app-variable` is not supported by this version of Inrush";
            return Err(self.report.error(used, message, None));
        }
        let Some(topic) = given("topic").and_then(|mut all| all.next()) else {
            let help = Some("app-parser(topic(syslog))".to_owned());
            return Err(self.report.error(used, "app-parser() needs topic(…)", help));
        };
        let mut yes = |option: &str, default: bool| match given(option).and_then(|mut all| all.next()) {
            None => Ok(default),
            Some("yes" | "on" | "1") => Ok(true),
            Some("no" | "off" | "0") => Ok(false),
            Some(_) => Err(self.report.error(used, format!("expected yes or no for `{option}`"), None)),
        };
        let (auto_parse, overlaps) = (yes("auto-parse", true)?, yes("allow-overlaps", false)?);
        let permissive = yes("permissive", false)? && auto_parse;
        let (include, exclude) = (list("auto-parse-include"), list("auto-parse-exclude").unwrap_or_default());
        let is_meant = |one: &&Application| {
            let name = one.name.as_str();
            let is_included = include.as_ref().is_none_or(|include| include.contains(&name));
            one.topic == topic && auto_parse && is_included && !exclude.contains(&name)
        };
        let all: Vec<_> = self.applications.iter().filter(is_meant).collect();
        if let Some((_, at)) = all.iter().flat_map(|one| &one.parts).find(|(part, _)| *part == "filterx") {
            let (at, message) = (*at, "`filterx` is not supported by this version of Inrush");
            return Err(self.report.error_with(at, message, used, "needed here", None));
        }
        Ok(text_of(&all, overlaps, permissive))
    }
}

/// The text that tries `all` applications. One that has `overlaps` takes all that match; others take the first,
/// and reject what matches none, unless they are `permissive`.
fn text_of(all: &[&Application], overlaps: bool, permissive: bool) -> String {
    let mut text = String::from("channel { ");
    if overlaps {
        for one in all {
            text.extend(["if { ", &one.text(false), "}; "]);
        }
    } else {
        for (index, one) in all.iter().enumerate() {
            text.extend([if index == 0 { "if { " } else { "elif { " }, &one.text(true), "} "]);
        }
        text.push_str(match (all.is_empty(), permissive) {
            (true, true) => "",
            (true, false) => REJECT,
            (false, true) => ";",
            (false, false) => ELSE_REJECT,
        });
    }
    text.push_str(" };\n");
    text
}

/// A word of an argument without its quotes.
fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}
