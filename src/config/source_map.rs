//! The files that a configuration was read from, and what is to be said of places in them: [`SourceMap`].
//!
//! The texts that all [`Span`]s point into live here, for as long as somebody may have an error to report. Of
//! a place in a backtick expression, [`SourceMap::error`] notes the text that was read there.
use std::borrow::Cow;
use std::fmt::Write as _;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Level};
use super::label::{Label, ceil_char, floor_char};
use super::span::{FileId, SourceFile, Span};

/// A backtick expression that was replaced.
#[derive(Debug)]
struct Expansion {
    span: Span,
    name: String,
    value: String,
}

/// A line `@line`: the line after `offset` is `line` of `path`.
#[derive(Debug)]
struct LineMark {
    file: FileId,
    offset: u32,
    path: PathBuf,
    line: u32,
}

/// The place that had a file, or the text of a block, read.
#[derive(Debug)]
pub(super) enum Origin {
    /// Nothing: it is the main file.
    Main,
    /// `@include`
    Include(Span),
    /// A use of the block with this name.
    Use(Span, String),
}

impl Origin {
    /// Its place.
    pub(super) fn span(&self) -> Option<Span> {
        match self {
            Self::Main => None,
            Self::Include(span) | Self::Use(span, _) => Some(*span),
        }
    }
}

/// The uses of blocks that are shown with a place in the text of one: the innermost, and the outermost.
const MAX_USES: usize = 4;

/// The files of a configuration, in the order in which they were opened. The text of a block is one more each
/// time that the block is used: the file that has the block.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: Vec<(Arc<SourceFile>, Origin)>,
    expansions: Vec<Expansion>,
    marks: Vec<LineMark>,
}

impl SourceMap {
    /// Adds a file.
    pub(super) fn add(&mut self, path: PathBuf, text: String, included_at: Option<Span>) -> FileId {
        let id = FileId(self.files.len() as u32);
        let origin = included_at.map_or(Origin::Main, Origin::Include);
        self.files.push((Arc::new(SourceFile::new(path, id.0, text)), origin));
        id
    }

    /// Adds the use at `used` of a block called `name`, whose text is in `file`.
    pub(super) fn add_use(&mut self, file: FileId, used: Span, name: &str) -> FileId {
        let id = FileId(self.files.len() as u32);
        self.files.push((Arc::clone(self.file(file)), Origin::Use(used, name.to_owned())));
        id
    }

    /// Adds the text that a generator called `name` has made for its use at `used`.
    pub(super) fn add_made(&mut self, text: String, used: Span, name: &str) -> FileId {
        let id = FileId(self.files.len() as u32);
        let file = SourceFile::new(format!("output of {name}()").into(), id.0, text);
        self.files.push((Arc::new(file), Origin::Use(used, name.to_owned())));
        id
    }

    pub(super) fn file(&self, id: FileId) -> &Arc<SourceFile> {
        &self.files[id.0 as usize].0
    }

    /// The place that had the file read.
    pub(super) fn origin(&self, id: FileId) -> &Origin {
        &self.files[id.0 as usize].1
    }

    /// The places that had the file with `span` read, what had that read, and so on.
    pub(super) fn origins(&self, span: Span) -> impl Iterator<Item = &Origin> {
        std::iter::successors(Some(self.origin(span.file)), |origin| {
            origin.span().map(|span| self.origin(span.file))
        })
    }

    /// Remembers that the backtick expression at `span` was read as `value`.
    pub(super) fn add_expansion(&mut self, span: Span, name: &str, value: &str) {
        self.expansions.push(Expansion { span, name: name.to_owned(), value: value.to_owned() });
    }

    /// Remembers an `@line` that ends at `span`.
    pub(super) fn add_mark(&mut self, span: Span, path: PathBuf, line: u32) {
        self.marks.push(LineMark { file: span.file, offset: span.end, path, line });
    }

    /// The path of the file that `span` points into.
    pub fn path(&self, span: Span) -> &Path {
        &self.file(span.file).path
    }

    /// The main file's path and text.
    pub(super) fn main_file(&self) -> (&Path, &str) {
        self.files.first().map_or((Path::new(""), ""), |(file, _)| (file.path.as_path(), file.text.as_str()))
    }

    /// The text that `span` covers.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The line, from 1, of the first byte of `span`.
    pub fn line(&self, span: Span) -> u32 {
        self.file(span.file).line_index(span.start as usize) as u32 + 1
    }

