//! The library of blocks that comes with Inrush: the files of `python/inrush/scl`.
//!
//! ```text
//! @include "scl.conf"                         the library may be used from here on; nothing is read
//! destination d { slack(hook-url("…")); };    `slack` is no driver, and no block so far
//!                 └─► FILES ─► scl/slack.conf is read: its blocks are those of the configuration
//! ```
//!
//! A file is read when one of its blocks is used for the first time, so a configuration that uses none costs
//! nothing. Applications are read with the first `app-parser()`; they come in their order before those that
//! the configuration has after its `@include`.
//!
//! A block that the configuration defines itself comes before one of the library. One of a library of
//! syslog-ng that is installed does not: what it uses may not be there.
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::application::Application;
use super::block::{Block, context_called};
use super::built_in::is_built_in;
use super::lexer::Lexer;
use super::parser::Parser;
use super::source_map::Origin;
use super::span::{FileId, SourceFile, Span};
use super::token::TokenKind;
use super::unsupported::Place;

/// The start of the paths of the files, as they are shown.
const ROOT: &str = "inrush:scl";

/// A file of the library.
#[derive(Debug)]
struct OwnFile {
    /// Its name, without a suffix: that of the directory that other libraries have for the same.
    name: &'static str,
    text: &'static str,
}

/// The files with these names.
macro_rules! own_files {
    ($($name:literal),* $(,)?) => {
        &[$(OwnFile {
            name: $name,
            text: include_str!(concat!("../../python/inrush/scl/", $name, ".conf")),
        }),*]
    };
}

/// All files, in the order of their names.
static FILES: &[OwnFile] = own_files![
    "apache",
    "cisco",
    "credit-card",
    "discord",
    "elasticsearch",
    "ewmm",
    "fortigate",
    "graylog2",
    "iptables",
    "loggly",
    "logmatic",
    "logscale",
    "loki",
    "openobserve",
    "panos",
    "slack",
    "splunk",
    "sudo",
    "sumologic",
    "telegram",
    "webhook",
    "websense",
];

/// The blocks of the library, each with the number of its file; names are written with `-`.
static BLOCKS: LazyLock<Vec<(&'static str, &'static str, usize)>> = LazyLock::new(|| {
    let heads = FILES.iter().enumerate().flat_map(|(file, own)| own.heads().map(move |head| (head, file)));
    heads.filter_map(|((context, name), file)| Some((context_called(context)?, name, file))).collect()
});

impl OwnFile {
    /// The context and name of each block.
    fn heads(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.text.lines().filter_map(|line| line.strip_prefix("block ")?.split_once('(')?.0.split_once(' '))
    }

    fn has_applications(&self) -> bool {
        self.text.lines().any(|line| line.starts_with("application "))
    }

    fn path(&self) -> PathBuf {
        Path::new(ROOT).join(self.name).with_extension("conf")
    }
}

/// The number of the file that has the block `name` for `context`.
fn file_of(context: &str, name: &str) -> Option<usize> {
    let name = name.replace('_', "-");
    BLOCKS.iter().find(|(of, block, _)| *of == context && *block == name).map(|(.., file)| *file)
}

/// The names of the blocks for `context`.
fn names(context: &str) -> impl Iterator<Item = &'static str> {
    BLOCKS.iter().filter(move |(of, ..)| *of == context).map(|(_, name, _)| *name)
}

/// Tells whether `name` is that of the same thing in another library, as `scl/slack/slack.conf` is.
pub(super) fn stands_for(name: &Path) -> bool {
    let mut parts = name.iter().filter_map(|part| part.to_str());
    let is_in_scl = parts.next() == Some("scl");
    is_in_scl && parts.next().is_some_and(|folder| FILES.iter().any(|file| file.name == folder))
}

impl SourceFile {
    /// Tells whether it is a file of the library.
    pub(super) fn is_own(&self) -> bool {
        self.path.starts_with(ROOT)
    }
}

/// The part of the library that a configuration has used so far.
#[derive(Debug, Default)]
pub(super) struct OwnLibrary {
    /// The `@include` that allows its use.
    included: Option<Span>,
    /// The files that were read, by their numbers.
    read: Vec<usize>,
    /// The number of applications before those of the library.
    applications_before: Option<usize>,
}

