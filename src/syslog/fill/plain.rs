//! Plain messages: each span that was found is a field as it is. So it is with most messages, and none of
//! their texts has to be planned.

use super::SDATA_PREFIX;
use crate::message::FieldName;
use crate::syslog::{Marks, ParseOptions, Parsed, Span};

/// The most parameters of structured data of a plain message: a record has room for an element and a parameter
/// for each.
const PARAMETERS: usize = 10_000;

/// True when each span that was found is a field as it is, and there are no others but MSGFORMAT.
#[inline]
pub(super) fn is_plain(parsed: &Parsed, options: &ParseOptions) -> bool {
    const CHANGED: Marks = Marks::NEEDS_SANITIZE
        .union(Marks::NEEDS_SINGLE_LINE)
        .union(Marks::KERNEL)
        .union(Marks::UNSYNCHRONIZED)
        .union(Marks::SYNCHRONIZED);
    parsed.error.is_none()
        && parsed.raw.is_none()
        && (parsed.sdata.is_empty() || has_plain_sdata(parsed, options))
        && !parsed.marks.has_any(CHANGED)
}

/// The same of structured data: it has the names that it came with, and nothing in it is escaped.
fn has_plain_sdata(parsed: &Parsed, options: &ParseOptions) -> bool {
    options.sdata_prefix.as_deref().is_none_or(|prefix| prefix == SDATA_PREFIX)
        && parsed.sdata.len() <= PARAMETERS
        && parsed.sdata.iter().all(|param| !param.escaped)
}

/// Calls `field` with the id, the name and the value of each field of plain structured data, in order: an
/// element with its SD-ID before its parameters.
#[inline]
pub(super) fn each_structured(parsed: &Parsed, mut field: impl FnMut(FieldName, Span, Span)) {
    let mut element = None;
    for param in &parsed.sdata {
        if element != Some(param.id) {
            element = Some(param.id);
            field(FieldName::SdId, Span::default(), param.id);
        }
        // An element without parameters has one without a name.
        if !param.name.is_empty() {
            field(FieldName::SdParam, param.name, param.value);
        }
    }
}
