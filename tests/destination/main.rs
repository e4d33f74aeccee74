//! The file destination: what is in the files afterwards, and when a batch is let go of.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use inrush::destination::stream::{Marks, Opening, Quiet};
use inrush::destination::{Descriptors, Destination, LineFormat, Severity, StreamSettings};
use inrush::flow::{Ack, Delivery, DropReason};
use inrush::message::batch::Text;
use inrush::message::{
    Batch, FieldName, Lines, Need, Origin, Pool, Rows, Segment, Selection, Stamp, ValueType, Writer,
};
use inrush::template::{Context, Template, TimeZoneUse};
use inrush::transport::access::Access;
use rustix::fs::{Mode, OFlags};

mod quiet;
mod rig;
mod trouble;

use rig::{Rig, batch, dir, later, local_batch, mode, settings};

/// Breaks without it: a large message overtakes the small ones before it, or its memory is kept.
#[test]
fn small_and_large_messages_are_written_in_order_and_let_go_of() {
    let (_dir, path) = dir();
    let mut rig = Rig::new(StreamSettings {
        line: LineFormat::Template(Template::compile("<$HOST> $MSG|$SEQNUM\n").unwrap()),
        ..settings(&path)
    });
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let mut expected = Vec::new();
    let mut sequence = 0;
    for round in 0..20 {
        let texts: Vec<Vec<u8>> = (0..200_usize)
            .map(|n| large[n..n + [5, 0, 100, 9000, 70_000][(n + round) % 5] * usize::from(n < 100)].to_vec())
            .collect();
        let messages: Vec<_> = texts.iter().map(|text| ("web", text.as_slice())).collect();
        for text in &texts {
            sequence += 1;
            expected.extend_from_slice(b"<web> ");
            expected.extend_from_slice(text);
            writeln!(expected, "|{sequence}").unwrap();
        }
        rig.push_batch(local_batch(&messages));
    }
    rig.push_batch(local_batch(&[("h", &large)]));
    expected.extend_from_slice(b"<h> ");
    expected.extend_from_slice(&large);
    writeln!(expected, "|{}", sequence + 1).unwrap();
    assert_eq!(rig.held(), rig.given, "nothing is let go of before it is written");
    rig.destination.flush(Instant::now());
    assert_eq!(rig.held(), 0);
    assert!(fs::read(&path).unwrap() == expected);
    assert_eq!(rig.counters.bytes.load(Relaxed), expected.len() as u64);
    rig.finish();
}

