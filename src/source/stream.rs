//! Sources that read a stream of bytes which has no places: `pipe()`, `stdin()`, `program()`, and devices.
//!
//! What was read cannot be read again, so nothing of it is kept in the state: what is on its way when the
//! process dies is lost. A stream is not read while there is no credit, and whoever writes into it waits.
//! What is left of a line when the source ends is a message, so that it is not lost.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, read, write};

use super::file::line::MessageReader;
use super::file::outlet::{Ending, Outlet};
use super::reader::{ReaderOptions, Reading};
use super::{DEFAULT_WINDOW, EngineLog, Input, LogSourceOptions, Made, Planned, SourceThread, Start};
use crate::config::grammar::{Key, Kind, MAX_INT, Parsed, Parser, Table, apply, names};
use crate::config::{Config, Diagnostic, Span};
use crate::flow::Exit;
use crate::flow::inbox::NAP;
use crate::message::Origin;
use crate::transport::multi_line::{MULTI_LINE, MultiLineOptions};

/// The most bytes that are read at once: what a pipe holds.
const READ: usize = 64 << 10;
/// The time that the last reads of a pipe may take.
const LAST_READS: Duration = Duration::from_secs(1);
/// The most bytes of a record.
const RECORD: usize = 16 << 10;

/// Appends a line that is made of a record.
pub(super) type Records = fn(&[u8], &mut Vec<u8>);

/// Wakes a thread that waits for a descriptor.
#[derive(Debug, Clone)]
pub(super) struct WakeFd(Arc<OwnedFd>);

impl WakeFd {
    /// One that nobody has woken.
    ///
    /// # Errors
    /// The system has no descriptor to give.
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }

    /// Ends every wait, now and later.
    pub(super) fn wake(&self) {
        // It cannot be full: nobody counts so far.
        let _ = write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Waits for `fd` to have something to read, until `deadline` or until it is woken.
    pub(super) fn wait(&self, fd: impl AsFd, deadline: Option<Instant>) -> io::Result<Waited> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let time = left.map(timespec);
            let mut fds =
                [PollFd::new(&*self.0, PollFlags::IN), PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
            match poll(&mut fds, time.as_ref()) {
                Ok(0) => return Ok(Waited::TimedOut),
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Waited::Woken),
                Ok(_) => return Ok(Waited::Readable),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for so long, or until it is woken; true if the time has passed.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match poll(&mut [PollFd::new(&*self.0, PollFlags::IN)], Some(&timespec(left))) {
                Ok(0) => return true,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return false,
            }
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    let tv_sec = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: time.subsec_nanos().into() }
}

/// The end of a wait for something to read.
pub(super) enum Waited {
    /// There is something, or the end.
    Readable,
    /// The deadline has come.
    TimedOut,
    /// It was woken.
    Woken,
}

/// The end of the reading of a stream.
#[derive(Debug)]
pub(super) enum End {
    /// There is no more.
    OfStream,
    /// The source ends.
    OfSource,
    /// It cannot be read.
    Failed(io::Error),
}

/// Reads streams, one after the other, into the lane of a source.
pub(super) struct StreamReader {
    out: Outlet,
    lines: MessageReader,
    origin: Arc<Origin>,
    timeout: Option<Duration>,
    wake: WakeFd,
    rest: Vec<u8>,
}

impl StreamReader {
    /// Reads `fd` to its end, or to the source's. What is left of a line then is a message.
    pub(super) fn read_all(&mut self, fd: impl AsFd) -> End {
        let end = self.read_lines(fd);
        match self.give_out() {
            Ok(()) => end,
            Err(Ending) => End::OfSource,
        }
    }

