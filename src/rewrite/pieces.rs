//! A text that is put together of many short pieces: [`Pieces`].
//!
//! A call that copies a few bytes costs more than they do. A short piece is copied as sixteen bytes, of which the
//! next piece covers those that are too many:
//!
//! ```text
//!  text     br│ow│n fox jumps over the …
//!  pieces   br│0│n fox jum…       sixteen bytes each time, as many as there are of the piece count
//! ```

use std::ops::Range;

/// The bytes that are copied at once.
const AT_ONCE: usize = 16;

/// A text that grows by pieces.
pub(super) struct Pieces<'m> {
    /// The text, and bytes behind it that mean nothing.
    memory: &'m mut Vec<u8>,
    len: usize,
}

/// A piece that is added again and again.
pub(super) enum Padded<'t> {
    Short([u8; AT_ONCE], usize),
    Long(&'t [u8]),
}

impl<'t> Padded<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let mut padded = [0; AT_ONCE];
        match padded.get_mut(..text.len()) {
            Some(part) => {
                part.copy_from_slice(text);
                Self::Short(padded, text.len())
            }
            None => Self::Long(text),
        }
    }
}

impl<'m> Pieces<'m> {
    /// The empty text, in `memory`.
    pub(super) fn new(memory: &'m mut Vec<u8>) -> Self {
        Self { memory, len: 0 }
    }

    /// The number of bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The text so far.
    pub(super) fn text(&self) -> &[u8] {
        &self.memory[..self.len]
    }

    /// Adds `part` of `text`.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8], part: Range<usize>) {
        match text.get(part.start..).and_then(|rest| rest.first_chunk()) {
            Some(start) if part.len() <= AT_ONCE => self.push_short(start, part.len()),
            _ => self.push_long(&text[part]),
        }
    }

    /// Adds a piece that was prepared.
    #[inline]
    pub(super) fn push_padded(&mut self, piece: &Padded<'_>) {
        match piece {
            Padded::Short(padded, len) => self.push_short(padded, *len),
            Padded::Long(text) => self.push_long(text),
        }
    }

    /// Adds the first `len` of these bytes.
    #[inline]
    fn push_short(&mut self, start: &[u8; AT_ONCE], len: usize) {
        match self.memory.get_mut(self.len..).and_then(|free| free.first_chunk_mut()) {
            Some(free) => {
                *free = *start;
                self.len += len;
            }
            None => self.push_long(&start[..len]),
        }
    }

    #[inline(never)]
    fn push_long(&mut self, text: &[u8]) {
        let end = self.len + text.len();
        if end > self.memory.len() {
            self.memory.resize(end + AT_ONCE.max(end / 2), 0);
        }
        self.memory[self.len..end].copy_from_slice(text);
        self.len = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a byte of a piece is lost, or one that was copied with it stays.
    #[test]
    fn pieces_are_one_behind_the_other() {
        let text: Vec<u8> = (0..=200).collect();
        let mut memory = Vec::new();
        for (first, step) in [(0, 1), (1, 3), (3, 17), (15, 16), (16, 15), (17, 40), (0, 100)] {
            let (mut expected, mut at, mut len) = (Vec::new(), 0, first);
            let mut pieces = Pieces::new(&mut memory);
            while at + len <= text.len() {
                let by = &text[..len.min(20)];
                pieces.push(&text, at..at + len);
                pieces.push_padded(&Padded::new(by));
                expected.extend_from_slice(&text[at..at + len]);
                expected.extend_from_slice(by);
                at += len.max(1);
                len = (len + step) % 41;
            }
            assert_eq!((pieces.text(), pieces.len()), (&*expected, expected.len()), "{first} {step}");
        }
    }
}
