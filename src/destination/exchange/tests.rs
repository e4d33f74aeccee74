//! Tests of exchanges: a far end by script, and a clock that the tests turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::destination::{Counters, Destination, Rejects, Report};
use crate::flow::{Ack, Credit, Delivery, DropReason, SourceCounters};
use crate::message::{Need, Origin, Pool, Selection, Writer};
use crate::template::Template;

mod order;

/// No test passes or fails by the clock: this is only how long to wait before giving up on what never comes.
const PATIENCE: Duration = Duration::from_secs(60);

type Script = dyn FnMut(&[String]) -> Sent + Send;

/// A far end that does what a script says, and keeps what it took.
struct Fake {
    script: Mutex<Box<Script>>,
    /// The messages of each request.
    requests: Mutex<Vec<Vec<String>>>,
    /// What it has taken, in order.
    taken: Mutex<Vec<String>>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    fn new(script: impl FnMut(&[String]) -> Sent + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(script)),
            requests: Mutex::default(),
            taken: Mutex::default(),
        })
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|texts| texts.join(" ")).collect()
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

struct FakeWorker(Arc<Fake>);

impl Exchange for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn worker(self: Arc<Self>, _: usize, _: &Site) -> Box<dyn Worker> {
        Box::new(FakeWorker(self))
    }
}

impl Worker for FakeWorker {
    fn send(&mut self, group: &Group) -> Sent {
        let texts: Vec<String> = group
            .messages()
            .map(|(message, numbers)| {
                let text = String::from_utf8(message.text().to_vec()).unwrap();
                assert!(numbers.order > 0);
                text
            })
            .collect();
        self.0.requests.lock().unwrap().push(texts.clone());
        // A script that panics leaves nothing half done.
        let mut script = self.0.script.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let sent = script(&texts);
        drop(script);
        let mut taken = self.0.taken.lock().unwrap();
        taken.extend_from_slice(&texts[..sent.delivered]);
        let texts = &texts[sent.delivered..];
        match &sent.outcome {
            Outcome::Delivered => taken.extend_from_slice(&texts[..sent.taken]),
            Outcome::Rows(fates) => {
                let arrived = texts.iter().zip(fates).filter(|(_, fate)| **fate == Fate::Delivered);
                taken.extend(arrived.map(|(text, _)| text.clone()));
            }
            _ => {}
        }
        sent
    }
}

fn sent(texts: &[String], outcome: Outcome) -> Sent {
    Sent::one(texts.len(), 1, outcome)
}

fn delivered(texts: &[String]) -> Sent {
    sent(texts, Outcome::Delivered)
}

/// An exchange with everything around it.
struct Rig {
    destination: ExchangeDestination,
    fake: Arc<Fake>,
    counters: Arc<Counters>,
    source: Arc<SourceCounters>,
    credit: Arc<Credit>,
    reports: Arc<Mutex<Vec<Report>>>,
    rejected: Arc<Mutex<Vec<Delivery>>>,
    now: Instant,
    posted: u64,
}

const WINDOW: u32 = 100_000;

impl Rig {
    fn new(fake: &Arc<Fake>, change: impl FnOnce(&mut ExchangeSettings)) -> Self {
        let (counters, reports) = (Arc::<Counters>::default(), Arc::<Mutex<Vec<Report>>>::default());
        let rejected = Arc::<Mutex<Vec<Delivery>>>::default();
        let destination = make(fake, &counters, &reports, Rejects::default(), change);
        let credit = Arc::new(Credit::new(WINDOW, 1 << 40));
        let (source, now) = (Arc::default(), Instant::now());
        Self {
            destination,
            fake: Arc::clone(fake),
            counters,
            source,
            credit,
            reports,
            rejected,
            now,
            posted: 0,
        }
    }

    fn with_rejects(fake: &Arc<Fake>, change: impl FnOnce(&mut ExchangeSettings)) -> Self {
        let mut rig = Self::new(fake, |_| ());
        let taken = Arc::clone(&rig.rejected);
        let rejects = Rejects::new("d#0", Arc::new(move |delivery| taken.lock().unwrap().push(delivery)));
        rig.destination = make(fake, &rig.counters, &rig.reports, rejects, change);
        rig
    }

