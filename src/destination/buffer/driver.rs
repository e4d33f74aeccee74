//! The destination before a destination: [`BufferedDestination`].

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::BufferSettings;
use super::committer::{Committer, News};
use super::ledger::{Front, Ledger, delivery};
use crate::destination::{Destination, Handover, Report, Severity, Site, UNHELD_BYTES};
use crate::disk::{Read, Reader, Recovery, Settings, Store, SystemDisk};
use crate::flow::unshared::Unshared;
use crate::flow::{Delivery, DropReason, Lent, LentAccount};
use crate::message::encoded::Decoder;
use crate::message::{Pool, Rows, Selection};

/// The time between two attempts to open the buffer, and to read a place that cannot be read.
const AGAIN: Duration = Duration::from_secs(5);
/// The time that something which is on its way may take, before it is left to whoever comes next.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// The least time for the last write of all.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The parts of a buffer that is open.
struct Opened {
    committer: Committer,
    reader: Reader<SystemDisk>,
    decoder: Decoder,
    /// The bytes that were read last.
    bytes: Vec<u8>,
}

/// A destination behind a buffer; see [`super`].
pub(super) struct BufferedDestination {
    inner: Box<dyn Destination>,
    settings: BufferSettings,
    site: Site,
    account: LentAccount,
    pool: Arc<Pool>,
    ledger: Ledger,
    opened: Option<Opened>,
    /// The time of the next attempt to open it, or to read.
    again_at: Option<Instant>,
    /// Entries that the destination was done with, or gave back.
    ended: Arc<AtomicU64>,
    /// Those of them that the committer was told of.
    told: u64,
    /// The destination's thread.
    thread: Arc<OnceLock<ThreadId>>,
    on_done: Arc<dyn Fn() + Send + Sync>,
    /// The committer cannot write.
    is_troubled: bool,
    /// The buffer could not be opened or read, which was said.
    is_told: bool,
    /// The time by which it leaves what it has to its heir.
    leaves_by: Option<Instant>,
}

impl BufferedDestination {
    /// One that has opened nothing yet.
    pub(super) fn new(inner: Box<dyn Destination>, settings: BufferSettings, site: Site) -> Self {
        let (ended, thread) = (Arc::<AtomicU64>::default(), Arc::<OnceLock<ThreadId>>::default());
        let (count, own, wake) = (Arc::clone(&ended), Arc::clone(&thread), Arc::clone(&site.wake));
        let on_done = move || {
            count.fetch_add(1, Ordering::Release);
            // Most of them end on the destination's own thread, which looks after each flush.
            if own.get() != Some(&std::thread::current().id()) {
                wake();
            }
        };
        Self {
            inner,
            account: LentAccount::default(),
            pool: Arc::new(Pool::new()),
            ledger: Ledger::default(),
            opened: None,
            again_at: None,
            ended,
            told: 0,
            thread,
            on_done: Arc::new(on_done),
            is_troubled: false,
            is_told: false,
            leaves_by: None,
            settings,
            site,
        }
    }

    fn report(&self, severity: Severity, text: String) {
        (self.site.report)(Report { severity, text });
    }

    fn front(&self) -> Front {
        Front { messages: self.settings.front, bytes: UNHELD_BYTES }
    }

    /// Opens the buffer, unless it is open, or was tried just now.
    fn open(&mut self, now: Instant) -> bool {
        if self.opened.is_some() {
            return true;
        }
        if self.again_at.is_some_and(|at| at > now) {
            return false;
        }
        let _ = self.thread.set(std::thread::current().id());
        match self.try_open() {
            Ok(opened) => {
                if std::mem::take(&mut self.is_told) {
                    self.report(Severity::Notice, "the disk buffer is open".to_owned());
                }
                (self.opened, self.again_at) = (Some(opened), None);
                true
            }
            Err(text) => {
                if !std::mem::replace(&mut self.is_told, true) {
                    let text =
                        format!("cannot open the disk buffer: {text}; tried every {} s", AGAIN.as_secs());
                    self.report(Severity::Error, text);
                }
                self.again_at = Some(now + AGAIN);
                false
            }
        }
    }

