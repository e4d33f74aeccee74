//! Drafts of `LogMessage.parse`, which are parsed when somebody looks ([`parse_now`]), or by a post
//! ([`with_parsed`]).

use pyo3::prelude::*;

use super::Draft;
use crate::message::Stamp;
use crate::python::cell::GilCell;
use crate::source::system_clock;
use crate::syslog::Clock;
use crate::syslog::fill::Filler;

/// The memory of the parser, used again for each message.
static PARSER: GilCell<Option<(Filler, Clock)>> = GilCell::new(None);

/// Calls `work` with what a draft that is not parsed yet comes to, and with when it was received; `None` when
/// there is nothing to parse.
#[inline]
pub(in crate::python) fn with_parsed<R>(
    py: Python<'_>,
    draft: &Draft,
    work: impl FnOnce(&Filler, Stamp) -> R,
) -> Option<R> {
    let options = draft.unparsed.as_ref()?;
    // Whoever could have changed the stamp since would have parsed first.
    let recvd = draft.head.stamp();
    PARSER.with(py, |parser| {
        let (filler, clock) = parser.get_or_insert_with(|| (Filler::default(), system_clock()));
        clock.set_now(recvd.unix_micros);
        filler.parse(draft.payload.bytes(), options.get().options(), clock);
        Some(work(filler, recvd))
    })
}

/// Parses a draft that is not parsed yet, for a reader.
#[cold]
pub(super) fn parse_now(py: Python<'_>, draft: &mut Draft) {
    let Some(options) = draft.unparsed.take() else { return };
    let recvd = draft.head.stamp();
    PARSER.with(py, |parser| {
        let (filler, clock) = parser.get_or_insert_with(|| (Filler::default(), system_clock()));
        clock.set_now(recvd.unix_micros);
        filler.parse(draft.payload.bytes(), options.get().options(), clock);
        draft.extra().fields.reserve_exact(filler.need().fields);
        filler.fill(recvd, draft);
    });
}
