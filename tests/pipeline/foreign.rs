//! Memory of somebody else: viewed in place, released once, and only where its owner allows it.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use inrush::flow::Refused;
use inrush::message::{Foreign, Need, Owner, Release, Segment, Segments};

use crate::rig::{Poster, Rig, until};

/// The number of owners that were made, and of those that were let go of.
#[derive(Debug, Default)]
pub struct Owners {
    made: AtomicU64,
    released: AtomicU64,
}

impl Owners {
    fn alive(&self) -> u64 {
        self.made.load(Ordering::SeqCst) - self.released.load(Ordering::SeqCst)
    }
}

/// A text of another memory manager.
struct Owned {
    text: Box<[u8]>,
    owners: Arc<Owners>,
}

unsafe fn release(object: NonNull<()>) {
    // SAFETY: leaked by `owned`, and released once: a second time would be a double free.
    let owned = unsafe { Box::from_raw(object.cast::<Owned>().as_ptr()) };
    owned.owners.released.fetch_add(1, Ordering::SeqCst);
}

pub fn owned(owners: &Arc<Owners>, text: &[u8]) -> Segment {
    owners.made.fetch_add(1, Ordering::SeqCst);
    let owned = Box::leak(Box::new(Owned { text: text.into(), owners: Arc::clone(owners) }));
    let (start, len) = (NonNull::from(&*owned.text).cast::<u8>(), text.len() as u32);
    // SAFETY: the object is given away, and `release` may run on any thread.
    let foreign = unsafe { Foreign::new(NonNull::from(owned).cast(), release) };
    // SAFETY: the text does not change, and lives as long as its owner.
    unsafe { Segment::new(start, len, Owner::Foreign(foreign)) }
}

pub fn post(poster: &mut Poster, owners: &Arc<Owners>, text: &[u8]) -> Result<(), Refused> {
    let need = Need { segments: 1, viewed: text.len(), ..Need::default() };
    poster.try_post_with(need, |row| row.payload_adopt(owned(owners, text)))
}

/// The segments that engine threads hand back, kept until the test lets go of them.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Segments>>);

impl Kept {
    fn segments(&self) -> usize {
        self.0.lock().unwrap().iter().map(Segments::len).sum()
    }
}

impl Release for Kept {
    fn release(&self, segments: Segments) {
        self.0.lock().unwrap().push(segments);
    }
}

fn config(window: u32, flags: &str) -> String {
    format!(
        r#"
        options {{ time-reopen(3600); }};
        source s {{ python(class("A") log-iw-size({window}) max-inflight-bytes(4194304)); }};
        log {{ source(s); destination {{ file("DIR/gone/out" template("$MSG\n") log-fifo-size(5)); }}; {flags} }};
        "#
    )
}

/// Breaks without it: an engine thread touches a Python object without the GIL, or an object is kept for
/// ever.
#[test]
fn owners_are_handed_back_after_delivery_and_released_nowhere_else() {
    let kept = Arc::new(Kept::default());
    let release: Arc<dyn Release> = Arc::<Kept>::clone(&kept);
    let rig = Rig::with_release(&config(20, "flags(flow-control);"), &release);
    let (mut poster, owners) = (rig.poster(0), Arc::new(Owners::default()));
    while post(&mut poster, &owners, &[b'x'; 5000]).is_ok() {}
    rig.wait_seen(0, 20);
    assert_eq!((owners.alive(), kept.segments()), (20, 0), "a waiting message keeps its owner");
    rig.mkdir("gone");
    until("all owners are handed back", || kept.segments() == 20);
    assert_eq!(owners.alive(), 20, "no engine thread let go of one");
    kept.0.lock().unwrap().clear();
    assert_eq!(owners.alive(), 0);
    assert!(rig.lines("gone/out").iter().all(|line| *line == "x".repeat(5000)));
    poster.producer.before_wait();
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: objects of messages that are dropped, or given up at the stop, are kept for ever.
#[test]
fn owners_of_dropped_and_abandoned_messages_are_released_once() {
    for (flags, at_once) in [("", 15), ("flags(flow-control);", 0)] {
        let rig = Rig::new(&config(20, flags));
        let (mut poster, owners) = (rig.poster(0), Arc::new(Owners::default()));
        poster.post(b"first");
        until("it is in trouble", || rig.to(0).suspended);
        if flags.is_empty() {
            until("it lets go of the credit", || rig.source(0).free == 20);
        }
        for _ in 0..19 {
            post(&mut poster, &owners, &[b'x'; 5000]).unwrap();
            poster.producer.close_batch();
        }
        rig.wait_seen(0, 20);
        until("dropped messages let go", || owners.alive() == 19 - at_once);
        drop(poster);
        let (totals, lost) = rig.finish(&[20]);
        assert_eq!(lost, 20 - at_once);
        assert_eq!((totals[0].delivered, totals[0].dropped_total()), (0, 20));
        assert_eq!(owners.alive(), 0);
    }
}

/// Breaks without it: more of the sources' memory is held than `max-inflight-bytes()` says.
#[test]
fn no_more_memory_is_held_than_the_byte_credit_allows() {
    let rig = Rig::new(&config(1000, "flags(flow-control);"));
    let (mut poster, owners) = (rig.poster(0), Arc::new(Owners::default()));
    let text = vec![b'x'; 1 << 20];
    while post(&mut poster, &owners, &text).is_ok() {}
    assert_eq!(owners.alive(), 4);
    rig.mkdir("gone");
    for _ in 0..40 {
        while post(&mut poster, &owners, &text) == Err(Refused::NoCredit) {
            poster.producer.before_wait();
            poster.producer.lane().credit().wait(None);
        }
        assert!(owners.alive() <= 5, "the bound, and the one message that overdrew it");
    }
    poster.producer.before_wait();
    rig.wait_idle();
    until("all are released", || owners.alive() == 0);
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: an object is released twice, or leaked, when writing its message fails half-way.
#[test]
fn a_row_that_is_never_published_lets_go_of_its_owner() {
    let rig = Rig::new(&config(20, "flags(flow-control);"));
    let (mut poster, owners) = (rig.poster(0), Arc::new(Owners::default()));
    poster.post(b"before");
    let need = Need { segments: 1, viewed: 10, ..Need::default() };
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        poster.try_post_with(need, |row| {
            row.payload_adopt(owned(&owners, b"0123456789"));
            panic!("a source's own code fails");
        })
    }));
    assert!(failed.is_err());
    assert_eq!(owners.alive(), 0);
}
