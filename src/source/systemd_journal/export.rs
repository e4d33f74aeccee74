//! The journal's export format, as `journalctl -o export` writes it: [`ExportReader`].
//!
//! ```text
//!  __CURSOR=s=739ad463…;i=4ece7;b=…            a text: up to the newline
//!  PRIORITY=6
//!  MESSAGE                                      a name without `=`: eight bytes of length, little-endian,
//!  \x05\0\0\0\0\0\0\0a\nb\nc                     then so many bytes, and a newline
//!                                               an empty line: the end of the entry
//! ```
//!
//! (systemd's documentation, "Journal Export Formats".) Input comes in pieces of any length. What is kept of
//! an entry is bounded, whatever comes: a value is cut at the length that it may have, and one that does not
//! fit into what an entry may have is left out, and counted.
//!
//! An entry lies in one buffer, each name with the prefix that it has as a value: so it is copied into a
//! message as it is, and its values are parts of it.

use std::ops::Range;

use memchr::{memchr, memchr2};

/// The most bytes of a name. (systemd takes 64.)
const MAX_NAME: usize = 200;
/// The most bytes of a value, of which a part is kept: what systemd takes.
const MAX_VALUE: u64 = 768 << 20;
/// The most bytes that are kept of an entry.
pub(super) const MAX_ENTRY: usize = 8 << 20;
/// The most bytes of an entry's address. (systemd's have 150.)
const MAX_CURSOR: usize = 1024;
/// The most fields that are kept of an entry. (systemd takes 1,024.)
const MAX_FIELDS: usize = 4096;

/// The input is not in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoExport;

/// A field of an entry: where its name and its value are in [`Entry::bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExportField {
    /// The name, with the prefix.
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// An entry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its names and values, one behind the other.
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Vec<ExportField>,
    /// Its address in the journal; empty where it has none.
    pub(super) cursor: Vec<u8>,
    /// The time at which the journal received it, in microseconds.
    pub(super) realtime: Option<i64>,
    /// The number of its values that were cut.
    pub(super) cut: u32,
    /// The number of its fields that were left out.
    pub(super) left_out: u32,
}

/// Takes entries out of what comes.
#[derive(Debug)]
pub(super) struct ExportReader {
    prefix: Vec<u8>,
    max_value: usize,
    state: Reading,
    /// The name of the field that is read.
    name: Vec<u8>,
    /// The place of its name and the start of its value in the entry; `None` for one that is not kept there.
    place: Option<Range<usize>>,
    /// The value of a field that is no value of a message: an address.
    address: Vec<u8>,
    is_cut: bool,
    entry: Entry,
    is_complete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Name,
    Text,
    /// So many bytes of the length, and what they say.
    Length(u32, u64),
    /// So many bytes are left.
    Binary(u64),
    Newline,
}

impl Entry {
    /// The name and the value of `field`.
    pub(super) fn part(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.cursor.clear();
        (self.realtime, self.cut, self.left_out) = (None, 0, 0);
    }
}

impl ExportReader {
    /// A reader of entries whose names get `prefix`, and whose values have `max_value` bytes at most.
    pub(super) fn new(prefix: &str, max_value: usize) -> Self {
        Self {
            prefix: prefix.into(),
            max_value,
            state: Reading::Name,
            name: Vec::new(),
            place: None,
            address: Vec::new(),
            is_cut: false,
            entry: Entry::default(),
            is_complete: false,
        }
    }

    /// Forgets what was read of an entry: something else comes now.
    pub(super) fn restart(&mut self) {
        (self.state, self.is_complete) = (Reading::Name, true);
        self.name.clear();
    }