    /// The same of a pipe, which is gone when nobody has it open: what is in it when the source ends is read,
    /// too, for [`LAST_READS`] at most.
    pub(super) fn read_all_of_pipe(&mut self, fd: impl AsFd) -> End {
        let end = self.read_lines(&fd);
        if matches!(end, End::OfSource) {
            let deadline = Instant::now() + LAST_READS;
            while Instant::now() < deadline {
                let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
                match poll(&mut fds, Some(&timespec(Duration::ZERO))) {
                    Err(Errno::INTR) => continue,
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                if !matches!(self.read_once(&fd), Ok(Some(Ok(())))) {
                    break;
                }
            }
        }
        match self.give_out() {
            Ok(()) => end,
            Err(Ending) => End::OfSource,
        }
    }

    /// Reads what still comes from `fd` to its end, or to `deadline`, although the source ends. What is left
    /// of a line then is a message.
    pub(super) fn read_rest(&mut self, fd: impl AsFd, deadline: Instant) {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left))) {
                Err(Errno::INTR) => continue,
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            match self.read_once(&fd) {
                Ok(Some(Ok(()))) => {}
                Ok(None | Some(Err(Ending))) | Err(_) => break,
            }
        }
        // Nothing is taken any more where it fails.
        let _ = self.give_out();
    }

    /// Reads `fd`, whose reads are records, to its end, or to the source's; `records` makes a line of each.
    pub(super) fn read_records(&mut self, fd: impl AsFd, records: Records) -> End {
        let (mut record, mut text) = (vec![0; RECORD], Vec::new());
        while !self.out.ends() {
            match self.wake.wait(&fd, None) {
                Ok(Waited::Readable) => {}
                Ok(Waited::Woken | Waited::TimedOut) => return End::OfSource,
                Err(error) => return End::Failed(error),
            }
            let count = match read(&fd, &mut record) {
                Ok(0) => return End::OfStream,
                Ok(count) => count,
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(error) => return End::Failed(error.into()),
            };
            text.clear();
            records(&record[..count], &mut text);
            let Ok((chunk, _)) = self.out.read(&text, 1, |_| Ok(0)) else { unreachable!("nothing is read") };
            if self.out.post(&chunk, &mut self.lines, &self.origin, None, true).is_err() {
                return End::OfSource;
            }
        }
        End::OfSource
    }

    /// Reads once, and posts; `None` at the end of the stream.
    fn read_once(&mut self, fd: impl AsFd) -> io::Result<Option<Result<(), Ending>>> {
        let (chunk, count) = match self.out.read(&self.rest, READ, |room| Ok(read(&fd, room)?)) {
            Ok(read) => read,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(Some(Ok(())));
            }
            Err(error) => return Err(error),
        };
        if count == 0 {
            return Ok(None);
        }
        let posted = self.out.post(&chunk, &mut self.lines, &self.origin, None, false);
        Ok(Some(posted.map(|end| {
            self.rest.clear();
            self.rest.extend_from_slice(&chunk.bytes()[end..]);
        })))
    }

    fn read_lines(&mut self, fd: impl AsFd) -> End {
        let mut read_at = Instant::now();
        while !self.out.ends() {
            let due = self.timeout.filter(|_| self.lines.waits(self.rest.len()));
            match self.wake.wait(&fd, due.map(|timeout| read_at + timeout)) {
                Ok(Waited::Readable) => {}
                Ok(Waited::Woken) => return End::OfSource,
                Ok(Waited::TimedOut) => {
                    if self.give_out().is_err() {
                        return End::OfSource;
                    }
                    continue;
                }
                Err(error) => return End::Failed(error),
            }
            match self.read_once(&fd) {
                Ok(Some(Ok(()))) => read_at = Instant::now(),
                Ok(Some(Err(Ending))) => return End::OfSource,
                Ok(None) => return End::OfStream,
                Err(error) => return End::Failed(error),
            }
        }
        End::OfSource
    }

    /// Gives out what is left as a message.
    fn give_out(&mut self) -> Result<(), Ending> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return Ok(());
        }
        let Ok((chunk, _)) = self.out.read(&rest, 1, |_| Ok(0)) else { unreachable!("nothing is read") };
        let posted = self.out.post(&chunk, &mut self.lines, &self.origin, None, true);
        self.lines.forget();
        posted.map(drop)
    }

    /// The number of parts that messages were cut into, and of places that are not of the encoding, since the
    /// last question.
    pub(super) fn take_damage(&mut self) -> (u64, u64) {
        self.lines.take_damage()
    }
}

