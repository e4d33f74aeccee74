//! Opening what a path names: [`Sink`].
//!
//! Everything is opened `O_WRONLY|O_APPEND|O_CLOEXEC|O_NOCTTY|O_NONBLOCK`. The last one makes a FIFO
//! without a reader an error (ENXIO) instead of a thread that hangs, and a full one EAGAIN; it means
//! nothing to a regular file. Owner and permission bits that the configuration names are set at each
//! opening, on regular files alone, and whatever the umask is.
//!
//! `/dev/stdout` and `/dev/stderr` are the process's own: a file keeps the offset that it shares with
//! whoever started the process, so it is duplicated; a pipe or a terminal is opened once more
//! through `/proc`, because `O_NONBLOCK` would otherwise be set for everybody who shares it.

use std::ffi::OsStr;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat, StatxFlags};
use rustix::io::{self, Errno};

use super::cut;
use super::peer::{Peer, write_pieces};
use crate::destination::Wake;
use crate::flow::unshared::Unshared;
use crate::transport::access::{Access, make_directories};

/// The bytes that a pipe that polls as writable takes without blocking: `PIPE_BUF` of Linux.
const PIPE_ATOMIC: usize = 4096;

/// The way in which files are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    /// True when missing directories are made: `create-dirs()`.
    pub create_dirs: bool,
    /// For files: `owner()`, `group()`, `perm()`.
    pub file: Access,
    /// For directories that are made: `dir-owner()`, `dir-group()`, `dir-perm()`.
    pub dir: Access,
}

impl Opening {
    /// Makes the directories in which `path` is to be, as far as they are missing.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn make_directories(&self, path: &Path) -> Result<(), Errno> {
        path.parent().map_or(Ok(()), |parent| make_directories(parent, &self.dir))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Regular,
    /// A FIFO, a terminal or a device, with `O_NONBLOCK`.
    Stream,
    /// A socket: each connection is another one, and nobody else writes to it.
    Socket,
    /// Shared with other processes, so without `O_NONBLOCK`.
    Shared,
}

/// Something open for writing.
#[derive(Debug)]
pub struct Sink {
    /// With a peer: a fork that keeps the descriptor would keep the peer from reading to the end.
    _unshared: Option<Unshared>,
    fd: OwnedFd,
    kind: Kind,
    device: u64,
    inode: u64,
    /// The part of owner and permission that could not be set.
    pub(super) warning: Option<String>,
    /// Let go of after the descriptor is closed.
    peer: Option<Box<dyn Peer>>,
}

impl Sink {
    /// Opens `path`.
    pub(super) fn open(path: &[u8], how: &Opening) -> Result<Self, Errno> {
        let path = Path::new(OsStr::from_bytes(path));
        let fd = match open_or_create(path, how) {
            Err(Errno::NOENT) if how.create_dirs => {
                how.make_directories(path)?;
                open_or_create(path, how)?
            }
            opened => opened?,
        };
        let sink = Self::new(fd)?;
        Ok(if sink.kind == Kind::Regular { sink.owned(&how.file) } else { sink })
    }

    /// Sets owner and permission bits; what cannot be set is told as a warning.
    #[must_use]
    pub fn owned(mut self, access: &Access) -> Self {
        self.warning = access.apply(self.fd.as_fd()).err();
        self
    }

    /// Notes what is not as it was asked for, to be told once, beside what was noted before.
    #[must_use]
    pub(crate) fn with_warning(self, warning: String) -> Self {
        let all = match &self.warning {
            Some(before) => format!("{before}; {warning}"),
            None => warning,
        };
        Self { warning: Some(all), ..self }
    }

    /// The warning about what is not as it was asked for.
    #[cfg(test)]
    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Gives it a descriptor with a number of at least `least`, if there is one.
    pub(super) fn move_above(&mut self, least: i32) {
        if self.fd.as_raw_fd() < least
            && let Ok(fd) = io::fcntl_dupfd_cloexec(&self.fd, least)
        {
            self.fd = fd;
        }
    }

