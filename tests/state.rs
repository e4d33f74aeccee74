//! A process that writes to the state is killed at any moment: the file always opens, what was reported as
//! saved is there, and what is there is the state of one moment.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use inrush::state::{Severity, State, Value};

const CHILD: &str = "INRUSH_TEST_STATE_CHILD";
/// Two of these change together, in this order, each time.
const KEYS: [&str; 4] = ["first", "second", "third", "fourth"];

fn number(state: &Arc<State>, key: &str) -> i64 {
    state.store("numbers").get(key.as_bytes()).unwrap().map_or(0, |value| value.as_i64().unwrap())
}

/// The child: counts in all keys, and says what is on the disk.
#[test]
fn child_that_writes() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let state = State::open(Path::new(&path), Box::new(|_, _| {})).unwrap();
    let store = state.store("numbers");
    let from = number(&state, KEYS[0]).max(number(&state, KEYS[3]));
    let mut out = std::io::stdout();
    for count in from + 1.. {
        for key in KEYS {
            store.put(key.as_bytes(), Value::from(count)).unwrap();
        }
        // Long ones make the file be rewritten now and then.
        let filler = Value::Bytes(vec![count as u8; 20_000].into());
        store.put(b"filler", filler).unwrap();
        if count % 3 == 0 {
            state.flush().unwrap();
            writeln!(out, "saved {count}").unwrap();
        }
    }
}

fn kill_and_look(rounds: u64) -> (i64, i64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let (mut last, mut unfinished) = (0, 0);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes", "--nocapture"])
            .env(CHILD, &path)
            // For a report, ThreadSanitizer starts a process that inherits the lock of the file, and outlives
            // the child. Nobody sees the reports of a child that is killed; `state`'s own tests have theirs.
            .env("TSAN_OPTIONS", "report_bugs=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            let saved = lines.map_while(Result::ok).filter_map(|line| {
                line.rsplit_once("saved ").and_then(|(_, count)| count.parse::<i64>().ok())
            });
            saved.last().unwrap_or(0)
        });
        // From before the file is opened to many commits later, differently each time.
        std::thread::sleep(Duration::from_micros(2_000 + round * 7919 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let saved = reader.join().unwrap().max(last);

        let (sender, said) = std::sync::mpsc::channel();
        let report = move |severity, text: &str| drop(sender.send((severity, text.to_owned())));
        let state = State::open(&path, Box::new(report)).unwrap();
        let said: Vec<_> = said.try_iter().collect();
        assert!(said.iter().all(|(severity, _)| *severity == Severity::Notice), "{said:?}");
        unfinished += said.len() as i64;
        let found = KEYS.map(|key| number(&state, key));
        assert!(found[3] >= saved, "{saved} was saved, and {found:?} is there");
        assert!(found.is_sorted_by(|a, b| a >= b), "of one moment: {found:?}");
        assert!(found[0] - found[3] <= 1, "of one moment: {found:?}");
        last = found[3];
    }
    (last, unfinished)
}

/// Without it: a killed engine leaves a file that does not open, has half a commit, or lacks what was saved.
#[test]
fn killed_at_any_moment() {
    let (last, _) = kill_and_look(12);
    assert!(last > 0);
}

/// The same many times (`make torture-state`).
#[test]
#[ignore = "long: make torture-state"]
fn killed_many_times() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(500);
    let (last, unfinished) = kill_and_look(rounds);
    let text = format!(
        "state: killed {rounds} times at {last} changes of each key; {unfinished} unfinished commits left out\n"
    );
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}
