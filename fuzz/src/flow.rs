//! Batch, lane and credit: any sequence of calls, against a plain model of it.
//!
//! The input is taken for a program (`arbitrary`): producers post, close batches, give back leases and end; a
//! worker opens parcels or drops them; branches copy acks, let go of credit, drop rows and end. After each
//! step:
//!
//! * messages come out in the order in which their producer posted them, whole, and each once;
//! * a post is taken exactly when the model has credit for it, in messages and in bytes;
//! * credit and counters are those of the model: posted = delivered + dropped by reason + in flight;
//! * the owner of a viewed text lives exactly as long as a batch that has it.

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arbitrary::{Result, Unstructured};
use inrush::flow::credit::BATCH_CHARGE;
use inrush::flow::{Ack, Credit, DropReason, Inbox, Lane, Parcel, Producer, Refused, SourceCounters};
use inrush::message::Head;
use inrush::message::{Need, Origin, Owner, Pool, Rows, Segment, Selection, Stamp};

use super::split::owner;

/// The part of a window that the producers of a `Lane` take together, if it is not too small, and each of its
/// bytes, at a time; and at most.
const LEASE_WINDOW: u32 = 128;
const LEASE_SHARE: u32 = 16;
const LEASE_BYTES_SHARE: i64 = 64;
const LEASE_MOST: u32 = 128;
const LEASE_MOST_BYTES: i64 = 64 * 1024;

/// A text that is viewed, not copied.
static VIEWED: [u8; 3000] = [b'v'; 3000];

thread_local! {
    static POOL: Arc<Pool> = Arc::default();
}

#[derive(Debug, Clone)]
struct Posted {
    /// Its number; a record carries it as the size on the wire.
    id: u32,
    text: Vec<u8>,
    charge: u64,
    viewed: bool,
}

/// A producer, and what the model knows of it.
struct Poster {
    producer: Producer,
    lease: u32,
    lease_bytes: i64,
    /// Posted, and not opened yet.
    queue: VecDeque<Posted>,
    number: usize,
}

/// A batch that was opened, with the acks that are left of it.
struct Opened {
    view: Option<Selection>,
    acks: Vec<Ack>,
    rows: Vec<Posted>,
    dropped: Vec<Option<DropReason>>,
    holds_credit: bool,
}

struct World {
    lane: Arc<Lane>,
    inbox: Inbox<Parcel>,
    origin: Arc<Origin>,
    posters: Vec<Poster>,
    /// The rest of producers that have ended: their messages that wait to be opened.
    ended: Vec<VecDeque<Posted>>,
    /// The messages of parcels that nobody opened, and those that are missing in the queues: the same in the
    /// end.
    unopened: Tally,
    missing: Tally,
    opened: Vec<Opened>,
    released: Arc<AtomicUsize>,
    window: i64,
    max_bytes: i64,
    free: i64,
    free_bytes: i64,
    closed: bool,
    posted: u64,
    bytes: u64,
    delivered: u64,
    dropped: [u64; DropReason::ALL.len()],
    owners: usize,
    owners_gone: usize,
    made: usize,
}

/// Messages, their bytes of credit, and the owners that went with them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    messages: u64,
    bytes: i64,
    owners: usize,
}

impl Tally {
    fn add(&mut self, row: &Posted) {
        self.messages += 1;
        self.bytes += row.charge as i64;
        self.owners += usize::from(row.viewed);
    }
}

/// Runs the program that `data` describes.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(&data[..data.len().min(1000)]);
    let Ok(mut world) = World::new(&mut input) else { return };
    while !input.is_empty() {
        if world.step(&mut input).is_err() {
            break;
        }
        world.check();
    }
    world.finish();
}