    /// The process's own standard output or error.
    pub(super) fn standard(name: &[u8]) -> Result<Self, Errno> {
        let (own, path) = if name == b"/dev/stderr" {
            (rustix::stdio::stderr(), "/proc/self/fd/2")
        } else {
            (rustix::stdio::stdout(), "/proc/self/fd/1")
        };
        let kind = FileType::from_raw_mode(fs::fstat(own)?.st_mode);
        if matches!(kind, FileType::Fifo | FileType::CharacterDevice)
            && let Ok(fd) = fs::open(path, FLAGS, Mode::empty())
        {
            return Self::new(fd);
        }
        let mut sink = Self::new(io::fcntl_dupfd_cloexec(own, 3)?)?;
        if sink.kind != Kind::Regular {
            sink.kind = Kind::Shared;
        }
        Ok(sink)
    }

    /// Wraps what `fd` has open for writing.
    ///
    /// # Errors
    /// It is a directory, or those of the system.
    pub fn new(fd: OwnedFd) -> Result<Self, Errno> {
        // Where somebody has closed one of the standard descriptors, nothing that is printed may get here.
        let fd = if fd.as_raw_fd() <= 2 { io::fcntl_dupfd_cloexec(&fd, 3)? } else { fd };
        let stat = fs::fstat(&fd)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::Regular,
            FileType::Directory => return Err(Errno::ISDIR),
            FileType::Socket => Kind::Socket,
            _ => Kind::Stream,
        };
        let (device, inode) = identity(&stat);
        Ok(Self { fd, kind, device, inode, warning: None, _unshared: None, peer: None })
    }

    /// A pipe or a socket that `peer` reads, open for writing.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn to_peer(fd: OwnedFd, peer: Box<dyn Peer>) -> Result<Self, Errno> {
        let flags = fs::fcntl_getfl(&fd)?;
        fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        let sink = Self::new(fd)?;
        Ok(Self { _unshared: Some(Unshared::new(&sink.fd)), peer: Some(peer), ..sink })
    }

    /// The reason why nobody reads any more what is written, if so.
    pub(super) fn deserted(&self) -> Option<Errno> {
        self.peer.as_ref()?.gone(self.fd.as_fd())
    }

    /// Tells that something has happened at its far end.
    pub(super) fn has_news(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.has_news())
    }

    /// Has `wake` called when something happens at its far end.
    pub(super) fn call(&self, wake: &Wake) {
        if let Some(peer) = &self.peer {
            peer.call(wake);
        }
    }

    /// The most bytes of a datagram, where each line is one.
    pub(super) fn datagram(&self) -> Option<usize> {
        self.peer.as_ref()?.datagram()
    }

    /// Sends datagrams, at least one; how many.
    pub(super) fn send(&self, datagrams: &[&[IoSlice<'_>]]) -> Result<usize, Errno> {
        self.peer.as_ref().map_or(Err(Errno::OPNOTSUPP), |peer| peer.send(self.fd.as_fd(), datagrams))
    }

    /// The number of bytes that it was given, where their arrival can be told.
    pub(super) fn given(&self) -> Option<u64> {
        self.peer.as_ref()?.given()
    }

    /// The number of those bytes that have arrived.
    pub(super) fn confirmed(&self) -> u64 {
        self.peer.as_ref().map_or(0, |peer| peer.confirmed(self.fd.as_fd()))
    }

    /// True when it is a file on a disk: one that can be rotated, synced, and written on where it ended.
    pub(super) fn is_regular(&self) -> bool {
        self.kind == Kind::Regular
    }

    /// True when `path` still names it.
    pub(super) fn is_at(&self, path: &[u8]) -> bool {
        fs::stat(path).is_ok_and(|stat| identity(&stat) == (self.device, self.inode))
    }

    /// Tells whether it is a file that has no name any more and is not what `path` names: what is written to
    /// it is gone when it is closed. (A file that has a path under `/proc` alone, or of a system that counts
    /// no names, is still at its path.)
    pub(super) fn is_removed(&self, path: &[u8]) -> bool {
        self.is_regular() && fs::fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0) && !self.is_at(path)
    }

    /// True when `other` is the same file, open a second time.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Notes that a line was cut in it, which the next to write to it ends
    /// ([`end_cut_line`](Self::end_cut_line)).
    pub(super) fn note_cut_line(&self) {
        if self.kind != Kind::Socket
            && let Ok(pipe) = pipe_at(&self.fd, c"", AtFlags::EMPTY_PATH)
        {
            cut::note(pipe);
        }
    }

    /// Notes that its reader has gone, with what it had of a line that was cut.
    pub(super) fn forget_cut_line(&self) {
        if self.kind != Kind::Socket
            && cut::is_any_noted()
            && let Ok(pipe) = pipe_at(&self.fd, c"", AtFlags::EMPTY_PATH)
        {
            cut::forget(pipe);
        }
    }

    /// The same of what `path` names.
    pub(super) fn forget_cut_line_at(path: &[u8]) {
        if cut::is_any_noted()
            && let Ok(pipe) = pipe_at(CWD, path, AtFlags::empty())
        {
            cut::forget(pipe);
        }
    }

    /// Ends a line that was cut in it before; how many bytes that took.
    pub(super) fn end_cut_line(&self) -> Result<usize, Errno> {
        if matches!(self.kind, Kind::Regular | Kind::Socket) || !cut::is_any_noted() {
            return Ok(0);
        }
        let own = pipe_at(&self.fd, c"", AtFlags::EMPTY_PATH)?;
        if !cut::is_noted(own) {
            return Ok(0);
        }
        let written = self.write(&[IoSlice::new(b"\n")])?;
        cut::forget(own);
        Ok(written)
    }

    /// The file's size now.
    pub(super) fn size(&self) -> Option<i64> {
        fs::fstat(&self.fd).ok().map(|stat| stat.st_size)
    }

    /// True when it is a file, at `path`, whose last line has no end. One that cannot be read is taken to be
    /// in order.
    pub(super) fn is_inside_line(&self, path: &[u8]) -> bool {
        let Some(last) = self.size().filter(|size| self.is_regular() && *size > 0).map(|size| size - 1)
        else {
            return false;
        };
        let flags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOCTTY).union(OFlags::NONBLOCK);
        let Ok(fd) = fs::open(path, flags, Mode::empty()) else { return false };
        let is_same = fs::fstat(&fd).is_ok_and(|stat| identity(&stat) == (self.device, self.inode));
        let mut byte = [0];
        is_same && io::pread(&fd, &mut byte, last.cast_unsigned()) == Ok(1) && byte != *b"\n"
    }

    /// Takes off what stands behind the first `size` bytes.
    pub(super) fn cut(&self, size: u64) -> Result<(), Errno> {
        fs::ftruncate(&self.fd, size)
    }

    /// Writes the pieces, at least one byte of them.
    pub(super) fn write(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        if self.kind == Kind::Shared {
            return self.write_ready(pieces);
        }
        match &self.peer {
            Some(peer) => peer.write(self.fd.as_fd(), pieces),
            None => write_pieces(self.fd.as_fd(), pieces),
        }
    }

    /// Writes no more than is taken at once.
    fn write_ready(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
            return Err(Errno::AGAIN);
        }
        pieces.first().map_or(Ok(0), |piece| io::write(&self.fd, &piece[..piece.len().min(PIPE_ATOMIC)]))
    }

    /// Waits until what was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        if self.is_regular() { fs::fdatasync(&self.fd) } else { Ok(()) }
    }
}

const FLAGS: OFlags =
    OFlags::WRONLY.union(OFlags::APPEND).union(OFlags::CLOEXEC).union(OFlags::NOCTTY).union(OFlags::NONBLOCK);

/// The identity of a pipe.
fn pipe_at(directory: impl AsFd, path: impl rustix::path::Arg, flags: AtFlags) -> Result<cut::Pipe, Errno> {
    let stat = fs::statx(directory, path, flags, StatxFlags::INO | StatxFlags::BTIME)?;
    let device = fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let made = if stat.stx_mask & StatxFlags::BTIME.bits() == 0 {
        0
    } else {
        i128::from(stat.stx_btime.tv_sec) * 1_000_000_000 + i128::from(stat.stx_btime.tv_nsec)
    };
    Ok((device, stat.stx_ino, made))
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Opens the file, or makes it.
fn open_or_create(path: &Path, how: &Opening) -> Result<OwnedFd, Errno> {
    let mode = Mode::from_raw_mode(how.file.perm.unwrap_or(0o600));
    fs::open(path, FLAGS | OFlags::CREATE, mode)
}
