//! Lines into files, pipes, programs and connections: [`StreamDestination`].
//!
//! The path is a template. If it has no macros there is one file; otherwise each message goes to the file
//! that its own path names, and a file has its own queue, so that one that cannot be written holds up no
//! other. Files are opened when something is to be written, and closed when the path has macros and nothing
//! came for `time-reap()`, or when more would be open than its share of the process's descriptors.
//!
//! * `path`: what a message says cannot climb out of the directory that the template fixes;
//! * `stage`: many small lines in one `write`, long texts with `writev` from the batch itself;
//! * `target`: failures, rotation, and how a line is neither torn nor written twice;
//! * `connect`, `sink`: the far end, which is a file unless a driver brings another;
//! * `repeats`, `marks`: `suppress()` and `mark-mode()`; `made`, `generated`: the lines that they write;
//! * `unwritable`: paths that messages chose and that cannot be written.
//!
//! A renamed file is noticed within a tenth of a second of writing, a removed one at the next write, both at
//! a SIGHUP at once. A file that was truncated in place is simply written on: it is open with `O_APPEND`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::descriptors::{Descriptors, Member};
use super::{
    Counters, Destination, Handover, Leftover, Numbers, Report, ReportFn, Severity, Site, Throttle, Wake,
};
use crate::flow::{Delivery, DropReason};
use crate::template::{Context, Template, TimeZoneUse, Zone, ZoneClock};

mod connect;
mod cut;
mod generated;
mod leftover;
mod line;
mod made;
mod marks;
mod opened;
mod options;
mod path;
mod peer;
mod repeats;
mod settings;
mod sink;
mod sorting;
mod stage;
mod target;
mod unwritable;

pub use connect::Connect;
pub use line::{Framing, LineFormat, Sizes};
pub(crate) use marks::MARK;
pub use marks::{Marks, Quiet};
pub(crate) use options::read_path;
pub use options::{WriterFlags, WriterOptions};
pub(crate) use peer::PIECES_MAX;
pub use peer::Peer;
pub use settings::StreamSettings;
pub use sink::{Opening, Sink};

use leftover::{Targets, as_targets};
use line::Line;
use made::Maker;
use marks::NextMark;
use path::PathBuilder;
use stage::Stage;
use target::{Flushed, Target, Uncontrolled};
use unwritable::Unwritable;

/// While it stops, a full pipe is tried again after this long.
const STOP_POLL: Duration = Duration::from_millis(5);

/// The state that the files of one destination share.
struct StreamContext {
    line: Line,
    template: Context,
    stage: Stage,
    opening: Arc<dyn Connect>,
    wake: Wake,
    fsync: bool,
    time_reopen: Duration,
    throttle: Option<Throttle>,
    fifo_size: u64,
    open: usize,
    unwritable: Unwritable,
    descriptors: Arc<Descriptors>,
    has_macros: bool,
    counters: Arc<Counters>,
    log: ReportFn,
}

impl StreamContext {
    fn report(&self, severity: Severity, text: String) {
        (self.log)(Report { severity, text });
    }

