//! `file()`: a file is followed, and each of its lines is a message; and `wildcard-file()`: the same for all
//! files whose names have a pattern.
//!
//! ```text
//!  Wildcard ─ paths ─► Follower, one a file ─ what is new ─► Outlet ─► lane … destination
//!                          ▲                                                    │ acknowledged
//!                          └─────────── FileProgress ◄─────────── Acked ◄───────┘
//! ```
//!
//! One thread reads all files of a source, in turns: a round of each file reads at most one buffer. It waits
//! for credit before it reads on, so that what is in memory is never more than the window and one buffer.
//!
//! * [`follow`]: one file, from round to round; [`opened`]: the same while it is open; [`line`](mod@line):
//!   its messages; [`outlet`]: their way to the lane;
//! * [`watch`]: what wakes the thread between two looks; [`wildcard`]: the files of a pattern;
//! * [`device`]: what is no file, and gives what comes; [`run`]: the thread; [`trouble`]: what is told of
//!   files that cannot be read.
//!
//! The places up to which the files were read are in the state, each behind what is acknowledged: see
//! [`acked`](super::acked), [`progress`](super::progress) and [`position`](super::position).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::stream::{StreamOptions, WakeFd};
use super::{EngineLog, Input, LogSourceOptions, Made, Planned, SourceOptions, SourceThread, Start};
use crate::config::grammar::{
    DriverHead, Key, Kind, Opening, PERMISSIONS, Parsed, Parser, Place, Table, apply, names,
};
use crate::config::{Config, Diagnostic, FilePermissions, Span, Spanned};

mod counters;
mod device;
pub(super) mod follow;
pub(super) mod line;
mod opened;
pub(super) mod outlet;
mod run;
pub(super) mod trouble;
pub(super) mod watch;
mod wildcard;

pub(crate) use counters::FileCounters;
pub use counters::FileTotals;
use run::Setup;
use watch::Wakeup;
use wildcard::Wildcard;
pub(super) use wildcard::WildcardOptions;

/// The time that its thread may take to end: that of a read and a post.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The time between two looks at a file, where `follow-freq()` does not say it.
const FOLLOW_FREQ: Duration = Duration::from_secs(1);

const NOT_MADE: &str = "on a source: it makes no file";
const LOOKED_FOR: &str = "in Inrush: a file that is missing is looked for, and stops nothing";

/// The options of all that read files.
#[derive(Debug, Clone)]
pub(super) struct FollowOptions {
    /// `follow-freq()`: the time between two looks.
    pub(super) follow_freq: Duration,
    /// The place of that option, where it was written.
    pub(super) follow_freq_at: Option<Span>,
    /// `persist-name()`
    pub(super) persist_name: Option<Spanned<String>>,
    /// `owner()` and its like, which change nothing.
    permissions: FilePermissions,
    /// `optional()`
    optional: bool,
    /// The options of all that read lines.
    pub(super) stream: StreamOptions,
}

const FOLLOW: Table<FollowOptions> = &[
    (
        "follow-freq",
        Kind::Other(|parser, to| {
            to.follow_freq_at = Some(parser.last_span());
            parser.seconds().map(|time| to.follow_freq = time)
        }),
    ),
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name))),
    ("optional", Kind::Unused(LOOKED_FOR, &Kind::YesNo(|to, yes| to.optional = yes))),
];

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            follow_freq: FOLLOW_FREQ,
            follow_freq_at: None,
            persist_name: None,
            permissions: FilePermissions::default(),
            optional: false,
            stream: StreamOptions::default(),
        }
    }
}

impl FollowOptions {
    /// The names of the options.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        names(FOLLOW).chain(names(PERMISSIONS)).chain(StreamOptions::names())
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(super) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        if names(PERMISSIONS).any(|name| name == key.value.replace('_', "-")) {
            parser.report.warn(key.span, format!("`{}` has no effect {NOT_MADE}", key.value), None);
        }
        apply(FOLLOW, self, parser, key)
            .or_else(|| apply(PERMISSIONS, &mut self.permissions, parser, key))
            .or_else(|| self.stream.apply(parser, key))
    }

    /// The plan of a source with them, whose driver is at `at`.
    ///
    /// # Errors
    /// Options that do not go together.
    fn plan(&self, config: &Config, at: Span) -> Result<Planned, Diagnostic> {
        if let (true, Some(at)) = (self.follow_freq.is_zero(), self.follow_freq_at) {
            let message = "a file cannot be followed without a time between two looks";
            let help = "leave it out: it is a second then, and news of the system wakes the source earlier";
            return Err(config.error(at, message, Some(help.to_owned())));
        }
        self.stream.plan(config, at)
    }
}

