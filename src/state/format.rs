//! The format of the state file: bytes in, content or damage out. No file is touched here.
//!
//! ```text
//! file    := head  witness  witness  record*          each of the first three at the start of a page of 4096
//! head    := "INRUSH STATE"  version (u32)  id (u64)  check (u64)               zeros up to 4096
//! witness := sequence (u64)  end (u64)  chain (u64)  check (u64)                zeros up to 4096
//! record  := check (u64)  sequence (u64)  length (u64)  payload
//! payload := change*
//! change  := 1  space  key  value  |  2  space  key         put, and delete
//! space, key := length (u32)  bytes                          value: see `value`
//! ```
//!
//! Numbers are little-endian; `check` is XXH3 (64 bits) of what follows it in a record, and of what stands
//! before it in the head and in a witness. A record is one commit: all of it holds, or nothing. Its check is
//! seeded with the check of the record before it, the first one with that of the head, whose `id` is drawn at
//! random: so a record is right only in its place in its own file.
//!
//! # Commits
//! A commit appends one record and waits until it is on the disk; only then a *witness* is written that
//! says: up to here (`sequence`, `end`, and `chain`, the check of the last record). The two witnesses take
//! turns, so that one is whole whatever happens; they need no wait of their own.
//!
//! # What reading can tell apart
//! * A record that no witness speaks of, at the end of the file, and not whole: the commit that a crash
//!   interrupted. It was never reported as done. It is left out.
//! * Anything missing or wrong before the place that a witness names: damage. The file never gives a value of
//!   before that commit for one of after it, which is what a log alone does when its end is cut off.
//! * A record that is right and that no witness speaks of yet: it holds. The engine was killed between the
//!   two steps.
//! * One witness is not right, and the records go on behind the other one: it was torn by a crash, which
//!   comes after its record was on the disk; the records hold, and it is said. If they end at the other one,
//!   the lost one may have spoken of a record that is missing as well: damage. Neither is right: damage.

use std::collections::BTreeMap;
use std::fmt;

use twox_hash::XxHash3_64;

use super::value::{Value, read_bytes, write_bytes};

/// The name of a store, or of a value in it: bytes of a text, as in [`Value::Text`].
pub type Key = Box<[u8]>;
/// All values, by space and key.
pub(super) type Content = BTreeMap<Key, BTreeMap<Key, Value>>;

/// The size of a page: the head and each witness have one for themselves.
pub(super) const PAGE: usize = 4096;
/// The offset of the first record.
pub(super) const RECORDS: usize = 3 * PAGE;

const MAGIC: &[u8; 12] = b"INRUSH STATE";
const VERSION: u32 = 1;
const HEAD: usize = 32;
const WITNESS: usize = 32;
const RECORD: usize = 24;
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// The place of the next record, and the checksum that it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The number of the last record.
    pub sequence: u64,
    /// The offset of its end.
    pub end: u64,
    /// Its check.
    pub chain: u64,
    /// The check of the head, with which witnesses are seeded.
    head: u64,
}

/// The content of a whole file.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The values.
    pub content: Content,
    /// The place of the next record.
    pub tail: Tail,
    /// Bytes of a commit that a crash interrupted.
    pub unfinished: u64,
    /// One of the witnesses is not right.
    pub lost_witness: bool,
}

/// The reason why a file cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Something is wrong at this offset.
    Damaged {
        /// The offset of the damage.
        offset: u64,
        /// The damage.
        what: &'static str,
    },
    /// It is whole, and of a later version of this format.
    Newer(u32),
    /// syslog-ng's own state file.
    SyslogNg,
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { offset, what } => write!(out, "{what} (at byte {offset})"),
            Self::Newer(version) => write!(out, "its format is version {version}, and this is {VERSION}"),
            Self::SyslogNg => out.write_str("it is the persist file of a syslog-ng"),
        }
    }
}

/// The start of a new file: head, two witnesses, and `content` as its first record.
pub(super) fn new_file(id: u64, content: &Content) -> (Vec<u8>, Tail) {
    let mut out = vec![0; RECORDS];
    out[..12].copy_from_slice(MAGIC);
    out[12..16].copy_from_slice(&VERSION.to_le_bytes());
    out[16..24].copy_from_slice(&id.to_le_bytes());
    let head = XxHash3_64::oneshot(&out[..24]);
    out[24..HEAD].copy_from_slice(&head.to_le_bytes());
    let mut record = Record::new();
    for (space, values) in content {
        for (key, value) in values {
            record.put(space, key, value);
        }
    }
    let first = Tail { sequence: 0, end: RECORDS as u64, chain: head, head };
    let (bytes, tail) = record.finish(&first);
    for page in [1, 2] {
        out[page * PAGE..][..WITNESS].copy_from_slice(&tail.witness().1);
    }
    out.extend(bytes);
    (out, tail)
}

impl Tail {
    /// The witness of this state: its offset in the file, and its bytes.
    pub(super) fn witness(&self) -> (u64, [u8; WITNESS]) {
        let mut bytes = [0; WITNESS];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.end.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.chain.to_le_bytes());
        let check = XxHash3_64::oneshot_with_seed(self.head, &bytes[..24]);
        bytes[24..].copy_from_slice(&check.to_le_bytes());
        (PAGE as u64 * (1 + self.sequence % 2), bytes)
    }

    fn read_witness(head: u64, bytes: &[u8]) -> Option<Self> {
        let check = XxHash3_64::oneshot_with_seed(head, bytes.get(..24)?);
        let tail =
            Self { sequence: number(bytes, 0)?, end: number(bytes, 8)?, chain: number(bytes, 16)?, head };
        (number(bytes, 24)? == check).then_some(tail)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
}

