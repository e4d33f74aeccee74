//! Every order in which the threads can go, as far as three switches against a thread's will take it.

use loom::thread;

use super::*;

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

/// Credit for `window` messages, all of it taken.
fn taken(window: u32) -> Arc<Credit> {
    let credit = Credit::new(window, 100);
    assert_eq!(credit.try_take(window, 100), window);
    Arc::new(credit)
}

/// Breaks without it: the last of the credit comes back while a source goes to sleep, and nobody wakes it.
#[test]
fn a_waiter_gets_credit_that_comes_back_in_parts() {
    model(|| {
        let credit = taken(4);
        let givers = [(1, 99), (1, 1)].map(|(messages, bytes)| {
            let credit = Arc::clone(&credit);
            thread::spawn(move || credit.give_back(messages, bytes))
        });
        // More than one message has to be free, so one giver alone is not enough.
        assert_eq!(credit.wait(None), Waited::Credit);
        assert_eq!(credit.try_take(2, 0), 2);
        for giver in givers {
            giver.join().unwrap();
        }
    });
}

/// Breaks without it: a source that begins to wait while it is stopped waits for ever.
#[test]
fn a_cancelled_wait_ends() {
    model(|| {
        let credit = taken(1);
        let other = Arc::clone(&credit);
        let boss = thread::spawn(move || other.cancel_waits());
        assert_eq!(credit.wait(None), Waited::Cancelled);
        boss.join().unwrap();
    });
}

/// Breaks without it: a source that begins to wait while it is asked to end learns of it when credit comes.
#[test]
fn a_waiter_that_gives_up_is_woken() {
    model(|| {
        let credit = taken(1);
        let exit = Arc::new(super::AtomicBool::new(false));
        let (other, asked) = (Arc::clone(&credit), Arc::clone(&exit));
        let boss = thread::spawn(move || {
            asked.store(true, Ordering::Relaxed);
            other.wake_waiters();
        });
        assert_eq!(credit.wait_unless(None, || exit.load(Ordering::Relaxed)), Waited::GivenUp);
        boss.join().unwrap();
    });
}

/// Breaks without it: a source that suspends itself while its credit comes back is never woken, or twice.
#[test]
fn a_suspended_source_is_woken_once() {
    model(|| {
        let credit = taken(2);
        // Not one of loom's: it is looked at when all is over.
        let calls = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        credit.set_on_resume(Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        let givers = [(1, 50), (1, 50)].map(|(messages, bytes)| {
            let credit = Arc::clone(&credit);
            thread::spawn(move || credit.give_back(messages, bytes))
        });
        credit.suspend();
        for giver in givers {
            giver.join().unwrap();
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(!credit.is_waited_for());
    });
}

/// Breaks without it: a source that suspends itself while it is stopped counts as blocked for good.
#[test]
fn a_suspension_ends_with_its_source() {
    model(|| {
        let credit = taken(1);
        let other = Arc::clone(&credit);
        let boss = thread::spawn(move || other.cancel_waits());
        credit.suspend();
        boss.join().unwrap();
        assert!(!credit.is_waited_for());
    });
}

/// Breaks without it: the last buffer that holds bytes is let go of while a source goes to sleep, and nobody
/// wakes it.
#[test]
fn a_waiter_gets_credit_that_was_held() {
    model(|| {
        let credit = Arc::new(Credit::new(1, 100));
        let holds = [60, 60].map(|bytes| Hold::new(&credit, bytes));
        assert_eq!(credit.try_take(1, 1), 0);
        let holders = holds.map(|hold| thread::spawn(move || drop(hold)));
        assert_eq!(credit.wait(None), Waited::Credit);
        assert_eq!(credit.try_take(1, 0), 1, "one that is left does not use up the credit");
        for holder in holders {
            holder.join().unwrap();
        }
        assert_eq!(credit.free_bytes(), 100);
    });
}

/// Breaks without it: a source that suspends itself while a buffer is held, and let go of elsewhere, is never
/// woken, or twice.
#[test]
fn a_suspended_source_is_woken_by_what_was_held() {
    model(|| {
        let credit = Arc::new(Credit::new(1, 100));
        let calls = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        credit.set_on_resume(Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        let hold = Hold::new(&credit, 100);
        let holder = thread::spawn(move || drop(hold));
        credit.suspend();
        holder.join().unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(!credit.is_waited_for());
    });
}

/// Breaks without it: two sources' threads take the same message of credit.
#[test]
fn credit_is_taken_once() {
    model(|| {
        let credit = Arc::new(Credit::new(3, 100));
        let other = Arc::clone(&credit);
        let taker = thread::spawn(move || other.try_take(2, 0));
        let mine = credit.try_take(2, 0);
        let theirs = taker.join().unwrap();
        assert_eq!(mine + theirs, 3);
        assert_eq!(credit.free_messages(), 0);
    });
}
