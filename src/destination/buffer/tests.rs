use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::destination::{Counters, Destination, Handover, Rejects, Report};
use crate::flow::{Ack, Credit, Delivery, DropReason, SourceCounters};
use crate::message::{Need, Origin, Pool, Rows, Selection, Writer};

/// The far end of a destination that is tested.
#[derive(Default)]
struct FarEnd {
    is_away: AtomicBool,
    /// It takes messages in another order than they come.
    is_mixed: AtomicBool,
    arrived: Mutex<Vec<String>>,
}

/// A destination that takes a message at a time.
struct Taker {
    far: Arc<FarEnd>,
    counters: Arc<Counters>,
    waiting: VecDeque<Delivery>,
}

impl Taker {
    fn take(&mut self, at: usize) {
        let Some(delivery) = self.waiting.remove(at) else { return };
        let texts =
            delivery.view.messages().map(|message| String::from_utf8(message.text().to_vec()).unwrap());
        self.far.arrived.lock().unwrap().extend(texts);
        self.counters.count_delivered(delivery.view.len() as u64);
    }
}

impl Destination for Taker {
    fn push(&mut self, delivery: Delivery) {
        self.waiting.push_back(delivery);
    }

    fn flush(&mut self, _: Instant) {
        if self.far.is_mixed.load(Ordering::Relaxed) {
            // Every second one, and the rest stays.
            for at in (0..self.waiting.len()).rev().step_by(2) {
                self.take(at);
            }
        }
        while !self.waiting.is_empty() && !self.far.is_away.load(Ordering::Relaxed) {
            self.take(0);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn reopen(&mut self) {}

    fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    fn is_suspended(&self) -> bool {
        self.far.is_away.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> (u64, u64) {
        (self.waiting.len() as u64, 0)
    }

    fn let_go_of_credit(&mut self, _: bool) -> Option<(Arc<str>, u64)> {
        unreachable!("a buffer is asked")
    }

    fn take_over(&mut self, _: Handover) {
        unreachable!("a buffer takes over")
    }

    fn hand_over(&mut self) -> Handover {
        Handover::unsorted(self.waiting.drain(..).collect(), &self.counters)
    }

    fn start_anew(&mut self, _: &str) {
        for delivery in self.waiting.drain(..) {
            delivery.ack.drop_rows(delivery.view.rows(), DropReason::Fault);
            self.counters.count_dropped(delivery.view.len() as u64);
        }
    }

    fn give_up(&mut self) -> u64 {
        unreachable!("a buffer takes back what it gave")
    }

    fn notice(&self, _: String) {}

    fn stop(&mut self, _: Instant) -> u64 {
        self.flush(Instant::now());
        let mut lost = 0;
        for delivery in self.waiting.drain(..) {
            delivery.ack.drop_rows(delivery.view.rows(), DropReason::Stopped);
            lost += delivery.view.len() as u64;
        }
        self.counters.count_dropped(lost);
        lost
    }
}

/// A source, and a destination behind a buffer.
struct Setup {
    dir: tempfile::TempDir,
    far: Arc<FarEnd>,
    settings: BufferSettings,
    counters: Arc<Counters>,
    credit: Arc<Credit>,
    totals: Arc<SourceCounters>,
    pool: Arc<Pool>,
    reports: Arc<Mutex<Vec<String>>>,
    posted: u64,
}

const WINDOW: u32 = 100_000;

impl Setup {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = BufferSettings {
            name: "d_test#0".to_owned(),
            dir: dir.path().join("buffers"),
            capacity: 4 << 20,
            reliable: true,
            front: 1000,
        };
        Self {
            dir,
            far: Arc::default(),
            settings,
            counters: Arc::default(),
            credit: Arc::new(Credit::new(WINDOW, 1 << 40)),
            totals: Arc::default(),
            pool: Arc::new(Pool::new()),
            reports: Arc::default(),
            posted: 0,
        }
    }

    fn open(&self) -> BufferedDestination {
        let (reports, counters) = (Arc::clone(&self.reports), Arc::clone(&self.counters));
        let report = move |report: Report| reports.lock().unwrap().push(report.text);
        let inner = Taker { far: Arc::clone(&self.far), counters, waiting: VecDeque::new() };
        let site = Site {
            counters: Arc::clone(&self.counters),
            report: Arc::new(report),
            rejects: Rejects::default(),
            wake: Arc::new(|| ()),
        };
        BufferedDestination::new(Box::new(inner), self.settings.clone(), site)
    }

    /// A delivery of the next `count` messages, each of about `bytes` bytes.
    fn next(&mut self, count: u64, bytes: usize, flow_control: bool) -> Delivery {
        let need = Need { bytes: bytes + 20, ..Need::default() };
        let mut writer = Writer::open(&Arc::new(Origin::named("s")), &self.pool, need);
        for number in self.posted..self.posted + count {
            let mut row = writer.row(need).unwrap();
            row.payload_copy(format!("{number:07}{:x<bytes$}", "").as_bytes());
            row.publish();
        }
        self.posted += count;
        assert_eq!(self.credit.try_take(count as u32, 0), count as u32);
        let view = Selection::all(Arc::new(writer.finish()));
        self.counters.queued.fetch_add(count, Ordering::Relaxed);
        Delivery { view, ack: Ack::new(&self.credit, &self.totals, count as u32, 0), flow_control }
    }

    fn is_away(&self, away: bool) {
        self.far.is_away.store(away, Ordering::Relaxed);
    }

    fn arrived(&self) -> Vec<u64> {
        self.far.arrived.lock().unwrap().iter().map(|text| text[..7].parse().unwrap()).collect()
    }

    fn free(&self) -> i64 {
        self.credit.free_messages()
    }

    fn said(&self, part: &str) -> bool {
        self.reports.lock().unwrap().iter().any(|text| text.contains(part))
    }

    fn count(&self, counter: impl Fn(&Counters) -> u64) -> u64 {
        counter(&self.counters)
    }

    fn files(&self) -> u64 {
        let all = std::fs::read_dir(self.dir.path().join("buffers")).unwrap();
        all.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "buffer"))
            .count() as u64
    }
}