impl World {
    fn new(input: &mut Unstructured<'_>) -> Result<Self> {
        let window = *input.choose(&[1, 2, 5, 64, 200, 20_000])?;
        let max_bytes = *input.choose(&[100_u64, 5_000, 1 << 20])?;
        let batch_size = *input.choose(&[None, Some(1), Some(3), Some(0)])?;
        let inbox = Inbox::new();
        let (credit, counters) =
            (Arc::new(Credit::new(window, max_bytes)), Arc::new(SourceCounters::default()));
        let pool = POOL.with(Arc::clone);
        let lane = Lane::new(7, inbox.sender(), credit, counters, pool, batch_size);
        let mut world = Self {
            lane,
            inbox,
            origin: Arc::new(Origin::named("s_fuzz")),
            posters: Vec::new(),
            ended: Vec::new(),
            unopened: Tally::default(),
            missing: Tally::default(),
            opened: Vec::new(),
            released: Arc::default(),
            window: i64::from(window),
            max_bytes: max_bytes as i64,
            free: i64::from(window),
            free_bytes: max_bytes as i64,
            closed: false,
            posted: 0,
            bytes: 0,
            delivered: 0,
            dropped: [0; DropReason::ALL.len()],
            owners: 0,
            owners_gone: 0,
            made: 0,
        };
        world.add_poster();
        world.add_poster();
        Ok(world)
    }

    fn add_poster(&mut self) {
        let producer = self.lane.producer(Arc::clone(&self.origin));
        self.made += 1;
        self.posters.push(Poster {
            producer,
            lease: 0,
            lease_bytes: 0,
            queue: VecDeque::new(),
            number: self.made,
        });
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let who = input.choose_index(self.posters.len().max(1))?;
        match input.int_in_range(0..=16)? {
            0..=5 => {
                let (count, viewed) = (input.int_in_range(1..=40)?, input.ratio(1, 4)?);
                let fast = input.arbitrary()?;
                let len = *input.choose(&[0, 1, 23, 200, 3000, 70_000])?;
                let count = if len > 200 { count / 8 + 1 } else { count };
                for _ in 0..count {
                    if who < self.posters.len() {
                        self.post(who, len, viewed, fast);
                    }
                }
            }
            6 => {
                if let Some(poster) = self.posters.get_mut(who) {
                    poster.producer.close_batch();
                }
            }
            7 => {
                if let Some(poster) = self.posters.get_mut(who) {
                    poster.producer.before_wait();
                    self.free += i64::from(std::mem::take(&mut poster.lease));
                    self.free_bytes += std::mem::take(&mut poster.lease_bytes);
                }
            }
            8 => {
                if who < self.posters.len() && self.posters.len() > 1 {
                    self.end_poster(who);
                } else if self.posters.len() < 6 {
                    self.add_poster();
                }
            }
            9 => self.post_private(who, input.int_in_range(0..=1100)?),
            10 | 11 => self.open(input.ratio(1, 10)?),
            12 => self.branch(input)?,
            13 => self.drop_rows(input)?,
            14 => self.end_one(input)?,
            15 => {
                let (count, len) = (input.int_in_range(0..=200)?, *input.choose(&[0, 23, 200, 3000])?);
                self.post_list(who, if len > 200 { count / 8 } else { count }, len);
            }
            _ => {
                if input.ratio(1, 20)? {
                    self.lane.close();
                    self.closed = true;
                }
            }
        }
        Ok(())
    }

    /// The most messages that a producer takes ahead.
    fn lease_size(&self) -> u32 {
        let window = self.window as u32;
        if window < LEASE_WINDOW {
            return 1;
        }
        (window / LEASE_SHARE / self.posters.len() as u32).clamp(1, LEASE_MOST)
    }

    /// Nothing is taken ahead while the bytes are used up.
    fn top_up_messages(&mut self, who: usize, size: u32) {
        if self.free_bytes <= 0 {
            return;
        }
        let poster = &mut self.posters[who];
        let taken = self.free.min(i64::from(size.saturating_sub(poster.lease))).max(0);
        self.free -= taken;
        poster.lease += taken as u32;
    }

    fn fill_messages(&mut self, who: usize, size: u32) {
        if self.posters[who].lease == 0 {
            self.top_up_messages(who, size);
        }
    }

