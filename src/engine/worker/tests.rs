use std::any::Any;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;

use super::*;
use crate::engine::queue::{FullQueue, OutputState, Queue};
use crate::engine::router::{RouteTable, Routes, SourceRoutes};
use crate::flow::{Credit, Delivery, Lane, Producer, Sender};
use crate::message::batch::Text;
use crate::message::{Need, Origin, Pool, Selection};
use crate::path::{Item, Out, Program, SendTo, Step};

/// The bytes of credit of a lane.
const BYTES: u64 = 64 * 1024;
/// The bytes that [`Swell`] makes of each text.
const SWOLLEN: usize = 8 * 1024;

/// Makes each text longer, when it is told to go.
#[derive(Debug)]
struct Swell(Arc<AtomicBool>);

impl Step for Swell {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        while !self.0.load(Ordering::Acquire) {
            thread::yield_now();
        }
        out.revise(selection, |row| {
            let mut text = row.read().text().to_vec();
            text.resize(SWOLLEN, b'.');
            row.message(Text::Copy(&text));
            true
        });
    }

    fn name(&self) -> &'static str {
        "swell"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A worker whose destination takes nothing by itself.
struct Rig {
    table: Arc<RouteTable>,
    seen: Arc<AtomicU64>,
    destination: Inbox<Delivery>,
    queue: Queue,
    inbox: Sender<Parcel>,
    stop: Arc<Stop>,
    thread: JoinHandle<Inbox<Parcel>>,
    pool: Arc<Pool>,
    /// Tells the steps to go.
    go: Arc<AtomicBool>,
}

impl Rig {
    fn new() -> Self {
        let (table, seen) = (Arc::<RouteTable>::default(), Arc::<AtomicU64>::default());
        let (destination, inbox) = (Inbox::new(), Inbox::new());
        let full = Arc::new(FullQueue::new(100, Arc::new(|report| panic!("{report}"))));
        let state = Arc::<OutputState>::default();
        let (router, stop) =
            (Router::new(&table, 0, Arc::clone(&seen), &Log::silent()), Arc::<Stop>::default());
        let (sender, of_worker) = (inbox.sender(), Arc::clone(&stop));
        let thread = thread::spawn(move || run(inbox, router, &of_worker));
        let pool = Arc::new(Pool::new());
        let queue = Queue::new(destination.sender(), Arc::default(), state, full, false, &pool);
        Self { table, seen, destination, queue, inbox: sender, stop, thread, pool, go: Arc::default() }
    }

    /// Lanes with these numbers, each of which has its texts swollen; the worker goes by it.
    fn lanes<const N: usize>(&self, numbers: [usize; N]) -> [Arc<Lane>; N] {
        let way = SendTo { destination: 0, flow_control: true, path: None };
        let routes = numbers.iter().map(|number| {
            let items = vec![Item::Step(Arc::new(Swell(Arc::clone(&self.go)))), Item::Send(way)];
            let program = Arc::new(Program::new(items, &["d"]));
            (*number, SourceRoutes::new(program, vec![Some(self.queue.clone())]))
        });
        let version = self.table.set(Routes::new(routes.collect(), Vec::new()));
        self.inbox.wake();
        while self.seen.load(Ordering::Acquire) < version {
            thread::yield_now();
        }
        numbers.map(|number| {
            let credit = Arc::new(Credit::new(1000, BYTES));
            Lane::new(number, self.inbox.clone(), credit, Arc::default(), Arc::clone(&self.pool), Some(4))
        })
    }

    /// Asks the worker to end; with `is_due` at once. What it has sent, and what it has left.
    fn end(mut self, is_due: bool) -> (Vec<Delivery>, Inbox<Parcel>) {
        self.stop.asked.store(true, Ordering::Release);
        self.stop.due.store(is_due, Ordering::Release);
        self.inbox.wake();
        let mut sent = Vec::new();
        while !self.thread.is_finished() {
            sent.extend(self.destination.try_recv());
            thread::yield_now();
        }
        while let Some(delivery) = self.destination.try_recv() {
            sent.push(delivery);
        }
        (sent, self.thread.join().unwrap())
    }
}

/// Posts whole batches of four messages each.
fn post(producer: &mut Producer, batches: std::ops::Range<u32>) {
    for batch in batches {
        let texts: Vec<_> = (batch * 4..batch * 4 + 4).map(|number| number.to_string()).collect();
        let need = |text: &String| Need { bytes: text.len(), ..Need::default() };
        let charge = texts.iter().map(|text| need(text).charge()).sum();
        assert_eq!(producer.lane().credit().try_take(4, charge), 4);
        let mut writer = producer.open_private(need(&texts[0]));
        for text in &texts {
            let mut row = writer.row(need(text)).unwrap();
            row.payload_copy(text.as_bytes());
            row.publish();
        }
        producer.send_private(writer, 0);
    }
}

/// The numbers of the messages of `delivery`.
fn numbers(delivery: &Delivery) -> Vec<u32> {
    let number = |text: &[u8]| {
        let end = text.iter().position(|byte| *byte == b'.').unwrap();
        std::str::from_utf8(&text[..end]).unwrap().parse().unwrap()
    };
    delivery.view.messages().map(|message| number(message.text())).collect()
}