/// Flushes until `is_so`, which others bring about.
fn flush_until(buffer: &mut BufferedDestination, is_so: impl Fn(&BufferedDestination) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        buffer.flush(Instant::now());
        if is_so(buffer) {
            return;
        }
        assert!(Instant::now() < end, "does not come about: {buffer:?} {:?}", buffer.state());
        thread::sleep(Duration::from_millis(1));
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn queued(counters: &Counters) -> u64 {
    counters.queued.load(Ordering::Relaxed)
}

fn dropped(counters: &Counters) -> u64 {
    counters.dropped.load(Ordering::Relaxed)
}

/// Breaks without it: a destination that takes everything at once pays for a disk that it does not need.
#[test]
fn what_is_delivered_at_once_never_goes_to_the_disk() {
    let mut setup = Setup::new();
    let mut buffer = setup.open();
    for _ in 0..50 {
        buffer.push(setup.next(10, 100, true));
        buffer.flush(Instant::now());
    }
    assert_eq!(setup.arrived(), (0..500).collect::<Vec<_>>());
    assert_eq!((setup.free(), buffer.is_idle()), (i64::from(WINDOW), true));
    assert_eq!(setup.totals.totals().delivered, 500);
    assert_eq!(buffer.stop(soon()), 0);
    assert_eq!(setup.files(), 0, "no segment was made");
}

/// Breaks without it: a source waits for a destination that is away although its messages are on the disk, or
/// goes on before they are.
#[test]
fn a_destination_that_is_away_holds_nobody_back() {
    let mut setup = Setup::new();
    setup.is_away(true);
    let mut buffer = setup.open();
    for round in 0..30 {
        buffer.push(setup.next(100, 300, round % 2 == 0));
    }
    assert_eq!(setup.free(), i64::from(WINDOW) - 3000, "nothing is on the disk yet");
    flush_until(&mut buffer, |_| setup.free() == i64::from(WINDOW));
    assert!(!buffer.is_suspended());
    assert_eq!(setup.totals.totals().delivered, 3000, "acknowledged: on the disk");
    assert_eq!(setup.count(queued), 3000);
    setup.is_away(false);
    flush_until(&mut buffer, Destination::is_idle);
    assert_eq!(setup.arrived(), (0..3000).collect::<Vec<_>>());
    assert_eq!((setup.count(queued), setup.count(dropped)), (0, 0));
    buffer.stop(soon());
}

/// Breaks without it: what was acknowledged is gone after a stop, comes twice, or in another order.
#[test]
fn a_stop_leaves_everything_to_the_next_start() {
    let mut setup = Setup::new();
    setup.is_away(true);
    let mut buffer = setup.open();
    for _ in 0..20 {
        buffer.push(setup.next(100, 300, true));
    }
    // Not even flushed once.
    assert_eq!(buffer.stop(soon()), 0);
    assert_eq!(setup.free(), i64::from(WINDOW));
    assert!(setup.said("2000 messages stay in the disk buffer, and go first after the next start"));
    assert_eq!((setup.count(queued), setup.count(dropped)), (2000, 0));
    drop(buffer);
    setup.counters = Arc::default();
    let mut buffer = setup.open();
    buffer.push(setup.next(100, 300, true));
    flush_until(&mut buffer, |_| setup.count(queued) == 2100);
    assert!(setup.said("2000 messages are in the disk buffer, and go first"));
    setup.is_away(false);
    flush_until(&mut buffer, Destination::is_idle);
    assert_eq!(setup.arrived(), (0..2100).collect::<Vec<_>>());
    assert_eq!(buffer.stop(soon()), 0);
    drop(buffer);
    let mut buffer = setup.open();
    buffer.flush(Instant::now());
    assert!(buffer.is_idle(), "what was delivered is done for good");
    assert_eq!(setup.arrived().len(), 2100);
}

/// Breaks without it: a destination that takes messages in another order (several workers) gets those again
/// that it took before a stop.
#[test]
fn what_was_taken_out_of_order_is_not_repeated() {
    let mut setup = Setup::new();
    setup.is_away(true);
    let mut buffer = setup.open();
    // As many ranges as a note of a test has.
    for _ in 0..17 {
        buffer.push(setup.next(10, 100, true));
    }
    flush_until(&mut buffer, |_| setup.free() == i64::from(WINDOW));
    setup.far.is_mixed.store(true, Ordering::Relaxed);
    buffer.flush(Instant::now());
    setup.far.is_mixed.store(false, Ordering::Relaxed);
    let first = setup.arrived().len();
    assert!((10..170).contains(&first), "{first}");
    assert_eq!(buffer.stop(soon()), 0);
    drop(buffer);
    setup.is_away(false);
    let mut buffer = setup.open();
    flush_until(&mut buffer, |buffer| buffer.is_idle() && setup.arrived().len() >= 170);
    let mut all = setup.arrived();
    let later = all[first..].to_vec();
    assert!(later.is_sorted(), "{later:?}");
    all.sort_unstable();
    assert_eq!(all, (0..170).collect::<Vec<_>>());
}

/// Breaks without it: a slow destination has the whole disk in memory.
#[test]
fn a_destination_has_no_more_than_its_front() {
    let mut setup = Setup::new();
    (setup.settings.front, setup.settings.capacity) = (250, 64 << 20);
    setup.is_away(true);
    let mut buffer = setup.open();
    for _ in 0..100 {
        buffer.push(setup.next(100, 500, true));
        buffer.flush(Instant::now());
    }
    flush_until(&mut buffer, |_| setup.free() == i64::from(WINDOW));
    let (messages, bytes) = buffer.waiting();
    assert_eq!(messages, 10_000);
    assert!(bytes < 300 * 1000, "{bytes} bytes in memory");
    setup.is_away(false);
    flush_until(&mut buffer, Destination::is_idle);
    assert_eq!(setup.arrived(), (0..10_000).collect::<Vec<_>>());
}

/// Breaks without it: a full buffer drops what has flow control, or never takes anything again.
#[test]
fn a_full_buffer_holds_its_source_back() {
    let mut setup = Setup::new();
    setup.settings.capacity = 1 << 20;
    setup.is_away(true);
    let mut buffer = setup.open();
    for round in 0..40 {
        buffer.push(setup.next(100, 1000, round % 2 == 0));
    }
    flush_until(&mut buffer, Destination::is_suspended);
    assert!(setup.said("the disk buffer is full (1048576 bytes): it takes no more"), "{:?}", setup.reports);
    let held = i64::from(WINDOW) - setup.free();
    assert!(held > 1500, "{held}");
    // Paths without flow control go on; the others wait.
    assert!(buffer.let_go_of_credit(false).is_none());
    assert!((held / 2 - 100..=held / 2 + 100).contains(&(i64::from(WINDOW) - setup.free())));
    setup.is_away(false);
    flush_until(&mut buffer, Destination::is_idle);
    assert_eq!(setup.arrived(), (0..4000).collect::<Vec<_>>());
    flush_until(&mut buffer, |_| setup.said("the disk buffer takes messages again"));
    assert!(!buffer.is_suspended());
    assert_eq!((setup.count(dropped), setup.totals.totals().delivered), (0, 4000));
}

/// Breaks without it: a buffer that cannot be opened is passed by, and its messages come after newer ones.
#[test]
fn a_buffer_that_cannot_be_opened_holds_everything() {
    let mut setup = Setup::new();
    setup.settings.dir = setup.dir.path().join("file/below");
    std::fs::write(setup.dir.path().join("file"), "").unwrap();
    let mut buffer = setup.open();
    buffer.push(setup.next(10, 10, true));
    buffer.flush(Instant::now());
    buffer.flush(Instant::now());
    assert!(buffer.is_suspended() && setup.arrived().is_empty());
    let said = setup.reports.lock().unwrap().clone();
    assert!(said.len() == 1 && said[0].starts_with("cannot open the disk buffer: "), "{said:?}");
    std::fs::remove_file(setup.dir.path().join("file")).unwrap();
    buffer.reopen();
    buffer.flush(Instant::now());
    assert_eq!(setup.arrived(), (0..10).collect::<Vec<_>>());
    assert!(setup.said("the disk buffer is open"));
    // At a stop what has no place is lost, and said so.
    setup.settings.dir = Path::new("/proc/no/such").to_owned();
    let mut other = setup.open();
    other.push(setup.next(7, 10, true));
    assert_eq!(other.stop(Instant::now()), 7);
    let totals = setup.totals.totals();
    assert_eq!((totals.dropped[DropReason::Stopped as usize], totals.delivered), (7, 10));
    assert!(setup.said("7 messages could be neither sent nor written"));
}

/// Breaks without it: a reload that changes a destination loses what its buffer has not written, or repeats
/// what is delivered.
#[test]
fn an_heir_goes_on_with_the_buffer() {
    let mut setup = Setup::new();
    setup.is_away(true);
    let mut buffer = setup.open();
    for _ in 0..20 {
        buffer.push(setup.next(100, 300, true));
    }
    buffer.flush(Instant::now());
    let end = soon();
    while !buffer.prepares_to_leave(Instant::now()) {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(1));
    }
    let left = buffer.hand_over();
    assert_eq!(left.messages(), 0, "all of it is on the disk");
    assert_eq!(setup.count(queued), 0, "until the heir counts it");
    let mut heir = setup.open();
    heir.take_over(left);
    heir.push(setup.next(100, 300, true));
    setup.is_away(false);
    flush_until(&mut heir, Destination::is_idle);
    assert_eq!(setup.arrived(), (0..2100).collect::<Vec<_>>());
    assert_eq!((setup.count(queued), setup.count(dropped)), (0, 0));
    // Of a full buffer the heir gets what has no place, the part of a delivery that has one included.
    let mut setup = Setup::new();
    setup.settings.capacity = 1 << 20;
    setup.is_away(true);
    let mut buffer = setup.open();
    for _ in 0..20 {
        buffer.push(setup.next(100, 1000, true));
    }
    flush_until(&mut buffer, Destination::is_suspended);
    let left = buffer.hand_over();
    assert!((100..1900).contains(&left.messages()), "{}", left.messages());
    let mut heir = setup.open();
    heir.take_over(left);
    setup.is_away(false);
    flush_until(&mut heir, Destination::is_idle);
    assert_eq!(setup.arrived(), (0..2000).collect::<Vec<_>>());
    assert_eq!((setup.count(queued), setup.count(dropped)), (0, 0));
}