    fn try_open(&mut self) -> Result<Opened, String> {
        let BufferSettings { name, dir, capacity, reliable, .. } = self.settings.clone();
        let dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir };
        let name_of_thread = name.clone();
        let settings = Settings { dir, name, capacity, segment_size: 0, skip_unreadable: false };
        let (store, reader, found) =
            Store::open(Arc::new(SystemDisk), settings).map_err(|error| error.to_string())?;
        let usage = store.usage();
        let counters = &self.site.counters.buffer;
        let lock = Unshared::new(store.lock_file());
        let committer = Committer::start((store, lock), reliable, counters, &self.site.wake, &name_of_thread)
            .map_err(|error| format!("no thread: {error}"))?;
        self.told_of_recovery(&found, usage.messages);
        // Before it was open nothing was submitted.
        self.ledger.begin(found.progress.below()..found.next);
        self.site.counters.queued.fetch_add(usage.messages, Ordering::Relaxed);
        let decoder = Decoder::new(&self.pool);
        Ok(Opened { committer, reader, decoder, bytes: Vec::new() })
    }

    fn told_of_recovery(&self, found: &Recovery, messages: u64) {
        if messages > 0 {
            let text = format!("{messages} messages are in the disk buffer, and go first");
            self.report(Severity::Notice, text);
        }
        if let Some(torn) = &found.torn {
            self.report(Severity::Notice, torn.to_string());
        }
        for damaged in &found.damaged {
            self.report(Severity::Error, format!("the disk buffer is damaged: {damaged}"));
        }
    }

    /// Takes what the committer has to say.
    fn take_news(&mut self) {
        let Some(opened) = &self.opened else { return };
        for news in opened.committer.news() {
            match news {
                News::Written(id) => self.ledger.written(id),
                News::Committed(id, numbers) => self.ledger.committed(id, numbers),
                News::Trouble { is_full, text } => {
                    self.is_troubled = true;
                    let text = if is_full {
                        format!(
                            "{text} ({} bytes): it takes no more until the destination takes some",
                            self.settings.capacity
                        )
                    } else {
                        format!(
                            "cannot write the disk buffer: {text}; what comes is held back, and it is tried again"
                        )
                    };
                    self.report(Severity::Error, text);
                }
                News::Well => {
                    self.is_troubled = false;
                    self.report(Severity::Notice, "the disk buffer takes messages again".to_owned());
                }
            }
        }
    }

    /// Gives the destination what it has room for; false when there was nothing.
    fn feed(&mut self, now: Instant) -> bool {
        let mut is_fed = false;
        while !self.ledger.is_front_full(self.front()) {
            if self.ledger.to_read().is_some() {
                if self.again_at.is_some_and(|at| at > now) || !self.read(now) {
                    break;
                }
            } else if let Some((view, lent)) = self.ledger.give_waiting() {
                self.inner.push(delivery(view, &lent, &self.account));
            } else {
                break;
            }
            is_fed = true;
        }
        is_fed
    }

    /// Gives the destination the next messages of the disk; false when there are none that can be read now.
    fn read(&mut self, now: Instant) -> bool {
        let (Some(opened), Some(from)) = (&mut self.opened, self.ledger.to_read()) else { return false };
        match opened.reader.next(from, &mut opened.bytes) {
            // Just written, and in memory, too: the rest of what is only on the disk is done.
            Ok(Read::Entry { messages, .. }) if messages.start >= self.ledger.stored_end() => {
                self.ledger.skip_to(u64::MAX);
            }
            Ok(Read::Entry { messages, done, .. }) => match opened.decoder.decode(&opened.bytes) {
                Ok(views) => self.give_read(from, &messages, &done, views),
                Err(error) => self.lose(from, messages.end, &error.to_string()),
            },
            Ok(Read::Lost(damaged)) => {
                let end = damaged.messages.end;
                self.lose(from, end, &damaged.to_string());
            }
            // The rest is done.
            Ok(Read::End) => drop(self.ledger.skip_to(u64::MAX)),
            Err(error) => {
                self.report(Severity::Error, format!("cannot read the disk buffer: {error}"));
                self.again_at = Some(now + AGAIN);
                return false;
            }
        }
        true
    }

    /// Gives the destination `views`, which have the numbers `messages`, from the number `from` on; without
    /// those that are `done`.
    fn give_read(&mut self, from: u64, messages: &Range<u64>, done: &[Range<u64>], views: Vec<Selection>) {
        let rows: u64 = views.iter().map(|view| view.len() as u64).sum();
        if rows != messages.end - messages.start {
            let text = format!("{rows} messages where {} should be", messages.end - messages.start);
            return self.lose(from, messages.end, &text);
        }
        let mut first = messages.start;
        for mut view in views {
            let numbers = first..first + view.len() as u64;
            first = numbers.end;
            let is_open = |row: &u32| {
                let number = numbers.start + u64::from(*row);
                number >= from && !done.iter().any(|done| done.contains(&number))
            };
            if numbers.start < from || !done.is_empty() {
                view.set_rows(Rows::from(view.rows().iter().filter(is_open).collect::<Vec<u32>>()));
            }
            let lent = Lent::new(None, &self.on_done);
            self.ledger.give_read(numbers, &view, Arc::clone(&lent));
            if !view.is_empty() {
                self.inner.push(delivery(view, &lent, &self.account));
            }
        }
        self.ledger.skip_to(messages.end);
    }

    /// Goes on behind the messages from number `from` to `end`, which are lost.
    fn lose(&mut self, from: u64, end: u64, why: &str) {
        let lost = self.ledger.skip_to(end.max(from + 1));
        self.site.counters.count_dropped(lost);
        self.site.counters.buffer.lost.fetch_add(lost, Ordering::Relaxed);
        self.report(Severity::Error, format!("{lost} messages of the disk buffer are lost: {why}"));
    }

    /// Forgets what the destination is done with.
    fn reap(&mut self) {
        self.ledger.reap(self.ended.load(Ordering::Acquire));
    }

    /// Submits what is not done, and says what is.
    fn submit(&mut self) {
        let Some(opened) = &self.opened else { return };
        let jobs = self.ledger.submit();
        let ended = self.ended.load(Ordering::Acquire);
        let progress = (ended != self.told && self.ledger.has_numbers()).then(|| self.ledger.done());
        self.told = ended;
        if !jobs.is_empty() || progress.is_some() {
            opened.committer.order(jobs, progress);
        }
    }

    /// Takes all messages back from the destination, which closes everything.
    fn take_back(&mut self) {
        let left = self.inner.hand_over();
        let report = |text| (self.site.report)(Report { severity: Severity::Error, text });
        let begun = left.leftover.map(|leftover| leftover.into_deliveries(&report)).unwrap_or_default();
        for delivery in begun.into_iter().map(|(delivery, _)| delivery).chain(left.deliveries) {
            delivery.ack.drop_rows(delivery.view.rows(), DropReason::Stopped);
        }
        self.reap();
    }

    /// Has everything written until `deadline`, and closes the buffer; how many messages are in it then.
    fn close(&mut self, deadline: Instant) -> u64 {
        self.submit();
        if let Some(opened) = &self.opened {
            opened.committer.settle(deadline);
        }
        // What is on the disk now has numbers, and some of it may be done.
        self.take_news();
        if let Some(opened) = self.opened.as_ref().filter(|_| self.ledger.has_numbers()) {
            opened.committer.order(Vec::new(), Some(self.ledger.done()));
        }
        let is_over = self.opened.as_mut().is_none_or(|opened| opened.committer.end(deadline));
        self.take_news();
        if !is_over {
            self.report(Severity::Error, "the disk buffer waits for its disk, and is left".to_owned());
        }
        self.opened = None;
        self.site.counters.buffer.close()
    }

    /// Drops what is neither delivered nor on the disk; how many messages that is. Those of them that the
    /// destination had are counted already, if `are_counted`.
    fn drop_unsafe(&mut self, reason: DropReason, are_counted: bool) -> u64 {
        let (mut lost, mut uncounted) = (0, 0);
        for entry in self.ledger.unsafe_entries() {
            let (rows, is_given) = (entry.left(), entry.is_given);
            entry.lent.with_original(|ack| ack.drop_rows(&rows, reason));
            drop(entry.lent.take_original());
            lost += rows.len() as u64;
            uncounted += if is_given && are_counted { 0 } else { rows.len() as u64 };
        }
        self.site.counters.count_dropped(uncounted);
        self.ledger.clear_unsafe();
        lost
    }

    /// The places of its messages, for a test that fails.
    #[cfg(test)]
    pub(super) fn state(&self) -> String {
        format!("{:?} {:?} {:?}", self.ledger, self.site.counters, self.opened.is_some())
    }
}

