//! The table of a batch's lines: [`Table`].

use crate::message::{Record, Span};

/// The place of a line in its segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// The rows of a batch of lines.
#[derive(Debug)]
pub(in crate::message) struct Table {
    pub(in crate::message) common: Record,
    pub(super) places: Vec<Place>,
    /// The byte between the lines, while they are joined.
    pub(super) joined_by: Option<u8>,
}

impl Table {
    #[inline]
    pub(in crate::message) fn text(&self, row: u32) -> Span {
        let Place { offset, len } = self.places[row as usize];
        Span { segment: 1, offset, len }
    }

    /// The byte after each line, while they follow each other.
    pub(in crate::message) fn joined_by(&self) -> Option<u8> {
        self.joined_by
    }
}
