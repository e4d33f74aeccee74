//! Kafka, as far as the drivers called `kafka()` need it: librdkafka, with the rules of the engine around it.
//!
//! ```text
//!  config(…) ──► Properties ──► client                 a property that librdkafka does not know: an error
//!  messages ──► Records ──► Producer ─► librdkafka ──► brokers
//!     ▲           │ kept until the report                │
//!     └─ report ──┴──────────── Event ◄──────────────────┘
//! ```
//!
//! * [`properties`]: the properties of a client, each with its place;
//! * [`topic`]: the names that a topic may have;
//! * [`records`]: messages as the broker gets them, in memory that does not move;
//! * [`ffi`]: the producer, which sends values from where they are, and whose events are asked for: librdkafka
//!   calls nothing of the engine but a waker; and a consumer's commits.
//!
//! # Invariants
//! * A value is in librdkafka's hands from its sending to its report, and its memory is kept for that long.
//! * A record has one report.

pub(crate) mod ffi;
pub(crate) mod properties;
pub(crate) mod records;
pub(crate) mod topic;

pub(crate) use ffi::{Event, Producer, Stopped, commit};
pub(crate) use properties::Properties;
pub(crate) use records::{Record, Records};
