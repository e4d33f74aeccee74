//! `position`: how far a file was read, as the state file has it.
//!
//! A text that is read as a position is written as one that is read as the same; every other one is refused.

use inrush::source::stored_position;

/// Reads `data` as a stored position.
pub fn run(data: &[u8]) {
    if let Some(text) = stored_position(data) {
        assert_eq!(stored_position(text.as_bytes()).as_ref(), Some(&text), "read again");
    }
}
