//! A file that is followed: [`Follower`].
//!
//! ```text
//!  the path leads to nothing ──────────────────────────► it is looked for at each round
//!  to a file, a position is known ─────► the file that it was (by inode and head), at its path or beside it
//!  otherwise ──────────────────────────► from the start
//!
//!  each round   what is there is read up to one buffer; the file must begin as it did
//!  at its end   the path leads to another file with something in it: the rest is given out, that one is next
//!               it is shorter, or begins otherwise: the rest is given out, and it is read from the start
//! ```
//!
//! Looking is polling: each round asks the file and its path how they are. Whatever wakes the reader earlier
//! is no more than that. A file that was renamed is read to its end before the next one is begun, also when
//! it was renamed while nobody read it: its inode is looked for in its directory, and so are files that came
//! after it and were renamed, too, by their names and times.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::MessageReader;
use super::opened::{Opened, inode_of, open_file};
use super::outlet::{Ending, FilePlace, Outlet};
use super::trouble::Trouble;
use crate::message::Origin;
use crate::printable::line;
use crate::source::position::{Inode, Position, Stored};
use crate::source::progress::FileProgress;

/// The outcome of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// Something was done; there may be more to do at once.
    Busy,
    /// There is nothing to do before the next look.
    Idle,
    /// The file was removed, and all of it was read.
    Gone,
    /// The source ends.
    Ends,
}

/// A file, by its path.
pub(crate) struct Follower {
    path: PathBuf,
    origin: Arc<Origin>,
    progress: Arc<FileProgress>,
    lines: MessageReader,
    timeout: Option<Duration>,
    opened: Option<Opened>,
    /// The place to go on at, once the file is open.
    resume: Option<Position>,
    /// The files that were begun after that one by a process before this, in their order.
    then: VecDeque<Inode>,
    /// The last time at which something was read.
    read_at: Option<Instant>,
    trouble: Trouble,
    /// The end of a file that was renamed, and that another one has followed.
    left: Option<Position>,
    /// True when it was removed, and is not followed any more when it has been read.
    ends_when_removed: bool,
}

/// The means to make followers.
pub(crate) struct Followed {
    /// The path.
    pub(crate) path: PathBuf,
    /// The part that its messages have in common.
    pub(crate) origin: Arc<Origin>,
    /// How far it was read.
    pub(crate) progress: Arc<FileProgress>,
    /// Finds its messages.
    pub(crate) lines: MessageReader,
    /// `multi-line-timeout()`
    pub(crate) timeout: Option<Duration>,
    /// Says what is wrong with it.
    pub(crate) trouble: Trouble,
    /// Tells whether it is one of many, and let go when it is removed.
    pub(crate) ends_when_removed: bool,
    /// The place up to which it was read under another name.
    pub(crate) elsewhere: Option<Position>,
}

impl Follower {
    /// Follows a file from the position on that is known of it, or from its start.
    pub(crate) fn new(followed: Followed) -> Self {
        let Followed { path, origin, progress, lines, timeout, mut trouble, ends_when_removed, elsewhere } =
            followed;
        let stored = progress.position().unwrap_or_else(|stored| {
            let text = String::from_utf8_lossy(&stored).into_owned();
            trouble.note(&format!(
                "its stored position cannot be read ({text:?}), so it is read from its start"
            ));
            None
        });
        let (resume, then) = if let Some(Stored { position, then }) = stored {
            (Some(position), then.into())
        } else {
            // Under this name from now on.
            if let Some(position) = elsewhere {
                progress.passed(position);
            }
            (elsewhere, VecDeque::new())
        };
        Self {
            path,
            origin,
            progress,
            lines,
            timeout,
            opened: None,
            resume,
            then,
            read_at: None,
            trouble,
            left: None,
            ends_when_removed,
        }
    }

    /// The end of a file that was renamed and read to its end, once.
    pub(crate) fn take_left(&mut self) -> Option<Position> {
        self.left.take()
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of bytes behind the last one that was read, as far as that is known.
    pub(crate) fn lag(&self) -> u64 {
        let Some(opened) = &self.opened else { return 0 };
        opened.file.metadata().map_or(0, |data| data.len().saturating_sub(opened.offset))
    }

    /// The file that it reads.
    pub(crate) fn inode(&self) -> Option<Inode> {
        self.opened.as_ref().map(|opened| opened.inode)
    }

    /// Tells whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// The time of the next look that must not wait for the usual one.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (timeout, read_at) = (self.timeout?, self.read_at?);
        let rest = self.opened.as_ref()?.rest.len();
        self.lines.waits(rest).then(|| read_at + timeout)
    }

