//! The end of a pipeline: whole, later, or with a number of what is lost.

use std::time::{Duration, Instant};

use inrush::flow::{DropReason, Refused};

use crate::rig::{PATIENCE, Rig, until};

fn config(flags: &str) -> String {
    format!(
        r#"
        options {{ time-reopen(3600); }};
        source s {{ python(class("A") log-iw-size(50)); }};
        log {{ source(s); destination {{ file("DIR/gone/out" template("$MSG\n")); }}; {flags} }};
        "#
    )
}

/// Breaks without it: a reload loses what the old configuration still had in hand.
#[test]
fn what_is_held_at_a_retirement_is_delivered_when_it_can_be() {
    let mut rig = Rig::new(&config("flags(flow-control);"));
    let mut poster = rig.poster(0);
    poster.fill_window(|number| number.to_string().into_bytes());
    rig.reload("");
    assert_eq!(rig.pipeline.leaving(), 1);
    assert_eq!(poster.try_post(b"late"), Err(Refused::Closed));
    assert_eq!(rig.source(0).totals.in_flight, 50);
    rig.mkdir("gone");
    until("it is finished", || rig.pipeline.leaving() == 0);
    assert_eq!(rig.lines("gone/out"), (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: a stop waits for a disk that is gone, or loses messages without a word.
#[test]
fn a_drain_ends_in_time_and_says_what_is_lost() {
    for flags in ["flags(flow-control);", ""] {
        let rig = Rig::new(&config(flags));
        let mut poster = rig.poster(0);
        for number in 0..30 {
            poster.post(number.to_string().as_bytes());
        }
        drop(poster.producer);
        let begun = Instant::now();
        assert_eq!(rig.pipeline.drain(Duration::from_secs(3600)), 30);
        assert!(begun.elapsed() < PATIENCE, "a file in trouble is tried once more, and not waited for");
        let (totals, lost) = rig.finish(&[30]);
        assert_eq!((totals[0].dropped[DropReason::Stopped as usize], lost), (30, 30));
    }
}

/// Breaks without it: what was written partly or not yet at the stop is thrown away although there is time.
#[test]
fn a_drain_writes_what_is_on_its_way() {
    let rig = Rig::new(
        &config("flags(flow-control);").replace("DIR/gone/out", "DIR/out").replace("(50)", "(100000)"),
    );
    let mut poster = rig.poster(0);
    for number in 0..50_000 {
        poster.post(number.to_string().as_bytes());
    }
    drop(poster.producer);
    assert_eq!(rig.pipeline.drain(PATIENCE), 0);
    assert_eq!(rig.lines("out"), (0..50_000).map(|number| number.to_string()).collect::<Vec<_>>());
    rig.finish(&[50_000]);
}

/// Breaks without it: a thread of a framework that posts after the stop is taken, lost in silence, or hangs.
#[test]
fn a_post_after_the_close_is_refused_and_a_wait_ends() {
    let rig = Rig::new(&config("flags(flow-control);"));
    let mut poster = rig.poster(0);
    poster.fill_window(|_| b"x".to_vec());
    let lane = rig.input(0).lane;
    let waiter = {
        let credit = lane.credit().clone();
        std::thread::spawn(move || credit.wait(None))
    };
    until("it waits", || rig.source(0).is_waiting);
    lane.close();
    assert_eq!(waiter.join().unwrap(), inrush::flow::credit::Waited::Cancelled);
    for _ in 0..3 {
        assert_eq!(poster.try_post(b"late"), Err(Refused::Closed));
        lane.counters().count_refused(1);
    }
    assert_eq!(rig.source(0).totals.refused, 3);
    drop(poster);
    let (totals, lost) = rig.finish(&[50]);
    assert_eq!((totals[0].posted, totals[0].refused, lost), (50, 3, 50), "a refused post was never posted");
}

/// Breaks without it: posts that race with the stop are in no count, or are in flight for ever.
#[test]
fn posts_that_race_with_the_stop_add_up() {
    for _ in 0..20 {
        let rig = Rig::new(&config("flags(flow-control);").replace("DIR/gone/out", "DIR/out"));
        let taken: u64 = std::thread::scope(|scope| {
            let posting: Vec<_> = (0..3)
                .map(|_| {
                    let mut poster = rig.poster(0);
                    scope.spawn(move || {
                        loop {
                            match poster.try_post(b"x") {
                                Ok(()) => {}
                                Err(Refused::Closed) => return poster.taken,
                                Err(_) => {
                                    poster.producer.before_wait();
                                    poster.producer.lane().credit().wait(None);
                                }
                            }
                        }
                    })
                })
                .collect();
            until("some arrived", || rig.to(0).delivered > 100);
            rig.pipeline.drain(PATIENCE);
            posting.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let written = rig.lines("out").len() as u64;
        let (totals, _) = rig.finish(&[taken]);
        assert_eq!(totals[0].delivered, written);
    }
}

/// Breaks without it: an engine whose start failed, or that a check only plans, hangs when it ends.
#[test]
fn a_plan_that_is_not_carried_out_leaves_nothing_behind() {
    let text =
        r#"source s { python(class("A")); }; log { source(s); destination { file("/nowhere/out"); }; };"#;
    let config =
        inrush::config::parse_str("t", text, &inrush::config::Environment::new(&inrush::drivers::VOCABULARY))
            .unwrap();
    let release: std::sync::Arc<dyn inrush::message::Release> =
        std::sync::Arc::new(inrush::message::ReleaseNow);
    let log = inrush::engine::Log::silent();
    let pipeline = inrush::engine::Pipeline::new(&log, &std::sync::Arc::default(), &release);
    let next = pipeline.plan(&config, &|_| true).unwrap();
    assert_eq!(next.inputs().count(), 1);
    drop(next);
    assert_eq!(pipeline.drain(PATIENCE), 0);
    assert!(pipeline.inputs().is_empty());
}
