//! The file with the number of the process: [`PidFile`].
//!
//! It is locked as long as the engine runs, so a second engine with the same file does not start. The lock is
//! one of the process (`fcntl`): it goes with it, however it ends, and forks do not have it. At the end the
//! file is removed, if it is still the one that was written.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, fcntl_lock};

/// The most looks when another engine has just removed the file.
const TRIES: usize = 50;
/// More than any number of a process has.
const MAX_CONTENT: usize = 32;

/// Read and written by its owner alone.
const OWN: Mode = Mode::RUSR.union(Mode::WUSR);

/// A file with the number of this process, which no other engine has.
#[derive(Debug)]
pub struct PidFile {
    /// Without links and relative parts: the user's code may change the working directory.
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Creates or takes over the file at `path`, and writes the number of this process into it.
    ///
    /// # Errors
    /// A sentence: a running engine has it, it is no regular file or holds something else, or the system says
    /// no.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: &io::Error| format!("cannot write the pid file {}: {error}", path.display());
        for _ in 0..TRIES {
            let file = open(path).map_err(|error| failed(&error))?;
            let content = content(&file).map_err(|error| failed(&error))?;
            if let Err(error) = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                let error = io::Error::from(error);
                return Err(match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::PermissionDenied => in_use(path, &content),
                    _ => failed(&error),
                });
            }
            if !is_at(&file, path) {
                continue;
            }
            if !content.trim().chars().all(|digit| digit.is_ascii_digit()) {
                return Err(format!(
                    "{} is no pid file: it holds something else than a number; it is left alone",
                    path.display()
                ));
            }
            let write = || -> io::Result<PathBuf> {
                set_mode(&file)?;
                file.set_len(0)?;
                file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
                path.canonicalize()
            };
            let path = write().map_err(|error| failed(&error))?;
            return Ok(Self { path, file });
        }
        Err(format!("cannot write the pid file {}: other processes keep replacing it", path.display()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let own = std::process::id().to_string();
        if is_at(&self.file, &self.path) && content(&self.file).is_ok_and(|content| content.trim() == own) {
            // Somebody may have removed it; that is what was wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // NONBLOCK: a pipe of that name must not make the start wait.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::openat(CWD, path, flags, OWN)?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// Lets nobody else write or read it, whoever made it: a number in it is one that scripts send signals to.
fn set_mode(file: &File) -> io::Result<()> {
    if file.metadata()?.mode() & 0o7777 == OWN.as_raw_mode() {
        return Ok(());
    }
    rustix::fs::fchmod(file, OWN).map_err(|error| {
        let error = io::Error::from(error);
        let what =
            format!("its mode cannot be made {:04o}: {error}; it is another user's", OWN.as_raw_mode());
        io::Error::new(error.kind(), what)
    })
}

fn content(file: &File) -> io::Result<String> {
    let mut bytes = [0; MAX_CONTENT];
    let count = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

fn in_use(path: &Path, content: &str) -> String {
    let number = content.trim();
    let who = if number.is_empty() { String::new() } else { format!(", process {number},") };
    format!("another engine{who} has the pid file {}: stop that one, or name another file", path.display())
}

/// Tells whether `path` leads to `file`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Without it: a second engine takes the file of the first, or the end of one removes the file of
    /// another.
    #[test]
    fn only_the_own_file_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let own = format!("{}\n", std::process::id());
        std::fs::write(&path, "1\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let file = PidFile::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), own, "a stale one is taken over");
        let mode = path.metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o600, "with a mode of our own");
        drop(file);
        assert!(!path.exists());

        let file = PidFile::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &own).unwrap();
        drop(file);
        assert!(path.exists(), "another file in its place stays");

        let file = PidFile::open(&path).unwrap();
        std::fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists(), "one with another number stays");
    }

    /// Without it: a file that somebody named by mistake is emptied, or a pipe holds up the start for ever.
    #[test]
    fn what_is_no_pid_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes");
        std::fs::write(&path, "my notes").unwrap();
        assert!(PidFile::open(&path).unwrap_err().contains("is no pid file"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes");
        for wrong in [directory.path(), Path::new("/dev/null")] {
            assert!(PidFile::open(wrong).unwrap_err().starts_with("cannot write the pid file"));
        }
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(PidFile::open(&pipe).unwrap_err().contains("not a regular file"));
    }
}
