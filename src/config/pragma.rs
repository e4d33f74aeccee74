//! The `@` lines.
//!
//! ```text
//! @version: 4.27 | current       what the file was written for
//! @include "path"                file, directory or pattern (see `include`)
//! @define name value             a name for backticks
//! @module name [arguments]       accepted: Inrush has no modules to load
//! @requires name ["message"]     skips the rest of an included file if there is no such module
//! @line "file" line [column]     errors below are shown with this file and line
//! @config-id: text
//! ```
use super::bounds::MAX_PRAGMA;
use super::diagnostic::Level;
use super::lexer::Lexing;
use super::number::Number;
use super::preamble::Version;
use super::span::{Span, Spanned};
use super::token::{Token, TokenKind};

const VERSION_FORM: &str = "@version: 4.2, or @version: current";

const PRAGMAS: [&str; 7] = ["version", "include", "define", "module", "requires", "line", "config-id"];

/// The modules that a file may name, and whether what they are for is part of Inrush.
const MODULES: &[(&str, bool)] = &[
    ("add-contextual-data", false),
    ("affile", true),
    ("afmongodb", false),
    ("afprog", false),
    ("afsmtp", false),
    ("afsnmp", false),
    ("afsocket", false),
    ("afsocket-notls", false),
    ("afsocket-tls", false),
    ("afsql", false),
    ("afstomp", false),
    ("afstreams", false),
    ("afuser", false),
    ("afamqp", false),
    ("appmodel", false),
    ("azure-auth-header", false),
    ("basicfuncs", true),
    ("bigquery", false),
    ("cef", false),
    ("cloud-auth", false),
    ("cloud-auth-google", false),
    ("confgen", false),
    ("correlation", false),
    ("cryptofuncs", false),
    ("csvparser", false),
    ("date", false),
    ("dbparser", false),
    ("disk-buffer", false),
    ("ebpf", false),
    ("examples", false),
    ("geoip2-plugin", false),
    ("graphite", false),
    ("grpc", false),
    ("hook-commands", false),
    ("http", false),
    ("java", false),
    ("json-plugin", false),
    ("kafka", false),
    ("kvformat", false),
    ("linux-kmsg-format", false),
    ("list-modules", false),
    ("loki", false),
    ("map-value-pairs", false),
    ("metrics-probe", false),
    ("mod-java", false),
    ("mod-python", true),
    ("mqtt", false),
    ("otel", false),
    ("pacctformat", false),
    ("pseudofile", false),
    ("python", true),
    ("rate-limit-filter", false),
    ("redis", false),
    ("regexp-parser", false),
    ("riemann", false),
    ("sdjournal", false),
    ("secure-logging", false),
    ("stardate", false),
    ("syslogformat", true),
    ("system-source", false),
    ("tags-parser", false),
    ("tfgetent", false),
    ("threaded-diskq-source", false),
    ("timestamp", false),
    ("xml", false),
];

fn module(name: &str) -> Option<bool> {
    let name = name.replace('_', "-");
    MODULES.iter().find(|(known, _)| *known == name).map(|(_, provided)| *provided)
}

fn module_names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}

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
        } else if version < Version::UNCHANGED_SINCE {
            let message = format!("written for version {version}; Inrush reads it as version {current}");
            self.report.warn(span, message, None);
        } else if version > current {
            let message =
                format!("version {version} is newer than what Inrush knows; it is read as {current}");
            self.report.warn(span, message, None);
        }
        self.lexer.pragmas.version = Some(Spanned::new(version.min(current), span));
    }

    fn module(&mut self, name: &str, at: Span, line: &[(Token, String)]) {
        match (module(name), name) {
            (Some(_), "confgen") => {
                let message =
                    "generators of configuration (`@module confgen`) are not supported by this version";
                self.report.error(at, message, None);
            }
            (Some(_), _) => {}
            (None, _) => {
                let help = self.report.suggestion(Level::Warning, name, module_names());
                self.report.warn(at, format!("no module is called `{name}`; the line has no effect"), help);
            }
        }
        for pair in line.windows(3) {
            if let [(option, _), (open, _), (value, _)] = pair
                && option.is("use-virtualenv")
                && matches!(open.kind, TokenKind::LParen)
            {
                match plain(value).as_deref() {
                    Some("yes" | "on" | "1") => self.lexer.pragmas.use_virtualenv = Some(true),
                    Some("no" | "off" | "0") => self.lexer.pragmas.use_virtualenv = Some(false),
                    _ => {
                        self.report.error(value.span, "expected yes or no", None);
                    }
                }
            }
        }
    }

    fn requires(&mut self, name: &str, message: Option<&str>, span: Span) {
        if module(name) == Some(true) {
            return;
        }
        let included = self.lexer.inputs.len() > 1;
        match message {
            Some(message) => {
                let text = format!("`{name}` is required here, and is not part of Inrush: {message}");
                self.report.error(span, text, None);
            }
            None if !included => {
                self.report.error(span, format!("`{name}` is required, and is not part of Inrush"), None);
            }
            None => {
                let text = format!("the rest of this file is skipped: `{name}` is not part of Inrush");
                self.report.warn(span, text, None);
            }
        }
        if included {
            self.skip_file();
        }
    }
}
