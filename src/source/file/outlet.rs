//! The way of a reader's messages into the engine: [`Outlet`].
//!
//! One thread has it, and reads with it from one input after the other. What is read lies in an [`Arena`],
//! behind the rest that the input had left, and is posted as views of it. Each batch is marked with its place
//! in the input ([`Acked`]) where the input has places.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::line::{FoundText, MessageReader};
use crate::flow::clock::WallClock;
use crate::flow::credit::Waited;
use crate::flow::{Exit, Lane};
use crate::message::{Arena, Committed, Origin, Pool};
use crate::source::Input;
use crate::source::acked::{Acked, Mark};
use crate::source::position::Position;
use crate::source::progress::FileProgress;
use crate::source::reader::{Ends, NotAdmitted, Posting, Views};

/// The most bytes that are read at once.
const READ: usize = 256 << 10;
/// The least room for a read in an arena that others read into before.
const LEAST_ROOM: usize = 16 << 10;

/// The source is asked to end, or nothing is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending;

/// The place of what is posted.
pub(crate) struct FilePlace<'a> {
    /// The progress of its file.
    pub(crate) progress: &'a Arc<FileProgress>,
    /// The position of the first byte of what was read.
    pub(crate) begin: Position,
}

/// Posts what is read; see the module.
pub(crate) struct Outlet {
    views: Views,
    posting: Arc<Posting>,
    lane: Arc<Lane>,
    pool: Arc<Pool>,
    arena: Option<Arena>,
    exit: Arc<Exit>,
    clock: WallClock,
    acked: Option<Arc<Acked>>,
    /// The ends of messages that were posted, and whose batch is not marked.
    ends: VecDeque<u32>,
    read_bytes: u64,
}

impl FilePlace<'_> {
    /// The mark of a batch of `rows` messages, whose ends are the first of `ends`.
    fn mark(&self, ends: &mut VecDeque<u32>, rows: u32) -> Mark {
        let ends: Vec<u32> = ends.drain(..(rows as usize).min(ends.len())).collect();
        let last = ends.last().copied().unwrap_or_default();
        let number = self.progress.read_up_to(self.begin.after(last.into()));
        Mark { progress: Arc::clone(self.progress), number, begin: self.begin, ends }
    }
}

impl Outlet {
    /// That of the source `input`, which posts as `posting` says, and ends when `exit` says so.
    pub(crate) fn new(
        input: &Input,
        posting: &Arc<Posting>,
        exit: &Arc<Exit>,
        acked: Option<&Arc<Acked>>,
    ) -> Self {
        let mut clock = WallClock::new();
        let mut views = Views::new(input.producer(), Arc::clone(posting), clock.now());
        if acked.is_some() {
            views.note_sent();
        }
        Self {
            views,
            posting: Arc::clone(posting),
            lane: Arc::clone(&input.lane),
            pool: Arc::clone(input.lane.pool()),
            arena: None,
            exit: Arc::clone(exit),
            clock,
            acked: acked.map(Arc::clone),
            ends: VecDeque::new(),
            read_bytes: 0,
        }
    }

    /// The number of bytes that were read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Tells whether the source is asked to end, or nothing is taken any more.
    pub(crate) fn ends(&self) -> bool {
        self.exit.is_requested() || self.lane.is_closed()
    }

    /// Reads with `read` behind a copy of `rest`, at most `most` bytes. What there is then, and how many
    /// bytes of it are new.
    ///
    /// # Errors
    /// That of the read.
    pub(crate) fn read(
        &mut self,
        rest: &[u8],
        most: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<(Committed, usize)> {
        let most = most.clamp(1, READ);
        let least = rest.len() + most.min(LEAST_ROOM);
        if self.arena.as_mut().is_none_or(|arena| arena.spare().len() < least) {
            self.arena = Some(Arena::new(&self.pool, READ.max(rest.len() + most)));
        }
        let Some(arena) = &mut self.arena else { unreachable!("made above") };
        let (before, room) = arena.spare().split_at_mut(rest.len());
        let room_len = room.len().min(most);
        let count = read(&mut room[..room_len])?;
        before.copy_from_slice(rest);
        self.read_bytes += count as u64;
        Ok((arena.commit(rest.len() + count), count))
    }

    /// Posts the messages that `lines` finds in `chunk`, which have `origin` in common; the number of bytes
    /// that they take. With `is_all` what is left at the end is one, too.
    ///
    /// # Errors
    /// The source ends; what was posted before is on its way.
    pub(crate) fn post(
        &mut self,
        chunk: &Committed,
        lines: &mut MessageReader,
        origin: &Arc<Origin>,
        place: Option<&FilePlace<'_>>,
        is_all: bool,
    ) -> Result<usize, Ending> {
        self.views.turn_to(origin, &self.posting, None);
        let now = self.clock.now();
        self.views.begin(now);
        let mut from = 0;
        while let Some(line) = lines.next(chunk.bytes(), &mut from, is_all) {
            self.admit(place)?;
            match line {
                FoundText::View { start, end, ends_at_feed } => {
                    let ends = if ends_at_feed { Ends::AtDelimiter } else { Ends::Elsewhere };
                    self.views.post(chunk, start, end, ends);
                }
                FoundText::Copy(text) => self.views.copy(text, now),
            }
            if place.is_some() {
                self.ends.push_back(from as u32);
                self.mark(place);
            }
        }
        self.views.finish();
        self.mark(place);
        Ok(from)
    }

    /// Takes credit for a message; waits for it.
    fn admit(&mut self, place: Option<&FilePlace<'_>>) -> Result<(), Ending> {
        loop {
            match self.views.admit() {
                Ok(()) => return Ok(()),
                Err(NotAdmitted::Closed) => return self.end(place),
                Err(NotAdmitted::NoCredit | NotAdmitted::ShareIsFull) => {
                    self.views.before_wait();
                    self.mark(place);
                    let exit = &self.exit;
                    let waited = self.views.credit().wait_unless(None, || exit.is_requested());
                    if place.is_none() && waited == Waited::GivenUp {
                        // It cannot be read again: the last of it goes out beyond what is free.
                        self.views.overdraw();
                        return Ok(());
                    }
                    if waited != Waited::Credit {
                        return self.end(place);
                    }
                }
            }
        }
    }

    fn end(&mut self, place: Option<&FilePlace<'_>>) -> Result<(), Ending> {
        self.views.finish();
        self.mark(place);
        Err(Ending)
    }

    /// Marks the batches that were sent.
    fn mark(&mut self, place: Option<&FilePlace<'_>>) {
        let (Some(acked), Some(place)) = (&self.acked, place) else { return };
        while let Some(rows) = self.views.take_sent() {
            acked.mark(place.mark(&mut self.ends, rows));
        }
    }
}
