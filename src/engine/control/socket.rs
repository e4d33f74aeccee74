//! The socket's file: how it comes to be, what it never replaces, how it goes.
//!
//! ```text
//!  lock the directory          two engines that start together take turns
//!  what is at the path?        nothing: go on; a socket of ours on which nobody listens: go on;
//!                              a live one, or anything else: refused, untouched
//!  bind a name of our own      with mode 0600 from its first moment: the mode was set before the bind
//!  listen, rename              until it listens nobody can connect, and the rename replaces in one step
//! ```
//!
//! The process's umask would do as well, but it belongs to all threads, the user's among them.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::geteuid;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// The time to wait for another engine that is about to open a socket in the same directory. Whoever may
/// read the directory can hold this lock, so after that the start goes on without it.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// The time that a live socket may take to show that it is one.
const PROBE: Duration = Duration::from_secs(1);

/// A socket file that this process made; removed when dropped, if it is still the same.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode)) {
            // A directory that became read-only keeps the file; the next start finds that nobody listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`.
///
/// # Errors
/// Another engine listens there, the file there is no stale socket of ours, or the system says no: each as
/// a sentence with the path in it.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        format!("cannot open the control socket {}: {what}: {error}", path.display())
    };
    // The directory as it is now: the user's code may change the working directory later.
    let path = &std::path::absolute(path).map_err(|error| failed("its directory", &error))?;
    let (Some(directory), Some(_)) = (path.parent(), path.file_name()) else {
        return Err(failed("its name", &"not a name for a file"));
    };
    let own = directory.join(format!(".inrush-{}.sock", std::process::id()));
    let addresses = SocketAddrUnix::new(path).and(SocketAddrUnix::new(&own));
    let address = addresses.map_err(|error| match error {
        Errno::NAMETOOLONG => failed("its name", &"a socket's path has at most 107 bytes"),
        error => failed("its name", &error),
    })?;
    let _turn = lock(directory);
    make_room(path)?;
    remove_leftover(&own).map_err(|error| failed(&own.display().to_string(), &error))?;
    let bind = || -> io::Result<OwnedFd> {
        let socket = socket(SocketFlags::CLOEXEC)?;
        // Linux gives a socket's file the mode of the socket, less the umask.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &address)?;
        Ok(socket)
    };
    let socket = bind().map_err(|error| failed("bind", &error))?;
    let take = || -> io::Result<SocketFile> {
        let made = fs::symlink_metadata(&own)?;
        if made.mode() & 0o777 != 0o600 {
            rustix::fs::chmod(&own, Mode::RUSR | Mode::WUSR)?;
        }
        rustix::net::listen(&socket, BACKLOG)?;
        fs::rename(&own, path)?;
        Ok(SocketFile { path: path.clone(), device: made.dev(), inode: made.ino() })
    };
    match take() {
        Ok(file) => Ok((UnixListener::from(socket), file)),
        Err(error) => {
            // It may not be there any more; whatever happened is in `error`.
            let _ = fs::remove_file(&own);
            Err(failed("listen", &error))
        }
    }
}

/// Checks that a file may be put at `path`: nothing is there, or a socket of ours that nobody listens on.
fn make_room(path: &Path) -> Result<(), String> {
    let refused = |why: &str| Err(format!("cannot open the control socket {}: {why}", path.display()));
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return refused(&error.to_string()),
    };
    if !found.file_type().is_socket() {
        return refused("there is a file that is not a socket; it is left alone");
    }
    match connect(path, PROBE) {
        Ok(stream) => match getsockopt(&stream, PeerCredentials) {
            Ok(peer) if peer.pid() > 0 => {
                refused(&format!("another engine listens there (process {})", peer.pid()))
            }
            // One in a container that shares the directory has no number here.
            _ => refused("another engine listens there"),
        },
        // Its queue of connections is full.
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            refused("another engine listens there, and is busy")
        }
        Err(error) if error.kind() != ErrorKind::ConnectionRefused => {
            refused(&format!("there is a socket, and whether somebody listens is not known: {error}"))
        }
        Err(_) if found.uid() != geteuid().as_raw() => {
            refused(&format!("there is a socket of user {}; it is left alone", found.uid()))
        }
        Err(_) => Ok(()),
    }
}

/// Removes what a process with our number left behind before it could rename it.
fn remove_leftover(own: &Path) -> io::Result<()> {
    match fs::symlink_metadata(own) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(own),
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Holds off other engines that open a socket in `directory`, until it is dropped.
fn lock(directory: &Path) -> Option<fs::File> {
    let file = fs::File::open(directory).ok()?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(file),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            // Some file systems have no locks.
            Err(_) => return None,
        }
    }
}

/// Connects to the socket at `path`. One whose queue is full gives `WouldBlock` after `within`.
pub(crate) fn connect(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket(SocketFlags::CLOEXEC)?;
    set_socket_timeout(&socket, Timeout::Send, Some(within))?;
    rustix::net::connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

fn socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// True when the other end of `stream` is a process of our own user, or of root.
pub(super) fn is_ours(stream: &UnixStream) -> bool {
    let peer = getsockopt(stream, PeerCredentials);
    peer.is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}
