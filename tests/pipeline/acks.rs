//! News of a source's batches, through a whole pipeline.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use inrush::flow::Tracker;
use inrush::flow::tracker::{News, Order};

use crate::rig::{Poster, Rig, until};

fn track(rig: &Rig, order: Order) -> (Arc<Tracker>, Receiver<News>) {
    let lane = &rig.pipeline.inputs()[0].lane;
    let (sender, news) = channel();
    let tell = Box::new(move |each| {
        // Some tests end before the last news.
        let _ = sender.send(each);
    });
    let tracker = Arc::new(Tracker::new(order, lane.credit().clone(), tell));
    // Nobody calls back, so nobody is waited for.
    tracker.stop_holding();
    lane.track(Arc::clone(&tracker));
    (tracker, news)
}

fn config(paths: &str) -> String {
    format!(
        r#"options {{ time-reopen(3600); }}; source s {{ python(class("A") log-iw-size(50)); }}; {paths}"#
    )
}

fn path(file: &str, flags: &str) -> String {
    format!(
        r#"log {{ source(s); destination {{ file("DIR/{file}" template("$MSG\n") log-fifo-size(5)); }}; {flags} }};"#
    )
}

const HELD: &str = "flags(flow-control);";

/// Posts the numbers below `count`, in batches of `each`, and says where each of them is.
fn post_numbers(poster: &mut Poster, count: u64, each: u64) -> HashMap<(u64, u32), u64> {
    let mut places = HashMap::new();
    for number in 0..count {
        poster.post(number.to_string().as_bytes());
        places.insert(poster.producer.last_place(), number);
        if number % each == each - 1 {
            poster.producer.close_batch();
        }
    }
    places
}

/// The number of messages in the prefix of the last news.
fn told(places: &HashMap<(u64, u32), u64>, news: &Receiver<News>) -> usize {
    let mut last = (0, 0);
    while let Ok(each) = news.try_recv() {
        let News::Prefix { end, rows, .. } = each else { panic!("posting order: {each:?}") };
        assert!((end, rows) >= last, "prefixes grow");
        last = (end, rows);
    }
    places.keys().filter(|place| **place < last).count()
}

/// Breaks without it: what is told at a stop is more, or much less, than what a pipe took.
#[test]
fn at_a_stop_the_prefix_is_what_was_written() {
    let rig = Rig::new(&config(&path("out", HELD)));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        rig.path("out"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let mut open = std::fs::OpenOptions::new();
    let reader = open
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(rig.path("out"))
        .unwrap();
    rustix::pipe::fcntl_setpipe_size(&reader, 4096).unwrap();
    let (tracker, news) = track(&rig, Order::Posting);
    let mut poster = rig.poster(0);
    let mut places = HashMap::new();
    for number in 0..50 {
        poster.post(format!("{number:0200}").as_bytes());
        places.insert(poster.producer.last_place(), number);
    }
    drop(poster.producer);
    rig.pipeline.drain(Duration::from_millis(200));
    let mut text = vec![0; 1 << 16];
    let size = std::io::Read::read(&mut &reader, &mut text).unwrap();
    let lines = memchr::memchr_iter(b'\n', &text[..size]).count();
    assert!(lines > 0 && lines < 50);
    assert_eq!(told(&places, &news), lines);
    assert!(tracker.is_idle());
    rig.finish(&[50]);
}

/// Breaks without it: a message is told of although a copy of it is still on its way, or although nobody has
/// it.
#[test]
fn every_copy_counts() {
    let rig = Rig::new(&config(&(path("here", HELD) + &path("gone/out", HELD))));
    let (tracker, news) = track(&rig, Order::Posting);
    let mut poster = rig.poster(0);
    let places = post_numbers(&mut poster, 30, 7);
    rig.wait_seen(1, 30);
    until("the first copies are written", || rig.lines("here").len() == 30);
    assert_eq!(told(&places, &news), 0);
    assert!(tracker.oldest().is_some());
    drop(poster.producer);
    rig.pipeline.drain(Duration::from_secs(3600));
    assert_eq!(told(&places, &news), 0, "the second copies were given up");
    assert!(tracker.is_idle());
    rig.finish(&[30]);
}

/// Breaks without it: a path without flow control holds up what a source is told, or is told of twice.
#[test]
fn a_copy_without_flow_control_is_done_when_it_is_queued_or_dropped() {
    let rig = Rig::new(&config(&(path("here", HELD) + &path("gone/out", ""))));
    let (tracker, news) = track(&rig, Order::Posting);
    let mut poster = rig.poster(0);
    let places = post_numbers(&mut poster, 200, 3);
    rig.wait_seen(1, 200);
    until("all is told", || tracker.is_idle());
    assert_eq!(told(&places, &news), 200);
    drop(poster.producer);
    rig.pipeline.drain(Duration::from_secs(3600));
    // The few that waited in the queue were told of before the stop, as they were with it.
    rig.finish(&[200]);
}

/// Breaks without it: batches of several threads, or of one buffer, are told of twice or never, or a buffer
/// before its last batch.
#[test]
fn many_posters_are_told_of_every_batch_once() {
    let rig = Rig::new(&config(&path("out", HELD)).replace("(50)", "(500)"));
    let (tracker, news) = track(&rig, Order::Completion);
    let group = tracker.open_group();
    let marker = std::thread::scope(|scope| {
        for each in [1, 10, 1000] {
            let mut poster = rig.poster(0);
            scope.spawn(move || post_numbers(&mut poster, 3000, each));
        }
        let mut poster = rig.poster(0);
        poster.producer.join_group(group);
        post_numbers(&mut poster, 3000, 100);
        tracker.close_group(group)
    });
    until("every ticket is in", || tracker.is_idle());
    let mut seen = HashSet::new();
    let mut messages = 0;
    while let Ok(each) = news.try_recv() {
        let News::Batch { ticket, messages: more, aborted } = each else { panic!("{each:?}") };
        assert!(aborted.is_empty());
        assert!(seen.insert(ticket), "ticket {ticket} is told twice");
        messages += more;
    }
    assert!(seen.contains(&marker));
    assert_eq!(messages, 12_000);
    rig.finish(&[12_000]);
}
