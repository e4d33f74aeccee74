//! A file, or the text of a block, that is being read: its text with the backticks replaced, and the way back
//! from that to the file.
//!
//! ```text
//! source    file("`dir`/x");         segments   verbatim   file("
//! text      file("/var/log/x");                 replaced   /var/log    from the whole of `dir`
//!                                               verbatim   /x");
//! ```
use std::ops::Range;
use std::sync::Arc;

use super::block::{Arguments, Block};
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
    /// The length of the source that went into `text`.
    read: usize,
    /// The end of what is read of the source.
    end: usize,
    /// The text starts in the first column of a line.
    starts_line: bool,
    /// The block that it is the text of, with the arguments of this use.
    block: Option<(Arc<Block>, Arc<Arguments>)>,
    /// The source up to there, with its backticks replaced.
    pub(super) text: String,
    segments: Vec<Segment>,
    /// The cursor in `text`.
    pub(super) at: usize,
}

impl Input {
    pub(super) fn new(file: FileId, source: Arc<SourceFile>) -> Self {
        let read = if source.text.starts_with('\u{feff}') { 3 } else { 0 };
        let end = source.text.len();
        let text = String::with_capacity(end);
        let segments = Vec::new();
        Self { file, source, read, end, starts_line: true, block: None, text, segments, at: 0 }
    }

    /// The text that the generator `block` has made.
    pub(super) fn made(file: FileId, source: Arc<SourceFile>, block: Arc<Block>) -> Self {
        Self { block: Some((block, Arc::default())), ..Self::new(file, source) }
    }

    /// The text of `block`, which is the part `range` of its file.
    pub(super) fn of_block(
        file: FileId,
        source: Arc<SourceFile>,
        range: Range<usize>,
        block: Arc<Block>,
        arguments: Arc<Arguments>,
    ) -> Self {
        let (text, segments) = (String::with_capacity(range.len()), Vec::new());
        let block = Some((block, arguments));
        let (read, end) = (range.start, range.end);
        Self { file, source, read, end, starts_line: false, block, text, segments, at: 0 }
    }

    pub(super) fn block(&self) -> Option<&Arc<Block>> {
        self.block.as_ref().map(|(block, _)| block)
    }

    pub(super) fn arguments(&self) -> Option<&Arc<Arguments>> {
        self.block.as_ref().map(|(_, arguments)| arguments)
    }

    /// Tells whether the cursor is at the first column of a line. The text of a block starts behind its
    /// brace.
    pub(super) fn is_line_start(&self) -> bool {
        match self.at.checked_sub(1) {
            Some(before) => matches!(self.text.as_bytes()[before], b'\n' | b'\r'),
            None => self.starts_line,
        }
    }

    /// The source up to the end of what is read of it.
    pub(super) fn whole(&self) -> &str {
        &self.source.text[..self.end]
    }

    /// The bytes of the source's next line, with its newline, which then counts as read. `None` at the end.
    pub(super) fn next_line(&mut self) -> Option<Range<usize>> {
        let (start, rest) = (self.read, &self.source.text.as_bytes()[self.read..self.end]);
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

    /// The places that the bytes `range` of the text come from: the bytes, their source, and whether they are
    /// the same.
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

    /// The place in a file of the bytes `range` of the text.
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
        &self.source.text[self.read..self.end]
    }

    /// Goes to the end of the file.
    pub(super) fn leave(&mut self) {
        self.read = self.end;
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
