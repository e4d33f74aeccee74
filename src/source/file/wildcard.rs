//! The files of a pattern: `wildcard-file()`, and `file()` with `*` or `?` in its path.
//!
//! Directories are read at each look, and those that are watched also when the system tells of something new
//! in them. Of more files than `max-files()` the others wait, the one that was found first is the next.
//!
//! A file that was renamed to another name of the pattern goes on where it was: while it is read under its
//! old name, the new name is not begun, and afterwards the new one begins where the old one ended.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::watch::FileWatcher;
use super::{Files, FollowOptions, make};
use crate::config::grammar::{
    DriverHead, Key, Kind, MAX_INT, Parsed, Parser, Place, Reported, Table, apply, names,
};
use crate::config::{Config, Diagnostic, Spanned};
use crate::pattern::{Flags, Matcher, Type};
use crate::source::position::Inode;
use crate::source::{EngineLog, Input, LogSourceOptions, Made, Planned, SourceOptions};

/// The most directories below each other that are looked into.
const DEEPEST: usize = 100;

/// `monitor-method()`: how new files are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MonitorMethod {
    /// By the news of the system where there are some, and by looking.
    #[default]
    Auto,
    /// The same.
    Inotify,
    /// By looking.
    Poll,
}

/// `wildcard-file(…)`
#[derive(Debug, Clone)]
pub(in crate::source) struct WildcardOptions {
    /// `base-dir()`
    base_dir: Option<Spanned<String>>,
    /// `filename-pattern()`
    filename_pattern: Option<Spanned<String>>,
    /// `exclude-pattern()`
    exclude_pattern: Option<Spanned<String>>,
    /// `recursive()`
    recursive: bool,
    /// `max-files()`
    max_files: usize,
    /// `monitor-method()`
    monitor_method: MonitorMethod,
    /// The options of all that read files.
    pub(super) follow: FollowOptions,
}

impl Default for WildcardOptions {
    fn default() -> Self {
        Self {
            base_dir: None,
            filename_pattern: None,
            exclude_pattern: None,
            recursive: false,
            max_files: 100,
            monitor_method: MonitorMethod::default(),
            follow: FollowOptions::default(),
        }
    }
}

/// The options that say which files there are.
const WHERE: Table<WildcardOptions> = &[
    ("base-dir", Kind::Text(|to, directory| to.base_dir = Some(directory))),
    ("filename-pattern", Kind::Text(|to, pattern| to.filename_pattern = Some(pattern))),
];

/// Those that a path with a pattern may have, too.
const MANY: Table<WildcardOptions> = &[
    ("exclude-pattern", Kind::Text(|to, pattern| to.exclude_pattern = Some(pattern))),
    ("recursive", Kind::YesNo(|to, yes| to.recursive = yes)),
    ("max-files", Kind::Int(1, MAX_INT, |to, most| to.max_files = most as usize)),
    (
        "monitor-method",
        Kind::Other(|parser, to| {
            to.monitor_method = parser.choice(&[
                ("auto", MonitorMethod::Auto),
                ("inotify", MonitorMethod::Inotify),
                ("poll", MonitorMethod::Poll),
            ])?;
            Ok(())
        }),
    ),
    (
        "force-directory-polling",
        Kind::YesNo(|to, yes| {
            if yes {
                to.monitor_method = MonitorMethod::Poll;
            }
        }),
    ),
];

/// The names of the options that a path with a pattern may have beside those of all files.
pub(super) fn names_beside_a_path() -> impl Iterator<Item = &'static str> {
    names(MANY)
}

impl WildcardOptions {
    /// Reads the value of such an option.
    pub(super) fn apply_beside_a_path(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(MANY, self, parser, key)
    }
}

impl SourceOptions for WildcardOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        let errors = parser.report.errors();
        let known = || names(WHERE).chain(names(MANY)).chain(FollowOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            apply(WHERE, &mut options, parser, key)
                .or_else(|| apply(MANY, &mut options, parser, key))
                .or_else(|| options.follow.apply(parser, key))
        });
        for (is_there, option) in [
            (options.base_dir.is_some(), "base-dir(\"/a/directory\")"),
            (options.filename_pattern.is_some(), "filename-pattern(\"*.log\")"),
        ] {
            if !is_there && parser.report.errors() == errors {
                let message = "wildcard-file() needs a directory and a pattern of names";
                return Err(parser.report.error(head.span, message, Some(format!("add {option}"))));
            }
        }
        if parser.report.errors() == errors { Ok(options) } else { Err(Reported) }
    }

    fn common(&self) -> &LogSourceOptions {
        &self.follow.stream.source
    }

    fn plan(&self, config: &Config, _: &str) -> Result<Planned, Diagnostic> {
        let Some(at) = self.base_dir.as_ref().map(|directory| directory.span) else {
            unreachable!("one without it was refused when it was read")
        };
        self.follow.plan(config, at)
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let text =
            |option: &Option<Spanned<String>>| option.as_ref().map_or("", |text| &text.value).to_owned();
        let files = Wildcard::new(PathBuf::from(text(&self.base_dir)), &text(&self.filename_pattern), self);
        make(input, config, log, &self.follow, Files::Many(Box::new(files)))
    }
}