/// Breaks without it: after logrotate the engine goes on writing to the old file.
#[test]
fn renamed_and_deleted_files_are_made_anew() {
    let (dir, path) = dir();
    let mut rig = Rig::new(settings(&path));
    rig.send("one");
    fs::rename(&path, dir.path().join("out.log.1")).unwrap();
    rig.destination.reopen();
    rig.send("two");
    fs::remove_file(&path).unwrap();
    // Without a signal, the next look is a moment later.
    rig.push(&[("h", b"three")]);
    rig.destination.flush(later(1));
    assert_eq!(fs::read_to_string(dir.path().join("out.log.1")).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    assert_eq!(rig.reports(), []);
    rig.finish();
}

/// Breaks without it: a file that was truncated in place has a hole of zeros before the next line.
#[test]
fn a_file_truncated_in_place_is_written_on_from_its_start() {
    let (_dir, path) = dir();
    let mut rig = Rig::new(settings(&path));
    rig.send("one");
    fs::File::create(&path).unwrap();
    rig.send("two");
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    rig.finish();
}

/// Breaks without it: `perm()` and `dir-perm()` are not followed, or a log can be read by everybody.
#[test]
fn directories_and_files_have_the_asked_rights_and_closed_ones_otherwise() {
    let (dir, _) = dir();
    let mut plain = Rig::new(settings(&dir.path().join("a/b/x.log")));
    plain.send("lost for now");
    assert_eq!(plain.reports().len(), 1, "create-dirs() is off");
    let mut closed = settings(&dir.path().join("a/b/x.log"));
    closed.opening = Arc::new(Opening { create_dirs: true, ..Opening::default() });
    let mut closed = Rig::new(closed);
    closed.send("x");
    assert_eq!((mode(&dir.path().join("a/b")), mode(&dir.path().join("a/b/x.log"))), (0o700, 0o600));
    plain.destination.reopen();
    plain.destination.flush(Instant::now());
    assert_eq!(fs::read_to_string(dir.path().join("a/b/x.log")).unwrap(), "x\nlost for now\n");
    let mut open = settings(&dir.path().join("c/x.log"));
    let ids = fs::metadata(dir.path()).unwrap();
    open.opening = Arc::new(Opening {
        create_dirs: true,
        file: Access { perm: Some(0o666), ..Access::default() },
        dir: Access { owner: Some(ids.uid()), group: Some(ids.gid()), perm: Some(0o777) },
    });
    let mut open = Rig::new(open);
    open.send("x");
    assert_eq!((mode(&dir.path().join("c")), mode(&dir.path().join("c/x.log"))), (0o777, 0o666));
    plain.finish();
    closed.finish();
    open.finish();
}

/// Breaks without it: a full disk fills the log with errors, or costs messages that there was time to keep.
#[test]
fn a_full_device_is_reported_once_and_written_after_it_is_replaced() {
    let (_dir, path) = dir();
    symlink("/dev/full", &path).unwrap();
    let mut rig = Rig::new(settings(&path));
    let large = vec![b'l'; 100_000];
    rig.push(&[("h", b"one"), ("h", &large)]);
    rig.destination.flush(Instant::now());
    assert!(rig.destination.is_suspended());
    let reports = rig.reports();
    assert_eq!((reports.len(), reports[0].severity), (1, Severity::Error));
    for part in ["out.log", "No space left on device", "retrying every 60 s"] {
        assert!(reports[0].text.contains(part), "{}", reports[0].text);
    }
    rig.send("two");
    assert!(rig.destination.next_deadline().unwrap() > later(50), "it is not tried all the time");
    rig.destination.flush(later(61));
    assert_eq!((rig.reports(), rig.held()), (vec![], 3));
    assert_eq!(rig.counters.retries.load(Relaxed), 1);
    fs::remove_file(&path).unwrap();
    rig.destination.flush(later(130));
    let mut expected = b"one\n".to_vec();
    expected.extend_from_slice(&large);
    expected.extend_from_slice(b"\ntwo\n");
    assert!(fs::read(&path).unwrap() == expected, "in order, and once");
    let counted = (rig.counters.errors.load(Relaxed), rig.counters.retries.load(Relaxed));
    assert_eq!(counted, (2, 2), "errors, and attempts after one: the last of them wrote");
    let reports = rig.reports();
    assert_eq!((reports.len(), reports[0].severity), (1, Severity::Notice));
    assert!(reports[0].text.contains("3 messages waited"), "{}", reports[0].text);
    assert!(!rig.destination.is_suspended());
    rig.finish();
}

/// Breaks without it: a path that can be no file is tried for ever without a word.
#[test]
fn paths_that_cannot_be_files_are_errors() {
    let (dir, _) = dir();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (path, error) in [
        ("sub", "Is a directory"),
        ("file/x", "Not a directory"),
        ("none/x", "No such file"),
        (&*"n".repeat(300), "name too long"),
    ] {
        let mut rig = Rig::new(settings(&dir.path().join(path)));
        rig.send("kept");
        let reports = rig.reports();
        assert!(reports[0].text.contains(error), "{}", reports[0].text);
        assert_eq!(rig.destination.stop(Instant::now()), 1);
        assert!(rig.reports().last().unwrap().text.contains("1 messages for"));
        let totals = rig.source.totals();
        assert_eq!((totals.delivered, totals.dropped_total(), rig.held()), (0, 1, 0));
        rig.check_sum();
    }
}

/// A FIFO with a reader, whose buffer holds one page.
fn fifo(path: &Path) -> OwnedFd {
    if !path.exists() {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
    }
    let reader = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    rustix::pipe::fcntl_setpipe_size(&reader, 4096).unwrap();
    reader
}

fn read_available(reader: &OwnedFd, into: &mut Vec<u8>) {
    let mut buffer = [0; 1 << 14];
    while let Ok(count @ 1..) = rustix::io::read(reader, &mut buffer) {
        into.extend_from_slice(&buffer[..count]);
    }
}

/// Only messages of this host are counted, in the lines, in the headers and in the names of files.
#[test]
fn messages_of_this_host_are_counted_and_no_others() {
    let (dir, path) = dir();
    let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let push = |rig: &mut Rig| {
        rig.push(&[("h", b"other")]);
        rig.push_batch(local_batch(&[("h", b"one"), ("h", b"two")]));
        rig.push(&[("h", b"other")]);
        rig.push_batch(local_batch(&[("h", b"three")]));
        rig.destination.flush(Instant::now());
    };
    let template = || LineFormat::Template(Template::compile("$SEQNUM|$SDATA|$MSG\n").unwrap());
    let mut rig = Rig::new(StreamSettings { line: template(), ..settings(&path) });
    push(&mut rig);
    rig.finish();
    let counted = |number: u32, text: &str| format!("{number}|[meta sequenceId=\"{number}\"]|{text}\n");
    let lines = [counted(1, "one"), counted(2, "two"), "||other\n".into(), counted(3, "three")];
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("||other\n{}", lines.concat()));

    // Lines that differ in the text alone are copied from the one before, but for these.
    let sdata = LineFormat::Template(Template::compile("$SDATA $MSG\n").unwrap());
    let mut rig = Rig::new(StreamSettings { line: sdata, ..settings(&dir.path().join("sdata")) });
    rig.push_batch(local_batch(&[("", b"one"), ("", b"two")]));
    rig.destination.flush(Instant::now());
    rig.finish();
    assert_eq!(text("sdata"), "[meta sequenceId=\"1\"] one\n[meta sequenceId=\"2\"] two\n");

    let named = Template::compile(&format!("{}/n-$SEQNUM", dir.path().display())).unwrap();
    let mut rig = Rig::new(StreamSettings { path: named, line: template(), ..settings(&path) });
    push(&mut rig);
    rig.finish();
    assert_eq!((text("n-"), text("n-2")), ("||other\n||other\n".into(), counted(2, "two")));
}

