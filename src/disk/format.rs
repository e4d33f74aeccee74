//! The format of a segment: names, heads and records. Bytes in, values out; no file is touched here.
//!
//! ```text
//! segment := head  head  record*  zeros             both heads are the same, each a page of 4096
//! head    := "INRUSH BUFFER\0\0\0"  version (u32)  length of the name (u32)  id  serial  first  size  time
//!            name  zeros  check (u32, at 4092)
//! record  := check of the head (u32)  check of the body (u32)  first  durable  time  length (u32)
//!            rows (u32)  kind (u8)  zeros (7)  body  zeros up to a multiple of 8
//! ```
//!
//! Numbers are little-endian, and u64 where nothing is said; checks are CRC-32C. The check of a record's head
//! is continued from the buffer's id, the segment's serial and the record's offset: a record is right only at
//! its place in its own file, and a message that looks like one is none.

use std::ops::Range;

/// The version of the format.
pub(super) const VERSION: u32 = 1;
/// The size of one head.
pub(super) const PAGE: usize = 4096;
/// The offset of the first record: behind both heads.
pub(super) const RECORDS: u64 = 2 * PAGE as u64;
/// The size of a record's head.
pub(super) const HEAD: usize = 48;
/// The most bytes of a name.
pub(super) const LONGEST_NAME: usize = 3072;
/// The most bytes of a body.
pub(super) const LARGEST_BODY: u64 = 1 << 30;

const MAGIC: &[u8; 16] = b"INRUSH BUFFER\0\0\0";
const NAME: usize = 64;
const CHECK: usize = PAGE - 4;
const ENDING: &str = ".buffer";

/// The start of the names of all files of the buffer `name`: with a hash (FNV-1a, 64 bits) of it.
pub(super) fn prefix(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("inrush-{hash:016x}")
}

/// The name of a segment's file.
pub(super) fn file_name(prefix: &str, serial: u64, first: u64) -> String {
    format!("{prefix}-{serial:010}-{first:020}{ENDING}")
}

/// The serial and first number in the name of a segment's file, whatever its buffer.
pub(super) fn read_file_name(name: &str) -> Option<(&str, u64, u64)> {
    let (rest, first) = name.strip_suffix(ENDING)?.rsplit_once('-')?;
    let (prefix, serial) = rest.rsplit_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
    let is_ours = prefix.len() == 23 && prefix.starts_with("inrush-");
    is_ours.then_some((prefix, number(serial)??, number(first)??))
}

/// The head of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentHead {
    /// The buffer's name.
    pub name: String,
    /// The buffer's random number.
    pub id: u64,
    /// The number of the segment: each one of a buffer has a higher one.
    pub serial: u64,
    /// The number of its first message.
    pub first: u64,
    /// The length of the file.
    pub size: u64,
    /// The time of its creation: microseconds since 1970.
    pub time: u64,
}

/// A head that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHead {
    /// It is damaged, or none.
    Damaged,
    /// It is whole, and of another version.
    Version(u32),
}

impl SegmentHead {
    /// Both copies.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(2 * PAGE);
        page.extend(MAGIC);
        page.extend(VERSION.to_le_bytes());
        page.extend((self.name.len() as u32).to_le_bytes());
        for number in [self.id, self.serial, self.first, self.size, self.time] {
            page.extend(number.to_le_bytes());
        }
        page.extend(self.name.bytes());
        page.resize(CHECK, 0);
        page.extend(crc32c::crc32c(&page).to_le_bytes());
        page.extend_from_within(..);
        page
    }

    /// Reads it from the first two pages of a file, or what there is of them.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, NoHead> {
        let copies = [0, PAGE].map(|at| bytes.get(at..at + PAGE).ok_or(NoHead::Damaged));
        let [first, second] = copies.map(|page| page.and_then(Self::read_page));
        first.or_else(|why| second.map_err(|other| if why == NoHead::Damaged { other } else { why }))
    }

    fn read_page(page: &[u8]) -> Result<Self, NoHead> {
        let check = number32(page, CHECK);
        if !page.starts_with(MAGIC) || crc32c::crc32c(&page[..CHECK]) != check {
            return Err(NoHead::Damaged);
        }
        let version = number32(page, 16);
        if version != VERSION {
            return Err(NoHead::Version(version));
        }
        let name = page.get(NAME..NAME + number32(page, 20) as usize).ok_or(NoHead::Damaged)?;
        let [id, serial, first, size, time] = [24, 32, 40, 48, 56].map(|at| number64(page, at));
        let name = String::from_utf8(name.to_vec()).map_err(|_| NoHead::Damaged)?;
        Ok(Self { name, id, serial, first, size, time })
    }
}

