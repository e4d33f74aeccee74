//! The grammar of RFC 5424 §6.
//!
//! ```text
//! "<" PRI ">1" SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP [BOM] MSG]
//! ```
//!
//! The limits on the length of fields (§6) are not enforced: no receiver does, and a long host name is no
//! reason to lose a message. A stamp without an offset, which the RFC does not allow, is in the receiver's
//! zone; fractions may have more than six digits, and second 60 is accepted. Each field may be the NILVALUE
//! `-`.
use super::sdata::parse_structured_data;
use super::timestamp::{Reading, read_iso};
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
    let (reading, end) = timestamp(text, at)?;
    if let Some(reading) = reading {
        let guess = options.flags.has(Flags::GUESS_TIMEZONE);
        out.stamp = clock.place(&reading, options.zone(clock), guess);
    }
    let [host, program, pid, msgid] = fields(text, end + 1)?;
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

/// The stamp at `at`, if it is not NILVALUE, and where the space after it is.
#[inline]
fn timestamp(text: &[u8], at: usize) -> Result<(Option<Reading>, usize), ParseError> {
    // The reader finds the end of a stamp by itself; only it takes a space for the T, which would be the
    // field's end.
    if let Some((reading, len)) = text.get(at..).and_then(read_iso)
        && text.get(at + len) == Some(&b' ')
        && text.get(at + 10) != Some(&b' ')
    {
        return Ok((Some(reading), at + len));
    }
    timestamp_field(text, at)
}

/// The twin of [`timestamp`]: first where the field ends, then what is in it.
#[cold]
fn timestamp_field(text: &[u8], at: usize) -> Result<(Option<Reading>, usize), ParseError> {
    let field = field(text, at)?;
    let Some(stamp) = non_nil(text, field) else { return Ok((None, field.range().end)) };
    match read_iso(stamp.of(text)) {
        Some((reading, len)) if len == stamp.len as usize => Ok((Some(reading), field.range().end)),
        _ => Err(ParseError::new(Reason::BadTimestamp, at)),
    }
}

/// The four fields between the stamp and the structured data.
#[inline]
fn fields(text: &[u8], at: usize) -> Result<[Span; 4], ParseError> {
    if let Some([host, program, pid, msgid]) = scan::four_words(text, at)
        && at < host
        && host + 1 < program
        && program + 1 < pid
        && pid + 1 < msgid
    {
        return Ok([
            Span::between(at, host),
            Span::between(host + 1, program),
            Span::between(program + 1, pid),
            Span::between(pid + 1, msgid),
        ]);
    }
    fields_one_by_one(text, at)
}

/// The twin of [`fields`], for long ones and short messages, and for what is wrong.
#[inline(never)]
fn fields_one_by_one(text: &[u8], at: usize) -> Result<[Span; 4], ParseError> {
    let mut at = at;
    let mut fields = [Span::default(); 4];
    for span in &mut fields {
        *span = field(text, at)?;
        at = span.range().end + 1;
    }
    Ok(fields)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Breaks without it: a stamp that is read without a look for its end first takes more or less than
        /// its field.
        #[test]
        fn stamps_end_with_their_field(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "2026-10-11T22:14:15", "2026-10-11 22:14:15", "2026-10-11t22:14:60", "2026-02-30T22:14:15", "-",
                    ".", ".5", ",123", "003456789", "Z", "z", "+02:00", "-0330", "+02", "+025", ":", "+24:00", " ", "x", "1",
                ]),
                0..6,
            ),
            at in 0..3_usize,
        ) {
            let text = pieces.concat();
            prop_assert_eq!(timestamp(text.as_bytes(), at), timestamp_field(text.as_bytes(), at));
        }

        /// Breaks without it: fields that are found at one look are not those that are found one by one.
        #[test]
        fn fields_at_one_look(
            pieces in prop::collection::vec(
                prop::sample::select(vec![" ", " ", " ", "-", "a", "host.example.com", "1234", "!", "\u{e4}", "0123456789012345678901234567890123456789"]),
                0..24,
            ),
            at in 0..4_usize,
        ) {
            let text = pieces.concat();
            prop_assert_eq!(fields(text.as_bytes(), at), fields_one_by_one(text.as_bytes(), at));
        }
    }
}