    fn fill_bytes(&mut self, who: usize) {
        let size = (self.max_bytes / LEASE_BYTES_SHARE).min(LEASE_MOST_BYTES);
        let poster = &mut self.posters[who];
        if poster.lease > 0 && poster.lease_bytes < size && self.free_bytes >= size {
            self.free_bytes -= size;
            poster.lease_bytes += size;
        }
    }

    /// Takes credit for one message of `poster` if the model has it; false otherwise.
    fn take(&mut self, who: usize, charge: u64) -> bool {
        let size = self.lease_size();
        let poster = &mut self.posters[who];
        if poster.lease > 0 && poster.lease_bytes >= charge as i64 {
            poster.lease -= 1;
            poster.lease_bytes -= charge as i64;
            return true;
        }
        if self.free_bytes <= 0 {
            return false;
        }
        self.fill_messages(who, size);
        let poster = &mut self.posters[who];
        if poster.lease == 0 {
            return false;
        }
        poster.lease -= 1;
        self.free_bytes -= charge as i64;
        self.fill_bytes(who);
        true
    }

    fn post(&mut self, who: usize, len: usize, viewed: bool, fast: bool) {
        let viewed = viewed && len <= VIEWED.len();
        let text = if viewed {
            VIEWED[..len].to_vec()
        } else {
            let mut text = format!("{} {} ", self.posters[who].number, self.posted).into_bytes();
            text.resize(len.max(text.len()), b'.');
            text
        };
        let need = if viewed {
            Need { segments: 1, viewed: len, ..Need::default() }
        } else {
            Need { bytes: text.len(), ..Need::default() }
        };
        if !viewed && fast && self.post_fast(who, &text, need.charge()) {
            return;
        }
        let expected = if self.closed {
            Err(Refused::Closed)
        } else if self.take(who, need.charge()) {
            Ok(())
        } else {
            Err(Refused::NoCredit)
        };
        let released = Arc::clone(&self.released);
        let (id, mut made, waiting) = (self.posted as u32, 0, self.inbox.len());
        let poster = &mut self.posters[who];
        let result = poster.producer.try_post(need, |row| {
            if viewed {
                made += 1;
                let owner = Owner::Foreign(owner(&released));
                // SAFETY: the text is static.
                let segment = unsafe { Segment::new(NonNull::from(&VIEWED).cast(), len as u32, owner) };
                row.payload_adopt(segment);
            } else {
                row.payload_copy(&text);
            }
            row.raw_size(id);
        });
        assert_eq!(result, expected);
        // One that was written for a batch which the worker had taken already was let go of at once.
        self.owners += made;
        if result.is_ok() {
            self.owners_gone += made.saturating_sub(1);
            poster.queue.push_back(Posted { id, text, charge: need.charge(), viewed });
            self.posted += 1;
            self.bytes += need.size() as u64;
            if self.inbox.len() > waiting {
                self.take_for_batch(who);
            }
        }
    }

    /// A batch was sent: it takes credit of its own, from the lease if that has so much.
    fn take_for_batch(&mut self, who: usize) {
        let (charge, poster) = (BATCH_CHARGE as i64, &mut self.posters[who]);
        if poster.lease_bytes >= charge {
            poster.lease_bytes -= charge;
        } else {
            self.free_bytes -= charge;
        }
    }

    /// The short way for a text, which may refuse for reasons of its own, and may not take what the lease has
    /// not.
    fn post_fast(&mut self, who: usize, text: &[u8], charge: u64) -> bool {
        let (id, poster) = (self.posted as u32, &mut self.posters[who]);
        let mut head = Head::at(Stamp::default(), 13);
        head.raw_size = id;
        let allowed = poster.producer.allow_fast_posts(id % 4);
        if !poster.producer.post_text_fast(&head, |_| (), text) {
            return false;
        }
        assert!(allowed > 0, "it was not allowed");
        assert!(!self.closed && poster.lease > 0 && poster.lease_bytes >= charge as i64, "beyond its lease");
        poster.lease -= 1;
        poster.lease_bytes -= charge as i64;
        poster.queue.push_back(Posted { id, text: text.to_vec(), charge, viewed: false });
        self.posted += 1;
        self.bytes += text.len() as u64;
        true
    }

