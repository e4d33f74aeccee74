//! Unix sockets, and the files by which they are found.
//!
//! ```text
//!  what is at the path?     nothing: go on; a socket on which nobody receives: removed;
//!                           a live one, or anything else: refused, untouched
//!  bind                     the file appears, with no permission for anybody
//!  owner, then mode         through a descriptor of that file, not through its name
//!  listen                   until then a stream socket takes nobody
//! ```
//!
//! The file stays when the socket is closed, as that of syslog-ng does: who sends finds that nobody receives,
//! and the next start removes it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use socket2::SockRef;

use super::inet::{receive_buffer, send_buffer};
use super::options::SocketOptions;
use super::{Doing, Opened, SocketError};
use crate::config::{Config, Diagnostic, FilePermissions, Ownership};
use crate::flow::passed;
use crate::transport::access::{Access, access, make_directories};

/// Permission bits of the file of a socket: everybody may send, as everybody may log.
const PERM: u32 = 0o666;

/// The way in which the file of a socket is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketFile {
    /// `owner()`, `group()`, `perm()`
    file: Access,
    /// `dir-owner()`, `dir-group()`, `dir-perm()` of directories that are made.
    dir: Access,
    /// `create-dirs()`
    create_dirs: bool,
}

impl SocketFile {
    /// What the options of a driver say. The owner and the mode in `options { }` are for files that are
    /// written.
    ///
    /// # Errors
    /// Users and groups that nobody knows, at their places.
    pub(crate) fn new(
        config: &Config,
        permissions: &FilePermissions,
        create_dirs: Option<bool>,
    ) -> Result<Self, Diagnostic> {
        let default = Ownership { owner: None, group: None, perm: Some(PERM) };
        Ok(Self {
            file: access(config, &permissions.file(&default))?,
            dir: access(config, &permissions.dir(&config.options.dir))?,
            create_dirs: create_dirs.unwrap_or(config.options.create_dirs),
        })
    }

    /// Binds `socket` to `path`, so that the file has its owner and its mode.
    fn bind(&self, socket: &OwnedFd, path: &Path) -> Result<(), SocketError> {
        let doing = || format!("binding to {}", path.display());
        let address = SocketAddrUnix::new(path).map_err(|error| match error {
            Errno::NAMETOOLONG => {
                SocketError::new(doing(), io::Error::other("the path of a socket has at most 107 bytes"))
            }
            error => SocketError::new(doing(), error),
        })?;
        make_room(path).doing(doing)?;
        if self.create_dirs
            && let Some(directory) = path.parent()
        {
            make_directories(directory, &self.dir).doing(doing)?;
        }
        // Linux gives the file of a socket the mode of the socket, less the umask.
        if self.file.perm.is_some() {
            rustix::fs::fchmod(socket, Mode::empty()).doing(doing)?;
        }
        net::bind(socket, &address).doing(doing)?;
        let made = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        self.give(&made.doing(doing)?, path)
    }

    /// Sets owner and mode of the file of a socket, which `made` names. (It cannot be opened otherwise.)
    fn give(&self, made: &OwnedFd, path: &Path) -> Result<(), SocketError> {
        let Access { owner, group, perm } = self.file;
        if owner.is_some() || group.is_some() {
            let (owner, group) = (owner.map(Uid::from_raw), group.map(Gid::from_raw));
            rustix::fs::chownat(made, c"", owner, group, AtFlags::EMPTY_PATH)
                .doing(|| format!("setting the owner of {}", path.display()))?;
        }
        if let Some(perm) = perm {
            let own = format!("/proc/self/fd/{}", made.as_raw_fd());
            rustix::fs::chmodat(CWD, own, Mode::from_raw_mode(perm), AtFlags::empty())
                .doing(|| format!("setting the mode of {}", path.display()))?;
        }
        Ok(())
    }
}

/// Listens for connections at `path`; `backlog` of them may wait to be accepted.
///
/// # Errors
/// Something else is at the path, or the system refuses.
pub(crate) fn listen_stream(
    path: &[u8],
    file: &SocketFile,
    options: &SocketOptions,
    backlog: i32,
) -> Result<Opened<UnixListener>, SocketError> {
    let path = Path::new(OsStr::from_bytes(path));
    let socket = receiver(SocketType::STREAM, options)?;
    let warnings = receive_buffer(&SockRef::from(&socket), options)?;
    file.bind(&socket, path)?;
    net::listen(&socket, backlog).doing(|| format!("listening on {}", path.display()))?;
    remember(path);
    Ok(Opened::new(socket.into(), warnings))
}

/// Receives datagrams at `path`.
///
/// # Errors
/// As of [`listen_stream`].
pub(crate) fn receive_datagrams(
    path: &[u8],
    file: &SocketFile,
    options: &SocketOptions,
) -> Result<Opened<UnixDatagram>, SocketError> {
    let path = Path::new(OsStr::from_bytes(path));
    let socket = receiver(SocketType::DGRAM, options)?;
    let warnings = receive_buffer(&SockRef::from(&socket), options)?;
    file.bind(&socket, path)?;
    remember(path);
    Ok(Opened::new(socket.into(), warnings))
}

