use super::*;

/// Breaks without it: a source has more in flight than its window, or a message larger than the bound waits
/// for ever.
#[test]
fn credit_is_bounded_in_messages_and_bytes() {
    let credit = Credit::new(3, 100);
    assert_eq!(credit.try_take(2, 10), 2);
    assert_eq!(credit.try_take(2, 10), 1, "only what is left");
    assert_eq!(credit.try_take(1, 10), 0);
    credit.give_back(3, 20);
    assert_eq!(credit.try_take(1, 1000), 1, "a message larger than the bound passes alone");
    assert_eq!(credit.try_take(1, 1), 0, "and nothing passes beside it");
    credit.give_back(1, 1000);
    assert!(credit.is_available());
    assert_eq!((credit.free_messages(), credit.free_bytes()), (3, 100));
}

/// Breaks without it: buffers with a few bytes in each fill the memory behind a destination that stands
/// still.
#[test]
fn what_is_held_is_taken_until_it_is_let_go() {
    let credit = Arc::new(Credit::new(3, 100));
    let hold = Hold::new(&credit, 1000);
    assert_eq!((credit.try_take(1, 1), credit.free_bytes()), (0, -900));
    drop(hold);
    assert_eq!((credit.try_take(1, 0), credit.free_bytes()), (1, 100));
}

/// Breaks without it: a source is woken for each message that trickles through, or never again.
#[test]
fn a_waiter_resumes_above_the_mark_and_not_before() {
    let credit = Arc::new(Credit::new(1000, 1 << 20));
    assert_eq!(credit.resume_above(), 100);
    assert_eq!(credit.try_take(1000, 0), 1000);
    credit.give_back(100, 0);
    assert_eq!(credit.wait_unless(None, || true), Waited::GivenUp, "at the mark it would wait");
    credit.give_back(1, 0);
    assert_eq!(credit.wait_unless(None, || true), Waited::Credit, "above it, it goes on");
    assert_eq!(credit.try_take(101, 0), 101);
    assert_eq!(credit.wait(Some(Instant::now() + Duration::from_millis(20))), Waited::Timeout);
    let other = Arc::clone(&credit);
    let waiter = std::thread::spawn(move || other.wait(None));
    credit.give_back(101, 0);
    assert_eq!(waiter.join().unwrap(), Waited::Credit);
    assert_eq!(credit.try_take(1000, 0), 101);
    let exit = Arc::new(AtomicBool::new(false));
    let (other, asked) = (Arc::clone(&credit), Arc::clone(&exit));
    let waiter = std::thread::spawn(move || other.wait_unless(None, || asked.load(Ordering::Relaxed)));
    exit.store(true, Ordering::Relaxed);
    credit.wake_waiters();
    assert_eq!(waiter.join().unwrap(), Waited::GivenUp);
    credit.cancel_waits();
    assert_eq!(credit.wait(None), Waited::Cancelled);
}

/// Breaks without it: a suspended source is called for each message that is acknowledged, or not at all.
#[test]
fn a_suspended_source_is_told_once() {
    let credit = Credit::new(4, 100);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    credit.set_on_resume(Box::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    assert_eq!(credit.try_take(4, 4), 4);
    credit.suspend();
    credit.give_back(1, 1);
    assert_eq!(calls.load(Ordering::SeqCst), 0, "not above a quarter of the window yet");
    credit.give_back(1, 1);
    credit.give_back(2, 2);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    credit.suspend();
    assert_eq!(calls.load(Ordering::SeqCst), 2, "there is credit already");
}

/// Without it: a source that was suspended when it stopped is blocked for as long as the engine runs.
#[test]
fn a_source_that_is_stopped_is_not_blocked_any_more() {
    let credit = Credit::new(1, 100);
    assert_eq!(credit.try_take(1, 1), 1);
    credit.suspend();
    std::thread::sleep(Duration::from_millis(2));
    credit.cancel_waits();
    let blocked = credit.blocked();
    assert!(blocked >= Duration::from_millis(2));
    // A post that was on its way when the source was stopped.
    credit.suspend();
    let later = credit.blocked();
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!((credit.blocked(), credit.is_waited_for()), (later, false));
    assert_eq!(credit.wait(None), Waited::Cancelled);
}
