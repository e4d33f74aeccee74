//! A model of a file system and of the disk under it, for tests: with everything that a real one may do to a
//! program between two flushes.
//!
//! ```text
//!  program ─► cache: every file and name as the program sees it, and as another process would
//!                │  pending: sectors in the order of their writes, lengths, names
//!                ▼
//!              disk: as it is after the power is back
//!  crash:  each pending sector, length and name is on the disk or not, on its own; a sector may be torn
//!  flush:  all pending sectors of the file, and its length, are on the disk; names have their own flush
//! ```
//!
//! * A failed flush writes some of the pending sectors and forgets the others for ever: the next flush
//!   succeeds without them. The program may go on seeing them, or not.
//! * A lost flush says that it is done and does nothing.
//! * A rename is on the disk or not; it is never half there.
//! * From a chosen call on, nothing works any more ([`Model::crash_after`]): the power is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod calls;

/// The unit that a disk writes whole, mostly.
const SECTOR: usize = 512;

/// Random numbers that are the same each time (xorshift64*, S. Vigna 2016).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut this = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        this.next();
        this
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// One below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.below(1000) < u64::from(thousandths)
    }
}

/// The faults of a disk, each in thousandths of its calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Reads that fail.
    pub read: u32,
    /// Writes that fail, after some of their bytes.
    pub write: u32,
    /// Writes and reads that do less than was asked for.
    pub short: u32,
    /// Flushes of files that fail.
    pub sync: u32,
    /// Flushes of directories that fail.
    pub sync_dir: u32,
    /// Files that cannot be created, and lengths that cannot be had: no space.
    pub space: u32,
    /// Flushes that do nothing and say that they did.
    pub lost: u32,
    /// The file system cannot allocate.
    pub cannot_allocate: bool,
}

#[derive(Debug, Default)]
struct Inode {
    /// The content as programs see it.
    cache: Vec<u8>,
    /// The content on the disk; its length is the length there.
    disk: Vec<u8>,
    /// Sectors since the last flush, in the order of their writes.
    pending: Vec<(usize, [u8; SECTOR])>,
}

/// A change of names that no flush has seen.
#[derive(Debug, Clone)]
enum Change {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Debug)]
struct Machine {
    random: Random,
    faults: Faults,
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    names_on_disk: BTreeMap<PathBuf, u64>,
    changes: Vec<Change>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeMap<u64, u64>,
    last: u64,
    /// Counted up with every crash: handles of before are dead.
    boot: u64,
    /// The calls that still work.
    calls_left: Option<u64>,
}

/// The model of a machine with one disk.
#[derive(Debug, Clone)]
pub(crate) struct Model(Arc<Mutex<Machine>>);

/// An open file of the model.
#[derive(Debug)]
pub(crate) struct ModelFile {
    machine: Arc<Mutex<Machine>>,
    inode: u64,
    handle: u64,
    boot: u64,
}

impl Drop for ModelFile {
    fn drop(&mut self) {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        if machine.locks.get(&self.inode) == Some(&self.handle) {
            machine.locks.remove(&self.inode);
        }
    }
}

fn failure(what: &'static str) -> io::Error {
    io::Error::other(what)
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &Change) {
    match change {
        Change::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
        Change::Unlink(path) => drop(names.remove(path)),
        Change::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

impl Inode {
    fn sector(&self, at: usize) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        let start = (at * SECTOR).min(self.cache.len());
        let bytes = &self.cache[start..self.cache.len().min(start + SECTOR)];
        sector[..bytes.len()].copy_from_slice(bytes);
        sector
    }

    fn write_disk(disk: &mut [u8], at: usize, bytes: &[u8]) {
        let start = (at * SECTOR).min(disk.len());
        let count = bytes.len().min(disk.len() - start);
        disk[start..start + count].copy_from_slice(&bytes[..count]);
    }

    fn flush(&mut self) {
        self.disk.resize(self.cache.len(), 0);
        for (at, sector) in std::mem::take(&mut self.pending) {
            Self::write_disk(&mut self.disk, at, &sector);
        }
    }

    /// Brings some of what is pending to the disk: so many thousandths, and some sectors only in part.
    fn flush_some(&mut self, random: &mut Random, thousandths: u32) -> Vec<usize> {
        if self.disk.len() != self.cache.len() && random.chance(thousandths) {
            self.disk.resize(self.cache.len(), 0);
        }
        let mut forgotten = Vec::new();
        for (at, sector) in std::mem::take(&mut self.pending) {
            if random.chance(thousandths) {
                let torn = random.chance(30);
                let count = if torn { random.below(SECTOR as u64) as usize } else { SECTOR };
                Self::write_disk(&mut self.disk, at, &sector[..count]);
            } else {
                forgotten.push(at);
            }
        }
        forgotten
    }
}

impl Model {
    /// A machine with an empty disk.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Machine {
            random: Random::new(seed),
            faults: Faults::default(),
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            names_on_disk: BTreeMap::new(),
            changes: Vec::new(),
            dirs: BTreeSet::new(),
            locks: BTreeMap::new(),
            last: 0,
            boot: 0,
            calls_left: None,
        })))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the faults from now on.
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.machine().faults = faults;
    }

    /// Lets so many calls more work.
    pub(crate) fn crash_after(&self, calls: Option<u64>) {
        self.machine().calls_left = calls;
    }

    /// Tells whether the power is gone.
    pub(crate) fn is_down(&self) -> bool {
        self.machine().calls_left == Some(0)
    }

    /// The power fails and comes back: the cache is what was on the disk.
    pub(crate) fn crash(&self) {
        let machine = &mut *self.machine();
        let Machine { random, inodes, names, names_on_disk, changes, .. } = machine;
        // Disks differ in how much they had done: nothing, nearly all, something.
        let thousandths = [0, 100, 500, 900, 1000][random.below(5) as usize];
        for inode in inodes.values_mut() {
            inode.flush_some(random, thousandths);
            inode.cache.clone_from(&inode.disk);
        }
        let thousandths = [0, 500, 1000][random.below(3) as usize];
        for change in std::mem::take(changes) {
            if random.chance(thousandths) {
                apply(names_on_disk, &change);
            }
        }
        names.clone_from(names_on_disk);
        let alive: BTreeSet<_> = names.values().copied().collect();
        inodes.retain(|inode, _| alive.contains(inode));
        machine.locks.clear();
        machine.boot += 1;
        machine.calls_left = None;
    }

    /// The content of all files, as programs see it.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let machine = self.machine();
        machine
            .names
            .iter()
            .map(|(path, inode)| (path.clone(), machine.inodes[inode].cache.clone()))
            .collect()
    }

    /// Puts a file onto the disk.
    pub(crate) fn put(&self, path: &Path, content: Vec<u8>) {
        let mut machine = self.machine();
        machine.last += 1;
        let inode = machine.last;
        machine.inodes.insert(inode, Inode { disk: content.clone(), cache: content, pending: Vec::new() });
        machine.names.insert(path.to_owned(), inode);
        machine.names_on_disk.insert(path.to_owned(), inode);
    }
}

impl Machine {
    /// Refuses a call when the power is gone.
    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => Err(failure("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn inode(&mut self, file: &ModelFile) -> io::Result<&mut Inode> {
        if file.boot != self.boot {
            return Err(failure("a handle of before the crash"));
        }
        self.inodes.get_mut(&file.inode).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn fails(&mut self, thousandths: u32) -> bool {
        self.random.chance(thousandths)
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.changes.push(change);
    }
}
