//! Places: [`Span`], and the text that it points into.
//!
//! A [`Span`] is twelve bytes, so every word of the syntax tree can carry one ([`Spanned`]); which file it is
//! in is known to the [`SourceMap`](super::SourceMap).
//!
//! Spans always point into the text as it is on the disk, never into the text after backtick substitution:
//! what came out of a backtick expression has the span of the whole expression.
use std::ops::Range;
use std::path::PathBuf;

/// One file of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(super) u32);

/// A place: a range of bytes in one file.
///
/// In the debug text with a sign (`{:+?}`) every place is `@`, so that the same thing at two places has one
/// text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The offset of the first byte.
    pub start: u32,
    /// The offset after the last byte.
    pub end: u32,
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if f.sign_plus() {
            return f.write_str("@");
        }
        f.debug_struct("Span")
            .field("file", &self.file)
            .field("start", &self.start)
            .field("end", &self.end)
            .finish()
    }
}

impl Span {
    /// The place from the start of `self` to the end of `last`; `self` when `last` is in another file.
    #[must_use]
    pub fn to(self, last: Span) -> Span {
        if self.file == last.file && last.end >= self.start { Span { end: last.end, ..self } } else { self }
    }

    /// The empty place right after `self`.
    #[must_use]
    pub fn after(self) -> Span {
        Span { start: self.end, ..self }
    }
}

/// A value and the place where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place in the file.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A file's name and text.
pub(super) struct SourceFile {
    /// The name that errors show.
    pub(super) path: PathBuf,
    /// The file's place in the order in which files were opened.
    pub(super) index: u32,
    /// The text as it was read.
    pub(super) text: String,
    /// The offset of each line's first byte.
    lines: Vec<u32>,
}

impl std::fmt::Debug for SourceFile {
    /// The name is enough: nobody wants the whole text in a debug print of the tree.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SourceFile {
    /// The file at `path`, the one with this index, whose text is `text`.
    pub(super) fn new(path: PathBuf, index: u32, text: String) -> Self {
        let lines = line_starts(text.as_bytes()).map(|at| at as u32).collect();
        Self { path, index, text, lines }
    }

    /// The index (from 0) of the line that holds `offset`.
    pub(super) fn line_index(&self, offset: usize) -> usize {
        self.lines.partition_point(|&start| start as usize <= offset).saturating_sub(1)
    }

    /// The bytes of the line with this index, without its newline.
    pub(super) fn line_range(&self, index: usize) -> Range<usize> {
        let start = self.lines.get(index).map_or(self.text.len(), |&start| start as usize);
        let end = self.lines.get(index + 1).map_or(self.text.len(), |&next| next as usize - 1);
        start..end.max(start)
    }
}

/// The length of the line at the start of `bytes`, with its end: LF, CR LF, or CR alone.
pub(super) fn line_length(bytes: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', &bytes[from..]) {
        from += at + 1;
        if bytes[from - 1] == b'\n' || bytes.get(from) != Some(&b'\n') {
            return from;
        }
    }
    bytes.len()
}

/// The offset of each line's first byte; there is one more line than there are ends of lines.
pub(super) fn line_starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
    let alone = |at: &usize| bytes[*at] == b'\n' || bytes.get(*at + 1) != Some(&b'\n');
    std::iter::once(0).chain(ends.filter(alone).map(|at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a file whose lines end with CR alone is one line, and its first word takes all of
    /// it.
    #[test]
    fn every_end_of_a_line_ends_it() {
        let text = "a\r\nb\rc\n\r\rd\r";
        let starts: Vec<_> = line_starts(text.as_bytes()).collect();
        assert_eq!(starts, [0, 3, 5, 7, 8, 9, 11]);
        let mut at = 0;
        for next in &starts[1..] {
            at += line_length(&text.as_bytes()[at..]);
            assert_eq!(at, *next);
        }
        assert_eq!(line_length(b"abc"), 3);
        assert_eq!(line_length(b""), 0);
    }
}