impl Destination for BufferedDestination {
    fn push(&mut self, delivery: Delivery) {
        if delivery.view.is_empty() {
            return;
        }
        let Delivery { view, ack, flow_control } = delivery;
        let lent = Lent::new(Some(ack), &self.on_done);
        self.ledger.push(view, lent, flow_control);
    }

    fn flush(&mut self, now: Instant) {
        if !self.open(now) {
            return;
        }
        self.take_news();
        self.reap();
        loop {
            let is_fed = self.leaves_by.is_none() && self.feed(now);
            self.inner.flush(now);
            let before = self.ledger.given();
            self.reap();
            // As long as it takes all, it gets more.
            if !is_fed || self.ledger.given() == before {
                break;
            }
        }
        self.submit();
        let is_away = u64::from(self.inner.is_suspended());
        self.site.counters.buffer.away.store(is_away, Ordering::Relaxed);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let own = self.leaves_by.or(self.again_at);
        [self.inner.next_deadline(), own].into_iter().flatten().min()
    }

    fn reopen(&mut self) {
        self.again_at = None;
        self.inner.reopen();
    }

    fn is_idle(&self) -> bool {
        self.ledger.is_empty() && self.inner.is_idle()
    }

    fn is_suspended(&self) -> bool {
        self.opened.is_none() || (self.is_troubled && self.inner.is_suspended())
    }

