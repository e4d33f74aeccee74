//! Sources that read bytes: their options, and how what they read becomes messages.
//!
//! ```text
//!  read ──► Arena ──► Committed ──► Splitter ──► Views ──► lane
//!           (message::arena)  bytes   (syslog::framing)  lines of 8 bytes, or rows
//!              ▲                         │
//!              └──── the unfinished tail ┘  copied in front of the next read
//! ```
//!
//! * [`ReaderOptions`] are the options that all of them have, as one table; [`Reading`] is what they are with
//!   those of the whole configuration.
//! * [`Views`] posts the frames of a chunk of bytes as views of it, in batches, and copies of texts that lie
//!   nowhere for long. It takes credit in groups; a reader that is not admitted ([`Views::admit`]) stops reading,
//!   keeps what it has, and asks to be told when there is credit.
//! * `Chunk` is bytes that stay where they are: what was read into an [`Arena`](crate::message::Arena), or a
//!   buffer of a Python source.
//! * [`Decoder`] makes UTF-8 of another encoding.
//! * [`finder`] finds messages in what has places of its own, files and pipes; [`multi_line`](crate::transport::multi_line)
//!   says which of their lines are one message.
//!
//! # A read, step by step
//! ```text
//!  views.begin(now)                        the time of receipt of what follows
//!  while let a frame of the chunk
//!      views.admit()?                      else: stop reading, and keep the rest
//!      views.post(chunk, start, end, …)    or views.copy(text, now)
//!  views.finish()                          sends the batch; unused credit goes back
//! ```
//! A batch views one chunk, so `finish` comes before the next one begins. Messages are parsed by the worker that
//! takes the batch ([`Late`](super::Late)), or not at all, as `flags()` say; where the worker cannot, here.

mod decoder;
pub(crate) mod finder;
mod options;
mod views;

pub(crate) use decoder::{Decoder, Encoding};
pub(crate) use options::{ReaderOptions, Reading};
#[cfg(feature = "python")]
pub(crate) use views::Chunk;
pub(crate) use views::{Ends, NotAdmitted, Parsing, Posting, Views};
