//! The terminals of a user: [`Terminals`].

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, write};
use rustix::termios::isatty;

use super::logins::Logins;
use crate::destination::Counters;

/// The time between two looks at who is logged in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The terminals of a user, as they were at the last look.
pub(super) struct Terminals {
    logins: Logins,
    user: String,
    /// The time for which one is left alone that has not taken a line.
    time_reopen: Duration,
    looked: Option<Instant>,
    all: Vec<Terminal>,
}

struct Terminal {
    path: PathBuf,
    quiet_until: Option<Instant>,
    /// True when it was told that it takes nothing, and it has not taken a line since.
    is_told: bool,
}

/// A terminal that does not take a line.
pub(super) struct Trouble {
    /// Its path.
    pub(super) terminal: String,
    pub(super) error: String,
    /// True when it took lines before.
    pub(super) is_new: bool,
}

impl Terminals {
    /// Those of `user`, or of all for `*`.
    pub(super) fn new(logins: Logins, user: &str, time_reopen: Duration) -> Self {
        Self { logins, user: user.to_owned(), time_reopen, looked: None, all: Vec::new() }
    }

    /// Looks who is logged in, unless that was done a moment ago.
    pub(super) fn look(&mut self, now: Instant) {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_EVERY) {
            return;
        }
        self.looked = Some(now);
        let mut before = std::mem::take(&mut self.all);
        for name in self.logins.terminals(&self.user) {
            let path = Path::new("/dev").join(name);
            let known = before.iter().position(|terminal| terminal.path == path);
            let new = || Terminal { path, quiet_until: None, is_told: false };
            self.all.push(known.map_or_else(new, |index| before.swap_remove(index)));
        }
    }

    /// Looks again before the next line, also at those that are left alone.
    pub(super) fn look_again(&mut self) {
        self.looked = None;
        self.all.iter_mut().for_each(|terminal| terminal.quiet_until = None);
    }

    /// Tells whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Writes the lines that end at `ends` in `lines` onto each terminal that is not left alone; those that
    /// do not take all of them.
    pub(super) fn write(
        &mut self,
        lines: &[u8],
        ends: &[usize],
        now: Instant,
        counters: &Counters,
    ) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for terminal in &mut self.all {
            if ends.is_empty() || terminal.quiet_until.is_some_and(|until| now < until) {
                continue;
            }
            match terminal.write(lines, ends, counters) {
                Ok(()) => (terminal.quiet_until, terminal.is_told) = (None, false),
                Err(error) => {
                    terminal.quiet_until = Some(now + self.time_reopen);
                    let is_new = !std::mem::replace(&mut terminal.is_told, true);
                    let error = match error {
                        Errno::AGAIN => "nobody reads it".to_owned(),
                        error => error.to_string(),
                    };
                    troubles.push(Trouble { terminal: terminal.path.display().to_string(), error, is_new });
                }
            }
        }
        troubles
    }
}

impl Terminal {
    /// Writes lines, each with a call of its own: what is not taken at once is cut at the end of a line where
    /// it can be.
    fn write(&self, lines: &[u8], ends: &[usize], counters: &Counters) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = open(&self.path, flags, Mode::empty())?;
        if !isatty(&fd) {
            return Err(Errno::NOTTY);
        }
        let mut begin = 0;
        for end in ends {
            let written = match write(&fd, &lines[begin..*end]) {
                Err(Errno::INTR) => 0,
                written => written?,
            };
            counters.bytes.fetch_add(written as u64, Ordering::Relaxed);
            if written < end - begin {
                return Err(Errno::AGAIN);
            }
            begin = *end;
        }
        Ok(())
    }
}