    fn waiting(&self) -> (u64, u64) {
        self.ledger.waiting()
    }

    fn let_go_of_credit(&mut self, all: bool) -> Option<(Arc<str>, u64)> {
        // What comes after them without credit finds no place: the queue counts what is on the disk.
        for entry in self.ledger.unsafe_entries() {
            let flow_control = entry.flow_control;
            entry.lent.with_original(|ack| {
                if !flow_control || (all && !ack.is_tracked()) {
                    ack.let_go_of_credit();
                }
            });
        }
        None
    }

    fn take_over(&mut self, left: Handover) {
        let report = Arc::clone(&self.site.report);
        let said = |text| report(Report { severity: Severity::Error, text });
        let begun = left.leftover.map(|leftover| leftover.into_deliveries(&said)).unwrap_or_default();
        for delivery in begun.into_iter().map(|(delivery, _)| delivery).chain(left.deliveries) {
            self.push(delivery);
        }
    }

    fn prepares_to_leave(&mut self, now: Instant) -> bool {
        let by = *self.leaves_by.get_or_insert_with(|| now + LEAVE_WITHIN);
        self.take_news();
        self.reap();
        let is_ready = self.inner.prepares_to_leave(now);
        self.reap();
        self.submit();
        now >= by || (is_ready && self.ledger.is_safe())
    }

    fn hand_over(&mut self) -> Handover {
        self.take_back();
        let stored = self.close(Instant::now() + LAST_WRITE);
        // From now on they are whoever's who opens the buffer next.
        self.site.counters.queued.fetch_sub(stored, Ordering::Relaxed);
        if stored > 0 {
            let text = format!("{stored} messages stay in the disk buffer called {}", self.settings.name);
            self.report(Severity::Notice, text);
        }
        let left = self.ledger.take_unsafe();
        Handover::unsorted(left, &self.site.counters)
    }

    fn start_anew(&mut self, panic: &str) {
        self.inner.start_anew(panic);
        self.reap();
    }

    fn give_up(&mut self) -> u64 {
        self.take_back();
        let stored = self.close(Instant::now() + LAST_WRITE);
        self.site.counters.queued.fetch_sub(stored, Ordering::Relaxed);
        self.drop_unsafe(DropReason::Removed, false)
    }

    fn notice(&self, text: String) {
        self.inner.notice(text);
    }

    fn stop(&mut self, deadline: Instant) -> u64 {
        let now = Instant::now();
        if self.open(now) {
            // On the disk first, whatever the destination does with its time.
            self.take_news();
            self.reap();
            self.submit();
        }
        let is_away = self.inner.is_suspended();
        if is_away {
            self.inner.flush(now);
            self.take_back();
        } else {
            let fewer = deadline.checked_sub(deadline.saturating_duration_since(now) / 4).unwrap_or(deadline);
            self.inner.stop(fewer);
            self.reap();
        }
        let stored = self.close(deadline.max(Instant::now() + LAST_WRITE));
        if !is_away {
            // The destination has counted what it gave back as dropped, and it is on the disk.
            let back = self.ledger.given_back();
            self.site.counters.dropped.fetch_sub(back, Ordering::Relaxed);
            self.site.counters.queued.fetch_add(back, Ordering::Relaxed);
        }
        if stored > 0 {
            let text =
                format!("{stored} messages stay in the disk buffer, and go first after the next start");
            self.report(Severity::Notice, text);
        }
        let lost = self.drop_unsafe(DropReason::Stopped, !is_away);
        if lost > 0 {
            let text = format!(
                "{lost} messages could be neither sent nor written to the disk buffer before the stop, and are dropped"
            );
            self.report(Severity::Error, text);
        }
        lost
    }
}

impl std::fmt::Debug for BufferedDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BufferedDestination").field("settings", &self.settings).finish_non_exhaustive()
    }
}
