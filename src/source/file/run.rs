//! The thread of a source that follows files: [`Setup::run`].

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::follow::{Followed, Follower, Round};
use super::outlet::Outlet;
use super::trouble::Trouble;
use super::watch::{FileWatcher, Wakeup};
use super::wildcard::LookedUp;
use super::{FileCounters, FileTotals, Files, device};
use crate::flow::Exit;
use crate::message::Origin;
use crate::printable::line;
use crate::source::acked::Acked;
use crate::source::position::{Inode, Position, Stored};
use crate::source::progress::FileProgress;
use crate::source::stream::{StreamSettings, WakeFd};
use crate::source::{EngineLog, Start};
use crate::state::{State, Value};

/// The time between two attempts to get a thread.
const NO_THREAD: Duration = Duration::from_secs(1);
/// The most files that are remembered by what was read of them, under the names that they had.
const MOST_LEFT: usize = 1000;

/// The parts that the thread is started with.
pub(super) struct Setup {
    pub(super) log: Arc<dyn EngineLog>,
    pub(super) counters: Arc<FileCounters>,
    pub(super) settings: StreamSettings,
    pub(super) follow_freq: Duration,
    pub(super) persist_name: String,
    pub(super) files: Files,
}

impl Setup {
    /// The source and the file at `path`, as the log calls them.
    fn name(&self, path: &Path) -> String {
        format!("source {}: {}", self.settings.input.driver.id, line(&path.display().to_string()))
    }

    /// The work of the thread, until `exit` says that it ends.
    pub(super) fn run(self, (wakeup, wake): (&Wakeup, &WakeFd), start: &Start, exit: &Arc<Exit>) {
        if let Files::One(path) = &self.files
            && device::is_device(path)
        {
            let trouble = Trouble::new(&self.log, self.name(path));
            return device::run(path, &self.settings, trouble, exit, wake);
        }
        let name = format!("source {}", self.settings.input.driver.id);
        if start.state.path().is_none() {
            self.log.warning(&format!(
                "{name}: the engine runs without --persist-file, so after a restart its files are read from their \
                 start"
            ));
        }
        let acked = loop {
            match Acked::follow(&self.settings.input.lane, &start.state, &self.settings.input.driver.id) {
                Ok(acked) => break acked,
                Err(error) => self.log.error(&format!("{name}: no thread, which is tried again: {error}")),
            }
            if !exit.wait(Instant::now() + NO_THREAD) {
                return;
            }
        };
        let out = Outlet::new(&self.settings.input, &self.settings.reading.posting, exit, Some(&acked));
        let watch = match &self.files {
            Files::One(_) => FileWatcher::new(wakeup.waker(), None),
            Files::Many(wildcard) if wildcard.polls() => FileWatcher::none(),
            Files::Many(wildcard) => FileWatcher::new(wakeup.waker(), Some(wildcard.pattern())),
        };
        let state = Arc::clone(&start.state);
        let mut reader = Reader {
            setup: self,
            state,
            out,
            watch,
            followers: Vec::new(),
            left: HashMap::new(),
            next_look: None,
        };
        if let Files::One(path) = &reader.setup.files {
            let path = path.clone();
            reader.watch.path(&path);
            let follower = reader.follower(path, None);
            reader.followers.push(follower);
        }
        reader.run(wakeup);
    }
}

/// The thread's own.
struct Reader {
    setup: Setup,
    state: Arc<State>,
    out: Outlet,
    watch: FileWatcher,
    followers: Vec<Follower>,
    /// The ends of files that were renamed and read to their end, of which the new name may have the pattern.
    left: HashMap<Inode, Position>,
    /// The time of the next look into directories.
    next_look: Option<Instant>,
}

