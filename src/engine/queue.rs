//! The way to a destination: [`Queue`].
//!
//! Here the rules of flow control are applied, batch by batch:
//!
//! * on a path with flow control a delivery keeps its credit until it is written, and is never dropped;
//! * on a path without, it keeps none. At most `log-fifo-size()` such messages wait, and no more than
//!   about [`UNHELD_BYTES`] of them: the newest beyond are dropped, and counted;
//! * some destinations, as those that write files, are softly flow controlled: while they can write, every
//!   path to them is. What came before one said that it cannot write has its credit then; the destination
//!   lets go of it, and drops the newest beyond the same bounds;
//! * drops are told when they begin, while they go on and when they end ([`FullQueue`]).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::destination::drops::{Drops, News};
use crate::destination::{Counters, Report, ReportFn, Severity, UNHELD_BYTES};
use crate::flow::{Ack, Delivery, DropReason, Sender};
use crate::message::{Pool, Selection};

/// The sending side of a destination.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    inbox: Sender<Delivery>,
    counters: Arc<Counters>,
    shared: Arc<OutputState>,
    full: Arc<FullQueue>,
    is_soft: bool,
    /// The pool of what is copied out.
    pool: Arc<Pool>,
}

/// The drops of a queue of at most `log-fifo-size()` messages, as the log is told.
pub(crate) struct FullQueue {
    fifo_size: u64,
    drops: Drops,
    report: ReportFn,
}

impl std::fmt::Debug for FullQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FullQueue").field("fifo_size", &self.fifo_size).finish_non_exhaustive()
    }
}

impl FullQueue {
    /// Tells `report` of what a queue of this size drops.
    pub(crate) fn new(fifo_size: u64, report: ReportFn) -> Self {
        Self { fifo_size, drops: Drops::default(), report }
    }

    /// Notes that messages of `source` were dropped.
    #[cold]
    pub(crate) fn note(&self, source: &str, messages: u64) {
        let text = match self.drops.note(messages, Instant::now()) {
            None => return,
            Some(News::Began) => format!(
                "dropping the newest messages of {source}, whose path has no flow control: the queue is full (log-fifo-size({}), {} MiB)",
                self.fifo_size,
                UNHELD_BYTES >> 20
            ),
            Some(News::GoesOn { lately, total }) => {
                format!(
                    "still dropping the newest messages, as the queue is full: {lately} more, {total} in all"
                )
            }
        };
        (self.report)(Report { severity: Severity::Error, text });
    }

    /// Notes that the destination writes again, or has ended.
    pub(crate) fn end(&self) {
        if let Some((total, time)) = self.drops.end(Instant::now()) {
            let text = format!(
                "{total} messages were dropped in {:.1} s, as the queue was full",
                time.as_secs_f64()
            );
            (self.report)(Report { severity: Severity::Notice, text });
        }
    }
}

/// The state that both sides of a destination's queue look at.
#[derive(Debug, Default)]
pub(crate) struct OutputState {
    /// True when the destination cannot write at present.
    pub suspended: AtomicBool,
    /// The number of messages that wait, of a destination that retires and cannot write; its counters may be
    /// another's, too.
    pub waiting: AtomicU64,
    /// About how many bytes they have.
    pub waiting_bytes: AtomicU64,
    /// The destination's last error.
    pub last_error: Mutex<Option<Arc<str>>>,
}

impl OutputState {
    /// Says how much waits.
    pub(crate) fn set_waiting(&self, messages: u64, bytes: u64) {
        self.waiting.store(messages, Ordering::Relaxed);
        self.waiting_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// The requests of others to a destination's thread; a setter wakes it ([`Queue::wake`]).
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// Open the files anew.
    pub reopen: AtomicBool,
    /// Write what is there, however long it takes, then end.
    pub retire: AtomicBool,
    /// With `retire`: drop what is there, and end.
    pub give_up: AtomicBool,
    /// Write what is there as far as time allows, then end.
    pub stop: AtomicBool,
    /// The milliseconds that the end may take.
    pub stop_within_ms: AtomicU64,
}

impl Queue {
    /// A queue into `inbox`, of at most so many messages without credit as `full` says. With `is_soft` its
    /// sources wait for it on every path while it can write.
    pub(crate) fn new(
        inbox: Sender<Delivery>,
        counters: Arc<Counters>,
        shared: Arc<OutputState>,
        full: Arc<FullQueue>,
        is_soft: bool,
        pool: &Arc<Pool>,
    ) -> Self {
        Self { inbox, counters, shared, full, is_soft, pool: Arc::clone(pool) }
    }

