//! Lines that are copied from the line before ([`Frame`]), and lengths before lines.

use std::ops::Range;

use super::{LONG, Stage};
use crate::destination::stream::line::{Framing, Line};
use crate::message::{MessageRef, Stamp};
use crate::template::Context;

/// The bytes around the text in a line, and for which messages of a delivery it is the same.
#[derive(Debug)]
pub(super) struct Frame {
    head: Range<usize>,
    tail: Range<usize>,
    /// The first microsecond of the second.
    second: i64,
    offset: i32,
    pri: u16,
}

impl Frame {
    /// Moves what stands from `start` on in the buffer.
    pub(super) fn shift(&mut self, start: usize, by: usize) {
        if self.head.start >= start {
            for range in [&mut self.head, &mut self.tail] {
                *range = range.start + by..range.end + by;
            }
        }
    }

    fn fits(&self, message: MessageRef<'_>) -> bool {
        let Stamp { unix_micros, offset_seconds } = message.stamp();
        unix_micros.wrapping_sub(self.second).cast_unsigned() < 1_000_000
            && offset_seconds == self.offset
            && message.pri() == self.pri
            && !message.has_pairs()
    }
}

impl Stage {
    /// Puts the length of the line that begins at `start` before it, where that is its framing; `inside` are
    /// the bytes of its text that stand elsewhere. Returns how many bytes that took.
    pub(super) fn frame_line(&mut self, framing: Framing, start: usize, inside: usize) -> usize {
        let length = self.buffer.len() - start + inside;
        if framing != Framing::OctetCounting || length == 0 {
            return 0;
        }
        let mut digits = [0; 21];
        let mut at = digits.len() - 1;
        digits[at] = b' ';
        let mut rest = length;
        while rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let (digits, end) = (&digits[at..], self.buffer.len());
        self.buffer.extend_from_slice(digits);
        self.buffer.copy_within(start..end, start + digits.len());
        self.buffer[start..start + digits.len()].copy_from_slice(digits);
        digits.len()
    }

    /// Appends a line, without its text if that is long; then says where it belongs.
    #[inline]
    pub(super) fn append_framed(
        &mut self,
        message: MessageRef<'_>,
        frame: &mut Option<Frame>,
        line: &Line,
        context: &Context,
    ) -> Option<usize> {
        let (buffer, text) = (&mut self.buffer, message.text());
        let is_long = text.len() >= LONG;
        if let Some(frame) = frame.as_ref().filter(|frame| frame.fits(message)) {
            buffer.extend_from_within(frame.head.clone());
            let split = buffer.len();
            if !is_long {
                buffer.extend_from_slice(text);
            }
            buffer.extend_from_within(frame.tail.clone());
            return is_long.then_some(split);
        }
        // Before 1970 a second is cut towards zero.
        let can_frame = !message.has_pairs()
            && message.stamp().unix_micros >= 0
            // Their structured data has a number.
            && !message.batch().origin().is_local;
        if !can_frame && !is_long {
            line.append(message, context, buffer);
            return None;
        }
        let (start, inside) = (buffer.len(), if is_long { &[] } else { text });
        let split = line.append_around(message, context, buffer, |buffer| buffer.extend_from_slice(inside));
        let (head, tail) = (start..split, split + inside.len()..buffer.len());
        if can_frame {
            let Stamp { unix_micros, offset_seconds: offset } = message.stamp();
            let second = unix_micros - unix_micros.rem_euclid(1_000_000);
            *frame = Some(Frame { head, tail, second, offset, pri: message.pri() });
        }
        is_long.then_some(split)
    }
}
