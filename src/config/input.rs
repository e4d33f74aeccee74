//! A file that is being read: its text with the backticks replaced, and the way back from that to the file.
//!
//! ```text
//! source    file("`dir`/x");         segments   verbatim   file("
//! text      file("/var/log/x");                 replaced   /var/log    from the whole of `dir`
//!                                               verbatim   /x");
//! ```
use std::ops::Range;
use std::sync::Arc;

use super::span::{FileId, SourceFile, Span, line_length};

/// A piece of an input's text and where it comes from.
#[derive(Debug)]
struct Segment {
    at: usize,
    source: Range<usize>,
    verbatim: bool,
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) file: FileId,
    pub(super) source: Arc<SourceFile>,
    /// How much of the source went into `text`.
    read: usize,
    /// The source up to there, with its backticks replaced.
    pub(super) text: String,
    segments: Vec<Segment>,
    /// The cursor in `text`.
    pub(super) at: usize,
}

impl Input {
    pub(super) fn new(file: FileId, source: Arc<SourceFile>) -> Self {
        let read = if source.text.starts_with('\u{feff}') { 3 } else { 0 };
        let text = String::with_capacity(source.text.len());
        Self { file, source, read, text, segments: Vec::new(), at: 0 }
    }

    /// The bytes of the source's next line, with its newline, which then counts as read. `None` at the end.
    pub(super) fn next_line(&mut self) -> Option<Range<usize>> {
        let (start, rest) = (self.read, &self.source.text.as_bytes()[self.read..]);
        let length = line_length(rest);
        self.read += length;
        (length > 0).then_some(start..self.read)
    }

    /// Forgets the text behind the cursor, which was replaced too early: it is a block's raw content.
    pub(super) fn forget_ahead(&mut self) {
        self.text.truncate(self.at);
        while self.segments.last().is_some_and(|last| last.at >= self.at) {
            self.segments.pop();
        }
        if let Some(last) = self.segments.last_mut().filter(|last| last.verbatim) {
            last.source.end = last.source.start + (self.at - last.at);
        }
    }

    /// Goes on at the offset `at` of the source, after [`forget_ahead`](Self::forget_ahead).
    pub(super) fn skip_to(&mut self, at: usize) {
        self.read = at;
    }

    /// The places that the bytes `range` of the text come from: the bytes, their source, and whether they are the same.
    pub(super) fn runs(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = (Range<usize>, Range<usize>, bool)> + '_ {
        let first = self.segments.partition_point(|segment| segment.at <= range.start).saturating_sub(1);
        let nexts = self.segments.iter().skip(first + 1).map(|next| next.at).chain([self.text.len()]);
        let segments = self.segments[first.min(self.segments.len())..].iter().zip(nexts);
        segments.take_while(move |(segment, _)| segment.at < range.end).filter_map(move |(segment, next)| {
            let (start, end) = (range.start.max(segment.at), range.end.min(next));
            let offset = segment.source.start.wrapping_sub(segment.at);
            let source = if segment.verbatim {
                start.wrapping_add(offset)..end.wrapping_add(offset)
            } else {
                segment.source.clone()
            };
            (start < end).then_some((start..end, source, segment.verbatim))
        })
    }

    /// Where the bytes `range` of the text were written.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let mut runs = self.runs(range.clone());
        let source = if let Some((_, first, _)) = runs.next() {
            first.start..runs.last().map_or(first.end, |(_, last, _)| last.end)
        } else {
            let before = self.runs(range.start.saturating_sub(1)..range.start).next();
            let at = before.map_or(self.read, |(_, source, _)| source.end);
            at..at
        };
        Span { file: self.file, start: source.start as u32, end: source.end as u32 }
    }

    /// The part of the source that no line was read of.
    pub(super) fn unread(&self) -> &str {
        &self.source.text[self.read..]
    }

    /// Goes to the end of the file.
    pub(super) fn leave(&mut self) {
        self.read = self.source.text.len();
        self.at = self.text.len();
    }

    pub(super) fn push(&mut self, text: &str, source: Range<usize>, verbatim: bool) {
        match self.segments.last_mut() {
            Some(last) if last.verbatim && verbatim && last.source.end == source.start => {
                last.source.end = source.end;
            }
            _ => self.segments.push(Segment { at: self.text.len(), source, verbatim }),
        }
        self.text.push_str(text);
    }
}
