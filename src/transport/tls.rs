//! TLS: the options of `tls(…)`, and what is made of them (rustls, with the provider of ring).
//!
//! ```text
//!  tls( … ) ──► TlsOptions ──► Material ──► ServerTls ──► TlsStream::accept()      a source
//!                 (a table)    (files, read ClientTls ──► TlsStream::connect()     a destination
//!                              again at a      │
//!                              reload)         └────────► ClientTls::config()      http()
//! ```
//!
//! * `options`: the table, checked where each option stands; `suites`: the names of cipher suites, versions
//!   and curves;
//! * `material`: keys, certificates, authorities and revocation lists from their files;
//! * `certificate`: the part of a certificate that rustls does not tell: names, validity, purpose;
//! * `verifier`: whether the other side is trusted: `peer-verify()` and the lists of names and keys;
//! * `endpoint`: the configurations of both sides, which are exchanged whole at a reload;
//! * `stream`: a connection that never blocks.
//!
//! # Invariants
//! * No version below 1.2, no compression, no renegotiation: rustls has none of them.
//! * A certificate whose extended key usage is not that of its side is refused wherever it is verified.
//! * A handshake that began goes on with the material of its beginning; a later one has the new.
//! * Keys are neither in the debug text of anything here nor in an error.

mod certificate;
mod endpoint;
mod material;
mod options;
mod stream;
mod suites;
#[cfg(test)]
mod tests;
mod verifier;

pub(crate) use certificate::PeerFacts;
pub(crate) use endpoint::{ClientTls, ServerTls};
pub(crate) use options::{Side, TlsOptions};
pub(crate) use stream::TlsStream;