    fn push(&mut self, texts: &[&str]) {
        let need = Need { bytes: 4096, ..Need::default() };
        let mut writer = Writer::open(&Arc::new(Origin::named("s")), &Arc::new(Pool::new()), need);
        for text in texts {
            let mut row = writer.row(Need { bytes: text.len(), ..Need::default() }).unwrap();
            row.payload_copy(text.as_bytes());
            row.publish();
        }
        let (batch, rows) = (Arc::new(writer.finish()), texts.len() as u32);
        assert_eq!(self.credit.try_take(rows, batch.charge()), rows);
        self.source.count_posted(u64::from(rows));
        self.posted += u64::from(rows);
        self.counters.queued.fetch_add(u64::from(rows), std::sync::atomic::Ordering::Relaxed);
        let ack = Ack::new(&self.credit, &self.source, rows, batch.charge());
        self.destination.push(Delivery { view: Selection::all(batch), ack, flow_control: true });
    }

    /// Flushes until nothing is on its way.
    fn flush(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.destination.flush(self.now);
            if !self.destination.is_busy() {
                return;
            }
            assert!(Instant::now() < end, "a request never comes back");
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// Lets the time go on, and flushes.
    fn after(&mut self, time: Duration) {
        self.now += time;
        self.flush();
    }

    fn held(&self) -> u64 {
        u64::from(self.credit.window()) - self.credit.free_messages() as u64
    }

    fn reports(&self) -> Vec<String> {
        self.reports.lock().unwrap().iter().map(|report| report.text.clone()).collect()
    }

    /// Stops it: the outcomes of all messages add up, and all credit is back.
    fn finish(mut self) -> (Vec<String>, crate::flow::counters::SourceTotals) {
        self.destination.stop(Instant::now() + PATIENCE);
        self.rejected.lock().unwrap().clear();
        let totals = self.source.totals();
        let outcomes = totals.delivered + totals.dropped_total() + totals.rejected;
        assert_eq!((totals.posted, totals.in_flight), (outcomes, 0), "{totals:?}");
        assert_eq!(self.held(), 0, "credit is missing");
        let read =
            |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let counters = &self.counters;
        assert_eq!(read(&counters.queued), 0);
        let sum = read(&counters.delivered) + read(&counters.dropped) + read(&counters.rejected);
        assert_eq!(sum, self.posted);
        (self.fake.taken(), totals)
    }
}

fn make(
    fake: &Arc<Fake>,
    counters: &Arc<Counters>,
    reports: &Arc<Mutex<Vec<Report>>>,
    rejects: Rejects,
    change: impl FnOnce(&mut ExchangeSettings),
) -> ExchangeDestination {
    let log = Arc::clone(reports);
    let site = Site {
        counters: Arc::clone(counters),
        report: Arc::new(move |report| log.lock().unwrap().push(report)),
        rejects,
        wake: Arc::new(|| ()),
    };
    let mut settings = ExchangeSettings::new(Arc::clone(fake) as Arc<dyn Exchange>);
    change(&mut settings);
    ExchangeDestination::new(settings, site)
}

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any pause after a failure.
const REOPEN: Duration = Duration::from_secs(76);

/// Breaks without it: messages wait for others that may never come, or each goes by itself although more wait.
#[test]
fn without_times_a_group_is_what_waits() {
    let fake = Fake::new(delivered);
    let mut rig = Rig::new(&fake, |settings| settings.batch_lines = 3);
    rig.push(&["a"]);
    rig.flush();
    rig.push(&["b", "c", "d", "e"]);
    rig.push(&["f"]);
    rig.flush();
    let all: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).into();
    assert_eq!(fake.requests(), ["a", "b c d", "e f"]);
    assert_eq!(rig.finish().0, all);
}

/// Breaks without it: a batch goes before its time although it is not full, or never.
#[test]
fn a_batch_waits_for_its_lines_or_its_times() {
    let fake = Fake::new(delivered);
    let mut rig = Rig::new(&fake, |settings| {
        settings.batch_lines = 3;
        settings.batch_timeout = Some(10 * SECOND);
        settings.batch_idle_timeout = Some(4 * SECOND);
    });
    rig.push(&["a", "b", "c", "d"]);
    rig.flush();
    assert_eq!(fake.requests(), ["a b c"]);
    rig.after(3 * SECOND);
    rig.push(&["e"]);
    rig.after(SECOND);
    assert_eq!((fake.requests().len(), rig.held()), (1, 5), "acknowledged before it was sent");
    assert_eq!(rig.destination.next_deadline(), Some(rig.now + 4 * SECOND));
    rig.after(4 * SECOND);
    assert_eq!(fake.requests(), ["a b c", "d e"]);
    // The idle time begins anew with each message, the other one with the first.
    for text in ["f", "g"] {
        rig.push(&[text]);
        rig.flush();
        rig.after(3 * SECOND);
    }
    assert_eq!(fake.requests().len(), 2);
    rig.after(SECOND);
    assert_eq!(fake.requests()[2..], ["f g".to_owned()]);
    for text in ["h", "i"] {
        rig.push(&[text]);
        rig.flush();
        rig.after(3 * SECOND);
    }
    assert_eq!(rig.destination.next_deadline(), Some(rig.now + SECOND));
    rig.finish();
}

