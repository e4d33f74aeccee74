//! `@include`: a file, all files of a directory, or all files that match a pattern.
//!
//! A relative name is looked for in each directory of the include path. Of a directory, the regular files are taken
//! whose names consist of letters, digits, `.`, `_` and `-` and do not start with a dot, in the order of their names. A pattern
//! that matches nothing includes nothing; a plain name that does not exist is an error.
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::lexer::Lexer;
use super::span::Span;

/// How deep files may include files.
const MAX_DEPTH: usize = 64;

impl Lexer<'_> {
    /// Opens what `@include` names, to be read next.
    pub(super) fn include(&mut self, name: &str, at: Span) {
        if name == "scl.conf" {
            // Nearly every configuration has this line. What the library defines is `block`s: refused where it is used.
            let message = "the library of blocks (scl.conf) is not part of Inrush; the line has no effect";
            self.report.warn(at, message, None);
            return;
        }
        let found = self.find(Path::new(name));
        if found.is_empty() {
            if !is_pattern(name) {
                self.report.error(at, format!("there is no file or directory `{name}`"), self.searched(name));
            }
            return;
        }
        let mut open = vec![at.file];
        while let Some(outer) = open.last().and_then(|file| self.report.map.file(*file).included_at) {
            open.push(outer.file);
        }
        if open.len() >= MAX_DEPTH {
            self.report.error(at, format!("files include files more than {MAX_DEPTH} levels deep"), None);
            return;
        }
        // The innermost file is read first, so the last of the list is opened first.
        for path in found.into_iter().rev() {
            if open.iter().any(|file| self.report.map.file(*file).path == path) {
                let message = format!("`{}` includes itself", path.display());
                self.report.error(at, message, None);
                continue;
            }
            match read(&path) {
                Ok(text) => {
                    let file = self.report.map.add(path, text, Some(at));
                    self.open(file);
                }
                Err(message) => {
                    self.report.error(at, message, None);
                }
            }
        }
    }

    /// Leaves the innermost file.
    pub(super) fn skip_file(&mut self) {
        if let Some(input) = self.inputs.last_mut() {
            input.leave();
        }
    }

    fn find(&self, name: &Path) -> Vec<PathBuf> {
        let bases = if name.is_absolute() { &[PathBuf::new()][..] } else { &self.environment.include_path };
        for base in bases {
            let path = base.join(name);
            let found = if is_pattern(&name.to_string_lossy()) {
                matching(base, name)
            } else if path.is_dir() {
                files_of(&path)
            } else if path.exists() {
                vec![path]
            } else {
                continue;
            };
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    fn searched(&self, name: &str) -> Option<String> {
        if Path::new(name).is_absolute() || self.environment.include_path.is_empty() {
            return None;
        }
        let path: Vec<_> =
            self.environment.include_path.iter().map(|dir| dir.display().to_string()).collect();
        Some(format!("looked for it in {}", path.join(", ")))
    }
}

/// Reads a file that has to be UTF-8; the error says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', valid).count() + 1;
        format!("`{}` is not UTF-8: see line {line}", path.display())
    })
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The files of a directory that may be included, in the order of their names.
fn files_of(directory: &Path) -> Vec<PathBuf> {
    let usual = |name: &str| {
        !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let mut files: Vec<_> = entries(directory)
        .into_iter()
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(usual) && path.is_file())
        .collect();
    files.sort();
    files
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(list) = fs::read_dir(here) else { return Vec::new() };
    list.filter_map(Result::ok).map(|entry| directory.join(entry.file_name())).collect()
}

/// The files below `base` whose path matches `pattern`, in the order of their names.
fn matching(base: &Path, pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![base.to_owned()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !is_pattern(&name) {
            found = found.into_iter().map(|path| path.join(component)).filter(|path| path.exists()).collect();
            continue;
        }
        let pattern: Vec<char> = name.chars().collect();
        let fits = |path: &PathBuf| {
            let name: Option<Vec<char>> =
                path.file_name().map(|name| name.to_string_lossy().chars().collect());
            name.is_some_and(|name| (name[0] != '.' || pattern[0] == '.') && glob(&pattern, &name))
        };
        found = found.iter().flat_map(|directory| entries(directory)).filter(fits).collect();
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// Whether `name` matches `pattern`, with `*`, `?`, `[a-z]` and `[!a-z]`.
fn glob(pattern: &[char], name: &[char]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return name.is_empty() };
    let Some((&letter, others)) = name.split_first() else { return first == '*' && glob(rest, name) };
    match first {
        '*' => glob(rest, name) || glob(pattern, others),
        '?' => glob(rest, others),
        '[' => match rest.iter().skip(1).position(|c| *c == ']') {
            Some(end) => {
                let (set, rest) = (&rest[..=end], &rest[end + 2..]);
                let (negated, set) = match set.split_first() {
                    Some(('!' | '^', set)) => (true, set),
                    _ => (false, set),
                };
                in_set(set, letter) != negated && glob(rest, others)
            }
            None => letter == '[' && glob(rest, others),
        },
        _ => first == letter && glob(rest, others),
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
    }
}
