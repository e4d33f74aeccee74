use super::*;

/// Breaks without it: a wake-up that comes at the wrong moment leaves items where nobody looks.
#[test]
fn a_sleeping_receiver_gets_every_item_of_every_sender_in_order() {
    const EACH: u32 = 5_000;
    let mut inbox = Inbox::new();
    let mut next = [0u32; 3];
    std::thread::scope(|scope| {
        for who in 0..next.len() {
            let sender = inbox.sender();
            scope.spawn(move || {
                for number in 0..EACH {
                    sender.send((who, number));
                    if number % 512 == 0 {
                        std::thread::sleep(Duration::from_micros(300));
                    }
                }
            });
        }
        while next.iter().any(|count| *count < EACH) {
            inbox.wait(None);
            while let Some((who, number)) = inbox.try_recv() {
                assert_eq!(number, next[who], "order of sender {who}");
                next[who] += 1;
            }
        }
    });
}

/// Breaks without it: an item that was left for the next look is lost, slept through, or overtaken.
#[test]
fn what_is_left_behind_comes_first() {
    let mut inbox = Inbox::new();
    let sender = inbox.sender();
    for number in 1..4 {
        sender.send(number);
    }
    assert_eq!(inbox.begin_look(), (3, 0));
    let left: Vec<_> = [inbox.try_recv(), inbox.try_recv()].into_iter().flatten().collect();
    inbox.leave_behind(left);
    sender.send(4);
    assert_eq!((inbox.begin_look(), inbox.is_empty()), ((4, 2), false));
    let all: Vec<_> = std::iter::from_fn(|| inbox.try_recv()).collect();
    assert_eq!(all, [1, 2, 3, 4]);
    sender.send(5);
    let left = inbox.try_recv().into_iter().collect();
    inbox.leave_behind(left);
    assert!(!inbox.is_empty());
    (0..10).for_each(|_| inbox.wait(None));
    assert_eq!(inbox.try_recv(), Some(5), "nothing else would wake it");
}

/// Breaks without it: a receiver that spins misses a call that came while it was busy, and the sender
/// stands still.
#[test]
fn a_spin_ends_with_a_call() {
    let mut inbox = Inbox::<()>::with_nap(Duration::from_secs(3600));
    let sender = inbox.sender();
    sender.wake();
    inbox.spin_or_nap(|| None);
    assert!(inbox.last_spin.is_some());
    // As if it had been a moment ago, however slow this machine is.
    inbox.last_spin = Some(Instant::now() + Duration::from_secs(3600));
    sender.wake();
    inbox.spin_or_nap(|| None);
    inbox.begin_look();
    assert!(!inbox.shared.called.load(Ordering::Relaxed), "a look answers the calls before it");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            sender.wake();
        });
        inbox.last_spin = Some(Instant::now() + Duration::from_secs(3600));
        inbox.spin_or_nap(|| None);
    });
}

/// Breaks without it: a receiver that was idle for long takes what comes one by one, for as long as
/// something comes, and each time interrupts who sends it.
#[test]
fn a_rest_ends_when_something_comes_at_once() {
    let mut inbox = Inbox::with_nap(Duration::from_millis(20));
    let sender = inbox.sender();
    (inbox.slept, inbox.rests) = (true, RESTS);
    sender.send(1);
    let begun = Instant::now();
    inbox.nap(1, || None);
    assert!(begun.elapsed() >= Duration::from_millis(20), "something came: it naps");
    assert_eq!((inbox.try_recv(), inbox.slept, inbox.rests), (Some(1), false, 0));
    (inbox.slept, inbox.rests) = (true, RESTS);
    sender.send(2);
    inbox.wait(None);
    assert_eq!((inbox.slept, inbox.rests), (false, 0));
}

/// Breaks without it: who waits for one message a millisecond, or for two that come together each
/// millisecond, naps in vain after each; or, for as long as more and more come, it is woken for each.
#[test]
fn a_rest_outlasts_one_short_sleep() {
    let mut inbox = Inbox::with_nap(Duration::from_secs(3600));
    let sender = inbox.sender();
    let woken_at_once = |inbox: &mut Inbox<u32>| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !sender.0.sleeping.load(Ordering::Relaxed) {
                    yield_now();
                }
                assert!(sender.send(1), "it slept");
            });
            inbox.nap(1, || None);
        });
        assert_eq!(inbox.try_recv(), Some(1));
    };
    for (rests, sleeps) in [(RESTS, 1), (1, 0)] {
        (inbox.slept, inbox.rests) = (true, rests);
        woken_at_once(&mut inbox);
        // A slow machine makes a long sleep of it.
        assert!(inbox.slept && (inbox.rests == sleeps || inbox.rests == RESTS));
    }
}

/// Breaks without it: a flood is not seen, and who sends it is interrupted each 50 µs.
#[test]
fn a_flood_is_worth_a_longer_nap() {
    let mut inbox = Inbox::<()>::with_nap(Duration::ZERO);
    for (brought, nap, naps) in
        [(FLOOD - 1, Duration::ZERO, 1), (FLOOD, LIGHT_NAP, NAPS), (HEAVY, FLOOD_NAP, NAPS)]
    {
        inbox.naps = 0;
        (inbox.slept, inbox.rests) = (brought >= FLOOD, RESTS);
        let begun = Instant::now();
        inbox.nap(brought, || None);
        assert!(begun.elapsed() >= nap && !inbox.sender().naps_lightly());
        assert_eq!((inbox.naps, inbox.rests), (naps, 0));
    }
}

/// Breaks without it: a queue with an item that holds its sender is never freed.
#[test]
fn what_nobody_received_goes_with_the_receiver() {
    struct Item(#[expect(dead_code, reason = "it is held")] Option<Sender<Self>>);
    let inbox = Inbox::new();
    let shared = Arc::downgrade(&inbox.shared);
    let sender = inbox.sender();
    sender.send(Item(Some(inbox.sender())));
    sender.send(Item(None));
    drop((sender, inbox));
    assert!(shared.upgrade().is_none());
}

/// Breaks without it: a thread that is told to stop sleeps on.
#[test]
fn a_wake_ends_a_wait_without_an_item() {
    let mut inbox = Inbox::<()>::new();
    inbox.sender().wake();
    inbox.wait(None);
    assert!(inbox.try_recv().is_none());
    inbox.wait(Some(Instant::now()));
}

/// Breaks without it: a step's time comes while its worker sleeps after a batch, and is noticed with the next
/// batch.
#[test]
fn a_rest_ends_when_something_is_due() {
    let mut inbox = Inbox::<u32>::with_nap(Duration::from_secs(3600));
    (inbox.slept, inbox.rests) = (true, RESTS);
    inbox.nap(1, || Some(Instant::now() + Duration::from_millis(1)));
    assert!(inbox.slept && inbox.is_empty());
}
