//! Programs that the engine starts: [`Run`], one run of one.
//!
//! ```text
//!  /bin/sh -c COMMAND, a process group of its own ──► its end ──► the rest of its group gets SIGTERM
//!  Run::end: SIGTERM to the group ─ half a second ─► SIGKILL
//! ```
//!
//! A thread waits for the end of each run: nobody else waits for a child, and the number of a process is not
//! used after it has ended.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The time between SIGTERM and SIGKILL.
pub(crate) const LAST_CHANCE: Duration = Duration::from_millis(500);

/// A shell for `command`, in a process group of its own, with neither input nor output.
pub(crate) fn shell(command: &str, inherits_environment: bool) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).process_group(0);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !inherits_environment {
        shell.env_clear();
    }
    shell
}

/// One run of a program.
pub(crate) struct Run {
    pid: Option<Pid>,
    started: Instant,
    /// Its end, once it has come.
    ended: Mutex<Option<String>>,
    changed: Condvar,
}

impl Run {
    /// Has a thread wait for the end of `child`, which then calls `wake`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn watch(mut child: Child, wake: impl Fn() + Send + 'static) -> std::io::Result<Arc<Self>> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let started = Instant::now();
        let run = Arc::new(Self { pid, started, ended: Mutex::default(), changed: Condvar::new() });
        let watched = Arc::clone(&run);
        let watch = move || {
            if let Some(pid) = watched.pid {
                // It keeps its number until it is waited for, under the lock: a signal never goes to somebody
                // else.
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
                // What it started and left behind in its group.
                let _ = kill_process_group(pid, Signal::TERM);
            }
            let mut ended = watched.lock();
            let how = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            *ended = Some(how);
            drop(ended);
            watched.changed.notify_all();
            wake();
        };
        thread::Builder::new().name("program".to_owned()).spawn(watch)?;
        Ok(run)
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// The way in which it has ended; `None` while it runs.
    pub(crate) fn ended(&self) -> Option<String> {
        self.lock().clone()
    }

    /// The time since its start.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for its end for so long; true if it has come.
    pub(crate) fn wait(&self, within: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), within, |ended| ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }

    /// Sends `signal` to its process group, unless it has ended.
    fn send(&self, signal: Signal) {
        let ended = self.lock();
        if let Some(pid) = self.pid.filter(|_| ended.is_none()) {
            // It may have ended in this moment.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Asks its process group to end.
    pub(crate) fn ask_to_end(&self) {
        self.send(Signal::TERM);
    }

    /// Ends its process group: asked first, and killed if it does not end within `patience`.
    pub(crate) fn end(&self, patience: Duration) {
        self.ask_to_end();
        if !self.wait(patience) {
            self.send(Signal::KILL);
            self.wait(LAST_CHANCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a program that does not want to end holds up a stop, or is left behind.
    #[test]
    fn a_run_ends_by_itself_or_is_made_to() {
        let (tell, told) = std::sync::mpsc::channel();
        let wake = move || tell.send(()).unwrap();
        let run = Run::watch(shell("exit 3", true).spawn().unwrap(), wake).unwrap();
        told.recv().unwrap();
        assert!(run.wait(Duration::ZERO) && run.ended().unwrap().contains('3'), "{:?}", run.ended());
        run.end(LAST_CHANCE);
        let stubborn = shell("trap '' TERM; while :; do sleep 60; done", true).spawn().unwrap();
        let run = Run::watch(stubborn, || {}).unwrap();
        assert_eq!((run.ended(), run.wait(Duration::from_millis(1))), (None, false));
        run.end(LAST_CHANCE);
        assert!(run.wait(Duration::from_secs(60)));
    }
}
