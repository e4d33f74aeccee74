//! The operating system as the store sees it: [`Disk`], and the real one, [`SystemDisk`].

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{CWD, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The operating system, or a model of it. Each method is one call of the system, with its promises and no
/// more: a write reaches the disk at some time after it, and a name in a directory likewise, each with a
/// flush of its own.
pub trait Disk: Send + Sync + 'static {
    /// An open file. Letting go of it closes it, and gives its lock back.
    type File: Send + Sync + 'static;

    /// Makes a directory and those above it, for the owner alone, and returns when their names are on the
    /// disk.
    ///
    /// # Errors
    /// The error of the system.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The names in a directory.
    ///
    /// # Errors
    /// The error of the system.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;
    /// Creates a file for reading and writing that was not there, mode 0600.
    ///
    /// # Errors
    /// The error of the system; `AlreadyExists`.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a regular file for reading, or for both.
    ///
    /// # Errors
    /// The error of the system; it is no regular file.
    fn open(&self, path: &Path, write: bool) -> io::Result<Self::File>;
    /// Writes some of the bytes, as `pwritev` does: all, or fewer.
    ///
    /// # Errors
    /// The error of the system.
    fn write_vectored_at(&self, file: &Self::File, bytes: &[IoSlice<'_>], at: u64) -> io::Result<usize>;
    /// Reads some bytes; none at the end of the file.
    ///
    /// # Errors
    /// The error of the system.
    fn read_at(&self, file: &Self::File, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// Returns when the content and the length of the file are on the disk (`fdatasync`).
    ///
    /// # Errors
    /// The error of the system. Then nothing is known of what was written since the last time.
    fn sync_data(&self, file: &Self::File) -> io::Result<()>;
    /// The length of the file.
    ///
    /// # Errors
    /// The error of the system.
    fn len(&self, file: &Self::File) -> io::Result<u64>;
    /// Changes the length of the file.
    ///
    /// # Errors
    /// The error of the system.
    fn set_len(&self, file: &Self::File, len: u64) -> io::Result<()>;
    /// Gives the file room for `len` bytes, which read as zeros, and this length.
    ///
    /// # Errors
    /// The error of the system; `Unsupported` where the file system cannot.
    fn allocate(&self, file: &Self::File, len: u64) -> io::Result<()>;
    /// Tells whether any directory still has a name of the file.
    ///
    /// # Errors
    /// The error of the system.
    fn is_linked(&self, file: &Self::File) -> io::Result<bool>;
    /// Renames a file, over whatever has the new name.
    ///
    /// # Errors
    /// The error of the system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name.
    ///
    /// # Errors
    /// The error of the system.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names of the directory are on the disk.
    ///
    /// # Errors
    /// The error of the system.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock on the file for this handle alone, without waiting.
    ///
    /// # Errors
    /// The error of the system; `WouldBlock`: somebody else has it.
    fn lock(&self, file: &Self::File) -> io::Result<()>;
    /// The process that has the lock on the file, if it can be seen.
    fn holder(&self, file: &Self::File) -> Option<i32>;
    /// The bytes that can still be written into the directory.
    ///
    /// # Errors
    /// The error of the system.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// A random number, for the identity of a new buffer.
    ///
    /// # Errors
    /// The error of the system.
    fn random(&self) -> io::Result<u64>;
}

/// The operating system that this runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    // NONBLOCK: a pipe of that name must not make the start wait.
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | flags;
    let file = File::from(rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

/// Calls again what a signal interrupted.
fn again<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

impl Disk for SystemDisk {
    type File = File;

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.create_dir_all(parent)?;
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => done?,
        }
        self.sync_dir(parent)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        open(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    fn open(&self, path: &Path, write: bool) -> io::Result<File> {
        open(path, if write { OFlags::RDWR } else { OFlags::RDONLY })
    }

    fn write_vectored_at(&self, file: &File, bytes: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        again(|| rustix::io::pwritev(file, bytes, at))
    }

    fn read_at(&self, file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            match file.read_at(into, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        // Not again after an interruption: nothing is known then.
        file.sync_data()
    }

    fn len(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn allocate(&self, file: &File, len: u64) -> io::Result<()> {
        match again(|| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len)) {
            Err(error) if error.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            done => done,
        }
    }

    fn is_linked(&self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.nlink() > 0)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, file: &File) -> io::Result<()> {
        again(|| rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive))
    }

    /// As Linux lists it: `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`.
    fn holder(&self, file: &File) -> Option<i32> {
        let inode = file.metadata().ok()?.ino();
        let locks = fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let is_it =
                words.get(1) == Some(&"FLOCK") && words.get(5)?.rsplit(':').next()?.parse() == Ok(inode);
            // A process of another container has no number here.
            is_it.then(|| words.get(4)?.parse().ok()).flatten().filter(|process| *process > 0)
        })
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(dir)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn random(&self) -> io::Result<u64> {
        getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
    }
}
