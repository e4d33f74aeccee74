//! The thread of a source that reads the journal: [`Setup::run`].

use std::io;
use std::process::ChildStdout;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::{Errno, read};

use super::export::{ExportReader, NoExport};
use super::journalctl::{Begin, Child, Journalctl, LastLine, log_errors};
use super::progress::{JournalProgress, Marks};
use super::row::EntryRow;
use crate::child::{LAST_CHANCE, Run};
use crate::flow::Exit;
use crate::source::file::trouble::Trouble;
use crate::source::stream::{Waited, WakeFd};
use crate::source::{EngineLog, Input, NotPosted, Poster, Start, acked};

/// The time between two attempts to get a thread.
const NO_THREAD: Duration = Duration::from_secs(1);
/// The most bytes that are read at once: what a pipe holds.
const READ: usize = 64 << 10;
/// The time that a program which has closed its output may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// The words for a run that ended well.
const SUCCESS: &str = "exit status: 0";
/// The time that a look at the last entry may take.
const LOOK_WITHIN: Duration = Duration::from_secs(60);

/// The parts that the thread is started with.
pub(super) struct Setup {
    pub(super) input: Input,
    pub(super) log: Arc<dyn EngineLog>,
    pub(super) journalctl: Arc<Journalctl>,
    pub(super) persist_name: String,
    pub(super) row: EntryRow,
    pub(super) prefix: String,
    pub(super) max_field_size: usize,
    /// `read-old-records()`
    pub(super) reads_old: bool,
    /// `read-old-records-on-error()`
    pub(super) reads_old_on_error: bool,
    /// The boot whose entries are read, where only those are.
    pub(super) boot: Option<String>,
}

/// The end of a run of the program.
enum End {
    /// The source ends.
    OfSource,
    /// It is run again, after a pause.
    Failed(io::Error),
    /// It is run again at once, from the last entry on: the one that was read last is gone.
    Lost,
}

/// The input is none of journalctl's.
fn no_export() -> End {
    End::Failed(io::Error::other(
        "journalctl writes something that is not in the export format of the journal",
    ))
}

impl Setup {
    /// The reason to say that the entry at `cursor` is gone, unless that is no news: entries of boots before
    /// are not read.
    fn loss(&self, cursor: &[u8]) -> Option<String> {
        let is_of_boot = |boot: &String| {
            let mut parts = cursor.split(|byte| *byte == b';');
            parts.any(|part| part.strip_prefix(b"b=").is_some_and(|own| own == boot.as_bytes()))
        };
        let is_expected = self.boot.as_ref().is_some_and(|boot| !is_of_boot(boot));
        let then = if self.reads_old_on_error { "the next one that it has" } else { "its end" };
        let what = "has not the entry any more that was read last";
        (!is_expected).then(|| format!("{what}: it is read on from {then}"))
    }

    /// The work of the thread, until `exit` says that it ends.
    pub(super) fn run(self, start: &Start, exit: &Arc<Exit>, wake: &WakeFd) {
        let name = format!("source {}", self.input.driver.id);
        if start.state.path().is_none() {
            let from = if self.reads_old { "from its start" } else { "from its end" };
            self.log.warning(&format!(
                "{name}: the engine runs without --persist-file: after a restart the journal is read {from}"
            ));
        }
        let progress = JournalProgress::of(&start.state, &self.persist_name);
        let marks = Arc::new(Marks::new(&progress));
        loop {
            let (lane, own) = (&self.input.lane, Arc::clone(&marks));
            let reached = move |end, rows| own.reached(end, rows);
            match acked::follow(lane, &start.state, &self.input.driver.id, reached) {
                Ok(()) => break,
                Err(error) => self.log.error(&format!("{name}: no thread, which is tried again: {error}")),
            }
            if !exit.wait(Instant::now() + NO_THREAD) {
                return;
            }
        }
        let mut reader = JournalReader {
            trouble: Trouble::new(&self.log, format!("{name}: the journal")),
            export: ExportReader::new(&self.prefix, self.max_field_size),
            poster: Poster::of(&self.input, exit),
            buffer: vec![0; READ],
            last_line: LastLine::default(),
            has_told_damage: false,
            name,
            setup: self,
            progress,
            marks,
            wake: wake.clone(),
        };
        reader.run();
    }
}

/// A run of the program.
struct Running {
    run: Arc<Run>,
    output: ChildStdout,
}

impl Running {
    /// Ends it; the same `end`.
    fn end(self, end: End) -> End {
        self.run.end(LAST_CHANCE);
        end
    }

    /// Tells whether it has ended well.
    fn has_succeeded(&self) -> bool {
        self.run.wait(END_WITHIN) && self.run.ended().as_deref() == Some(SUCCESS)
    }

    /// The end of one that has closed its output by itself.
    fn ended(self) -> End {
        if !self.run.wait(END_WITHIN) {
            self.run.end(LAST_CHANCE);
        }
        let how = self.run.ended().unwrap_or_else(|| "it does not end".to_owned());
        End::Failed(io::Error::other(format!("journalctl has ended: {how}")))
    }
}

/// The thread's own.
struct JournalReader {
    setup: Setup,
    name: String,
    progress: Arc<JournalProgress>,
    marks: Arc<Marks>,
    poster: Poster,
    export: ExportReader,
    buffer: Vec<u8>,
    wake: WakeFd,
    trouble: Trouble,
    last_line: LastLine,
    has_told_damage: bool,
}

