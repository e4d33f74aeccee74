//! Where the messages are in the bytes of a file or a pipe: [`MessageFinder`].
//!
//! The caller has the bytes of one reader in a buffer, and asks for message after message. What is left is
//! the beginning of one that is not complete: the caller puts it in front of what it reads next, and asks
//! again. Nothing is copied here, and each byte is searched once.
//!
//! ```text
//!  buffer   f i r s t \r \n s e c o n d \n t h i r
//!           └ text ──┘      └── text ──┘   └ rest ─┘
//!           └── to its end ─┘
//! ```
//!
//! * A line ends at a line feed or at a NUL; carriage returns, line feeds and NULs at its ends are no part of
//!   the message. Empty messages are skipped unless they are wanted (`flags(empty-lines)`).
//! * With a [`MultiLine`] several lines are one message, joined as they stand there.
//! * A record (`pad-size()`) has a fixed number of bytes; NULs and line feeds at its end are no part of the
//!   message.
//! * In UTF-16 (`encoding()`) a line feed is two bytes.
//!
//! A message never has more than `log-msg-size()` bytes: a longer line comes in parts, and of a longer
//! message of several lines each part has as many whole lines as there is room for.

use std::ops::Range;

use memchr::{memchr, memchr2};

use crate::pattern::{Flags, Matcher, Type};
use crate::transport::multi_line::{MultiLine, MultiLineMode, Pattern, Verdict};

/// The way in which messages stand in the bytes.
#[derive(Debug)]
pub(crate) enum Form {
    /// A line is a message.
    Lines,
    /// Several lines may be one.
    MultiLine(Box<MultiLine>),
    /// So many bytes are one.
    Records(usize),
    /// A line of UTF-16; true for the byte order with the high byte first.
    Wide(bool),
}

/// Finds messages; see the module.
#[derive(Debug)]
pub(crate) struct MessageFinder {
    form: Form,
    most: usize,
    keeps_empty: bool,
    /// All places are counted from the start of the message that is not complete.
    state: State,
}

/// The part of a message that is not complete.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Its complete lines end here; `None` without one.
    open: Option<usize>,
    /// The start of the line that is not complete.
    line: usize,
    /// The bytes up to here have no end of a line.
    searched: usize,
    /// A message that is found already, behind the one that was given last.
    found: Option<Complete>,
}

/// The end of a message's text, and of all that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Complete {
    text: usize,
    end: usize,
}

/// A message in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The place of its text.
    pub(crate) text: Range<usize>,
    /// The end of what belongs to it.
    pub(crate) end: usize,
    /// True for a part of a message that is longer than a message may be; the rest comes as the next one.
    pub(crate) is_cut: bool,
}

impl MessageFinder {
    /// Finds messages of at most `most` bytes, empty ones if it `keeps_empty` ones.
    pub(crate) fn new(form: Form, most: usize, keeps_empty: bool) -> Self {
        Self { form, most: most.max(1), keeps_empty, state: State::default() }
    }

    /// The most bytes that may be left over.
    #[cfg(test)]
    fn most_left(&self) -> usize {
        match self.form {
            Form::Records(size) => size,
            _ => self.most,
        }
    }

    /// True when a line of the message that is not complete is there, or a part of one.
    pub(crate) fn has_part(&self, left: usize) -> bool {
        left > 0 && !matches!(self.form, Form::Records(_))
    }

    /// The next message in `bytes`. It starts at `from`, which is moved behind what is empty; and behind the
    /// message, if there is one.
    pub(crate) fn next(&mut self, bytes: &[u8], from: &mut usize) -> Option<Found> {
        loop {
            let rest = &bytes[*from..];
            let (found, is_cut) = match &mut self.form {
                Form::Lines => line(&mut self.state, rest, self.most, |rest| memchr2(b'\n', 0, rest)),
                Form::MultiLine(mode) => several(&mut self.state, rest, self.most, mode),
                Form::Records(size) => {
                    (rest.get(..*size).map(|record| Complete { text: record.len(), end: *size }), false)
                }
                Form::Wide(is_high_first) => wide(&mut self.state, rest, self.most, *is_high_first),
            };
            let (complete, start) = (found?, *from);
            *from += complete.end;
            let text = self.trimmed(bytes, start..start + complete.text);
            if !text.is_empty() || self.keeps_empty {
                return Some(Found { text, end: *from, is_cut });
            }
        }
    }

    /// Makes a message of all that is left from `from` on; `None` when that is nothing, or empty.
    pub(crate) fn last(&mut self, bytes: &[u8], from: &mut usize) -> Option<Found> {
        self.state = State::default();
        let text = self.trimmed(bytes, *from..bytes.len());
        *from = bytes.len();
        (!text.is_empty()).then_some(Found { text, end: bytes.len(), is_cut: false })
    }

    /// Forgets what is left, which belongs to another stream of bytes.
    pub(crate) fn forget(&mut self) {
        self.state = State::default();
        if let Form::MultiLine(mode) = &mut self.form {
            mode.forget();
        }
    }

