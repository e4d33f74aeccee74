//! Text of another encoding, made UTF-8: [`Encoding`] and [`Decoder`].

use std::fmt;

use encoding_rs::DecoderResult;

use crate::config::grammar::{Parsed, Parser};

/// An encoding, by a name that the Encoding Standard (<https://encoding.spec.whatwg.org>) has for it.
#[derive(Clone, Copy)]
pub(crate) struct Encoding(&'static encoding_rs::Encoding);

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Encoding {
    /// Tells whether it has two bytes for a character, or a multiple; true for the high one first.
    pub(crate) fn is_wide(self) -> Option<bool> {
        match self.0 {
            encoding if encoding == encoding_rs::UTF_16LE => Some(false),
            encoding if encoding == encoding_rs::UTF_16BE => Some(true),
            _ => None,
        }
    }

    /// Reads its name.
    pub(crate) fn read(parser: &mut Parser) -> Parsed<Self> {
        let name = parser.string("the name of an encoding")?;
        // The names of iconv have endings that say what becomes of what cannot be converted.
        let label = name.value.split("//").next().unwrap_or_default();
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).map(Self).ok_or_else(|| {
            let help = Some("encodings have the names of the web, such as \"iso-8859-2\"".to_owned());
            parser.report.error(name.span, format!("unknown encoding `{}`", name.value), help)
        })
    }
}

/// Decodes a stream, piece by piece: bytes that are no character are left out, and those that could still become
/// one wait for the next piece.
pub(crate) struct Decoder {
    inner: encoding_rs::Decoder,
    encoding: Encoding,
    /// The number of places with invalid bytes.
    invalid: u64,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self { inner: encoding.0.new_decoder_without_bom_handling(), encoding, invalid: 0 }
    }

    /// Appends the text of `bytes` to `to`; with `is_last` the stream ends after them.
    pub(crate) fn decode(&mut self, bytes: &[u8], is_last: bool, to: &mut Vec<u8>) {
        let mut left = bytes;
        loop {
            let most = self.inner.max_utf8_buffer_length_without_replacement(left.len());
            let start = to.len();
            to.resize(start + most.unwrap_or(left.len()).max(16), 0);
            let (result, read, written) =
                self.inner.decode_to_utf8_without_replacement(left, &mut to[start..], is_last);
            to.truncate(start + written);
            left = &left[read..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.invalid += 1,
            }
        }
        if is_last {
            self.inner = self.encoding.0.new_decoder_without_bom_handling();
        }
    }

    /// The number of places with invalid bytes since the last question.
    pub(crate) fn take_invalid(&mut self) -> u64 {
        std::mem::take(&mut self.invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(name: &str) -> Decoder {
        Decoder::new(Encoding(encoding_rs::Encoding::for_label(name.as_bytes()).unwrap()))
    }

    /// Breaks without it: text of another encoding arrives as it came, or loses characters at the cuts of reads.
    #[test]
    fn pieces_become_utf_8() {
        let text = b"\xe1\x72\x76\xed\x7a\xfb";
        let (mut whole, mut to) = (decoder("iso-8859-2"), Vec::new());
        whole.decode(text, false, &mut to);
        assert_eq!(String::from_utf8(to).unwrap(), "árvízű");
        let (mut pieces, mut to) = (decoder("euc-jp"), Vec::new());
        for byte in b"\xa4\xa2\xff\xa4\xa4a" {
            pieces.decode(&[*byte], false, &mut to);
        }
        assert_eq!((std::str::from_utf8(&to).unwrap(), pieces.take_invalid()), ("あいa", 1));
        pieces.decode(b"\xa4", true, &mut to);
        pieces.decode(b"b", true, &mut to);
        assert_eq!((std::str::from_utf8(&to).unwrap(), pieces.take_invalid()), ("あいab", 1));
    }
}
