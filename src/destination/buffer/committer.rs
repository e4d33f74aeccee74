//! The thread that writes a buffer: [`Committer`].
//!
//! It takes all that was submitted meanwhile, writes it with one call, waits for the disk once, and says so:
//! while it waits, more comes, and goes with the next. Nobody waits for a timer. With `reliable(no)` it says
//! so when it has written, and has the disk asked for it every tenth of a second.
//!
//! What cannot be written stays here, in its order, and is tried again: at once when the destination has
//! taken something and a full buffer may have room, otherwise after a pause that doubles.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::counters::BufferCounters;
use super::ledger::Job;
use crate::destination::Wake;
use crate::disk::{Disk, Entry, Error, Progress, Store};
use crate::flow::Lent;
use crate::flow::unshared::Unshared;

/// The pause after the first attempt that failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The time between two waits for the disk with `reliable(no)`, and between two notes of what was delivered.
const EVERY: Duration = Duration::from_millis(100);
/// The least and the most bytes of texts of one entry of the store, about.
const LEAST_PIECE: u64 = 4 << 10;
const MOST_PIECE: u64 = 1 << 20;
/// Pieces whose memory is kept for the next ones.
const SPARE: usize = 16;
/// The bytes that are written with one call, about.
const CALL: usize = 16 << 20;

/// The news of the committer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The entry is written, and `reliable(no)` asks for no more.
    Written(u64),
    /// The entry is on the disk, and its messages have these numbers; none where it was done before.
    Committed(u64, Option<Range<u64>>),
    /// Nothing can be written, for this reason. Said once, until [`News::Well`].
    Trouble {
        /// The capacity is used up.
        is_full: bool,
        /// The sentence for the administrator.
        text: String,
    },
    /// It writes again.
    Well,
}

#[derive(Default)]
struct Orders {
    jobs: VecDeque<Job>,
    progress: Option<Progress>,
    /// Somebody waits until all that was ordered is on the disk, or cannot be written.
    settle: bool,
    end: bool,
}

