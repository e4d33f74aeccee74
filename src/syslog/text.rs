//! The copies that a span cannot stand for: text made UTF-8, text made one line.
//!
//! Both append to a buffer of the caller's, run by run, and are only called for the rare message that needs
//! them.

/// Appends `text` with every byte that is not part of valid UTF-8 written as `\xHH`.
///
/// ```
/// let mut out = Vec::new();
/// inrush::syslog::sanitize_utf8(b"caf\xe9 caf\xc3\xa9", &mut out);
/// assert_eq!(out, "caf\\xe9 café".as_bytes());
/// ```
pub fn sanitize_utf8(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len());
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for byte in chunk.invalid() {
            write_escaped(*byte, out);
        }
    }
}

/// Appends `text` with every line feed, carriage return and NUL turned into a space.
///
/// ```
/// let mut out = Vec::new();
/// inrush::syslog::single_line(b"one\ntwo\r\nthree", &mut out);
/// assert_eq!(out, b"one two  three");
/// ```
pub fn single_line(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr3(b'\n', b'\r', 0, rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b' ');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends `\xHH`.
pub(crate) fn write_escaped(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}
