//! Sources before a destination that stands still: which wait, and which lose what.

use inrush::flow::DropReason;

use crate::rig::{Rig, until};

const HELD: &str = r#"
    options { time-reopen(3600); };
    source s { python(class("A") log-iw-size(50)); };
    log { source(s); destination { file("DIR/gone/out" template("$MSG\n")); }; flags(flow-control); };
"#;

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn numbers(count: u64) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// Breaks without it: a destination that stands still fills the memory, or loses what it could not write.
#[test]
fn a_stalled_destination_holds_the_window_and_then_loses_nothing() {
    let rig = Rig::new(HELD);
    let mut poster = rig.poster(0);
    assert_eq!(poster.fill_window(number), 50);
    rig.wait_seen(0, 50);
    until("the destination is in trouble", || rig.to(0).suspended);
    assert_eq!(poster.fill_window(number), 0, "a destination in trouble gives nothing back");
    assert_eq!((rig.to(0).in_flight, rig.source(0).totals.in_flight), (50, 50));
    let waiter = std::thread::spawn(move || {
        while poster.taken < 3000 {
            poster.post(&number(poster.taken));
        }
        poster.producer.before_wait();
        poster
    });
    until("the source waits", || rig.source(0).is_waiting);
    rig.mkdir("gone");
    let poster = waiter.join().unwrap();
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out"), numbers(3000));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: without flow control a source is held back after all, or more is dropped than must be,
/// or the oldest, or a drop is not counted.
#[test]
fn without_flow_control_the_newest_beyond_log_fifo_size_are_dropped_and_counted() {
    let rig = Rig::new(
        r#"
        options { time-reopen(3600); };
        source s { python(class("A") log-iw-size(50)); };
        log { source(s); destination { file("DIR/gone/out" template("$MSG\n") log-fifo-size(120)); }; };
        "#,
    );
    let mut poster = rig.poster(0);
    poster.post(b"0");
    until("it is in trouble, and lets go of the credit", || rig.to(0).suspended && rig.source(0).free == 50);
    while poster.taken < 1000 {
        poster.post(&number(poster.taken));
    }
    rig.wait_seen(0, 1000);
    // A batch is counted first and lets go of its credit right after.
    until("what waits in the queue holds no credit", || rig.source(0).free == 50);
    let to = rig.to(0);
    assert_eq!((to.in_flight, to.dropped), (120, 880));
    rig.mkdir("gone");
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out"), numbers(120));
    until("it writes again", || !rig.to(0).suspended);
    while poster.taken < 1500 {
        poster.post(&number(poster.taken));
    }
    rig.wait_idle();
    let after = (1000..1500).map(|number| number.to_string());
    assert!(rig.lines("gone/out")[120..].iter().cloned().eq(after), "a file that writes drops nothing");
    drop(poster);
    let (totals, lost) = rig.finish(&[1500]);
    assert_eq!((totals[0].delivered, lost), (620, 0));
    assert_eq!(totals[0].dropped[DropReason::QueueFull as usize], 880);
}

/// Breaks without it: what was on its way when the destination failed waits beside what `log-fifo-size()`
/// allows, a window of it.
#[test]
fn without_flow_control_what_comes_before_the_first_failure_is_bounded_as_well() {
    let rig = Rig::new(
        r#"
        options { time-reopen(3600); };
        source s { python(class("A") log-iw-size(5000)); };
        log { source(s); destination { file("DIR/gone/out" template("$MSG\n") log-fifo-size(7)); }; };
        "#,
    );
    let mut poster = rig.poster(0);
    while poster.taken < 2000 {
        poster.post(&number(poster.taken));
    }
    poster.producer.before_wait();
    rig.wait_seen(0, 2000);
    until("no more waits than may", || rig.to(0).in_flight == 7 && rig.source(0).free == 5000);
    rig.mkdir("gone");
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out"), numbers(7), "the newest are dropped");
    drop(poster);
    let (totals, lost) = rig.finish(&[2000]);
    assert_eq!((totals[0].delivered, totals[0].dropped[DropReason::QueueFull as usize], lost), (7, 1993, 0));
}

/// Breaks without it: large messages that wait without credit are bounded in number alone, and take the
/// machine.
#[test]
fn without_flow_control_large_messages_are_bounded_in_bytes() {
    const MIB: usize = 1 << 20;
    let rig = Rig::new(
        r#"
        options { time-reopen(3600); };
        source s { python(class("A") log-iw-size(50)); };
        log { source(s); destination { file("DIR/gone/out" template("$MSG\n")); }; };
        "#,
    );
    let mut poster = rig.poster(0);
    let large = vec![b'x'; MIB];
    poster.post(&large);
    until("it is in trouble, and lets go of the credit", || rig.to(0).suspended && rig.source(0).free == 50);
    for _ in 0..99 {
        poster.post(&large);
    }
    rig.wait_seen(0, 100);
    assert_eq!(rig.to(0).in_flight, 63, "64 MiB, less what the messages cost beside their texts");
    rig.mkdir("gone");
    rig.wait_idle();
    drop(poster);
    let (totals, _) = rig.finish(&[100]);
    assert_eq!(totals[0].delivered, 63);
}

/// Breaks without it: a branch that drops takes the credit or the messages of one that does not.
#[test]
fn of_two_branches_one_holds_and_the_other_drops() {
    let rig = Rig::new(
        r#"
        options { time-reopen(3600); };
        source s { python(class("A") log-iw-size(40)); };
        log { source(s); destination { file("DIR/held/out" template("$MSG\n")); }; flags(flow-control); };
        log { source(s); destination { file("DIR/loose/out" template("$MSG\n") log-fifo-size(10)); }; };
        "#,
    );
    let mut poster = rig.poster(0);
    poster.post(b"0");
    until("both are in trouble", || rig.to(0).suspended && rig.to(1).suspended);
    poster.fill_window(number);
    assert_eq!(poster.taken, 40);
    rig.wait_seen(1, 40);
    assert_eq!((rig.to(0).in_flight, rig.to(1).in_flight, rig.to(1).dropped), (40, 10, 30));
    assert_eq!(rig.source(0).free, 0, "the branch with flow control holds the credit");
    rig.mkdir("held");
    until("the held branch is done", || rig.to(0).in_flight == 0);
    until("its credit is back", || rig.source(0).free == 40);
    assert_eq!(rig.lines("held/out"), numbers(40));
    assert!(rig.source(0).totals.in_flight >= 10, "the outcome is open while a branch has a copy");
    rig.mkdir("loose");
    rig.wait_idle();
    assert_eq!(rig.lines("loose/out"), numbers(10));
    drop(poster);
    let (totals, lost) = rig.finish(&[40]);
    assert_eq!((totals[0].delivered, totals[0].dropped[DropReason::QueueFull as usize], lost), (10, 30, 0));
}

/// Breaks without it: a path without a destination holds credit for ever, or counts its messages as
/// delivered.
#[test]
fn a_path_without_a_destination_filters_its_messages() {
    let rig = Rig::new(
        r#"source s { python(class("A") log-iw-size(5)); }; log { source(s); flags(flow-control); };"#,
    );
    let mut poster = rig.poster(0);
    for n in 0..1000 {
        poster.post(&number(n));
    }
    poster.producer.before_wait();
    rig.wait_idle();
    drop(poster);
    let (totals, lost) = rig.finish(&[1000]);
    assert_eq!((totals[0].filtered, totals[0].delivered, lost), (1000, 0, 0));
}

/// Breaks without it: a flood of large messages takes the machine, because the window counts messages alone.
#[test]
fn the_byte_half_of_the_credit_bounds_what_is_held() {
    const MIB: u64 = 1 << 20;
    let rig = Rig::new(&HELD.replace("log-iw-size(50)", "max-inflight-bytes(4194304)"));
    let mut poster = rig.poster(0);
    let large = |_| vec![b'x'; MIB as usize];
    assert_eq!(poster.fill_window(large), 4);
    rig.wait_seen(0, 4);
    let input = rig.input(0);
    let credit = input.lane.credit();
    assert!(
        credit.free_bytes() <= 0 && credit.free_bytes() > -(MIB as i64),
        "overdrawn by one message at most"
    );
    assert!(credit.free_messages() > 1000, "it is bytes that are missing");
    // What it took ahead goes back before it waits.
    poster.producer.before_wait();
    rig.mkdir("gone");
    until("the bytes are back", || credit.free_bytes() == 4 * MIB as i64);
    // A message larger than the whole bound passes alone.
    poster.post(&vec![b'y'; 6 * MIB as usize]);
    assert!(poster.try_post(b"beside").is_err() || rig.to(0).delivered >= 5);
    poster.producer.before_wait();
    rig.wait_idle();
    rig.finish_delivered(&[&poster]);
}