#[derive(Default)]
struct Shared {
    orders: Mutex<Orders>,
    come: Condvar,
    news: Mutex<Vec<News>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The side of the committer that a destination has.
pub(super) struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread of `store`, whose lock no fork keeps; `wake` is called when there is news.
    pub(super) fn start<D: Disk>(
        (store, lock): (Store<D>, Unshared),
        reliable: bool,
        counters: &Arc<BufferCounters>,
        wake: &Wake,
        name: &str,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writing = Writing::new((store, lock), reliable, counters, &shared, wake);
        writing.tell(Vec::new());
        let thread = thread::Builder::new().name(format!("disk:{name}")).spawn(move || writing.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Has `jobs` written, and `progress` remembered.
    pub(super) fn order(&self, jobs: Vec<Job>, progress: Option<Progress>) {
        let mut orders = lock(&self.shared.orders);
        orders.jobs.extend(jobs);
        if progress.is_some() {
            orders.progress = progress;
        }
        drop(orders);
        self.shared.come.notify_one();
    }

    /// The news since it was asked last, in order.
    pub(super) fn news(&self) -> Vec<News> {
        std::mem::take(&mut *lock(&self.shared.news))
    }

    /// Has all that was ordered written; waits until it is on the disk, or cannot be written, at most until
    /// `deadline`.
    pub(super) fn settle(&self, deadline: Instant) {
        lock(&self.shared.orders).settle = true;
        self.shared.come.notify_one();
        while lock(&self.shared.orders).settle && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Has it write what it has, and end; gives false when it has not ended by `deadline`.
    pub(super) fn end(&mut self, deadline: Instant) -> bool {
        lock(&self.shared.orders).end = true;
        self.shared.come.notify_one();
        let Some(thread) = self.thread.take() else { return true };
        while !thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        thread.join().is_ok()
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        lock(&self.shared.orders).end = true;
        self.shared.come.notify_one();
    }
}

/// Something to do, beside writing.
struct Ordered {
    progress: Option<Progress>,
    is_settling: bool,
    is_end: bool,
}

/// Messages as they go to the store, of one entry of the ledger or of a part of one.
struct Piece {
    bytes: Vec<u8>,
    rows: u32,
    time: u64,
    /// The id of the entry.
    id: u64,
    lent: Arc<Lent>,
    is_last: bool,
}

/// The thread's own side.
struct Writing<D: Disk> {
    /// Goes before the store, which closes the file.
    _lock: Unshared,
    store: Store<D>,
    reliable: bool,
    counters: Arc<BufferCounters>,
    shared: Arc<Shared>,
    wake: Wake,
    /// Bytes of texts of one piece, about.
    most: usize,
    /// The entries to be written, in order: behind what is ready.
    jobs: VecDeque<Job>,
    /// The pieces that are ready to be written.
    ready: VecDeque<Piece>,
    /// The pieces that are written and not on the disk yet, with their numbers.
    written: VecDeque<(Piece, Range<u64>)>,
    /// The numbers of the entry of which only a part is on the disk.
    begun: Option<Range<u64>>,
    /// The memory of pieces that are on the disk.
    spare: Vec<Vec<u8>>,
    pause: Duration,
    is_troubled: bool,
    /// The end of the last wait for the disk.
    synced: Instant,
    /// All that was delivered is in the store's own records.
    is_noted: bool,
}

impl<D: Disk> Writing<D> {
    fn new(
        (store, lock): (Store<D>, Unshared),
        reliable: bool,
        counters: &Arc<BufferCounters>,
        shared: &Arc<Shared>,
        wake: &Wake,
    ) -> Self {
        let most = (store.usage().capacity / 16).clamp(LEAST_PIECE, MOST_PIECE) as usize;
        Self {
            _lock: lock,
            store,
            reliable,
            counters: Arc::clone(counters),
            shared: Arc::clone(shared),
            wake: Arc::clone(wake),
            most,
            jobs: VecDeque::new(),
            ready: VecDeque::new(),
            written: VecDeque::new(),
            begun: None,
            spare: Vec::new(),
            pause: Duration::ZERO,
            is_troubled: false,
            synced: Instant::now(),
            is_noted: true,
        }
    }

    fn run(mut self) {
        loop {
            let Ordered { progress, is_settling, is_end } = self.await_orders();
            if let Some(progress) = progress {
                self.is_noted = false;
                let remembered = self.store.delivered(&progress);
                self.take_back(remembered.as_ref().err());
            }
            let mut is_well = self.write();
            if is_settling {
                let synced = self.sync();
                is_well &= synced.is_ok();
                let news = self.outcome(synced);
                self.tell(news);
                lock(&self.shared.orders).settle = false;
            }
            let is_over = self.jobs.is_empty() && self.ready.is_empty();
            if is_end && (is_over || !is_well) {
                break;
            }
            self.tell(Vec::new());
        }
        let ended = self.sync().and_then(|()| self.give_up_begun()).and_then(|()| self.note());
        let news = self.outcome(ended);
        self.tell(news);
    }

    /// Waits until there is something to do, and takes it.
    fn await_orders(&mut self) -> Ordered {
        let due = self.due();
        let shared = Arc::clone(&self.shared);
        let mut orders = lock(&shared.orders);
        loop {
            // While something cannot be written, more of it changes nothing.
            let is_stuck = !self.ready.is_empty();
            if orders.end
                || orders.settle
                || orders.progress.is_some()
                || (!orders.jobs.is_empty() && !is_stuck)
            {
                break;
            }
            match due.map(|due| due.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let waited = shared.come.wait_timeout(orders, left);
                    orders = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => orders = shared.come.wait(orders).unwrap_or_else(PoisonError::into_inner),
            }
        }
        self.jobs.extend(orders.jobs.drain(..));
        Ordered { progress: orders.progress.take(), is_settling: orders.settle, is_end: orders.end }
    }

    /// The time of what is to be done although nobody orders it.
    fn due(&self) -> Option<Instant> {
        let again = (!self.ready.is_empty()).then(|| Instant::now() + self.pause);
        let sync = (!self.written.is_empty() || !self.is_noted).then(|| self.synced + EVERY);
        [again, sync].into_iter().flatten().min()
    }

    /// Writes what there is, and waits for the disk; false when something failed.
    fn write(&mut self) -> bool {
        let mut all = self.append_all();
        let is_due = self.synced.elapsed() >= EVERY;
        if !self.written.is_empty() && (self.reliable || is_due || all.is_err()) {
            all = self.sync().and(all);
        }
        if all.is_ok() && is_due && !self.is_noted {
            all = self.note();
        }
        let is_well = all.is_ok();
        let news = self.outcome(all);
        self.tell(news);
        is_well
    }

    /// Writes everything; waits for the disk where that is much.
    fn append_all(&mut self) -> Result<(), Error> {
        loop {
            self.make_ready();
            if self.ready.is_empty() {
                return Ok(());
            }
            let parts: Vec<[&[u8]; 1]> = self.ready.iter().map(|piece| [piece.bytes.as_slice()]).collect();
            let pieces = self.ready.iter().zip(&parts);
            let entry = |(piece, bytes): (&Piece, _)| Entry { rows: piece.rows, time: piece.time, bytes };
            let entries: Vec<_> = pieces.map(|(piece, bytes)| entry((piece, bytes as &[&[u8]]))).collect();
            let appended = self.store.append(&entries);
            let appended = match appended {
                Ok(appended) => appended,
                Err(error) => {
                    self.take_back(Some(&error));
                    return Err(error);
                }
            };
            let mut first = appended.messages.start;
            let mut news = Vec::new();
            for piece in self.ready.drain(..appended.entries) {
                let numbers = first..first + u64::from(piece.rows);
                first = numbers.end;
                if !self.reliable && piece.is_last {
                    news.push(News::Written(piece.id));
                }
                self.written.push_back((piece, numbers));
            }
            self.tell(news);
            let bytes: usize = self.written.iter().map(|(piece, _)| piece.bytes.len()).sum();
            if bytes >= CALL {
                self.sync()?;
            }
        }
    }

    /// Makes pieces of jobs, of those that are not done by now.
    fn make_ready(&mut self) {
        self.forget_done();
        let mut bytes: usize = self.ready.iter().map(|piece| piece.bytes.len()).sum();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        let mut skipped = Vec::new();
        while bytes < CALL
            && let Some(Job { id, view, lent }) = self.jobs.pop_front()
        {
            if lent.is_over() {
                skipped.push(News::Committed(id, None));
                continue;
            }
            let mut first = 0;
            while first < view.len() {
                let mut piece = self.spare.pop().unwrap_or_default();
                let rows = view.encode(first, self.most, &mut piece);
                first += rows;
                let is_last = first == view.len();
                bytes += piece.len();
                let (rows, lent) = (rows as u32, Arc::clone(&lent));
                self.ready.push_back(Piece { bytes: piece, rows, time, id, lent, is_last });
            }
        }
        self.tell(skipped);
    }

    /// Leaves out what became done while it could not be written. Of an entry that was begun the part that is
    /// on the disk has numbers, and those are done with it.
    fn forget_done(&mut self) {
        let mut news = Vec::new();
        while let Some(piece) = self.ready.front()
            && piece.lent.is_over()
            && self.written.back().is_none_or(|(last, _)| last.id != piece.id)
        {
            let id = piece.id;
            while self.ready.front().is_some_and(|piece| piece.id == id) {
                self.ready.pop_front();
            }
            news.push(News::Committed(id, self.begun.take()));
        }
        self.tell(news);
    }

    /// Waits for the disk, and says what is on it.
    fn sync(&mut self) -> Result<(), Error> {
        let begin = Instant::now();
        let committed = self.store.commit();
        self.synced = Instant::now();
        if let Err(error) = committed {
            self.take_back(Some(&error));
            return Err(error);
        }
        let micros = begin.elapsed().as_micros() as u64;
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.commit_micros.fetch_add(micros, Ordering::Relaxed);
        let mut news = Vec::new();
        for (mut piece, numbers) in self.written.drain(..) {
            let first = self.begun.take().map_or(numbers.start, |begun| begun.start);
            if piece.is_last {
                news.push(News::Committed(piece.id, Some(first..numbers.end)));
            } else {
                self.begun = Some(first..numbers.end);
            }
            if self.spare.len() < SPARE {
                piece.bytes.clear();
                self.spare.push(piece.bytes);
            }
        }
        self.tell(news);
        Ok(())
    }

    /// Has the store forget the part of an entry that is on the disk without the rest: the entry is somebody
    /// else's from now on, as a whole.
    fn give_up_begun(&mut self) -> Result<(), Error> {
        let Some(numbers) = self.begun.take() else { return Ok(()) };
        self.is_noted = false;
        let mut begun = Progress::default();
        begun.add(numbers);
        self.store.delivered(&begun)
    }

    /// Has the store write down what was delivered.
    fn note(&mut self) -> Result<(), Error> {
        let noted = self.store.note();
        self.take_back(noted.as_ref().err());
        noted.map(|()| self.is_noted = true)
    }

    /// Makes ready again what `error` says is not in the store any more.
    fn take_back(&mut self, error: Option<&Error>) {
        let Some(Error::Forgotten { messages, .. }) = error else { return };
        let kept = self.written.partition_point(|(_, numbers)| numbers.end <= messages.start);
        for (piece, _) in self.written.drain(kept..).rev() {
            self.ready.push_front(piece);
        }
    }

    /// The news that the outcome of an attempt is.
    fn outcome(&mut self, all: Result<(), Error>) -> Vec<News> {
        let Err(error) = all else {
            self.pause = Duration::ZERO;
            self.counters.stalled.store(0, Ordering::Relaxed);
            return if std::mem::take(&mut self.is_troubled) { vec![News::Well] } else { Vec::new() };
        };
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.counters.stalled.store(1, Ordering::Relaxed);
        if std::mem::replace(&mut self.is_troubled, true) {
            return Vec::new();
        }
        vec![News::Trouble { is_full: matches!(error, Error::Full), text: error.to_string() }]
    }

    /// Passes `news` on, and counts.
    fn tell(&self, news: Vec<News>) {
        let usage = self.store.usage();
        self.counters.take(&usage);
        if !news.is_empty() {
            lock(&self.shared.news).extend(news);
            (self.wake)();
        }
    }
}
