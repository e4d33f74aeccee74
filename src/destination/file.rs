//! The drivers `file()` and `stdout()`: [`FileDestination`].
//!
//! The path is a template. If it has no macros there is one file; otherwise each message goes to the
//! file that its own path names, and a file has its own queue, so that one that cannot be written holds
//! up no other. Files are opened when something is to be written, and closed when the path has macros
//! and nothing came for `time-reap()`, or when more would be open than its share of the process's descriptors.
//!
//! * `path`: what a message says cannot climb out of the directory that the template fixes;
//! * `stage`: many small lines in one `write`, long texts with `writev` from the batch itself;
//! * `target`: failures, rotation, and how a line is neither torn nor written twice;
//! * `unwritable`: paths that messages chose and that cannot be written.
//!
//! A renamed file is noticed within a tenth of a second of writing, a removed one at the next write, both at a SIGHUP at once.
//! A file that was truncated in place is simply written on: it is open with `O_APPEND`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::descriptors::{Descriptors, Member, Wake};
use super::{Counters, Report, ReportFn, Severity};
use crate::fault::panic_text;
use crate::flow::{Delivery, DropReason};
use crate::message::Rows;
use crate::template::{Context, Template, TimeZoneUse, Zone, ZoneClock};

mod cut;
mod format;
mod handover;
mod owner;
mod path;
mod settings;
mod sink;
mod stage;
mod target;
mod unwritable;

pub use format::LineFormat;
pub use handover::Handover;
pub use owner::{group_id, user_id};
pub use settings::FileSettings;
pub use sink::{Access, Opening};

use format::Line;
use path::PathBuilder;
use stage::{Numbers, Stage};
use target::{Flushed, Target, Unheld};
use unwritable::Unwritable;

/// While it stops, a full pipe is tried again after this long.
const STOP_POLL: Duration = Duration::from_millis(5);

/// What the files of one destination share.
struct Room {
    line: Line,
    context: Context,
    stage: Stage,
    opening: Opening,
    fsync: bool,
    time_reopen: Duration,
    fifo_size: u64,
    open: usize,
    unwritable: Unwritable,
    descriptors: Arc<Descriptors>,
    has_macros: bool,
    counters: Arc<Counters>,
    log: ReportFn,
}

impl Room {
    fn report(&self, severity: Severity, text: String) {
        (self.log)(Report { severity, text });
    }

    fn count_open(&mut self, before: bool, after: bool) {
        self.count_open_files(self.open + usize::from(after) - usize::from(before));
    }

    fn count_open_files(&mut self, open: usize) {
        self.open = open;
        self.counters.open_files.store(open as u64, Ordering::Relaxed);
    }

    fn count_bytes(&self, bytes: u64) {
        self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn count_error(&self) {
        self.counters.errors.fetch_add(1, Ordering::Relaxed);
    }

    fn count_retry(&self) {
        self.counters.retries.fetch_add(1, Ordering::Relaxed);
    }
}

/// The driver of `file()` and `stdout()`.
pub struct FileDestination {
    room: Room,
    path: Template,
    path_context: Context,
    paths: PathBuilder,
    clock: ZoneClock,
    /// The numbers of the next message.
    next: Numbers,
    /// Files by a number that stays theirs; `None` is a number that is free.
    targets: Vec<Option<Target>>,
    free: Vec<usize>,
    by_path: HashMap<Box<[u8]>, usize, RandomState>,
    /// The files for which something waits.
    active: Vec<usize>,
    /// Open files in the order of their use; an entry whose turn is not its file's any more is void.
    used: VecDeque<(usize, u64)>,
    turn: u64,
    /// Its part of the process's descriptors, if its path has macros.
    member: Option<Member>,
    time_reap: Option<Duration>,
    reap_at: Option<Instant>,
}

impl FileDestination {
    /// A driver that has opened nothing yet.
    pub fn new(settings: FileSettings, counters: Arc<Counters>, log: ReportFn) -> Self {
        let FileSettings { path, line, no_multi_line, opening, options, identity, .. } = settings;
        let context = Context::new(&options, Arc::clone(&identity), TimeZoneUse::Send);
        let has_macros = path.as_literal().is_none();
        Self {
            room: Room {
                line: Line { format: line, no_multi_line },
                context,
                stage: Stage::default(),
                opening,
                fsync: settings.fsync,
                time_reopen: settings.time_reopen,
                fifo_size: settings.fifo_size,
                open: 0,
                unwritable: Unwritable::new(&path),
                descriptors: Arc::clone(&settings.descriptors),
                has_macros,
                counters,
                log,
            },
            path,
            path_context: Context::new(&options, identity, TimeZoneUse::Local),
            paths: PathBuilder::default(),
            clock: ZoneClock::new(Zone::local()),
            next: Numbers::FIRST,
            targets: Vec::new(),
            free: Vec::new(),
            by_path: HashMap::default(),
            active: Vec::new(),
            used: VecDeque::new(),
            turn: 0,
            member: has_macros.then(|| Member::new(&settings.descriptors)),
            time_reap: (has_macros && !settings.time_reap.is_zero()).then_some(settings.time_reap),
            reap_at: None,
        }
    }

