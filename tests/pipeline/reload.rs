//! From one configuration to the next, while messages come: what is kept, what goes, and in which order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use inrush::flow::{DropReason, Refused};
use inrush::message::batch::Text;
use inrush::message::{FieldName, Need, ValueType};
use inrush::source::Input;
use proptest::prelude::*;

use crate::rig::{PATIENCE, Poster, Rig, until};

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// A source into a file, with further options of the file.
fn one(path: &str, more: &str) -> String {
    named("d", path, more)
}

/// The same with another name of the destination.
fn named(name: &str, path: &str, more: &str) -> String {
    format!(
        r#"options {{ time-reopen(3600); }};
        source s {{ python(class("A") log-iw-size(50)); }};
        destination {name} {{ file("DIR/{path}" template("$MSG\n") {more}); }};
        log {{ source(s); destination({name}); flags(flow-control); }};"#
    )
}

/// A source whose whole window waits for a destination that cannot write.
fn full() -> (Rig, Poster) {
    let rig = Rig::new(&one("gone/out", ""));
    let mut poster = rig.poster(0);
    assert_eq!(poster.fill_window(|number| number.to_string().into_bytes()), 50);
    rig.wait_seen(0, 50);
    (rig, poster)
}

fn post_all(poster: &mut Poster, range: std::ops::Range<u64>) {
    for number in range {
        poster.post(number.to_string().as_bytes());
    }
}

/// Breaks without it: a reload that changes nothing stops what runs, or counts from zero.
#[test]
fn what_did_not_change_goes_on() {
    let mut rig = Rig::new(&one("out", ""));
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..10);
    rig.wait_idle();
    let (lane, before) = (rig.input(0).lane, rig.to(0));
    let changes = rig.reload(&format!("\n\n# moved\n{}", one("out", "")));
    assert_eq!(changes.to_string(), "sources: kept s#0\ndestinations: kept d#0");
    assert!(Arc::ptr_eq(&lane, &rig.input(0).lane) && !lane.is_closed());
    assert_eq!(rig.to(0).delivered, before.delivered);
    post_all(&mut poster, 10..20);
    rig.wait_idle();
    assert_eq!(rig.lines("out"), numbers(0..20));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: a source that did not change is stopped for a new destination, or posts to the old one.
#[test]
fn a_kept_source_gets_another_destination() {
    let mut rig = Rig::new(&one("a", ""));
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..30);
    let changes = rig.reload(&one("b", ""));
    assert_eq!(changes.to_string(), "sources: kept s#0\ndestinations: replaced d#0");
    post_all(&mut poster, 30..60);
    rig.wait_idle();
    assert_eq!((rig.lines("a"), rig.lines("b")), (numbers(0..30), numbers(30..60)));
    until("the old one has ended", || rig.pipeline.leaving() == 0);
    rig.pipeline.tidy();
    assert_eq!((rig.to(0).delivered, rig.pipeline.stats().destinations.len()), (60, 1), "one id, one count");
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: the flow control of the old paths stays, or a new branch gets nothing.
#[test]
fn a_kept_source_gets_another_path_and_other_flags() {
    let mut rig = Rig::new(&one("out", ""));
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..5);
    rig.wait_idle();
    let second =
        r#"log { source(s); destination { file("DIR/gone/two" template("$MSG\n") log-fifo-size(5)); }; };"#;
    let changes = rig.reload(&format!("{}{second}", one("out", "")));
    assert_eq!((changes.sources.kept.len(), changes.destinations.started.len()), (1, 1));
    post_all(&mut poster, 5..6);
    until("the second is in trouble, and lets go", || rig.to(1).suspended && rig.source(0).free == 50);
    post_all(&mut poster, 6..100);
    rig.wait_seen(1, 95);
    assert_eq!((rig.to(1).in_flight, rig.to(1).dropped), (5, 90), "no flow control on the second path");
    let changes = rig.reload(&one("out", ""));
    assert_eq!(changes.destinations.stopped.len(), 1);
    post_all(&mut poster, 100..200);
    rig.mkdir("gone");
    until("the second has ended", || rig.pipeline.leaving() == 0);
    rig.wait_idle();
    assert_eq!(rig.lines("out"), numbers(0..200));
    assert_eq!(rig.lines("gone/two"), numbers(5..10));
    drop(poster);
    let (totals, lost) = rig.finish(&[200]);
    assert_eq!((totals[0].delivered, totals[0].dropped_total(), lost), (110, 90, 0));
}

