//! Functions of URLs: `url-encode`.

use super::Arguments;

/// `$(url-encode)`: the texts one after the other, with all but the unreserved characters (RFC 3986 §2.3) as
/// `%XX`.
pub(super) fn url_encode(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in arguments.texts().flatten() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a value ends the part of a URL that it stands in, or arrives as another one.
    #[test]
    fn all_but_unreserved_characters_are_encoded() {
        for (texts, expected) in [
            (&[][..], ""),
            (&[&b"AZaz09-._~"[..]], "AZaz09-._~"),
            (&["a b/?&=%+~-_.!*()é".as_bytes()], "a%20b%2F%3F%26%3D%25%2B~-_.%21%2A%28%29%C3%A9"),
            (&[b"a", b"b"], "ab"),
            (&[b"A\xffb\0"], "A%FFb%00"),
        ] {
            let mut out = Vec::new();
            let text = |index: usize| texts[index].to_vec();
            url_encode(&Arguments { count: texts.len(), text: &text }, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
