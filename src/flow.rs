//! Flow: lanes, inboxes, credit and acknowledgements.
//!
//! ```text
//!  Producer ─ row ─► open Writer ·····┐ (the consumer may seal it at any time)
//!      │ takes credit                 ▼
//!      │                Lane ─ Parcel ─► Inbox of a worker ─ Delivery ─► Inbox of a destination
//!      └───────────────◄ credit ◄──────────────── Ack ◄────────────────────────┘
//! ```
//!
//! * [`inbox`]: the lock-free queue with many senders and one receiver, and how the receiver waits;
//! * [`credit`]: how much a source may have in flight, in messages and in bytes;
//! * [`ack`]: the receipt of a batch, which gives credit back and counts what became of each message;
//! * `share`: the part of a source's window that one of its connections has;
//! * [`lane`]: a source's way into the engine, with the [`lane::Producer`]s that fill its batches;
//! * [`tracker`]: for a source that wants to know what was delivered, batch by batch;
//! * [`clock`]: the time that messages are stamped with; [`exit`]: the request that a source ends;
//! * [`steady`]: the clock that deadlines are read from;
//! * [`socket_queue`]: what a connection was given and has not arrived;
//! * [`signals`]: those that the process is told by what to do; [`process`]: its end; [`unshared`]: descriptors that
//!   no fork of it may keep.
//!
//! What goes forward is batches; what comes back is credit. Nothing else crosses threads.

pub mod ack;
pub mod clock;
pub mod counters;
pub mod credit;
pub mod exit;
pub mod inbox;
pub mod lane;
pub(crate) mod passed;
pub mod process;
mod share;
pub mod signals;
pub(crate) mod socket_queue;
pub mod steady;
pub mod stopwatch;
mod sync;
pub mod tracker;
pub mod unshared;

pub use ack::{Ack, Delivery, DropReason, Kept};
pub(crate) use ack::{Lent, LentAccount};
pub use counters::SourceCounters;
pub use credit::Credit;
pub use exit::Exit;
pub use inbox::{Inbox, Sender, nap_precisely};
pub use lane::{Lane, LateParser, Parcel, Producer, Refused};
pub(crate) use share::Share;
pub use steady::SteadyClock;
pub use tracker::Tracker;
