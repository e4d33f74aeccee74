//! The options of sources that read bytes: [`ReaderOptions`].

use std::sync::Arc;

use super::views::{Parsing, Posting};
use super::{Decoder, Encoding};
use crate::config::grammar::{Key, Kind, MAX_INT, Parsed, Parser, Table, apply, names};
use crate::config::{Config, Diagnostic};
use crate::flow::LateParser;
use crate::source::parsing::read_flags;
use crate::source::{Input, Late, ParsingOptions};
use crate::syslog::Flags;
use crate::syslog::framing::{Framing, Splitter};

/// The byte half of a reader's credit, where `max-inflight-bytes()` does not say it.
const BYTES: u64 = 64 << 20;
/// The longest message that may be allowed.
const MAX_SIZE: i64 = crate::message::MESSAGE_MAX as i64;

/// The options that all sources have which read bytes. `None` means: as in `options {}`.
#[derive(Debug, Clone)]
pub(crate) struct ReaderOptions {
    /// `log-msg-size()`: the longest message, in bytes.
    pub log_msg_size: Option<usize>,
    /// `trim-large-messages()`
    pub trim_large_messages: Option<bool>,
    /// `log-fetch-limit()`
    pub log_fetch_limit: Option<u32>,
    /// `encoding()`
    pub encoding: Option<Encoding>,
    /// `check-hostname()`
    pub check_hostname: Option<bool>,
    /// `max-inflight-bytes()`
    pub max_inflight_bytes: u64,
    /// The options by which messages are parsed, `flags()` among them.
    pub parsing: ParsingOptions,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        let flags = Flags::default().with(Flags::SYSLOG_PROTOCOL, false);
        Self {
            log_msg_size: None,
            trim_large_messages: None,
            log_fetch_limit: None,
            encoding: None,
            check_hostname: None,
            max_inflight_bytes: BYTES,
            parsing: ParsingOptions { flags, ..ParsingOptions::default() },
        }
    }
}

const IN_TURN: &str = "in Inrush: inputs take turns by what was read of each";

const READER: Table<ReaderOptions> = &[
    ("log-msg-size", Kind::Int(1, MAX_SIZE, |to, size| to.log_msg_size = Some(size as usize))),
    ("trim-large-messages", Kind::YesNo(|to, yes| to.trim_large_messages = Some(yes))),
    (
        "log-fetch-limit",
        Kind::Unused(IN_TURN, &Kind::Int(1, MAX_INT, |to, limit| to.log_fetch_limit = Some(limit as u32))),
    ),
    ("encoding", Kind::Other(|parser, to| Encoding::read(parser).map(|found| to.encoding = Some(found)))),
    ("check-hostname", Kind::YesNo(|to, yes| to.check_hostname = Some(yes))),
    ("check-program", Kind::YesNo(|to, yes| to.parsing.flags.set(Flags::CHECK_PROGRAM, yes))),
    ("max-inflight-bytes", Kind::Int(1, i64::MAX, |to, most| to.max_inflight_bytes = most.unsigned_abs())),
    ("flags", Kind::Other(|parser, to| read_flags(parser, &mut to.parsing.flags, Flags::apply))),
];

impl ReaderOptions {
    /// The names of the options.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names(READER).chain(ParsingOptions::names())
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(READER, self, parser, key).or_else(|| self.parsing.apply(parser, key))
    }

    /// What they are for the source `input` of `config`.
    ///
    /// # Errors
    /// A format or a time zone that is not known, at its place.
    pub(crate) fn resolve(&self, config: &Config, input: &Input) -> Result<Reading, Diagnostic> {
        let mut options = self.parsing.parse_options(config)?;
        if let Some(checks) = self.check_hostname {
            options.flags.set(Flags::CHECK_HOSTNAME, checks);
        }
        if self.encoding.is_some() {
            options.flags.set(Flags::ASSUME_UTF8, true);
        }
        let (flags, options) = (options.flags, Arc::new(options));
        let parsing = if options.is_plain() {
            Parsing::None
        } else {
            match Late::new(&options, &input.policy, None) {
                Some(late) => {
                    let late: Arc<dyn LateParser> = late;
                    if input.lane.parse_late(&late) { Parsing::Late } else { Parsing::Here }
                }
                None => Parsing::Here,
            }
        };
        let posting = Posting {
            parsing,
            pri: options.pri_without(),
            options,
            policy: Arc::clone(&input.policy),
            delimiter: Some(b'\n'),
        };
        Ok(Reading {
            max_len: self.log_msg_size.unwrap_or(config.options.log_msg_size),
            trims: self.trim_large_messages.unwrap_or(config.options.trim_large_messages),
            keeps_empty: flags.has(Flags::EMPTY_LINES),
            has_aux_data: !flags.has(Flags::IGNORE_AUX_DATA),
            encoding: self.encoding,
            posting: Arc::new(posting),
        })
    }
}

/// The options of a reader, as they hold.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// The longest message, in bytes.
    pub max_len: usize,
    /// Tells whether counted messages that are longer are trimmed.
    pub trims: bool,
    /// Tells whether empty texts are messages.
    pub keeps_empty: bool,
    /// Tells whether messages have values about their transport.
    pub has_aux_data: bool,
    /// The encoding of what is read, if it is not UTF-8.
    pub encoding: Option<Encoding>,
    /// The way in which frames are posted.
    pub posting: Arc<Posting>,
}

impl Reading {
    /// A splitter for a stream of frames of this kind.
    pub(crate) fn splitter(&self, framing: Framing) -> Splitter {
        Splitter::new(framing, self.max_len).trimming(self.trims).keeping_empty(self.keeps_empty)
    }

    /// A decoder for a stream, where there is something to decode.
    pub(crate) fn decoder(&self) -> Option<Decoder> {
        self.encoding.map(Decoder::new)
    }
}
