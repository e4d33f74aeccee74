//! `disk-buffer()`: messages that wait on the disk for their destination.
//!
//! ```text
//!                      ┌──────────── given, while there is room ───────────► the destination
//!  queue ─► BufferedDestination                                                    ▲
//!                      └─ what is not done at once ─► Committer ─► disk ─► Reader ─┘
//!                                                        └─► acknowledged
//! ```
//!
//! A [`BufferedDestination`] stands before a destination of any kind, on its thread. It gives each delivery
//! on as it comes, with an ack of its own ([`Lent`](crate::flow::Lent)), and keeps the one that the delivery
//! came with. What the destination is done with at once never goes to the disk. The rest is submitted to the
//! `committer`, a thread that writes and waits for the disk; when it has, the delivery's own ack goes out:
//! **what is acknowledged is delivered or on the disk**. What the destination has no room for then leaves the
//! memory, and is read from the disk when its turn comes.
//!
//! * `ledger`: which message is where, and in which order;
//! * `committer`: the thread that writes; [`crate::disk`] is what it writes into;
//! * `driver`: the destination itself; `options`: `disk-buffer(…)`.
//!
//! The buffer outlives its destination: at a stop and at a reload that replaces the destination everything
//! that is not delivered stays on the disk, and whoever opens the buffer of this name next goes on with it.

mod committer;
mod counters;
mod driver;
mod ledger;
mod options;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::OnceLock;

use super::{DriverOptions, Planned, Site};
use crate::config::{Config, Diagnostic, Driver, Spanned};

pub(crate) use counters::{BufferCounters, BufferTotals};
pub(super) use options::DiskBufferOptions;

use driver::BufferedDestination;

/// The settings of a buffer.
#[derive(Debug, Clone)]
pub(crate) struct BufferSettings {
    /// The name that its files carry.
    pub(crate) name: String,
    /// The directory.
    pub(crate) dir: PathBuf,
    /// The most bytes on the disk.
    pub(crate) capacity: u64,
    /// True when nothing is acknowledged before it is on the disk.
    pub(crate) reliable: bool,
    /// Messages that the destination is given at a time.
    pub(crate) front: u64,
}

/// Messages that a destination is given at a time, at least: it may wait for so many before it sends.
const LEAST_FRONT: u64 = 10_000;

/// The directory of buffers without `dir()`; none where the engine keeps no state, and not set where nothing
/// runs.
static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Says where buffers without `dir()` are: beside the state file. To be called once, before anything is
/// planned.
pub(crate) fn set_directory(state_file: Option<&std::path::Path>) {
    let dir = state_file.map(|file| file.parent().map_or_else(PathBuf::new, PathBuf::from));
    // A second engine of the process has the first one's.
    let _ = DIRECTORY.set(dir);
}

impl Planned {
    /// The same destination behind the buffer that its options ask for.
    ///
    /// # Errors
    /// A buffer without a place.
    pub(super) fn buffered(
        self,
        config: &Config,
        driver: &Driver,
        options: Option<&DriverOptions>,
    ) -> Result<Self, Diagnostic> {
        let Some(options) = options else { return Ok(self) };
        let Some(buffer) = &options.disk_buffer else { return Ok(self) };
        let dir = match (&buffer.dir, DIRECTORY.get()) {
            (Some(dir), _) => PathBuf::from(&dir.value),
            (None, Some(Some(dir))) => dir.clone(),
            (None, None) => PathBuf::new(),
            (None, Some(None)) => {
                let help = "write dir(\"/var/lib/inrush\"), or start with --persist-file";
                let message = "the disk buffer has no place";
                return Err(config.error(buffer.span, message, Some(help.to_owned())));
            }
        };
        let name = match &options.persist_name {
            Some(name) => name.value.clone(),
            // One without a name of its own is known by where it sends to.
            None if driver.id.starts_with('#') => format!("{}({})", driver.word, self.address),
            None => driver.id.clone(),
        };
        let settings = BufferSettings {
            name,
            dir,
            capacity: buffer.capacity,
            reliable: buffer.reliable,
            front: buffer.front.max(LEAST_FRONT),
        };
        let identity = format!("{} {settings:?}", self.identity);
        let make = self.make;
        Ok(Self {
            identity,
            // Its sources wait for the disk, and not for the destination.
            is_soft: true,
            buffer: Some(Spanned::new(
                format!("{} in {}", settings.name, settings.dir.display()),
                buffer.span,
            )),
            make: Box::new(move |site: Site| {
                let inner = make(site.clone());
                Box::new(BufferedDestination::new(inner, settings, site))
            }),
            ..self
        })
    }
}
