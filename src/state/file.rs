//! The state file on its file system: opened by one engine at a time, created and replaced whole, kept aside
//! when it is damaged.
//!
//! ```text
//! open      the file, then its lock (flock), then look whether the path still leads to it: else once more
//! create    write FILE.new, lock it, wait until it is on the disk, rename it to FILE: FILE is there
//!           whole or not at all, and nobody can have it between its appearance and its lock
//! rewrite   the same, over FILE: the lock of the old one is given up only when the new one is in its place
//! ```
//!
//! The lock goes with the process, however it ends. After an `fsync` that failed nothing is known of what is
//! on the disk, and the next one may succeed without having written it: then the file is rewritten, never
//! appended to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use foldhash::fast::RandomState;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::format::{self, Content, Loaded, Record, Tail, Unusable};
use super::{Error, Report, Severity};

/// A file smaller than this is not rewritten to make it smaller.
const REWRITE_FROM: u64 = 256 * 1024;
/// A file is rewritten when it has so many times the size that its content needs.
const REWRITE_TIMES: u64 = 4;
/// The most looks at a path that leads somewhere else each time.
const TRIES: usize = 50;
/// The pause between them.
const BETWEEN: Duration = Duration::from_millis(20);
/// Looks into the system's list of locks for one that is there.
const LOOKS: usize = 10;

/// A state file that this process has, and no other.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    file: File,
    tail: Tail,
    /// From this size on it is rewritten.
    rewrite_at: u64,
    /// The content on the disk is not known.
    must_rewrite: bool,
}