/// A commit that is being put together.
pub(super) struct Record(Vec<u8>);

impl Record {
    /// One without changes.
    pub(super) fn new() -> Self {
        Self(vec![0; RECORD])
    }

    /// Sets a value.
    pub(super) fn put(&mut self, space: &[u8], key: &[u8], value: &Value) {
        self.0.push(PUT);
        write_bytes(space, &mut self.0);
        write_bytes(key, &mut self.0);
        value.write(&mut self.0);
    }

    /// Removes a value.
    pub(super) fn delete(&mut self, space: &[u8], key: &[u8]) {
        self.0.push(DELETE);
        write_bytes(space, &mut self.0);
        write_bytes(key, &mut self.0);
    }

    /// Its bytes, to be written where `after` ends, and where things stand then.
    pub(super) fn finish(self, after: &Tail) -> (Vec<u8>, Tail) {
        let mut bytes = self.0;
        let sequence = after.sequence + 1;
        let length = (bytes.len() - RECORD) as u64;
        bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&length.to_le_bytes());
        let chain = XxHash3_64::oneshot_with_seed(after.chain, &bytes[8..]);
        bytes[..8].copy_from_slice(&chain.to_le_bytes());
        let tail = Tail { sequence, end: after.end + bytes.len() as u64, chain, head: after.head };
        (bytes, tail)
    }
}

/// Applies one record's changes; `None` when they are none.
fn apply(mut payload: &[u8], content: &mut Content) -> Option<()> {
    while let Some((kind, rest)) = payload.split_first() {
        payload = rest;
        let space = read_bytes(&mut payload)?;
        let key = read_bytes(&mut payload)?;
        match *kind {
            PUT => {
                let value = Value::read(&mut payload)?;
                content.entry(space.into()).or_default().insert(key.into(), value);
            }
            // A key may have come and gone between two commits.
            DELETE => {
                if let Some(values) = content.get_mut(space) {
                    values.remove(key);
                }
            }
            _ => return None,
        }
    }
    Some(())
}

/// Reads a whole file.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn read(file: &[u8]) -> Result<Loaded, Unusable> {
    let damaged = |offset: usize, what| Unusable::Damaged { offset: offset as u64, what };
    // The head: whose file it is, and in which version.
    if file.starts_with(b"SLP4") {
        return Err(Unusable::SyslogNg);
    }
    let Some(start) = file.get(..HEAD) else { return Err(damaged(file.len(), "it is cut off in its head")) };
    if !start.starts_with(MAGIC) {
        return Err(damaged(0, "it does not begin as a state file does"));
    }
    let head = XxHash3_64::oneshot(&start[..24]);
    if number(start, 24) != Some(head) {
        return Err(damaged(12, "its head is damaged"));
    }
    let version = number(start, 12).map_or(0, |bytes| bytes as u32);
    if version != VERSION {
        return Err(Unusable::Newer(version));
    }
    if file.len() < RECORDS {
        return Err(damaged(file.len(), "it is cut off before its first record"));
    }
    // The witnesses: the last commit that is known to have been on the disk.
    let witnesses = [1, 2].map(|page| Tail::read_witness(head, &file[page * PAGE..]));
    let Some(witness) = witnesses.iter().flatten().max_by_key(|witness| witness.sequence) else {
        return Err(damaged(PAGE, "both of its witnesses are damaged"));
    };

    // The records, each with the checksum that follows from the one before it.
    let mut content = Content::new();
    let mut tail = Tail { sequence: 0, end: RECORDS as u64, chain: head, head };
    while let Some((payload, next)) = read_record(file, &tail) {
        apply(payload, &mut content)
            .ok_or(damaged(tail.end as usize, "a record says what no record says"))?;
        tail = next;
        if tail.sequence == witness.sequence && tail != *witness {
            return Err(damaged(tail.end as usize, "a record is not the one that was committed"));
        }
    }
    if tail.sequence < witness.sequence {
        let what = if file.len() as u64 <= tail.end { "it is cut off" } else { "a record is damaged" };
        return Err(damaged(tail.end as usize, what));
    }
    // A lost witness is forgiven when the records go on behind the other one.
    let lost = witnesses.iter().position(Option::is_none);
    if let Some(lost) = lost
        && tail.sequence == witness.sequence
    {
        return Err(damaged(
            (1 + lost) * PAGE,
            "one of its witnesses is damaged, perhaps that of the last commit",
        ));
    }
    Ok(Loaded { content, tail, unfinished: file.len() as u64 - tail.end, lost_witness: lost.is_some() })
}

/// The payload of the record behind `tail`, and where things stand after it; `None` when it is not whole.
fn read_record<'a>(file: &'a [u8], tail: &Tail) -> Option<(&'a [u8], Tail)> {
    let bytes = file.get(usize::try_from(tail.end).ok()?..)?;
    let length = usize::try_from(number(bytes, 16)?).ok()?;
    let whole = bytes.get(..length.checked_add(RECORD)?)?;
    let chain = XxHash3_64::oneshot_with_seed(tail.chain, &whole[8..]);
    let next =
        Tail { sequence: number(whole, 8)?, end: tail.end + whole.len() as u64, chain, head: tail.head };
    let is_right = number(whole, 0)? == chain && next.sequence == tail.sequence + 1;
    is_right.then_some((&whole[RECORD..], next))
}
