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
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{
    Annotation, AnnotationKind, Level as Drawn, Renderer, Snippet, renderer::DecorStyle,
};

use super::label::{Label, fits, with_line_feeds};
use super::report::MAX_SHOWN;

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
