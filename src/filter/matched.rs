//! The matches of a pattern as values of a message: `$0`, `$1` … `$255`, and the names of groups.
//!
//! A match sets the whole of it, and each group that took part; it unsets a group that did not, and all
//! numbers that an earlier match has set beyond its own. A group with a name is a value of that name, too,
//! which may be MESSAGE; one that took no part leaves that as it is.

use std::ops::Range;

use crate::message::batch::Text;
use crate::message::{FieldName, RevisedRow, ValueName, ValueType};
use crate::pattern::{Captures, Matcher};

/// The most groups that are stored, the whole match included.
pub(crate) const MOST: usize = 256;

/// Stores what `matcher` finds in `text`, which it matches: a copy of a value, or else MESSAGE. More groups
/// than can be stored are none.
pub(super) fn store(matcher: &Matcher, text: Option<&[u8]>, row: &mut RevisedRow<'_>) {
    let mut captures = matcher.captures();
    if matcher.find_at(text.unwrap_or(row.read().text()), 0, &mut captures) {
        store_found(matcher, &captures, text, row);
    }
}

/// Stores the groups that `captures` has of `text`, as [`store`].
pub(crate) fn store_found(
    matcher: &Matcher,
    captures: &Captures,
    text: Option<&[u8]>,
    row: &mut RevisedRow<'_>,
) {
    if captures.len() > MOST {
        return;
    }
    let part = |range: Range<usize>| match text {
        None => Text::Payload(range.start as u32, range.len() as u32),
        Some(text) => Text::Copy(&text[range]),
    };
    let mut number = Number::default();
    for group in 0..captures.len() {
        let name = number.text(group);
        match captures.get(group) {
            Some(range) => row.set(FieldName::Text, name, ValueType::String, part(range)),
            None => row.unset(FieldName::Text, name),
        }
    }
    if let Ok(first) = u8::try_from(captures.len()) {
        row.unset_matches(first);
    }
    for (group, name) in matcher.group_names().iter().enumerate() {
        if let Some((name, range)) = name.as_ref().zip(captures.get(group)) {
            row.set_value(&ValueName::new(name), ValueType::String, part(range));
        }
    }
}

/// A number below [`MOST`] as text.
#[derive(Default)]
pub(crate) struct Number([u8; 3]);

impl Number {
    /// The text of `number`.
    pub(crate) fn text(&mut self, number: usize) -> &[u8] {
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

    /// Breaks without it: what a group matched is a value of another name.
    #[test]
    fn numbers_of_matches_are_written_as_they_are() {
        let mut number = Number::default();
        for value in 0..MOST {
            assert_eq!(number.text(value), value.to_string().as_bytes());
        }
    }
}
