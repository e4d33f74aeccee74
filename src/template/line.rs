//! The two line formats that destinations have without a template.

use super::append::known;
use super::number::push_decimal;
use super::{Context, sdata};
use crate::message::{FieldName, MessageRef};

/// The line that `file()` writes when no template is given: the BSD format, its time in `ts-format()`.
pub const FILE_LINE: &str = "$STAMP $FULLHOST $MSGHDR$MSG\n";

/// The line that `network()` and its like write when no template is given: RFC 3164, for a context whose
/// times are [`TsFormat::Rfc3164`](super::TsFormat::Rfc3164).
pub(crate) const BSD_LINE: &str = "<$PRI>$STAMP $FULLHOST $MSGHDR$MSG\n";

/// Appends the header and the structured data of RFC 5424, with the space before MSG;
/// `flags(syslog-protocol)`.
///
/// Header fields end at their first space and have the lengths of section 6 at most, an empty one is `-`, and
/// a byte that is not printable ASCII becomes `_`, so that a field cannot be taken for two. There is no byte order mark
/// before MSG: whether the text is UTF-8 is not known here.
pub fn append_rfc5424_header(message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    out.push(b'<');
    push_decimal(out, u64::from(message.pri()));
    out.extend_from_slice(b">1 ");
    context.append_iso(message.stamp(), out);
    for (id, longest) in
        [(FieldName::Host, 255), (FieldName::Program, 48), (FieldName::Pid, 128), (FieldName::MsgId, 32)]
    {
        out.push(b' ');
        let text = known(message, id);
        let text = &text[..memchr::memchr(b' ', text).unwrap_or(text.len())];
        if text.is_empty() {
            out.push(b'-');
        }
        let shown = &text[..text.len().min(longest)];
        out.extend(shown.iter().map(|b| if b.is_ascii_graphic() { *b } else { b'_' }));
    }
    out.push(b' ');
    let before = out.len();
    sdata::append(message, context, out);
    if out.len() == before {
        out.push(b'-');
    }
    out.push(b' ');
}