/// Breaks without it: a message that the far end never takes blocks all others, or is given up too soon, or
/// what comes after it goes first.
#[test]
fn errors_are_counted_and_the_last_one_refuses() {
    let fake = Fake::new(|texts| {
        if texts[0] == "bad" { sent(texts, Outcome::Error(Failure::new("no"))) } else { delivered(texts) }
    });
    let mut rig = Rig::new(&fake, |settings| settings.retries = 3);
    rig.push(&["a", "bad", "b"]);
    rig.flush();
    assert_eq!(fake.requests(), ["a", "bad"]);
    assert!(rig.destination.is_suspended() && rig.held() == 3);
    rig.after(44 * SECOND);
    assert_eq!(fake.requests().len(), 2, "the pause is three quarters of time-reopen() at least");
    rig.after(REOPEN);
    rig.after(REOPEN);
    assert_eq!(fake.requests(), ["a", "bad", "bad", "bad", "b"]);
    assert!(!rig.destination.is_suspended());
    let reports = rig.reports();
    assert!(reports[0].starts_with("no; it is tried again in "), "{reports:?}");
    assert!(reports[1].contains("1 messages are refused: no (retries(3)); they are dropped"), "{reports:?}");
    let (taken, totals) = rig.finish();
    assert_eq!(taken, ["a", "b"]);
    assert_eq!((totals.delivered, totals.dropped[DropReason::Refused as usize]), (2, 1));
}

/// Breaks without it: messages are lost while nobody is there to take them, or come in another order.
#[test]
fn a_far_end_that_is_not_there_is_tried_for_ever() {
    let mut attempts = 0;
    let fake = Fake::new(move |texts| {
        attempts += 1;
        if attempts < 20 {
            sent(texts, Outcome::NotConnected(Failure::new("gone")))
        } else {
            delivered(texts)
        }
    });
    let mut rig = Rig::new(&fake, |settings| settings.batch_lines = 2);
    rig.push(&["a", "b", "c"]);
    for _ in 0..20 {
        rig.after(REOPEN);
        rig.push(&["x"]);
    }
    rig.flush();
    assert_eq!(rig.reports().iter().filter(|text| text.contains("gone")).count(), 1);
    let (taken, _) = rig.finish();
    assert_eq!(taken[..3], ["a", "b", "c"]);
    assert_eq!(taken.len(), 23);
}

/// Breaks without it: a far end that asks for time is asked again before, or `retry` waits.
#[test]
fn pauses_are_as_long_as_asked_for_and_retries_at_once_have_none() {
    let mut attempts = 0;
    let fake = Fake::new(move |texts| {
        attempts += 1;
        let failure = Failure { pause: Some(7 * SECOND), ..Failure::new("busy") };
        match attempts {
            1 => sent(texts, Outcome::NotConnected(failure)),
            2..=5 => sent(texts, Outcome::Retry(Failure::new("again"))),
            _ => delivered(texts),
        }
    });
    let mut rig = Rig::new(&fake, |_| ());
    rig.push(&["a"]);
    rig.flush();
    assert_eq!(rig.destination.next_deadline(), Some(rig.now + 7 * SECOND));
    rig.after(7 * SECOND);
    assert_eq!(fake.requests().len(), 5, "three times at once, then as not connected");
    rig.after(REOPEN);
    assert_eq!(rig.finish().0, ["a"]);
}