/// `file("path" …)`
#[derive(Debug, Clone)]
pub(super) struct FileOptions {
    /// The path; with `*` or `?` in its last part, all files of that pattern.
    pub(super) path: Spanned<String>,
    /// The options of `wildcard-file()`, for such a path.
    pub(super) wildcard: WildcardOptions,
}

impl FileOptions {
    /// Tells whether the path is a pattern.
    fn is_pattern(&self) -> bool {
        self.path.value.contains(['*', '?'])
    }
}

/// Reads the path that a driver begins with.
pub(super) fn read_path(parser: &mut Parser, open: Opening, what: &str) -> Parsed<Spanned<String>> {
    let path = parser.text(what).and_then(|text| parser.utf8(text)).inspect_err(|_| {
        parser.close_parenthesis(open);
    })?;
    if path.value.is_empty() || path.value.contains('\0') {
        parser.report.error(path.span, format!("this is not {what}"), None);
    }
    Ok(Spanned::new(path.value, path.span))
}

impl SourceOptions for FileOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let path = read_path(parser, head.open, "the path of a file")?;
        let is_pattern = path.value.contains(['*', '?']);
        let mut options = Self { path, wildcard: WildcardOptions::default() };
        let known = || {
            let many = if is_pattern { Some(wildcard::names_beside_a_path()) } else { None };
            FollowOptions::names().chain(many.into_iter().flatten()).collect()
        };
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            let of_many = if is_pattern { options.wildcard.apply_beside_a_path(parser, key) } else { None };
            of_many.or_else(|| options.wildcard.follow.apply(parser, key))
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.wildcard.follow.stream.source
    }

    fn plan(&self, config: &Config, _: &str) -> Result<Planned, Diagnostic> {
        self.wildcard.follow.plan(config, self.path.span)
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let path = PathBuf::from(&self.path.value);
        if self.is_pattern() {
            let files = Wildcard::of_path(&path, &self.wildcard);
            return make(input, config, log, &self.wildcard.follow, Files::Many(Box::new(files)));
        }
        make(input, config, log, &self.wildcard.follow, Files::One(path))
    }
}

/// The files of a source.
pub(super) enum Files {
    /// The one at this path.
    One(PathBuf),
    /// Those of a pattern.
    Many(Box<Wildcard>),
}

impl Files {
    /// The name under which a source keeps how far it has read them.
    fn persist_name(&self) -> String {
        match self {
            Self::One(path) => format!("file({})", path.display()),
            Self::Many(wildcard) => wildcard.persist_name(),
        }
    }
}

/// Makes the source `input` that follows `files`.
fn make(
    input: &Input,
    config: &Config,
    log: &Arc<dyn EngineLog>,
    options: &FollowOptions,
    files: Files,
) -> Made {
    let persist_name = match &options.persist_name {
        Some(name) => format!("file({})", name.value),
        None => files.persist_name(),
    };
    let (wakeup, settings) = (Wakeup::default(), options.stream.resolve(config, input)?);
    let wake = WakeFd::new().map_err(|error| {
        let message = format!("the source cannot be made: {error}");
        config.error(input.driver.span, message, None)
    })?;
    let (waker, other) = (wakeup.waker(), wake.clone());
    let counters = Arc::new(FileCounters::default());
    input.status.set_files(&counters);
    let setup = Setup {
        counters,
        log: Arc::clone(log),
        settings,
        follow_freq: options.follow_freq,
        persist_name: persist_name.clone(),
        files,
    };
    let work = Box::new(move |start: &Start, exit: &_| setup.run((&wakeup, &wake), start, exit));
    let source = SourceThread::working(input, log, STOP_TIMEOUT, work);
    let source = source.keeping(persist_name).woken_by(Box::new(move || {
        waker.unpark();
        other.wake();
    }));
    Ok(Some(Box::new(source)))
}
