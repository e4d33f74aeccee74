//! A pattern of sets of bytes, one behind the other: [`Sequence`].
//!
//! Such a pattern has one length, and there is one way to match at a place. So no engine is needed:
//!
//! ```text
//!  o[a-z]      the rarest set, by memchr        Accepted [a-z]+…    a run of single bytes, by memmem
//!              then each place, by a table                          then each place, by the table
//!  \d\d        sets of more than three bytes: all places at once, a bit for each, byte after byte
//! ```
//!
//! The last is the algorithm Shift-And of Baeza-Yates and Gonnet (A New Approach to Text Searching, 1992).
//! None of them looks at a byte more often than the pattern is long. Where all matches are asked for, a set of
//! up to three bytes is found in eight bytes at a time: matches that are near each other, as in most texts, cost
//! more calls of memchr than they have bytes between them.

use memchr::memmem::Finder;
use memchr::{memchr, memchr2, memchr3};

use crate::eight::{equal, first};

/// The longest pattern, in bytes: a bit for each.
pub(super) const MOST: usize = u64::BITS as usize;

/// Sets of bytes, one behind the other.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    /// For each byte the places of the pattern where it may stand, the first one in the lowest bit.
    places: Box<[u64; 256]>,
    len: usize,
    search: Search,
    /// The place of the pattern that is searched for.
    at: usize,
}

/// The way to the next place where the pattern may match.
#[derive(Debug, Clone)]
enum Search {
    Run(Box<Finder<'static>>),
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Every,
}

impl Sequence {
    /// The pattern of `sets`, each with its bytes; `None` for one that is empty or too long.
    pub(super) fn new(sets: &[Vec<u8>]) -> Option<Self> {
        if sets.is_empty() || sets.len() > MOST {
            return None;
        }
        let mut places = Box::new([0; 256]);
        for (at, set) in sets.iter().enumerate() {
            for byte in set {
                places[usize::from(*byte)] |= 1 << at;
            }
        }
        let (search, at) = Search::of(sets);
        Some(Self { places, len: sets.len(), search, at })
    }

    /// The number of bytes that it matches.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place of the first match in `text` from `start` on.
    #[inline]
    pub(super) fn find(&self, text: &[u8], start: usize) -> Option<usize> {
        let mut from = start + self.at;
        loop {
            let rest = text.get(from..)?;
            let found = match &self.search {
                Search::Run(finder) => finder.find(rest)?,
                Search::One(one) => memchr(*one, rest)?,
                Search::Two(one, two) => memchr2(*one, *two, rest)?,
                Search::Three(one, two, three) => memchr3(*one, *two, *three, rest)?,
                Search::Every => return self.find_every(text, start),
            };
            let first = from + found - self.at;
            if self.matches(text.get(first..first + self.len)?) {
                return Some(first);
            }
            from += found + 1;
        }
    }

    /// Tells whether `part`, which is as long as the pattern, matches.
    #[inline]
    fn matches(&self, part: &[u8]) -> bool {
        part.iter().enumerate().all(|(at, byte)| self.places[usize::from(*byte)] >> at & 1 == 1)
    }

    /// Calls `each` with the place of each match in `text`, in order, none of which is a part of another, until
    /// it gives false.
    pub(super) fn find_all(&self, text: &[u8], each: &mut impl FnMut(usize) -> bool) {
        match self.search {
            Search::One(one) => self.find_near([one], text, each),
            Search::Two(one, two) => self.find_near([one, two], text, each),
            Search::Three(one, two, three) => self.find_near([one, two, three], text, each),
            Search::Run(_) | Search::Every => self.find_rest(text, 0, each),
        }
    }

    /// The same, from `start` on.
    fn find_rest(&self, text: &[u8], mut start: usize, each: &mut impl FnMut(usize) -> bool) {
        while let Some(at) = self.find(text, start)
            && each(at)
        {
            start = at + self.len;
        }
    }

    /// The same, where the set that is searched for is `set`.
    fn find_near<const N: usize>(&self, set: [u8; N], text: &[u8], each: &mut impl FnMut(usize) -> bool) {
        let Some(mut start) = self.find(text, 0) else { return };
        let mut from = start + self.at;
        while let Some(eight) = text.get(from..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*eight);
            // Bytes of the set, and perhaps one behind such a byte, which does not match.
            let mut marks = set.iter().fold(0, |marks, byte| marks | equal(word, *byte));
            while marks != 0 {
                let at = from + first(marks) - self.at;
                marks &= marks - 1;
                if at >= start && text.get(at..at + self.len).is_some_and(|part| self.matches(part)) {
                    if !each(at) {
                        return;
                    }
                    start = at + self.len;
                }
            }
            from += 8;
        }
        self.find_rest(text, start.max(from - self.at), each);
    }

