//! The messages that flow: records in batches, the memory under them, and views for readers.
//!
//! A message is a [`Record`]: a fixed set of numbers whose texts are [`Span`]s, places in the memory
//! of the [`Batch`] that owns it. A batch is filled by one [`Writer`], sealed once, and from then on
//! immutable and shared by every branch that reads it.
//!
//! ```text
//!            records   48 bytes each, one a message
//!          ┌────┬────┬────┬────┬─ ─ ─
//!  Batch ──┤ r0 │ r1 │ r2 │ r3 │
//!          └─┬──┴─┬──┴────┴────┴─ ─ ─
//!            │    └──────────────┐ Span { segment: 1, offset: 0, len: 1 MiB }
//!            │ Span { segment: 0 }│
//!          ┌─▼────────────┬─ ─   ┌▼──────────────────────────────┐
//!  block   │ short text … │      │ a Python bytes object, a view  │ segments 1, 2, …
//!          └──────────────┴─ ─   │ of a buffer, an engine buffer  │ (never copied)
//!            segment 0           └────────────────────────────────┘
//! ```
//!
//! A step that changes messages writes beside their batch, into a [`Revision`]; what flows from thread to
//! thread are [`Selection`]s: rows of a batch, with the revision that they are read by.
//!
//! Spans hold a segment's number and an offset in it, never an address of the batch's own memory, so
//! that a batch can be moved, compacted, or live in memory shared between processes.
//!
//! This room holds unsafe code: [`batch`] (a writer and a reader share memory, apart by a published
//! count), `arena` (a buffer that is read while its rest is filled), [`segments`] (what a batch keeps in that memory until it is let go) and [`foreign`] (memory owned
//! by somebody else). The rules are in their own documentation.

mod arena;
pub mod batch;
pub mod buffer;
pub(crate) mod copied;
pub(crate) mod encoded;
mod fence;
pub mod foreign;
pub mod lines;
pub mod list;
pub mod origin;
pub mod pool;
pub mod reading;
pub mod record;
mod recycled;
pub mod revision;
mod rows;
pub mod segments;
pub mod selection;
pub mod stored;
pub mod typed;
pub mod value;
pub mod value_name;

pub(crate) use arena::{Arena, Committed};
pub use batch::{Batch, Need, Pending, Published, Row, Writer};
pub use buffer::EngineBuffer;
pub use foreign::{Foreign, Owner, Release, ReleaseNow, Segment};
pub use lines::Lines;
pub use origin::{Endpoint, Endpoints, NamedValue, Origin};
pub use pool::Pool;
pub use reading::{Lookup, MessageRef, Pair};
pub use record::{Field, FieldName, Head, Record, Span, Stamp};
pub use revision::{RevisedRow, Revision};
pub use rows::Rows;
pub use segments::Segments;
pub use selection::{Fault, LateParsed, Selection};
pub use stored::Stored;
pub use value::ValueType;
pub use value_name::ValueName;

/// The longest message, in bytes, all its texts together: 256 MiB.
///
/// The byte count of a batch is published in 30 bits beside its other counts; a longer message is
/// refused with an error where it is posted.
pub(crate) const MESSAGE_MAX: usize = 1 << 28;
