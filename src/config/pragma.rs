//! The `@` lines.
//!
//! ```text
//! @version: 4.27 | current       what the file was written for
//! @include "path"                file, directory or pattern (see `include`)
//! @define name value             a name for backticks
//! @module name [arguments]       accepted: Inrush has no modules to load; `confgen` makes a generator
//! @requires name ["message"]     skips the rest of an included file if there is no such module
//! @line "file" line [column]     errors below are shown with this file and line
//! @config-id: text
//! ```
use super::block::{context_called, context_help};
use super::bounds::MAX_PRAGMA;
use super::diagnostic::Level;
use super::generator::Maker;
use super::lexer::{Before, Lexing};
use super::modules;
use super::number::Number;
use super::preamble::Version;
use super::span::{Span, Spanned};
use super::token::{Token, TokenKind};

const VERSION_FORM: &str = "@version: 4.2, or @version: current";

const PRAGMAS: [&str; 7] = ["version", "include", "define", "module", "requires", "line", "config-id"];

/// The text of a word or quoted text; a number as it was written.
fn plain(token: &Token) -> Option<String> {
    match &token.kind {
        TokenKind::Word(word) => Some(word.clone()),
        TokenKind::Text(text) => text.not_utf8.is_none().then(|| text.value.clone()),
        TokenKind::Number(_, written) => Some(written.clone()),
        _ => None,
    }
}

