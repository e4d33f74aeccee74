//! The values of options: numbers, words of a choice, yes and no.
use super::number::Number;
use super::parser::{Parsed, Parser};
use super::token::{TokenKind, same_word};

impl Parser {
    /// A whole number from `least` to `most`.
    pub(crate) fn integer(&mut self, least: i64, most: i64) -> Parsed<i64> {
        let span = self.peek().span;
        let bounds = || match (least, most) {
            (i64::MIN, i64::MAX) => "a whole number".to_owned(),
            (_, i64::MAX) => format!("a whole number of at least {least}"),
            _ => format!("a whole number from {least} to {most}"),
        };
        let TokenKind::Number(number, written) = &self.peek().kind else {
            return Err(self.unexpected(&bounds()));
        };
        let message = match number {
            Number::Int(value) if (least..=most).contains(value) => {
                let value = *value;
                self.next();
                return Ok(value);
            }
            Number::Float(_) => format!("expected {}, found a fraction", bounds()),
            Number::Int(_) | Number::TooLarge => format!("{written} is out of range: expected {}", bounds()),
        };
        Err(self.report.error(span, message, None))
    }

    /// A number that may have a fraction, from 0.
    pub(super) fn float(&mut self) -> Parsed<f64> {
        let value = match self.peek().kind {
            TokenKind::Number(Number::Float(value), _) => value,
            TokenKind::Number(Number::Int(value), _) => value as f64,
            _ => return Err(self.unexpected("a number")),
        };
        let span = self.peek().span;
        // More than a century is a mistake, and would overflow clocks.
        if !(0.0..=4e9).contains(&value) {
            let message = format!("{value} is out of range: expected a number from 0 to 4000000000");
            return Err(self.report.error(span, message, None));
        }
        self.next();
        Ok(value)
    }

    /// One of `words`.
    pub(crate) fn choice<T: Copy>(&mut self, words: &[(&'static str, T)]) -> Parsed<T> {
        let token = self.peek();
        let (span, written) = match &token.kind {
            TokenKind::Word(word) => (token.span, word.clone()),
            TokenKind::Text(text) => (token.span, text.value.clone()),
            TokenKind::Number(_, written) => (token.span, written.clone()),
            _ => {
                let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
                return Err(self.unexpected(&format!("one of {}", names.join(", "))));
            }
        };
        if let Some((_, value)) = words.iter().find(|(name, _)| same_word(name, &written)) {
            self.next();
            return Ok(*value);
        }
        let names = || words.iter().map(|(name, _)| *name);
        let all = || format!("one of {}", names().collect::<Vec<_>>().join(", "));
        let help = self.suggestion(&written, names()).unwrap_or_else(all);
        Err(self.report.error(span, format!("`{written}` is not possible here"), Some(help)))
    }

    /// `yes` or `no`, by whatever name.
    pub(crate) fn yes_no(&mut self) -> Parsed<bool> {
        match self.peek().kind {
            TokenKind::Number(Number::Int(value), _) => {
                self.next();
                Ok(value != 0)
            }
            TokenKind::Word(_) => self.choice(&[("yes", true), ("no", false), ("on", true), ("off", false)]),
            _ => Err(self.unexpected("yes or no")),
        }
    }
}
