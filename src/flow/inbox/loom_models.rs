use super::*;
use loom::thread;

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

/// Breaks without it: an item is left with a receiver that sleeps; loom then reports a deadlock.
#[test]
fn no_item_is_left_with_a_sleeping_receiver() {
    model(|| {
        let mut inbox = Inbox::new();
        let senders = [inbox.sender(), inbox.sender()].map(|sender| thread::spawn(move || sender.send(())));
        let mut received = 0;
        while received < 2 {
            inbox.wait(None);
            while inbox.try_recv().is_some() {
                received += 1;
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

/// Breaks without it: a receiver that naps between two items sleeps through the second one.
#[test]
fn a_nap_swallows_no_wake_up() {
    model(|| {
        let mut inbox = Inbox::new();
        let sender = inbox.sender();
        let sender = thread::spawn(move || {
            sender.send(1);
            sender.send(2);
        });
        for expected in [1, 2] {
            loop {
                if let Some(item) = inbox.try_recv() {
                    assert_eq!(item, expected, "in order");
                    break;
                }
                inbox.wait(None);
            }
        }
        sender.join().unwrap();
    });
}

/// Breaks without it: a worker sleeps through the order to stop.
#[test]
fn an_order_given_before_a_wake_is_seen() {
    model(|| {
        let mut inbox = Inbox::<()>::new();
        let (sender, stopping) = (inbox.sender(), Arc::new(AtomicBool::new(false)));
        let order = Arc::clone(&stopping);
        let boss = thread::spawn(move || {
            order.store(true, Ordering::Release);
            sender.wake();
        });
        while !stopping.load(Ordering::Acquire) {
            inbox.wait(None);
        }
        boss.join().unwrap();
    });
}