/// Flushes until nothing waits, and reads in between what is there. What counts as delivered is at every
/// moment the lines that are out whole.
fn read_slowly(rig: &mut Rig, reader: &OwnedFd) -> Vec<u8> {
    let (mut got, mut now) = (Vec::new(), Instant::now());
    for _ in 0..1000 {
        rig.destination.flush(now);
        assert!(!rig.destination.is_suspended(), "a pipe whose reader is slow is not in trouble");
        let whole = rig.counters.delivered.load(Relaxed);
        read_available(reader, &mut got);
        assert_eq!(whole, memchr::memchr_iter(b'\n', &got).count() as u64);
        match rig.destination.next_deadline() {
            Some(at) => now = now.max(at),
            None => break,
        }
    }
    got
}

/// Breaks without it: a slow reader of a pipe gets a line twice, torn, or not at all.
#[test]
fn a_full_pipe_is_written_on_exactly_where_it_stopped() {
    let (_dir, path) = dir();
    let reader = fifo(&path);
    let mut rig = Rig::new(StreamSettings {
        line: LineFormat::Template(Template::compile("$SEQNUM:$MSG\n").unwrap()),
        ..settings(&path)
    });
    let mut expected = Vec::new();
    for n in 0..60_usize {
        let text = vec![b'a' + (n % 26) as u8; [10, 3000, 10_000][n % 3] + n];
        rig.push_batch(local_batch(&[("h", &text)]));
        write!(expected, "{}:", n + 1).unwrap();
        expected.extend_from_slice(&text);
        expected.push(b'\n');
    }
    let got = read_slowly(&mut rig, &reader);
    assert!(got == expected);
    assert_eq!(rig.reports(), []);
    rig.finish();
}

