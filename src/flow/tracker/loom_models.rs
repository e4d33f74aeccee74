//! Every order in which the threads can go, as far as three switches against a thread's will take it.

use std::sync::atomic::{AtomicU64, Ordering};

use loom::thread;

use super::*;

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

/// Breaks without it: two destinations that are done at once tell of the same prefix twice, of the shorter
/// one last, or of neither; or credit comes back twice.
#[test]
fn prefixes_of_two_threads_grow_and_end_at_the_last_ticket() {
    model(|| {
        let credit = Arc::new(Credit::new(4, 100));
        assert_eq!(credit.try_take(3, 3), 3);
        // Not loom's: it is written under the tracker's lock, and looked at when all is over.
        let (end, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (told, counted) = (Arc::clone(&end), Arc::clone(&count));
        let tell = Box::new(move |news| {
            let News::Prefix { end, messages, .. } = news else { unreachable!("posting order") };
            assert!(told.swap(end, Ordering::Relaxed) < end);
            counted.fetch_add(u64::from(messages), Ordering::Relaxed);
        });
        let tracker = Arc::new(Tracker::new(Order::Posting, Arc::clone(&credit), tell));
        let tickets = [tracker.issue(None), tracker.issue(None)];
        let threads = tickets.map(|ticket| {
            let tracker = Arc::clone(&tracker);
            thread::spawn(move || tracker.acked(ticket, 1, (1, 1), Vec::new()))
        });
        let late = tracker.issue(None);
        tracker.acked(late, 1, (1, 1), Vec::new());
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(tracker.is_idle());
        assert_eq!((end.load(Ordering::Relaxed), count.load(Ordering::Relaxed)), (late + 1, 3));
        assert_eq!((credit.free_messages(), credit.free_bytes()), (4, 100));
    });
}

/// Breaks without it: a group that is closed while its last batch comes in is never told, or told twice.
#[test]
fn a_group_is_told_once_after_its_batches() {
    model(|| {
        let credit = Arc::new(Credit::new(4, 100));
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let tell = Box::new(move |news| {
            let News::Batch { ticket, .. } = news else { unreachable!("order of completion") };
            list.lock().unwrap().push(ticket);
        });
        assert_eq!(credit.try_take(2, 2), 2);
        let tracker = Arc::new(Tracker::new(Order::Completion, credit, tell));
        let group = tracker.open_group();
        let tickets = [tracker.issue(Some(group)), tracker.issue(Some(group))];
        let threads = tickets.map(|ticket| {
            let tracker = Arc::clone(&tracker);
            thread::spawn(move || tracker.acked(ticket, 1, (1, 1), Vec::new()))
        });
        let marker = tracker.close_group(group);
        for thread in threads {
            thread.join().unwrap();
        }
        let told = told.lock().unwrap();
        assert_eq!((told.len(), told.last()), (3, Some(&marker)));
        assert!(tracker.is_idle());
    });
}