/// Breaks without it: what could not be written is lost at a reload.
#[test]
fn an_heir_gets_what_could_not_be_written() {
    let mut setup = Setup::new();
    let mut heir = setup.open();
    heir.flush(Instant::now());
    setup.settings.dir = Path::new("/proc/no/such").to_owned();
    let mut buffer = setup.open();
    buffer.push(setup.next(30, 10, true));
    buffer.flush(Instant::now());
    let left = buffer.hand_over();
    assert_eq!(left.messages(), 30);
    heir.take_over(left);
    heir.flush(Instant::now());
    assert_eq!(setup.arrived().len(), 30);
    assert_eq!(setup.free(), i64::from(WINDOW));
}

/// An act of a test.
#[derive(Debug, Clone)]
enum Act {
    Push(u64, usize),
    Away(bool),
    Mixed(bool),
    Flush,
    Wait,
    Stop,
    HandOver,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        5 => (1..40_u64, 0..2000_usize).prop_map(|(count, bytes)| Act::Push(count, bytes)),
        2 => any::<bool>().prop_map(Act::Away),
        1 => any::<bool>().prop_map(Act::Mixed),
        4 => Just(Act::Flush),
        2 => Just(Act::Wait),
        1 => Just(Act::Stop),
        1 => Just(Act::HandOver),
    ];
    prop::collection::vec(act, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Breaks without it: of some course of events a message is lost, comes twice, or before an older one.
    #[test]
    fn every_message_comes_once(acts in acts(), front in 1..200_u64, reliable: bool, is_small: bool) {
        let mut setup = Setup::new();
        (setup.settings.front, setup.settings.reliable) = (front, reliable);
        if is_small {
            setup.settings.capacity = 1 << 18;
        }
        let mut was_mixed = false;
        let mut buffer = setup.open();
        for act in acts {
            match act {
                Act::Push(count, bytes) => buffer.push(setup.next(count, bytes, true)),
                Act::Away(away) => setup.is_away(away),
                Act::Mixed(mixed) => {
                    was_mixed |= mixed;
                    setup.far.is_mixed.store(mixed, Ordering::Relaxed);
                }
                Act::Flush => buffer.flush(Instant::now()),
                Act::Wait => {
                    for _ in 0..3 {
                        buffer.flush(Instant::now());
                        thread::sleep(Duration::from_millis(2));
                    }
                }
                // A full buffer loses at a stop what it cannot write.
                Act::Stop if !is_small => {
                    prop_assert_eq!(buffer.stop(soon()), 0);
                    setup.counters = Arc::default();
                    buffer = setup.open();
                }
                Act::Stop | Act::HandOver => {
                    let end = soon();
                    while !buffer.prepares_to_leave(Instant::now()) && Instant::now() < end {
                        thread::sleep(Duration::from_millis(1));
                    }
                    let left = buffer.hand_over();
                    buffer = setup.open();
                    buffer.take_over(left);
                }
            }
        }
        setup.is_away(false);
        flush_until(&mut buffer, Destination::is_idle);
        let mut all = setup.arrived();
        if !was_mixed {
            prop_assert!(all.is_sorted());
        }
        all.sort_unstable();
        if was_mixed {
            // Of more ranges than a note has the last ones are forgotten.
            all.dedup();
        }
        prop_assert_eq!(all, (0..setup.posted).collect::<Vec<_>>());
        prop_assert_eq!(setup.free(), i64::from(WINDOW));
        prop_assert_eq!((setup.count(queued), setup.count(dropped)), (0, 0));
        let totals = setup.totals.totals();
        prop_assert_eq!((totals.delivered, totals.dropped.iter().sum::<u64>()), (setup.posted, 0));
        prop_assert_eq!(buffer.stop(soon()), 0);
    }
}