impl Reader {
    fn run(&mut self, wakeup: &Wakeup) {
        while !self.out.ends() {
            let now = Instant::now();
            if self.watch.take_moved() || self.next_look.is_none_or(|at| at <= now) {
                self.next_look = Some(now + self.setup.follow_freq);
                self.find_files();
            }
            let mut is_busy = false;
            let mut gone = Vec::new();
            for (index, follower) in self.followers.iter_mut().enumerate() {
                let round = follower.round(&mut self.out, now);
                if let Some(position) = follower.take_left()
                    && self.left.len() < MOST_LEFT
                {
                    self.left.insert(position.inode, position);
                }
                match round {
                    Round::Busy => is_busy = true,
                    Round::Idle => {}
                    Round::Gone => gone.push(index),
                    Round::Ends => return,
                }
            }
            if !gone.is_empty() {
                // Others may wait for their places.
                (is_busy, self.next_look) = (true, None);
            }
            for index in gone.into_iter().rev() {
                let follower = self.followers.remove(index);
                follower.forget();
                if let Files::Many(wildcard) = &mut self.setup.files {
                    wildcard.let_go(follower.path());
                }
            }
            self.count();
            if !is_busy {
                let due = self.followers.iter().filter_map(Follower::due);
                wakeup.wait(due.chain([now + self.setup.follow_freq]).min());
            }
        }
    }

    /// Follows files that are new, where there are many.
    fn find_files(&mut self) {
        let stored = self.stored();
        let Files::Many(wildcard) = &mut self.setup.files else { return };
        // Files that were renamed are read on by the paths that they had, where those lead to another file by
        // now.
        let is_there = |path: &Path, inode: Inode| {
            fs::metadata(path).is_ok_and(|data| data.is_file() && data.ino() != inode.number)
        };
        let renamed = stored.iter().flat_map(|(path, Stored { position, then })| {
            [position.inode].into_iter().chain(then.iter().copied()).map(move |inode| (inode, path.as_path()))
        });
        let renamed = renamed.filter(|(inode, path): &(Inode, &Path)| is_there(path, *inode));
        let read = self.followers.iter().filter_map(|follower| Some((follower.inode()?, follower.path())));
        let followed: HashMap<_, _> = renamed.chain(read).collect();
        let LookedUp { paths, notes } = wildcard.look(&mut self.watch, &followed);
        for note in notes {
            self.setup.log.warning(&format!("source {}: {note}", self.setup.settings.input.driver.id));
        }
        for (path, inode) in paths {
            let begun = self.left.remove(&inode).or_else(|| {
                let mut positions = stored.iter().map(|(_, stored)| stored.position);
                positions.find(|position| position.inode.number == inode.number)
            });
            let new = self.follower(path, begun);
            self.followers.push(new);
        }
    }

    /// How far files were read, by their paths, as far as that is stored.
    fn stored(&self) -> Vec<(PathBuf, Stored)> {
        let all = self.state.store(&self.setup.persist_name).items().unwrap_or_default();
        let parsed = all.into_iter().filter_map(|(path, value)| match value {
            Value::Text(text) => Some((PathBuf::from(OsStr::from_bytes(&path)), Stored::parse(&text)?)),
            _ => None,
        });
        parsed.collect()
    }

    /// Follows the file at `path`, which was read up to `elsewhere` under another name.
    fn follower(&self, path: PathBuf, elsewhere: Option<Position>) -> Follower {
        let setup = &self.setup;
        let key = path.as_os_str().as_bytes();
        let name = setup.name(&path);
        let values = Arc::from([("FILE_NAME".into(), key.into())]);
        let origin = Arc::new(Origin { values, ..(*setup.settings.input.origin).clone() });
        Follower::new(Followed {
            progress: FileProgress::of(&self.state, &setup.persist_name, key),
            path,
            origin,
            lines: setup.settings.lines(),
            timeout: setup.settings.multi_line.timeout(),
            trouble: Trouble::new(&setup.log, name),
            ends_when_removed: matches!(setup.files, Files::Many(_)),
            elsewhere,
        })
    }

    /// Counts for whoever looks.
    fn count(&self) {
        let lag = self.followers.iter().map(Follower::lag).sum();
        let open = self.followers.iter().filter(|follower| follower.is_open()).count();
        let waiting = match &self.setup.files {
            Files::One(_) => self.followers.len() - open,
            Files::Many(wildcard) => wildcard.waiting(),
        };
        let (open, waiting) = (open as u64, waiting as u64);
        self.setup.counters.set(FileTotals { bytes: self.out.read_bytes(), lag, open, waiting });
    }
}
