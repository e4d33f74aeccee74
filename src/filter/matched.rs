//! The matches of a pattern as values of a message: `$0`, `$1` … `$255`, and the names of groups.
//!
//! A match sets the whole of it, and each group that took part; it unsets a group that did not, and all
//! numbers that an earlier match has set beyond its own. A group with a name is a value of that name, too,
//! which may be MESSAGE; one that took no part leaves that as it is.

use std::ops::Range;

use crate::message::batch::Text;
use crate::message::{FieldName, MessageRef, RevisedRow, ValueType};
use crate::pattern::Matcher;

/// The most groups that are stored, the whole match included.
pub(crate) const MOST: usize = 256;

/// Stores what `matcher` finds in `text`, which it matches; `is_payload` says that `text` is MESSAGE. More
/// groups than can be stored are none.
pub(super) fn store(
    matcher: &Matcher,
    text: &[u8],
    is_payload: bool,
    message: MessageRef<'_>,
    row: &mut RevisedRow<'_>,
) {
    let mut captures = matcher.captures();
    if !matcher.find_at(text, 0, &mut captures) || captures.len() > MOST {
        return;
    }
    let part = |range: Range<usize>| {
        if is_payload {
            Text::Payload(range.start as u32, range.len() as u32)
        } else {
            Text::Copy(&text[range])
        }
    };
    let mut number = Number::default();
    for group in 0..captures.len() {
        let name = Text::Copy(number.text(group));
        match captures.get(group) {
            Some(range) => row.set(FieldName::Text, name, ValueType::String, part(range)),
            None => row.unset(FieldName::Text, name),
        }
    }
    for pair in message.pairs() {
        if pair.id == FieldName::Text && number_of(pair.name).is_some_and(|old| old >= captures.len()) {
            row.unset(FieldName::Text, Text::Copy(pair.name));
        }
    }
    for (group, name) in matcher.group_names().iter().enumerate() {
        let Some((name, range)) = name.as_ref().zip(captures.get(group)) else { continue };
        match FieldName::known(name) {
            _ if matches!(name.as_str(), "MESSAGE" | "MSG" | "MSGONLY") => row.message(part(range)),
            Some(id) => row.set(id, Text::Copy(b""), ValueType::String, part(range)),
            None => row.set(FieldName::Text, Text::Copy(name.as_bytes()), ValueType::String, part(range)),
        }
    }
}

/// The number that a name is, if it is one of those that matches set.
fn number_of(name: &[u8]) -> Option<usize> {
    let is_number = matches!(name, [b'0'] | [b'1'..=b'9', ..]) && name.len() < 4;
    let digits = std::str::from_utf8(name).ok().filter(|_| is_number)?;
    digits.parse().ok().filter(|number| *number < MOST)
}

/// A number below [`MOST`] as text.
#[derive(Default)]
struct Number([u8; 3]);

impl Number {
    fn text(&mut self, number: usize) -> &[u8] {
        let (mut at, mut left) = (self.0.len(), number);
        loop {
            at -= 1;
            self.0[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                return &self.0[at..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a value that a user called `01` or `300` is unset by a match, or `$255` is not.
    #[test]
    fn numbers_of_matches_go_both_ways() {
        let mut number = Number::default();
        for value in 0..MOST {
            assert_eq!(number.text(value), value.to_string().as_bytes());
            assert_eq!(number_of(value.to_string().as_bytes()), Some(value));
        }
        for name in ["", "01", "00", "256", "1000", "a", "1a", "-1", "+1"] {
            assert_eq!(number_of(name.as_bytes()), None, "{name}");
        }
    }
}
