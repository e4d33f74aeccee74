//! What is wrong with a configuration, shown at its place.
//!
//! A [`Diagnostic`] holds the text it points into, so it can be printed wherever it ends up. `annotate-snippets` draws
//! it, in the way Rust's own compiler does:
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
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level as Drawn, Renderer, Snippet, renderer::DecorStyle};

use super::span::SourceFile;

/// How bad it is.
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
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil_char(text: &str, mut at: usize) -> usize {
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
}

impl Diagnostic {
    /// An error that has no place in any file, such as a configuration that cannot be opened.
    pub fn without_place(message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// Adds a line that explains; it is shown below the place.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds another place that has to do with it; an empty `text` changes nothing.
    pub(super) fn with_label(mut self, label: Label) -> Self {
        self.labels.push(label);
        self
    }

    /// How bad it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right, where there is something to propose.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file, line and column (both from 1, the column in characters) that it points to.
    pub fn place(&self) -> Option<(PathBuf, u32, u32)> {
        let label = self.labels.first()?;
        let at = label.first_line();
        let index = label.file.line_index(at.start);
        let column = label.file.text[label.file.line_range(index).start..at.start].chars().count() as u32 + 1;
        let (path, shift) = label.shown.clone().unwrap_or_else(|| (label.file.path.clone(), 0));
        Some((path, (index as i64 + 1 + shift).max(0) as u32, column))
    }

    /// Draws it with the lines that it is about, with terminal colours if `color`.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(140);
        let level = match self.level {
            Level::Error => Drawn::ERROR,
            Level::Warning => Drawn::WARNING,
        };
        let mut group = level.primary_title(self.message.as_str()).elements(self.snippets());
        for note in &self.notes {
            group = group.element(Drawn::NOTE.message(note.as_str()));
        }
        if let Some(help) = &self.help {
            group = group.element(Drawn::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// One piece of text for each run of labels in the same file. Each is handed over from its first to its last
    /// line only: the drawing library goes through all the text it gets, and a configuration may be long.
    fn snippets(&self) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
        let same_text = |a: &Label, b: &Label| Arc::ptr_eq(&a.file, &b.file) && a.shown == b.shown;
        let mut out = Vec::new();
        for (run, labels) in self.labels.chunk_by(same_text).enumerate() {
            let file = &labels[0].file;
            let places: Vec<_> = labels.iter().map(Label::first_line).collect();
            let first = places.iter().map(|at| file.line_index(at.start)).min().unwrap_or(0);
            let last = places.iter().map(|at| file.line_index(at.start)).max().unwrap_or(0);
            let (start, end) = (file.line_range(first).start, file.line_range(last).end);
            let (path, shift) = match &labels[0].shown {
                Some((path, shift)) => (path, *shift),
                None => (&file.path, 0),
            };
            let mut snippet = Snippet::source(&file.text[start..end])
                .path(path.to_string_lossy())
                .line_start((first as i64 + 1 + shift).max(0) as usize);
            for (index, (label, at)) in labels.iter().zip(places).enumerate() {
                let kind =
                    if run == 0 && index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let mut annotation = kind.span(at.start - start..at.end - start);
                if !label.text.is_empty() {
                    annotation = annotation.label(label.text.as_str());
                }
                snippet = snippet.annotation(annotation);
            }
            out.push(snippet);
        }
        out
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

    /// How many of them are errors.
    pub fn error_count(&self) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.level == Level::Error).count()
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
        Self(list)
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
