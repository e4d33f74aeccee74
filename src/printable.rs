//! Texts of others, made fit for a line that people read: [`line`](line()), [`lines`] and [`message`].
//!
//! What a sender sent, an exception said or a file is called goes into the engine's log, into tables and onto
//! the terminal. A control character in it would be obeyed there (colours, the title, a line taken back), a
//! newline would begin a line that looks like the engine's own, and a mark of direction would show characters
//! in another order than they have. All of them are written out: `\n`, `\t`, `\u{1b}`, `\u{202e}`.
#![forbid(unsafe_code)]

use std::borrow::Cow;

/// The mark of a line that goes on with the message of the line above it.
const CONTINUED: &str = "    ";

/// Tells whether a terminal obeys `character`, or shows others differently because of it.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` as a part of one line: control characters, line breaks and format characters are written out.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hostile(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// `text` with the lines that it has; each of them as [`line`](line()) makes it.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    joined(text, "")
}

/// `text` as one message of a log: of several lines all but the first are indented, so that none looks like a
/// message of its own. Beyond `most` bytes it is cut, and says by how much.
pub(crate) fn message(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return joined(text, CONTINUED);
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &text[..end];
    let more = text.len() - kept.len();
    Cow::Owned(format!("{}… ({more} more bytes)", joined(kept, CONTINUED)))
}

fn joined<'t>(text: &'t str, mark: &str) -> Cow<'t, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    for (number, part) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
            if !part.is_empty() {
                out.push_str(mark);
            }
        }
        out.push_str(&line(part));
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it: whoever sends a text decides what the terminal of its reader does.
    #[test]
    fn nothing_in_a_text_is_obeyed() {
        assert_eq!(line("plain é ✓ \\"), "plain é ✓ \\");
        assert!(matches!(line("plain"), Cow::Borrowed(_)));
        assert_eq!(line("a\x1b[2Jb\nc\td\r\u{7f}\0"), r"a\u{1b}[2Jb\nc\td\r\u{7f}\u{0}");
        assert_eq!(line("\u{9b}31m"), r"\u{9b}31m", "C1 has one for ESC [");
        let marks =
            "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}";
        let others = "\u{200b}\u{200d}\u{2060}\u{feff}\u{2028}\u{2029}\u{ad}\u{e0041}\u{fff9}";
        for mark in marks.chars().chain(others.chars()) {
            assert_eq!(line(&mark.to_string()), format!(r"\u{{{:x}}}", mark as u32));
        }
    }

    /// Without it: a newline in a text forges a line of the engine's.
    #[test]
    fn no_line_of_a_message_looks_like_another_message() {
        assert_eq!(message("one", 100), "one");
        assert_eq!(message("one\ntwo\x1b\n\n  three", 100), "one\n    two\\u{1b}\n\n      three");
        assert_eq!(lines("one\ntwo\x1b"), "one\ntwo\\u{1b}");
    }

    /// Without it: one message fills the disk that the log is on.
    #[test]
    fn a_message_has_a_bound() {
        assert_eq!(message("12345", 5), "12345");
        assert_eq!(message("1234567", 5), "12345… (2 more bytes)");
        assert_eq!(message("ééé", 3), "é… (4 more bytes)", "no character is cut in two");
    }
}