    /// Forgets how far it was read: it is gone.
    pub(crate) fn forget(&self) {
        self.progress.forget();
    }

    /// Reads once, or looks how things are.
    pub(crate) fn round(&mut self, out: &mut Outlet, now: Instant) -> Round {
        if self.trouble.waits(now) {
            return Round::Idle;
        }
        let done = self.look(out, now);
        let (cut, invalid) = self.lines.take_damage();
        self.trouble.note_damage(cut, invalid);
        match done {
            Ok(Ok(round)) => {
                if self.opened.is_some() {
                    self.trouble.is_over();
                }
                round
            }
            Ok(Err(Ending)) => Round::Ends,
            Err(error) => {
                self.trouble.failed(&error, now);
                // Opened anew, at the place where its next message begins.
                self.resume = self.position().or(self.resume);
                self.opened = None;
                self.lines.forget();
                Round::Idle
            }
        }
    }

    fn position(&self) -> Option<Position> {
        let opened = self.opened.as_ref()?;
        Some(opened.position())
    }

    fn look(&mut self, out: &mut Outlet, now: Instant) -> io::Result<Result<Round, Ending>> {
        if self.opened.is_none() && !self.open()? {
            return Ok(Ok(if self.ends_when_removed { Round::Gone } else { Round::Idle }));
        }
        let Some(opened) = &mut self.opened else { unreachable!("opened above") };
        let size = opened.file.metadata()?.len();
        if size > opened.offset {
            let (rest, offset) = (&opened.rest, opened.offset);
            let available = usize::try_from(size - offset).unwrap_or(usize::MAX);
            let (chunk, count) = out.read(rest, available, |room| opened.file.read_at(room, offset))?;
            if !opened.is_itself()? {
                return Ok(self.begin_anew(out, "was truncated, or written anew"));
            }
            if count > 0 {
                opened.keep_head(&chunk.bytes()[opened.rest.len()..]);
                let begin = opened.position();
                if opened.offset == 0 {
                    // From now on it is known which file is read, whatever name it has by the next start.
                    self.progress.passed(begin);
                }
                opened.offset += count as u64;
                self.read_at = Some(now);
                let place = FilePlace { progress: &self.progress, begin };
                let posted = out.post(&chunk, &mut self.lines, &self.origin, Some(&place), false);
                let Ok(end) = posted else { return Ok(Err(Ending)) };
                opened.rest.clear();
                opened.rest.extend_from_slice(&chunk.bytes()[end..]);
                return Ok(Ok(Round::Busy));
            }
        }
        if size < opened.offset || !opened.is_itself()? {
            return Ok(self.begin_anew(out, "was truncated"));
        }
        if self.due().is_some_and(|due| due <= now) {
            return Ok(self.give_out(out).map(|()| Round::Busy));
        }
        self.look_at_path(out)
    }

