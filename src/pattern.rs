//! Patterns: texts with `type()` and `flags()` that other texts are compared with.
//!
//! Filters ask of a text whether it matches ([`Matcher::is_match`]), others where it does, and where its
//! groups are ([`Matcher::find_at`]). The type says how:
//!
//! | `type()` | matches |
//! |---|---|
//! | `pcre`, the default; `posix` means the same | somewhere in the text; `$` also before a newline at the end |
//! | `string` | the whole text, or with `prefix` its start, or with `substring` a part |
//! | `glob` | the whole text: `*` is any run, `?` one character; a text that is not UTF-8 never matches |
//!
//! PCRE2 defines the meaning of a regular expression, and compiles each of them. Where only the question is
//! asked whether there is a match, and the expression has nothing but the constructs that [`regular`] lists,
//! the crate `regex` or a search for bytes ([`sequence`]) answers it: in linear time, and faster. Everything else
//! is PCRE2's, with a bound on the steps of a match ([`pcre`]).
//!
//! # Invariants
//! * `regex` and PCRE2 agree whether a text matches, wherever `regex` is asked; a test compares them.
//! * No text keeps a thread busy: `regex` is linear, and PCRE2 gives up at its bound. What it gives up on
//!   does not match, and is counted ([`Matcher::given_up`]).
#![forbid(unsafe_code)]

mod matcher;
mod options;
mod pcre;
mod regular;
mod sequence;

pub(crate) use matcher::GivenUp;
pub use matcher::{Captures, Matcher};
pub use options::{Flag, Flags, Type};
pub(crate) use options::{PatternOptions, PatternSettings};

#[cfg(test)]
mod tests;
