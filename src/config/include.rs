//! `@include`: a file, all files of a directory, or all files that match a pattern.
//!
//! A relative name is looked for in each directory of the include path: the first that has it counts, but for
//! a pattern, which all of them are searched for. Of a directory, the regular files are taken whose names
//! consist of letters, digits, `.`, `_` and `-` and do not start with a dot, in the order of their names. A
//! pattern that matches nothing includes nothing; a plain name that does not exist is an error, but for
//! scl.conf: the [library](super::scl) that comes with Inrush may be used from there on. One that is
//! [installed](super::library) is read, too.
//!
//! Only regular files are included. A named pipe, a socket or a device may never answer, or never end, and a
//! reload would wait for it. The main file may be a pipe: `inrush check -f /dev/stdin`.
use std::fs::{self, File, FileType, Metadata};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use super::bounds::{Excess, MAX_ENTRIES, MAX_TEXT};
use super::lexer::Lexing;
use super::library::{Library, MAIN_FILE};
use super::scl;
use super::source_map::Origin;
use super::span::Span;

/// The deepest that files may include files.
const MAX_DEPTH: usize = 64;

impl Lexing<'_> {
    /// Opens what `@include` names, to be read next.
    pub(super) fn include(&mut self, name: &str, at: Span) {
        self.lexer.environment.progress.note(Path::new(name));
        if is_library(Path::new(name)) {
            self.lexer.own.include(at);
        }
        match self.find(Path::new(name)) {
            Ok(Some(found)) => self.include_all(found, at),
            Ok(None) if is_pattern(name) => {}
            Ok(None) if is_library(Path::new(name)) => {}
            Ok(None) => {
                self.lexer.pragmas.incomplete = true;
                self.report.error(at, format!("there is no file or directory `{name}`"), self.searched(name));
            }
            Err(excess) => {
                self.report.error(at, excess.message, Some(excess.help));
            }
        }
    }

    /// Opens the files `found`, which the `@include` at `at` names.
    fn include_all(&mut self, found: Vec<PathBuf>, at: Span) {
        let origins = self.report.map.origins(at);
        let open: Vec<_> = std::iter::once(at.file)
            .chain(origins.filter_map(|origin| match origin {
                Origin::Include(outer) => Some(outer.file),
                Origin::Main | Origin::Use(..) => None,
            }))
            .collect();
        if open.len() >= MAX_DEPTH {
            self.report.error(at, format!("files include files more than {MAX_DEPTH} levels deep"), None);
            return;
        }
        let mut files = Vec::with_capacity(found.len());
        for path in found {
            if open.iter().any(|file| self.report.map.file(*file).path == path) {
                let message = format!("`{}` includes itself", path.display());
                self.report.error(at, message, None);
                continue;
            }
            self.lexer.environment.progress.note(&path);
            let read = read_included(&path, self.lexer.budget.text());
            if let Ok(text) = &read
                && let Err(excess) = self.lexer.budget.take_file(text.len())
            {
                self.too_much(at, excess);
                return;
            }
            match read {
                Ok(text) => {
                    files.push(self.report.map.add(path, text, Some(at)));
                }
                Err(message) => {
                    self.lexer.pragmas.incomplete = true;
                    self.report.error(at, message, None);
                }
            }
        }
        // The innermost file is read first, so the last of the list is opened first.
        for file in files.into_iter().rev() {
            self.open(file);
        }
    }

    /// Leaves the innermost file.
    pub(super) fn skip_file(&mut self) {
        if let Some(input) = self.lexer.inputs.last_mut() {
            input.leave();
        }
    }

    /// The files that `name` means: those of all directories for a pattern, else what the first directory
    /// has. None for a name that none of them has, and for a pattern that nothing matches.
    fn find(&self, name: &Path) -> Result<Option<Vec<PathBuf>>, Excess> {
        let bases = if name.is_absolute() { vec![PathBuf::new()] } else { self.include_path() };
        let mut search = Search { left: MAX_ENTRIES };
        let too_many = || Excess::entries(&name.to_string_lossy());
        if is_pattern(&name.to_string_lossy()) {
            let mut found = Vec::new();
            for base in &bases {
                found.extend(search.matching(base, name).ok_or_else(too_many)?);
            }
            found.sort();
            found.dedup();
            return Ok(Some(found));
        }
        for path in bases.iter().map(|base| base.join(name)) {
            if path.is_dir() {
                return search.files_of(&path).map(Some).ok_or_else(too_many);
            } else if path.exists() {
                return Ok(Some(vec![path]));
            }
        }
        let library = self.lexer.environment.library.as_ref().filter(|_| name == Path::new(MAIN_FILE));
        Ok(library.and_then(Library::main_file).map(|file| vec![file]))
    }

    /// The directories in which relative names are looked for: as the environment has them, unless a
    /// `@define` names others.
    fn include_path(&self) -> Vec<PathBuf> {
        let environment = &self.lexer.environment;
        match self.lexer.defines.get("include-path") {
            Some(path) if *path != environment.include_path_text() => {
                let parts = path.split(':').filter(|part| !part.is_empty());
                parts.map(|part| environment.config_dir.join(part)).collect()
            }
            _ => environment.include_path.clone(),
        }
    }

    fn searched(&self, name: &str) -> Option<String> {
        let path: Vec<_> = self.include_path().iter().map(|dir| dir.display().to_string()).collect();
        let is_looked_for = !Path::new(name).is_absolute() && !path.is_empty();
        is_looked_for.then(|| format!("looked for it in {}", path.join(", ")))
    }
}

