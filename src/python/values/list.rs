//! Lists as text: elements with commas between, quoted where needed.
//!
//! ```text
//! a,b                        two elements without anything special
//! a,"one, two","say \"x\""   quoted: commas, spaces, quotes, backslashes, control characters; `\` before `"` and `\`
//! a,"",c                     the element in the middle is empty
//!                            no text at all: no elements
//! ```
//!
//! An element is any bytes. [`decode`] gives back what [`push`] was given, and reads text of other makers as well: single
//! quotes, spaces before an element, an end without a closing quote.

/// Appends `element` to a list that has elements already when `first` is false.
pub fn push(element: &[u8], first: bool, out: &mut Vec<u8>) {
    if !first {
        out.push(b',');
    }
    let special = |byte: &u8| matches!(byte, 0..=b' ' | b',' | b'"' | b'\'' | b'\\' | 127);
    if !element.is_empty() && !element.iter().any(special) {
        out.extend_from_slice(element);
        return;
    }
    out.push(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
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
    if text.is_empty() {
        return elements;
    }
    let mut rest = text;
    loop {
        while let [b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        let (element, after) = match rest {
            [quote @ (b'"' | b'\''), inside @ ..] => unquote(inside, *quote),
            bare => {
                let end = memchr::memchr(b',', bare).unwrap_or(bare.len());
                (bare[..end].to_vec(), &bare[end..])
            }
        };
        elements.push(element);
        match after {
            [b',', next @ ..] => rest = next,
            _ => return elements,
        }
    }
}

/// The element before the closing quote, and what follows it from the comma on.
fn unquote(inside: &[u8], quote: u8) -> (Vec<u8>, &[u8]) {
    let mut element = Vec::new();
    let mut rest = inside;
    loop {
        match rest {
            [] => return (element, rest),
            [b'\\', byte, after @ ..] => {
                element.push(*byte);
                rest = after;
            }
            [byte, after @ ..] if *byte == quote => {
                // What stands between a closing quote and the comma belongs to the element.
                let end = memchr::memchr(b',', after).unwrap_or(after.len());
                element.extend_from_slice(&after[..end]);
                return (element, &after[end..]);
            }
            [byte, after @ ..] => {
                element.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elements(text: &str) -> Vec<String> {
        decode(text.as_bytes()).iter().map(|element| String::from_utf8_lossy(element).into_owned()).collect()
    }

    #[test]
    fn forms() {
        let encoded = encode(&[b"a".to_vec(), b"one, two".to_vec(), br#"say "x""#.to_vec(), Vec::new()]);
        assert_eq!(encoded, br#"a,"one, two","say \"x\"","""#);
        assert_eq!(encode(&[]), b"");
    }

    /// Text of other makers: nothing is lost, and nothing panics.
    #[test]
    fn foreign_text() {
        assert_eq!(elements("a, b,'c d',e"), ["a", "b", "c d", "e"]);
        assert_eq!(elements("a,,"), ["a", "", ""]);
        assert_eq!(elements("\"open, end"), ["open, end"]);
        assert_eq!(elements("\"a\"b,c"), ["ab", "c"]);
        assert_eq!(elements("\"a\\"), ["a\\"]);
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