/// The next delivery.
fn next(destination: &mut Inbox<Delivery>) -> Delivery {
    loop {
        match destination.try_recv() {
            Some(delivery) => return delivery,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Breaks without it: a stalled destination behind a step that makes messages larger is given the window of
/// its source many times over; or what waits for credit is not sent when that comes back, or out of order, or
/// holds up another source.
#[test]
fn a_lane_takes_its_window_and_the_growth_of_one_batch() {
    let mut rig = Rig::new();
    let [first, second] = rig.lanes([0, 1]);
    let mut producer = first.producer(Arc::new(Origin::named("s_first")));
    // The worker is at the first of them until all are there.
    post(&mut producer, 0..20);
    rig.go.store(true, Ordering::Release);
    // Two batches of four texts of 8 KiB are more than all of the bytes.
    let (one, two) = (next(&mut rig.destination), next(&mut rig.destination));
    assert_eq!((numbers(&one), numbers(&two)), (vec![0, 1, 2, 3], vec![4, 5, 6, 7]));
    // Another source's batch comes, although eighteen of the first one's were sent before it.
    let mut other = second.producer(Arc::new(Origin::named("s_second")));
    post(&mut other, 100..101);
    let third = next(&mut rig.destination);
    assert_eq!(numbers(&third), [400, 401, 402, 403]);
    assert!(rig.destination.is_empty(), "the others wait");
    let grown = BYTES as i64 - first.credit().free_bytes();
    let most = BYTES as i64 + 5 * SWOLLEN as i64;
    assert!(grown > BYTES as i64 && grown <= most, "{grown} bytes are out");
    // Each that is done lets the next one come, in order.
    let mut out = std::collections::VecDeque::from([one, two]);
    for batch in 2..20 {
        drop(out.pop_front());
        let delivery = next(&mut rig.destination);
        assert_eq!(numbers(&delivery), (batch * 4..batch * 4 + 4).collect::<Vec<_>>());
        let free = first.credit().free_bytes();
        assert!(free >= -5 * SWOLLEN as i64, "{} bytes are out", BYTES as i64 - free);
        out.push_back(delivery);
    }
    drop((out, third));
    let (sent, left) = rig.end(false);
    assert!(sent.is_empty() && left.is_empty());
    assert_eq!((first.credit().free_messages(), second.credit().free_messages()), (1000, 1000));
}

/// Breaks without it: what waits for credit goes by the routes of a later configuration.
#[test]
fn what_waits_for_credit_is_sent_before_newer_routes() {
    let mut rig = Rig::new();
    let [lane] = rig.lanes([0]);
    let mut producer = lane.producer(Arc::new(Origin::named("s_lane")));
    post(&mut producer, 0..9);
    rig.go.store(true, Ordering::Release);
    let first = next(&mut rig.destination);
    assert_eq!(numbers(&first), [0, 1, 2, 3]);
    // By these routes it has no way.
    let version = rig.table.set(Routes::default());
    rig.inbox.wake();
    while rig.seen.load(Ordering::Acquire) < version {
        thread::yield_now();
    }
    let (sent, left) = rig.end(false);
    assert!(left.is_empty());
    assert_eq!(sent.iter().flat_map(numbers).collect::<Vec<_>>(), (4..36).collect::<Vec<_>>());
}

/// Breaks without it: a stop takes at once the memory that the window grows to, or what waits for credit is
/// lost although its destination writes, or holds the end up when that takes nothing.
#[test]
fn a_stop_waits_for_credit_until_it_is_due() {
    for is_due in [false, true] {
        let mut rig = Rig::new();
        let [lane] = rig.lanes([0]);
        let mut producer = lane.producer(Arc::new(Origin::named("s_lane")));
        post(&mut producer, 0..9);
        rig.go.store(true, Ordering::Release);
        let out = [next(&mut rig.destination), next(&mut rig.destination)];
        let mut all: Vec<u32> = out.iter().flat_map(numbers).collect();
        if is_due {
            let (sent, mut left) = rig.end(true);
            assert!(sent.is_empty(), "its destination has taken nothing");
            while let Some(parcel) = left.try_recv() {
                let (selection, _) = parcel.open();
                let number = |text: &[u8]| std::str::from_utf8(text).unwrap().parse::<u32>().unwrap();
                all.extend(selection.messages().map(|message| number(message.text())));
            }
        } else {
            rig.stop.asked.store(true, Ordering::Release);
            drop(out);
            while all.len() < 36 {
                all.extend(numbers(&next(&mut rig.destination)));
            }
            assert!(rig.end(false).1.is_empty());
        }
        assert_eq!(all, (0..36).collect::<Vec<_>>());
    }
}

/// Breaks without it: a worker whose steps are slow goes on beyond the end of a stop, and what it has not begun
/// is nowhere counted.
#[test]
fn a_stop_that_is_due_begins_no_further_batch() {
    let rig = Rig::new();
    let [lane] = rig.lanes([0]);
    let mut producer = lane.producer(Arc::new(Origin::named("s_lane")));
    post(&mut producer, 0..9);
    // The worker is at the first of them, or has begun none.
    rig.stop.asked.store(true, Ordering::Release);
    rig.stop.due.store(true, Ordering::Release);
    rig.go.store(true, Ordering::Release);
    let (sent, left) = rig.end(true);
    assert!(sent.len() <= 1);
    assert_eq!(sent.len() + left.len(), 9);
}
