//! Sockets that the manager of services has passed to this process (`sd_listen_fds(3)`): [`sockets`].
//!
//! Their descriptors are 3 and those after it, `LISTEN_FDS` of them, where `LISTEN_PID` is this process. They
//! stay open for the whole life of the process, as nobody passes them a second time: who uses one gets a
//! duplicate.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The first descriptor that is passed.
const FIRST: RawFd = 3;
/// More than this many are not looked at.
const MOST: RawFd = 256;

/// Duplicates of what was passed.
///
/// # Errors
/// Nothing was, and why that is so; or the system refuses to duplicate it.
pub(crate) fn sockets() -> io::Result<Vec<OwnedFd>> {
    let variable = |name: &str| std::env::var(name).ok();
    let count = count(variable, std::process::id()).map_err(io::Error::other)?;
    (FIRST..FIRST + count).map(duplicate).collect()
}

/// The number of descriptors that the environment says were passed to the process `own`.
fn count(variable: impl Fn(&str) -> Option<String>, own: u32) -> Result<RawFd, String> {
    let pid = variable("LISTEN_PID").ok_or("no socket was passed: LISTEN_PID is not set")?;
    if pid.parse() != Ok(own) {
        return Err(format!("no socket was passed to this process: LISTEN_PID is {pid}"));
    }
    let count = variable("LISTEN_FDS").ok_or("no socket was passed: LISTEN_FDS is not set")?;
    match count.parse::<u16>() {
        Ok(0) | Err(_) => Err(format!("no socket was passed: LISTEN_FDS is {count}")),
        Ok(count) => Ok(MOST.min(count.into())),
    }
}

fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call reads and writes no memory; a number that is no descriptor is an error.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above. The programs that are started from here are not to have it.
    let _ = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    // SAFETY: the descriptor is new, so nobody else closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a descriptor that belongs to somebody else is taken for a passed one.
    #[test]
    fn the_environment_says_what_was_passed() {
        let said = |pid: Option<&str>, count_of: Option<&str>| {
            let variable =
                |name: &str| (if name == "LISTEN_PID" { pid } else { count_of }).map(str::to_owned);
            count(variable, 7).map_err(|why| why.rsplit("passed").next().unwrap().to_owned())
        };
        assert_eq!(said(Some("7"), Some("2")), Ok(2));
        assert_eq!(said(Some("7"), Some("9999")), Ok(MOST));
        assert_eq!(said(None, Some("1")), Err(": LISTEN_PID is not set".to_owned()));
        assert_eq!(said(Some("8"), Some("1")), Err(" to this process: LISTEN_PID is 8".to_owned()));
        assert_eq!(said(Some("7"), None), Err(": LISTEN_FDS is not set".to_owned()));
        for none in ["0", "-1", "", "x"] {
            assert_eq!(said(Some("7"), Some(none)), Err(format!(": LISTEN_FDS is {none}")));
        }
        assert_eq!(duplicate(-1).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}
