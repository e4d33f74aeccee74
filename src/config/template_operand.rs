//! Templates where they are values: `"…"`, a word, a number, or one of these with its type, as `int("…")`.

use super::number::Number;
use super::parser::{Opening, Parsed, Parser};
use super::span::Spanned;
use super::template_text::{CompiledTemplate, TemplateText};
use super::token::{Text, TokenKind};
use crate::message::ValueType;
use crate::template::Template;

impl Parser {
    /// Tells whether a type stands here, with the parenthesis of its value: `int(`.
    pub(crate) fn sees_type_hint(&mut self) -> bool {
        let is_type =
            matches!(&self.peek().kind, TokenKind::Word(word) if ValueType::of_word(word).is_some());
        is_type && self.sees_at(1, &TokenKind::LParen)
    }

    /// A template as the operand of a comparison, or what `set()` sets: a text, a word, a number, or one of
    /// them with its type. A number without quotes has its type, integer or double. The name of a `template`
    /// statement means nothing here.
    pub(crate) fn template_operand(&mut self) -> Parsed<TemplateText> {
        let span = self.peek().span;
        let compiled = self.template_content("a template, as in \"$HOST\"")?;
        Ok(TemplateText::new(span.to(self.last_span()), compiled))
    }

    /// Reads and compiles a template as [`template_operand`](Self::template_operand) has it.
    pub(super) fn template_content(&mut self, expected: &str) -> Parsed<CompiledTemplate> {
        let is_word = matches!(self.peek().kind, TokenKind::Word(_));
        if is_word && self.sees_at(1, &TokenKind::LParen) {
            return self.hinted_template();
        }
        if let TokenKind::Number(number, _) = self.peek().kind {
            return self.number_template(number, expected);
        }
        let text = self.text(expected)?;
        self.compiled(text)
    }

    /// A name, perhaps with the type of its value: `"…"` or `type("…")`.
    pub(crate) fn hinted_name(&mut self, expected: &str) -> Parsed<(Spanned<String>, Option<ValueType>)> {
        let is_word = matches!(self.peek().kind, TokenKind::Word(_));
        if !(is_word && self.sees_at(1, &TokenKind::LParen)) {
            return self.string(expected).map(|name| (name, None));
        }
        let (hint, open) = self.hint()?;
        let name = self.string(expected);
        let ended = name.and_then(|name| self.expect(&TokenKind::RParen).map(|_| name));
        let name = ended.inspect_err(|_| {
            self.close_parenthesis(open);
        })?;
        Ok((name, Some(hint)))
    }

    /// `type(`, which is at the cursor.
    fn hint(&mut self) -> Parsed<(ValueType, Opening)> {
        let token = self.next();
        let TokenKind::Word(word) = &token.kind else { unreachable!("it was looked at") };
        let open = self.open_parenthesis()?;
        if let Some(hint) = ValueType::of_word(word) {
            return Ok((hint, open));
        }
        let words = ValueType::WORDS.iter().map(|(word, _)| *word);
        let help = self
            .suggestion(word, words.clone())
            .unwrap_or_else(|| format!("the types are {}", words.collect::<Vec<_>>().join(", ")));
        let error = self.report.error(token.span, format!("unknown type `{word}`"), Some(help));
        self.close_parenthesis(open);
        Err(error)
    }

    /// `type("…")`
    fn hinted_template(&mut self) -> Parsed<CompiledTemplate> {
        let (hint, open) = self.hint()?;
        let compiled = match self.peek().kind {
            // `null()`
            TokenKind::RParen => Ok(CompiledTemplate::default()),
            _ => self.text_or_number("the text of the template").and_then(|text| self.compiled(text)),
        };
        let ended = compiled.and_then(|compiled| self.expect(&TokenKind::RParen).map(|_| compiled));
        let compiled = ended.inspect_err(|_| {
            self.close_parenthesis(open);
        })?;
        Ok(CompiledTemplate { template: compiled.template.with_type(hint), ..compiled })
    }

    /// A number without quotes.
    fn number_template(&mut self, number: Number, expected: &str) -> Parsed<CompiledTemplate> {
        let Text { value: written, .. } = self.text_or_number(expected)?;
        let (text, hint) = match number {
            Number::Int(value) => (value.to_string(), ValueType::Integer),
            Number::Float(_) => (written, ValueType::Double),
            Number::TooLarge => (written, ValueType::String),
        };
        let template = Template::literal(&text).with_type(hint);
        Ok(CompiledTemplate { name: None, text, template, escape: None })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, parse_str};
    use crate::message::ValueType;

    fn read(option: &str) -> Result<Config, String> {
        let text = format!("destination d {{ file(\"x\" template({option})); }};\ntemplate t {option};\n");
        let environment = Environment::new(&crate::drivers::VOCABULARY);
        parse_str("x", &text, &environment).map_err(|errors| errors.to_string())
    }

    /// Breaks without it: `int("…")` is refused, or its type is lost on the way to what compares or sets it.
    #[test]
    fn types_are_read_wherever_a_template_is() {
        for (written, hint, text) in [
            ("\"$HOST\"", None, "$HOST"),
            ("word", None, "word"),
            ("int(\"$N\")", Some(ValueType::Integer), "$N"),
            ("int64(5)", Some(ValueType::Integer), "5"),
            ("json('{}')", Some(ValueType::Json), "{}"),
            ("string(word)", Some(ValueType::String), "word"),
            ("null()", Some(ValueType::Null), ""),
            ("5", Some(ValueType::Integer), "5"),
            ("0x10", Some(ValueType::Integer), "16"),
            ("-1.50", Some(ValueType::Double), "-1.50"),
            ("\"int(5)\"", None, "int(5)"),
        ] {
            let config = read(written).unwrap();
            let template = &config.templates["t"].text;
            assert_eq!((template.template.hint(), template.text.as_str()), (hint, text), "{written}");
        }
    }

    /// Breaks without it: a misspelt type is silently a text, or its error stands somewhere else.
    #[test]
    fn unknown_types_are_errors_at_their_place() {
        let error = read("itn(\"5\")").unwrap_err();
        assert!(error.contains("unknown type `itn`") && error.contains("did you mean `int`?"), "{error}");
        assert!(error.contains("x:1:35") && error.contains("x:2:12"), "{error}");
        for bad in ["int(", "int(\"a\" \"b\")", "none(\"x\")", "Int(\"5\")"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
