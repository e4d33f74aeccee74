//! One column after the other: [`Split`].
//!
//! 1. An opening quote counts as the very first byte of a column, and nowhere else.
//! 2. Spaces and tabs in front are left out, also inside of the quotes. One that is a delimiter ends the
//!    column.
//! 3. Inside of quotes a delimiter is a character like others, and so may be the quote itself ([`Escape`]).
//!    Behind the closing one, what stands before the delimiter is a part of the value. Without a closing
//!    quote the column is all the rest.
//! 4. Spaces and tabs at the end are left out.
//!
//! A value that stands in the text as it is, is a part of it; the others are made in a buffer.

use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

/// The way in which texts are split.
#[derive(Debug)]
pub(in crate::parser) struct Split {
    pub(in crate::parser) delimiters: Delimiters,
    /// The bytes that open a quoted column and close it.
    pub(in crate::parser) quotes: Box<[(u8, u8)]>,
    pub(in crate::parser) escape: Escape,
    /// Tells whether spaces and tabs around a value are left out.
    pub(in crate::parser) strips: bool,
}

/// The way in which a quote stands inside of quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parser) enum Escape {
    /// It does not.
    None,
    /// Behind a backslash, as any other character may be.
    Backslash,
    /// The same, and `\n` and its like mean what they do in C.
    Sequences,
    /// Twice.
    DoubleChar,
}

impl Escape {
    /// The words of `dialect()`.
    pub(in crate::parser) const WORDS: &[(&str, Self)] = &[
        ("escape-none", Self::None),
        ("escape-backslash", Self::Backslash),
        ("escape-backslash-with-sequences", Self::Sequences),
        ("escape-double-char", Self::DoubleChar),
    ];
}

/// The value of a column.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::parser) enum Column {
    /// It stands in the text.
    Part(Range<usize>),
    /// It is in the buffer.
    Made,
}

/// The texts that end a column.
#[derive(Debug)]
pub(in crate::parser) struct Delimiters {
    /// The bytes that are one.
    is_char: Box<[bool; 256]>,
    search: Search,
}

/// The way to look for a delimiter.
#[derive(Debug)]
enum Search {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Bytes,
    /// Texts come first, in their order; each byte that one begins with is marked.
    Texts(Vec<Box<[u8]>>, Box<[bool; 256]>),
}

impl Delimiters {
    pub(in crate::parser) fn new(chars: &[u8], texts: &[String]) -> Self {
        let mut is_char = Box::new([false; 256]);
        for byte in chars {
            is_char[usize::from(*byte)] = true;
        }
        let search = match *chars {
            _ if !texts.is_empty() => {
                let mut begins = is_char.clone();
                let firsts = texts.iter().filter_map(|text| text.as_bytes().first());
                for byte in firsts {
                    begins[usize::from(*byte)] = true;
                }
                Search::Texts(texts.iter().map(|text| text.as_bytes().into()).collect(), begins)
            }
            [one] => Search::One(one),
            [one, two] => Search::Two(one, two),
            [one, two, three] => Search::Three(one, two, three),
            _ => Search::Bytes,
        };
        Self { is_char, search }
    }

    /// Tells whether `byte` alone ends a column.
    #[inline]
    fn is_char(&self, byte: u8) -> bool {
        self.is_char[usize::from(byte)]
    }

    /// The place of the first delimiter of `text` from `start` on, and the place behind it; the end where
    /// there is none.
    #[inline]
    fn find(&self, text: &[u8], start: usize) -> (usize, usize) {
        let rest = &text[start..];
        let at = match &self.search {
            Search::One(one) => memchr(*one, rest),
            Search::Two(one, two) => memchr2(*one, *two, rest),
            Search::Three(one, two, three) => memchr3(*one, *two, *three, rest),
            Search::Bytes => rest.iter().position(|byte| self.is_char(*byte)),
            Search::Texts(texts, begins) => return self.find_text(text, start, (texts, begins)),
        };
        at.map_or((text.len(), text.len()), |at| (start + at, start + at + 1))
    }

    fn find_text(
        &self,
        text: &[u8],
        start: usize,
        (texts, begins): (&[Box<[u8]>], &[bool; 256]),
    ) -> (usize, usize) {
        for (at, byte) in (start..).zip(&text[start..]) {
            if begins[usize::from(*byte)] {
                if let Some(found) = texts.iter().find(|found| text[at..].starts_with(found)) {
                    return (at, at + found.len());
                }
                if self.is_char(*byte) {
                    return (at, at + 1);
                }
            }
        }
        (text.len(), text.len())
    }
}

