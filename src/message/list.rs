//! Lists as text: elements with commas between, quoted where needed.
//!
//! ```text
//! a,"one, two",'say "x"'     quoted: commas, spaces, quotes, backslashes, \b \f \n \r \t
//! "it's \"x\"\n"            the other quotes when the element has one kind, a backslash before `"` when it has both;
//!                            control characters and what is not UTF-8 as \n or \x01
//! a,"",c                     the element in the middle is empty
//!                            no text at all: no elements
//! ```
//!
//! A list is one line whatever is in it. An element is any bytes. [`decode`] gives back what [`push`] was
//! given. In text of other makers an element without quotes is what stands between two commas, none when that
//! is nothing; and an element whose closing quote is missing or has something behind it is what is written
//! there, quotes and all.

/// Appends `element` to a list that has elements already when `first` is false.
pub fn push(element: &[u8], first: bool, out: &mut Vec<u8>) {
    if !first {
        out.push(b',');
    }
    let special =
        |byte: &u8| matches!(byte, 8 | b'\t' | b'\n' | 12 | b'\r' | b' ' | b',' | b'"' | b'\'' | b'\\');
    if !element.is_empty() && !element.iter().any(special) {
        out.extend_from_slice(element);
        return;
    }
    let has = |quote: u8| element.contains(&quote);
    let quote = if has(b'"') && !has(b'\'') { b'\'' } else { b'"' };
    out.push(quote);
    for chunk in element.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'"' if quote == b'"' => out.extend_from_slice(b"\\\""),
                8 => out.extend_from_slice(b"\\b"),
                12 => out.extend_from_slice(b"\\f"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..=31 => write_escaped(byte, out),
                _ => out.push(byte),
            }
        }
        for byte in chunk.invalid() {
            write_escaped(*byte, out);
        }
    }
    out.push(quote);
}

/// The text of a list.
#[cfg(test)]
fn encode(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        push(element, index == 0, &mut out);
    }
    out
}

/// The elements of a list's text.
pub fn decode(text: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let quoted = matches!(first, b'"' | b'\'').then(|| unquote(rest)).flatten();
        let length = quoted
            .as_ref()
            .map_or_else(|| memchr::memchr(b',', rest).unwrap_or(rest.len()), |(_, length)| *length);
        match quoted {
            Some((element, _)) => elements.push(element),
            None if length > 0 => elements.push(rest[..length].to_vec()),
            None => {}
        }
        rest = rest.get(length + 1..).unwrap_or_default();
    }
    elements
}

/// The element in the quotes that `text` starts with, and the length of both; `None` when they are not
/// closed, or not before a comma.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (quote, mut rest) = text.split_first()?;
    let mut element = Vec::new();
    loop {
        let (byte, length) = match rest {
            [b'\\', b'b', ..] => (8, 2),
            [b'\\', b'f', ..] => (12, 2),
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', b'\\', ..] => (b'\\', 2),
            [b'\\', next, ..] if next == quote => (*quote, 2),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (digit(*high) << 4 | digit(*low), 4)
            }
            [byte, after @ ..] if byte == quote => {
                let length = text.len() - after.len();
                return matches!(after.first(), None | Some(b',')).then_some((element, length));
            }
            [byte, ..] => (*byte, 1),
            [] => return None,
        };
        element.push(byte);
        rest = &rest[length..];
    }
}

/// Appends `\xHH`.
fn write_escaped(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

fn digit(hex: u8) -> u8 {
    (hex as char).to_digit(16).unwrap_or_default() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elements(text: &str) -> Vec<String> {
        decode(text.as_bytes()).iter().map(|element| String::from_utf8_lossy(element).into_owned()).collect()
    }

    /// Breaks without it: a list is written in another form than native has.
    #[test]
    fn forms() {
        let encoded = encode(&[b"a".to_vec(), b"one, two".to_vec(), br#"say "x""#.to_vec(), Vec::new()]);
        assert_eq!(encoded, br#"a,"one, two",'say "x"',"""#);
        assert_eq!(encode(&[]), b"");
    }

    /// Each kind of element, alone.
    #[test]
    fn quoting() {
        let table: [(&[u8], &[u8]); 11] = [
            (b"it's", br#""it's""#),
            (br#"say "x""#, br#"'say "x"'"#),
            (br#"it's "x""#, br#""it's \"x\"""#),
            (b"a\nb\\c\x01", br#""a\nb\\c\x01""#),
            (b"\x08\x0c\r\t", br#""\b\f\r\t""#),
            (b"a\x01b", b"a\x01b"),
            (b"a b\xff\xc3\xa9", b"\"a b\\xff\xc3\xa9\""),
            (b"caf\xe9", b"caf\xe9"),
            (b"\"\n", b"'\"\\n'"),
            (b"\x7f", b"\x7f"),
            (b"", br#""""#),
        ];
        for (element, expected) in table {
            assert_eq!(encode(&[element.to_vec()]), expected, "{}", element.escape_ascii());
        }
    }

    /// Text of other makers: nothing is lost, and nothing panics.
    #[test]
    fn foreign_text() {
        assert_eq!(elements("a, b,'c d',e"), ["a", " b", "c d", "e"]);
        assert_eq!(elements("a,,b,"), ["a", "b"]);
        assert_eq!(elements("\"\",''"), ["", ""]);
        assert_eq!(elements("\"open, end"), ["\"open", " end"]);
        assert_eq!(elements("\"a\"b,c"), ["\"a\"b", "c"]);
        assert_eq!(elements("\"a\\"), ["\"a\\"]);
        assert_eq!(elements(r#"'a\'b\"c\q\x4'"#), [r#"a'b\"c\q\x4"#]);
    }

    proptest! {
        /// Every list comes back, whatever bytes are in it.
        #[test]
        fn round_trip(list: Vec<Vec<u8>>) {
            prop_assert_eq!(decode(&encode(&list)), list);
        }

        /// Quotes, commas and backslashes close to each other.
        #[test]
        fn round_trip_of_specials(list in prop::collection::vec("[\"', \\\\a]{0,5}", 0..6)) {
            let list: Vec<Vec<u8>> = list.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(decode(&encode(&list)), list);
        }
    }
}
