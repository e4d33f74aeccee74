//! Templates as they stand in a configuration, and the options of how they are formatted.
use crate::template::Template;

use super::option_table::{Kind, Table, apply, names};
use super::parser::{Parsed, Parser};
use super::source_map::{Span, Spanned};
use super::token::{Text, TokenKind};
use super::unsupported::Place;

/// A template's text, compiled.
#[derive(Debug, Clone)]
pub struct TemplateText {
    /// The `template` statement that it was taken from.
    pub name: Option<String>,
    /// The text.
    pub text: String,
    /// The text, compiled.
    pub template: Template,
    /// `template-escape()` of the `template` statement.
    pub escape: Option<bool>,
    /// Where the text, or the name that stands for it, was written.
    pub span: Span,
}

/// `template NAME "text";` or `template NAME { template("text"); template-escape(no); };`
#[derive(Debug, Clone)]
pub struct TemplateStatement {
    /// The name, and the place of the statement.
    pub name: Spanned<String>,
    /// The template.
    pub text: TemplateText,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TsFormat {
    /// `Nov  5 09:01:02` (also called `bsd`).
    #[default]
    Rfc3164,
    /// `2026-11-05T09:01:02+01:00` (also called `iso`).
    Rfc3339,
    /// `2026 Nov  5 09:01:02`.
    Full,
    /// Seconds since 1970.
    Unix,
}

/// What happens when a value cannot be formatted as the type that a template asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The message is dropped.
    #[default]
    DropMessage,
    /// The message is dropped, and nothing is logged.
    SilentlyDropMessage,
    /// The property is left out.
    DropProperty,
    /// The property is left out, and nothing is logged.
    SilentlyDropProperty,
    /// The value is written as text.
    FallbackToString,
    /// The value is written as text, and nothing is logged.
    SilentlyFallbackToString,
}

/// How templates are formatted; what is not written here is as in `options {}`.
#[derive(Debug, Clone, Default)]
pub struct TemplateOptions {
    /// `ts-format()`
    pub ts_format: Option<TsFormat>,
    /// `frac-digits()`: from 0 to 6.
    pub frac_digits: Option<u8>,
    /// `time-zone()`, also called `send-time-zone()`.
    pub send_time_zone: Option<Spanned<String>>,
    /// `local-time-zone()`
    pub local_time_zone: Option<Spanned<String>>,
    /// `template-escape()`
    pub template_escape: Option<bool>,
    /// `on-error()`
    pub on_error: Option<OnError>,
}

/// The options of [`TemplateOptions`].
pub(super) const TEMPLATE: Table<TemplateOptions> = &[
    ("ts-format", Kind::Other(|parser, to| parser.ts_format().map(|format| to.ts_format = Some(format)))),
    (
        "frac-digits",
        Kind::Other(|parser, to| parser.frac_digits().map(|digits| to.frac_digits = Some(digits))),
    ),
    ("time-zone", Kind::Text(|to, zone| to.send_time_zone = Some(zone))),
    ("send-time-zone", Kind::Text(|to, zone| to.send_time_zone = Some(zone))),
    ("local-time-zone", Kind::Text(|to, zone| to.local_time_zone = Some(zone))),
    ("template-escape", Kind::YesNo(|to, yes| to.template_escape = Some(yes))),
    ("on-error", Kind::Other(|parser, to| parser.on_error().map(|action| to.on_error = Some(action)))),
];

/// What a `template NAME { }` consists of.
#[derive(Default)]
struct TemplateBlock {
    text: Option<TemplateText>,
    escape: Option<bool>,
}

const TEMPLATE_BLOCK: Table<TemplateBlock> = &[
    (
        "template",
        Kind::Other(|parser, to| {
            let text = parser.text_or_number("the text of the template")?;
            parser.compile(text).map(|text| to.text = Some(text))
        }),
    ),
    ("template-escape", Kind::YesNo(|to, yes| to.escape = Some(yes))),
];