    /// The reporter of its drops.
    pub(crate) fn full(&self) -> &FullQueue {
        &self.full
    }

    /// Tells whether messages of a path with this flow control hold their credit until they are written.
    #[inline]
    pub(crate) fn holds(&self, flow_control: bool) -> bool {
        flow_control || (self.is_soft && !self.shared.suspended.load(Ordering::Relaxed))
    }

    /// Sends `view` on. With an `ack` that holds credit, as [`Queue::holds`] has it, it is never dropped;
    /// without, it finds a place or the newest of it is dropped.
    pub(crate) fn push(&self, view: Selection, ack: Ack, flow_control: bool) {
        if ack.holds_credit() {
            self.counters.queued.fetch_add(view.len() as u64, Ordering::Relaxed);
            self.inbox.send(Delivery { view, ack, flow_control });
            return;
        }
        let view = self.fitting(view, &ack);
        self.counters.queued.fetch_add(view.len() as u64, Ordering::Relaxed);
        if view.is_narrow() {
            for (view, of) in view.copied_out(&self.pool) {
                let ack = of.map_or_else(|| ack.clone(), |of| ack.of_copies(of));
                self.inbox.send(Delivery { view, ack, flow_control });
            }
        } else if !view.is_empty() {
            self.inbox.send(Delivery { view, ack, flow_control });
        }
    }

    /// Takes what another destination was refused for good. What holds credit keeps it; of the rest the newest
    /// that finds no place is dropped.
    pub(crate) fn push_refused(&self, delivery: Delivery) {
        let Delivery { view, ack, .. } = delivery;
        let view = if ack.holds_credit() { view } else { self.fitting(view, &ack) };
        if !view.is_empty() {
            self.counters.queued.fetch_add(view.len() as u64, Ordering::Relaxed);
            self.inbox.send(Delivery { view, ack, flow_control: true });
        }
    }

    /// The part of `view`, which holds no credit, for which there is a place; the rest is dropped.
    fn fitting(&self, view: Selection, ack: &Ack) -> Selection {
        // What waits already is taken to be as large as what comes.
        let most = self.full.fifo_size.min(UNHELD_BYTES / view.bytes_each());
        let room = most.saturating_sub(self.counters.queued.load(Ordering::Relaxed)) as usize;
        if view.len() > room { self.drop_newest(&view, room, ack) } else { view }
    }

    fn drop_newest(&self, view: &Selection, room: usize, ack: &Ack) -> Selection {
        let kept = view.rows().first(room);
        let lost = view.rows().after(room);
        ack.drop_rows(&lost, DropReason::QueueFull);
        self.counters.count_refused(lost.len() as u64);
        self.full.note(&view.batch().origin().source, lost.len() as u64);
        view.with_rows(kept)
    }

