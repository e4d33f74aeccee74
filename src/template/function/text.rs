//! Functions of texts: `echo`, `length`, `lowercase`, `uppercase`, `strip`, `substr`, `indent-multi-line`.

use super::{Arguments, number};
use crate::template::number::push_decimal;

/// `$(echo)`: the texts, with a space between.
pub(super) fn echo(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&arguments.joined());
}

/// `$(length)`: their lengths in bytes, with a space between.
pub(super) fn length(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    for (index, text) in arguments.texts().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        push_decimal(out, text.len() as u64);
    }
}

/// `$(lowercase)`
pub(super) fn lowercase(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&changed_case(&arguments.joined(), false));
}

/// `$(uppercase)`
pub(super) fn uppercase(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&changed_case(&arguments.joined(), true));
}

/// `$(strip)`: the texts without white space at their ends; empty ones are left out.
pub(super) fn strip(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let from = out.len();
    for text in arguments.texts() {
        let text = stripped(&text);
        if out.len() > from && !text.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(text);
    }
}

/// `$(substr)`
pub(super) fn substr(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let text = arguments.text(0);
    let len = if arguments.count() > 2 { number(&arguments.text(2)) } else { Some(i64::MAX) };
    if let (Some(start), Some(len)) = (number(&arguments.text(1)), len) {
        out.extend_from_slice(part(&text, start, len));
    }
}

/// Start and length are whole numbers.
pub(super) fn check_substr(arguments: &[Option<&[u8]>]) -> Option<String> {
    let text = arguments[1..].iter().flatten().find(|text| number(text).is_none())?;
    let text = String::from_utf8_lossy(text);
    Some(format!("`substr` takes whole numbers after the text, and writes nothing with `{text}`"))
}

/// `$(indent-multi-line)`: a tab after each newline that has none.
pub(super) fn indent_multi_line(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let text = arguments.joined();
    for (index, byte) in text.iter().enumerate() {
        out.push(*byte);
        if *byte == b'\n' && text.get(index + 1) != Some(&b'\t') {
            out.push(b'\t');
        }
    }
}

/// `text` without the white space of ASCII at its ends.
fn stripped(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Part of `text` in bytes; a negative start counts from the end, a negative length stops before it.
fn part(text: &[u8], start: i64, len: i64) -> &[u8] {
    let size = text.len() as i64;
    let start = if start < 0 { start.saturating_add(size) } else { start };
    if start < 0 || start >= size {
        return b"";
    }
    let end = if len < 0 { size.saturating_add(len) } else { start.saturating_add(len).min(size) };
    if end <= start { b"" } else { &text[start as usize..end as usize] }
}

/// The whole of Unicode; bytes that are not UTF-8 stay as they are.
fn changed_case(text: &[u8], upper: bool) -> Vec<u8> {
    let mut changed = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        let case = if upper { valid.to_uppercase() } else { lower_case(valid) };
        changed.extend_from_slice(case.as_bytes());
        changed.extend_from_slice(chunk.invalid());
    }
    changed
}

/// Lower case; a sigma is a final one unless a letter follows.
fn lower_case(text: &str) -> String {
    let mut rest = text.chars().peekable();
    let mut lower = String::with_capacity(text.len());
    while let Some(char) = rest.next() {
        match char {
            'Σ' if !rest.peek().is_some_and(|next| next.is_alphabetic()) => lower.push('ς'),
            _ => lower.extend(char.to_lowercase()),
        }
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: `$(substr)` beyond the end of a text panics, or gives other bytes than syslog-ng's.
    #[test]
    fn parts_of_a_text_are_cut_at_its_ends() {
        for (start, len, expected) in [
            (0, 5, "hello"),
            (1, 3, "ell"),
            (-3, 2, "ll"),
            (1, -1, "ell"),
            (9, 1, ""),
            (-9, 1, ""),
            (2, i64::MAX, "llo"),
            (i64::MIN, i64::MIN, ""),
            (4, -5, ""),
        ] {
            assert_eq!(part(b"hello", start, len), expected.as_bytes(), "{start} {len}");
        }
    }

    /// Breaks without it: letters beyond ASCII keep their case, or bytes that are no text are lost.
    #[test]
    fn case_is_that_of_unicode_where_the_text_is() {
        assert_eq!(changed_case("Árvíz ß".as_bytes(), true), "ÁRVÍZ SS".as_bytes());
        assert_eq!(changed_case(b"\xffAb\xc3\x81", false), b"\xffab\xc3\xa1");
        assert_eq!(changed_case("Σ ΑΣ ΣΑ Α1Σ".as_bytes(), false), "ς ας σα α1ς".as_bytes());
    }
}
