use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};

use proptest::prelude::*;

use super::*;

const WINDOW: u32 = 1000;

fn tracked(order: Order) -> (Tracker, Receiver<News>, Arc<Credit>) {
    let credit = Arc::new(Credit::new(WINDOW, 1 << 20));
    let (sender, news) = channel();
    let tell = Box::new(move |each| sender.send(each).expect("the test reads on"));
    (Tracker::new(order, Arc::clone(&credit), tell), news, credit)
}

fn is_whole(credit: &Credit) -> bool {
    credit.free_messages() == i64::from(credit.window()) && credit.free_bytes() == credit.max_bytes() as i64
}

/// One batch of the property: how many messages it has, and its aborted rows.
#[derive(Debug, Clone)]
struct Batch {
    messages: u32,
    aborted: Vec<u32>,
}

fn batches() -> impl Strategy<Value = Vec<(Batch, u32)>> {
    let batch = (1..20_u32, prop::collection::vec(0..20_u32, 0..3), 0..8_u8, any::<u32>());
    let batch = batch.prop_map(|(messages, rows, abort, key)| {
        let aborted = rows.into_iter().filter(|row| abort == 0 && *row < messages).collect();
        (Batch { messages, aborted }, key)
    });
    prop::collection::vec(batch, 1..40)
}

/// The numbers of the batches in the order of their keys.
fn shuffled(batches: &[(Batch, u32)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..batches.len()).collect();
    order.sort_by_key(|index| batches[*index].1);
    order
}

proptest! {
    /// The news, whatever the order in which batches are done, is the longest prefix of messages that were
    /// all delivered, and the credit that is out is that of the batches not behind the first one that is out.
    #[test]
    fn news_in_posting_order_is_the_longest_delivered_prefix(given in batches()) {
        let (tracker, news, credit) = tracked(super::Order::Posting);
        for (batch, _) in &given {
            prop_assert_eq!(credit.try_take(batch.messages, u64::from(batch.messages)), batch.messages);
            tracker.issue(None);
        }
        let mut done = vec![false; given.len()];
        let mut told = (0, 0);
        for index in shuffled(&given) {
            let batch = &given[index].0;
            tracker.acked(index as u64, batch.messages, (batch.messages, u64::from(batch.messages)), batch.aborted.clone());
            done[index] = true;
            // The plain model: message by message from the first one on.
            let mut expected = (0, 0);
            let mut returned = 0;
            let mut stuck = false;
            for ((batch, _), done) in given.iter().zip(&done) {
                if !done {
                    break;
                }
                returned += batch.messages;
                if stuck {
                    continue;
                }
                if let Some(row) = batch.aborted.iter().min() {
                    (expected.1, stuck) = (*row, true);
                } else {
                    expected = (expected.0 + 1, 0);
                }
            }
            while let Ok(each) = news.try_recv() {
                let News::Prefix { end, rows, messages } = each else { panic!("{each:?}") };
                prop_assert!((end, rows) >= told);
                told = (end, rows);
                tracker.called_back(messages);
            }
            prop_assert_eq!(told, expected);
            let out: u32 = given.iter().map(|(batch, _)| batch.messages).sum();
            prop_assert_eq!(credit.free_messages(), i64::from(WINDOW) - i64::from(out - returned));
        }
        prop_assert!(tracker.is_idle());
        prop_assert!(is_whole(&credit));
    }

    /// Each batch is told once, as it comes in, with what was aborted; a group after all of its batches.
    #[test]
    fn news_in_order_of_completion_is_each_batch_once(given in batches(), members in any::<u64>()) {
        let (tracker, news, credit) = tracked(super::Order::Completion);
        let group = tracker.open_group();
        let is_member = |index: usize| members >> (index % 64) & 1 == 1;
        let mut tickets = Vec::new();
        for (index, (batch, _)) in given.iter().enumerate() {
            prop_assert_eq!(credit.try_take(batch.messages, u64::from(batch.messages)), batch.messages);
            tickets.push(tracker.issue(is_member(index).then_some(group)));
        }
        let order = shuffled(&given);
        let close_at = members as usize % (order.len() + 1);
        let mut marker = None;
        let mut expected = Vec::new();
        let mut left: Vec<usize> = (0..given.len()).filter(|index| is_member(*index)).collect();
        let any_aborted = left.iter().any(|index| !given[*index].0.aborted.is_empty());
        for step in 0..=order.len() {
            if step == close_at {
                marker = Some(tracker.close_group(group));
                if left.is_empty() {
                    expected.push((marker.unwrap(), any_aborted));
                }
            }
            let Some(index) = order.get(step) else { break };
            let batch = &given[*index].0;
            tracker.acked(tickets[*index], batch.messages, (batch.messages, u64::from(batch.messages)), batch.aborted.clone());
            expected.push((tickets[*index], !batch.aborted.is_empty()));
            let before = left.len();
            left.retain(|other| other != index);
            if let Some(marker) = marker && before > 0 && left.is_empty() {
                expected.push((marker, any_aborted));
            }
        }
        let told: Vec<_> = news.try_iter().map(|each| match each {
            News::Batch { ticket, aborted, messages } => {
                tracker.called_back(messages);
                (ticket, !aborted.is_empty())
            }
            News::Prefix { .. } => panic!("{each:?}"),
        }).collect();
        prop_assert_eq!(told, expected);
        prop_assert!(tracker.is_idle() && is_whole(&credit));
    }
}

