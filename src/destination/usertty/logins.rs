//! Users who are logged in, and their terminals: [`Logins`].
//!
//! Two places say it, of which a machine has one or both:
//!
//! * utmp, a file of records of one size (`utmp(5)`);
//! * the sessions of systemd: a file each, `NAME=value` by line, of which `USER` and `TTY` are read.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};

/// The most bytes that are read of utmp, and of a session.
const MOST: u64 = 1 << 20;
/// The most terminals that are known.
const MOST_TERMINALS: usize = 1000;

/// The files in which the users who are logged in are written.
#[derive(Debug, Clone)]
pub(super) struct Logins {
    /// The file of records.
    utmp: PathBuf,
    /// The directory of sessions.
    sessions: PathBuf,
}

impl Logins {
    /// Those of this machine.
    pub(super) fn of_machine() -> Self {
        Self::new(Path::new("/var/run/utmp"), Path::new("/run/systemd/sessions"))
    }

    /// Those that are written there.
    pub(super) fn new(utmp: &Path, sessions: &Path) -> Self {
        Self { utmp: utmp.into(), sessions: sessions.into() }
    }

    /// The terminals of `user`, or of all for `*`: names below `/dev`.
    pub(super) fn terminals(&self, user: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut add = |own: &str, terminal: &str| {
            if (user == "*" || user == own) && is_terminal(terminal) && all.len() < MOST_TERMINALS {
                all.insert(terminal.to_owned());
            }
        };
        for record in read(&self.utmp).chunks_exact(size_of::<libc::utmpx>()) {
            if let Some((user, terminal)) = login(record) {
                add(user, terminal);
            }
        }
        let sessions = fs::read_dir(&self.sessions).into_iter().flatten().flatten();
        for session in sessions.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
            let text = read(&session.path());
            let text = String::from_utf8_lossy(&text);
            let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            if let (Some(user), Some(terminal)) = (value("USER"), value("TTY")) {
                add(user, terminal);
            }
        }
        all
    }
}

/// The content of the file at `path`, up to a bound; nothing where it cannot be read.
fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before it failed is as good as the rest.
    let _ = fs::File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    bytes
}

/// The user and the terminal of a record of utmp that is a login.
fn login(record: &[u8]) -> Option<(&str, &str)> {
    let kind = record.get(offset_of!(libc::utmpx, ut_type)..)?.first_chunk()?;
    if i16::from_ne_bytes(*kind) != libc::USER_PROCESS {
        return None;
    }
    Some((
        text(record, offset_of!(libc::utmpx, ut_user), 32)?,
        text(record, offset_of!(libc::utmpx, ut_line), 32)?,
    ))
}

/// The text at `offset`, which ends with a NUL, or is as long as its field.
fn text(record: &[u8], offset: usize, len: usize) -> Option<&str> {
    let field = record.get(offset..offset + len)?;
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(len);
    std::str::from_utf8(&field[..end]).ok()
}

/// Tells whether this may be the name of a terminal below `/dev`, and leads nowhere else.
fn is_terminal(name: &str) -> bool {
    let is_sound = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    name.len() <= 64 && name.split('/').all(is_sound)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record of utmp.
    pub(in crate::destination::usertty) fn record(kind: i16, user: &str, line: &str) -> Vec<u8> {
        let mut record = vec![0; size_of::<libc::utmpx>()];
        let mut put =
            |offset: usize, bytes: &[u8]| record[offset..offset + bytes.len()].copy_from_slice(bytes);
        put(offset_of!(libc::utmpx, ut_type), &kind.to_ne_bytes());
        put(offset_of!(libc::utmpx, ut_user), user.as_bytes());
        put(offset_of!(libc::utmpx, ut_line), line.as_bytes());
        record
    }

    /// Breaks without it: a user who is logged in gets nothing, or somebody else does; a name from a file
    /// leads out of /dev.
    #[test]
    fn terminals_are_those_of_the_user() {
        let directory = tempfile::tempdir().unwrap();
        let (utmp, sessions) = (directory.path().join("utmp"), directory.path().join("sessions"));
        let of = |user: &str| Logins::new(&utmp, &sessions).terminals(user).into_iter().collect::<Vec<_>>();
        assert!(of("*").is_empty(), "neither is there");
        let long = "u".repeat(32);
        let mut records = [
            record(libc::USER_PROCESS, "root", "tty1"),
            record(libc::DEAD_PROCESS, "root", "pts/0"),
            record(libc::USER_PROCESS, "anna", "pts/1"),
            record(libc::USER_PROCESS, "root", "../etc/passwd"),
            record(libc::USER_PROCESS, "root", "/dev/sda"),
            record(libc::USER_PROCESS, "root", ""),
            record(libc::USER_PROCESS, &long, "pts/7"),
        ]
        .concat();
        records.truncate(records.len() - 1);
        fs::write(&utmp, &records).unwrap();
        assert_eq!(of("root"), ["tty1"]);
        assert_eq!(of("*"), ["pts/1", "tty1"], "a record that is cut is none");
        records.push(0);
        fs::write(&utmp, &records).unwrap();
        assert_eq!(of(&long), ["pts/7"]);
        fs::create_dir(&sessions).unwrap();
        fs::write(sessions.join("1"), "# a session\nUID=0\nUSER=root\nTTY=pts/3\nTTY_VALIDITY=x\n").unwrap();
        fs::write(sessions.join("2"), "USER=root\nTTY=tty1\n").unwrap();
        fs::write(sessions.join("3"), "USER=root\n").unwrap();
        fs::write(sessions.join("4"), b"USER=root\nTTY=../\xff\n").unwrap();
        assert_eq!(of("root"), ["pts/3", "tty1"]);
    }
}