    /// Looks whether the path leads to another file by now; the one that is open was read to its end.
    fn look_at_path(&mut self, out: &mut Outlet) -> io::Result<Result<Round, Ending>> {
        let Some(opened) = &self.opened else { return Ok(Ok(Round::Idle)) };
        let at_path = match fs::metadata(&self.path) {
            Ok(data) => Some(data),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let has_successor = match &at_path {
            _ if !self.then.is_empty() => true,
            Some(data) => inode_of(data) != opened.inode && data.len() > 0,
            None => self.ends_when_removed && opened.file.metadata()?.nlink() == 0,
        };
        if !has_successor {
            return Ok(Ok(Round::Idle));
        }
        // What was written between the last read and the look.
        if opened.file.metadata()?.len() > opened.offset {
            return Ok(Ok(Round::Busy));
        }
        let given = self.give_out(out);
        self.left = self.position();
        self.opened = None;
        self.lines.forget();
        let goes_on = at_path.is_some() || !self.then.is_empty();
        let next = if goes_on { Round::Busy } else { Round::Gone };
        Ok(given.map(|()| next))
    }

    /// Gives out what is left as a message.
    fn give_out(&mut self, out: &mut Outlet) -> Result<(), Ending> {
        let Some(opened) = &mut self.opened else { return Ok(()) };
        if opened.rest.is_empty() {
            return Ok(());
        }
        let Ok((chunk, _)) = out.read(&opened.rest, 1, |_| Ok(0)) else { unreachable!("nothing is read") };
        let place = FilePlace { progress: &self.progress, begin: opened.position() };
        out.post(&chunk, &mut self.lines, &self.origin, Some(&place), true)?;
        opened.rest.clear();
        Ok(())
    }

    /// Reads the file that is open from its start: it is not the one that it was.
    fn begin_anew(&mut self, out: &mut Outlet, why: &str) -> Result<Round, Ending> {
        self.trouble.note(&format!("{why}: it is read from its start"));
        self.give_out(out)?;
        self.lines.forget();
        if let Some(opened) = &mut self.opened {
            opened.offset = 0;
            opened.head.clear();
        }
        Ok(Round::Busy)
    }

    /// Opens it; false when there is none.
    fn open(&mut self) -> io::Result<bool> {
        let at_path = open_file(&self.path)?;
        if let Some(position) = self.resume {
            let is_there = at_path.is_some();
            let found = match at_path {
                Some(opened) if opened.fits(position)? => Some(opened),
                _ => self.find(position.inode).filter(|opened| opened.fits(position).unwrap_or(false)),
            };
            if let Some(mut opened) = found {
                opened.head = opened.read_head(position.head.len as usize)?;
                opened.offset = position.offset;
                if self.then.is_empty() {
                    self.then = self.rotated_after(&opened);
                }
                (self.resume, self.opened) = (None, Some(opened));
                return Ok(true);
            }
            if !is_there && self.then.is_empty() {
                return Ok(false);
            }
            self.trouble.note("is not the file that was read before: it is read from its start");
            self.resume = None;
        }
        while let Some(inode) = self.then.pop_front() {
            if let Some(opened) = self.find(inode) {
                self.opened = Some(opened);
                return Ok(true);
            }
        }
        self.opened = open_file(&self.path)?;
        Ok(self.opened.is_some())
    }

    /// The files that were at the path after `opened`, were renamed, and were not seen by anybody: they have
    /// the name with a number or a date behind it, and were written later. In the order of their last writes.
    fn rotated_after(&self, opened: &Opened) -> VecDeque<Inode> {
        let Some(name) = self.path.file_name() else { return VecDeque::new() };
        let (Ok(at_path), Ok(last)) =
            (fs::metadata(&self.path), opened.file.metadata().and_then(|data| data.modified()))
        else {
            return VecDeque::new();
        };
        let later = self.siblings().filter_map(|entry| {
            let found = entry.file_name();
            let rest = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes())?;
            let is_number = |byte: &u8| byte.is_ascii_digit() || b".-_".contains(byte);
            let is_rotated = rest.len() > 1 && b".-".contains(&rest[0]) && rest.iter().all(is_number);
            let data = entry.metadata().ok().filter(|data| is_rotated && data.is_file())?;
            let (inode, written) = (inode_of(&data), data.modified().ok()?);
            let is_between = inode != opened.inode && inode != inode_of(&at_path) && written > last;
            is_between.then_some((written, inode))
        });
        let mut later: Vec<_> = later.collect();
        later.sort_unstable_by_key(|(written, inode)| (*written, inode.number));
        later.into_iter().map(|(_, inode)| inode).collect()
    }

    /// What is in its directory.
    fn siblings(&self) -> impl Iterator<Item = fs::DirEntry> + use<> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::read_dir(directory.unwrap_or(Path::new("."))).into_iter().flatten().flatten()
    }

    /// The file `inode`, under whatever name it has in the directory.
    fn find(&mut self, inode: Inode) -> Option<Opened> {
        for entry in self.siblings().filter(|entry| entry.ino() == inode.number) {
            let path = entry.path();
            if let Ok(Some(opened)) = open_file(&path)
                && opened.inode.number == inode.number
            {
                if path.file_name() != self.path.file_name() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    self.trouble
                        .note(&format!("was renamed to {}, which is read to its end first", line(&name)));
                }
                return Some(opened);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
