//! The signals of the engine: SIGINT and SIGTERM stop, SIGHUP reloads, SIGUSR1 reopens the files, SIGUSR2 says what goes on.
//!
//! Python code may set handlers of its own with `signal.signal`, so the engine's are set again after every
//! callback and at every tick ([`install`]); one for SIGUSR1 or SIGUSR2 is left to who set it. The handler does the
//! one thing that is allowed in it: it writes the signal's number into a pipe, which [`Signals`] reads.
//!
//! The command blocks them until it has handlers (`inrush/early.py`), and whoever starts it may have
//! blocked more: a mask is inherited. So all of them are unblocked (`unblock`) as soon as they are handled, before there
//! is another thread.
//!
//! A process forked by a source inherits handler and pipe. There the handler puts the default back and
//! raises the signal again, so that a child can be stopped without stopping the engine.

use std::fs::File;
use std::io::Read;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, c_int};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::engine::unshared::Unshared;

static PIPE: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);

/// What the engine listens to.
const SIGNALS: [c_int; 5] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];

extern "C" fn handle(signal: c_int) {
    // SAFETY: getpid is async-signal-safe.
    let own = unsafe { libc::getpid() };
    if own != OWNER.load(Ordering::Relaxed) {
        // SAFETY: signal is async-signal-safe.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        // SAFETY: raise is async-signal-safe.
        unsafe { libc::raise(signal) };
        return;
    }
    let number = signal as u8;
    // SAFETY: it gives the address of this thread's errno, and is async-signal-safe.
    let errno_place = unsafe { libc::__errno_location() };
    // SAFETY: errno lives as long as its thread, which is this one; a handler must leave it as it was.
    let errno = unsafe { *errno_place };
    // SAFETY: write is async-signal-safe; the pipe stays open for good. A full pipe has signals enough.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed), (&raw const number).cast(), 1) };
    // SAFETY: as above.
    unsafe { *errno_place = errno };
}

/// Sets the engine's handlers, whatever was set before; for SIGUSR1 and SIGUSR2 only where nobody else has one.
pub fn install() {
    let own = handle as extern "C" fn(c_int) as usize;
    for signal in SIGNALS {
        if matches!(signal, SIGUSR1 | SIGUSR2) && !matches!(handler(signal), libc::SIG_DFL | libc::SIG_IGN) {
            continue;
        }
        // SAFETY: an all-zero sigaction is a valid one.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = own;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: `action` is valid, and the handler is async-signal-safe.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

fn handler(signal: c_int) -> usize {
    // SAFETY: an all-zero sigaction is a valid one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `action` is valid and written to; nothing is set.
    unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    action.sa_sigaction
}

/// Lets the signals come to a command that has nothing to stop, which then ends at once: also of SIGINT, for which Python has a handler
/// that comes to its turn late and shows a traceback. What whoever started it has ignored stays so.
pub fn leave_to_defaults() {
    if handler(SIGINT) != libc::SIG_IGN {
        // SAFETY: sets a default.
        unsafe { libc::signal(SIGINT, libc::SIG_DFL) };
    }
    unblock();
}

/// Lets the calling thread, and those that it starts, have the signals that the engine listens to.
fn unblock() {
    // SAFETY: an all-zero set is a valid one.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid and written to.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in SIGNALS {
        // SAFETY: `set` is valid, and the number is that of a signal.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: `set` is valid; the mask that was is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
}

/// The reading end.
#[derive(Debug)]
pub struct Signals {
    reader: File,
    #[expect(dead_code, reason = "they are kept, and not looked at")]
    unshared: [Unshared; 2],
}

impl Signals {
    /// Opens the pipe, sets the handlers and unblocks the signals: one that came before is read from the pipe. Once a process.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn open() -> std::io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        // A handler must never block.
        fcntl_setfl(&writer, OFlags::NONBLOCK)?;
        // SAFETY: getpid cannot fail.
        OWNER.store(unsafe { libc::getpid() }, Ordering::Relaxed);
        let unshared = [Unshared::new(&reader), Unshared::new(&writer)];
        PIPE.store(writer.into_raw_fd(), Ordering::Relaxed);
        install();
        unblock();
        Ok(Self { reader: File::from(reader), unshared })
    }

    /// Waits for the next signal; `None` when there will be none any more.
    pub fn wait(&mut self) -> Option<c_int> {
        let mut number = [0];
        self.reader.read_exact(&mut number).ok().map(|()| c_int::from(number[0]))
    }
}

/// Whether this process is a fork of the engine's.
pub fn is_fork() -> bool {
    let owner = OWNER.load(Ordering::Relaxed);
    // SAFETY: getpid cannot fail.
    owner != 0 && owner != unsafe { libc::getpid() }
}
