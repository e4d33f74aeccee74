//! A block of lines that is repeated without end.

use std::fs;
use std::io;

/// The bytes that are sent, or expected.
pub(crate) struct Cycle {
    bytes: Vec<u8>,
    /// The length of what is repeated: from there on its beginning stands once more.
    length: usize,
    place: usize,
}

impl Cycle {
    /// The block of a file, from which pieces of at most `piece` bytes can be taken.
    pub(crate) fn read(path: &str, piece: usize) -> io::Result<Self> {
        let block = fs::read(path)?;
        let length = block.len() * (1usize << 20).div_ceil(block.len());
        let bytes = block.iter().copied().cycle().take(length + piece).collect();
        Ok(Self { bytes, length, place: 0 })
    }

    /// The next piece.
    pub(crate) fn take(&mut self, piece: usize) -> &[u8] {
        let from = self.place;
        self.place = (from + piece) % self.length;
        &self.bytes[from..from + piece]
    }
}
