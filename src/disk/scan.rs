//! The way through a segment, record by record, also when some of it is damaged.
//!
//! ```text
//! at ──► a head that is right ─────────────► Record (its body may still be wrong)
//!    └─► none ─► look for one, 8 bytes at a time ─► Skipped: so many bytes
//!                                             └──► End: nothing more; clean when only zeros were left
//! a record whose number is higher than the next one ─► Gap: these messages are missing, then the record
//! ```
//!
//! A head has a check of its own, so a wrong body is skipped exactly, and looking for the next head never
//! reads more than the bytes in between.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::format::{HEAD, RecordHead, Seed};
use super::system::Disk;

/// The bytes that are read at once.
pub(super) const WINDOW: usize = 64 * 1024;
/// The bytes that are given up together where the disk cannot read.
const BLOCK: usize = 4096;

/// The attempts to read, before it is an error.
const ATTEMPTS: u32 = 3;

/// The kind of a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A checksum is wrong.
    Checksum,
    /// The disk cannot read it.
    Unreadable,
    /// The segment ends before its last message.
    Cut,
    /// The segment is not there.
    Missing,
    /// Both heads of the segment are damaged.
    Head,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Checksum => "a checksum is wrong",
            Self::Unreadable => "the disk cannot read it",
            Self::Cut => "it ends too early",
            Self::Missing => "it is not there",
            Self::Head => "its head is damaged",
        })
    }
}

/// A damaged place, and the messages that are lost there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The segment.
    pub file: PathBuf,
    /// The offset in it.
    pub at: u64,
    /// The messages that are lost; none when only a note of the store was hit. An end of `u64::MAX`: an
    /// unknown number of messages, perhaps none.
    pub messages: Range<u64>,
    /// The kind of the damage.
    pub why: Damage,
}

impl fmt::Display for Damaged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.messages;
        write!(out, "{} at byte {}: {}; ", self.file.display(), self.at, self.why)?;
        match end {
            u64::MAX => write!(out, "messages from {start} on are lost, if there were any"),
            end if end <= start => out.write_str("no message is lost"),
            end => write!(out, "messages {start} to {} are lost", end - 1),
        }
    }
}

/// A segment that is read.
pub(super) struct View<'a, D: Disk> {
    pub disk: &'a D,
    pub file: &'a D::File,
    pub seed: Seed,
    /// The bytes that it is looked at up to.
    pub len: u64,
    /// Blocks that cannot be read are taken for zeros, instead of ending in an error.
    pub is_forgiving: bool,
}

/// The place in a segment, and the number of the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub at: u64,
    pub next: u64,
}

/// A step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A record whose head is right.
    Record { at: u64, head: RecordHead },
    /// Bytes that are no record.
    Skipped(Range<u64>),
    /// Messages that are missing before the record that follows.
    Gap(Range<u64>),
    /// Nothing more. Not clean: something is there that is no record.
    End { is_clean: bool },
}

impl<D: Disk> View<'_, D> {
    /// Reads into all of `into`, or up to the end of the view; returns the number of bytes.
    pub(super) fn read(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX));
        let mut done = 0;
        let mut failures = 0;
        while done < most {
            match self.disk.read_at(self.file, &mut into[done..most], at + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if !self.is_forgiving => {
                    failures += 1;
                    if failures == ATTEMPTS {
                        return Err(error);
                    }
                }
                Err(_) => done += self.read_block(&mut into[done..most], at + done as u64),
            }
        }
        Ok(done)
    }

    /// Reads up to the end of a block, or fills that with zeros.
    fn read_block(&self, into: &mut [u8], at: u64) -> usize {
        let rest = BLOCK - (at % BLOCK as u64) as usize;
        let most = into.len().min(rest);
        match self.disk.read_at(self.file, &mut into[..most], at) {
            Ok(count) if count > 0 => count,
            _ => {
                into[..most].fill(0);
                most
            }
        }
    }

    /// The head at `at`, if it is right.
    pub(super) fn head(&self, at: u64) -> io::Result<Option<RecordHead>> {
        let mut bytes = [0; HEAD];
        let count = self.read(&mut bytes, at)?;
        Ok((count == HEAD).then(|| RecordHead::read(&bytes, self.seed, at)).flatten())
    }

    /// Tells whether the body of the record at `at` is right.
    pub(super) fn is_sound(&self, at: u64, head: &RecordHead) -> io::Result<bool> {
        let (mut check, mut done) = (0, 0);
        let mut window = vec![0; WINDOW.min(head.length as usize)];
        while done < u64::from(head.length) {
            let most = window.len().min((u64::from(head.length) - done) as usize);
            let count = self.read(&mut window[..most], at + HEAD as u64 + done)?;
            if count == 0 {
                return Ok(false);
            }
            check = crc32c::crc32c_append(check, &window[..count]);
            done += count as u64;
        }
        Ok(check == head.check)
    }

    /// Reads the body of the record at `at`; false when it is wrong.
    pub(super) fn body(&self, at: u64, head: &RecordHead, into: &mut Vec<u8>) -> io::Result<bool> {
        let start = at + HEAD as u64;
        if start + u64::from(head.length) > self.len {
            into.clear();
            return Ok(false);
        }
        // What is in it is overwritten, and need not be zeros.
        into.resize(head.length as usize, 0);
        let count = self.read(into, start)?;
        into.truncate(count);
        Ok(head.is_body(into))
    }

    /// The next right head from `at` on whose number is `next` or higher; and whether there was anything but
    /// zeros before it.
    fn seek(&self, mut at: u64, next: u64) -> io::Result<(Option<u64>, bool)> {
        static ZEROS: [u8; WINDOW] = [0; WINDOW];
        let mut window = vec![0; WINDOW];
        let mut is_clean = true;
        loop {
            let count = self.read(&mut window, at)?;
            let bytes = &window[..count];
            if bytes != &ZEROS[..count] {
                is_clean = false;
                for offset in (0..(count + 1).saturating_sub(HEAD)).step_by(8) {
                    // The kind comes last and fits few bytes: most places end here.
                    let Some(head) = bytes[offset..].first_chunk::<HEAD>().filter(|head| head[40] != 0)
                    else {
                        continue;
                    };
                    let head = RecordHead::read(head, self.seed, at + offset as u64);
                    if head.is_some_and(|head| head.first >= next) {
                        return Ok((Some(at + offset as u64), is_clean));
                    }
                }
            }
            if count < WINDOW {
                return Ok((None, is_clean));
            }
            at += (WINDOW - HEAD + 8) as u64;
        }
    }

    /// Goes one step.
    pub(super) fn step(&self, cursor: &mut Cursor) -> io::Result<Step> {
        let at = cursor.at;
        let head = self.head(at)?.filter(|head| head.first >= cursor.next);
        let Some(head) = head else {
            let (found, is_clean) = self.seek(at, cursor.next)?;
            let Some(found) = found else { return Ok(Step::End { is_clean }) };
            cursor.at = found;
            return Ok(Step::Skipped(at..found));
        };
        if head.first > cursor.next {
            let missing = cursor.next..head.first;
            cursor.next = head.first;
            return Ok(Step::Gap(missing));
        }
        cursor.at += head.total();
        cursor.next = head.messages().end;
        Ok(Step::Record { at, head })
    }
}