/// A step that failed, and why.
type Failed = (&'static str, io::Error);

fn failed(what: &'static str) -> impl Fn(io::Error) -> Failed {
    move |error| (what, error)
}

impl StateFile {
    /// Opens or creates the file at `path`. A damaged one is moved aside, and said.
    ///
    /// # Errors
    /// Another process has it, it is of another kind, or the system says no.
    pub(super) fn open(path: &Path, report: &Report) -> Result<(Self, Content), Error> {
        let path = &resolve(path).map_err(|error| Error::io(path, "cannot open", &error))?;
        for _ in 0..TRIES {
            // The file at the path, or a new one where there is none.
            let file = match open_file(path, OFlags::empty()) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    match create(path, &Content::new(), RenameFlags::NOREPLACE) {
                        Ok((file, tail)) => return Ok((Self::new(path, file, tail), Content::new())),
                        // Another process did, or does.
                        Err((_, error))
                            if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::WouldBlock) =>
                        {
                            std::thread::sleep(BETWEEN);
                            continue;
                        }
                        Err((what, error)) => return Err(Error::io(path, what, &error)),
                    }
                }
                Err(error) => return Err(Error::io(path, "cannot open", &error)),
            };
            // One process has it at a time.
            match lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(in_use(path, &file)),
                Err(error) => return Err(Error::io(path, "cannot lock", &error)),
            }
            // Another process may have put another file there before the lock was taken.
            if !is_at(&file, path).map_err(|error| Error::io(path, "cannot open", &error))? {
                std::thread::sleep(BETWEEN);
                continue;
            }
            // A whole file is gone on with, a damaged one is moved aside and the next round makes a new one.
            let bytes = read_all(&file).map_err(|error| Error::io(path, "cannot read", &error))?;
            match format::read(&bytes) {
                Ok(loaded) => return Self::go_on(path, file, loaded, report),
                Err(Unusable::Damaged { offset, what }) => {
                    let why = Unusable::Damaged { offset, what };
                    let aside = set_aside(path).map_err(|error| {
                        Error::io(path, &format!("{why}; it is damaged and cannot be moved aside"), &error)
                    })?;
                    report(
                        Severity::Error,
                        &format!(
                            "the state file {} is damaged: {why}; it was kept as {}, and the state begins empty",
                            path.display(),
                            aside.display()
                        ),
                    );
                }
                Err(other) => {
                    let text =
                        format!("cannot use {} as the state file: {other}; it is left alone", path.display());
                    return Err(Error::new(text));
                }
            }
        }
        Err(Error::new(format!(
            "cannot open the state file {}: other processes keep replacing it",
            path.display()
        )))
    }

    fn new(path: &Path, file: File, tail: Tail) -> Self {
        let rewrite_at = REWRITE_FROM.max(REWRITE_TIMES * tail.end);
        Self { path: path.to_owned(), file, tail, rewrite_at, must_rewrite: false }
    }

    /// Takes up a file that was read.
    fn go_on(path: &Path, file: File, loaded: Loaded, report: &Report) -> Result<(Self, Content), Error> {
        let shown = path.display();
        if loaded.unfinished > 0 {
            let text = format!(
                "the state file {shown}: a commit that was not finished is left out ({} bytes)",
                loaded.unfinished
            );
            report(Severity::Notice, &text);
        }
        if loaded.lost_witness {
            let text = format!(
                "the state file {shown}: one of its two witnesses is damaged; nothing else is, and it is mended"
            );
            report(Severity::Warning, &text);
        }
        let mut this = Self::new(path, file, loaded.tail);
        this.rewrite_at = REWRITE_FROM.max(REWRITE_TIMES * format::new_file(0, &loaded.content).1.end);
        let mend = || -> io::Result<()> {
            this.file.set_len(this.tail.end)?;
            if loaded.lost_witness {
                let bytes = this.tail.witness().1;
                this.file.write_all_at(&bytes, format::PAGE as u64)?;
                this.file.write_all_at(&bytes, 2 * format::PAGE as u64)?;
            } else {
                this.write_witness()?;
            }
            this.file.sync_data()
        };
        mend().map_err(|error| Error::io(path, "cannot write", &error))?;
        Ok((this, loaded.content))
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its descriptor, which holds the lock.
    pub(super) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// True when the next commit has to be [`StateFile::rewrite`]; `Err` when the file at the path is another
    /// one.
    pub(super) fn wants_rewrite(&self) -> io::Result<bool> {
        match is_at(&self.file, &self.path) {
            Ok(true) => Ok(self.must_rewrite || self.tail.end >= self.rewrite_at),
            Ok(false) => Err(io::Error::other(
                "another file was put in its place while the engine ran; move that one away",
            )),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Appends `record` and waits until it is on the disk.
    pub(super) fn commit(&mut self, record: Record) -> io::Result<()> {
        let (bytes, next) = record.finish(&self.tail);
        if let Err(error) = self.file.write_all_at(&bytes, self.tail.end) {
            // What is left of it is an unfinished commit, which the next one overwrites.
            let _ = self.file.set_len(self.tail.end);
            return Err(error);
        }
        if let Err(error) = self.file.sync_data() {
            self.must_rewrite = true;
            return Err(error);
        }
        self.tail = next;
        // The record is on the disk and holds without it.
        self.must_rewrite |= self.write_witness().is_err();
        Ok(())
    }

    /// Replaces the file by one that holds `content`, and waits until that is on the disk.
    pub(super) fn rewrite(&mut self, content: &Content) -> io::Result<()> {
        let is_gone = is_at(&self.file, &self.path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let how = if is_gone { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        let (file, tail) = create(&self.path, content, how).map_err(|(_, error)| error)?;
        *self = Self::new(&self.path, file, tail);
        Ok(())
    }

    /// Makes the last witness durable as well.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_witness(&self) -> io::Result<()> {
        let (offset, bytes) = self.tail.witness();
        self.file.write_all_at(&bytes, offset)
    }
}

/// Reads the file at `path` without changing anything.
///
/// # Errors
/// A process has it, it is damaged or something else, or the system says no.
pub(super) fn look_into(path: &Path) -> Result<Loaded, Error> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .and_then(regular)
        .map_err(|error| Error::io(path, "cannot open", &error))?;
    match lock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(in_use(path, &file)),
        Err(error) => return Err(Error::io(path, "cannot lock", &error)),
    }
    let bytes = read_all(&file).map_err(|error| Error::io(path, "cannot read", &error))?;
    format::read(&bytes).map_err(|why| {
        let is = if matches!(why, Unusable::Damaged { .. }) { "is damaged" } else { "cannot be read" };
        Error::new(format!("the state file {} {is}: {why}", path.display()))
    })
}

/// The path without links and relative parts: the user's code may change the working directory, and a
/// rename must replace the file, not a link to it.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    if fs::symlink_metadata(path).is_ok() {
        return path.canonicalize();
    }
    let path = std::path::absolute(path)?;
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) => Ok(directory.canonicalize()?.join(name)),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "not a name for a file")),
    }
}

