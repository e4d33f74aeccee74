//! The settings of a file destination: [`StreamSettings`].

use std::sync::Arc;
use std::time::Duration;

use super::{Connect, Framing, LineFormat, Marks, Opening, Sizes};
use crate::destination::{Claim, Descriptors, Planned, StreamDestination};
use crate::template::{Identity, Options, Template};

/// The settings of a file destination.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// The path. `/dev/stdout` and `/dev/stderr`, written without macros, are the process's own.
    pub path: Template,
    /// The format of a line.
    pub line: LineFormat,
    /// `flags(no-multi-line)`: line breaks inside a line become spaces.
    pub no_multi_line: bool,
    /// The end of a line.
    pub framing: Framing,
    /// The sizes of lines.
    pub sizes: Sizes,
    /// `throttle()`: messages a second, if there is a limit.
    pub throttle: Option<u32>,
    /// The connector of the far end.
    pub opening: Arc<dyn Connect>,
    /// `fsync()`: whether lines are on the disk before their messages count as delivered.
    pub fsync: bool,
    /// `time-reap()`: how long an unused file stays open, when the path has macros. Zero is for ever.
    pub time_reap: Duration,
    /// `time-reopen()`: how long after a failure it is tried again.
    pub time_reopen: Duration,
    /// `log-fifo-size()`: how many messages without the credit of their source may wait.
    pub fifo_size: u64,
    /// `suppress()`: for how long messages that repeat the last one are counted only. Zero is not at all.
    pub suppress: Duration,
    /// `mark-mode()` and `mark-freq()`: the marks that it writes, if any.
    pub marks: Option<Marks>,
    /// The share of the process's descriptors for the files of all paths with macros.
    pub descriptors: Arc<Descriptors>,
    /// The format of templates; the path takes its times in the local zone.
    pub options: Options,
    /// The identity that formats.
    pub identity: Arc<Identity>,
}

impl StreamSettings {
    /// The settings of `file(path)` without an option.
    pub fn new(path: Template) -> Self {
        Self {
            path,
            line: LineFormat::Template(Template::file_line()),
            no_multi_line: false,
            framing: Framing::Newline,
            sizes: Sizes::default(),
            throttle: None,
            opening: Arc::new(Opening::default()),
            fsync: false,
            time_reap: Duration::from_secs(60),
            time_reopen: Duration::from_secs(60),
            fifo_size: 10_000,
            suppress: Duration::ZERO,
            marks: None,
            descriptors: Descriptors::of_process(),
            options: Options::default(),
            identity: Arc::default(),
        }
    }

    /// The destination with these settings.
    pub(crate) fn planned(self) -> Planned {
        Planned {
            identity: format!("{self:+?}"),
            address: self.path.text().to_owned(),
            claim: Some(Claim::new(&self.path)),
            fifo_size: self.fifo_size,
            is_soft: true,
            on_reject: None,
            hosted: None,
            buffer: None,
            make: Box::new(|site| Box::new(StreamDestination::new(self, site))),
        }
    }

    /// The settings of `stdout()` without an option.
    ///
    /// # Panics
    /// Never: the path is a template without macros.
    pub fn stdout() -> Self {
        match Template::compile("/dev/stdout") {
            Ok(path) => Self::new(path),
            Err(error) => unreachable!("{error}"),
        }
    }
}