/// Breaks without it: what a full buffer has begun and given up counts as waiting for ever, or twice as gone.
#[test]
fn numbers_hold_over_heirs_of_a_full_buffer() {
    let mut setup = Setup::new();
    (setup.settings.capacity, setup.settings.front) = (1 << 18, 1);
    setup.is_away(true);
    let mut buffer = setup.open();
    for (count, bytes) in [(34, 1814), (9, 753), (26, 1397)] {
        buffer.push(setup.next(count, bytes, true));
    }
    for _ in 0..3 {
        flush_until(&mut buffer, Destination::is_suspended);
        let left = buffer.hand_over();
        assert!(left.messages() > 0);
        buffer = setup.open();
        buffer.take_over(left);
        buffer.flush(Instant::now());
        assert_eq!(setup.count(queued), 69);
    }
    setup.is_away(false);
    flush_until(&mut buffer, Destination::is_idle);
    assert_eq!(setup.arrived(), (0..69).collect::<Vec<_>>());
    assert_eq!((setup.count(queued), setup.count(dropped)), (0, 0));
}

/// Rows of a batch that no filter took are the buffer's alone.
#[test]
fn selected_rows_are_written_and_no_others() {
    let mut setup = Setup::new();
    setup.is_away(true);
    let mut buffer = setup.open();
    let Delivery { mut view, ack, flow_control } = setup.next(100, 100, true);
    view.set_rows(Rows::from((0..100).step_by(3).collect::<Vec<u32>>()));
    setup.counters.queued.fetch_sub(66, Ordering::Relaxed);
    buffer.push(Delivery { view, ack, flow_control });
    assert_eq!(buffer.stop(soon()), 0);
    setup.is_away(false);
    let mut buffer = setup.open();
    flush_until(&mut buffer, |buffer| buffer.is_idle() && !setup.arrived().is_empty());
    assert_eq!(setup.arrived(), (0..100).step_by(3).collect::<Vec<_>>());
}