/// Breaks without it: lines that are written from where they stand, without a look at each, are counted
/// wrong, torn, or written twice when the reader is slow.
#[test]
fn lines_of_a_buffer_are_written_on_exactly_where_they_stopped() {
    let (_dir, path) = dir();
    let reader = fifo(&path);
    let mut rig = Rig::new(settings(&path));
    let mut expected = Vec::new();
    for n in 0..40_usize {
        let mut text: Vec<u8> = Vec::new();
        for line in 0..[1, 30, 700][n % 3] {
            writeln!(text, "{n} {line} {}", "x".repeat(line * n % 90)).unwrap();
        }
        let origin = Arc::new(Origin::named("s_test"));
        let segment = Segment::heap(text.clone().into_boxed_slice());
        let mut lines = Lines::new(&origin, segment, Stamp::default(), 13, Some(b'\n'));
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &text) {
            lines.push(start, end as u32 - start);
            start = end as u32 + 1;
        }
        rig.push_batch(Arc::new(lines.finish()));
        expected.extend_from_slice(&text);
        if n % 5 == 4 {
            rig.push(&[("h", b"between")]);
            expected.extend_from_slice(b"between\n");
        }
    }
    let got = read_slowly(&mut rig, &reader);
    assert!(got == expected);
    assert_eq!(rig.counters.bytes.load(Relaxed), expected.len() as u64);
    assert_eq!(rig.reports(), []);
    rig.finish();
}

/// Breaks without it: the destination's thread hangs in `open`, or a new reader begins in the middle of a
/// line.
#[test]
fn a_pipe_without_a_reader_does_not_hang_and_a_new_reader_gets_whole_lines() {
    let (_dir, path) = dir();
    drop(fifo(&path));
    let mut rig = Rig::new(settings(&path));
    rig.send("one");
    assert!(rig.reports()[0].text.contains("No such device"), "ENXIO, at once");
    let reader = fifo(&path);
    rig.destination.flush(later(61));
    let mut got = Vec::new();
    read_available(&reader, &mut got);
    assert_eq!(got, b"one\n");
    // The pipe takes a part of this line, and then its reader goes away.
    let large = vec![b'x'; 20_000];
    rig.push(&[("h", &large)]);
    rig.destination.flush(later(62));
    assert_eq!(rig.counters.delivered.load(Relaxed), 1);
    drop(reader);
    rig.destination.flush(later(70));
    let reports = rig.reports();
    assert!(reports[1].text.contains("Broken pipe"), "{reports:?}");
    let reader = fifo(&path);
    let mut got = Vec::new();
    for second in 0..20 {
        rig.destination.flush(later(140 + second));
        read_available(&reader, &mut got);
    }
    assert_eq!((got.len(), got[0], got[20_000]), (20_001, b'x', b'\n'));
    rig.finish();
}

/// A line torn by a full disk; the limit on a file's size stands in for it.
#[test]
fn a_line_torn_in_a_file_is_written_on_there_or_begun_again_elsewhere() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // A signal and a limit are the whole process's: this runs in a process of its own.
    if std::env::var_os("INRUSH_TEST_TORN").is_none() {
        let status = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" --exact a_line_torn_in_a_file_is_written_on_there_or_begun_again_elsewhere"])
            .arg(std::env::current_exe().unwrap())
            .env("INRUSH_TEST_TORN", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let limit = |bytes| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
    };
    for long in [6000, 20_000] {
        for case in ["same", "renamed", "truncated", "longer", "stopped", "stopped longer"] {
            let (dir, path) = dir();
            let mut rig = Rig::new(settings(&path));
            let text: Vec<u8> = (0..long).map(|n| b'a' + (n % 26) as u8).collect();
            limit(Some(5000));
            rig.push(&[("h", b"one"), ("h", &text), ("h", b"two")]);
            rig.destination.flush(Instant::now());
            if case == "stopped" {
                assert_eq!(rig.destination.stop(Instant::now()), 2);
            }
            limit(None);
            if case == "stopped" {
                assert_eq!(fs::read(&path).unwrap(), b"one\n", "whole lines alone");
                continue;
            }
            assert_eq!((rig.counters.delivered.load(Relaxed), rig.held()), (1, 3), "{case}");
            assert!(rig.reports()[0].text.contains("File too large"));
            match case {
                "renamed" => fs::rename(&path, dir.path().join("old")).unwrap(),
                "truncated" => drop(fs::File::create(&path).unwrap()),
                "longer" | "stopped longer" => {
                    let mut other = fs::OpenOptions::new().append(true).open(&path).unwrap();
                    other.write_all(b"other\n").unwrap();
                }
                _ => {}
            }
            if case == "stopped longer" {
                limit(Some(5000));
                assert_eq!(rig.destination.stop(Instant::now()), 2);
                limit(None);
                let expected = [b"one\n", &text[..4996], b"other\n"].concat();
                assert!(fs::read(&path).unwrap() == expected, "what somebody else wrote stays");
                continue;
            }
            rig.destination.flush(later(61));
            let mut whole = text.clone();
            whole.extend_from_slice(b"\ntwo\n");
            let expected = match case {
                "same" => [b"one\n", &whole[..]].concat(),
                "longer" => [b"one\n", &text[..4996], b"other\n", &whole[..]].concat(),
                _ => whole,
            };
            assert!(fs::read(&path).unwrap() == expected, "{case}");
            rig.finish();
        }
    }
}