/// Receives datagrams from the socket that the manager of services has passed: that at `path`, or the only
/// one.
///
/// # Errors
/// There is none, or more than one, or the system refuses.
pub(crate) fn passed_datagrams(
    path: Option<&[u8]>,
    options: &SocketOptions,
) -> Result<Opened<UnixDatagram>, SocketError> {
    let doing = || "taking a socket from the manager of services".to_owned();
    let mut passed = passed::sockets().doing(doing)?;
    passed.retain(|socket| is_datagrams_at(socket, path));
    let (Some(socket), true) = (passed.pop(), passed.is_empty()) else {
        let why = "not one unix socket for datagrams was passed, but none or several";
        return Err(SocketError::new(doing(), io::Error::other(why)));
    };
    rustix::io::ioctl_fionbio(&socket, true).doing(doing)?;
    sockopt::set_socket_passcred(&socket, options.so_passcred).doing(|| "so-passcred()".to_owned())?;
    let warnings = receive_buffer(&SockRef::from(&socket), options)?;
    Ok(Opened::new(socket.into(), warnings))
}

/// Tells whether `socket` is a unix socket for datagrams, at `path` where one is asked for.
fn is_datagrams_at(socket: &OwnedFd, path: Option<&[u8]>) -> bool {
    if sockopt::socket_type(socket) != Ok(SocketType::DGRAM) {
        return false;
    }
    let Ok(address) = net::getsockname(socket) else { return false };
    let Ok(address) = SocketAddrUnix::try_from(address) else { return false };
    path.is_none_or(|path| address.path_bytes() == Some(path))
}

/// Connects to the stream socket at `path`. One whose queue is full gives [`ErrorKind::WouldBlock`].
///
/// # Errors
/// Nobody listens there, or the system refuses.
pub(crate) fn connect_stream(
    path: &[u8],
    options: &SocketOptions,
) -> Result<Opened<UnixStream>, SocketError> {
    connect(path, SocketType::STREAM, options)
}

/// A socket that sends datagrams to the socket at `path`.
///
/// # Errors
/// Nobody receives there, or the system refuses.
pub(crate) fn send_datagrams(
    path: &[u8],
    options: &SocketOptions,
) -> Result<Opened<UnixDatagram>, SocketError> {
    connect(path, SocketType::DGRAM, options)
}

fn connect<S: From<OwnedFd> + AsFd>(
    path: &[u8],
    kind: SocketType,
    options: &SocketOptions,
) -> Result<Opened<S>, SocketError> {
    let path = Path::new(OsStr::from_bytes(path));
    let doing = || format!("connecting to {}", path.display());
    let socket = socket(kind)?;
    let warnings = send_buffer(&SockRef::from(&socket), options)?;
    net::connect(&socket, &SocketAddrUnix::new(path).doing(doing)?).doing(doing)?;
    Ok(Opened::new(socket.into(), warnings))
}

fn socket(kind: SocketType) -> Result<OwnedFd, SocketError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    net::socket_with(AddressFamily::UNIX, kind, flags, None).doing(|| "making a socket".to_owned())
}

fn receiver(kind: SocketType, options: &SocketOptions) -> Result<OwnedFd, SocketError> {
    let socket = socket(kind)?;
    if options.so_passcred {
        sockopt::set_socket_passcred(&socket, true).doing(|| "so-passcred(yes)".to_owned())?;
    }
    Ok(socket)
}

/// The files of sockets that this process has made: device and number. A driver that is replaced at a reload
/// is still there when the one that takes its path is opened.
static OWN: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

/// Notes the file of a socket that was just made.
fn remember(path: &Path) {
    let Ok(made) = fs::symlink_metadata(path) else { return };
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = (made.dev(), made.ino());
    if !own.contains(&file) {
        own.push(file);
    }
}

/// Makes sure that a socket may be bound to `path`: removes a socket that is there if nobody receives on it
/// any more, or if it is this process's own.
fn make_room(path: &Path) -> io::Result<()> {
    let refused = |why: &str| Err(io::Error::new(ErrorKind::AddrInUse, why));
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return refused("there is a file that is not a socket; it is left alone");
    }
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = (found.dev(), found.ino());
    if !own.contains(&file) && is_live(path)? {
        return refused("another program receives there");
    }
    own.retain(|other| *other != file);
    fs::remove_file(path)
}

/// Tells whether somebody receives on the socket at `path`.
fn is_live(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    match net::connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => Ok(false),
        // Another kind of socket: connections. It is asked without one being made.
        Ok(()) | Err(Errno::PROTOTYPE) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