/// Breaks without it: of a request of which single messages were refused the others are lost or sent twice, or
/// the refused ones come back.
#[test]
fn messages_of_one_request_have_their_own_outcomes() {
    let refusal = Refusal { reason: "wrong".to_owned(), status: "400".to_owned(), is_asked_for: false };
    let fake = Fake::new(move |texts| {
        let fate = |text: &String| match text.as_str() {
            "bad" => Fate::Rejected(refusal.clone()),
            "later" if texts.len() > 1 => Fate::Again(Failure::new("busy")),
            _ => Fate::Delivered,
        };
        sent(texts, Outcome::Rows(texts.iter().map(fate).collect()))
    });
    let mut rig = Rig::with_rejects(&fake, |settings| settings.batch_lines = 10);
    rig.push(&["a", "bad", "later"]);
    rig.push(&["bad", "bad", "b"]);
    rig.flush();
    assert_eq!(fake.taken(), ["a", "b"]);
    rig.after(REOPEN);
    assert_eq!(fake.requests(), ["a bad later bad bad b", "later"]);
    let rejected = std::mem::take(&mut *rig.rejected.lock().unwrap());
    assert_eq!(rejected.iter().map(|delivery| delivery.view.len()).collect::<Vec<_>>(), [1, 2]);
    let template = "$MSG ${.reject.reason} ${.reject.status} ${.reject.destination}";
    let (template, mut line) = (Template::compile(template).unwrap(), Vec::new());
    template.format(rejected[0].view.message(0), &crate::template::Context::default(), &mut line);
    assert_eq!(String::from_utf8(line).unwrap(), "bad wrong 400 d#0");
    assert_eq!(rig.held(), 6, "what was refused is somebody else's to acknowledge");
    drop(rejected);
    let (taken, totals) = rig.finish();
    assert_eq!(taken, ["a", "b", "later"]);
    assert_eq!((totals.delivered, totals.rejected, totals.dropped_total()), (3, 3, 0));
}

/// Breaks without it: a worker that fails takes the thread with it, or messages that nobody counts.
#[test]
fn a_panic_costs_the_messages_of_one_request() {
    let fake = Fake::new(|texts| {
        assert!(!texts.contains(&"bad".to_owned()), "it was bad");
        delivered(texts)
    });
    let mut rig = Rig::new(&fake, |settings| settings.batch_lines = 2);
    rig.push(&["a", "b", "bad", "c", "d"]);
    rig.flush();
    assert!(rig.reports()[0].contains("it was bad; 2 messages are dropped"), "{:?}", rig.reports());
    let (taken, totals) = rig.finish();
    assert_eq!(taken, ["a", "b", "d"]);
    assert_eq!(totals.dropped[DropReason::Fault as usize], 2);
}

/// Breaks without it: messages that arrived before another one failed are sent twice, or count among its attempts.
#[test]
fn several_requests_may_have_one_answer() {
    let fake = Fake::new(|texts| {
        let bad = texts.iter().position(|text| text == "bad");
        match bad {
            Some(at) => {
                Sent { delivered: at, taken: 1, bytes: 1, outcome: Outcome::Error(Failure::new("no")) }
            }
            None => delivered(texts),
        }
    });
    let mut rig = Rig::new(&fake, |settings| (settings.batch_lines, settings.retries) = (10, 2));
    rig.push(&["a", "b", "bad", "c"]);
    rig.push(&["bad", "d"]);
    rig.flush();
    assert_eq!(fake.taken(), ["a", "b"]);
    assert!(rig.held() >= 4, "acknowledged before it was sent");
    for _ in 0..3 {
        rig.after(REOPEN);
    }
    assert_eq!(fake.requests(), ["a b bad c bad d", "bad c bad d", "c bad d", "bad d", "d"]);
    let (taken, totals) = rig.finish();
    assert_eq!(taken, ["a", "b", "c", "d"]);
    assert_eq!((totals.delivered, totals.dropped[DropReason::Refused as usize]), (4, 2));
}

/// Breaks without it: a stop waits for a far end that is gone, or loses messages that it could have sent.
#[test]
fn a_stop_tries_everything_once() {
    for (last, expected) in [("c", 0), ("never", 2)] {
        let fake = Fake::new(|texts| {
            let is_there = texts[0] != "never";
            if is_there { delivered(texts) } else { sent(texts, Outcome::NotConnected(Failure::new("gone"))) }
        });
        let mut rig = Rig::new(&fake, |settings| {
            settings.batch_timeout = Some(3600 * SECOND);
            settings.batch_lines = 2;
        });
        rig.push(&["a", "b", last]);
        rig.flush();
        assert_eq!(fake.taken(), ["a", "b"], "the last one waits for another one");
        if expected > 0 {
            rig.push(&["d"]);
            rig.flush();
        }
        let begun = Instant::now();
        assert_eq!(rig.destination.stop(Instant::now() + PATIENCE), expected);
        assert!(begun.elapsed() < PATIENCE / 2, "it was waited for");
        let lost = format!("{expected} messages could not be sent before the stop");
        assert_eq!(rig.reports().iter().any(|text| text.starts_with(&lost)), expected > 0);
        let (taken, totals) = rig.finish();
        assert_eq!(taken.len() as u64 + expected, totals.posted);
        assert_eq!(totals.dropped[DropReason::Stopped as usize], expected);
    }
}

