//! Templates as they are read: the options of how they are formatted, texts in place, and `template`
//! statements.
use super::option_table::{Kind, Table, apply, names};
use super::parser::{Parsed, Parser};
use super::report::Reported;
use super::span::{Span, Spanned};
use super::template_surroundings::Around;
use super::template_text::{CompiledTemplate, TemplateOptions, TemplateStatement, TemplateText};
use super::token::{Text, TokenKind};
use super::unsupported::Place;
use crate::template::{OnError, Template, TsFormat};

/// The options of [`TemplateOptions`].
pub(crate) const TEMPLATE: Table<TemplateOptions> = &[
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

/// The parts of a `template NAME { }`.
#[derive(Default)]
struct TemplateBlock {
    text: Option<CompiledTemplate>,
    escape: Option<bool>,
}

const TEMPLATE_BLOCK: Table<TemplateBlock> = &[
    (
        "template",
        Kind::Other(|parser, to| {
            parser.template_content("the text of the template").map(|text| to.text = Some(text))
        }),
    ),
    ("template-escape", Kind::YesNo(|to, yes| to.escape = Some(yes))),
];

/// A text that is a template or the name of one.
pub(super) struct TemplateReference {
    /// Its place in the tree.
    used: TemplateText,
    text: Text,
    /// It was written as a word, without quotes.
    is_word: bool,
}

impl Parser {
    pub(super) fn ts_format(&mut self) -> Parsed<TsFormat> {
        self.choice(TsFormat::WORDS)
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
        self.choice(OnError::WORDS)
    }

    /// Compiles a text, and reports what is wrong with it at its place inside the text.
    pub(crate) fn compile(&mut self, text: Text) -> Parsed<TemplateText> {
        let span = text.span;
        self.compiled(text).map(|compiled| TemplateText::new(span, compiled))
    }

    /// Compiles a text, as [`compile`](Self::compile).
    pub(super) fn compiled(&mut self, text: Text) -> Parsed<CompiledTemplate> {
        match Template::compile_in(text.bytes(), &mut Around { parser: self, text: &text }) {
            Ok(template) => {
                for (at, nearest) in template.suspicious_names() {
                    let name = String::from_utf8_lossy(&text.bytes()[at.clone()]);
                    let message = format!("no macro is called `{name}`: a value of that name is meant");
                    let help = Some(format!("did you mean `{nearest}`?"));
                    self.report.warn(text.locate(at), message, help);
                }
                for warning in template.warnings() {
                    let (message, help) = (warning.message.clone(), warning.help.clone());
                    self.report.warn(text.locate(warning.at.clone()), message, help);
                }
                Ok(CompiledTemplate { name: None, text: text.value, template, escape: None })
            }
            // The surroundings have reported it.
            Err(error) if error.message.is_empty() => Err(Reported),
            Err(error) => Err(self.report.error(text.locate(error.at), error.message, error.help)),
        }
    }

    /// The value of an option that is a template: its text, or the name of a `template` statement; also a
    /// number, or a text with its type.
    pub(crate) fn template_argument(&mut self) -> Parsed<TemplateText> {
        let is_word = matches!(self.peek().kind, TokenKind::Word(_));
        let has_type = is_word && self.sees_at(1, &TokenKind::LParen);
        if has_type || matches!(self.peek().kind, TokenKind::Number(..)) {
            return self.template_operand();
        }
        let text = self.text("a template or its name")?;
        let used = TemplateText::unset(text.span);
        self.template_references.push_back(TemplateReference { used: used.clone(), text, is_word });
        Ok(used)
    }

    /// Finds the statements that texts are the names of, and compiles the others, now that all statements are
    /// read.
    pub(super) fn resolve_templates(&mut self) {
        // A text may hold a condition, and that another one.
        while let Some(TemplateReference { used, text, is_word }) = self.template_references.pop_front() {
            if let Some(statement) = self.templates.get(&text.value) {
                used.set((*statement.text).clone());
                continue;
            }
            if is_word && !text.value.contains('$') {
                let message = format!("no template is called `{}`: it is the text itself", text.value);
                let names = self.templates.keys().map(String::as_str);
                let help = self.suggestion(&text.value, names);
                let quotes = || Some(format!("put it in quotes if that is meant: \"{}\"", text.value));
                self.report.warn(text.span, message, help.or_else(quotes));
            }
            if let Ok(compiled) = self.compiled(text) {
                used.set(compiled);
            }
        }
    }

    /// Reads what comes after `template`, which was at `start`.
    pub(super) fn template_statement(&mut self, start: Span) -> Parsed<()> {
        let name = self.string("a name for the template")?;
        let text = self.in_template_statement(&name.value, |parser| parser.template_body(&name))?;
        let span = start.to(name.span);
        let text = TemplateText::new(span, CompiledTemplate { name: Some(name.value.clone()), ..text });
        let first = self.templates.get(&name.value).map(|first| first.name.span);
        self.duplicate("template", &name, first)?;
        self.templates
            .insert(name.value.clone(), TemplateStatement { name: Spanned::new(name.value, span), text });
        Ok(())
    }

    /// Reads what comes after the name of a `template` statement.
    fn template_body(&mut self, name: &Spanned<String>) -> Parsed<CompiledTemplate> {
        if let TokenKind::LBrace = self.peek().kind {
            self.next();
            let (mut block, errors) = (TemplateBlock::default(), self.report.errors());
            self.options_in_braces(Place::Statement, &|| names(TEMPLATE_BLOCK).collect(), |parser, key| {
                apply(TEMPLATE_BLOCK, &mut block, parser, key)
            });
            match block.text {
                Some(text) => Ok(CompiledTemplate { escape: block.escape, ..text }),
                // An error in the text itself was reported already.
                None if self.report.errors() > errors => Err(Reported),
                None => {
                    let message = format!("the template `{}` has no text", name.value);
                    let help = Some("give it one with template(\"…\")".to_owned());
                    Err(self.report.error(name.span, message, help))
                }
            }
        } else {
            self.template_content("the text of the template")
        }
    }
}
