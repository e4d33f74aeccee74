//! Comparisons in conditions: `"$PROGRAM" eq "sshd"`, `"$BYTES" > 1000`.
//!
//! ```text
//! lt le eq ne ge gt        texts, byte by byte
//! <  <= == != >= >         values by their types
//! === !==                  the same, and of one type
//! ```
//!
//! The operators by types in a file for an older version, where no operand has a type or is a number without
//! quotes:
//!
//! | `@version` | They compare |
//! |---|---|
//! | 3.8 to 3.x | the whole numbers that both begin with, or 0 |
//! | before | texts |
//!
//! If one has a type, the one without is a string. From 4.0 on, each template has its own type.

use super::filter::Condition;
use super::parser::{Parsed, Parser};
use super::preamble::Version;
use super::template_text::{CompiledTemplate, TemplateText};
use super::token::TokenKind;
use crate::message::ValueType;

/// A comparison of two templates.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The left operand.
    pub left: TemplateText,
    /// The right operand.
    pub right: TemplateText,
    /// The relation between them that is asked for.
    pub relation: Relation,
    /// The part of them that is compared.
    pub by: CompareBy,
}

/// The relation between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `<`, `lt`
    Less,
    /// `<=`, `le`
    LessOrEqual,
    /// `==`, `===`, `eq`
    Equal,
    /// `!=`, `!==`, `ne`
    NotEqual,
    /// `>=`, `ge`
    GreaterOrEqual,
    /// `>`, `gt`
    Greater,
}

/// The part of its operands that a comparison looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareBy {
    /// The bytes of the texts.
    Text,
    /// The values that the types say.
    Value,
    /// The same, and the types.
    TypeAndValue,
    /// The whole numbers at the start of the texts.
    LeadingNumber,
}

/// The operators.
const OPERATORS: [(&str, Relation, CompareBy); 14] = [
    ("lt", Relation::Less, CompareBy::Text),
    ("le", Relation::LessOrEqual, CompareBy::Text),
    ("eq", Relation::Equal, CompareBy::Text),
    ("ne", Relation::NotEqual, CompareBy::Text),
    ("ge", Relation::GreaterOrEqual, CompareBy::Text),
    ("gt", Relation::Greater, CompareBy::Text),
    ("<", Relation::Less, CompareBy::Value),
    ("<=", Relation::LessOrEqual, CompareBy::Value),
    ("==", Relation::Equal, CompareBy::Value),
    ("!=", Relation::NotEqual, CompareBy::Value),
    (">=", Relation::GreaterOrEqual, CompareBy::Value),
    (">", Relation::Greater, CompareBy::Value),
    ("===", Relation::Equal, CompareBy::TypeAndValue),
    ("!==", Relation::NotEqual, CompareBy::TypeAndValue),
];

/// The first version whose comparisons look at types.
const TYPED: Version = Version { major: 4, minor: 0 };
/// The first version whose comparisons know numbers.
const NUMBERS: Version = Version { major: 3, minor: 8 };

impl Parser {
    /// Tells whether a comparison starts here, and no function.
    pub(super) fn starts_comparison(&mut self) -> bool {
        match self.peek().kind {
            TokenKind::Text(_) | TokenKind::Number(..) => true,
            TokenKind::Word(_) => self.sees_type_hint() || operator(&self.peek_at(1).kind).is_some(),
            _ => false,
        }
    }

    /// Takes what follows an operand that was wrong.
    pub(super) fn skip_comparison(&mut self) {
        if operator(&self.peek().kind).is_some() {
            self.next();
            // What is wrong there is reported.
            let _ = self.template_operand();
        }
    }

    /// The comparison that starts here.
    pub(super) fn comparison(&mut self) -> Parsed<Condition> {
        let left = self.template_operand()?;
        let span = self.peek().span;
        let Some((written, relation, by)) = operator(&self.peek().kind) else {
            let found = self.peek().kind.describe();
            let words: Vec<_> = OPERATORS.iter().map(|(word, ..)| *word).collect();
            let help = Some(format!("the comparisons are {}", words.join(" ")));
            let message = format!("expected a comparison, as in \"$HOST\" eq \"web\", found {found}");
            return Err(self.report.error(span, message, help));
        };
        self.next();
        let right = self.template_operand()?;
        let mut comparison = Comparison { left, right, relation, by };
        if by == CompareBy::Value {
            let version = self.lexer.pragmas.version.map_or(Version::CURRENT, |version| version.value);
            comparison.read_as_of(version);
            if comparison.by == CompareBy::LeadingNumber {
                let texts = OPERATORS.iter().find(|one| one.1 == relation && one.2 == CompareBy::Text);
                let word = texts.map_or("eq", |(word, ..)| word);
                let message = format!(
                    "`{written}` compares whole numbers in a file for version {version}: \
                     a text that is none counts as 0"
                );
                self.report.warn(span, message, Some(format!("`{word}` compares texts")));
            }
        }
        let is_constant = |operand: &TemplateText| operand.template.as_literal().is_some();
        if is_constant(&comparison.left) && is_constant(&comparison.right) {
            self.report.warn(span, "both sides of this comparison are the same for every message", None);
        }
        Ok(Condition::Comparison(comparison))
    }
}

impl Comparison {
    /// Makes it what it means in a file for `version`.
    fn read_as_of(&mut self, version: Version) {
        if version >= TYPED {
            return;
        }
        if self.left.template.hint().is_none() && self.right.template.hint().is_none() {
            self.by = if version >= NUMBERS { CompareBy::LeadingNumber } else { CompareBy::Text };
        }
        // What says nothing of its type is a text, also where it is not set.
        for operand in [&mut self.left, &mut self.right] {
            if operand.template.hint().is_none() {
                *operand = with_type(operand, ValueType::String);
            }
        }
    }
}

fn with_type(operand: &TemplateText, hint: ValueType) -> TemplateText {
    let template = operand.template.clone().with_type(hint);
    TemplateText::new(operand.span, CompiledTemplate { template, ..(**operand).clone() })
}

/// The operator that a token is.
fn operator(kind: &TokenKind) -> Option<(&'static str, Relation, CompareBy)> {
    let word = match kind {
        TokenKind::Word(word) => word.as_str(),
        TokenKind::Operator(word) => word,
        _ => return None,
    };
    OPERATORS.iter().find(|(known, ..)| *known == word).copied()
}