    /// Has `wake` called, by any thread, when the next flush has something to do that it cannot know: other files need descriptors.
    pub fn on_ask(&self, wake: Wake) {
        if let Some(member) = &self.member {
            member.on_ask(wake);
        }
    }

    /// Takes messages; nothing is written before the next flush.
    pub fn push(&mut self, delivery: Delivery) {
        let (first, count) = (self.next, delivery.view.len());
        let later = first.later(count);
        // Of messages that come from elsewhere, SEQNUM is what they came with.
        let is_local = delivery.view.batch().origin().is_local;
        self.next = if is_local { later } else { Numbers { order: later.order, ..first } };
        self.push_numbered(delivery, first);
    }

    fn push_numbered(&mut self, delivery: Delivery, first: Numbers) {
        if delivery.view.is_empty() {
            return;
        }
        if let Some(path) = self.path.as_literal() {
            if self.targets.is_empty() {
                self.targets.push(Some(Target::new(path, true, Instant::now())));
            }
            self.push_to(0, delivery, first);
        } else {
            self.push_sorted(&delivery, first);
        }
    }

    /// Sends each message to the file that its path names; the order in each file is that of the batch.
    fn push_sorted(&mut self, delivery: &Delivery, first: Numbers) {
        self.path_context.now = self.clock.now();
        let now = Instant::now();
        let mut touched: Vec<(usize, Numbers)> = Vec::new();
        let (mut index, mut last) = (0, None);
        while index < delivery.view.len() {
            // Until a row is added to a file's, nothing has happened to it.
            let all = catch_unwind(AssertUnwindSafe(|| {
                while index < delivery.view.len() {
                    let id = self.target_of(delivery, index, first, last, now);
                    last = Some(id);
                    if let Some(target) = &mut self.targets[id] {
                        if target.rows.is_empty() {
                            touched.push((id, first.later(index)));
                        }
                        target.rows.push(delivery.view.rows().at(index));
                    }
                    index += 1;
                }
            }));
            if let Err(panic) = all {
                self.drop_without_path(delivery, index, &panic_text(&*panic));
                index += 1;
            }
        }
        for (id, first) in touched {
            let Some(target) = &mut self.targets[id] else { continue };
            let rows = std::mem::take(&mut target.rows);
            let all = rows.len() == delivery.view.len();
            let view =
                if all { delivery.view.clone() } else { delivery.view.with_rows(Rows::List(rows.into())) };
            let (ack, flow_control) = (delivery.ack.clone(), delivery.flow_control);
            self.push_to(id, Delivery { view, ack, flow_control }, first);
        }
    }

    /// The number of the file that the path of the message at `index` names; it is likely to be `last` again.
    #[inline]
    fn target_of(
        &mut self,
        delivery: &Delivery,
        index: usize,
        first: Numbers,
        last: Option<usize>,
        now: Instant,
    ) -> usize {
        self.path_context.sequence = first.later(index).sequence;
        let path = self.paths.build(&self.path, delivery.view.message(index), &self.path_context);
        let targets = &mut self.targets;
        let same = last.filter(|id| targets[*id].as_ref().is_some_and(|last| *last.path == *path));
        same.or_else(|| self.by_path.get(path).copied()).unwrap_or_else(|| {
            let id = self.free.pop().unwrap_or(targets.len());
            let target = Some(Target::new(path, false, now));
            if id == targets.len() {
                targets.push(target);
            } else {
                targets[id] = target;
            }
            self.by_path.insert(path.into(), id);
            id
        })
    }

