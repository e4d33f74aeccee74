//! What wakes a reader before its next look: [`Wakeup`], and the system's news of files: [`FileWatcher`].
//!
//! The news only wakes: what has happened is found by looking, which also happens without news, each
//! `follow-freq()`. So it does not matter what the system does not tell, as on a network's file system, or
//! when it has no more watches to give.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossbeam::sync::{Parker, Unparker};
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::pattern::Matcher;

/// Wakes a thread that waits.
pub(crate) struct Wakeup(Parker);

impl Default for Wakeup {
    fn default() -> Self {
        Self(Parker::new())
    }
}

impl Wakeup {
    /// Wakes it, from any thread.
    pub(crate) fn waker(&self) -> Unparker {
        self.0.unparker().clone()
    }

    /// Waits to be woken, until `deadline` at the latest.
    pub(crate) fn wait(&self, deadline: Option<Instant>) {
        match deadline {
            Some(deadline) => self.0.park_deadline(deadline),
            None => self.0.park(),
        }
    }
}

/// The directories that are watched, and what matters in them.
pub(crate) struct FileWatcher {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
    interest: Arc<Interest>,
}

/// The changes that wake the reader.
#[derive(Debug, Default)]
struct Interest {
    /// What is written to these files does.
    paths: Mutex<BTreeSet<PathBuf>>,
    /// What is written to any file with such a name does.
    pattern: Option<Matcher>,
    /// Set when there may be other files than before.
    has_moved: AtomicBool,
}

impl Interest {
    /// Tells whether `event` wakes.
    fn takes(&self, event: &Event) -> bool {
        match event.kind {
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
                event.paths.iter().any(|path| {
                    let is_named = |pattern: &Matcher| {
                        path.file_name().is_some_and(|name| pattern.is_match(name.as_encoded_bytes()))
                    };
                    self.pattern.as_ref().is_some_and(is_named)
                        || self.paths.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
                })
            }
            _ => {
                self.has_moved.store(true, Ordering::Relaxed);
                true
            }
        }
    }
}

impl FileWatcher {
    /// Wakes with `waker`: when something is written to the files that it is told of, and to those whose
    /// names have `pattern`; and when files come and go. Without news from the system there is nothing to
    /// watch, and no harm.
    pub(crate) fn new(waker: Unparker, pattern: Option<Matcher>) -> Self {
        let interest = Arc::new(Interest { pattern, ..Interest::default() });
        let asked = Arc::clone(&interest);
        let tell = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| asked.takes(&event)) {
                waker.unpark();
            }
        };
        Self { watcher: notify::recommended_watcher(tell).ok(), directories: BTreeSet::new(), interest }
    }

    /// Tells whether there may be other files than at the last question, as far as the system has told.
    pub(crate) fn take_moved(&self) -> bool {
        self.interest.has_moved.swap(false, Ordering::Relaxed)
    }

    /// Watches none: looking alone finds what has happened.
    pub(crate) fn none() -> Self {
        Self { watcher: None, directories: BTreeSet::new(), interest: Arc::default() }
    }

    /// Watches for changes of `path`, in its directory. True when the system tells of them.
    pub(crate) fn path(&mut self, path: &Path) -> bool {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let is_watched = self.directory(parent);
        let mut paths = self.interest.paths.lock().unwrap_or_else(PoisonError::into_inner);
        // As the system calls it: by its directory.
        paths.extend(path.file_name().map(|name| parent.join(name)));
        is_watched
    }

    /// Watches what happens in `directory`. True when the system tells of it.
    pub(crate) fn directory(&mut self, directory: &Path) -> bool {
        if self.directories.contains(directory) {
            return true;
        }
        let Some(watcher) = &mut self.watcher else { return false };
        let is_watched = watcher.watch(directory, RecursiveMode::NonRecursive).is_ok();
        if is_watched {
            self.directories.insert(directory.to_owned());
        }
        is_watched
    }

    /// Watches no more than these directories.
    pub(crate) fn retain(&mut self, directories: &BTreeSet<PathBuf>) {
        let gone: Vec<_> = self.directories.difference(directories).cloned().collect();
        for directory in gone {
            self.directories.remove(&directory);
            if let Some(watcher) = &mut self.watcher {
                // It may be gone, and its watch with it.
                let _ = watcher.unwatch(&directory);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Breaks without it: a line waits for the next look although the system has told of it; or a directory
    /// that is not there, which happens at any time, ends the source.
    #[test]
    fn a_change_wakes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let wakeup = Wakeup::default();
        let mut watch = FileWatcher::new(wakeup.waker(), None);
        assert!(!watch.directory(&dir.path().join("missing")));
        if !watch.path(&path) {
            return;
        }
        std::fs::write(&path, "line\n").unwrap();
        // For ever, were it not woken.
        wakeup.wait(None);
        watch.retain(&BTreeSet::new());
        let mut none = FileWatcher::none();
        assert!(!none.path(&path));
        wakeup.wait(Some(Instant::now() + Duration::from_millis(1)));
    }
}
