//! `pipe()`: lines out of a named pipe (FIFO), which is made when it is missing.
//!
//! The pipe is opened for writing, too (`fifo(7)`): so a writer that goes away is no end, and the next one
//! goes on. Linux keeps 64 KiB in a pipe as long as somebody has it open; a writer beyond that waits.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{self, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::file::STOP_TIMEOUT;
use super::file::trouble::Trouble;
use super::stream::{self, End, StreamOptions, StreamSettings, WakeFd};
use super::{EngineLog, Input, LogSourceOptions, Made, Planned, SourceOptions};
use crate::config::grammar::{DriverHead, Kind, PERMISSIONS, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, FilePermissions, Spanned};
use crate::flow::Exit;
use crate::syslog::Flags;
use crate::transport::access::{Access, access, make_directories};

/// `pipe("path" …)`
#[derive(Debug, Clone)]
pub(super) struct PipeOptions {
    path: Spanned<String>,
    /// `owner()`, `group()`, `perm()` of a pipe that is made, and the same for directories.
    permissions: FilePermissions,
    /// `create-dirs()`
    create_dirs: Option<bool>,
    /// `optional()`
    optional: bool,
    /// The options of all that read lines.
    stream: StreamOptions,
}

const TRIED_AGAIN: &str = "in Inrush: a pipe that cannot be opened is tried again, and stops nothing";

const PIPE: Table<PipeOptions> = &[
    ("create-dirs", Kind::YesNo(|to, yes| to.create_dirs = Some(yes))),
    ("optional", Kind::Unused(TRIED_AGAIN, &Kind::YesNo(|to, yes| to.optional = yes))),
];

impl SourceOptions for PipeOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let path = super::file::read_path(parser, head.open, "the path of a named pipe")?;
        let mut stream = StreamOptions::default();
        // What is written on this machine has no host in front.
        stream.reader.parsing.flags.set(Flags::EXPECT_HOSTNAME, false);
        let permissions = FilePermissions::default();
        let mut options = Self { path, permissions, create_dirs: None, optional: false, stream };
        let known = || names(PIPE).chain(names(PERMISSIONS)).chain(StreamOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            apply(PIPE, &mut options, parser, key)
                .or_else(|| apply(PERMISSIONS, &mut options.permissions, parser, key))
                .or_else(|| options.stream.apply(parser, key))
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.stream.source
    }

    fn plan(&self, config: &Config, _: &str) -> Result<Planned, Diagnostic> {
        self.stream.plan(config, self.path.span)
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let global = &config.options;
        let pipe = Pipe {
            path: self.path.value.clone(),
            create_dirs: self.create_dirs.unwrap_or(global.create_dirs),
            file: access(config, &self.permissions.file(&global.file))?,
            dir: access(config, &self.permissions.dir(&global.dir))?,
        };
        let settings = self.stream.resolve(config, input)?;
        let name = format!("source {}: {}", input.driver.id, pipe.path);
        let trouble = Trouble::new(log, name);
        stream::source(input, config, log, self.path.span, STOP_TIMEOUT, move |_, exit, wake| {
            pipe.run(&settings, trouble, exit, wake);
        })
    }
}

/// A named pipe.
struct Pipe {
    path: String,
    create_dirs: bool,
    file: Access,
    dir: Access,
}

impl Pipe {
    fn run(&self, settings: &StreamSettings, mut trouble: Trouble, exit: &Arc<Exit>, wake: &WakeFd) {
        let mut reader = settings.reader(exit, wake);
        loop {
            let failed = match self.open() {
                Ok(fd) => {
                    trouble.is_over();
                    let end = reader.read_all_of_pipe(&fd);
                    let (cut, invalid) = reader.take_damage();
                    trouble.note_damage(cut, invalid);
                    match end {
                        End::OfSource => return,
                        // Only when somebody has put something else into its place.
                        End::OfStream => io::Error::other("it has come to its end"),
                        End::Failed(error) => error,
                    }
                }
                Err(error) => error,
            };
            let pause = trouble.failed(&failed, Instant::now());
            if !wake.sleep(pause) {
                return;
            }
        }
    }

    /// Opens it; makes it when there is nothing at its path.
    fn open(&self) -> io::Result<OwnedFd> {
        let path = Path::new(&self.path);
        let is_new = match self.make(path) {
            Err(Errno::NOENT) if self.create_dirs => {
                let parent = path.parent().unwrap_or(Path::new(""));
                make_directories(parent, &self.dir)?;
                self.make(path)?
            }
            made => made?,
        };
        // Looked at before it is opened, which a device could take for more than a look; and after, as it may
        // be another by then.
        let check = |mode| match FileType::from_raw_mode(mode) {
            FileType::Fifo => Ok(()),
            _ => Err(io::Error::other("there is something at that path that is no named pipe (FIFO)")),
        };
        check(fs::stat(path)?.st_mode)?;
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = fs::open(path, flags, Mode::empty())?;
        check(fs::fstat(&fd)?.st_mode)?;
        if is_new {
            self.file.apply(fd.as_fd()).map_err(io::Error::other)?;
        }
        Ok(fd)
    }

    /// Makes it, unless there is something at its path; whether it was made.
    fn make(&self, path: &Path) -> Result<bool, Errno> {
        let mode = Mode::from_raw_mode(self.file.perm.unwrap_or(0o600));
        match fs::mknodat(CWD, path, FileType::Fifo, mode, 0) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;
    use crate::engine::Log;
    use crate::flow::{Inbox, Parcel};
    use crate::message::{Release, ReleaseNow};

    /// Breaks without it: what was written before the stop, and not read yet, goes with the pipe.
    #[test]
    fn the_last_lines_of_a_pipe_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let text = format!("source s {{ pipe(\"{}\" flags(no-parse)); }};", path.display());
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let driver = config.sources["s"].drivers()[0];
        let (mut inbox, release): (Inbox<Parcel>, Arc<dyn Release>) = (Inbox::new(), Arc::new(ReleaseNow));
        let input = Input::alone(&config, "s", driver, inbox.sender(), &Log::silent(), &release).unwrap();
        let settings = driver.options::<PipeOptions>().unwrap().stream.resolve(&config, &input).unwrap();
        let (exit, wake) = (Arc::new(Exit::default()), WakeFd::new().unwrap());
        let fd = fs::open(&path, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let many = "line\n".repeat(500);
        std::fs::File::from(fd.try_clone().unwrap()).write_all(format!("{many}half").as_bytes()).unwrap();
        exit.request();
        wake.wake();
        let end = settings.reader(&exit, &wake).read_all_of_pipe(&fd);
        assert!(matches!(end, End::OfSource));
        let mut texts = Vec::new();
        while let Some(parcel) = inbox.try_recv() {
            let (view, _ack) = parcel.open();
            texts.extend(view.messages().map(|message| message.text().to_vec()));
        }
        assert_eq!((texts.len(), texts.last().unwrap().as_slice()), (501, &b"half"[..]));
    }
}