/// Breaks without it: the first line after a crash is glued to the part of a line before it, and nobody can
/// read either.
#[test]
fn a_line_that_a_killed_process_left_unfinished_is_ended() {
    let (_dir, path) = dir();
    fs::write(&path, b"whole\npart of a li").unwrap();
    let mut rig = Rig::new(settings(&path));
    rig.push(&[("h", b"one")]);
    rig.destination.flush(Instant::now());
    assert_eq!(fs::read(&path).unwrap(), b"whole\npart of a li\none\n");
    assert!(rig.reports()[0].text.contains("has no end"));
    rig.push(&[("h", b"two")]);
    rig.destination.flush(later(61));
    assert_eq!(fs::read(&path).unwrap(), b"whole\npart of a li\none\ntwo\n");
    rig.finish();
}

/// Breaks without it: one file that cannot be written stops those of all other hosts.
#[test]
fn a_failing_file_holds_up_no_other() {
    let (dir, _) = dir();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    for host in ["good", "other"] {
        fs::create_dir(dir.path().join(host)).unwrap();
    }
    let mut rig = Rig::new(settings(&dir.path().join("$HOST/x")));
    rig.push(&[("good", b"1"), ("bad", b"2"), ("good", b"3"), ("bad", b"4"), ("other", b"5")]);
    rig.destination.flush(Instant::now());
    assert_eq!((read("good/x"), read("other/x")), ("1\n3\n".to_owned(), "5\n".to_owned()));
    assert_eq!((rig.counters.delivered.load(Relaxed), rig.held()), (3, 5), "one ack for the batch");
    rig.push(&[("good", b"6"), ("bad", b"7")]);
    rig.destination.flush(later(1));
    assert_eq!(read("good/x"), "1\n3\n6\n");
    assert_eq!(rig.reports().len(), 1);
    fs::create_dir(dir.path().join("bad")).unwrap();
    rig.destination.flush(later(61));
    assert_eq!(read("bad/x"), "2\n4\n7\n");
    rig.finish();
}