    /// Drops the message at `index`: nothing says which file it belongs to.
    #[cold]
    fn drop_without_path(&mut self, delivery: &Delivery, index: usize, panic: &str) {
        let row = delivery.view.rows().at(index);
        delivery.ack.drop_rows(&Rows::Range(row..row + 1), DropReason::Fault);
        self.room.counters.count_dropped(1);
        let what = format!("the path of a message could not be made: {panic}; it is dropped");
        self.room.report(Severity::Error, format!("`{}`: fault in the engine: {what}", self.path.text()));
    }

    fn push_to(&mut self, id: usize, delivery: Delivery, first: Numbers) {
        let Some(target) = &mut self.targets[id] else { return };
        if target.is_idle() {
            self.active.push(id);
        }
        target.push(delivery, first);
    }

    /// Writes all it can. Messages whose lines are out are counted as delivered and let go of.
    pub fn flush(&mut self, now: Instant) {
        self.give_up_descriptors();
        self.flush_until(now, None);
        self.shed(now);
        self.reap(now);
    }

    /// Closes the files that are more than its share, and a quarter of them if somebody found no descriptor.
    fn give_up_descriptors(&mut self) {
        let Some(member) = &mut self.member else { return };
        let (share, open) = (member.share(), self.room.open);
        let most = if member.is_asked() { share.min(open - open.div_ceil(4)) } else { share };
        while self.room.open > most && self.close_oldest(usize::MAX) {}
    }

    /// Bounds what waits for paths that cannot be opened and that messages chose.
    fn shed(&mut self, now: Instant) {
        if !self.room.has_macros || self.active.is_empty() {
            return;
        }
        let mut left = unwritable::ALL;
        let mut active = std::mem::take(&mut self.active);
        active.retain(|id| {
            let Some(target) = &mut self.targets[*id] else { return false };
            left = left.saturating_sub(target.shed(left.min(unwritable::ONE), now, &mut self.room));
            let waits = !target.is_idle();
            if !waits {
                self.close_one(*id);
            }
            waits
        });
        self.active = active;
    }

    fn flush_until(&mut self, now: Instant, deadline: Option<Instant>) {
        if self.active.is_empty() {
            return;
        }
        self.room.context.now = self.clock.now();
        let has_macros = self.room.has_macros;
        let mut active = std::mem::take(&mut self.active);
        active.retain(|id| {
            self.flush_one(*id, now, deadline);
            let Some(target) = &self.targets[*id] else { return false };
            if target.is_idle() && !target.is_open() && has_macros {
                // Nothing is kept of a path that was never a file: there may be any number of them.
                self.close_one(*id);
                return false;
            }
            !target.is_idle()
        });
        active.append(&mut self.active);
        self.active = active;
    }

    fn flush_one(&mut self, id: usize, now: Instant, deadline: Option<Instant>) {
        let Some(target) = self.targets[id].as_ref().filter(|target| target.is_due(now)) else { return };
        let is_open = target.is_open();
        let share = self.member.as_ref().map_or(usize::MAX, Member::share);
        loop {
            if !is_open && self.room.open >= share {
                self.close_oldest(id);
            }
            let Some(target) = &mut self.targets[id] else { return };
            match target.flush(now, deadline, &mut self.room) {
                Flushed::Done => break,
                Flushed::NoDescriptor(_) if self.close_oldest(id) => {}
                Flushed::NoDescriptor(error) => {
                    let Some(target) = &mut self.targets[id] else { return };
                    target.wait_for_descriptor(error, now, &mut self.room);
                    break;
                }
            }
        }
        self.note_use(id, now);
    }

    /// Puts an open file at the end of the order of use, and plans when it is closed.
    fn note_use(&mut self, id: usize, now: Instant) {
        let Some(target) = self.targets[id].as_mut().filter(|target| target.is_open()) else { return };
        if !self.room.has_macros {
            return;
        }
        self.turn += 1;
        target.turn = self.turn;
        self.used.push_back((id, self.turn));
        if let Some(time_reap) = self.time_reap {
            let at = now + time_reap;
            self.reap_at = Some(self.reap_at.map_or(at, |before| before.min(at)));
        }
        if self.used.len() > 64 + 4 * self.room.open {
            let targets = &self.targets;
            self.used.retain(|(id, turn)| is_current(targets, *id, *turn));
        }
    }

