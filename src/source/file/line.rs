//! The messages of one input, as they are posted: [`MessageReader`].

use super::super::reader::finder::{Form, MessageFinder};
use super::super::reader::{Decoder, Encoding, Reading};
use crate::transport::multi_line::MultiLine;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FoundText<'a> {
    /// Where it stands.
    View {
        /// Its first byte in what was read.
        start: usize,
        /// The one after its last.
        end: usize,
        /// Tells whether a line feed follows, and nothing else.
        ends_at_feed: bool,
    },
    /// A text that was made of it.
    Copy(&'a [u8]),
}

/// Finds the messages of an input, and makes them UTF-8.
#[derive(Debug)]
pub(crate) struct MessageReader {
    finder: MessageFinder,
    decoder: Option<Decoder>,
    keeps_empty: bool,
    text: Vec<u8>,
    /// The number of parts of messages that were too long, since the last question.
    cut: u64,
}

impl MessageReader {
    /// Those of an input that is read as `reading` says; in records of `pad_size` bytes, if that is not 0.
    pub(crate) fn new(reading: &Reading, multi_line: Option<MultiLine>, pad_size: usize) -> Self {
        let form = match (pad_size, multi_line) {
            (0, Some(mode)) => Form::MultiLine(Box::new(mode)),
            (0, None) => match reading.encoding.and_then(Encoding::is_wide) {
                Some(is_high_first) => Form::Wide(is_high_first),
                None => Form::Lines,
            },
            (size, _) => Form::Records(size),
        };
        Self {
            finder: MessageFinder::new(form, reading.max_len, reading.keeps_empty),
            decoder: reading.decoder(),
            keeps_empty: reading.keeps_empty,
            text: Vec::new(),
            cut: 0,
        }
    }

    /// The next message in `bytes`, from `from` on, which is moved behind it. With `is_all` what is left at
    /// the end is one, too.
    pub(crate) fn next<'a>(
        &'a mut self,
        bytes: &[u8],
        from: &mut usize,
        is_all: bool,
    ) -> Option<FoundText<'a>> {
        loop {
            let found = match self.finder.next(bytes, from) {
                None if is_all => self.finder.last(bytes, from)?,
                found => found?,
            };
            self.cut += u64::from(found.is_cut);
            let Some(decoder) = &mut self.decoder else {
                let ends_at_feed =
                    found.end == found.text.end + 1 && bytes.get(found.text.end) == Some(&b'\n');
                return Some(FoundText::View { start: found.text.start, end: found.text.end, ends_at_feed });
            };
            self.text.clear();
            decoder.decode(&bytes[found.text], true, &mut self.text);
            let end = self.text.iter().rposition(|byte| !b"\r\n\0".contains(byte)).map_or(0, |last| last + 1);
            self.text.truncate(end);
            // The mark of the byte order.
            let mark = if self.text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            if end > mark || self.keeps_empty {
                // Not the one above: that borrow ends in a loop.
                return Some(FoundText::Copy(&self.text[mark..]));
            }
        }
    }

    /// Tells whether `left` bytes that are no complete message are given out when nothing follows them for a
    /// while.
    pub(crate) fn waits(&self, left: usize) -> bool {
        self.finder.has_part(left)
    }

    /// Forgets what is left.
    pub(crate) fn forget(&mut self) {
        self.finder.forget();
    }

    /// The number of parts that messages were cut into, and of places that are not of the encoding, since the
    /// last question.
    pub(crate) fn take_damage(&mut self) -> (u64, u64) {
        let invalid = self.decoder.as_mut().map_or(0, Decoder::take_invalid);
        (std::mem::take(&mut self.cut), invalid)
    }
}
