//! Parsing on the worker's thread: [`Late`].
//!
//! A message of `LogMessage.parse` that nobody looks at before it is posted is posted as its text, and the
//! worker parses it when it takes the batch: without the GIL, while the source is making the next messages.
//! What comes out is the same as from a parse at the post, as both depend on nothing but the bytes, the
//! options, the time of receipt (all in the row), and the rules of the source.
//!
//! What cannot wait is parsed at the post: with options of another source, or where a text could make a
//! message that the post has to refuse (it cannot: a text that is copied, and not viewed, has fewer fields
//! than a message may have).

use std::sync::{Arc, Mutex, PoisonError};

use super::{ParsedRow, SourcePolicy, system_clock};
use crate::flow::LateParser;
use crate::message::{LateParsed, Selection};
use crate::syslog::fill::Filler;
use crate::syslog::{Clock, ParseOptions};

/// The longest `sdata-prefix()` with which a message is parsed late: it is copied for each parameter, and
/// what that costs is charged only afterwards.
const PREFIX_MAX: usize = 64;

/// Parses what one source posts unparsed.
#[derive(Debug)]
pub struct Late {
    options: Arc<ParseOptions>,
    policy: Arc<SourcePolicy>,
    /// The priority that replaces a message's own.
    pri: Option<u16>,
    /// One thread at a time has it: the worker that the source belongs to.
    parser: Mutex<Parser>,
}

/// The memory of the parser.
#[derive(Debug)]
struct Parser {
    filler: Filler,
    clock: Clock,
    /// True when it is in the middle of a message.
    busy: bool,
}

impl Parser {
    fn new() -> Self {
        Self { filler: Filler::default(), clock: system_clock(), busy: false }
    }
}

impl Late {
    /// That of a source with these `options` and rules; `None` where messages are parsed at the post.
    pub fn new(
        options: &Arc<ParseOptions>,
        policy: &Arc<SourcePolicy>,
        pri: Option<u16>,
    ) -> Option<Arc<Self>> {
        if options.sdata_prefix.as_ref().is_some_and(|prefix| prefix.len() > PREFIX_MAX) {
            return None;
        }
        let parser = Mutex::new(Parser::new());
        let (options, policy) = (Arc::clone(options), Arc::clone(policy));
        Some(Arc::new(Self { options, policy, pri, parser }))
    }

    /// True when it parses as `options` say.
    #[inline]
    pub(crate) fn is_for(&self, options: &Arc<ParseOptions>) -> bool {
        Arc::ptr_eq(&self.options, options)
    }
}

impl LateParser for Late {
    fn parse(&self, selection: &mut Selection) -> LateParsed {
        let mut parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a batch that came from another host: its rules.
        let from = &selection.batch().origin().host_from;
        let sender = (**from != **self.policy.local()).then(|| self.policy.of_sender(from));
        let policy = sender.as_ref().unwrap_or(&self.policy);
        selection.parse_late(|text, recvd, row| {
            if parser.busy {
                // It panicked at the message before: nothing that it remembers is to be believed.
                *parser = Parser::new();
            }
            let Parser { filler, clock, busy } = &mut *parser;
            *busy = true;
            clock.set_now(recvd.unix_micros);
            filler.parse(text, &self.options, clock);
            ParsedRow::new(policy, filler, text).write(recvd, row);
            if let Some(pri) = self.pri {
                row.pri(pri);
            }
            *busy = false;
        })
    }
}
