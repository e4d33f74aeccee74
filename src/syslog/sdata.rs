//! Structured data (RFC 5424 §6.3).
//!
//! ```text
//! STRUCTURED-DATA = "-" / 1*( "[" SD-ID *( SP PARAM-NAME "=" %d34 PARAM-VALUE %d34 ) "]" )
//! ```
//!
//! Relaxed as receivers do: names of any length, more than one space between parameters, spaces before the
//! closing bracket, and, in a value, a `]` or a line break that is not escaped (the quotes say where the
//! value ends). A backslash before anything but `"`, `\` and `]` is a backslash (§6.3.3).
use super::{ParseError, Reason, SdataParam, Span, scan};
use smallvec::SmallVec;

/// Reads the structured data that begins at `at`, and gives where it ends.
///
/// NILVALUE is an empty list. `out` is appended to.
///
/// # Errors
/// [`Reason::BadStructuredData`] with the place; what was read before it stays in `out`.
pub fn parse_structured_data(
    input: &[u8],
    at: usize,
    out: &mut SmallVec<[SdataParam; 8]>,
) -> Result<usize, ParseError> {
    match input.get(at) {
        Some(b'-') => Ok(at + 1),
        Some(b'[') => {
            let mut at = at;
            while input.get(at) == Some(&b'[') {
                at = parse_element(input, at + 1, out)?;
            }
            Ok(at)
        }
        _ => Err(bad(at)),
    }
}

/// Reads an element from after its bracket, and gives where what follows it begins.
#[inline]
fn parse_element(
    input: &[u8],
    start: usize,
    out: &mut SmallVec<[SdataParam; 8]>,
) -> Result<usize, ParseError> {
    let id = parse_name(input, start)?;
    let mut at = id.range().end;
    let mut empty = true;
    loop {
        let before = at;
        while input.get(at) == Some(&b' ') {
            at += 1;
        }
        if input.get(at) == Some(&b']') {
            if empty {
                let nothing = Span::new(at, 0);
                out.push(SdataParam { id, name: nothing, value: nothing, escaped: false });
            }
            return Ok(at + 1);
        }
        if at == before {
            return Err(bad(at));
        }
        let name = parse_name(input, at)?;
        at = name.range().end;
        empty = false;
        if !input[at..].starts_with(b"=\"") {
            let value = parse_unquoted(input, at)?;
            out.push(SdataParam { id, name, value, escaped: false });
            at = value.range().end;
            continue;
        }
        let start = at + 2;
        let (end, escaped) = parse_value(input, start)?;
        out.push(SdataParam { id, name, value: Span::between(start, end), escaped });
        at = end + 1;
    }
}

/// An SD-NAME (§6.3.2): anything printable but `=`, space, `]` and `"`.
#[inline]
fn parse_name(input: &[u8], at: usize) -> Result<Span, ParseError> {
    let end = scan::name_end(input, at).unwrap_or(input.len());
    if end <= at { Err(bad(at)) } else { Ok(Span::between(at, end)) }
}

/// The value without quotes whose `=` is at `at`: all bytes up to a space or `]`, perhaps none. The RFC has
/// no such values; senders do.
#[cold]
fn parse_unquoted(input: &[u8], at: usize) -> Result<Span, ParseError> {
    let start = at + 1;
    if input.get(at) != Some(&b'=') {
        return Err(bad(at));
    }
    let len = memchr::memchr2(b' ', b']', &input[start..]).ok_or_else(|| bad(start))?;
    Ok(Span::new(start, len))
}

/// The place of the quote that ends a value, and whether there are backslashes before it.
#[inline]
fn parse_value(input: &[u8], start: usize) -> Result<(usize, bool), ParseError> {
    let mut at = start;
    let mut escaped = false;
    while let Some(found) = scan::value_end(input, at) {
        at = found;
        if input[at] == b'"' {
            return Ok((at, escaped));
        }
        escaped = true;
        at += 1;
        // Only these three are escapes; the byte after any other backslash stands for itself.
        if matches!(input.get(at), Some(b'"' | b'\\' | b']')) {
            at += 1;
        }
    }
    Err(bad(start))
}

#[cold]
fn bad(at: usize) -> ParseError {
    ParseError::new(Reason::BadStructuredData, at)
}

/// Appends a value without the backslashes of its escapes (RFC 5424 §6.3.3).
///
/// ```
/// let mut out = Vec::new();
/// inrush::syslog::unescape_param_value(br#"a \"quoted\" C:\dir [x\]"#, &mut out);
/// assert_eq!(out, br#"a "quoted" C:\dir [x]"#);
/// ```
pub fn unescape_param_value(value: &[u8], out: &mut Vec<u8>) {
    out.reserve(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        if let Some(escaped @ (b'"' | b'\\' | b']')) = rest.get(at + 1) {
            out.push(*escaped);
            rest = &rest[at + 2..];
        } else {
            out.push(b'\\');
            rest = &rest[at + 1..];
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> Result<(Vec<String>, usize), u32> {
        let mut out = SmallVec::new();
        let end = parse_structured_data(input.as_bytes(), 0, &mut out).map_err(|error| error.at)?;
        let piece = |span: Span| &input[span.range()];
        let params = out.iter().map(|p| format!("{}.{}={}", piece(p.id), piece(p.name), piece(p.value)));
        Ok((params.collect(), end))
    }

    /// Elements are one after the other without a space; an empty one is kept.
    #[test]
    fn elements() {
        let both = read(r#"[a@1 x="1" y="2"][b z="3"] [not this="one"]"#).unwrap();
        assert_eq!(both, (vec!["a@1.x=1".into(), "a@1.y=2".into(), "b.z=3".into()], 26));
        assert_eq!(read("[empty]").unwrap(), (vec!["empty.=".into()], 7));
        assert_eq!(read("-").unwrap(), (vec![], 1));
        assert_eq!(read(r#"[a  x="]"  ]"#).unwrap(), (vec!["a.x=]".into()], 12));
    }

    /// A value ends at the first quote that is not escaped, and a doubled backslash does not escape.
    #[test]
    fn escapes() {
        assert_eq!(read(r#"[a x="\"\\"]"#).unwrap().0, [r#"a.x=\"\\"#]);
        assert_eq!(read(r#"[a x="c:\n" y=""]"#).unwrap().0, [r"a.x=c:\n", "a.y="]);
        assert_eq!(read(r#"[a x="\\" y="1"]"#).unwrap().0, [r"a.x=\\", "a.y=1"]);
    }

    /// A value without quotes is what stands before a space or the bracket, quotes and backslashes as they
    /// are.
    #[test]
    fn values_without_quotes() {
        assert_eq!(read(r#"[a x=1 y="2"]"#).unwrap(), (vec!["a.x=1".into(), "a.y=2".into()], 13));
        assert_eq!(read("[a x=1][b y=]").unwrap().0, ["a.x=1", "b.y="]);
        assert_eq!(read(r#"[a x=b"c\] y=2"#).unwrap(), (vec![r#"a.x=b"c\"#.replace(r"\\", r"\")], 10));
    }

    /// The place of an error is where the reader of the note should look.
    #[test]
    fn errors() {
        for (input, at) in [("", 0), ("x", 0), ("[", 1), ("[]", 1), ("[a", 2), ("[a b]", 4), ("[a b=c", 5)] {
            assert_eq!(read(input), Err(at), "{input}");
        }
        assert_eq!(read(r#"[a b="c]"#), Err(6));
        assert_eq!(read(r#"[a b="c"d="e"]"#), Err(8));
    }
}