/// The files that there are, those that are read and those that wait.
pub(in crate::source) struct Wildcard {
    base: PathBuf,
    pattern: Matcher,
    exclude: Option<Matcher>,
    recursive: bool,
    most: usize,
    method: MonitorMethod,
    /// Those that are read.
    active: BTreeSet<PathBuf>,
    /// Those that wait, in the order in which they were found.
    waiting: VecDeque<PathBuf>,
    has_told_full: bool,
    has_told_missing: bool,
}

/// The outcome of a look.
#[derive(Debug, Default)]
pub(super) struct LookedUp {
    /// Files to be read from now on.
    pub(super) paths: Vec<(PathBuf, Inode)>,
    /// What is to be said.
    pub(super) notes: Vec<String>,
}

/// A pattern of names: `*` is any run, `?` one character.
fn glob(pattern: &str) -> Matcher {
    let compiled = Matcher::new(pattern, Type::Glob, Flags::default());
    compiled.unwrap_or_else(|_| unreachable!("every text is a glob"))
}

impl Wildcard {
    fn new(base: PathBuf, pattern: &str, options: &WildcardOptions) -> Self {
        Self {
            base,
            pattern: glob(pattern),
            exclude: options.exclude_pattern.as_ref().map(|exclude| glob(&exclude.value)),
            recursive: options.recursive,
            most: options.max_files,
            method: options.monitor_method,
            active: BTreeSet::new(),
            waiting: VecDeque::new(),
            has_told_full: false,
            has_told_missing: false,
        }
    }

    /// The files of a path whose last part is a pattern.
    pub(super) fn of_path(path: &Path, options: &WildcardOptions) -> Self {
        let base = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Self::new(base.unwrap_or(Path::new(".")).to_owned(), &pattern.unwrap_or_default(), options)
    }

    /// The name under which a source keeps how far it has read them.
    pub(super) fn persist_name(&self) -> String {
        format!("wildcard-file({},{})", self.base.display(), self.pattern.pattern())
    }

    /// The pattern of their names.
    pub(super) fn pattern(&self) -> Matcher {
        self.pattern.clone()
    }

    /// Tells whether the system is not asked for news.
    pub(super) fn polls(&self) -> bool {
        self.method == MonitorMethod::Poll
    }

    /// The number of files that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A file is not read any more.
    pub(super) fn let_go(&mut self, path: &Path) {
        self.active.remove(path);
    }

    /// Looks into the directories. `followed` are the files that are read, by the paths that they were found
    /// at.
    pub(super) fn look(&mut self, watch: &mut FileWatcher, followed: &HashMap<Inode, &Path>) -> LookedUp {
        let (mut files, mut directories, mut found) = (Vec::new(), BTreeSet::new(), LookedUp::default());
        match self.walk(&self.base, 0, &mut files, &mut directories) {
            Ok(()) => self.has_told_missing = false,
            Err(error) => {
                if !std::mem::replace(&mut self.has_told_missing, true) {
                    let base = self.base.display();
                    found.notes.push(format!("{base} cannot be looked into, and is tried again: {error}"));
                }
            }
        }
        if !self.polls() {
            watch.retain(&directories);
            for directory in &directories {
                watch.directory(directory);
            }
        }
        // A file that is read under the name that it had before is not begun under the new one.
        files.retain(|(path, id)| followed.get(id).is_none_or(|read| *read == path));
        let there: BTreeMap<&PathBuf, Inode> = files.iter().map(|(path, id)| (path, *id)).collect();
        let lost = self.waiting.iter().filter(|path| !there.contains_key(path));
        found.notes.extend(lost.map(|path| {
            format!(
                "{} was removed before it was read: it waited, as more files than max-files() are there",
                path.display()
            )
        }));
        self.waiting.retain(|path| there.contains_key(path));
        let is_new = |path: &&PathBuf| !self.active.contains(*path) && !self.waiting.contains(*path);
        let new: Vec<_> = there.keys().copied().filter(is_new).cloned().collect();
        self.waiting.extend(new);
        while self.active.len() < self.most
            && let Some(next) = self.waiting.pop_front()
        {
            self.active.insert(next.clone());
            found.paths.extend(there.get(&next).map(|id| (next.clone(), *id)));
        }
        if self.waiting.is_empty() {
            self.has_told_full = false;
        } else if !std::mem::replace(&mut self.has_told_full, true) {
            found.notes.push(format!(
                "{} files wait until others are removed: max-files() is {}",
                self.waiting.len(),
                self.most
            ));
        }
        found
    }

    /// Finds the files in `directory`, and the directories that it has.
    fn walk(
        &self,
        directory: &Path,
        depth: usize,
        files: &mut Vec<(PathBuf, Inode)>,
        directories: &mut BTreeSet<PathBuf>,
    ) -> std::io::Result<()> {
        let entries = fs::read_dir(directory)?;
        directories.insert(directory.to_owned());
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if self.recursive && depth < DEEPEST {
                    // One that goes away meanwhile, or may not be read, has no files for us.
                    let _ = self.walk(&path, depth + 1, files, directories);
                }
                continue;
            }
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            let is_excluded = self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(name));
            if is_excluded || !self.pattern.is_match(name) {
                continue;
            }
            // Through a link, as it is read through it.
            if let Ok(data) = fs::metadata(&path)
                && data.is_file()
            {
                files.push((path, Inode { number: data.ino(), device: data.dev() }));
            }
        }
        Ok(())
    }
}
