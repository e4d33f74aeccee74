//! The compression of bodies and answers: [`Compression`].

use std::io::{self, Read, Write};

use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

/// A content coding (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// `gzip`
    Gzip,
    /// `deflate`: the format of zlib.
    Deflate,
}

impl Compression {
    /// The name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// Makes `packed` the compressed form of `text`.
    ///
    /// # Errors
    /// None is known: all is in memory.
    pub(super) fn compress(self, text: &[u8], packed: &mut Vec<u8>) -> io::Result<()> {
        packed.clear();
        let level = flate2::Compression::default();
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(&mut *packed, level);
                encoder.write_all(text)?;
                encoder.finish()?;
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(&mut *packed, level);
                encoder.write_all(text)?;
                encoder.finish()?;
            }
        }
        Ok(())
    }
}

/// Reads `body`, which is in the coding `coding`, up to `most` bytes.
///
/// # Errors
/// It is not what it says to be, or cannot be read.
pub(super) fn read_decoded(body: impl Read, coding: Option<&str>, most: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let most = most as u64;
    match coding.map(str::trim).map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => body.take(most).read_to_end(&mut text)?,
        Some("gzip" | "x-gzip") => GzDecoder::new(body).take(most).read_to_end(&mut text)?,
        Some("deflate") => ZlibDecoder::new(body).take(most).read_to_end(&mut text)?,
        Some(other) => {
            let message = format!("its content coding `{other}` was not asked for");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    };
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a server cannot read what it is sent, or an answer that is small on the wire takes
    /// all memory.
    #[test]
    fn texts_come_back_and_never_longer_than_they_may() {
        let text = vec![b'x'; 1 << 20];
        for coding in [Compression::Gzip, Compression::Deflate] {
            let mut packed = vec![1, 2, 3];
            coding.compress(&text, &mut packed).unwrap();
            assert!(packed.len() < 4096);
            assert_eq!(read_decoded(&packed[..], Some(coding.name()), 1 << 21).unwrap(), text);
            assert_eq!(read_decoded(&packed[..], Some(coding.name()), 100).unwrap().len(), 100);
            assert!(read_decoded(&packed[..100], Some(coding.name()), 1 << 21).is_err(), "it breaks off");
            assert!(read_decoded(&b"no"[..], Some(coding.name()), 10).is_err());
        }
        assert_eq!(read_decoded(&b"ab\0c"[..], None, 10).unwrap(), b"ab\0c");
        assert!(read_decoded(&b"no"[..], Some("br"), 10).is_err());
    }
}