    fn trimmed(&self, bytes: &[u8], text: Range<usize>) -> Range<usize> {
        let (mut start, mut end) = (text.start, text.end);
        match self.form {
            Form::Records(_) => {
                while end > start && matches!(bytes[end - 1], b'\n' | 0) {
                    end -= 1;
                }
            }
            // Its zeros are halves of other characters; it is trimmed when it is decoded.
            Form::Wide(_) => {}
            Form::Lines | Form::MultiLine(_) => {
                while end > start && matches!(bytes[end - 1], b'\r' | b'\n' | 0) {
                    end -= 1;
                }
                while start < end && matches!(bytes[start], b'\r' | b'\n' | 0) {
                    start += 1;
                }
            }
        }
        start..end
    }
}

/// The first line of `rest`.
fn line(
    state: &mut State,
    rest: &[u8],
    most: usize,
    find: impl Fn(&[u8]) -> Option<usize>,
) -> (Option<Complete>, bool) {
    let searched = std::mem::take(&mut state.searched);
    let window = &rest[..rest.len().min(most + 1)];
    if let Some(at) = find(window.get(searched..).unwrap_or_default()) {
        let text = searched + at;
        return (Some(Complete { text, end: text + 1 }), false);
    }
    if rest.len() > most {
        return (Some(Complete { text: most, end: most }), true);
    }
    state.searched = rest.len();
    (None, false)
}

/// The first message of several lines of `rest`.
fn several(state: &mut State, rest: &[u8], most: usize, mode: &mut MultiLine) -> (Option<Complete>, bool) {
    if let Some(found) = state.found.take() {
        *state = State { searched: state.searched.saturating_sub(found.end), ..State::default() };
        return (Some(found), false);
    }
    loop {
        let window = &rest[..rest.len().min(most + 1)];
        let Some(at) = memchr(b'\n', window.get(state.searched..).unwrap_or_default()) else {
            if rest.len() <= most {
                state.searched = rest.len();
                return (None, false);
            }
            // No room for the line: what is complete is given out, or else the line in parts.
            let given = match state.open {
                Some(text) => Complete { text, end: state.line },
                None => Complete { text: most, end: most },
            };
            let searched = window.len().saturating_sub(given.end);
            *state = State { searched, ..State::default() };
            return (Some(given), true);
        };
        let (start, end) = (state.line, state.searched + at);
        let text = &rest[start..end];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let verdict = mode.look(text);
        (state.line, state.searched) = (end + 1, end + 1);
        let ended = |text: usize| Complete { text: start + text, end: end + 1 };
        // What ends with the line, or in it; and what ended before it.
        let (before, complete) = match verdict {
            Verdict::GoesOn => {
                state.open = Some(end);
                continue;
            }
            Verdict::Ends(text) => (None, ended(text)),
            Verdict::Begins => match state.open {
                None => {
                    state.open = Some(end);
                    continue;
                }
                Some(text) => {
                    let line = State { open: Some(end - start), line: end + 1 - start, ..State::default() };
                    *state = State { searched: end + 1 - start, ..line };
                    return (Some(Complete { text, end: start }), false);
                }
            },
            Verdict::BeginsAndEnds(text) => (state.open, ended(text)),
        };
        let searched = state.searched;
        *state = State::default();
        let Some(text) = before else { return (Some(complete), false) };
        let found = Complete { text: complete.text - start, end: complete.end - start };
        state.found = Some(found);
        state.searched = searched - start;
        return (Some(Complete { text, end: start }), false);
    }
}

/// The first line of `rest`, in UTF-16.
fn wide(state: &mut State, rest: &[u8], most: usize, is_high_first: bool) -> (Option<Complete>, bool) {
    let (feed, most) = (if is_high_first { [0, b'\n'] } else { [b'\n', 0] }, (most & !1).max(2));
    let searched = std::mem::take(&mut state.searched);
    let window = &rest[..rest.len().min(most + 2)];
    let pairs = window.get(searched..).unwrap_or_default().chunks_exact(2);
    if let Some(pair) = pairs.into_iter().position(|pair| *pair == feed) {
        let text = searched + 2 * pair;
        return (Some(Complete { text, end: text + 2 }), false);
    }
    if rest.len() > most + 1 {
        return (Some(Complete { text: most, end: most }), true);
    }
    state.searched = rest.len() & !1;
    (None, false)
}

/// The messages of `bytes`, which come in pieces of `step` bytes, with the mode `mode`, the patterns of its
/// prefix and its end, and at most `most` bytes a message; and what is left at the end.
///
/// # Panics
/// When a pattern is no regular expression.
pub fn messages_of(
    bytes: &[u8],
    step: usize,
    mode: MultiLineMode,
    (prefix, end): (&str, &str),
    most: usize,
) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let pattern = |text| match Matcher::new(text, Type::Pcre, Flags::default()) {
        Ok(matcher) => Some(Pattern::of(&matcher)),
        Err(error) => panic!("`{text}` is no regular expression: {}", error.reason),
    };
    let form = mode
        .put_together(pattern(prefix), pattern(end))
        .map_or(Form::Lines, |mode| Form::MultiLine(Box::new(mode)));
    let mut finder = MessageFinder::new(form, most, false);
    let (mut all, mut rest) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(step.max(1)) {
        rest.extend_from_slice(piece);
        let mut from = 0;
        while let Some(found) = finder.next(&rest, &mut from) {
            all.push(rest[found.text].to_vec());
        }
        rest.drain(..from);
    }
    let last = finder.last(&rest, &mut 0).map(|last| rest[last.text].to_vec());
    (all, last)
}

#[cfg(test)]
mod tests;