    /// The same as [`find`](Self::find), for a pattern without a byte that can be searched for.
    fn find_every(&self, text: &[u8], start: usize) -> Option<usize> {
        let last = 1 << (self.len - 1);
        // A bit for each start of the pattern that matches up to the byte before.
        let mut begun = 0_u64;
        let end = text[start..].iter().position(|byte| {
            begun = (begun << 1 | 1) & self.places[usize::from(*byte)];
            begun & last != 0
        })?;
        Some(start + end + 1 - self.len)
    }
}

impl Search {
    /// The way that is the shortest for `sets`, and the place of the pattern that it finds.
    fn of(sets: &[Vec<u8>]) -> (Self, usize) {
        let is_single = |set: &Vec<u8>| set.len() == 1;
        let mut longest = 0..0;
        let mut at = 0;
        for run in sets.chunk_by(|one, two| is_single(one) == is_single(two)) {
            if is_single(&run[0]) && run.len() > longest.len() {
                longest = at..at + run.len();
            }
            at += run.len();
        }
        if longest.len() > 1 {
            let at = longest.start;
            return (Self::Run(Box::new(Finder::new(&sets[longest].concat()).into_owned())), at);
        }
        let common = |set: &Vec<u8>| set.iter().filter(|byte| is_common(**byte)).count();
        let rarest = sets.iter().enumerate().min_by_key(|(_, set)| (set.len(), common(set)));
        match rarest.map(|(at, set)| (&**set, at)) {
            Some(([one], at)) => (Self::One(*one), at),
            Some(([one, two], at)) => (Self::Two(*one, *two), at),
            Some(([one, two, three], at)) => (Self::Three(*one, *two, *three), at),
            _ => (Self::Every, 0),
        }
    }
}

/// Tells whether most texts have many of `byte`.
fn is_common(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow twin: each place is looked at, set by set.
    fn slow(sets: &[Vec<u8>], text: &[u8], start: usize) -> Option<usize> {
        (start..text.len()).find(|at| {
            let part = text.get(*at..at + sets.len());
            part.is_some_and(|part| part.iter().zip(sets).all(|(byte, set)| set.contains(byte)))
        })
    }

    fn set(text: &str) -> Vec<u8> {
        text.bytes().collect()
    }

    /// Breaks without it: a way to search finds a match at another place, or none where there is one.
    #[test]
    fn every_way_finds_what_the_slow_one_finds() {
        let letters = || (b'a'..=b'z').collect::<Vec<u8>>();
        let patterns = [
            vec![set("o"), letters()],
            vec![letters(), set("o")],
            vec![letters(), set("."), letters()],
            vec![set("oO"), letters()],
            vec![set("abc"), set("o")],
            vec![letters(), set("abc"), letters()],
            vec![letters(), letters()],
            vec![letters(), letters(), vec![0xff, 0xc3, b'.', b' ']],
            vec![set("a"), set("b"), letters()],
            vec![letters(), set("a"), set("b"), set("a"), letters(), set("b")],
            vec![vec![b'a', b'b', b'o', b'.']; MOST],
            vec![set("a"); MOST],
        ];
        let pieces: [&[u8]; 9] = [b"o", b"a", b"b", b"ab", b"abac", b".", b" ", b"\xff", b"O"];
        for sets in &patterns {
            let sequence = Sequence::new(sets).unwrap();
            assert_eq!(sequence.len(), sets.len());
            let mut seed = 1_u32;
            for _ in 0..200 {
                let mut text = Vec::new();
                for _ in 0..(seed >> 27) + 60 {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Runs of one piece let long patterns match.
                    text.extend(pieces[seed as usize >> 8 & 0xff_ffff & 7].repeat(1 + (seed as usize >> 28)));
                }
                let mut start = 0;
                while start <= text.len() {
                    let found = sequence.find(&text, start);
                    assert_eq!(
                        found,
                        slow(sets, &text, start),
                        "{sets:?} in {} from {start}",
                        text.escape_ascii()
                    );
                    start = found.map_or(start + 7, |at| at + sets.len());
                }
                assert_eq!(sequence.find(&text, text.len() + 1), None);
                let mut start = 0;
                let next = || {
                    let found = slow(sets, &text, start)?;
                    start = found + sets.len();
                    Some(found)
                };
                let expected: Vec<usize> = std::iter::from_fn(next).collect();
                for most in [1, 3, usize::MAX] {
                    let mut all = Vec::new();
                    sequence.find_all(&text, &mut |at| {
                        all.push(at);
                        all.len() < most
                    });
                    assert_eq!(
                        all,
                        expected[..expected.len().min(most)],
                        "{sets:?} in {}",
                        text.escape_ascii()
                    );
                }
            }
        }
    }

    /// Breaks without it: a pattern without a set matches everywhere, or one that is too long a part of it.
    #[test]
    fn patterns_that_it_has_no_bits_for_are_none() {
        assert!(Sequence::new(&[]).is_none() && Sequence::new(&vec![set("a"); MOST + 1]).is_none());
    }
}
