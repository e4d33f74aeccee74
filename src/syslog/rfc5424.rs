//! The grammar of RFC 5424 §6.
//!
//! ```text
//! "<" PRI ">1" SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP [BOM] MSG]
//! ```
//!
//! The limits on the length of fields (§6) are not enforced: no receiver does, and a long host name is no reason to
//! lose a message. A stamp without an offset, which the RFC does not allow, is in the receiver's zone; fractions may
//! have more than six digits, and second 60 is accepted. Each field may be the NILVALUE `-`.
use super::sdata::parse_structured_data;
use super::timestamp::read_iso;
use super::{BOM, Clock, Flags, ParseError, ParseOptions, Parsed, Protocol, Reason, Span, Utf8, scan};

/// Reads a message from after its version.
#[inline]
pub(super) fn parse(
    text: &[u8],
    at: usize,
    options: &ParseOptions,
    clock: &Clock,
    out: &mut Parsed,
) -> Result<(), ParseError> {
    out.protocol = Protocol::Rfc5424;
    let stamp = field(text, at)?;
    if let Some(stamp) = non_nil(text, stamp) {
        let bad = || ParseError::new(Reason::BadTimestamp, at);
        let (reading, len) = read_iso(stamp.of(text)).ok_or_else(bad)?;
        if len != stamp.len as usize {
            return Err(bad());
        }
        let guess = options.flags.has(Flags::GUESS_TIMEZONE);
        out.stamp = clock.place(&reading, options.zone(clock), guess);
    }
    let host = field(text, stamp.range().end + 1)?;
    let program = field(text, host.range().end + 1)?;
    let pid = field(text, program.range().end + 1)?;
    let msgid = field(text, pid.range().end + 1)?;
    out.host = non_nil(text, host);
    out.program = non_nil(text, program);
    out.pid = non_nil(text, pid);
    out.msgid = non_nil(text, msgid);
    let at = parse_structured_data(text, msgid.range().end + 1, &mut out.sdata)?;
    out.message = match text.get(at) {
        None => None,
        Some(b' ') if text[at + 1..].starts_with(BOM) => {
            out.utf8 = Utf8::Assumed;
            Some(Span::between(at + 1 + BOM.len(), text.len()))
        }
        Some(b' ') => Some(Span::between(at + 1, text.len())),
        Some(_) => return Err(ParseError::new(Reason::BadStructuredData, at)),
    };
    Ok(())
}

/// The field at `at`, which ends with a space.
#[inline]
fn field(text: &[u8], at: usize) -> Result<Span, ParseError> {
    match scan::space(text, at) {
        Some(end) if end > at => Ok(Span::between(at, end)),
        Some(_) => Err(ParseError::new(Reason::ShortHeader, at)),
        None => Err(ParseError::new(Reason::ShortHeader, text.len())),
    }
}

/// A field that is not NILVALUE.
#[inline]
fn non_nil(text: &[u8], field: Span) -> Option<Span> {
    (field.of(text) != b"-").then_some(field)
}
