use super::*;
use crate::flow::tracker::{News, Order};

fn parts() -> (Arc<Credit>, Arc<SourceCounters>) {
    let credit = Arc::new(Credit::new(100, 1000));
    assert_eq!(credit.try_take(10, 50), 10);
    let counters = Arc::new(SourceCounters::default());
    counters.producer().add(10, 50);
    (credit, counters)
}

/// Breaks without it: credit comes back twice or never, or a message is counted before its last copy is done.
#[test]
fn credit_returns_with_the_last_ack_that_holds_it_and_outcome_with_the_last_of_all() {
    let (credit, counters) = parts();
    let ack = Ack::new(&credit, &counters, 10, 50);
    let (held, queued) = (ack.clone(), ack.without_credit());
    drop(ack);
    assert_eq!(credit.free_messages(), 90);
    drop(held);
    assert_eq!((credit.free_messages(), credit.free_bytes()), (100, 1000));
    assert_eq!((counters.totals().delivered, counters.totals().in_flight), (0, 10));
    drop(queued);
    assert_eq!((counters.totals().delivered, counters.totals().in_flight), (10, 0));
}

/// Breaks without it: a few large messages, or a batch that is nearly written, pass for a small share of the
/// window.
#[test]
fn a_batch_takes_its_share_of_messages_or_of_bytes() {
    let (credit, counters) = parts();
    let few = Ack::new(&credit, &counters, 10, 50);
    assert_eq!((few.window_share(1000), few.without_credit().window_share(1000)), (100, 0));
    assert_eq!(credit.try_take(10, 250), 10);
    assert_eq!(Ack::new(&credit, &counters, 10, 250).window_share(1000), 250);
}

/// Breaks without it: posted = delivered + dropped + in flight does not hold.
#[test]
fn a_message_dropped_on_two_branches_is_dropped_once() {
    let (credit, counters) = parts();
    let ack = Ack::new(&credit, &counters, 10, 50);
    let other = ack.without_credit();
    ack.drop_rows(&Rows::Range(7..10), DropReason::QueueFull);
    other.drop_rows(&Rows::List(Arc::from([0, 9])), DropReason::Stopped);
    drop((ack, other));
    let totals = counters.totals();
    assert_eq!((totals.delivered, totals.dropped), (6, [3, 1, 0, 0, 0, 0]));
    assert_eq!(totals.posted, totals.delivered + totals.dropped_total() + totals.in_flight);
}

/// Breaks without it: a row whose way out is done waits for another row of its batch, or its credit comes
/// back twice, or while one of its ways still waits.
#[test]
fn credit_comes_back_row_by_row_where_ways_have_different_rows() {
    let (credit, counters) = parts();
    let ack = Ack::new(&credit, &counters, 10, 50);
    let (low, high) = (Rows::Range(0..6), Rows::List(Arc::from([4, 5, 8])));
    let mut acks = ack.spread(&[&low, &high]);
    drop(ack);
    assert_eq!((credit.free_messages(), credit.free_bytes()), (90 + 3, 950), "6, 7 and 9 go nowhere");
    let (mut high, low) = (acks.pop().unwrap(), acks.pop().unwrap());
    assert_eq!((low.window_share(1000), high.window_share(1000)), (60, 50));
    let copy = low.clone();
    drop(low);
    assert_eq!(credit.free_messages(), 93, "a copy of it waits");
    drop(copy);
    assert_eq!((credit.free_messages(), credit.free_bytes()), (93 + 4, 950));
    high.let_go_of_credit();
    assert_eq!((credit.free_messages(), credit.free_bytes(), counters.totals().in_flight), (100, 1000, 10));
    drop(high);
    assert_eq!((counters.totals().in_flight, counters.totals().delivered), (0, 10));
}

/// Breaks without it: rows that a filter took out hold their source up for as long as the others wait.
#[test]
fn credit_of_rows_that_go_nowhere_is_back_at_once() {
    let (credit, counters) = parts();
    let ack = Ack::new(&credit, &counters, 10, 50);
    ack.count_filtered(7);
    let acks = ack.spread(&[&Rows::Range(0..3), &Rows::Range(0..3)]);
    drop(ack);
    assert_eq!((credit.free_messages(), credit.free_bytes()), (97, 950));
    acks[0].drop_rows(&Rows::Range(1..2), DropReason::QueueFull);
    drop(acks);
    assert_eq!((credit.free_messages(), credit.free_bytes()), (100, 1000));
    let totals = counters.totals();
    assert_eq!((totals.delivered, totals.dropped_total(), totals.filtered, totals.in_flight), (2, 1, 7, 0));
}

/// Breaks without it: a step that holds messages back holds their source up, or they are acknowledged before
/// what they became.
#[test]
fn kept_messages_give_their_credit_back_and_are_acknowledged_with_what_they_become() {
    let (credit, counters) = parts();
    let (tell, news) = std::sync::mpsc::channel();
    let tell = Box::new(move |news| tell.send(news).unwrap());
    let tracker = Arc::new(Tracker::new(Order::Completion, Arc::clone(&credit), tell));
    let ticket = tracker.issue(None);
    let ack = Ack::with_ticket(&credit, &counters, 10, 50, Some((&tracker, ticket)), None);
    let kept = [ack.keep(Rows::Range(0..4)), ack.keep(Rows::Range(6..7))];
    let held = ack.spread(&[&Rows::Range(4..6)]);
    drop(ack);
    assert_eq!(credit.free_messages(), 90, "what waits holds it");
    drop(held);
    assert_eq!((credit.free_messages(), credit.free_bytes()), (100, 1000));
    assert!(news.try_recv().is_err(), "not acknowledged");
    let made = Ack::made(&credit, &counters, 1, 70, kept.into());
    assert_eq!((credit.free_messages(), credit.free_bytes()), (99, 930));
    let totals = counters.totals();
    assert_eq!((totals.posted, totals.generated, totals.in_flight), (10, 1, 11));
    made.drop_rows(&Rows::Range(0..1), DropReason::Stopped);
    drop(made);
    let aborted = vec![0, 1, 2, 3, 6];
    assert_eq!(news.try_recv(), Ok(News::Batch { ticket, messages: 10, aborted }));
    assert_eq!((credit.free_messages(), credit.free_bytes()), (100, 1000), "and not twice");
    let totals = counters.totals();
    assert_eq!((totals.delivered, totals.dropped_total(), totals.in_flight), (10, 1, 0));
}

/// Breaks without it: a message that one destination refused, and another one lost, counts twice or as
/// delivered.
#[test]
fn a_row_is_dropped_before_it_is_rejected_before_it_is_delivered() {
    let (credit, counters) = (Arc::new(Credit::new(10, 1000)), Arc::<SourceCounters>::default());
    credit.try_take(4, 0);
    counters.count_posted(4);
    let ack = Ack::new(&credit, &counters, 4, 0);
    let other = ack.clone();
    ack.reject_rows(&Rows::Range(0..3));
    other.drop_rows(&Rows::Range(1..2), DropReason::Refused);
    other.drop_rows(&Rows::Range(2..3), DropReason::QueueFull);
    ack.reject_rows(&Rows::Range(1..3));
    other.drop_rows(&Rows::Range(1..2), DropReason::Stopped);
    drop((ack, other));
    let totals = counters.totals();
    assert_eq!((totals.delivered, totals.rejected, totals.in_flight), (1, 1, 0));
    assert_eq!(totals.dropped, [1, 0, 0, 0, 0, 1]);
}
