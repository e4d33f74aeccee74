//! Comparisons of two templates: `"$BYTES" > 1000`.
//!
//! By value, two operands of one of the types string, JSON, list or bytes are compared as bytes. Null equals
//! nothing but null. Otherwise both are numbers: whole ones and fractions, texts that are one of these from
//! their first to their last byte, 1 and 0 for true and false, milliseconds for times, 0 for null. Where one
//! operand is no number, they are unequal, and nothing else.

use std::cmp::Ordering;
use std::sync::Arc;

use super::scratch::Scratch;
use super::{Test, keep};
use crate::config::{self, CompareBy, Relation};
use crate::message::{MessageRef, Rows, Selection, ValueType};
use crate::template::{Moment, Template};

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Greater => ordering.is_gt(),
        }
    }
}

/// The test that `comparison` says.
pub(super) fn compile(comparison: &config::Comparison) -> Arc<dyn Test> {
    Arc::new(Comparison {
        left: comparison.left.template.clone(),
        right: comparison.right.template.clone(),
        relation: comparison.relation,
        by: comparison.by,
    })
}

#[derive(Debug)]
struct Comparison {
    left: Template,
    right: Template,
    relation: Relation,
    by: CompareBy,
}

impl Comparison {
    fn holds(&self, message: MessageRef<'_>, scratch: &mut Scratch) -> bool {
        let Scratch { context, text: left, other: right, .. } = scratch;
        left.clear();
        right.clear();
        let left_type = self.left.format_typed(message, context, left);
        let right_type = self.right.format_typed(message, context, right);
        let (left, right) = ((left_type, left.as_slice()), (right_type, right.as_slice()));
        match self.by {
            CompareBy::Text => self.relation.holds(left.1.cmp(right.1)),
            CompareBy::LeadingNumber => {
                self.relation.holds(leading_number(left.1).cmp(&leading_number(right.1)))
            }
            CompareBy::Value => by_value(left, self.relation, right),
            CompareBy::TypeAndValue => {
                let is_same = left_type == right_type && by_value(left, Relation::Equal, right);
                is_same == (self.relation == Relation::Equal)
            }
        }
    }
}

impl Test for Comparison {
    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool {
        Scratch::with(moment, |scratch| self.holds(message, scratch))
    }

    fn select(&self, selection: &Selection, rows: &Rows, moment: Moment) -> Rows {
        Scratch::with(moment, |scratch| keep(rows, |row| self.holds(selection.row(row), scratch)))
    }
}

/// A value: its type and its text.
type Typed<'t> = (ValueType, &'t [u8]);

fn by_value(left: Typed<'_>, relation: Relation, right: Typed<'_>) -> bool {
    use ValueType::{Json, List, Null, String};
    let is_binary = left.0.is_binary() && right.0.is_binary();
    if is_binary || (left.0 == right.0 && matches!(left.0, String | Json | List)) {
        return relation.holds(left.1.cmp(right.1));
    }
    if (left.0 == Null || right.0 == Null) && matches!(relation, Relation::Equal | Relation::NotEqual) {
        return (left.0 == right.0) == (relation == Relation::Equal);
    }
    let ordering = Number::of(left).zip(Number::of(right)).and_then(|(left, right)| left.compare(right));
    ordering.map_or(relation == Relation::NotEqual, |ordering| relation.holds(ordering))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Number {
    /// The number that a value is.
    fn of((value_type, text): Typed<'_>) -> Option<Self> {
        match value_type {
            ValueType::Integer | ValueType::Double | ValueType::String => Self::parse(text),
            ValueType::Boolean => Some(Self::Whole(matches!(text, [b't' | b'T' | b'1', ..]).into())),
            ValueType::Datetime => Some(Self::Whole(milliseconds(text))),
            ValueType::Null => Some(Self::Whole(0)),
            ValueType::Json | ValueType::List | ValueType::Bytes | ValueType::Protobuf => None,
        }
    }

    /// The number that a text is as a whole; blanks may stand before it.
    fn parse(text: &[u8]) -> Option<Self> {
        let text =
            std::str::from_utf8(text).ok()?.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
            let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let sign = if text.starts_with('-') { "-" } else { "" };
            return i64::from_str_radix(&format!("{sign}{digits}"), 16)
                .ok()
                .filter(|_| is_number)
                .map(Self::Whole);
        }
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        let fraction: f64 = text.parse().ok()?;
        // A number that is too large for its type is none, but infinity may be written.
        let is_written = unsigned.starts_with(['i', 'I']);
        (!fraction.is_infinite() || is_written).then_some(Self::Fraction(fraction))
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        let fraction = |number| match number {
            Self::Whole(whole) => whole as f64,
            Self::Fraction(fraction) => fraction,
        };
        match (self, other) {
            (Self::Whole(one), Self::Whole(two)) => Some(one.cmp(&two)),
            (one, two) => fraction(one).partial_cmp(&fraction(two)),
        }
    }
}