fn open_file(path: &Path, more: OFlags) -> io::Result<File> {
    // NONBLOCK: a pipe of that name must not make the start wait.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | more;
    let file = rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?;
    regular(File::from(file))
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
}

fn lock(file: &File, how: FlockOperation) -> io::Result<()> {
    loop {
        match rustix::fs::flock(file, how) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = file;
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// True when `path` leads to `file`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (mine, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((mine.dev(), mine.ino()) == (there.dev(), there.ino()))
}

/// Writes a new file with `content` and renames it to `path`, locked from its first moment there.
fn create(path: &Path, content: &Content, how: RenameFlags) -> Result<(File, Tail), Failed> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let step = failed("cannot create");
    let file = open_file(&new, OFlags::CREATE).map_err(&step)?;
    lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(&step)?;
    match is_at(&file, &new) {
        Ok(true) => {}
        // Whoever had the lock before has renamed it.
        Ok(false) => return Err(step(ErrorKind::WouldBlock.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(step(ErrorKind::WouldBlock.into())),
        Err(error) => return Err(step(error)),
    }
    let (bytes, tail) = format::new_file(random(), content);
    let write = || -> io::Result<()> {
        rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        file.set_len(0)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        match rustix::fs::renameat_with(CWD, &new, CWD, path, how) {
            // Some file systems cannot do it in one step; this start holds the lock on FILE.new, which every
            // other one needs to get here.
            Err(Errno::INVAL | Errno::NOSYS) if fs::symlink_metadata(path).is_err() => {
                rustix::fs::rename(&new, path)?;
            }
            renamed => renamed?,
        }
        sync_directory(path)
    };
    if let Err(error) = write() {
        if error.kind() != ErrorKind::AlreadyExists {
            // Half a file on a full disk; the next try makes it anew. After the rename there is none.
            let _ = fs::remove_file(&new);
        }
        return Err(failed("cannot write")(error));
    }
    Ok((file, tail))
}

fn random() -> u64 {
    use std::hash::BuildHasher;
    let now = jiff::Timestamp::now().as_nanosecond();
    RandomState::default().hash_one((now, std::process::id()))
}

/// Makes the names in the directory of `path` durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Renames a damaged file, over nothing, and returns its new name.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    for count in 1.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{now}"));
        if count > 1 {
            name.push(format!("-{count}"));
        }
        let aside = PathBuf::from(name);
        if fs::symlink_metadata(&aside).is_ok() {
            continue;
        }
        rustix::fs::rename(path, &aside)?;
        sync_directory(path)?;
        return Ok(aside);
    }
    unreachable!("there are more numbers than files")
}

fn in_use(path: &Path, file: &File) -> Error {
    // The list is read in pieces: while others take and leave their locks, a line can fall between two of them.
    let by = file.metadata().ok().and_then(|found| (0..LOOKS).find_map(|_| holder(found.ino())));
    let by = by.map_or_else(|| "another engine".to_owned(), |process| format!("process {process}"));
    Error::new(format!("the state file {} is in use by {by}", path.display()))
}

/// The process that has a lock on the file with this number, as Linux lists it:
/// `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`.
fn holder(inode: u64) -> Option<i32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_it = words.get(1) == Some(&"FLOCK") && words.get(5)?.rsplit(':').next()?.parse() == Ok(inode);
        // A process of another container has no number here.
        is_it.then(|| words.get(4)?.parse().ok()).flatten().filter(|process| *process > 0)
    })
}