    /// The part of `span` that is on the line with this number, from 1.
    pub(super) fn part_on_line(&self, span: Span, line: u32) -> Option<Span> {
        let file = self.file(span.file);
        let (first, last) = (file.line_index(span.start as usize), file.line_index(span.end as usize));
        let index = (line as usize).checked_sub(1).filter(|index| (first..=last).contains(index))?;
        let range = file.line_range(index);
        let (start, end) = (span.start.max(range.start as u32), span.end.min(range.end as u32));
        Some(Span { start, end: end.max(start), ..span })
    }

    /// The paths of all files, in the order in which they were opened; not those of the library that comes
    /// with Inrush.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let files =
            self.files.iter().filter(|(file, origin)| !matches!(origin, Origin::Use(..)) && !file.is_own());
        files.map(|(file, _)| file.path.as_path())
    }

    /// The paths of everything that was read, each use of a block with that of its file.
    #[cfg(test)]
    pub(super) fn all_paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(file, _)| file.path.as_path())
    }

    /// An error at `span`; `help` says what would be right.
    pub fn error(&self, span: Span, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.diagnostic(Level::Error, span, &message.into(), help)
    }

    /// A warning at `span`; `help` says what would be better.
    pub fn warning(&self, span: Span, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.diagnostic(Level::Warning, span, &message.into(), help)
    }

    fn diagnostic(&self, level: Level, span: Span, message: &str, help: Option<String>) -> Diagnostic {
        // A quoted text of the user's may have line breaks in it; a message is one line.
        let message = bounded(message).replace('\n', "\\n");
        let help = help.map(|help| bounded(&help).into_owned());
        let mut notes = Vec::new();
        for expansion in self.expansions.iter().filter(|expansion| touches(expansion.span, span)).take(3) {
            let name = shortened(&expansion.name);
            notes.push(match expansion.value.as_str() {
                "" => format!("`{name}` between backticks is not defined, and so is empty here"),
                value => format!("`{name}` between backticks was read as: {}", shortened(value)),
            });
        }
        let mut includes = String::new();
        let mut uses = Vec::new();
        for origin in self.origins(span) {
            match origin {
                Origin::Main => {}
                Origin::Include(at) => {
                    let start = if includes.is_empty() { "included from " } else { ", from " };
                    let _ = write!(includes, "{start}{}:{}", self.path(*at).display(), self.line(*at));
                }
                Origin::Use(at, name) => uses.push((*at, name)),
            }
        }
        if !includes.is_empty() {
            notes.push(includes);
        }
        if uses.len() > MAX_USES {
            notes.push(format!("{} more uses of blocks lie between", uses.len() - MAX_USES));
            uses.drain(MAX_USES - 1..uses.len() - 1);
        }
        let mut labels = vec![self.label(span, "")];
        labels.extend(
            uses.into_iter().map(|(at, name)| self.label(at, format!("`{}` is used here", shortened(name)))),
        );
        // Nobody can change the library that comes with Inrush: the place is the use of its block.
        if let Some(first) = labels.iter().position(|label| !label.file.is_own()) {
            if first > 0 {
                let text = "in the text of the block, of Inrush's library";
                text.clone_into(&mut labels[0].text);
            }
            labels.rotate_left(first);
        }
        Diagnostic { labels, notes, help, ..Diagnostic::new(level, message) }
    }

    /// The file and the line of `span`, as they are shown.
    pub(super) fn place(&self, span: Span) -> Option<(PathBuf, u32)> {
        Diagnostic { labels: vec![self.label(span, "")], ..Diagnostic::without_place("") }
            .place()
            .map(|(path, line, _)| (path, line))
    }

    /// A place with what there is to say about it.
    pub(super) fn label(&self, span: Span, text: impl Into<String>) -> Label {
        let file = Arc::clone(self.file(span.file));
        let mark = self.marks.iter().rfind(|mark| mark.file == span.file && mark.offset <= span.start);
        let shown = mark.map(|mark| {
            let first = file.line_index(mark.offset as usize) as i64 + 1;
            (mark.path.clone(), i64::from(mark.line) - first)
        });
        Label { file, at: span.start as usize..span.end as usize, text: text.into(), shown }
    }
}

/// A text of ours that may quote much of the user's, with its middle left out if it is too long to be read.
fn bounded(text: &str) -> Cow<'_, str> {
    const MOST: usize = 1000;
    if text.len() <= MOST {
        return text.into();
    }
    let (start, end) = (floor_char(text, MOST / 2), ceil_char(text, text.len() - MOST / 2));
    format!("{} … {}", &text[..start], &text[end..]).into()
}

/// True when two places have a byte in common, or one is empty and lies within the other.
fn touches(a: Span, b: Span) -> bool {
    a.file == b.file && a.start < b.end.max(b.start + 1) && b.start < a.end
}

fn shortened(value: &str) -> String {
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect();
    if line.len() < value.len() { format!("{line}…") } else { line }
}
