//! Eight bytes at a time: short texts are searched and compared as numbers.
//!
//! Names, words and values are 2 to 20 bytes long: too short for a call of `memchr` or `memcmp` to pay, long
//! enough for a loop over bytes to be most of the cost of a message (replacing it took a third off a header's). A
//! word of eight bytes is compared in a few integer operations: with `x` the bytes exclusive-or'ed with the
//! wanted one in each place, the high bit of `(x - 0x0101…) & !x` is set in every place that was zero, and
//! perhaps, by the borrow, in places *above* one, so the lowest set bit is always right (A. Mycroft 1987; H.
//! Warren, "Hacker's Delight", §6-1). A byte below `n` is found in the same way with `n` for 1.
#![forbid(unsafe_code)]

use memchr::memchr2;

/// The lowest bit of each byte of a word.
pub(crate) const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte of a word.
pub(crate) const HIGHS: u64 = ONES << 7;

/// The words that a text is looked through by before it counts as a long one.
const WORDS: usize = 4;

/// A mark in the high bit of each byte of `word` that is below `bound`, which is at most 128.
#[inline]
pub(crate) const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * bound as u64) & !word & HIGHS
}

/// A mark in the high bit of each byte of `word` that is `byte`.
#[inline]
pub(crate) const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

/// The place of the first byte that is marked.
#[inline]
pub(crate) const fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// The first place at or after `at` whose byte is marked by `marks`; what is right for a word is right for
/// the end of the text too, where the missing bytes are zeros and do not count.
#[inline]
pub(crate) fn find(text: &[u8], at: usize, marks: impl Fn(u64) -> u64) -> Option<usize> {
    let mut at = at;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = marks(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Some(at + first(found));
        }
        at += 8;
    }
    find_at_end(text, at, marks)
}

/// [`find`] in fewer than eight bytes.
#[inline]
fn find_at_end(text: &[u8], at: usize, marks: impl Fn(u64) -> u64) -> Option<usize> {
    let rest = text.get(at..)?;
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    let found = first(marks(u64::from_le_bytes(bytes)));
    (found < rest.len()).then_some(at + found)
}

/// The place of the first byte at or after `at` that is `one` or `other`. For a text of more than a few words
/// a call of `memchr2` is worth its price.
#[inline]
pub(crate) fn either(text: &[u8], mut at: usize, one: u8, other: u8) -> Option<usize> {
    let marks = |word| equal(word, one) | equal(word, other);
    for _ in 0..WORDS {
        let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk()) else {
            return find_at_end(text, at, marks);
        };
        let found = marks(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Some(at + first(found));
        }
        at += 8;
    }
    memchr2(one, other, &text[at..]).map(|found| at + found)
}

/// Tells whether two texts are the same: mostly two short ones.
#[inline]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    match one.len() {
        len if len != other.len() => false,
        8..=16 => same_ends::<8>(one, other),
        4..=7 => same_ends::<4>(one, other),
        _ => one == other,
    }
}

/// Tells whether the first and the last `N` bytes are the same, which overlap in texts of less than twice as many.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a comparison of two numbers each, which a call is more than")]
fn same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    match (one.first_chunk::<N>(), other.first_chunk::<N>(), one.last_chunk::<N>(), other.last_chunk::<N>()) {
        (Some(first), Some(other_first), Some(last), Some(other_last)) => {
            first == other_first && last == other_last
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Breaks without it: a value ends at a byte that is nearly a quote, or goes on over one.
        #[test]
        fn either_as_a_loop(
            text in prop::collection::vec(
                prop_oneof![1 => any::<u8>(), 2 => prop::sample::select(b"!\"#\\]\xa2\x00".to_vec()), 30 => Just(b'a')],
                0..80,
            ),
            at in 0..80_usize,
        ) {
            let slow = (at..text.len()).find(|at| matches!(text[*at], b'"' | b'\\'));
            prop_assert_eq!(either(&text, at, b'"', b'\\'), slow);
        }

        /// Breaks without it: two names are taken for one that differ in a byte that was not looked at.
        #[test]
        fn same_as_a_comparison(
            text in prop::collection::vec(any::<u8>(), 0..40),
            at in 0..40_usize,
            bit in 0..8_u32,
            len in 0..40_usize,
        ) {
            let mut other = text.clone();
            prop_assert!(is_same(&text, &other));
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 1_u8 << bit;
                prop_assert!(!is_same(&text, &other));
            }
            let part = &text[..len.min(text.len())];
            prop_assert_eq!(is_same(&text, part), text.len() == part.len());
        }
    }
}