    /// A list of texts, as `post_messages` posts it: as many as go into one batch, for credit ahead. How many
    /// go is the lane's to say, and none may be beyond its lease.
    fn post_list(&mut self, who: usize, count: usize, len: usize) {
        if who >= self.posters.len() {
            return;
        }
        let (id, size) = (self.posted as u32, self.lease_size());
        let texts: Vec<_> = (0..count)
            .map(|number| {
                let mut text = format!("{} {} {number} ", self.posters[who].number, self.posted).into_bytes();
                text.resize(len.max(text.len()), b'.');
                text
            })
            .collect();
        if !self.closed {
            self.fill_messages(who, size);
            self.fill_bytes(who);
        }
        let mut head = Head::at(Stamp::default(), 13);
        head.raw_size = id;
        let (waiting, poster) = (self.inbox.len(), &mut self.posters[who]);
        let went = poster.producer.post_texts_fast(&head, texts.iter().map(Vec::as_slice));
        poster.producer.end_posts();
        let begun = self.inbox.len() > waiting;
        if begun {
            // It takes as much ahead as it may, so that one batch is enough.
            self.top_up_messages(who, size);
        }
        let poster = &mut self.posters[who];
        assert!(went <= poster.lease && !(self.closed && went > 0), "beyond its lease");
        assert!(went as usize <= texts.len() && (went > 0 || !begun), "a batch of nothing");
        poster.lease -= went;
        for text in texts.into_iter().take(went as usize) {
            let charge = Need { bytes: text.len(), ..Need::default() }.charge();
            poster.lease_bytes -= charge as i64;
            self.posted += 1;
            self.bytes += text.len() as u64;
            poster.queue.push_back(Posted { id, text, charge, viewed: false });
        }
        assert!(poster.lease_bytes >= 0, "beyond its lease of bytes");
        if begun {
            self.take_for_batch(who);
        }
    }

    /// Many messages over one owner, as `post_buffer` makes them.
    fn post_private(&mut self, who: usize, count: u32) {
        if self.closed || who >= self.posters.len() {
            return;
        }
        let need = Need { viewed: 2, ..Need::default() };
        let released = Arc::clone(&self.released);
        let mut writer = self.posters[who].producer.open_private(Need { segments: 1, ..need });
        let owner = Owner::Shared(Arc::new(owner(&released)));
        // SAFETY: the text is static.
        let segment = unsafe { Segment::new(NonNull::from(&VIEWED).cast(), 2000, owner) };
        let Ok(shared) = writer.adopt_shared(segment) else { unreachable!("the first segment") };
        self.owners += 1;
        let mut rows = 0;
        for number in 0..count {
            // It takes its credit itself, not through the producer's lease.
            if self.free <= 0 || self.free_bytes <= 0 {
                break;
            }
            let Some(mut row) = writer.row(need) else { break };
            assert_eq!(self.lane.credit().try_take(1, need.charge()), 1);
            self.free -= 1;
            self.free_bytes -= need.charge() as i64;
            row.payload_share(shared, number, 2);
            let id = (self.posted + rows) as u32;
            row.raw_size(id);
            row.publish();
            rows += 1;
            let posted = Posted { id, text: b"vv".to_vec(), charge: need.charge(), viewed: false };
            self.posters[who].queue.push_back(posted);
        }
        if rows > 0 {
            self.take_for_batch(who);
            // The owner belongs to this batch, so to its last row.
            self.posters[who].queue.back_mut().unwrap().viewed = true;
        } else {
            self.owners_gone += 1;
        }
        self.posted += rows;
        let bytes = rows * need.size() as u64;
        self.bytes += bytes;
        self.posters[who].producer.send_private(writer, bytes);
    }