/// Breaks without it: a sender who calls his host `../..` chooses any file of the system.
#[test]
fn values_in_paths_do_not_climb() {
    let (dir, _) = dir();
    let mut rig = Rig::new(StreamSettings {
        opening: Arc::new(Opening { create_dirs: true, ..Opening::default() }),
        ..settings(&dir.path().join("logs/$HOST/x.log"))
    });
    rig.push(&[("../..", b"a"), ("..", b"b"), ("/etc", b"c"), (".", b"d")]);
    rig.destination.flush(Instant::now());
    let mut names: Vec<_> =
        fs::read_dir(dir.path().join("logs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".._..", "_", "_etc"]);
    assert_eq!(fs::read_to_string(dir.path().join("logs/_/x.log")).unwrap(), "b\nd\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    rig.finish();
}

/// Breaks without it: files of hosts that went silent keep their descriptors, or lose what comes later.
#[test]
fn unused_files_are_closed_and_found_again() {
    let (dir, _) = dir();
    let mut rig = Rig::new(settings(&dir.path().join("$HOST")));
    rig.push(&[("a", b"1"), ("b", b"2")]);
    let start = Instant::now();
    rig.destination.flush(start);
    assert_eq!(rig.counters.open_files.load(Relaxed), 2);
    assert_eq!(rig.destination.next_deadline(), Some(start + Duration::from_secs(60)));
    rig.push(&[("a", b"3")]);
    rig.destination.flush(start + Duration::from_secs(30));
    rig.destination.flush(start + Duration::from_secs(60));
    assert_eq!(rig.counters.open_files.load(Relaxed), 1);
    assert_eq!(rig.destination.next_deadline(), Some(start + Duration::from_secs(90)));
    rig.destination.flush(start + Duration::from_secs(90));
    assert_eq!((rig.counters.open_files.load(Relaxed), rig.destination.next_deadline()), (0, None));
    rig.push(&[("a", b"4")]);
    rig.destination.flush(start + Duration::from_secs(91));
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "1\n3\n4\n");
    rig.finish();
}

/// Breaks without it: a flood of host names takes all descriptors of the process.
#[test]
fn five_thousand_files_take_a_bounded_number_of_descriptors() {
    let (dir, _) = dir();
    let mut rig = Rig::new(StreamSettings {
        descriptors: Arc::new(Descriptors::new(100)),
        ..settings(&dir.path().join("$HOST"))
    });
    let hosts: Vec<String> = (0..5000).map(|n| format!("h{n}")).collect();
    for round in [b"1", b"2"] {
        for part in hosts.chunks(1000) {
            let messages: Vec<_> = part.iter().map(|host| (host.as_str(), &round[..])).collect();
            rig.push(&messages);
            rig.destination.flush(Instant::now());
            assert!(rig.counters.open_files.load(Relaxed) <= 100);
        }
    }
    assert_eq!(rig.counters.delivered.load(Relaxed), 10_000);
    for host in &hosts {
        assert_eq!(fs::read_to_string(dir.path().join(host)).unwrap(), "1\n2\n");
    }
    assert_eq!(rig.reports(), []);
    rig.finish();
}

/// Breaks without it: `no-multi-line` or `syslog-protocol` is read and not followed, or a long line is cut.
#[test]
fn lines_follow_their_flags() {
    let (dir, _) = dir();
    let multi = StreamSettings { no_multi_line: true, ..settings(&dir.path().join("flat")) };
    let mut rig = Rig::new(multi);
    rig.push(&[("h", b"a\nb\r\nc"), ("h", &[b'\n'; 10_000])]);
    rig.destination.flush(Instant::now());
    let expected = format!("a b  c\n{}\n", " ".repeat(10_000));
    assert!(fs::read_to_string(dir.path().join("flat")).unwrap() == expected);
    rig.finish();
    let long = "x".repeat(10_000);
    for (name, template, expected) in
        [("plain", None, long.clone()), ("template", Some("<$MSG>\n"), format!("<{long}>"))]
    {
        let path = dir.path().join(name);
        let template = template.map(|text| Template::compile(text).unwrap());
        let line = LineFormat::SyslogProtocol(template);
        let mut rig = Rig::new(StreamSettings { line, fsync: true, ..settings(&path) });
        rig.push(&[("h", long.as_bytes())]);
        rig.destination.flush(Instant::now());
        let header = "<13>1 2003-10-11T22:14:15+02:00 h - - - - ";
        assert!(fs::read_to_string(&path).unwrap() == format!("{header}{expected}\n"), "{name}");
        rig.finish();
    }
    let mut rig =
        Rig::new(StreamSettings::new(Template::compile(dir.path().join("d").to_str().unwrap()).unwrap()));
    rig.send("hello");
    assert_eq!(fs::read_to_string(dir.path().join("d")).unwrap(), "Oct 11 22:14:15 h hello\n");
    rig.finish();
}

/// Breaks without it: a line gets the time, the priority or the host of the line before it, from which its
/// frame is copied.
#[test]
fn a_line_is_what_its_template_says_whatever_stood_before_it() {
    const SECOND: i64 = 1_000_000;
    let stamps = [0, 1, SECOND - 1, SECOND, 7 * SECOND, 7 * SECOND + 1, -1, -SECOND, 86_400 * SECOND];
    let long = "x".repeat(5000);
    let templates = [
        "$STAMP $HOST $MSGHDR$MSG\n",
        "$MSG\n",
        "<$PRI>$R_UNIXTIME $UNIXTIME $ISODATE ${.n:-none}: $MSG|$LEVEL\n",
        "$MSEC $MSG\n",
        "$SEQNUM $RAWMSG_SIZE $MSG\n",
        "$(echo $SEC) $MSG $SEC\n",
    ];
    let (pool, origin) = (Arc::new(Pool::new()), Arc::new(Origin::named("s_test")));
    let need = |text: &str| Need { bytes: text.len() + 8, fields: 1, ..Need::default() };
    let mut writer = Writer::open(&origin, &pool, need(&long.repeat(20)));
    for number in 0..400_usize {
        // Runs of messages that are alike in all but one thing, and then another.
        let text = if number % 37 == 0 { &long } else { &long[..number % 5] };
        let mut row = writer.row(need(text)).unwrap();
        row.payload_copy(text.as_bytes());
        let unix_micros = stamps[number / 5 % stamps.len()];
        let offset_seconds = if number / 11 % 3 == 0 { 3600 } else { 0 };
        row.stamps(Stamp { unix_micros, offset_seconds }, unix_micros + number as i64 * SECOND);
        row.pri(if number / 7 % 3 == 0 { 13 } else { 165 });
        row.raw_size(number as u32);
        if number / 3 % 4 == 0 {
            row.field(FieldName::Text, Text::Copy(b".n"), ValueType::String, Text::Copy(b"own"));
        }
        row.publish();
    }
    let batch = Arc::new(writer.finish());
    for template in templates {
        let (_dir, path) = dir();
        let template = Template::compile(template).unwrap();
        let line = LineFormat::Template(template.clone());
        let settings = StreamSettings { line, ..settings(&path) };
        let mut context = Context::new(&settings.options, Arc::clone(&settings.identity), TimeZoneUse::Send);
        let mut rig = Rig::new(settings);
        rig.push_batch(Arc::clone(&batch));
        rig.destination.flush(Instant::now());
        let mut expected = Vec::new();
        for row in 0..batch.rows() {
            context.sequence = 1 + u64::from(row);
            template.format(batch.message(row), &context, &mut expected);
        }
        assert!(fs::read(&path).unwrap() == expected, "{}", template.text());
        rig.finish();
    }
}

/// Breaks without it: a message whose line is empty is in flight for ever.
#[test]
fn lines_without_bytes_count_as_written() {
    let (_dir, path) = dir();
    let line = LineFormat::Template(Template::compile("$none").unwrap());
    let mut rig = Rig::new(StreamSettings { line, ..settings(&path) });
    rig.send("x");
    assert_eq!((rig.held(), fs::read(&path).unwrap().len()), (0, 0));
    rig.finish();
}

/// Breaks without it: a stop throws away what a slow reader would have taken, or waits for it without end.
#[test]
fn stopping_waits_for_a_slow_reader_and_no_longer_than_told() {
    let (_dir, path) = dir();
    let reader = fifo(&path);
    let mut rig = Rig::new(settings(&path));
    for _ in 0..50 {
        rig.push(&[("h", &[b'x'; 1000])]);
    }
    let thread = std::thread::spawn(move || {
        let mut got = Vec::new();
        while got.len() < 50_050 {
            read_available(&reader, &mut got);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    rig.finish();
    thread.join().unwrap();
    let _reader = fifo(&path);
    let mut rig = Rig::new(settings(&path));
    for _ in 0..50 {
        rig.push(&[("h", &[b'x'; 1000])]);
    }
    let lost = rig.destination.stop(Instant::now() + Duration::from_millis(30));
    assert!((1..50).contains(&lost) && rig.held() == 0, "{lost}");
    assert_eq!(rig.source.totals().dropped_total(), lost);
    rig.check_sum();
}

/// Breaks without it: a reload closes the process's standard output.
#[test]
fn standard_output_is_written_without_being_closed() {
    const LINE: &str = "a line on standard output";
    if std::env::var_os("INRUSH_TEST_STDOUT").is_some() {
        let mut stdout = StreamSettings::stdout();
        stdout.line = LineFormat::Template(Template::compile("$MSG\n").unwrap());
        let mut rig = Rig::new(stdout);
        rig.send(LINE);
        rig.finish();
        return;
    }
    let command = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "standard_output_is_written_without_being_closed", "--nocapture"]);
        command.env("INRUSH_TEST_STDOUT", "1");
        command
    };
    let output = command().output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains(LINE), "a pipe");
    let (_dir, path) = dir();
    let file =
        fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).unwrap();
    assert!(command().stdout(file).status().unwrap().success());
    let mut text = String::new();
    fs::File::open(&path).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains(LINE) && text.contains("test result: ok"), "a file, its offset shared: {text}");
}