/// Reads the main file, of whatever kind it is; the error says what is wrong with it.
pub(super) fn read_main(path: &Path) -> Result<String, String> {
    let open = || File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = open().map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(format!("`{}` is a directory, and a configuration is a file", path.display()));
    }
    read(path, file, MAX_TEXT)
}

/// Checks that the main file can be read a second time, which a pipe or a terminal cannot.
pub(super) fn check_readable_again(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    match kind(metadata.file_type()) {
        None => Ok(()),
        Some(kind) => Err(format!(
            "`{}` is {kind}: a configuration is read again from regular files only",
            path.display()
        )),
    }
}

/// Reads a regular file of at most `most` bytes; the error says what is wrong with it.
pub(super) fn read_included(path: &Path, most: usize) -> Result<String, String> {
    let regular = |metadata: &Metadata| match kind(metadata.file_type()) {
        None => Ok(()),
        Some(kind) => Err(format!("`{}` is {kind}: only regular files can be included", path.display())),
    };
    let unreadable = |error| unreadable(path, &error);
    // Looked at before it is opened, since that may be an act (a device) or never end (a pipe).
    regular(&fs::metadata(path).map_err(unreadable)?)?;
    read(path, File::open(path).map_err(unreadable)?, most)
}

/// Reads an open file, which has to be UTF-8.
fn read(path: &Path, file: File, most: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte more shows that there is more.
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() > most {
        return Err(too_large(path));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = super::span::line_starts(valid).count();
        format!("`{}` is not UTF-8: see line {line}", path.display())
    })
}

/// The error for a file that goes over the bound, alone or with all that was read before.
pub(super) fn too_large(path: &Path) -> String {
    let most = MAX_TEXT >> 20;
    let all = "with all that it includes and all that backticks stand for";
    format!("`{}` is too large: a configuration has at most {most} MiB, {all}", path.display())
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read `{}`: {error}", path.display())
}

/// The name of a kind of file that is not regular.
fn kind(of: FileType) -> Option<&'static str> {
    match of {
        of if of.is_file() => None,
        of if of.is_dir() => Some("a directory"),
        of if of.is_fifo() => Some("a named pipe"),
        of if of.is_socket() => Some("a socket"),
        of if of.is_char_device() || of.is_block_device() => Some("a device"),
        _ => Some("no regular file"),
    }
}

