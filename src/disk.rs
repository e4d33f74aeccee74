//! The store of the disk buffer: bytes with message numbers, in segments on a disk, durable when it says so.
//!
//! It knows nothing of messages. One thread owns the [`Store`] and does all the writing; another one has the
//! [`Reader`]. Both share an index of the segments in memory.
//!
//! ```text
//!             append ──► page cache ──► commit: fdatasync ──► durable ──► next (Reader)
//!  segment 7  │head│head│entry 100‥109│mark│entry 110‥119│progress│entry 120‥129│mark│ zeros, preallocated │
//!  segment 6  │head│head│entry  40‥ 99│progress│end│         each record: own checksum, number, place
//!  segment 5  freed when `delivered` covers all of it, and a record that says so is on the disk
//! ```
//!
//! # Invariants
//! * **Numbers.** Messages are numbered without gaps over the whole life of a buffer, over restarts too.
//! * **Nothing is rewritten.** A byte of a segment is written once. Whatever went wrong in a segment, a
//!   failed write or a failed flush, ends it: the next one says with its first number how much of it counts.
//! * **A segment with a successor is complete up to the successor's first number**, on the disk: it is
//!   flushed before the successor is created. So only the last segment can have an end that a crash tore.
//! * **Torn is not damaged.** Every record says up to which number everything was durable when it was
//!   written, and a mark behind each commit says it once more: what is wrong below that number is damage, and
//!   counted; above it, it is a commit that never returned, and nobody was told otherwise.
//! * **Progress follows.** A record of what was delivered speaks of durable messages alone; a segment goes
//!   only when such a record, in a later place, is durable itself. A crash may forget deliveries, never
//!   messages.
//!
//! The format, with a drawing: `docs/buffer-format.md`. The rooms: `system` is the operating system, `format`
//! bytes of heads and records, `scan` the way through a segment that may be damaged, `progress` what was
//! delivered, `index` what writer and reader share, `recovery` the way back from a directory, `store` all
//! writing, `reader` all reading.
#![forbid(unsafe_code)]

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
mod error;
#[cfg(test)]
mod faults;
mod format;
mod index;
#[cfg(test)]
pub(crate) mod model;
mod progress;
mod reader;
mod recovery;
#[cfg(test)]
mod sample;
mod scan;
mod segment;
mod store;
mod system;
#[cfg(test)]
mod tests;
pub mod tools;

pub use error::Error;
pub use index::Usage;
pub use progress::Progress;
pub use reader::{Read, Reader};
pub use recovery::Recovery;
pub use scan::{Damage, Damaged};
pub use store::{Appended, Entry, Settings, Store};
pub use system::{Disk, SystemDisk};
