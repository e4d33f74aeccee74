//! The surroundings that a configuration can refer to: [`Environment`].
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::driver::Vocabulary;

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
    /// An environment with the drivers of `vocabulary`, and nothing else.
    pub fn new(vocabulary: &'static Vocabulary) -> Self {
        Self {
            vocabulary,
            variables: HashMap::new(),
            include_path: Vec::new(),
            config_dir: PathBuf::new(),
            progress: Arc::default(),
        }
    }

    /// The environment of this process, for a configuration at `path`: its variables, and the directory of
    /// `path` to look for included files.
    pub fn of_process(path: &Path, vocabulary: &'static Vocabulary) -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new(".")).to_owned();
        let config_dir = std::path::absolute(&directory).unwrap_or(directory);
        Self {
            vocabulary,
            variables,
            include_path: vec![config_dir.clone(), config_dir.join("scl")],
            config_dir,
            progress: Arc::default(),
        }
    }

    /// The names that are defined before the first line is read.
    pub(super) fn globals(&self) -> HashMap<String, String> {
        let directory = self.config_dir.display();
        let path: Vec<_> = self.include_path.iter().map(|dir| dir.display().to_string()).collect();
        HashMap::from([
            ("syslog-ng-sysconfdir".to_owned(), directory.to_string()),
            ("scl-root".to_owned(), format!("{directory}/scl")),
            ("module-path".to_owned(), String::new()),
            // The library of blocks defines it; files of distributions name it.
            ("tty10".to_owned(), "/dev/tty10".to_owned()),
            ("include-path".to_owned(), path.join(":")),
        ])
    }
}
