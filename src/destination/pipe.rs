//! `pipe()`: lines into a named pipe (FIFO), which is made when it is missing.
//!
//! The pipe is opened for reading, too (`fifo(7)`): so it can be written before anybody reads it, until it is
//! full, and a reader that goes away is no error. The next reader goes on where the one before has ended.
//! Linux keeps 64 KiB in a pipe as long as somebody has it open: what nobody has read when the engine stops
//! is lost, although it counts as delivered.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{self, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::stream::{Connect, Opening, Sink, StreamSettings, WriterOptions, read_path};
use super::{DestinationOptions, DriverOptions, Planned, Wake};
use crate::config::grammar::{DriverHead, Kind, PERMISSIONS, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, FilePermissions, TemplateText};
use crate::transport::access::access;

/// `pipe("path" …)`
#[derive(Debug, Clone)]
pub struct PipeOptions {
    /// The path: a template, so that one driver can write many pipes.
    pub path: TemplateText,
    /// `owner()`, `group()`, `perm()` of pipes that are made, and the same for directories.
    pub permissions: FilePermissions,
    /// `create-dirs()`
    pub create_dirs: Option<bool>,
    /// `time-reap()`: how long a pipe stays open to which nothing is written, where the path has macros.
    pub time_reap: Duration,
    /// `optional()`
    pub optional: bool,
    /// The options of every destination that writes text.
    pub writer: WriterOptions,
}

const TRIED_AGAIN: &str = "in Inrush: a pipe that cannot be opened is tried again, and stops nothing";

const PIPE: Table<PipeOptions> = &[
    ("create-dirs", Kind::YesNo(|to, yes| to.create_dirs = Some(yes))),
    ("time-reap", Kind::Seconds(|to, time| to.time_reap = time)),
    ("optional", Kind::Unused(TRIED_AGAIN, &Kind::YesNo(|to, yes| to.optional = yes))),
];

impl DestinationOptions for PipeOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let (path, failed) = read_path(parser, head.open, "pipe")?;
        let mut options = Self {
            path,
            permissions: FilePermissions::default(),
            create_dirs: None,
            // What nobody has read is lost when a pipe is closed.
            time_reap: Duration::ZERO,
            optional: false,
            writer: WriterOptions::default(),
        };
        let known = || names(PIPE).chain(WriterOptions::names()).chain(names(PERMISSIONS)).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            apply(PIPE, &mut options, parser, key)
                .or_else(|| options.writer.apply(parser, key))
                .or_else(|| apply(PERMISSIONS, &mut options.permissions, parser, key))
        });
        failed.map_or(Ok(options), Err)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.writer.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let global = &config.options;
        let path = self.path.template.clone();
        let mut settings = self.writer.settings(config, path, global.file_template.as_ref())?;
        settings.opening = Arc::new(Pipes(Opening {
            create_dirs: self.create_dirs.unwrap_or(global.create_dirs),
            file: access(config, &self.permissions.file(&global.file))?,
            dir: access(config, &self.permissions.dir(&global.dir))?,
        }));
        settings.time_reap = self.time_reap;
        Ok(StreamSettings::planned(settings))
    }
}

/// Makes and opens named pipes.
#[derive(Debug)]
struct Pipes(Opening);

impl Pipes {
    /// Makes the pipe, unless there is something at its path.
    fn make(&self, path: &Path) -> Result<bool, Errno> {
        let mode = Mode::from_raw_mode(self.0.file.perm.unwrap_or(0o600));
        match fs::mknodat(CWD, path, FileType::Fifo, mode, 0) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Connect for Pipes {
    fn kind(&self) -> &'static str {
        "pipe"
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn may_stall(&self) -> bool {
        true
    }

    fn connect(&self, path: &[u8], _: &Wake) -> Result<Sink, Errno> {
        let path = Path::new(OsStr::from_bytes(path));
        let is_new = match self.make(path) {
            Err(Errno::NOENT) if self.0.create_dirs => {
                self.0.make_directories(path)?;
                self.make(path)?
            }
            made => made?,
        };
        // Looked at before it is opened, which a device could take for more than a look; and after, as it may
        // be another by then.
        let is_pipe = |mode| FileType::from_raw_mode(mode) == FileType::Fifo;
        if !is_pipe(fs::stat(path)?.st_mode) {
            return Err(Errno::INVAL);
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = fs::open(path, flags, Mode::empty())?;
        if !is_pipe(fs::fstat(&fd)?.st_mode) {
            return Err(Errno::INVAL);
        }
        let sink = Sink::new(fd)?;
        Ok(if is_new { sink.owned(&self.0.file) } else { sink })
    }

    fn in_words(&self, error: Errno) -> String {
        if error == Errno::INVAL {
            return "there is something at that path that is no named pipe (FIFO)".to_owned();
        }
        self.0.in_words(error)
    }
}
