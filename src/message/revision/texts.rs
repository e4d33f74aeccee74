//! The texts of a revision, one behind the other: [`Texts`].

/// The longest text that is looked for among those that were added lately.
const SHORT: usize = 64;

/// The texts of a revision.
///
/// Steps write the same few words again and again: names, constants, programs. A short text that was added
/// lately is taken for both. A place that is kept for this may be out of date: what stands there decides.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    recent: [(u32, u32); 16],
}

impl Texts {
    /// The number of bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The text of `len` bytes at `offset`.
    #[inline]
    pub(super) fn get(&self, offset: u32, len: u32) -> &[u8] {
        &self.bytes[offset as usize..][..len as usize]
    }

    /// Adds `text`, unless it was added lately; where it stands.
    #[inline]
    pub(super) fn add(&mut self, text: &[u8]) -> u32 {
        let (&[first, ..], &[.., last]) = (text, text) else { return 0 };
        let len = text.len();
        if len > SHORT {
            return self.push(text);
        }
        let slot = (len ^ usize::from(first) ^ (usize::from(last) << 1)) % self.recent.len();
        let (offset, known) = self.recent[slot];
        let start = offset as usize;
        if known as usize == len && self.bytes.get(start..start + len) == Some(text) {
            return offset;
        }
        let offset = self.push(text);
        self.recent[slot] = (offset, len as u32);
        offset
    }

    #[inline]
    fn push(&mut self, text: &[u8]) -> u32 {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        offset
    }

    /// Takes memory for so many bytes more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.bytes.reserve(more);
    }

    /// Takes back what was added since there were `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Takes off what was added since there were `len` bytes.
    pub(super) fn split_off(&mut self, len: usize) -> Vec<u8> {
        self.bytes.split_off(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a word that each message has takes memory for each, or a text is read as another
    /// one that stood there before.
    #[test]
    fn a_text_that_was_added_lately_is_added_once() {
        let mut texts = Texts::default();
        let one = texts.add(b"PROGRAM");
        let other = texts.add(b"value");
        assert_eq!((texts.add(b"PROGRAM"), texts.add(b"value"), texts.len()), (one, other, 12));
        texts.truncate(7);
        let again = texts.add(b"other");
        assert_eq!((again, texts.get(again, 5)), (7, &b"other"[..]));
        let value = texts.add(b"value");
        assert_eq!(texts.get(value, 5), b"value");
        assert_eq!(texts.split_off(12), b"value");
        let value = texts.add(b"value");
        assert_eq!(texts.get(value, 5), b"value");
        assert_eq!(texts.add(b""), 0);
    }
}