/// Breaks without it: messages under one key overtake each other, or all wait for one worker.
#[test]
fn messages_of_one_key_go_in_order_and_together() {
    let fake = Fake::new(delivered);
    let mut rig = Rig::new(&fake, |settings| {
        settings.batch_lines = 10;
        settings.workers = 4;
        settings.partition_key = Some(Template::compile("$(substr $MSG 0 1)").unwrap());
        settings.is_one_key_a_group = true;
    });
    rig.push(&["a1", "b1", "a2", "c1", "b2", "a3"]);
    rig.push(&["c2", "a4", "b3"]);
    rig.flush();
    let mut by_key: BTreeMap<char, Vec<String>> = BTreeMap::new();
    for text in fake.requests() {
        let keys: Vec<char> = text.split(' ').filter_map(|text| text.chars().next()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "two keys in one request: {text}");
        by_key.entry(keys[0]).or_default().push(text);
    }
    let all: Vec<String> = by_key.values().map(|texts| texts.join(" ")).collect();
    assert_eq!(all, ["a1 a2 a3 a4", "b1 b2 b3", "c1 c2"]);
    rig.finish();
}

/// Breaks without it: where one worker goes on failing and another does not, the log has two lines for each
/// attempt.
#[test]
fn failures_beside_successes_are_told_once() {
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let still = Arc::clone(&fails);
    let fake = Fake::new(move |texts| {
        if texts[0].starts_with('b') && still.load(std::sync::atomic::Ordering::Relaxed) {
            return sent(texts, Outcome::NotConnected(Failure::new("nobody is there")));
        }
        delivered(texts)
    });
    let mut rig = Rig::new(&fake, |settings| {
        settings.workers = 2;
        settings.partition_key = Some(Template::compile("$(substr $MSG 0 1)").unwrap());
        settings.is_one_key_a_group = true;
    });
    rig.push(&["b1"]);
    for _ in 0..5 {
        rig.push(&["a", "c", "d", "e", "f", "g", "h", "i"]);
        rig.flush();
        rig.after(REOPEN);
    }
    // Those of the other worker.
    assert!(fake.taken().len() >= 5, "{:?}", fake.taken());
    assert!(fake.requests().iter().filter(|text| *text == "b1").count() > 3);
    let told = rig.reports();
    assert!(told.len() == 1 && told[0].contains("nobody is there"), "{told:?}");
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    rig.after(REOPEN);
    let told = rig.reports();
    assert!(told.len() == 2 && told[1].contains("takes messages again"), "{told:?}");
    rig.finish();
}

/// Breaks without it: a destination sends more in a second than `throttle()` says.
#[test]
fn a_throttle_bounds_the_messages_of_a_second() {
    let fake = Fake::new(delivered);
    let mut rig = Rig::new(&fake, |settings| {
        settings.batch_lines = 10;
        settings.throttle = Some(3);
    });
    rig.push(&["a", "b", "c", "d", "e", "f", "g"]);
    rig.flush();
    assert_eq!(fake.taken().len(), 3);
    rig.after(SECOND);
    assert_eq!(fake.taken().len(), 6);
    rig.after(SECOND);
    assert_eq!(rig.finish().0.len(), 7);
}

/// Breaks without it: messages that a busy far end takes one by one are refused with the others' errors, or
/// come after those that nobody has sent yet.
#[test]
fn what_comes_back_goes_first_and_is_refused_only_without_progress() {
    let fake = Fake::new(|texts| {
        let mut fates = vec![Fate::Again(Failure::new("busy")); texts.len().min(2)];
        fates[0] = Fate::Delivered;
        Sent::one(fates.len(), 1, Outcome::Rows(fates))
    });
    let mut rig = Rig::new(&fake, |settings| {
        settings.batch_lines = 10;
        settings.retries = 2;
    });
    rig.push(&["a", "b", "c", "d"]);
    for _ in 0..4 {
        rig.after(REOPEN);
    }
    assert_eq!(fake.requests(), ["a b c d", "b c d", "c d", "d"]);
    assert_eq!(rig.finish().0, ["a", "b", "c", "d"]);
}