impl Parser {
    pub(super) fn ts_format(&mut self) -> Parsed<TsFormat> {
        self.choice(&[
            ("rfc3164", TsFormat::Rfc3164),
            ("bsd", TsFormat::Rfc3164),
            ("rfc3339", TsFormat::Rfc3339),
            ("iso", TsFormat::Rfc3339),
            ("full", TsFormat::Full),
            ("unix", TsFormat::Unix),
        ])
    }

    fn frac_digits(&mut self) -> Parsed<u8> {
        let span = self.peek().span;
        let digits = self.integer(0, 9)? as u8;
        if digits > 6 {
            self.report.warn(span, "times are kept in microseconds, so there are at most 6 digits", None);
        }
        Ok(digits.min(6))
    }

    pub(super) fn on_error(&mut self) -> Parsed<OnError> {
        self.choice(&[
            ("drop-message", OnError::DropMessage),
            ("silently-drop-message", OnError::SilentlyDropMessage),
            ("drop-property", OnError::DropProperty),
            ("silently-drop-property", OnError::SilentlyDropProperty),
            ("fallback-to-string", OnError::FallbackToString),
            ("silently-fallback-to-string", OnError::SilentlyFallbackToString),
        ])
    }

    /// Compiles a text, and reports what is wrong with it at its place inside the text.
    pub(super) fn compile(&mut self, text: Text) -> Parsed<TemplateText> {
        match Template::compile(&text.value) {
            Ok(template) => {
                Ok(TemplateText { name: None, text: text.value, template, escape: None, span: text.span })
            }
            Err(error) => Err(self.report.error(text.locate(error.at), error.message, error.help)),
        }
    }

    /// The value of an option that is a template: its text, or the name of a `template` statement.
    pub(super) fn template_argument(&mut self) -> Parsed<TemplateText> {
        let bare = matches!(self.peek().kind, TokenKind::Word(_));
        let text = self.text_or_number("a template or its name")?;
        if let Some(statement) = self.templates.get(&text.value) {
            return Ok(TemplateText { span: text.span, ..statement.text.clone() });
        }
        if bare && !text.value.contains('$') {
            let message = format!("no template is called `{}`", text.value);
            let names = self.templates.keys().map(String::as_str);
            let quotes = || Some(format!("put it in quotes if it is the text itself: \"{}\"", text.value));
            let help = super::nearest::did_you_mean(&text.value, names).or_else(quotes);
            return Err(self.report.error(text.span, message, help));
        }
        self.compile(text)
    }

    /// What comes after `template`, which was at `start`.
    pub(super) fn template_statement(&mut self, start: Span) -> Parsed<()> {
        let name = self.string("a name for the template")?;
        let text = if let TokenKind::LBrace = self.peek().kind {
            self.next();
            let (mut block, errors) = (TemplateBlock::default(), self.report.errors());
            self.options_in_braces(Place::Statement, &|| names(TEMPLATE_BLOCK).collect(), |parser, key| {
                apply(TEMPLATE_BLOCK, &mut block, parser, key)
            });
            match block.text {
                Some(text) => TemplateText { escape: block.escape, ..text },
                // An error in the text itself was reported already.
                None if self.report.errors() > errors => return Err(super::report::Reported),
                None => {
                    let message = format!("the template `{}` has no text", name.value);
                    let help = Some("give it one with template(\"…\")".to_owned());
                    return Err(self.report.error(name.span, message, help));
                }
            }
        } else {
            let text = self.text_or_number("the text of the template")?;
            self.compile(text)?
        };
        let text = TemplateText { name: Some(name.value.clone()), ..text };
        let span = start.to(name.span);
        let first = self.templates.get(&name.value).map(|first| first.name.span);
        self.duplicate("template", &name, first)?;
        self.templates
            .insert(name.value.clone(), TemplateStatement { name: Spanned::new(name.value, span), text });
        Ok(())
    }
}