/// Tells whether `name` stands for the [library](super::scl) that comes with Inrush, or a part of it.
fn is_library(name: &Path) -> bool {
    name == Path::new(MAIN_FILE) || scl::stands_for(name)
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// A search for files, which looks at a bounded number of directory entries. `None` stands for more than
/// that.
struct Search {
    left: usize,
}

impl Search {
    /// The files of a directory that may be included, in the order of their names.
    fn files_of(&mut self, directory: &Path) -> Option<Vec<PathBuf>> {
        let usual = |name: &str| {
            !name.starts_with('.')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let mut files = self.entries(directory)?;
        files.retain(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(usual) && path.is_file()
        });
        files.sort();
        Some(files)
    }

    fn entries(&mut self, directory: &Path) -> Option<Vec<PathBuf>> {
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let Ok(list) = fs::read_dir(here) else { return Some(Vec::new()) };
        let mut found = Vec::new();
        for entry in list.filter_map(Result::ok) {
            self.left = self.left.checked_sub(1)?;
            found.push(directory.join(entry.file_name()));
        }
        Some(found)
    }

    /// The files below `base` whose path matches `pattern`, in the order of their names.
    fn matching(&mut self, base: &Path, pattern: &Path) -> Option<Vec<PathBuf>> {
        let mut found = vec![base.to_owned()];
        for component in pattern.components() {
            let name = component.as_os_str().to_string_lossy();
            if !matches!(component, Component::Normal(_)) || !is_pattern(&name) {
                found =
                    found.into_iter().map(|path| path.join(component)).filter(|path| path.exists()).collect();
                continue;
            }
            let pattern: Vec<char> = name.chars().collect();
            let fits = |path: &PathBuf| {
                let name: Option<Vec<char>> =
                    path.file_name().map(|name| name.to_string_lossy().chars().collect());
                name.is_some_and(|name| (name[0] != '.' || pattern[0] == '.') && glob(&pattern, &name))
            };
            let mut below = Vec::new();
            for directory in &found {
                below.extend(self.entries(directory)?.into_iter().filter(fits));
            }
            found = below;
        }
        found.retain(|path| path.is_file());
        found.sort();
        Some(found)
    }
}

/// True when `name` matches `pattern`, with `*`, `?`, `[a-z]` and `[!a-z]`.
///
/// After a letter that does not fit, the last `*` takes one letter more; an earlier one never has to. So the
/// work is bounded by the product of the two lengths.
fn glob(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut letter) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while letter < name.len() || at < pattern.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, letter));
            at += 1;
            continue;
        }
        if let Some(length) = name.get(letter).and_then(|letter| one(&pattern[at..], *letter)) {
            at += length;
            letter += 1;
            continue;
        }
        match &mut star {
            Some((after, taken)) if *taken < name.len() => {
                *taken += 1;
                (at, letter) = (*after + 1, *taken);
            }
            _ => return false,
        }
    }
    true
}

/// The length of the pattern's first part, if that is no `*` and matches `letter`.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    let (first, rest) = pattern.split_first()?;
    match first {
        '?' => Some(1),
        '[' => {
            let Some(end) = rest.iter().skip(1).position(|c| *c == ']') else {
                return (letter == '[').then_some(1);
            };
            let set = &rest[..=end];
            let (negated, set) = match set.split_first() {
                Some(('!' | '^', set)) => (true, set),
                _ => (false, set),
            };
            (in_set(set, letter) != negated).then_some(end + 3)
        }
        _ => (*first == letter).then_some(1),
    }
}

fn in_set(set: &[char], letter: char) -> bool {
    match set {
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&letter) || in_set(rest, letter),
        [one, rest @ ..] => *one == letter || in_set(rest, letter),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: `@include` with a pattern reads files that do not match, or leaves some out.
    #[test]
    fn patterns() {
        let matches = |pattern: &str, name: &str| {
            glob(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        assert!(matches("*.conf", "a.conf"));
        assert!(matches("*", ""));
        assert!(matches("a?c[0-9x]", "abc7"));
        assert!(matches("[!a]*", "b"));
        assert!(matches("[]]", "]"));
        assert!(matches("[", "["));
        assert!(!matches("*.conf", "a.conf~"));
        assert!(!matches("[!a]", "a"));
        assert!(!matches("?", ""));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(matches("*b", "ab"));
        assert!(matches("a[", "a["));
        assert!(!matches("a*b*c", "a-c-b"));
        assert!(!matches("*[0-9]", "a"));
    }

    /// Breaks without it: a pattern makes the reader walk over a whole disk.
    #[test]
    fn a_search_looks_at_a_bounded_number_of_entries() {
        let directory = tempfile::TempDir::new().unwrap();
        for name in ["a.conf", "b.conf", ".c.conf", "d"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let found = |left| Search { left }.matching(directory.path(), Path::new("*.conf"));
        assert_eq!(found(4).unwrap().len(), 2);
        assert_eq!(found(3), None);
        assert_eq!(Search { left: 4 }.files_of(directory.path()).unwrap().len(), 3);
        assert_eq!(Search { left: 3 }.files_of(directory.path()), None);
    }

    /// Breaks without it: a pattern of stars takes for ever on one long name (2^25 ways here).
    #[test]
    fn many_stars_take_little_time() {
        let pattern: Vec<char> = "*a".repeat(100).chars().chain(['b']).collect();
        assert!(!glob(&pattern, &['a'; 250]));
    }
}