    /// Takes what is wrong.
    fn error(&self) -> impl Fn(String) + use<'_> {
        |text| self.report(Severity::Error, text)
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

/// The driver of all that lines are written to.
pub struct StreamDestination {
    context: StreamContext,
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
    /// `suppress()`, where it is not zero.
    suppress: Option<Duration>,
    /// The time at which the number of repetitions is to be written somewhere.
    numbers_at: Option<Instant>,
    next_mark: Option<NextMark>,
    maker: Maker,
}

impl StreamDestination {
    /// A driver that has opened nothing yet. `wake` of `site` is called, by any thread, when other files need
    /// descriptors: the next flush has something to do then that it cannot know.
    pub fn new(settings: StreamSettings, site: Site) -> Self {
        let Site { counters, report: log, wake, .. } = site;
        let StreamSettings { path, line, no_multi_line, opening, options, identity, .. } = settings;
        let context = Context::new(&options, Arc::clone(&identity), TimeZoneUse::Send);
        let has_macros = path.as_literal().is_none();
        let member = has_macros.then(|| {
            let member = Member::new(&settings.descriptors);
            member.on_ask(Arc::clone(&wake));
            member
        });
        Self {
            context: StreamContext {
                line: Line {
                    format: line,
                    without_breaks: no_multi_line,
                    framing: settings.framing,
                    sizes: settings.sizes,
                },
                throttle: settings.throttle.map(Throttle::new),
                template: context,
                stage: Stage::default(),
                opening,
                wake,
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
            member,
            time_reap: (has_macros && !settings.time_reap.is_zero()).then_some(settings.time_reap),
            reap_at: None,
            suppress: Some(settings.suppress).filter(|within| !within.is_zero()),
            numbers_at: None,
            next_mark: settings.marks.map(|marks| NextMark::new(marks, Instant::now())),
            maker: Maker::new(),
        }
    }

    fn push_numbered(&mut self, delivery: Delivery, first: Numbers) {
        if delivery.view.is_empty() {
            return;
        }
        if self.context.has_macros {
            self.push_sorted(&delivery, first);
        } else {
            self.make_only_target();
            self.push_to(0, delivery, first);
        }
    }

    /// Puts messages behind those that wait for the file `id`.
    fn queue(&mut self, id: usize, delivery: Delivery, first: Numbers) {
        let Some(target) = &mut self.targets[id] else { return };
        // One that has work without messages is among them, or will be before the next flush.
        if !target.has_work() {
            self.active.push(id);
        }
        target.push(delivery, first);
    }

    /// Looks for replaced files before the next line, and tries failed ones again at the next flush.
    fn look_again(&mut self) {
        let now = Instant::now();
        for target in self.targets.iter_mut().flatten() {
            target.look_again(now);
        }
    }

    /// The driver's kind and its path: files are handed over as they are to one with the same alone.
    fn address(&self) -> (&'static str, String) {
        (self.context.opening.kind(), self.path.text().to_owned())
    }

    /// Makes the target of a path without macros, if it is not there.
    fn make_only_target(&mut self) {
        if self.targets.is_empty()
            && let Some(path) = self.path.as_literal()
        {
            let target = Target::new(path, true, Instant::now());
            self.targets.push(Some(if self.context.opening.is_eager() { target.eager() } else { target }));
        }
    }

    /// Opens the far end of a driver that has it open without messages, too, and again when it has gone.
    fn look_after_eager(&mut self) {
        if !self.context.opening.is_eager() {
            return;
        }
        self.make_only_target();
        let has_work = self.targets.first().is_some_and(|one| one.as_ref().is_some_and(Target::has_work));
        if has_work && self.active.is_empty() {
            self.active.push(0);
        }
    }

    fn flush_until(&mut self, now: Instant, deadline: Option<Instant>) {
        if self.active.is_empty() {
            return;
        }
        self.context.template.now = self.clock.now();
        let has_macros = self.context.has_macros;
        let mut active = std::mem::take(&mut self.active);
        active.retain(|id| {
            self.flush_one(*id, now, deadline);
            let Some(target) = &self.targets[*id] else { return false };
            if target.is_idle() && !target.is_open() && has_macros {
                // Nothing is kept of a path that was never a file: there may be any number of them.
                self.close_one(*id);
                return false;
            }
            target.has_work()
        });
        active.append(&mut self.active);
        self.active = active;
        if let Some(text) = self.context.template.take_complaint() {
            let text = format!("{text}; it is the first of this destination, and no other will be reported");
            self.context.report(Severity::Error, text);
        }
    }

    fn flush_one(&mut self, id: usize, now: Instant, deadline: Option<Instant>) {
        let Some(target) = self.targets[id].as_ref().filter(|target| target.is_due(now)) else { return };
        let is_open = target.is_open();
        let share = self.member.as_ref().map_or(usize::MAX, Member::share);
        loop {
            if !is_open && self.context.open >= share {
                self.close_oldest(id);
            }
            let Some(target) = &mut self.targets[id] else { return };
            match target.flush(now, deadline, &mut self.context) {
                Flushed::Done => break,
                Flushed::NoDescriptor(_) if self.close_oldest(id) => {}
                Flushed::NoDescriptor(error) => {
                    let Some(target) = &mut self.targets[id] else { return };
                    target.wait_for_descriptor(error, now, &mut self.context);
                    break;
                }
            }
        }
        self.note_use(id, now);
    }

    /// Tells how many messages were dropped for paths that cannot be written.
    fn tell_unwritable(&self) {
        if let Some(total) = self.context.unwritable.total(Instant::now()) {
            let text = format!("{total} messages for paths that cannot be written were dropped in all");
            self.context.report(Severity::Error, text);
        }
    }

    /// Gives up what waits, closes everything, and returns the number of messages that it was.
    fn abandon(&mut self, reason: DropReason) -> u64 {
        self.active.clear();
        let mut lost = 0;
        for target in self.targets.iter_mut().flatten() {
            lost += target.abandon(reason, &mut self.context);
        }
        self.targets.clear();
        self.free.clear();
        self.by_path.clear();
        self.used.clear();
        self.reap_at = None;
        lost
    }

    fn target_at(&self, path: &[u8]) -> Option<usize> {
        let known = self.by_path.get(path).copied();
        known.or_else(|| (!self.context.has_macros && !self.targets.is_empty()).then_some(0))
    }

    /// Takes files of the same address over as they are.
    fn go_on_with(&mut self, targets: Vec<Target>) {
        for mut target in targets {
            if let Some(id) = self.target_at(&target.path) {
                // It came from another one of this path before.
                target.take_back_torn(&self.context.error());
                for chunk in target.into_chunks() {
                    let (delivery, first) = chunk.into_rest();
                    self.queue(id, delivery, first);
                }
                continue;
            }
            if target.is_open()
                && let Some(text) = self.context.opening.goes_on(&target.path)
            {
                self.context.report(Severity::Warning, format!("{}: {text}", target.shown()));
            }
            target.begin_again(&self.context.wake);
            let id = self.targets.len();
            self.by_path.insert(target.path.clone(), id);
            self.active.push(id);
            self.context.count_open(false, target.is_open());
            self.targets.push(Some(target));
        }
    }

    /// Takes the messages alone.
    fn sort_again(&mut self, leftover: Box<dyn Leftover>) {
        let deliveries = leftover.into_deliveries(&self.context.error());
        for (delivery, first) in deliveries {
            self.push_numbered(delivery, first);
        }
    }
}

impl Destination for StreamDestination {
    fn push(&mut self, delivery: Delivery) {
        let (first, count) = (self.next, delivery.view.len());
        let later = first.later(count);
        // Of messages that come from elsewhere, SEQNUM is what they came with.
        let is_local = delivery.view.batch().origin().is_local;
        self.next = if is_local { later } else { Numbers { order: later.order, ..first } };
        if let Some(mark) = &mut self.next_mark {
            mark.note(is_local);
        }
        self.push_numbered(delivery, first);
    }