    /// Reads on in `input`, and leaves there what comes after the entry that it gives back; `None`: there is
    /// more to come.
    ///
    /// # Errors
    /// This is not in the format. What was read of the entry is of no use.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<&Entry>, NoExport> {
        if std::mem::take(&mut self.is_complete) {
            self.entry.clear();
        }
        while !input.is_empty() {
            match self.state {
                Reading::Name => {
                    if self.read_name(input)? {
                        self.is_complete = true;
                        return Ok(Some(&self.entry));
                    }
                }
                Reading::Text => {
                    let end = memchr(b'\n', input);
                    let text = take(input, end.unwrap_or(input.len()));
                    self.keep(text);
                    if end.is_some() {
                        take(input, 1);
                        self.end_field();
                    }
                }
                Reading::Length(have, length) => {
                    let length = length | u64::from(take(input, 1)[0]) << (8 * have);
                    self.state = match have {
                        0..7 => Reading::Length(have + 1, length),
                        _ if length > MAX_VALUE => return Err(NoExport),
                        _ => Reading::Binary(length),
                    };
                }
                Reading::Binary(0) => self.state = Reading::Newline,
                Reading::Binary(left) => {
                    let data = take(input, usize::try_from(left).unwrap_or(usize::MAX));
                    self.state = Reading::Binary(left - data.len() as u64);
                    self.keep(data);
                }
                Reading::Newline => {
                    if take(input, 1) != b"\n" {
                        return Err(NoExport);
                    }
                    self.end_field();
                }
            }
        }
        Ok(None)
    }

    /// Reads on in a name; true at the end of an entry.
    fn read_name(&mut self, input: &mut &[u8]) -> Result<bool, NoExport> {
        let end = memchr2(b'=', b'\n', input);
        let part = take(input, end.unwrap_or(input.len()));
        self.name.extend_from_slice(part);
        if self.name.len() > MAX_NAME || !part.iter().all(u8::is_ascii_graphic) {
            return Err(NoExport);
        }
        if end.is_none() {
            return Ok(false);
        }
        let delimiter = take(input, 1);
        if self.name.is_empty() {
            // Empty lines may be between entries, too.
            return if delimiter == b"=" { Err(NoExport) } else { Ok(!self.is_empty()) };
        }
        self.begin_field();
        self.state = if delimiter == b"=" { Reading::Text } else { Reading::Length(0, 0) };
        Ok(false)
    }

    fn is_empty(&self) -> bool {
        let Entry { fields, cursor, realtime, left_out, .. } = &self.entry;
        fields.is_empty() && cursor.is_empty() && realtime.is_none() && *left_out == 0
    }

    fn begin_field(&mut self) {
        self.is_cut = false;
        self.address.clear();
        self.place = None;
        if self.is_address() {
            return;
        }
        let Entry { bytes, fields, left_out, .. } = &mut self.entry;
        let begin = bytes.len();
        if fields.len() == MAX_FIELDS || begin + self.prefix.len() + self.name.len() > MAX_ENTRY {
            *left_out += 1;
            return;
        }
        bytes.extend_from_slice(&self.prefix);
        bytes.extend_from_slice(&self.name);
        self.place = Some(begin..bytes.len());
    }

    /// Tells whether the field is none of the entry's own, but tells its place.
    fn is_address(&self) -> bool {
        self.name.starts_with(b"__")
    }

    /// Keeps a part of a value, as far as it may be kept.
    fn keep(&mut self, part: &[u8]) {
        let Some(name) = &self.place else {
            let room = MAX_CURSOR - self.address.len();
            self.is_cut |= part.len() > room;
            self.address.extend_from_slice(&part[..part.len().min(room)]);
            return;
        };
        let bytes = &mut self.entry.bytes;
        let room = self.max_value - (bytes.len() - name.end);
        let kept = &part[..part.len().min(room)];
        if bytes.len() + kept.len() > MAX_ENTRY {
            // All of it, rather than an unknown part.
            bytes.truncate(name.start);
            self.entry.left_out += 1;
            self.place = None;
            return;
        }
        self.is_cut |= kept.len() < part.len();
        bytes.extend_from_slice(kept);
    }

    fn end_field(&mut self) {
        let entry = &mut self.entry;
        if let Some(name) = self.place.take() {
            entry.cut += u32::from(self.is_cut);
            let value = name.end..entry.bytes.len();
            entry.fields.push(ExportField { name, value });
        } else if self.name == b"__CURSOR" && !self.is_cut {
            std::mem::swap(&mut entry.cursor, &mut self.address);
        } else if self.name == b"__REALTIME_TIMESTAMP" {
            entry.realtime = std::str::from_utf8(&self.address).ok().and_then(|micros| micros.parse().ok());
        }
        self.name.clear();
        self.state = Reading::Name;
    }
}

/// Takes `len` bytes off the front of `input`, or all that there are.
fn take<'a>(input: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    taken
}

/// The entries of `text`, which comes in pieces of `piece` bytes, as texts for comparison; the last one is
/// "no export" where that is what comes.
pub fn journal_entries(text: &[u8], piece: usize, max_value: usize) -> Vec<String> {
    let mut reader = ExportReader::new(".j.", max_value);
    let mut entries = Vec::new();
    for mut piece in text.chunks(piece.max(1)) {
        loop {
            match reader.next(&mut piece) {
                Ok(None) => break,
                Ok(Some(entry)) => entries.push(format!("{entry:?}")),
                Err(NoExport) => {
                    entries.push("no export".to_owned());
                    return entries;
                }
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests;
