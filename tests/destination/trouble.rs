//! Messages whose file is removed, and those that chose a path which cannot be written.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use inrush::destination::{Destination, StreamSettings};
use inrush::flow::{Ack, Delivery, DropReason};
use inrush::message::Selection;
use rustix::fs::OFlags;

use crate::rig::{Rig, batch, dir, later, settings};

/// Breaks without it: what is written to a file without a name counts as delivered, and nobody ever reads it.
#[test]
fn what_was_written_to_a_removed_file_is_written_again() {
    type Remove = fn(&Path);
    let ways: [(&str, Remove); 3] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("replaced", |path| {
            fs::write(path.with_extension("new"), "").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("with its directory", |path| {
            fs::remove_dir_all(path.parent().unwrap()).unwrap();
            fs::create_dir(path.parent().unwrap()).unwrap();
        }),
    ];
    for (way, remove) in ways {
        let (dir, _) = dir();
        let path = dir.path().join("sub/out.log");
        fs::create_dir(dir.path().join("sub")).unwrap();
        let mut rig = Rig::new(settings(&path));
        let start = Instant::now();
        rig.push(&[("h", b"one")]);
        rig.destination.flush(start);
        remove(&path);
        // At the same moment by the clock of the destination: it does not look at the path.
        rig.push(&[("h", b"two"), ("h", b"three")]);
        rig.destination.flush(start);
        assert_eq!((rig.counters.delivered.load(Relaxed), rig.held()), (1, 2), "{way}: not yet delivered");
        assert!(
            rig.destination.next_deadline().unwrap() <= Instant::now(),
            "{way}: at once, not with the next message"
        );
        rig.destination.flush(start);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\n", "{way}");
        assert_eq!((rig.counters.delivered.load(Relaxed), rig.held()), (3, 0));
        assert_eq!(rig.reports(), []);
        rig.finish();
    }
}

/// Breaks without it: lines go to a renamed file for as long as there is one, or it is asked for with each of
/// them.
#[test]
fn a_renamed_file_is_noticed_a_moment_later() {
    let (_dir, path) = dir();
    let mut rig = Rig::new(settings(&path));
    let start = Instant::now();
    let send = |rig: &mut Rig, text: &str, milliseconds| {
        rig.push(&[("h", text.as_bytes())]);
        rig.destination.flush(start + std::time::Duration::from_millis(milliseconds));
    };
    send(&mut rig, "one", 0);
    fs::rename(&path, path.with_extension("old")).unwrap();
    send(&mut rig, "two", 99);
    send(&mut rig, "three", 100);
    assert_eq!(fs::read_to_string(path.with_extension("old")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    rig.finish();
}

/// Breaks without it: a file that is removed and cannot be made again takes what was written to it last.
#[test]
fn what_was_written_to_a_removed_file_waits_until_there_is_another_one() {
    let (dir, _) = dir();
    let path = dir.path().join("sub/out.log");
    fs::create_dir(dir.path().join("sub")).unwrap();
    let mut rig = Rig::new(settings(&path));
    rig.send("one");
    fs::remove_dir_all(dir.path().join("sub")).unwrap();
    rig.send("two");
    rig.destination.flush(Instant::now());
    assert!(rig.destination.is_suspended() && rig.held() == 1);
    fs::create_dir(dir.path().join("sub")).unwrap();
    rig.destination.flush(later(61));
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    rig.finish();
}

/// Breaks without it: a file that has a path under `/proc` alone, and never had another name, is written
/// again and again.
#[test]
fn a_file_that_never_had_a_name_is_written_once() {
    let (_dir, path) = dir();
    let open = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&open);
    let mut rig = Rig::new(settings(Path::new(&format!("/proc/self/fd/{number}"))));
    rig.send("one");
    rig.send("two");
    assert_eq!(rig.counters.delivered.load(Relaxed), 2);
    assert_eq!(std::io::read_to_string(open).unwrap(), "one\ntwo\n");
    rig.finish();
}

/// Breaks without it: a sender that names what can never be a file holds the credit of all others, for ever.
#[test]
fn paths_that_can_never_be_files_cost_their_own_messages() {
    let (dir, _) = dir();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("directory")).unwrap();
    symlink(path("loop"), path("loop")).unwrap();
    symlink("file/x", path("below-a-file")).unwrap();
    fs::write(path("file"), "").unwrap();
    let _listener = UnixListener::bind(path("socket")).unwrap();
    let mut rig = Rig::with_window(settings(&path("$HOST")), 100);
    let bad = [
        ("directory", "Is a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("below-a-file", "Not a directory"),
        ("socket", "No such device or address"),
    ];
    for round in 0..50 {
        for (host, error) in bad {
            rig.push(&[("good", b"1"), (host, b"2"), (host, b"3"), ("good", b"4")]);
            rig.destination.flush(Instant::now());
            assert_eq!(rig.held(), 0, "{host}: the credit is back");
            let reports = rig.reports();
            if round > 0 {
                assert_eq!(reports, [], "{host}: told once");
                continue;
            }
            let [report] = &reports[..] else { panic!("{host}: {reports:?}") };
            assert!(report.text.contains(host) && report.text.contains(error), "{}", report.text);
            assert!(report.text.ends_with("what cannot be written to it is dropped"), "{}", report.text);
        }
    }
    assert!(!rig.destination.is_suspended());
    assert_eq!(fs::read_to_string(path("good")).unwrap(), "1\n4\n".repeat(200));
    assert_eq!((rig.counters.delivered.load(Relaxed), rig.counters.dropped.load(Relaxed)), (400, 400));
    assert_eq!(rig.source.totals().dropped[DropReason::UnwritablePath as usize], 400);
    assert_eq!(rig.destination.stop(later(5)), 0);
    assert_eq!(
        rig.reports().last().unwrap().text,
        "400 messages for paths that cannot be written were dropped in all"
    );
    rig.check_sum();
}

/// Breaks without it: a path that is longer than the system allows stops its source, though each of its parts
/// is short enough.
#[test]
fn a_path_that_is_too_long_costs_its_own_messages() {
    let (dir, _) = dir();
    let long = format!("{}/$HOST/{}", dir.path().display(), "${HOST}/".repeat(20));
    let mut rig = Rig::new(settings(Path::new(&long)));
    rig.push(&[(&*"h".repeat(255), b"1")]);
    rig.destination.flush(Instant::now());
    assert!(rig.reports()[0].text.contains("File name too long"));
    assert_eq!((rig.counters.dropped.load(Relaxed), rig.held()), (1, 0));
}

/// Breaks without it: names that a sender makes up fill the log, or the memory of what is told.
#[test]
fn so_many_paths_are_told_and_no_more() {
    let (dir, _) = dir();
    let mut rig = Rig::new(settings(&dir.path().join("$HOST")));
    for number in 0..1000 {
        let name = format!("d{number}");
        fs::create_dir(dir.path().join(&name)).unwrap();
        rig.push(&[(&name, b"x")]);
        rig.destination.flush(Instant::now());
    }
    assert_eq!((rig.reports().len(), rig.counters.dropped.load(Relaxed)), (256, 1000));
    // The number is told a minute later, and names again an hour later.
    rig.push(&[("d999", b"x")]);
    rig.destination.flush(later(61));
    let text = &rig.reports()[0].text;
    assert_eq!(text, "1001 more messages for paths that cannot be written were dropped, 1001 in all");
    rig.push(&[("d0", b"x")]);
    rig.destination.flush(later(3700));
    assert!(rig.reports()[0].text.contains("/d0`: Is a directory"));
}

/// Breaks without it: files that cannot be opened *now* take the whole window from those that can, or lose at
/// once what could be written in a moment.
#[test]
fn paths_that_cannot_be_opened_hold_a_share_of_the_window() {
    let (dir, _) = dir();
    fs::create_dir(dir.path().join("good")).unwrap();
    let mut rig = Rig::with_window(settings(&dir.path().join("$HOST/x")), 800);
    for number in 0..500 {
        let text = number.to_string();
        rig.push(&[("bad", text.as_bytes())]);
        rig.push(&[("good", text.as_bytes())]);
        rig.destination.flush(Instant::now());
    }
    assert_eq!((rig.held(), rig.counters.queued.load(Relaxed)), (100, 100), "an eighth");
    for host in 0..20 {
        for _ in 0..100 {
            rig.push(&[(&format!("bad{host}"), b"x")]);
            rig.destination.flush(Instant::now());
        }
    }
    assert_eq!((rig.held(), rig.counters.queued.load(Relaxed)), (400, 400), "half, all together");
    let dropped = rig.source.totals().dropped[DropReason::UnwritablePath as usize];
    assert_eq!((dropped, rig.counters.delivered.load(Relaxed)), (400 + 2000 - 300, 500));
    fs::create_dir(dir.path().join("bad")).unwrap();
    rig.destination.flush(later(61));
    let kept = fs::read_to_string(dir.path().join("bad/x")).unwrap();
    assert!(kept.lines().eq((0..100).map(|number| number.to_string())), "the newest are dropped");
    rig.destination.stop(Instant::now());
    rig.check_sum();
}

/// Breaks without it: a path whose messages are dropped for want of room is told anew with each batch, once
/// that it waits and once that too much waits.
#[test]
fn a_path_that_cannot_be_opened_is_told_once() {
    let (dir, _) = dir();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let mut rig = Rig::with_window(settings(&dir.path().join("$HOST")), 16);
    for _ in 0..50 {
        // More than an eighth of the window: none of it may wait.
        rig.push(&[("fifo", b"1"), ("fifo", b"2"), ("fifo", b"3")]);
        rig.destination.flush(Instant::now());
        assert_eq!(rig.held(), 0);
    }
    let texts = |rig: &mut Rig| rig.reports().into_iter().map(|report| report.text).collect::<Vec<_>>();
    let told = format!(
        "cannot write to `{}`: No such device or address (os error 6); it is a FIFO that nobody reads, or a socket; its messages \
         wait, retrying every 60 s; messages chose this path, and what is too much for it is dropped",
        fifo.display()
    );
    assert_eq!(texts(&mut rig), [told.as_str()]);
    rig.push(&[("fifo", b"1"), ("fifo", b"2"), ("fifo", b"3")]);
    rig.destination.flush(later(61));
    assert_eq!(
        texts(&mut rig),
        ["153 more messages for paths that cannot be written were dropped, 153 in all"],
        "the number of a minute"
    );
    // Once it could be written, the next trouble is news.
    rig.push(&[("fifo", b"x")]);
    rig.destination.flush(later(62));
    let reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    rig.destination.flush(later(200));
    assert_eq!((rig.held(), texts(&mut rig)), (0, vec![]), "what was not told has no end");
    drop(reader);
    rig.push(&[("fifo", b"1"), ("fifo", b"2"), ("fifo", b"3")]);
    rig.destination.flush(later(300));
    let [lost] = &texts(&mut rig)[..] else { panic!("the reader went away: one line") };
    assert!(lost.contains("Broken pipe"), "{lost}");
    rig.destination.flush(later(400));
    let [dropped, number] = &texts(&mut rig)[..] else {
        panic!("they are dropped: a line, and the minute's number")
    };
    assert!(dropped.contains("fifo`: too much waits for it; messages chose this path"), "{dropped}");
    assert!(number.starts_with("3 more messages"), "{number}");
    rig.push(&[("fifo", b"1"), ("fifo", b"2"), ("fifo", b"3")]);
    rig.destination.flush(later(401));
    assert_eq!(texts(&mut rig), Vec::<String>::new());
    rig.destination.stop(Instant::now());
    rig.check_sum();
}

/// Breaks without it: a directory that the configuration names and that is away for a moment, as it is while
/// a disk is mounted, costs the messages, though their source waits.
#[test]
fn what_has_nothing_to_do_with_the_message_is_waited_for() {
    let (dir, _) = dir();
    let fixed = dir.path().join("mount");
    let mut rig = Rig::with_window(settings(&fixed.join("$HOST")), 100);
    for _ in 0..100 {
        rig.push(&[("h", b"x")]);
        rig.destination.flush(Instant::now());
    }
    assert_eq!((rig.held(), rig.counters.dropped.load(Relaxed)), (100, 0));
    // A file in its place is as bad as none.
    fs::write(&fixed, "").unwrap();
    rig.destination.flush(later(61));
    assert_eq!((rig.held(), rig.counters.dropped.load(Relaxed)), (100, 0));
    fs::remove_file(&fixed).unwrap();
    fs::create_dir(&fixed).unwrap();
    rig.destination.flush(later(200));
    assert_eq!(fs::read_to_string(fixed.join("h")).unwrap(), "x\n".repeat(100));
    rig.finish();
}

/// Breaks without it: what waits without credit when a destination fails is bounded in number alone, and
/// takes the machine.
#[test]
fn large_messages_that_wait_without_credit_are_bounded_in_bytes() {
    let (dir, _) = dir();
    let mut rig = Rig::new(settings(&dir.path().join("gone/out")));
    let large = vec![b'x'; 1 << 20];
    for _ in 0..10 {
        let large = batch(&[("h", &large[..]); 10]);
        let (count, charge) = (large.rows(), large.charge());
        assert_eq!(rig.credit.try_take(count, charge), count);
        let ack = Ack::new(&rig.credit, &rig.source, count, charge);
        rig.counters.queued.fetch_add(u64::from(count), Relaxed);
        rig.given += u64::from(count);
        let view = Selection::all(large);
        rig.destination.push(Delivery { view, ack, flow_control: false });
    }
    rig.destination.flush(Instant::now());
    let (source, lost) = rig.destination.let_go_of_credit(false).unwrap();
    assert_eq!((&*source, lost), ("s_test", 37), "64 MiB, less what the messages cost beside their texts");
    assert!(rig.destination.let_go_of_credit(false).is_none(), "once");
    assert_eq!((rig.held(), rig.counters.queued.load(Relaxed)), (0, 63));
    rig.check_sum();
    fs::create_dir(dir.path().join("gone")).unwrap();
    rig.destination.flush(later(61));
    assert_eq!(fs::metadata(dir.path().join("gone/out")).unwrap().len(), 63 * ((1 << 20) + 1));
    assert_eq!(rig.source.totals().dropped[DropReason::QueueFull as usize], 37);
}

/// Breaks without it: a program that a source starts has the files open as well, or two writers write over
/// each other.
#[test]
fn files_are_opened_to_append_and_for_this_process_alone() {
    let (_dir, path) = dir();
    let mut rig = Rig::new(settings(&path));
    rig.send("one");
    let links = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap());
    let own: Vec<_> = links.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == path)).collect();
    assert_eq!(own.len(), 1);
    let info = Path::new("/proc/self/fdinfo").join(own[0].file_name());
    let info = fs::read_to_string(info).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
    let flags = OFlags::from_bits_retain(flags);
    assert!(
        flags.contains(OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NONBLOCK),
        "{flags:?}"
    );
    rig.finish();
}

/// Breaks without it: a path without macros, which its administrator chose, loses what waits for it.
#[test]
fn a_path_without_macros_is_waited_for_whatever_it_is() {
    let (_dir, path) = dir();
    fs::create_dir(&path).unwrap();
    let mut rig = Rig::with_window(StreamSettings { fifo_size: 10, ..settings(&path) }, 100);
    for _ in 0..100 {
        rig.push(&[("h", b"x")]);
        rig.destination.flush(Instant::now());
    }
    assert_eq!((rig.held(), rig.counters.dropped.load(Relaxed)), (100, 0));
    let reports = rig.reports();
    assert!(
        reports.len() == 1
            && reports[0].text.contains("Is a directory (os error 21); the path must name a file")
    );
    fs::remove_dir(&path).unwrap();
    rig.destination.flush(later(61));
    rig.finish();
}
