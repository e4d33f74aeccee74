//! Lines that are repeated, and marks.

use tempfile::TempDir;

use super::*;

fn with_suppress(path: &Path, seconds: u64) -> StreamSettings {
    StreamSettings { suppress: Duration::from_secs(seconds), ..settings(path) }
}

/// The number of lines that the destination made itself, which no source has given it.
fn finish(mut rig: Rig, generated: u64) {
    assert_eq!(rig.destination.stop(Instant::now() + Duration::from_secs(5)), 0);
    assert_eq!(rig.counters.generated.load(Relaxed), generated);
    assert_eq!(rig.source.totals().delivered, rig.given);
    assert_eq!(rig.held(), 0);
    rig.given += generated;
    rig.check_sum();
}

fn number(text: &str, times: u64) -> String {
    let host = inrush::template::this_process().host.clone();
    format!("Last message '{text}' repeated {times} times, suppressed by syslog-ng on {host}\n")
}

/// Breaks without it: repeated lines are written, or lost without a number, or another message is taken for
/// one that is repeated.
#[test]
fn repeated_lines_are_counted() {
    let (_dir, path) = dir();
    let mut rig = Rig::new(with_suppress(&path, 60));
    let long = "ünd mehr als zwanzig Bytes";
    let texts = ["one", "same", "same", "same", "same", "same", "other", long, long];
    let messages: Vec<_> = texts.iter().map(|text| ("h", text.as_bytes())).collect();
    rig.push(&messages);
    assert_eq!(rig.held(), rig.given, "what is to be written holds its credit");
    // The last of a batch, and the first of the next.
    rig.push(&[("h", long.as_bytes()), ("other", long.as_bytes()), ("h", b"end")]);
    rig.destination.flush(Instant::now());
    assert_eq!(rig.held(), 0);
    let four = number("same", 4);
    let two = number("ünd mehr als zwanzi", 2);
    let expected = format!("one\nsame\n{four}other\n{long}\n{two}{long}\nend\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(rig.counters.suppressed.load(Relaxed), 6);
    finish(rig, 2);
}

/// Breaks without it: the number of what is repeated is written when something else comes, hours later, or
/// what is repeated after its time is not written.
#[test]
fn a_number_comes_when_its_time_is_over() {
    let (_dir, path) = dir();
    let mut rig = Rig::new(with_suppress(&path, 60));
    rig.push(&[("h", b"a"), ("h", b"a"), ("h", b"a")]);
    rig.destination.flush(Instant::now());
    let due = rig.destination.next_deadline().unwrap();
    assert!(due > later(50) && due <= later(60));
    rig.destination.flush(later(30));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a\n");
    rig.destination.flush(later(61));
    let expected = format!("a\n{}", number("a", 2));
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(rig.destination.next_deadline(), None);
    // Its time is counted from the one that was written, and has not come yet.
    rig.push(&[("h", b"a")]);
    rig.destination.flush(Instant::now());
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    finish(rig, 2);
    assert_eq!(fs::read_to_string(&path).unwrap(), expected + &number("a", 1));
}

/// Breaks without it: a message for one file is taken for a repetition of one in another, a file that is closed
/// loses its number, or a reload does.
#[test]
fn each_file_counts_its_own() {
    let dir = TempDir::new().unwrap();
    let template = Template::compile(&format!("{}/$HOST.log", dir.path().display())).unwrap();
    let with = |path| StreamSettings {
        path,
        time_reap: Duration::from_secs(5),
        ..with_suppress(Path::new("/unused"), 60)
    };
    let mut rig = Rig::new(with(template.clone()));
    rig.push(&[("x", b"a"), ("y", b"a"), ("x", b"a"), ("y", b"a"), ("y", b"a")]);
    rig.destination.flush(Instant::now());
    let of = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!((of("x.log"), of("y.log")), ("a\n".to_owned(), "a\n".to_owned()));
    // Closed, as nobody has written to them for a while.
    rig.destination.flush(later(20));
    assert_eq!(rig.counters.open_files.load(Relaxed), 0);
    let left = rig.destination.hand_over();
    let mut heir = Rig::new(with(template));
    heir.counters = Arc::clone(&rig.counters);
    heir.destination.take_over(left);
    heir.destination.flush(Instant::now());
    assert_eq!(of("x.log"), format!("a\n{}", number("a", 1)));
    assert_eq!(of("y.log"), format!("a\n{}", number("a", 2)));
}

/// Breaks without it: a mark stands between messages, or none in a quiet log, or marks pile up for a file that
/// cannot be written.
#[test]
fn a_quiet_log_has_marks() {
    let every = Duration::from_secs(100);
    for (quiet, local, marks) in [
        (Quiet::Never, false, true),
        (Quiet::Destination, false, false),
        (Quiet::Host, false, true),
        (Quiet::Host, true, false),
    ] {
        let (_dir, path) = dir();
        let mut rig =
            Rig::new(StreamSettings { marks: Some(Marks { quiet, every }), ..with_suppress(&path, 1000) });
        let made = Instant::now();
        std::thread::sleep(Duration::from_millis(5));
        let pushed = Instant::now();
        rig.push_batch(if local { local_batch(&[("h", b"x")]) } else { batch(&[("h", b"x")]) });
        rig.destination.flush(Instant::now());
        let due = rig.destination.next_deadline().unwrap();
        assert_eq!((due <= made + every, due >= pushed + every), (marks, !marks), "{quiet:?} {local}");
        rig.destination.flush(due.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "x\n");
        rig.destination.flush(due);
        rig.destination.flush(due + every / 2);
        rig.destination.flush(due + every);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "x\n-- MARK --\n-- MARK --\n", "{quiet:?} {local}");
        // Long afterwards, not one for each pause that nobody looked at.
        rig.destination.flush(due + 10 * every);
        rig.destination.flush(due + 10 * every);
        assert_eq!(fs::read_to_string(&path).unwrap(), text + "-- MARK --\n");
        finish(rig, 3);
    }
    // A file that is not open has none.
    let (_dir, path) = dir();
    let marks = Some(Marks { quiet: Quiet::Never, every });
    let mut rig = Rig::new(StreamSettings { marks, ..settings(&path) });
    rig.destination.flush(later(1000));
    assert!(!path.exists());
    finish(rig, 0);
}