    fn flush(&mut self, now: Instant) {
        self.give_up_descriptors();
        self.look_after_eager();
        // A destination without these options is not slowed down by them.
        if self.numbers_at.is_some() {
            self.write_numbers(Some(now));
        }
        if self.next_mark.is_some() {
            self.write_marks(now);
        }
        self.flush_until(now, None);
        self.shed(now);
        self.reap(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let active = self.active.iter().filter_map(|id| self.targets[*id].as_ref()?.deadline());
        let first = active.chain(self.reap_at).min();
        match (self.numbers_at, &self.next_mark) {
            (None, None) => first,
            (numbers_at, mark) => {
                first.into_iter().chain(numbers_at).chain(mark.as_ref().map(|mark| mark.at)).min()
            }
        }
    }

    fn reopen(&mut self) {
        self.look_again();
        self.context.opening.read_again().into_iter().for_each(&*self.context.log);
        if self.context.opening.ends_at_reload() {
            for target in self.targets.iter_mut().flatten() {
                target.part_from(&mut self.context);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.active.iter().all(|id| self.targets[*id].as_ref().is_none_or(Target::is_idle))
    }

    fn has_something_to_leave(&self) -> bool {
        let is_open = || self.targets.iter().flatten().any(Target::is_open);
        !self.is_idle() || (self.context.opening.survives_reload() && is_open())
    }

    fn is_suspended(&self) -> bool {
        let may_stall = self.context.opening.may_stall();
        self.active.iter().any(|id| self.targets[*id].as_ref().is_some_and(|one| one.is_stuck(may_stall)))
    }

    fn waiting(&self) -> (u64, u64) {
        let waiting = self.targets.iter().flatten().map(|target| (target.waiting(), target.waiting_bytes()));
        waiting.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    }

    fn let_go_of_credit(&mut self, all: bool) -> Option<(Arc<str>, u64)> {
        let mut left =
            Uncontrolled { messages: self.context.fifo_size, bytes: super::UNHELD_BYTES, lost: None };
        let may_stall = self.context.opening.may_stall();
        let is_stuck = |target: &Target| target.is_stuck(may_stall);
        for target in self.targets.iter().flatten().filter(|target| is_stuck(target)) {
            target.count_unheld(&mut left);
        }
        for target in self.targets.iter_mut().flatten().filter(|target| is_stuck(target)) {
            target.let_go_of_credit(all, &mut left);
        }
        let (_, lost) = left.lost.as_ref()?;
        self.context.counters.count_dropped(*lost);
        left.lost
    }

    fn take_over(&mut self, left: Handover) {
        let Numbers { order, sequence } = self.next;
        self.next = Numbers { order: order.max(left.next.order), sequence: sequence.max(left.next.sequence) };
        if let Some(leftover) = left.leftover {
            match as_targets(leftover) {
                Ok(targets) if targets.address == self.address() => self.go_on_with(targets.all),
                Ok(targets) => self.sort_again(targets),
                Err(other) => self.sort_again(other),
            }
        }
        for delivery in left.deliveries {
            self.push(delivery);
        }
    }

    fn hand_over(&mut self) -> Handover {
        self.tell_unwritable();
        self.write_numbers(None);
        self.active.clear();
        self.by_path.clear();
        self.used.clear();
        self.free.clear();
        self.reap_at = None;
        let (is_eager, survives) = (self.context.opening.is_eager(), self.context.opening.survives_reload());
        let targets = self.targets.drain(..).flatten();
        let waiting = targets.filter_map(|mut target| {
            target.confirm(Instant::now(), &self.context);
            if is_eager && !survives {
                target.part_from(&mut self.context);
            } else if !target.is_torn() && !survives {
                target.close(&mut self.context);
            }
            (!target.is_idle() || target.is_open()).then_some(target)
        });
        let waiting: Vec<_> = waiting.collect();
        self.context.count_open_files(0);
        let left = Targets { address: self.address(), all: waiting };
        Handover::new(Box::new(left), self.next, &self.context.counters)
    }

    fn start_anew(&mut self, panic: &str) {
        let text = format!("fault in the engine: `{}` has failed: {panic}; it begins anew", self.path.text());
        self.context.report(Severity::Error, text);
        self.context.stage = Stage::default();
        self.abandon(DropReason::Fault);
    }

    fn give_up(&mut self) -> u64 {
        let text = format!(
            "`{}` was removed by a reload and cannot be written, and there is no place any more for what waits for it",
            self.path.text()
        );
        self.context.report(Severity::Error, text);
        self.abandon(DropReason::Removed)
    }

    fn notice(&self, text: String) {
        self.context.report(Severity::Notice, text);
    }

    fn stop(&mut self, deadline: Instant) -> u64 {
        let for_the_end = self.context.opening.stops_by(deadline);
        let deadline = deadline.checked_sub(for_the_end).unwrap_or(deadline);
        self.look_again();
        self.write_numbers(None);
        loop {
            let now = Instant::now();
            self.flush_until(now, Some(deadline));
            let waits = |id: &usize| self.targets[*id].as_ref().is_some_and(Target::is_waited_for);
            if now >= deadline || !self.active.iter().any(waits) {
                break;
            }
            std::thread::sleep(STOP_POLL.min(deadline - now));
        }
        self.tell_unwritable();
        self.abandon(DropReason::Stopped)
    }
}

impl std::fmt::Debug for StreamDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamDestination")
            .field("path", &self.path.text())
            .field("open", &self.context.open)
            .field("active", &self.active.len())
            .finish_non_exhaustive()
    }
}