impl Split {
    /// The column of `text` that begins at `start`, before its end, and the place where the next one begins.
    /// A value that does not stand in the text is what `made` has then.
    #[inline]
    pub(in crate::parser) fn column(&self, text: &[u8], start: usize, made: &mut Vec<u8>) -> (Column, usize) {
        if let Some((_, close)) = self.quotes.iter().find(|(open, _)| *open == text[start]) {
            return self.quoted(text, start + 1, *close, made);
        }
        let mut first = start;
        while self.strips
            && first < text.len()
            && is_blank(text[first])
            && !self.delimiters.is_char(text[first])
        {
            first += 1;
        }
        let (end, next) = self.delimiters.find(text, first);
        (Column::Part(first..self.end(text, first, end)), next)
    }

    /// All of `text` from `start` on, as the last column has it.
    pub(in crate::parser) fn rest(&self, text: &[u8], start: usize) -> Range<usize> {
        let first = if self.strips { skip_blanks(text, start) } else { start };
        first..self.end(text, first, text.len())
    }

    /// The column whose opening quote stands before `start`, up to `close`.
    fn quoted(&self, text: &[u8], start: usize, close: u8, made: &mut Vec<u8>) -> (Column, usize) {
        let first = if self.strips { skip_blanks(text, start) } else { start };
        made.clear();
        let (mut at, mut piece) = (first, first);
        // What is before `piece` is in the buffer, with its escapes undone.
        let closed = loop {
            let special = match self.escape {
                Escape::None | Escape::DoubleChar => memchr(close, &text[at..]),
                Escape::Backslash | Escape::Sequences => memchr2(close, b'\\', &text[at..]),
            };
            let Some(special) = special.map(|special| at + special) else { break None };
            let Some((byte, len)) = self.escape.read(&text[special..], close) else { break Some(special) };
            made.extend_from_slice(&text[piece..special]);
            made.push(byte);
            at = special + len;
            piece = at;
        };
        let is_plain = piece == first;
        let Some(closed) = closed else {
            if is_plain {
                return (Column::Part(first..self.end(text, first, text.len())), text.len());
            }
            made.extend_from_slice(&text[piece..]);
            return (self.made(made), text.len());
        };
        let (end, next) = self.delimiters.find(text, closed + 1);
        if is_plain && end == closed + 1 {
            return (Column::Part(first..self.end(text, first, closed)), next);
        }
        made.extend_from_slice(&text[piece..closed]);
        made.extend_from_slice(&text[closed + 1..end]);
        (self.made(made), next)
    }

    /// The value in the buffer, without the spaces and tabs at its end.
    fn made(&self, made: &mut Vec<u8>) -> Column {
        made.truncate(self.end(made, 0, made.len()));
        Column::Made
    }

    /// The end of the value `start..end`, without spaces and tabs if they are left out.
    #[inline]
    fn end(&self, text: &[u8], start: usize, end: usize) -> usize {
        let blanks = text[start..end].iter().rev().take_while(|byte| self.strips && is_blank(**byte));
        end - blanks.count()
    }
}

impl Escape {
    /// The byte that the escape at the start of `text` stands for, and its length; `None` for the closing
    /// quote.
    #[inline]
    fn read(self, text: &[u8], close: u8) -> Option<(u8, usize)> {
        match (self, text) {
            (Self::Backslash | Self::Sequences, [b'\\', rest @ ..]) => {
                // At the end it is itself.
                let Some(byte) = rest.first() else { return Some((b'\\', 1)) };
                if self == Self::Backslash {
                    return Some((*byte, 2));
                }
                Some(match rest {
                    [b'a', ..] => (0x07, 2),
                    [b'n', ..] => (b'\n', 2),
                    [b'r', ..] => (b'\r', 2),
                    [b't', ..] => (b'\t', 2),
                    [b'v', ..] => (0x0b, 2),
                    [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                        let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
                        (digit(high) << 4 | digit(low), 4)
                    }
                    _ => (*byte, 2),
                })
            }
            (Self::DoubleChar, [_, next, ..]) if *next == close => Some((close, 2)),
            _ => None,
        }
    }
}

/// The first place from `start` on that is no space and no tab.
fn skip_blanks(text: &[u8], start: usize) -> usize {
    start + text[start..].iter().take_while(|byte| is_blank(**byte)).count()
}

#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