    /// Closes the file that was not used longest, if one can be closed.
    fn close_oldest(&mut self, except: usize) -> bool {
        for _ in 0..self.used.len() {
            let Some((id, turn)) = self.used.pop_front() else { return false };
            if !is_current(&self.targets, id, turn) {
                continue;
            }
            if id == except || self.targets[id].as_ref().is_some_and(Target::is_torn) {
                self.used.push_back((id, turn));
                continue;
            }
            self.close_one(id);
            return true;
        }
        false
    }

    /// Closes a file, and forgets it when nothing waits for it.
    fn close_one(&mut self, id: usize) {
        let Some(target) = &mut self.targets[id] else { return };
        target.close(&mut self.room);
        if target.is_idle() {
            self.by_path.remove(&target.path);
            self.targets[id] = None;
            self.free.push(id);
        }
    }

    /// Closes files that nobody wrote to for `time-reap()`.
    fn reap(&mut self, now: Instant) {
        let (Some(time_reap), Some(at)) = (self.time_reap, self.reap_at) else { return };
        if now < at {
            return;
        }
        self.reap_at = None;
        for id in 0..self.targets.len() {
            let Some(target) = self.targets[id].as_ref().filter(|target| target.is_idle()) else { continue };
            let ends = target.used + time_reap;
            if ends <= now {
                self.close_one(id);
            } else {
                self.reap_at = Some(self.reap_at.map_or(ends, |before| before.min(ends)));
            }
        }
    }

    /// When `flush` has something to do although nothing was pushed: a failed file is to be tried again,
    /// a full pipe may have room, a file is to be closed.
    pub fn next_deadline(&self) -> Option<Instant> {
        let active = self.active.iter().filter_map(|id| self.targets[*id].as_ref()?.deadline());
        active.chain(self.reap_at).min()
    }

    /// Looks for replaced files before the next line, and tries failed ones again at the next flush:
    /// what SIGHUP asks for.
    pub fn reopen(&mut self) {
        let now = Instant::now();
        for target in self.targets.iter_mut().flatten() {
            target.look_again(now);
        }
    }

    /// Whether everything that was pushed is written.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    /// Lets go of the credit of what waits for files that cannot be written: their sources go on. On paths with flow control
    /// only if `all`. On the others no more may wait than `log-fifo-size()` and [`UNHELD_BYTES`](super::UNHELD_BYTES) say:
    /// the newest beyond are dropped. Returns how many, and the name of their source.
    pub fn let_go_of_credit(&mut self, all: bool) -> Option<(Arc<str>, u64)> {
        let mut left = Unheld { messages: self.room.fifo_size, bytes: super::UNHELD_BYTES, lost: None };
        let in_trouble = |target: &Target| target.is_in_trouble();
        for target in self.targets.iter().flatten().filter(|target| in_trouble(target)) {
            target.count_unheld(&mut left);
        }
        for target in self.targets.iter_mut().flatten().filter(|target| in_trouble(target)) {
            target.let_go_of_credit(all, &mut left);
        }
        let (_, lost) = left.lost.as_ref()?;
        self.room.counters.count_dropped(*lost);
        left.lost
    }

    /// Whether a file cannot be written.
    pub fn is_suspended(&self) -> bool {
        self.active.iter().any(|id| self.targets[*id].as_ref().is_some_and(Target::is_in_trouble))
    }

    /// Writes what it can until `deadline`, closes everything, and returns the number of messages that
    /// it could not write. A file in trouble is tried once more, and not waited for.
    pub fn stop(&mut self, deadline: Instant) -> u64 {
        self.reopen();
        loop {
            let now = Instant::now();
            self.flush_until(now, Some(deadline));
            let waits = |id: &usize| self.targets[*id].as_ref().is_some_and(|target| !target.is_in_trouble());
            if now >= deadline || !self.active.iter().any(waits) {
                break;
            }
            std::thread::sleep(STOP_POLL.min(deadline - now));
        }
        self.tell_unwritable();
        self.abandon(DropReason::Stopped)
    }

    /// Tells how many messages were dropped for paths that cannot be written.
    fn tell_unwritable(&self) {
        if let Some(total) = self.room.unwritable.total(Instant::now()) {
            let text = format!("{total} messages for paths that cannot be written were dropped in all");
            self.room.report(Severity::Error, text);
        }
    }