    fn end_poster(&mut self, who: usize) {
        let Poster { producer, lease, lease_bytes, queue, .. } = self.posters.remove(who);
        drop(producer);
        self.free += i64::from(lease);
        self.free_bytes += lease_bytes;
        self.ended.push(queue);
    }

    /// The worker takes the next parcel, and opens it or not.
    fn open(&mut self, unopened: bool) {
        let Some(parcel) = self.inbox.try_recv() else {
            let gone = (self.unopened.messages - self.missing.messages) as usize;
            assert_eq!(self.waiting(), gone, "an empty inbox, and messages wait");
            return;
        };
        assert_eq!(parcel.source(), 7);
        assert_eq!(parcel.is_urgent(), self.free <= self.window / 2 || self.free_bytes <= 0);
        if unopened {
            self.drop_unopened(parcel);
            return;
        }
        let (view, ack) = parcel.open();
        assert!(!view.is_empty(), "a parcel without a message");
        let rows = self.claim(&view);
        let charge: u64 = rows.iter().map(|row| row.charge).sum();
        assert_eq!(view.batch().charge(), charge);
        let dropped = vec![None; rows.len()];
        self.opened.push(Opened { view: Some(view), acks: vec![ack], rows, dropped, holds_credit: true });
    }

    /// Drops a parcel as an engine does that has stopped. Nobody sees whose messages they were: they are
    /// missing later.
    fn drop_unopened(&mut self, parcel: Parcel) {
        const STOPPED: usize = DropReason::Stopped as usize;
        let credit = Arc::clone(self.lane.credit());
        drop(parcel);
        let messages = self.lane.counters().totals().dropped[STOPPED] - self.dropped[STOPPED];
        let bytes = credit.free_bytes() - self.free_bytes;
        let owners = self.released.load(Ordering::SeqCst) - self.owners_gone;
        self.dropped[STOPPED] += messages;
        self.free += messages as i64;
        self.free_bytes += bytes;
        self.owners_gone += owners;
        self.unopened.messages += messages;
        self.unopened.bytes += bytes - BATCH_CHARGE as i64;
        self.unopened.owners += owners;
    }

    /// Takes the messages of a batch from the front of the queue of the producer whose they are.
    fn claim(&mut self, view: &Selection) -> Vec<Posted> {
        let first = view.message(0).raw_size();
        let live = self.posters.iter_mut().map(|poster| &mut poster.queue);
        let mut queues = live.chain(&mut self.ended);
        let queue = queues.find(|queue| queue.iter().any(|row| row.id == first));
        let queue = queue.expect("a message that nobody posted, or that came before");
        while queue[0].id != first {
            // It was in a parcel that nobody opened.
            self.missing.add(&queue.pop_front().unwrap());
        }
        assert!(queue.len() >= view.len(), "more messages than were posted");
        let rows: Vec<_> = queue.drain(..view.len()).collect();
        for (message, row) in view.messages().zip(&rows) {
            assert_eq!((message.raw_size(), message.text()), (row.id, &*row.text), "in order, and whole");
        }
        rows
    }

    fn waiting(&self) -> usize {
        let live = self.posters.iter().map(|poster| poster.queue.len());
        live.chain(self.ended.iter().map(VecDeque::len)).sum()
    }

    /// A batch takes another branch, or lets go of its credit on one.
    fn branch(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        if self.opened.is_empty() {
            return Ok(());
        }
        let at = input.choose_index(self.opened.len())?;
        let opened = &mut self.opened[at];
        let ack = input.choose_index(opened.acks.len())?;
        match input.int_in_range(0..=2)? {
            0 => opened.acks.push(opened.acks[ack].clone()),
            1 => opened.acks.push(opened.acks[ack].without_credit()),
            _ => opened.acks[ack].let_go_of_credit(),
        }
        self.credit_of(at);
        Ok(())
    }

