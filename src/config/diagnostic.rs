//! Diagnostics: what is wrong with a configuration, shown at its place.
//!
//! A [`Diagnostic`] holds the text it points into, so it can be printed wherever it ends up.
//! `annotate-snippets` draws it, in the way Rust's own compiler does:
//!
//! ```text
//! error: unknown option `log-iw-sise`
//!  --> inrush.conf:3:29
//!   |
//! 3 | source s { python(class(A) log-iw-sise(10)); };
//!   |                            ^^^^^^^^^^^
//!   |
//!   = help: did you mean `log-iw-size`?
//! ```
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{
    Annotation, AnnotationKind, Level as Drawn, Renderer, Snippet, renderer::DecorStyle,
};

use super::report::MAX_SHOWN;
use super::span::{SourceFile, line_length};

/// The longest line that is shown whole, in bytes.
const MAX_LINE: usize = 240;
/// The most text from the first to the last of several places that are shown together, in bytes.
const MAX_TOGETHER: usize = 4096;
/// The part of a longer line that is shown before the place and from the place on, in bytes.
const AROUND: (usize, usize) = (60, 60);
/// The start of a mark that stands for a header: a letter that no text has.
const HEADER: char = '\u{e000}';

/// Its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but perhaps not as its author thinks.
    Warning,
}

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
    fn first_line(&self) -> Range<usize> {
        let text = &self.file.text;
        let line = self.file.line_range(self.file.line_index(self.at.start.min(text.len())));
        let start = floor_char(text, self.at.start.clamp(line.start, line.end));
        let end = ceil_char(text, self.at.end.clamp(start, line.end));
        start..end
    }

    /// The name to show for the file, and what to add to the line's number.
    fn shown(&self) -> (&PathBuf, i64) {
        self.shown.as_ref().map_or((&self.file.path, 0), |(path, shift)| (path, *shift))
    }

    fn annotation(&self, kind: AnnotationKind, at: Range<usize>) -> Annotation<'_> {
        let annotation = kind.span(at);
        if self.text.is_empty() { annotation } else { annotation.label(self.text.as_str()) }
    }

    /// The part of the line around `at`, which is within the label's first line.
    ///
    /// The drawing library would show the column of the excerpt. So the header is a `mark`, and the second
    /// value says what is drawn for it and what has to stand there.
    fn excerpt(
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
fn fits(text: &str) -> bool {
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
fn with_line_feeds(text: &str) -> Cow<'_, str> {
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

/// One error or warning, with its place and the line that it is about.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    pub(super) level: Level,
    pub(super) message: String,
    /// The place, then other places that have to do with it; empty when there is no place to show.
    pub(super) labels: Vec<Label>,
    pub(super) notes: Vec<String>,
    pub(super) help: Option<String>,
    /// More of the same.
    pub(super) more: Option<Box<More>>,
}

/// The diagnostics that one stands for beside itself, or in the place of itself.
#[derive(Debug, Clone)]
pub(super) enum More {
    /// Further places of the same, as they are shown, and how many more there are.
    Places(Vec<(PathBuf, u32)>, usize),
    /// The number of diagnostics that are not shown.
    Hidden(usize),
}

impl Diagnostic {
    /// An error that has no place in any file, such as a configuration that cannot be opened.
    pub(crate) fn without_place(message: impl Into<String>) -> Self {
        Self::new(Level::Error, message.into())
    }

    /// One without a place.
    pub(super) fn new(level: Level, message: String) -> Self {
        Self { level, message, labels: Vec::new(), notes: Vec::new(), help: None, more: None }
    }

    /// One that stands for `count` more of its level, which are not shown.
    pub(super) fn further(level: Level, count: usize) -> Self {
        let noun = if level == Level::Error { "error" } else { "warning" };
        let message = match count {
            1 => format!("there is one more {noun}"),
            _ => format!("there are {count} more {noun}s"),
        };
        Self { more: Some(Box::new(More::Hidden(count))), ..Self::new(level, message) }
    }

    /// Adds a further place of the same, if there are fewer than `most` so far.
    pub(super) fn add_place(&mut self, place: Option<(PathBuf, u32)>, most: usize) {
        let more = self.more.get_or_insert_with(|| Box::new(More::Places(Vec::new(), 0)));
        let More::Places(places, others) = &mut **more else { return };
        match place {
            Some(place) if places.len() < most => places.push(place),
            _ => *others += 1,
        }
    }

    /// The number of diagnostics it stands for that are not shown; 0 for one that is shown itself.
    fn hidden(&self) -> usize {
        if let Some(More::Hidden(count)) = self.more.as_deref() { *count } else { 0 }
    }

    /// The line that lists the further places.
    fn places(&self) -> Option<String> {
        let Some(More::Places(places, others)) = self.more.as_deref() else { return None };
        let own = self.place().map(|(path, ..)| path);
        let mut all: Vec<_> = places
            .iter()
            .map(|(path, line)| match &own {
                Some(own) if own == path => line.to_string(),
                _ => format!("{}:{line}", path.display()),
            })
            .collect();
        if *others > 0 {
            all.push(format!("and {others} more"));
        }
        let noun = if all.len() == 1 { "line" } else { "lines" };
        (!all.is_empty()).then(|| format!("also at {noun} {}", all.join(", ")))
    }

    /// Adds a line that explains; it is shown below the place.
    #[must_use]
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds another place that has to do with it; an empty `text` changes nothing.
    pub(super) fn with_label(mut self, label: Label) -> Self {
        self.labels.push(label);
        self
    }

    /// Its level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Its message, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Its message with all that explains it, without the lines of the file.
    pub(crate) fn in_words(&self) -> String {
        let mut words = self.message.clone();
        let notes = self.notes.iter().chain(&self.help);
        notes.for_each(|note| words.extend(["\n", note]));
        words
    }

    /// A better text, where there is something to propose.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file, line and column (both from 1, the column in characters) that it points to.
    pub fn place(&self) -> Option<(PathBuf, u32, u32)> {
        let label = self.labels.first()?;
        let at = label.first_line();
        let index = label.file.line_index(at.start);
        let column = label.file.text[label.file.line_range(index).start..at.start].chars().count() as u32 + 1;
        let (path, shift) = label.shown();
        Some((path.clone(), (index as i64 + 1 + shift).max(0) as u32, column))
    }

    /// Draws it with the lines that it is about, with terminal colours if `color`.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(140);
        let level = match self.level {
            Level::Error => Drawn::ERROR,
            Level::Warning => Drawn::WARNING,
        };
        let (snippets, headers) = self.snippets();
        let mut group = level.primary_title(self.message.as_str()).elements(snippets);
        for note in &self.notes {
            group = group.element(Drawn::NOTE.message(note.as_str()));
        }
        if let Some(places) = self.places() {
            group = group.element(Drawn::NOTE.message(places));
        }
        if let Some(help) = &self.help {
            group = group.element(Drawn::HELP.message(help.as_str()));
        }
        let mut drawn = renderer.render(&[group]);
        for (mark, header) in headers {
            drawn = drawn.replacen(&mark, &header, 1);
        }
        drawn
    }

    /// The parts of the files that are drawn: one piece of text for each run of labels in the same file.
    ///
    /// A piece goes from its first to its last line only, since the drawing library goes through all the text
    /// that it gets. Where that is long, or a line of it is, each label gets a piece of its own: an excerpt
    /// of its line. The second value says which headers were drawn with a mark in their place.
    fn snippets(&self) -> (Vec<Snippet<'_, Annotation<'_>>>, Vec<(String, String)>) {
        let same_text = |a: &Label, b: &Label| Arc::ptr_eq(&a.file, &b.file) && a.shown == b.shown;
        let (mut out, mut headers) = (Vec::new(), Vec::new());
        for (run, labels) in self.labels.chunk_by(same_text).enumerate() {
            let file = &labels[0].file;
            let places: Vec<_> = labels.iter().map(Label::first_line).collect();
            let first = places.iter().map(|at| file.line_index(at.start)).min().unwrap_or(0);
            let last = places.iter().map(|at| file.line_index(at.start)).max().unwrap_or(0);
            let (start, end) = (file.line_range(first).start, file.line_range(last).end);
            let kind = |index| {
                if run == 0 && index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context }
            };
            if !fits(&file.text[start..end]) {
                for (index, (label, at)) in labels.iter().zip(places).enumerate() {
                    let mark = format!("{HEADER}{}", headers.len());
                    let (snippet, header) = label.excerpt(&at, kind(index), mark);
                    out.push(snippet);
                    headers.push(header);
                }
                continue;
            }
            let (path, shift) = labels[0].shown();
            let mut snippet = Snippet::source(with_line_feeds(&file.text[start..end]))
                .path(path.to_string_lossy())
                .line_start((first as i64 + 1 + shift).max(0) as usize);
            for (index, (label, at)) in labels.iter().zip(places).enumerate() {
                snippet = snippet.annotation(label.annotation(kind(index), at.start - start..at.end - start));
            }
            out.push(snippet);
        }
        (out, headers)
    }

    /// The key that puts diagnostics into the order of their places; what has no place comes last.
    fn order(&self) -> (bool, Option<(u32, usize)>) {
        (self.labels.is_empty(), self.labels.first().map(|label| (label.file.index, label.at.start)))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Everything that is wrong with a configuration: at least one error, and the warnings.
#[derive(Debug, Clone)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// The errors and warnings, in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// The number of them of this level, with those that are not shown.
    pub fn count(&self, level: Level) -> usize {
        let counted = self.0.iter().filter(|diagnostic| diagnostic.level == level);
        counted.map(|diagnostic| diagnostic.hidden().max(1)).sum()
    }

    /// The number of errors.
    pub fn error_count(&self) -> usize {
        self.count(Level::Error)
    }

    /// Draws all of them, with terminal colours if `color`.
    pub fn render(&self, color: bool) -> String {
        let drawn: Vec<_> = self.0.iter().map(|diagnostic| diagnostic.render(color)).collect();
        drawn.join("\n\n")
    }
}

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_cached_key(Diagnostic::order);
        for level in [Level::Warning, Level::Error] {
            let is_own = |one: &Diagnostic| one.level == level && one.hidden() == 0;
            let own = list.iter().filter(|one| is_own(one)).count();
            if own <= MAX_SHOWN {
                continue;
            }
            // The first ones stay; one stands for the others, and for those that somebody else left out.
            let (mut seen, mut left_out) = (0, 0);
            list.retain(|one| {
                if one.level != level {
                    return true;
                }
                seen += usize::from(one.hidden() == 0);
                let stays = one.hidden() == 0 && seen <= MAX_SHOWN;
                left_out += if stays { 0 } else { one.hidden().max(1) };
                stays
            });
            list.push(Diagnostic::further(level, left_out));
        }
        Self(list)
    }
}

impl From<Diagnostics> for Vec<Diagnostic> {
    fn from(diagnostics: Diagnostics) -> Self {
        diagnostics.0
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
