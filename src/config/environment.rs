//! The surroundings that a configuration can refer to: [`Environment`].
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::driver::Vocabulary;
use super::generator::{Generators, RunCommand, refuse_command, run_command};
use super::library::{Library, root_of_blocks};

/// The surroundings that a configuration can refer to.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The drivers that it may name.
    pub vocabulary: &'static Vocabulary,
    /// The environment variables, for backticks.
    pub variables: HashMap<String, String>,
    /// The directories in which `@include` looks for relative names, the first one first.
    pub include_path: Vec<PathBuf>,
    /// The directory of the main file: `` `syslog-ng-sysconfdir` ``.
    pub config_dir: PathBuf,
    /// The library of blocks that is installed.
    pub library: Option<Library>,
    /// The directory below which this machine has its files, where a configuration may look at them.
    pub root: Option<PathBuf>,
    /// Runs the commands of generators.
    pub run_command: RunCommand,
    /// The generators of a host.
    pub generators: Option<Arc<dyn Generators>>,
    /// The file that is being read.
    pub progress: Arc<Progress>,
}

/// The file that is being read, for those who wait for the reader.
#[derive(Debug, Default)]
pub struct Progress(Mutex<PathBuf>);

impl Progress {
    /// Notes that `path` is looked at from here on.
    pub(super) fn note(&self, path: &Path) {
        path.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The file that is being read; empty before the first one.
    pub fn file(&self) -> PathBuf {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Environment {
    /// An environment with the drivers of `vocabulary`, and nothing else. No commands are run.
    pub fn new(vocabulary: &'static Vocabulary) -> Self {
        Self {
            vocabulary,
            variables: HashMap::new(),
            include_path: Vec::new(),
            config_dir: PathBuf::new(),
            library: None,
            root: None,
            run_command: refuse_command,
            generators: None,
            progress: Arc::default(),
        }
    }

    /// The environment of this process, for a configuration at `path`: its variables, and the directory of
    /// `path` and those of an installed library to look for included files. Commands of generators are run.
    pub fn of_process(path: &Path, vocabulary: &'static Vocabulary) -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new(".")).to_owned();
        let config_dir = std::path::absolute(&directory).unwrap_or(directory);
        let library = Library::installed();
        let mut include_path = vec![config_dir.clone(), config_dir.join("scl")];
        include_path.extend(library.as_ref().map(Library::include));
        let root = Some(PathBuf::from("/"));
        Self { variables, include_path, config_dir, library, root, run_command, ..Self::new(vocabulary) }
    }

    /// The value of `include-path` before the first line.
    pub(super) fn include_path_text(&self) -> String {
        let path: Vec<_> = self.include_path.iter().map(|dir| dir.display().to_string()).collect();
        path.join(":")
    }

    /// The names that are defined before the first line is read.
    pub(super) fn globals(&self) -> HashMap<String, String> {
        let library = |of: fn(&Library) -> PathBuf| self.library.as_ref().map(of).unwrap_or_default();
        let directories = [
            ("syslog-ng-root", library(|library| library.root.clone())),
            ("syslog-ng-data", library(Library::data)),
            ("syslog-ng-include", library(Library::include)),
            ("syslog-ng-sysconfdir", self.config_dir.clone()),
            ("scl-root", root_of_blocks(&self.include_path, &self.config_dir)),
            ("module-path", library(Library::modules)),
            ("module-install-dir", library(Library::modules)),
        ];
        let texts = [
            ("include-path", self.include_path_text()),
            // The library of blocks defines it; files of distributions name it.
            ("tty10", "/dev/tty10".to_owned()),
        ];
        let directories = directories.into_iter().map(|(name, path)| (name, path.display().to_string()));
        directories.chain(texts).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