    fn drop_rows(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        if self.opened.is_empty() {
            return Ok(());
        }
        let at = input.choose_index(self.opened.len())?;
        let opened = &mut self.opened[at];
        let len = opened.rows.len() as u32;
        let reason = *input.choose(&DropReason::ALL)?;
        let start = input.int_in_range(0..=len)?;
        let rows = if input.arbitrary()? {
            Rows::Range(start..input.int_in_range(start..=len)?)
        } else {
            Rows::List((start..len).step_by(input.int_in_range(1..=5)?).collect())
        };
        opened.acks[input.choose_index(opened.acks.len())?].drop_rows(&rows, reason);
        for index in 0..rows.len() {
            opened.dropped[rows.at(index) as usize].get_or_insert(reason);
        }
        Ok(())
    }

    /// One branch of a batch ends, or the batch's last view does.
    fn end_one(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        if self.opened.is_empty() {
            return Ok(());
        }
        let at = input.choose_index(self.opened.len())?;
        if input.ratio(1, 3)? {
            self.let_go_of_view(at);
            return Ok(());
        }
        let ack = input.choose_index(self.opened[at].acks.len())?;
        self.end_ack(at, ack);
        Ok(())
    }

    fn end_ack(&mut self, at: usize, ack: usize) {
        drop(self.opened[at].acks.swap_remove(ack));
        self.credit_of(at);
        if self.opened[at].acks.is_empty() {
            self.let_go_of_view(at);
            for dropped in self.opened.swap_remove(at).dropped {
                match dropped {
                    Some(reason) => self.dropped[reason as usize] += 1,
                    None => self.delivered += 1,
                }
            }
        }
    }

    fn let_go_of_view(&mut self, at: usize) {
        let opened = &mut self.opened[at];
        if let Some(view) = opened.view.take() {
            let texts: Vec<_> = view.messages().map(|message| message.text().to_vec()).collect();
            assert!(texts.iter().eq(opened.rows.iter().map(|row| &row.text)), "a batch that changed");
            self.owners_gone += opened.rows.iter().filter(|row| row.viewed).count();
        }
    }

    /// Gives the model's credit back when the last ack of a batch that holds it is gone.
    fn credit_of(&mut self, at: usize) {
        let opened = &mut self.opened[at];
        if opened.holds_credit && !opened.acks.iter().any(Ack::holds_credit) {
            opened.holds_credit = false;
            self.free += opened.rows.len() as i64;
            let charge: i64 = opened.rows.iter().map(|row| row.charge as i64).sum();
            self.free_bytes += charge + BATCH_CHARGE as i64;
        }
    }

    fn check(&self) {
        let credit = self.lane.credit();
        assert_eq!((credit.free_messages(), credit.free_bytes()), (self.free, self.free_bytes));
        assert!(self.free >= 0 && self.free <= self.window && self.free_bytes <= self.max_bytes);
        let totals = self.lane.counters().totals();
        assert_eq!((totals.posted, totals.bytes), (self.posted, self.bytes));
        assert_eq!((totals.delivered, totals.dropped), (self.delivered, self.dropped));
        assert_eq!(totals.posted, totals.delivered + totals.dropped_total() + totals.in_flight);
        assert_eq!(self.released.load(Ordering::SeqCst), self.owners_gone, "owners let go of");
        assert!(self.owners_gone <= self.owners);
    }

    /// Everything ends; all credit is back, and every owner is gone.
    fn finish(mut self) {
        while !self.posters.is_empty() {
            self.end_poster(0);
        }
        self.check();
        while !self.inbox.is_empty() {
            self.open(false);
        }
        while !self.opened.is_empty() {
            self.end_ack(0, 0);
        }
        for queue in &mut self.ended {
            queue.drain(..).for_each(|row| self.missing.add(&row));
        }
        assert_eq!(self.missing, self.unopened, "messages that never come");
        self.check();
        assert_eq!((self.free, self.free_bytes), (self.window, self.max_bytes));
        assert_eq!(self.owners_gone, self.owners);
        assert_eq!(self.posted, self.delivered + self.dropped.iter().sum::<u64>());
    }
}