/// Puts a message of `batch` to a destination that says to know one row more than there is: looking at it
/// panics.
fn push_with_a_hole(rig: &mut Rig, batch: Arc<Batch>) {
    let count = batch.rows() + 1;
    let ack = Ack::new(&rig.credit, &rig.source, count, batch.charge());
    assert_eq!(rig.credit.try_take(count, batch.charge()), count);
    rig.counters.queued.fetch_add(u64::from(count), Relaxed);
    rig.given += u64::from(count);
    let rows = Rows::List([0, batch.rows()].into_iter().chain(1..batch.rows()).collect());
    let view = Selection::all(batch).with_rows(rows);
    rig.destination.push(Delivery { view, ack, flow_control: true });
}

/// Breaks without it: a message that the path's template panics at takes the destination's thread with it,
/// and every message that waits; or it is counted as delivered.
#[test]
fn a_message_without_a_path_is_dropped_alone() {
    let (dir, path) = dir();
    let mut rig = Rig::new(settings(&path.with_file_name("$HOST.log")));
    push_with_a_hole(&mut rig, batch(&[("a", b"one"), ("b", b"two"), ("a", b"three")]));
    rig.destination.flush(Instant::now());
    assert_eq!(fs::read(dir.path().join("a.log")).unwrap(), b"one\nthree\n");
    assert_eq!(fs::read(dir.path().join("b.log")).unwrap(), b"two\n");
    let reports = rig.reports();
    assert!(reports.len() == 1 && reports[0].severity == Severity::Error, "{reports:?}");
    assert!(reports[0].text.contains("a row of the batch") && reports[0].text.contains("dropped"));
    rig.check_sum();
    assert_eq!((rig.counters.dropped.load(Relaxed), rig.held()), (1, 0));
    let totals = rig.source.totals();
    assert_eq!((totals.delivered, totals.dropped[DropReason::Fault as usize]), (3, 1));
}

/// Breaks without it: after a panic in the middle of a write, what waits is counted as delivered, or never
/// let go of.
#[test]
fn a_destination_begins_anew_after_a_panic() {
    let (_dir, path) = dir();
    let mut rig = Rig::new(settings(&path));
    rig.send("before");
    push_with_a_hole(&mut rig, batch(&[("h", b"one"), ("h", b"two")]));
    let flush = std::panic::AssertUnwindSafe(|| rig.destination.flush(Instant::now()));
    std::panic::catch_unwind(flush).unwrap_err();
    rig.destination.start_anew("it was a hole");
    let reports = rig.reports();
    assert!(reports[0].text.contains("it was a hole"), "{reports:?}");
    assert!(reports[1].text.starts_with("3 messages for"), "{reports:?}");
    rig.send("after");
    assert_eq!(fs::read(&path).unwrap(), b"before\nafter\n");
    rig.check_sum();
    assert_eq!((rig.counters.dropped.load(Relaxed), rig.held()), (3, 0));
    let totals = rig.source.totals();
    assert_eq!((totals.delivered, totals.dropped[DropReason::Fault as usize]), (2, 3));
}
