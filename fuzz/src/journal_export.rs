//! `journal_export`: the journal's export format, whatever a program writes.
//!
//! Entries do not depend on the pieces in which they come, and no value is longer than it may be.

use inrush::source::journal_entries;

/// The first byte is the length of a piece, the second that of the longest value; the rest is the output.
pub fn run(data: &[u8]) {
    let [piece, most, text @ ..] = data else { return };
    let most = usize::from(*most) + 1;
    let whole = journal_entries(text, usize::MAX, most);
    assert_eq!(journal_entries(text, usize::from(*piece) + 1, most), whole, "by pieces");
}
