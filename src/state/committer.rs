//! The state's own thread: takes what has changed, and commits it.
//!
//! It alone touches the file. While it waits for the disk, changes gather; then it takes them all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::file::StateFile;
use super::format::{Content, Key, Record};
use super::{Error, Inner, Report, Severity, StateCore};

/// The pause after the first attempt that failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The time between two lines of the log about the same failure.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Attempts after the end was wanted.
const LAST_ATTEMPTS: u32 = 3;

/// Starts the thread.
pub(super) fn start(shared: Arc<StateCore>, file: StateFile, report: Report) -> io::Result<JoinHandle<()>> {
    let mut committer = Committer { shared, file, report, pause: Duration::ZERO, logged: None };
    std::thread::Builder::new().name("inrush-state".to_owned()).spawn(move || committer.run())
}

struct Committer {
    shared: Arc<StateCore>,
    file: StateFile,
    report: Report,
    /// The pause after the last failure.
    pause: Duration,
    /// The failure that was logged last, and when.
    logged: Option<(String, Instant)>,
}

type Changed = BTreeMap<Key, BTreeSet<Key>>;

/// The work of a commit.
enum Written {
    Changes(Record),
    Whole(Content),
}

/// The values of `changed` as they are now.
fn record(changed: &Changed, content: &Content) -> Record {
    let mut record = Record::new();
    for (space, keys) in changed {
        let values = content.get(space);
        for key in keys {
            match values.and_then(|values| values.get(key)) {
                Some(value) => record.put(space, key, value),
                None => record.delete(space, key),
            }
        }
    }
    record
}

impl Committer {
    fn run(&mut self) {
        let mut last_attempts = 0;
        let shared = Arc::clone(&self.shared);
        let mut inner = shared.inner();
        loop {
            inner = self.await_work(inner);
            let is_last = inner.is_closing;
            if inner.changed.is_empty() || last_attempts == LAST_ATTEMPTS {
                break;
            }
            last_attempts += u32::from(is_last);
            drop(inner);
            self.attempt();
            inner = shared.inner();
            shared.done.notify_all();
        }
        // In the same breath: nothing is accepted that nobody will write.
        inner.is_closed = true;
        drop(inner);
        // What it makes durable is the last witness; the records are.
        let _ = self.file.close();
        self.shared.descriptor.store(-1, Ordering::Relaxed);
        shared.inner().has_ended = true;
        shared.done.notify_all();
    }

    /// Waits for changes, or for the end of the pause after a failure; a stop and a flush end it.
    fn await_work<'a>(&self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        let work = &self.shared.work;
        let until = Instant::now() + self.pause;
        loop {
            let is_there = inner.is_closing || inner.is_urgent || !inner.changed.is_empty();
            let left = until.saturating_duration_since(Instant::now());
            if is_there && (inner.is_closing || inner.is_urgent || left.is_zero()) {
                inner.is_urgent = false;
                if !inner.changed.is_empty() || inner.is_closing {
                    return inner;
                }
                continue;
            }
            inner = if is_there {
                work.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
            } else {
                work.wait(inner).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    /// Commits everything that has changed, and says how that went.
    fn attempt(&mut self) {
        let wants_rewrite = self.file.wants_rewrite();
        let mut inner = self.shared.inner();
        inner.begun += 1;
        let (number, assigned) = (inner.begun, inner.assigned);
        let changed = mem::take(&mut inner.changed);
        // Under the lock of the taking: what is written is the state of one moment.
        let written = wants_rewrite.map(|rewrite| {
            if rewrite {
                Written::Whole(inner.content.clone())
            } else {
                Written::Changes(record(&changed, &inner.content))
            }
        });
        drop(inner);
        let result = written.and_then(|written| self.write(written));
        if let Err(error) = &result {
            self.failed(error, &changed);
        }
        let mut inner = self.shared.inner();
        match result {
            Ok(()) => {
                inner.durable = assigned;
                inner.commits += 1;
                let was_failing = inner.failure.take().is_some();
                drop(inner);
                self.pause = Duration::ZERO;
                if was_failing {
                    self.logged = None;
                    let text = format!("the state file {} is written again", self.file.path().display());
                    (self.report)(Severity::Notice, &text);
                }
            }
            Err(error) => {
                inner.failures += 1;
                inner.failure = Some((number, Error::io(self.file.path(), "cannot write", &error)));
                for (space, mut keys) in changed {
                    inner.changed.entry(space).or_default().append(&mut keys);
                }
            }
        }
    }

    fn write(&mut self, written: Written) -> io::Result<()> {
        match written {
            Written::Changes(record) => self.file.commit(record),
            Written::Whole(content) => {
                self.file.rewrite(&content)?;
                self.shared.descriptor.store(self.file.descriptor(), Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn failed(&mut self, error: &io::Error, changed: &Changed) {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        let text = error.to_string();
        let is_known =
            self.logged.as_ref().is_some_and(|(known, when)| *known == text && when.elapsed() < LOG_EVERY);
        if is_known {
            return;
        }
        let count: usize = changed.values().map(BTreeSet::len).sum();
        let path = self.file.path().display();
        let line =
            format!("cannot write the state file {path}: {text}; {count} values wait, and it is tried again");
        (self.report)(Severity::Error, &line);
        self.logged = Some((text, Instant::now()));
    }
}