impl Lexing<'_> {
    /// The tokens of the rest of the line, whose `@` is at the cursor, each with its text as it was written.
    /// Of a line with more than any `@` line has, the first ones.
    pub(super) fn pragma_tokens(&mut self) -> Vec<(Token, String)> {
        let mut tokens = Vec::new();
        let start = self.cursor();
        self.advance(1);
        tokens.push((Token { kind: TokenKind::Operator("@"), span: self.span_from(start) }, "@".to_owned()));
        while let Some(byte) = self.peek() {
            let start = self.cursor();
            if byte == b'\n' || (byte == b'\r' && !self.ahead().starts_with("\r\n")) {
                self.advance(1);
                break;
            }
            if self.skip_blank(byte) {
                continue;
            }
            if let Some(kind) = self.plain_token(byte) {
                if tokens.len() >= MAX_PRAGMA {
                    continue;
                }
                let span = self.span_from(start);
                let text =
                    self.lexer.inputs.last().map_or("", |input| &input.text[start..input.at]).to_owned();
                tokens.push((Token { kind, span }, text));
            }
        }
        tokens
    }

    /// Obeys `include "name";` at the cursor, the form of `@include` in old files; false where there is none.
    pub(super) fn old_include(&mut self) -> bool {
        let is_old = self.lexer.is_older_than(Version::NO_INCLUDE_STATEMENT);
        let starts_item = matches!(self.lexer.before, Before::End | Before::Opening);
        if !is_old || !starts_item || !self.ahead().starts_with("include") {
            return false;
        }
        let start = self.cursor();
        self.advance("include".len());
        let word = self.span_from(start);
        let mut tokens = Vec::new();
        while tokens.len() < 2
            && let Some(byte) = self.peek()
        {
            if byte == b'\n' {
                self.advance(1);
            } else if !self.skip_blank(byte) {
                let start = self.cursor();
                let Some(kind) = self.plain_token(byte) else { break };
                tokens.push(Token { kind, span: self.span_from(start) });
            }
        }
        let [name, Token { kind: TokenKind::Semicolon, .. }] = tokens.as_slice() else {
            self.go_back(start);
            return false;
        };
        let Some(path) = plain(name) else {
            self.go_back(start);
            return false;
        };
        let help = Some("write @include \"path\", from the first column on".to_owned());
        self.report.warn(word, "`include` is an old spelling of @include", help);
        self.include(&path, name.span);
        true
    }

    /// Obeys an `@` line, whose tokens (with the `@`) and their texts are `line`.
    pub(super) fn pragma(&mut self, line: Vec<(Token, String)>) {
        let Some(at) = line.first().map(|(token, _)| token.span) else { return };
        let mut rest = line.into_iter().skip(1).filter(|(token, _)| !matches!(token.kind, TokenKind::Colon));
        let Some((name, written)) = rest.next() else {
            let message = "`@` at the start of a line needs a word";
            self.report.error(at, message, Some(format!("one of {}", PRAGMAS.join(", "))));
            return;
        };
        let rest: Vec<_> = rest.collect();
        let span = at.to(rest.last().map_or(name.span, |(token, _)| token.span));
        let values: Vec<_> =
            rest.iter().filter_map(|(token, _)| plain(token).map(|text| (text, token.span))).collect();
        // What has other tokens between the words has not one of the forms below.
        let words = if values.len() == rest.len() { values.as_slice() } else { &[] };
        match PRAGMAS.iter().find(|pragma| name.is(pragma)).copied() {
            Some("version") => match rest.as_slice() {
                [(value, _)] => self.version(span, value),
                _ => self.misused(span, VERSION_FORM),
            },
            Some("include") => match words {
                [(path, path_span)] => self.include(path, *path_span),
                _ => self.misused(span, "@include \"path\""),
            },
            Some("define") => match words {
                [(name, _), (value, _)] => {
                    drop(self.lexer.defines.insert(name.replace('_', "-"), value.clone()));
                }
                _ => self.misused(span, "@define name \"value\""),
            },
            Some("module") => match values.first() {
                Some((module, at)) => self.module(module, *at, &rest),
                None => self.misused(span, "@module name"),
            },
            Some("requires") => match words {
                [(name, _)] => self.requires(name, None, span),
                [(name, _), (message, _)] => self.requires(name, Some(message), span),
                _ => self.misused(span, "@requires name \"message\""),
            },
            Some("line") => match rest.iter().map(|(token, _)| &token.kind).collect::<Vec<_>>().as_slice() {
                [TokenKind::Text(file), TokenKind::Number(Number::Int(line), _), ..] => {
                    let line = u32::try_from(*line).unwrap_or_default();
                    self.report.map.add_mark(span, file.value.clone().into(), line);
                }
                _ => self.misused(span, "@line \"file\" line column"),
            },
            Some("config-id") => self.lexer.pragmas.config_id = values.first().map(|(id, _)| id.clone()),
            _ => {
                let near = crate::nearest::nearest(&written.to_lowercase(), PRAGMAS);
                let help = near.map(|near| format!("did you mean `@{near}`?"));
                self.report.error(at.to(name.span), format!("`@{written}` is not known"), help);
            }
        }
    }

    fn misused(&mut self, span: Span, form: &str) {
        self.report.error(span, "this line cannot be understood", Some(format!("it has the form: {form}")));
    }

    fn version(&mut self, line: Span, value: &Token) {
        let Some(version) = plain(value).and_then(|text| Version::parse(&text)) else {
            return self.misused(line, VERSION_FORM);
        };
        let span = value.span;
        if let Some(first) = self.lexer.pragmas.version {
            if self.report.is_full(Level::Warning) {
                return;
            }
            let message = format!("the version was given before; {} stays", first.value);
            let warning = self.report.map.warning(span, message, None);
            let warning = warning.with_label(self.report.map.label(first.span, "here"));
            self.report.push(warning);
            return;
        }
        let current = Version::CURRENT;
        if version < Version::OLDEST {
            self.report.error(span, format!("version {version} is too old to be read"), None);
        } else if version < Version::VALUES_HAVE_TYPES {
            let message = format!(
                "written for version {version}: comparisons and templates are read as of then, Python code as of {current}"
            );
            self.report.warn(span, message, None);
        } else if version > current {
            let message =
                format!("version {version} is newer than what Inrush knows; it is read as {current}");
            self.report.warn(span, message, None);
        }
        self.lexer.pragmas.version = Some(Spanned::new(version.min(current), span));
    }

    fn module(&mut self, name: &str, at: Span, line: &[(Token, String)]) {
        if name == "confgen" {
            return self.generator(at, line);
        }
        if !modules::is_known(name) {
            let help = self.report.suggestion(Level::Warning, name, modules::names());
            self.report.warn(at, format!("no module is called `{name}`; the line has no effect"), help);
        }
        if let Some(value) = argument(line, "use-virtualenv") {
            match plain(value).as_deref() {
                Some("yes" | "on" | "1") => self.lexer.pragmas.use_virtualenv = Some(true),
                Some("no" | "off" | "0") => self.lexer.pragmas.use_virtualenv = Some(false),
                _ => {
                    self.report.error(value.span, "expected yes or no", None);
                }
            }
        }
    }

    /// `@module confgen context(source) name(word) exec("command")`
    fn generator(&mut self, at: Span, line: &[(Token, String)]) {
        let known = ["context", "name", "exec"];
        for pair in line.windows(2) {
            if let [(option, written), (open, _)] = pair
                && matches!(open.kind, TokenKind::LParen)
                && !known.iter().any(|known| option.is(known))
            {
                let help = self.report.suggestion(Level::Error, written, known);
                self.report.error(option.span, format!("`confgen` has no option `{written}`"), help);
                return;
            }
        }
        let mut values = [const { String::new() }; 3];
        for (value, option) in values.iter_mut().zip(known) {
            let given = argument(line, option).and_then(plain).unwrap_or_default();
            if given.is_empty() {
                let help = "@module confgen context(source) name(word) exec(\"command\")".to_owned();
                let message = format!("a generator needs {option}(…)");
                self.report.error(at, message, Some(format!("it has the form: {help}")));
                return;
            }
            *value = given;
        }
        let [context, name, command] = values;
        let Some(known) = context_called(&context) else {
            let span = argument(line, "context").map_or(at, |token| token.span);
            let message = format!("a generator cannot be for `{context}`");
            self.report.error(span, message, Some(context_help(&context)));
            return;
        };
        let span = argument(line, "name").map(|token| token.span);
        self.lexer.blocks.add_made(known, &name, span, Maker::Command(command));
    }

    fn requires(&mut self, name: &str, message: Option<&str>, span: Span) {
        if modules::is_known(name) {
            return;
        }
        let included = self.lexer.inputs.len() > 1;
        match message {
            Some(message) => {
                let text = format!("the module `{name}` is required here, and there is none: {message}");
                self.report.error(span, text, None);
            }
            None if !included => {
                let help = self.report.suggestion(Level::Error, name, modules::names());
                let text = format!("the module `{name}` is required, and there is none");
                self.report.error(span, text, help);
            }
            None => {}
        }
        if included {
            self.skip_file();
        }
    }
}

/// The value of `option(value)` in an `@` line.
fn argument<'l>(line: &'l [(Token, String)], option: &str) -> Option<&'l Token> {
    line.windows(3).find_map(|three| match three {
        [(name, _), (open, _), (value, _)] if name.is(option) && matches!(open.kind, TokenKind::LParen) => {
            Some(value)
        }
        _ => None,
    })
}