/// The options of a source that reads a stream of lines.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamOptions {
    /// `pad-size()`: the bytes of a record; 0 where a line is a message.
    pad_size: usize,
    /// `multi-line-…()`
    multi_line: MultiLineOptions,
    /// The options of all that read bytes.
    pub(super) reader: ReaderOptions,
    /// The options that all sources have.
    pub(super) source: LogSourceOptions,
}

const STREAM: Table<StreamOptions> =
    &[("pad-size", Kind::Int(0, MAX_INT, |to, size| to.pad_size = size as usize))];

impl StreamOptions {
    /// The names of the options.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        let own = names(STREAM).chain(names(MULTI_LINE));
        own.chain(ReaderOptions::names()).chain(LogSourceOptions::names())
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(super) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(STREAM, self, parser, key)
            .or_else(|| apply(MULTI_LINE, &mut self.multi_line, parser, key))
            .or_else(|| self.reader.apply(parser, key))
            .or_else(|| self.source.apply(parser, key))
    }

    /// The plan of a source with them, whose driver is at `at`.
    ///
    /// # Errors
    /// Options that do not go together.
    pub(super) fn plan(&self, config: &Config, at: Span) -> Result<Planned, Diagnostic> {
        let is_wide = self.reader.encoding.is_some_and(|encoding| encoding.is_wide().is_some());
        self.multi_line.check(config, at, self.pad_size, is_wide)?;
        Ok(Planned {
            class: None,
            window: self.source.log_iw_size.map_or(DEFAULT_WINDOW, |size| size as u32),
            max_bytes: self.reader.max_inflight_bytes,
            batch_size: None,
            nap: NAP,
            is_local: false,
        })
    }

    /// What they are for the source `input`.
    ///
    /// # Errors
    /// Options that can only be checked here.
    pub(super) fn resolve(&self, config: &Config, input: &Input) -> Result<StreamSettings, Diagnostic> {
        let reading = self.reader.resolve(config, input)?;
        let (multi_line, pad_size) = (self.multi_line.clone(), self.pad_size);
        Ok(StreamSettings { input: input.clone(), reading, multi_line, pad_size })
    }
}

/// The settings of a source that reads a stream.
pub(super) struct StreamSettings {
    pub(super) input: Input,
    pub(super) reading: Reading,
    pub(super) multi_line: MultiLineOptions,
    pad_size: usize,
}

impl StreamSettings {
    /// Finds the messages of one input.
    pub(super) fn lines(&self) -> MessageReader {
        MessageReader::new(&self.reading, self.multi_line.mode(), self.pad_size)
    }

    /// A reader with them, for the thread of the source; it ends when `exit` says so and `wake` is woken.
    pub(super) fn reader(&self, exit: &Arc<Exit>, wake: &WakeFd) -> StreamReader {
        StreamReader {
            out: Outlet::new(&self.input, &self.reading.posting, exit, None),
            lines: self.lines(),
            origin: Arc::clone(&self.input.origin),
            timeout: self.multi_line.timeout(),
            wake: wake.clone(),
            rest: Vec::new(),
        }
    }
}

/// A source that reads streams: `work` is what its thread does.
///
/// # Errors
/// The system has no descriptor to give.
pub(super) fn source(
    input: &Input,
    config: &Config,
    log: &Arc<dyn EngineLog>,
    at: Span,
    stop_timeout: Duration,
    work: impl FnOnce(&Start, &Arc<Exit>, &WakeFd) + Send + 'static,
) -> Made {
    let wake = WakeFd::new()
        .map_err(|error| config.error(at, format!("the source cannot be made: {error}"), None))?;
    let waker = wake.clone();
    let work = Box::new(move |start: &Start, exit: &Arc<Exit>| work(start, exit, &wake));
    let source = SourceThread::working(input, log, stop_timeout, work);
    Ok(Some(Box::new(source.woken_by(Box::new(move || waker.wake())))))
}