impl JournalReader {
    fn run(&mut self) {
        let mut from_last = !self.setup.reads_old && self.progress.position().is_none();
        while !self.poster.ends() {
            let begun = if from_last { self.begin_behind_last() } else { Ok(()) };
            let end = begun.map_or_else(
                |end| end,
                |()| {
                    from_last = false;
                    self.follow()
                },
            );
            match end {
                End::OfSource => return,
                End::Lost => from_last = true,
                End::Failed(error) => {
                    let pause = self.trouble.failed(&error, Instant::now());
                    let status = &self.setup.input.status;
                    status.set_restarting(true);
                    let has_passed = self.wake.sleep(pause);
                    status.set_restarting(false);
                    if !has_passed {
                        return;
                    }
                    status.count_restart();
                }
            }
        }
    }

    /// Starts the program, and has its errors logged.
    fn start(&mut self, from: Begin<'_>) -> Result<Running, End> {
        let started = self.setup.journalctl.start(from);
        let Child { run, output, errors } = started.map_err(|error| {
            End::Failed(io::Error::new(error.kind(), format!("journalctl cannot be started: {error}")))
        })?;
        self.export.restart();
        let running = Running { run, output };
        if let Err(error) = log_errors(errors, &self.setup.log, &self.name, &self.last_line) {
            return Err(running.end(End::Failed(error)));
        }
        Ok(running)
    }

    /// Goes to the last entry of the journal: what comes after it is read. Where there is none, all is.
    fn begin_behind_last(&mut self) -> Result<(), End> {
        let running = self.start(Begin::Last)?;
        match self.last(&running) {
            Err(end) => return Err(running.end(end)),
            Ok(_) if !running.has_succeeded() => return Err(running.ended()),
            Ok(None) => {}
            Ok(Some(cursor)) => {
                let number = self.progress.read(&cursor);
                self.progress.done(number..number + 1);
            }
        }
        Ok(())
    }

    /// The cursor of the last entry that comes.
    fn last(&mut self, running: &Running) -> Result<Option<Vec<u8>>, End> {
        let deadline = Instant::now() + LOOK_WITHIN;
        let mut last = None;
        loop {
            let count = self.read(running, Some(deadline))?;
            if count == 0 {
                return Ok(last);
            }
            let mut input = &self.buffer[..count];
            while let Some(entry) = self.export.next(&mut input).map_err(|NoExport| no_export())? {
                last = Some(entry.cursor.clone()).filter(|cursor| !cursor.is_empty());
            }
        }
    }

    /// Reads the journal on, to the end of the program or of the source.
    fn follow(&mut self) -> End {
        let position = self.progress.position();
        let running = match self.start(position.as_ref().map_or(Begin::Start, |cursor| Begin::Cursor(cursor)))
        {
            Ok(running) => running,
            Err(end) => return end,
        };
        // The first entry is the one that was read last.
        let mut expected = position;
        loop {
            let end = match self.read(&running, None) {
                Ok(0) => return running.ended(),
                Ok(count) => self.take(count, &mut expected),
                Err(end) => Err(end),
            };
            if let Err(end) = end {
                return running.end(end);
            }
        }
    }

    /// Reads what the program has written: so many bytes; 0 at the end.
    fn read(&mut self, running: &Running, deadline: Option<Instant>) -> Result<usize, End> {
        loop {
            match self.wake.wait(&running.output, deadline) {
                Ok(Waited::Readable) => {}
                Ok(Waited::Woken) => return Err(End::OfSource),
                Ok(Waited::TimedOut) => {
                    return Err(End::Failed(io::Error::other("journalctl does not find its last entry")));
                }
                Err(error) => return Err(End::Failed(error)),
            }
            match read(&running.output, &mut self.buffer) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(End::Failed(error.into())),
            }
        }
    }

    /// Posts the entries in what was read, but for the one that is `expected` first.
    fn take(&mut self, count: usize, expected: &mut Option<Box<[u8]>>) -> Result<(), End> {
        let Self { export, buffer, poster, setup, progress, marks, trouble, .. } = self;
        let mut input = &buffer[..count];
        let mut damage = (0, 0);
        let end = loop {
            let entry = match export.next(&mut input) {
                Ok(None) => break Ok(()),
                Ok(Some(entry)) if entry.cursor.is_empty() || entry.realtime.is_none() => {
                    break Err(no_export());
                }
                Ok(Some(entry)) => entry,
                Err(NoExport) => break Err(no_export()),
            };
            trouble.is_over();
            if let Some(expected) = expected.take() {
                if *expected == *entry.cursor {
                    continue;
                }
                if let Some(why) = setup.loss(&expected) {
                    trouble.note(&why);
                    if !setup.reads_old_on_error {
                        break Err(End::Lost);
                    }
                }
            }
            damage = (damage.0 + entry.cut, damage.1 + entry.left_out);
            let number = progress.read(&entry.cursor);
            match setup.row.post(poster, entry) {
                Ok(()) => marks.posted(number, poster.last_ticket()),
                Err(NotPosted::Ends) => break Err(End::OfSource),
                Err(NotPosted::TooLarge) => unreachable!("entries are smaller than messages may be"),
            }
        };
        poster.end_posts();
        if damage != (0, 0) && !std::mem::replace(&mut self.has_told_damage, true) {
            self.trouble.note(
                "has values that are longer than max-field-size(), or more of them than a message may have: \
                 they are cut or left out, as others will be",
            );
        }
        end
    }
}