/// The bytes of a witness, and the distance of its two places in the lock file.
pub(super) const WITNESS: usize = 40;
/// See [`WITNESS`].
pub(super) const WITNESS_APART: u64 = 512;

/// The word of the lock file about the buffer, in another place than the buffer itself: without it, a last
/// segment that lost its end, or a segment that is gone, would be no loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Witness {
    /// Counted up; the higher one of two counts.
    pub sequence: u64,
    /// The buffer's random number.
    pub id: u64,
    /// Every message below was durable.
    pub durable: u64,
    /// Every message below was done.
    pub below: u64,
}

impl Witness {
    /// Its bytes, and their place: the two take turns, so that one is whole whatever happens.
    pub(super) fn write(&self) -> (u64, [u8; WITNESS]) {
        let mut out = [0; WITNESS];
        for (at, number) in [self.sequence, self.id, self.durable, self.below].into_iter().enumerate() {
            out[8 + at * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let check = crc32c::crc32c(&out[8..]);
        out[..4].copy_from_slice(&check.to_le_bytes());
        (self.sequence % 2 * WITNESS_APART, out)
    }

    /// Reads one; `None` when it is not right.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<WITNESS>()?;
        let [sequence, id, durable, below] = [8, 16, 24, 32].map(|at| number64(bytes, at));
        let is_right = number64(bytes, 0) == u64::from(crc32c::crc32c(&bytes[8..])) && sequence > 0;
        is_right.then_some(Self { sequence, id, durable, below })
    }
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages.
    Entry = 1,
    /// A [`super::Progress`].
    Progress = 2,
    /// Only the head, for its `durable`.
    Mark = 3,
    /// The last record of the segment.
    End = 4,
}

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    /// The kind.
    pub kind: Kind,
    /// The number of the first message; of other records, of the next message.
    pub first: u64,
    /// Every message below was durable when this was written.
    pub durable: u64,
    /// The time of the messages: microseconds since 1970.
    pub time: u64,
    /// The number of messages.
    pub rows: u32,
    /// The bytes of the body.
    pub length: u32,
    /// The check of the body.
    pub check: u32,
}

/// The segment and the buffer that a record belongs to, as its check begins with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(u32);

impl Seed {
    /// The seed of a segment.
    pub(super) fn new(id: u64, serial: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(&id.to_le_bytes()), &serial.to_le_bytes()))
    }

    fn check(self, offset: u64, head: &[u8; HEAD]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, &offset.to_le_bytes()), &head[4..])
    }
}

impl RecordHead {
    /// Its bytes at `offset`.
    pub(super) fn write(&self, seed: Seed, offset: u64) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[4..8].copy_from_slice(&self.check.to_le_bytes());
        out[8..16].copy_from_slice(&self.first.to_le_bytes());
        out[16..24].copy_from_slice(&self.durable.to_le_bytes());
        out[24..32].copy_from_slice(&self.time.to_le_bytes());
        out[32..36].copy_from_slice(&self.length.to_le_bytes());
        out[36..40].copy_from_slice(&self.rows.to_le_bytes());
        out[40] = self.kind as u8;
        let check = seed.check(offset, &out);
        out[..4].copy_from_slice(&check.to_le_bytes());
        out
    }

    /// Reads one at `offset`; `None` when there is none.
    pub(super) fn read(bytes: &[u8; HEAD], seed: Seed, offset: u64) -> Option<Self> {
        let kind = match bytes[40..] {
            [1, 0, 0, 0, 0, 0, 0, 0] => Kind::Entry,
            [2, 0, 0, 0, 0, 0, 0, 0] => Kind::Progress,
            [3, 0, 0, 0, 0, 0, 0, 0] => Kind::Mark,
            [4, 0, 0, 0, 0, 0, 0, 0] => Kind::End,
            _ => return None,
        };
        let [first, durable, time] = [8, 16, 24].map(|at| number64(bytes, at));
        let [check, length, rows] = [4, 32, 36].map(|at| number32(bytes, at));
        let is_right = number32(bytes, 0) == seed.check(offset, bytes)
            && first.checked_add(u64::from(rows)).is_some()
            && durable <= first;
        is_right.then_some(Self { kind, first, durable, time, rows, length, check })
    }

    /// The messages of it.
    pub(super) fn messages(&self) -> Range<u64> {
        self.first..self.first + u64::from(self.rows)
    }

    /// The bytes that the whole record has in the file.
    pub(super) fn total(&self) -> u64 {
        total(u64::from(self.length))
    }

    /// Tells whether `body` is its body.
    pub(super) fn is_body(&self, body: &[u8]) -> bool {
        body.len() == self.length as usize && crc32c::crc32c(body) == self.check
    }
}

/// The bytes of a record with a body of `length` bytes.
pub(super) fn total(length: u64) -> u64 {
    HEAD as u64 + length.next_multiple_of(8)
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
