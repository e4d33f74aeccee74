//! The process at the other end of a unix socket, as the kernel and `/proc` have it: [`Process`].
//!
//! The kernel vouches for the number of the process, its user and its group. What `/proc` says is read when the
//! message is: the process may be gone by then, or another one may have its number, so it is a hint.

use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt};

use super::sender::Values;

/// The most bytes of a command line.
const CMDLINE_MAX: u64 = 4095;
/// The audit number that stands for none.
const NO_AUDIT: &str = "4294967295";

/// A process, its user and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// The number of the process; 0 when it is of another namespace.
    pub pid: i32,
    /// The number of its user.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

impl Process {
    /// The process that made the other end of `stream`.
    pub(super) fn of_peer(stream: &UnixStream) -> Option<Self> {
        // nix's: that of rustix has no room for a peer of another namespace, whose number is 0.
        let peer = getsockopt(stream, sockopt::PeerCredentials).ok()?;
        Some(Self { pid: peer.pid(), uid: peer.uid(), gid: peer.gid() })
    }

    /// The values that its messages have.
    pub(super) fn values(self) -> Values {
        let mut values = Values::new();
        let mut add = |name: &str, value: &[u8]| values.push((name.into(), value.into()));
        add(".unix.pid", self.pid.to_string().as_bytes());
        add(".unix.uid", self.uid.to_string().as_bytes());
        add(".unix.gid", self.gid.to_string().as_bytes());
        if self.pid <= 0 {
            return values;
        }
        let path = |file: &str| format!("/proc/{}/{file}", self.pid);
        let mut line = Vec::new();
        let read =
            fs::File::open(path("cmdline")).and_then(|file| file.take(CMDLINE_MAX).read_to_end(&mut line));
        if read.is_ok() && !line.is_empty() {
            line.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
            add(".unix.cmdline", &line);
        }
        if let Ok(program) = fs::read_link(path("exe")) {
            add(".unix.exe", program.as_os_str().as_bytes());
        }
        for (name, file) in [(".audit.auid", "loginuid"), (".audit.ses", "sessionid")] {
            match fs::read_to_string(path(file)) {
                Ok(number) if !matches!(number.trim(), "" | NO_AUDIT) => add(name, number.trim().as_bytes()),
                _ => {}
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a message says nothing of the process that sent it, or fails for one that is gone.
    #[test]
    fn this_process_and_one_that_is_gone() {
        let own = Process { pid: std::process::id().cast_signed(), uid: 7, gid: 8 };
        let values = own.values();
        let value = |name: &str| {
            let found = values.iter().find(|(known, _)| **known == *name);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(value(".unix.pid"), Some(own.pid.to_string()));
        assert_eq!((value(".unix.uid").as_deref(), value(".unix.gid").as_deref()), (Some("7"), Some("8")));
        let program = std::env::current_exe().unwrap();
        assert_eq!(value(".unix.exe").as_deref(), program.to_str());
        assert!(value(".unix.cmdline").is_some_and(|line| line.ends_with(' ') && !line.contains('\0')));
        assert_eq!(Process { pid: i32::MAX, ..own }.values().len(), 3);
    }
}