/// The whole number that a text begins with; 0 if it begins with none.
fn leading_number(text: &[u8]) -> i64 {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r')).unwrap_or(text.len());
    let text = &text[start..];
    let sign = usize::from(matches!(text, [b'+' | b'-', ..]));
    let digits = text[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&text[..sign + digits]).unwrap_or_default();
    let most = if number.starts_with('-') { i64::MIN } else { i64::MAX };
    if digits == 0 { 0 } else { number.parse().unwrap_or(most) }
}

/// The milliseconds of a time: seconds, perhaps with a fraction, and a zone that changes nothing.
fn milliseconds(text: &[u8]) -> i64 {
    let seconds = leading_number(text);
    let fraction = text.iter().position(|byte| *byte == b'.').map_or(&[][..], |point| &text[point + 1..]);
    let digits = fraction.iter().chain(b"000").take(3);
    let fraction = digits
        .take_while(|byte| byte.is_ascii_digit())
        .fold((0, 100), |(sum, unit), digit| (sum + i64::from(digit - b'0') * unit, unit / 10));
    let sign = if text.starts_with(b"-") { -1 } else { 1 };
    seconds.saturating_mul(1000).saturating_add(sign * fraction.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a text counts as another number, or as one where it is none.
    #[test]
    fn texts_are_numbers_as_a_whole() {
        use Number::{Fraction, Whole};
        for (text, expected) in [
            ("5", Some(Whole(5))),
            ("-5", Some(Whole(-5))),
            ("+5", Some(Whole(5))),
            (" \t\n5", Some(Whole(5))),
            ("010", Some(Whole(10))),
            ("0x10", Some(Whole(16))),
            ("-0X10", Some(Whole(-16))),
            ("1e3", Some(Fraction(1000.0))),
            ("5.", Some(Fraction(5.0))),
            (".5", Some(Fraction(0.5))),
            ("9223372036854775808", Some(Fraction(9_223_372_036_854_775_808.0))),
            ("inf", Some(Fraction(f64::INFINITY))),
            ("1e400", None),
            ("5 ", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("0x+5", None),
            ("1K", None),
            ("5x", None),
            ("٣", None),
        ] {
            assert_eq!(Number::parse(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(Number::parse(b"\xff"), None);
        for (text, expected) in
            [("5x", 5), ("  -7.5", -7), ("x", 0), ("", 0), ("+", 0), ("99999999999999999999", i64::MAX)]
        {
            assert_eq!(leading_number(text.as_bytes()), expected, "{text}");
        }
        for (text, expected) in
            [("1.5", 1500), ("2", 2000), ("1.0005", 1000), ("x", 0), ("1.25+02:00", 1250), ("-1.5", -1500)]
        {
            assert_eq!(milliseconds(text.as_bytes()), expected, "{text}");
        }
    }
}