/// Breaks without it: acknowledgements of several destinations at once skip a ticket, or tell of a prefix
/// that is not whole.
#[test]
fn tickets_that_come_in_on_many_threads_are_told_in_order() {
    const THREADS: u64 = 4;
    const EACH: u64 = 2000;
    let (tracker, news, credit) = tracked(super::Order::Posting);
    let in_count = Arc::new((0..THREADS * EACH).map(|_| AtomicU32::new(0)).collect::<Vec<_>>());
    for _ in 0..THREADS * EACH {
        tracker.issue(None);
    }
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tracker, in_count) = (&tracker, Arc::clone(&in_count));
            scope.spawn(move || {
                // Each thread has its own stride, and goes backwards through every other stretch.
                for number in 0..EACH {
                    let number =
                        if number / 10 % 2 == 0 { number } else { number / 10 * 10 + 9 - number % 10 };
                    let ticket = number * THREADS + thread;
                    in_count[ticket as usize].fetch_add(1, Ordering::SeqCst);
                    tracker.acked(ticket, 0, (0, 0), Vec::new());
                }
            });
        }
        let mut end = 0;
        while end < THREADS * EACH {
            let News::Prefix { end: now, .. } = news.recv().unwrap() else { panic!("posting order") };
            for ticket in end..now {
                assert_eq!(in_count[ticket as usize].load(Ordering::SeqCst), 1);
            }
            assert!(now > end);
            end = now;
        }
    });
    assert!(tracker.is_idle() && is_whole(&credit));
}

/// Breaks without it: callbacks that hang let the source go on, until the memory is full of what they were to
/// be told.
#[test]
fn credit_waits_for_callbacks_that_are_a_window_behind() {
    let (tracker, _news, credit) = tracked(super::Order::Completion);
    let ack = |messages: u32| {
        assert_eq!(credit.try_take(messages, 1), messages);
        let ticket = tracker.issue(None);
        tracker.acked(ticket, messages, (messages, 1), Vec::new());
    };
    ack(600);
    ack(400);
    assert!(is_whole(&credit), "a window may be on its way to the callback");
    ack(600);
    assert_eq!(credit.free_messages(), 400);
    ack(400);
    assert_eq!(credit.free_messages(), 0, "two windows, and then the source waits");
    tracker.called_back(600);
    assert_eq!(credit.free_messages(), 0);
    tracker.called_back(400);
    assert!(is_whole(&credit));
    ack(100);
    tracker.stop_holding();
    assert!(is_whole(&credit), "whoever waits for credit in a callback gets it");
}