impl OwnLibrary {
    /// Allows its use, as the `@include` at `at` says.
    pub(super) fn include(&mut self, at: Span) {
        self.included.get_or_insert(at);
    }

    /// Notes that the configuration has `count` applications, and another one next.
    pub(super) fn note_application(&mut self, count: usize) {
        if self.included.is_some() {
            self.applications_before.get_or_insert(count);
        }
    }
}

impl Parser {
    /// Reads the file of the library that has the block `name` for `context`, if there is one.
    pub(super) fn read_own_block(&mut self, context: &'static str, name: &str) {
        if self.lexer.own.included.is_some()
            && let Some(file) = file_of(context, name)
        {
            self.read_own_file(file);
        }
    }

    /// Reads the files of the library that have applications.
    pub(super) fn read_own_applications(&mut self) {
        if self.lexer.own.included.is_none() {
            return;
        }
        for (number, _) in FILES.iter().enumerate().filter(|(_, file)| file.has_applications()) {
            self.read_own_file(number);
        }
    }

    /// Reads a file of the library, unless it was read before.
    fn read_own_file(&mut self, number: usize) {
        let Some(included) = self.lexer.own.included else { return };
        if self.lexer.own.read.contains(&number) {
            return;
        }
        self.lexer.own.read.push(number);
        let own = &FILES[number];
        let file = self.report.map.add(own.path(), own.text.to_owned(), Some(included));
        let lexer = Lexer::new(&self.report, file, self.lexer.environment.clone());
        let outer = self.begin_text(lexer);
        let mut applications = Vec::new();
        while !self.sees(&TokenKind::End) {
            let word = self.next();
            let read = if word.is("block") {
                self.block_statement()
            } else if word.is("application") {
                self.application().map(|one| applications.push(one))
            } else {
                Ok(())
            };
            if read.is_err() {
                break;
            }
        }
        let blocks = std::mem::take(&mut self.lexer.blocks);
        self.end_text(outer);
        self.lexer.blocks.add_absent(blocks);
        self.add_own_applications(applications);
    }

    /// Puts `applications` of the library in their place, but for those that the configuration has itself.
    fn add_own_applications(&mut self, mut applications: Vec<Application>) {
        applications.retain(|one| !self.applications.iter().any(|other| one.is_same(other)));
        let before = self.lexer.own.applications_before.unwrap_or(self.applications.len());
        self.lexer.own.applications_before = Some(before + applications.len());
        self.applications.splice(before..before, applications);
    }

    /// Tells whether `block`, which was just read in `file`, gives way to one of the library: it belongs to a
    /// library that is installed.
    pub(super) fn gives_way(&mut self, context: &'static str, block: &Block, file: FileId) -> bool {
        let is_ours = file_of(context, &block.name).is_some() || is_built_in(context, &block.name);
        let gives_way = self.is_installed(file) && is_ours;
        if gives_way && let Origin::Include(at) = self.report.map.origin(file) {
            let at = *at;
            self.lexer.own.include(at);
        }
        gives_way
    }

    /// The same for an application.
    pub(super) fn application_gives_way(&self, application: &Application) -> bool {
        let head = application.head();
        let is_ours = || FILES.iter().flat_map(|file| file.text.lines()).any(|line| line.starts_with(&head));
        application.span().is_some_and(|span| self.is_installed(span.file)) && is_ours()
    }

    /// Tells whether `file` is one of a library that is installed.
    fn is_installed(&self, file: FileId) -> bool {
        let library = self.lexer.environment.library.as_ref();
        library.is_some_and(|library| self.report.map.file(file).path.starts_with(library.include()))
    }

    /// The names of the library's blocks for `place`, where it may be used.
    pub(super) fn own_names(&self, place: Place) -> impl Iterator<Item = &'static str> {
        let is_included = self.lexer.own.included.is_some();
        names(place.context()).filter(move |_| is_included)
    }

    /// The help for the word of a block that the library has, where it may not be used.
    pub(super) fn own_help(&self, place: Place, word: &str) -> Option<String> {
        let is_missing = self.lexer.own.included.is_none() && file_of(place.context(), word).is_some();
        is_missing.then(|| format!("write @include \"scl.conf\" above: `{word}` is a block of the library"))
    }
}

#[cfg(test)]
mod tests;
