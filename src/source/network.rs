//! `network()`, `syslog()`, `tcp()`, `tcp6()`, `udp()`, `udp6()`, `unix-stream()` and `unix-dgram()`: messages
//! from sockets.
//!
//! ```text
//!  options ─► plan ─► source ─┬► streams     one thread: a listener and its connections
//!                             └► datagrams   one thread a socket
//! ```
//!
//! * `options`: what is written; `driver`: which driver has which option; `transport`: the words of `transport()`;
//!   `plan`: the same, checked;
//! * `source`: sockets are opened, threads started and ended;
//! * `streams`: connections take turns; `connection`, `stream` and `turn`: one of them; `room`: the memory that is read into;
//! * `opening`: TLS and the header of a proxy, before the messages of a connection;
//! * `datagrams`: datagrams and their senders; `packets`: the system call that brings many;
//! * `sender`: the part that messages of one sender have in common; `naming`: the names of senders;
//!   `credentials`: processes at the other end of unix sockets;
//! * `poll`: waiting; `seldom`: lines of the log that could be many.
//!
//! # Invariants
//! * What was read is posted, or the log says that it was lost: at a stop without credit.
//! * A connection without credit is not read. A silent one has no buffer.
//! * The order of messages is kept for each connection, and for each socket of datagrams.

mod connection;
mod credentials;
mod datagrams;
mod driver;
mod naming;
mod opening;
mod options;
mod packets;
mod plan;
mod poll;
mod room;
mod seldom;
mod sender;
mod source;
mod stream;
mod streams;
mod transport;
mod turn;

pub(super) use options::NetworkOptions;
use source::NetworkSource;