/// Breaks without it: the statistics cannot say how old the oldest message on its way is.
#[test]
fn the_oldest_ticket_is_known() {
    let (tracker, _news, _credit) = tracked(super::Order::Completion);
    assert_eq!(tracker.oldest(), None);
    let before = Instant::now();
    let first = tracker.issue(None);
    let between = Instant::now();
    let second = tracker.issue(None);
    assert!(tracker.oldest().is_some_and(|oldest| oldest >= before && oldest <= between));
    tracker.acked(first, 0, (0, 0), Vec::new());
    assert!(tracker.oldest().is_some_and(|oldest| oldest >= between));
    tracker.acked(second, 0, (0, 0), Vec::new());
    assert_eq!(tracker.oldest(), None);
}

/// Breaks without it: a source that starts again from what it was called back for repeats more than its
/// window.
#[test]
fn credit_comes_back_with_the_callbacks_alone_where_that_is_wanted() {
    let (tracker, news, credit) = tracked(super::Order::Posting);
    tracker.await_callbacks();
    for ticket in 0..4 {
        assert_eq!(credit.try_take(10, 100), 10);
        assert_eq!(tracker.issue(None), ticket);
    }
    for ticket in [1, 0, 2] {
        tracker.acked(ticket, 10, (10, 100), Vec::new());
    }
    assert_eq!(news.try_iter().count(), 2, "of 0 and 1 together, and of 2");
    assert_eq!(credit.free_messages(), i64::from(WINDOW) - 40, "delivered, and nobody was called back");
    tracker.called_back(20);
    assert_eq!(credit.free_messages(), i64::from(WINDOW) - 20);
    tracker.acked(3, 10, (10, 100), Vec::new());
    tracker.called_back(20);
    assert!(is_whole(&credit));
    assert_eq!(credit.try_take(10, 100), 10);
    let last = tracker.issue(None);
    tracker.acked(last, 10, (10, 100), Vec::new());
    tracker.stop_holding();
    assert!(is_whole(&credit), "a source at its end waits for no callback");
}

/// Breaks without it: what was called back for earlier messages brings the credit of later ones, whose
/// bookmarks are not on the disk.
#[test]
fn callbacks_are_awaited_from_the_middle_on() {
    let (tracker, _news, credit) = tracked(super::Order::Posting);
    let ack = |messages: u32| {
        assert_eq!(credit.try_take(messages, 100), messages);
        tracker.acked(tracker.issue(None), messages, (messages, 100), Vec::new());
    };
    ack(100);
    assert!(is_whole(&credit));
    tracker.await_callbacks();
    ack(50);
    for earlier in [60, 40] {
        tracker.called_back(earlier);
        assert_eq!(credit.free_messages(), i64::from(WINDOW) - 50);
    }
    tracker.called_back(50);
    assert!(is_whole(&credit));
    ack(50);
    tracker.stop_awaiting();
    assert!(is_whole(&credit), "nobody saves anything, so nothing is waited for");
    ack(50);
    assert!(is_whole(&credit));
}

proptest! {
    /// However often it turns out that a source is of the other sort, every credit comes back, and none
    /// twice.
    #[test]
    fn what_is_awaited_may_change_at_any_time(steps in prop::collection::vec((1..200_u32, 0..6_u8), 1..80)) {
        let (tracker, _news, credit) = tracked(super::Order::Completion);
        let mut news = VecDeque::new();
        for (messages, step) in steps {
            match step {
                0..3 => {
                    let taken = credit.try_take(messages, 7);
                    if taken > 0 {
                        tracker.acked(tracker.issue(None), taken, (taken, 7), Vec::new());
                        news.push_back(taken);
                    }
                }
                3 => {
                    if let Some(messages) = news.pop_front() {
                        tracker.called_back(messages);
                    }
                }
                4 => tracker.await_callbacks(),
                _ => tracker.stop_awaiting(),
            }
            prop_assert!(credit.free_messages() <= i64::from(WINDOW));
        }
        for messages in news {
            tracker.called_back(messages);
        }
        prop_assert!(is_whole(&credit));
    }
}
