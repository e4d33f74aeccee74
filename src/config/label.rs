//! Places as they are drawn: [`Label`], and the parts of lines that fit on a screen.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Snippet};

use super::span::{SourceFile, line_length};

/// The longest line that is shown whole, in bytes.
const MAX_LINE: usize = 240;
/// The most text from the first to the last of several places that are shown together, in bytes.
const MAX_TOGETHER: usize = 4096;
/// The part of a longer line that is shown before the place and from the place on, in bytes.
const AROUND: (usize, usize) = (60, 60);
/// A place, with what there is to say about it.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) file: Arc<SourceFile>,
    pub(super) at: Range<usize>,
    pub(super) text: String,
    /// The name to show for the file and what to add to the line's number, where `@line` set them.
    pub(super) shown: Option<(PathBuf, i64)>,
}

impl Label {
    /// The same place, cut to its first line and to whole characters.
    pub(super) fn first_line(&self) -> Range<usize> {
        let text = &self.file.text;
        let line = self.file.line_range(self.file.line_index(self.at.start.min(text.len())));
        let start = floor_char(text, self.at.start.clamp(line.start, line.end));
        let end = ceil_char(text, self.at.end.clamp(start, line.end));
        start..end
    }

    /// The name to show for the file, and what to add to the line's number.
    pub(super) fn shown(&self) -> (&PathBuf, i64) {
        self.shown.as_ref().map_or((&self.file.path, 0), |(path, shift)| (path, *shift))
    }

    pub(super) fn annotation(&self, kind: AnnotationKind, at: Range<usize>) -> Annotation<'_> {
        let annotation = kind.span(at);
        if self.text.is_empty() { annotation } else { annotation.label(self.text.as_str()) }
    }

    /// The part of the line around `at`, which is within the label's first line.
    ///
    /// The drawing library would show the column of the excerpt. So the header is a `mark`, and the second
    /// value says what is drawn for it and what has to stand there.
    pub(super) fn excerpt(
        &self,
        at: &Range<usize>,
        kind: AnnotationKind,
        mark: String,
    ) -> (Snippet<'_, Annotation<'_>>, (String, String)) {
        let (text, index) = (&self.file.text, self.file.line_index(at.start));
        let line = self.file.line_range(index);
        let start = floor_char(text, at.start.saturating_sub(AROUND.0).max(line.start));
        let end = ceil_char(text, (at.start + AROUND.1).min(line.end));
        let (before, after) =
            (if start > line.start { "…" } else { "" }, if end < line.end { "…" } else { "" });
        let excerpt = format!("{before}{}{after}", &text[start..end]);
        let moved = |at: usize| at.clamp(start, end) - start + before.len();
        let (path, shift) = self.shown();
        let number = (index as i64 + 1 + shift).max(0) as usize;
        let columns = |text: &str| text.chars().count() + 1;
        let drawn = format!("{mark}:{number}:{}", columns(&excerpt[..moved(at.start)]));
        let right = format!("{}:{number}:{}", path.display(), columns(&text[line.start..at.start]));
        let snippet = Snippet::source(excerpt).path(mark).line_start(number);
        (snippet.annotation(self.annotation(kind, moved(at.start)..moved(at.end))), (drawn, right))
    }
}

/// Tells whether `text` is short enough to be shown, and each of its lines is.
pub(super) fn fits(text: &str) -> bool {
    let mut rest = text.as_bytes();
    if rest.len() > MAX_TOGETHER {
        return false;
    }
    while !rest.is_empty() {
        let length = line_length(rest);
        if length > MAX_LINE {
            return false;
        }
        rest = &rest[length..];
    }
    true
}

/// `text` as the drawing library wants it: a CR alone, which ends a line, becomes LF. All offsets stay.
pub(super) fn with_line_feeds(text: &str) -> Cow<'_, str> {
    let mut drawn = Cow::Borrowed(text);
    for (at, _) in text.match_indices('\r') {
        if text.as_bytes().get(at + 1) != Some(&b'\n') {
            drawn.to_mut().replace_range(at..=at, "\n");
        }
    }
    drawn
}

pub(super) fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

pub(super) fn ceil_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