    /// Brings the destination's thread to look at what it is asked.
    pub(crate) fn wake(&self) {
        self.inbox.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::flow::{Credit, Inbox, SourceCounters};
    use crate::message::{Need, Origin, Rows, Writer};

    /// Breaks without it: a source waits for a destination that drops what it cannot send, on a path without
    /// flow control, or does not wait for a file that can be written.
    #[test]
    fn a_path_without_flow_control_holds_credit_where_the_destination_is_soft() {
        for (is_soft, is_suspended, flow_control, is_held) in [
            (true, false, false, true),
            (true, true, false, false),
            (false, false, false, false),
            (false, false, true, true),
            (false, true, true, true),
        ] {
            let (mut inbox, shared) = (Inbox::new(), Arc::<OutputState>::default());
            shared.suspended.store(is_suspended, Ordering::Relaxed);
            let full = Arc::new(FullQueue::new(7, Arc::new(|report| panic!("{report}"))));
            let pool = Arc::new(Pool::new());
            let queue = Queue::new(inbox.sender(), Arc::default(), shared, full, is_soft, &pool);
            let need = Need { bytes: 64, ..Need::default() };
            let mut writer = Writer::open(&Arc::new(Origin::named("s_door")), &Arc::new(Pool::new()), need);
            let mut row = writer.row(need).unwrap();
            row.payload_copy(b"open");
            row.publish();
            let credit = Arc::new(Credit::new(10, 1000));
            assert_eq!(credit.try_take(1, 0), 1);
            let ack = Ack::new(&credit, &Arc::default(), 1, 0);
            let own = if queue.holds(flow_control) { ack.clone() } else { ack.without_credit() };
            queue.push(Selection::all(Arc::new(writer.finish())), own, flow_control);
            drop(ack);
            let delivery = inbox.try_recv().unwrap();
            assert_eq!(delivery.ack.holds_credit(), is_held, "{is_soft} {is_suspended} {flow_control}");
            assert_eq!(credit.free_messages() == 9, is_held);
        }
    }

    /// Breaks without it: a few messages without credit keep the memory of all that came with them, or one that
    /// is dropped then is taken for another.
    #[test]
    fn a_narrow_selection_without_credit_is_copied_out() {
        let (pool, mut inbox) = (Arc::new(Pool::new()), Inbox::new());
        let full = Arc::new(FullQueue::new(7, Arc::new(|report| panic!("{report}"))));
        let queue = Queue::new(inbox.sender(), Arc::default(), Arc::default(), full, false, &pool);
        let need = Need { bytes: 64, ..Need::default() };
        let mut writer = Writer::open(&Arc::new(Origin::named("s_door")), &pool, need);
        for text in ["a", "b", "c", "d", "e"] {
            let mut row = writer.row(need).unwrap();
            row.payload_copy(text.as_bytes());
            row.publish();
        }
        let (credit, counters) = (Arc::new(Credit::new(10, 1000)), Arc::<SourceCounters>::default());
        credit.try_take(5, 0);
        let (all, ack) = (Selection::all(Arc::new(writer.finish())), Ack::new(&credit, &counters, 5, 0));
        queue.push(all.with_rows(Rows::from(vec![1, 4])), ack.without_credit(), false);
        assert_eq!(Arc::strong_count(all.batch()), 1, "the batch is kept");
        let delivery = inbox.try_recv().unwrap();
        let texts: Vec<_> = delivery.view.messages().map(|message| message.text().to_vec()).collect();
        assert_eq!(texts, [b"b", b"e"]);
        // Of the two, the second is lost; it is also one that somebody else has lost.
        delivery.ack.drop_rows(&Rows::Range(1..2), DropReason::QueueFull);
        delivery.ack.without_credit().drop_rows(&Rows::Range(1..2), DropReason::QueueFull);
        ack.drop_rows(&Rows::Range(4..5), DropReason::QueueFull);
        drop((delivery, ack));
        let totals = counters.totals();
        assert_eq!((totals.delivered, totals.dropped.iter().sum::<u64>()), (4, 1));
        // Three of five are as they are.
        let ack = Ack::new(&credit, &counters, 5, 0);
        credit.try_take(5, 0);
        queue.push(all.with_rows(Rows::Range(0..3)), ack.without_credit(), false);
        assert_eq!(Arc::strong_count(all.batch()), 2);
    }

    /// Breaks without it: messages are dropped and nobody is told, or a line is written for each batch of
    /// them.
    #[test]
    fn a_full_queue_tells_of_its_drops() {
        let reports: Arc<Mutex<Vec<Report>>> = Arc::default();
        let log = Arc::clone(&reports);
        let full = FullQueue::new(7, Arc::new(move |report| log.lock().unwrap().push(report)));
        full.end();
        for _ in 0..100 {
            full.note("s_door", 3);
        }
        full.end();
        full.end();
        let reports = reports.lock().unwrap();
        let texts: Vec<_> = reports.iter().map(|report| (report.severity, report.text.as_str())).collect();
        let begins = "dropping the newest messages of s_door, whose path has no flow control: \
                      the queue is full (log-fifo-size(7), 64 MiB)";
        assert_eq!(texts[0], (Severity::Error, begins));
        assert_eq!(texts[1].0, Severity::Notice);
        assert!(texts[1].1.starts_with("300 messages were dropped in ") && texts.len() == 2, "{texts:?}");
    }
}