/// Breaks without it: two destinations write one file at the same time, and later messages stand before
/// earlier ones.
#[test]
fn the_next_destination_of_a_path_waits_for_the_one_before_it() {
    let conf = |name: &str, path: &str| named(name, path, "").replace("log-iw-size(50)", "log-iw-size(500)");
    let mut rig = Rig::new(&conf("a", "gone/out"));
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..20);
    until("it is in trouble", || rig.to(0).suspended);
    // Each meets the file in another way, and waits for all of those before it.
    for (round, (name, path)) in
        [("b", "gone/out"), ("c", "gone/./out"), ("d", "gone/$PROGRAM${.x:-out}"), ("e", "gone/out")]
            .into_iter()
            .enumerate()
    {
        let round = round as u64;
        let changes = rig.reload(&conf(name, path));
        assert_eq!((changes.destinations.stopped.len(), changes.destinations.started.len()), (1, 1));
        poster.producer.before_wait();
        until("the one before lets go of the credit", || rig.source(0).free == 500);
        post_all(&mut poster, 20 * (round + 1)..20 * (round + 2));
    }
    assert_eq!(rig.pipeline.leaving(), 4);
    // One that meets none of them is not held up.
    rig.reload(&conf("f", "other"));
    post_all(&mut poster, 100..120);
    poster.producer.before_wait();
    until("it writes", || rig.lines("other") == numbers(100..120));
    rig.mkdir("gone");
    until("all have ended", || rig.pipeline.leaving() == 0);
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out"), numbers(0..100));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: each reload that changes a destination which cannot write leaves a window of messages
/// behind, out of order with those that come, or counts begin anew.
#[test]
fn a_destination_takes_over_what_the_one_of_its_name_has() {
    let (mut rig, mut poster) = full();
    for round in 0..10 {
        // Now the same path with other options, now another one.
        let path = if round % 3 == 2 { "lost/out" } else { "gone/out" };
        let changes = rig.reload(&one(path, &format!("log-fifo-size({})", 100 + round)));
        assert_eq!(changes.destinations.replaced, ["d#0"]);
        until("the one before has ended", || rig.pipeline.leaving() == 0);
        assert_eq!(rig.source(0).free, 0, "the window is held by what waits");
        let to = rig.to(0);
        assert_eq!((to.posted, to.in_flight, to.dropped), (50, 50, 0), "counted once");
        rig.pipeline.tidy();
        assert_eq!(rig.to(0).posted, 50, "and after it has gone");
    }
    rig.reload(&one("out", "perm(0640)"));
    post_all(&mut poster, 50..100);
    rig.wait_idle();
    assert_eq!(rig.lines("out"), numbers(0..100), "in order");
    rig.pipeline.tidy();
    assert_eq!((rig.to(0).delivered, rig.pipeline.stats().destinations.len()), (100, 1));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: messages of one thread change places where a path with macros becomes one without.
#[test]
fn what_was_sorted_to_many_files_goes_to_one_in_order() {
    let mut rig = Rig::new(&one("gone-$PROGRAM/out", ""));
    let mut poster = rig.poster(0);
    for number in 0..6_u64 {
        let (text, program) = (number.to_string(), (number % 3).to_string());
        let need = Need { bytes: text.len() + program.len(), fields: 1, ..Need::default() };
        let result = poster.try_post_with(need, |row| {
            row.payload_copy(text.as_bytes());
            row.field(FieldName::Program, Text::Copy(b""), ValueType::String, Text::Copy(program.as_bytes()));
        });
        result.unwrap();
    }
    poster.producer.close_batch();
    rig.wait_seen(0, 6);
    until("it is in trouble", || rig.to(0).suspended);
    rig.reload(&one("out", ""));
    rig.wait_idle();
    assert_eq!(rig.lines("out"), numbers(0..6));
    drop(poster.producer);
    rig.finish(&[6]);
}

/// Breaks without it: what one destination has waits for ever because its heir was replaced before it could
/// take it, or a destination that comes back does not find what it had.
#[test]
fn a_destination_that_comes_back_takes_over_what_it_had() {
    let mut rig = Rig::new(&one("gone/out", ""));
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..20);
    until("it is in trouble", || rig.to(0).suspended);
    rig.reload(&named("e", "other", ""));
    post_all(&mut poster, 20..30);
    rig.reload(&one("gone/out", "perm(0640)"));
    until("the one before has ended", || rig.pipeline.leaving() == 0);
    post_all(&mut poster, 30..40);
    rig.wait_idle_but(30);
    rig.reload(&one("out", ""));
    rig.wait_idle();
    assert_eq!(rig.lines("out"), numbers(0..20).into_iter().chain(numbers(30..40)).collect::<Vec<_>>());
    assert_eq!(rig.lines("other"), numbers(20..30));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: a destination waits for ever, with what it took over, for one that cannot write the
/// file that it has left.
#[test]
fn a_destination_that_moves_on_waits_for_nobody_on_the_path_it_left() {
    for names in [&["b", "a"][..], &["b", "a", "b", "a"], &["b", "c", "a"], &["b", "c"]] {
        let conf =
            |name: &str, path: &str| named(name, path, "").replace("log-iw-size(50)", "log-iw-size(500)");
        let mut rig = Rig::new(&conf("a", "gone/out"));
        let mut poster = rig.poster(0);
        post_all(&mut poster, 0..10);
        poster.producer.before_wait();
        let (mut next, mut of_a) = (10, numbers(0..10));
        for name in names {
            rig.reload(&conf(name, "gone/out"));
            post_all(&mut poster, next..next + 10);
            poster.producer.before_wait();
            if *name == "a" {
                of_a.extend(numbers(next..next + 10));
            }
            next += 10;
        }
        rig.reload(&conf("a", "out"));
        post_all(&mut poster, next..next + 10);
        poster.producer.before_wait();
        of_a.extend(numbers(next..next + 10));
        until("all of its messages are where it is now", || rig.lines("out").len() == of_a.len());
        assert_eq!(rig.lines("out"), of_a, "{names:?}");
        rig.mkdir("gone");
        rig.wait_idle();
        let of_others: Vec<_> =
            numbers(0..next).into_iter().filter(|number| !of_a.contains(number)).collect();
        assert_eq!(rig.lines("gone/out"), of_others, "{names:?}");
        rig.finish_delivered(&[&poster]);
    }
}

/// Breaks without it: a destination that comes back takes over what is older than what another one has for
/// the same file.
#[test]
fn what_waits_for_one_file_under_many_names_is_written_in_order() {
    for names in [&["b"][..], &["b", "a"], &["b", "a", "b"], &["b", "c", "a", "b", "c"]] {
        let conf =
            |name: &str, path: &str| named(name, path, "").replace("log-iw-size(50)", "log-iw-size(500)");
        let mut rig = Rig::new(&conf("a", "gone/out"));
        let mut poster = rig.poster(0);
        post_all(&mut poster, 0..10);
        poster.producer.before_wait();
        let mut next = 10;
        for name in names {
            rig.reload(&conf(name, "gone/out"));
            post_all(&mut poster, next..next + 10);
            poster.producer.before_wait();
            next += 10;
        }
        rig.wait_idle_but(next);
        rig.mkdir("gone");
        rig.wait_idle();
        assert_eq!(rig.lines("gone/out"), numbers(0..next), "{names:?}");
        rig.pipeline.tidy();
        let stats = rig.pipeline.stats().destinations;
        assert_eq!(stats.iter().map(|to| to.delivered).sum::<u64>(), next, "{stats:?}");
        rig.finish_delivered(&[&poster]);
    }
}

/// Breaks without it: what a destination had when it was removed is given up although it has come back.
#[test]
fn what_a_destination_had_that_came_back_is_not_given_up() {
    let mut rig = Rig::new(&named("a", "gone/out", ""));
    let mut poster = rig.poster(0);
    let mut of_window = |rig: &mut Rig, next: Option<&str>| {
        until("the credit is back", || {
            poster.producer.before_wait();
            rig.source(0).free == 50
        });
        assert_eq!(poster.fill_window(|_| b"m".to_vec()), 50);
        poster.producer.before_wait();
        let Some(name) = next else { return };
        rig.reload(&named(name, "gone/out", ""));
    };
    of_window(&mut rig, Some("b"));
    of_window(&mut rig, Some("a"));
    of_window(&mut rig, None);
    for _ in 0..3 {
        rig.pipeline.tidy();
    }
    rig.reload(&named("a", "out", ""));
    until("all of its messages are where it is now", || rig.lines("out").len() == 100);
    rig.mkdir("gone");
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out").len(), 50);
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: a source stands still for what a removed destination took over and cannot write before
/// another one ends.
#[test]
fn a_source_does_not_wait_for_what_a_removed_destination_took_over() {
    let two = format!(
        "{} destination x {{ file(\"DIR/gone/out\"); }}; log {{ source(s); destination(x); }};",
        named("a", "lost/out", "")
    );
    let mut rig = Rig::new(&two);
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..25);
    poster.producer.before_wait();
    until("both are in trouble", || rig.to(0).suspended && rig.to(1).suspended);
    rig.reload(&named("a", "gone/out", ""));
    until("what it had is taken over", || rig.pipeline.leaving() == 1);
    rig.reload(&named("e", "out", ""));
    until("both let go of the credit", || rig.source(0).free == 50);
    rig.mkdir("gone");
    rig.wait_idle();
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: a destination without a name takes over what another one had, because it stands in its
/// place in the file.
#[test]
fn a_destination_without_a_name_takes_over_from_its_own_path_alone() {
    let conf = |paths: &[&str]| {
        let ways = paths.iter().fold(String::new(), |ways, path| {
            ways + &format!(r#"destination {{ file("DIR/{path}" template("$MSG\n")); }};"#)
        });
        format!(
            r#"options {{ time-reopen(3600); }}; source s {{ python(class("A") log-iw-size(50)); }};
            log {{ source(s); {ways} flags(flow-control); }};"#
        )
    };
    let mut rig = Rig::new(&conf(&["gone/a", "b"]));
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..20);
    until("it is in trouble", || rig.to(0).suspended);
    rig.reload(&conf(&["b"]));
    post_all(&mut poster, 20..40);
    until("the other one has all", || rig.lines("b") == numbers(0..40));
    assert_eq!(rig.pipeline.leaving(), 1);
    rig.mkdir("gone");
    rig.wait_idle();
    assert_eq!(rig.lines("gone/a"), numbers(0..20));
    rig.finish_delivered(&[&poster]);
}

/// A pipeline with a pipe `out`, which takes a page, and its reader.
fn rig_with_pipe(configuration: &str) -> (Rig, std::fs::File) {
    let rig = Rig::new(configuration);
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(rustix::fs::CWD, rig.path("out"), kind, mode, 0).unwrap();
    let mut open = std::fs::OpenOptions::new();
    let open = open.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    let reader = open.open(rig.path("out")).unwrap();
    rustix::pipe::fcntl_setpipe_size(&reader, 4096).unwrap();
    (rig, reader)
}

/// Reads from a pipe until so many lines have come.
fn read_lines(reader: &mut std::fs::File, lines: usize) -> String {
    let mut text = Vec::new();
    until("all is read", || {
        let mut part = [0; 4096];
        if let Ok(count) = std::io::Read::read(reader, &mut part) {
            text.extend_from_slice(&part[..count]);
        }
        memchr::memchr_iter(b'\n', &text).count() >= lines
    });
    String::from_utf8(text).unwrap()
}

/// Breaks without it: the reader of a pipe gets a part of a line, and then another one, when a destination is
/// changed.
#[test]
fn a_line_of_which_a_part_is_out_is_finished_by_the_next_destination() {
    let (mut rig, mut reader) = rig_with_pipe(&one("out", ""));
    let mut poster = rig.poster(0);
    let line = |number: u64| format!("{number}{}", "x".repeat(6000));
    for number in 0..4 {
        poster.post(line(number).as_bytes());
    }
    rig.wait_seen(0, 4);
    until("the pipe is full", || rig.to(0).bytes >= 4096);
    rig.reload(&one("out", r#"log-fifo-size(77) template("new $MSG\n")"#));
    until("the one before has ended", || rig.pipeline.leaving() == 0);
    let text = read_lines(&mut reader, 4);
    let expected =
        [line(0), format!("new {}", line(1)), format!("new {}", line(2)), format!("new {}", line(3))];
    assert!(
        text.lines().eq(expected.iter().map(String::as_str)),
        "the line that was begun, then the new ones"
    );
    rig.wait_idle();
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: the next line for a pipe is glued to the part of a line that went elsewhere.
#[test]
fn the_part_of_a_line_that_a_pipe_keeps_is_ended_before_the_next_line() {
    // The line that was begun is written elsewhere, comes back whole, or is another destination's.
    let cases = [("d", "other", "d"), ("d", "gone/out", "d"), ("d", "other", "e")];
    for (name, path, next) in cases {
        let (mut rig, mut reader) = rig_with_pipe(&named(name, "out", ""));
        let mut poster = rig.poster(0);
        let line = "x".repeat(6000);
        poster.post(line.as_bytes());
        rig.wait_seen(0, 1);
        poster.producer.before_wait();
        until("the pipe is full", || rig.to(0).bytes >= 4096);
        rig.reload(&named(name, path, ""));
        until("the one before has ended", || rig.pipeline.leaving() == 0);
        rig.reload(&named(next, "out", ""));
        until("the one before has ended", || rig.pipeline.leaving() == 0);
        post_all(&mut poster, 1..3);
        poster.producer.before_wait();
        let whole: &[&str] = if path == "other" { &[] } else { &[&line] };
        let expected = [&[&line[..4096]][..], whole, &["1", "2"]].concat();
        let text = read_lines(&mut reader, expected.len());
        assert!(text.lines().eq(expected), "the part, then whole lines: {path}");
        rig.wait_idle();
        assert_eq!(rig.lines("other").len(), usize::from(path == "other"));
        rig.finish_delivered(&[&poster]);
    }
}

/// Breaks without it: reload after reload removes a destination that cannot write, and each leaves a window
/// of messages.
#[test]
fn removed_destinations_keep_one_window_together() {
    let mut rig = Rig::new(&named("d0", "gone/out0", ""));
    let mut poster = rig.poster(0);
    for round in 1..=10_u64 {
        post_all(&mut poster, 30 * (round - 1)..30 * round);
        poster.producer.before_wait();
        rig.reload(&named(&format!("d{round}"), &format!("gone/out{round}"), ""));
        until("the one before lets go of the credit", || rig.source(0).free == 50);
        rig.pipeline.tidy();
        until("no more than a window waits", || {
            rig.pipeline.tidy();
            rig.source(0).totals.in_flight <= 50
        });
        assert_eq!(rig.source(0).totals.in_flight, 30, "the newest is kept");
    }
    rig.mkdir("gone");
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out9"), numbers(270..300));
    // What was given up before the stop is no loss of the stop.
    until("all have ended", || rig.pipeline.leaving() == 0);
    rig.pipeline.tidy();
    drop(poster.producer);
    let (totals, lost) = rig.finish(&[300]);
    assert_eq!((totals[0].delivered, lost), (30, 0));
    assert_eq!(totals[0].dropped[DropReason::Removed as usize], 270);
}

/// Breaks without it: a chain of destinations that wait for each other outlives the stop, or loses in
/// silence.
#[test]
fn destinations_that_wait_for_each_other_are_not_waited_for_at_a_stop() {
    let mut rig = Rig::new(&one("gone/out", ""));
    let mut poster = rig.poster(0);
    for round in 0..3 {
        post_all(&mut poster, 0..10);
        rig.reload(&named(&format!("d{round}"), "gone/out", ""));
    }
    drop(poster.producer);
    let begun = Instant::now();
    assert_eq!(rig.pipeline.drain(Duration::from_secs(3600)), 30);
    assert!(begun.elapsed() < PATIENCE, "each is tried once more, and none takes the time that there is");
    assert_eq!(rig.pipeline.leaving(), 0);
    let (totals, _) = rig.finish(&[30]);
    assert_eq!(totals[0].dropped_total(), 30);
}

/// Breaks without it: a destination that was removed because it cannot write stops its source for good.
#[test]
fn a_source_does_not_wait_for_a_destination_that_was_removed() {
    let (mut rig, mut poster) = full();
    rig.reload(&named("e", "out", ""));
    post_all(&mut poster, 50..500);
    poster.producer.before_wait();
    until("the new one has all", || rig.lines("out") == numbers(50..500));
    until("what the old one has is all that is on its way", || rig.source(0).totals.in_flight == 50);
    rig.mkdir("gone");
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out"), numbers(0..50));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: a destination that is kept waits for an hour after the reload that was to mend it.
#[test]
fn a_reload_tries_again_what_could_not_be_written() {
    let mut rig = Rig::new(&one("gone/out", ""));
    let mut poster = rig.poster(0);
    post_all(&mut poster, 0..20);
    until("it is in trouble", || rig.to(0).suspended);
    std::fs::create_dir(rig.path("gone")).unwrap();
    assert_eq!(rig.reload(&one("gone/out", "")).destinations.kept, ["d#0"]);
    rig.wait_idle();
    assert_eq!(rig.lines("gone/out"), numbers(0..20));
    rig.finish_delivered(&[&poster]);
}

/// Breaks without it: what a source posted just before it was replaced is lost, or comes after what its
/// successor posts.
#[test]
fn what_a_replaced_source_posted_comes_first() {
    let conf = |window: u64| one("out", "").replace("(50)", &format!("({window})"));
    let mut rig = Rig::new(&conf(5000));
    let mut sum = 0;
    for round in 0..50 {
        let mut poster = rig.poster(0);
        post_all(&mut poster, sum..sum + 100);
        sum += 100;
        let changes = rig.reload_with(&conf(5001 + round), |_| poster.producer.close_batch());
        assert_eq!(changes.sources.replaced, ["s#0"]);
        assert_eq!(poster.try_post(b"late"), Err(Refused::Closed));
    }
    rig.wait_idle();
    assert_eq!(rig.lines("out"), numbers(0..sum));
    let (totals, lost) = rig.finish(&[sum]);
    assert_eq!((totals[0].delivered, lost), (sum, 0));
}

/// Breaks without it: a batch that was on its way into the engine when its source was stopped is lost, or in
/// no count.
#[test]
fn a_batch_that_comes_late_goes_where_the_names_are_now_or_is_counted() {
    let other = |path: &str| one(path, "").replace("source s", "source t").replace("source(s)", "source(t)");
    for (next, delivered) in [(other("b"), 1), (String::new(), 0)] {
        let mut rig = Rig::new(&one("a", ""));
        let mut poster = rig.poster(0);
        let need = Need { bytes: 4, ..Need::default() };
        let mut writer = poster.producer.open_private(need);
        let mut row = writer.row(need).unwrap();
        row.payload_copy(b"late");
        row.publish();
        assert_eq!(poster.producer.lane().credit().try_take(1, need.charge()), 1);
        rig.reload(&next);
        poster.producer.send_private(writer, 4);
        poster.producer.lane().counters();
        let totals =
            || rig.pipeline.stats().sources.into_iter().find(|source| source.id == "s#0").unwrap().totals;
        until("it is counted", || totals().posted == 1 && totals().in_flight == 0);
        assert_eq!((totals().delivered, totals().dropped_total()), (delivered, 1 - delivered));
        assert_eq!(rig.lines("b").len() as u64, delivered);
        rig.pipeline.drain(PATIENCE);
    }
}

/// One configuration of the model: for each of two sources its variant, for each of three files its variant,
/// and the branches between them.
#[derive(Debug, Clone)]
struct Shape {
    sources: [u64; 2],
    files: [u64; 3],
    branches: [[bool; 3]; 2],
}

fn shape() -> impl Strategy<Value = Shape> {
    let (sources, files) = (prop::array::uniform2(0..2u64), prop::array::uniform3(0..3u64));
    (sources, files, any::<[[bool; 3]; 2]>()).prop_map(|(sources, files, branches)| Shape {
        sources,
        files,
        branches,
    })
}

impl Shape {
    fn conf(&self) -> String {
        let mut conf = "options { time-reopen(1); };".to_owned();
        for (source, variant) in self.sources.iter().enumerate() {
            let _ =
                write!(conf, "source s{source} {{ python(class(\"A\") log-iw-size({})); }};", 500 + variant);
        }
        for (file, variant) in self.files.iter().enumerate() {
            // Two variants write one file, the third another one.
            let name = if *variant == 2 { "moved" } else { "file" };
            let _ = write!(
                conf,
                "destination d{file} {{ file(\"DIR/{name}{file}\" template(\"$MSG\\n\") log-fifo-size({})); }};",
                7000 + variant
            );
        }
        for (source, files) in self.branches.iter().enumerate() {
            let _ = write!(conf, "log {{ source(s{source});");
            for file in (0..3).filter(|file| files[*file]) {
                let _ = write!(conf, "destination(d{file});");
            }
            conf += "flags(flow-control); };";
        }
        conf
    }
}

/// Posts numbers into a source until it is closed, again and again into the lane that is there. As with
/// Python's lock, no lane is closed in the middle of a post.
fn keep_posting(lanes: &Mutex<Vec<Input>>, gil: &Mutex<()>, source: usize, stop: &AtomicBool) -> u64 {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let input = lanes.lock().unwrap()[source].clone();
        let mut poster = Poster { producer: input.lane.producer(Arc::clone(&input.origin)), taken: 0 };
        while !stop.load(Ordering::Relaxed) {
            let held = gil.lock().unwrap();
            let result = poster.try_post(format!("{source} {number}").as_bytes());
            drop(held);
            match result {
                Ok(()) => number += 1,
                Err(Refused::Closed) => break,
                Err(_) => {
                    poster.producer.before_wait();
                    let soon = std::time::Instant::now() + std::time::Duration::from_millis(5);
                    poster.producer.lane().credit().wait(Some(soon));
                }
            }
        }
    }
    number
}

fn run(shapes: &[Shape]) {
    let mut rig = Rig::new(&shapes[0].conf());
    let (lanes, stop) = (Mutex::new(rig.pipeline.inputs()), AtomicBool::new(false));
    let gil = Mutex::new(());
    let taken: Vec<u64> = std::thread::scope(|scope| {
        let posting: Vec<_> = (0..2)
            .map(|source| {
                scope.spawn({
                    let (lanes, gil, stop) = (&lanes, &gil, &stop);
                    move || keep_posting(lanes, gil, source, stop)
                })
            })
            .collect();
        for shape in &shapes[1..] {
            let before = rig.pipeline.stats().posted();
            until("messages come", || rig.pipeline.stats().posted() > before + 300);
            rig.reload_with(&shape.conf(), |input| {
                let held = gil.lock().unwrap();
                input.lane.close();
                drop(held);
            });
            *lanes.lock().unwrap() = rig.pipeline.inputs();
            let stats = rig.pipeline.stats();
            let outcomes = stats.delivered() + stats.dropped() + stats.filtered();
            assert_eq!(stats.posted(), outcomes + stats.in_flight());
            rig.pipeline.tidy();
        }
        stop.store(true, Ordering::Relaxed);
        posting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    rig.wait_idle();
    until("all that went have ended", || rig.pipeline.leaving() == 0);
    // In each file, the numbers of each source rise; what stands there twice was delivered twice.
    let mut seen: [BTreeMap<u64, u32>; 2] = Default::default();
    let mut written = 0;
    for name in ["file", "moved"] {
        for file in 0..3 {
            let mut last = [None, None];
            for line in rig.lines(&format!("{name}{file}")) {
                let (source, number) = line.split_once(' ').unwrap();
                let (source, number) = (source.parse::<usize>().unwrap(), number.parse::<u64>().unwrap());
                assert!(last[source] < Some(number), "{name}{file}: {number} after {last:?}");
                last[source] = Some(number);
                *seen[source].entry(number).or_default() += 1;
                written += 1;
            }
        }
    }
    let most = |source: usize| {
        shapes.iter().map(move |shape| shape.branches[source].iter().filter(|to| **to).count() as u32)
    };
    for source in 0..2 {
        // Nothing is missing where every configuration had a destination for the source.
        if most(source).min() > Some(0) {
            assert!(seen[source].keys().copied().eq(0..taken[source]), "a message of s{source} is missing");
        }
        assert!(seen[source].values().copied().max().unwrap_or(0) <= most(source).max().unwrap_or(0));
    }
    let delivered: u64 = rig.pipeline.stats().destinations.iter().map(|to| to.delivered).sum();
    assert_eq!(delivered, written, "the files have what was counted");
    let (totals, lost) = rig.finish(&taken);
    assert_eq!(lost, 0);
    // What came while a configuration had no destination for its source went nowhere.
    assert_eq!(totals.iter().map(|totals| totals.delivered + totals.filtered).collect::<Vec<_>>(), taken);
    for (source, totals) in totals.iter().enumerate() {
        assert!(totals.filtered == 0 || most(source).min() == Some(0));
        assert_eq!(totals.delivered, seen[source].len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Breaks without it: whatever the examples above do not think of.
    #[test]
    fn any_configurations_after_each_other_lose_and_double_nothing(shapes in prop::collection::vec(shape(), 2..12)) {
        run(&shapes);
    }
}