    /// Drops what waits for files that are in the middle of something, after a panic, and begins anew with all of them;
    /// `panic` is what it said.
    pub fn start_anew(&mut self, panic: &str) {
        let text = format!("fault in the engine: `{}` has failed: {panic}; it begins anew", self.path.text());
        self.room.report(Severity::Error, text);
        self.room.stage = Stage::default();
        self.abandon(DropReason::Fault);
    }

    /// Leaves what waits to the destination that comes after it, which takes it with [`take_over`](Self::take_over).
    pub fn hand_over(&mut self) -> Handover {
        self.tell_unwritable();
        self.active.clear();
        self.by_path.clear();
        self.used.clear();
        self.free.clear();
        self.reap_at = None;
        let targets = self.targets.drain(..).flatten();
        let waiting = targets.filter_map(|mut target| {
            if !target.is_torn() {
                target.close(&mut self.room);
            }
            (!target.is_idle()).then_some(target)
        });
        let waiting: Vec<_> = waiting.collect();
        self.room.count_open_files(0);
        Handover::new(self.path.text().to_owned(), waiting, self.next, &self.room.counters)
    }

    /// Takes what the destination before it has left, before anything is pushed.
    pub fn take_over(&mut self, left: Handover) {
        let Handover { path, targets, deliveries, next, .. } = left;
        let Numbers { order, sequence } = self.next;
        self.next = Numbers { order: order.max(next.order), sequence: sequence.max(next.sequence) };
        if path == self.path.text() {
            for mut target in targets {
                if let Some(id) = self.target_at(&target.path) {
                    // It came from another one of this path before.
                    target.take_back_torn(&self.room);
                    for chunk in target.into_chunks() {
                        let (delivery, first) = chunk.into_rest();
                        self.push_to(id, delivery, first);
                    }
                    continue;
                }
                target.begin_again();
                let id = self.targets.len();
                self.by_path.insert(target.path.clone(), id);
                self.active.push(id);
                self.room.count_open(false, target.is_open());
                self.targets.push(Some(target));
            }
        } else {
            let mut chunks = Vec::new();
            for mut target in targets {
                target.take_back_torn(&self.room);
                chunks.extend(target.into_chunks());
            }
            for (delivery, first) in handover::in_order(chunks) {
                self.push_numbered(delivery, first);
            }
        }
        for delivery in deliveries {
            self.push(delivery);
        }
    }

    fn target_at(&self, path: &[u8]) -> Option<usize> {
        let known = self.by_path.get(path).copied();
        known.or_else(|| (!self.room.has_macros && !self.targets.is_empty()).then_some(0))
    }

    /// Reports something that is well.
    pub fn notice(&self, text: String) {
        self.room.report(Severity::Notice, text);
    }

    /// How many messages wait, and about how many bytes.
    pub fn waiting(&self) -> (u64, u64) {
        let waiting = self.targets.iter().flatten().map(|target| (target.waiting(), target.waiting_bytes()));
        waiting.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    }

    /// Drops what waits for good: a reload removed the destination, and others wait in its place.
    pub fn give_up(&mut self) -> u64 {
        let text = format!(
            "`{}` was removed by a reload and cannot be written, and there is no place any more for what waits for it",
            self.path.text()
        );
        self.room.report(Severity::Error, text);
        self.abandon(DropReason::Removed)
    }

    /// Gives up what waits, closes everything, and returns the number of messages that it was.
    fn abandon(&mut self, reason: DropReason) -> u64 {
        self.active.clear();
        let mut lost = 0;
        for target in self.targets.iter_mut().flatten() {
            lost += target.abandon(reason, &mut self.room);
        }
        self.targets.clear();
        self.free.clear();
        self.by_path.clear();
        self.used.clear();
        self.reap_at = None;
        lost
    }
}

fn is_current(targets: &[Option<Target>], id: usize, turn: u64) -> bool {
    targets[id].as_ref().is_some_and(|target| target.is_open() && target.turn == turn)
}

impl std::fmt::Debug for FileDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileDestination")
            .field("path", &self.path.text())
            .field("open", &self.room.open)
            .field("active", &self.active.len())
            .finish_non_exhaustive()
    }
}
