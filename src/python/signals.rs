//! The signals of the engine: SIGINT and SIGTERM stop, SIGHUP reloads.
//!
//! Python code may set handlers of its own with `signal.signal`, so the engine's are set again after every
//! callback and at every tick ([`install`]). The handler does the one thing that is allowed in it: it
//! writes the signal's number into a pipe, which [`Signals`] reads.
//!
//! A process forked by a source inherits handler and pipe. There the handler puts the default back and
//! raises the signal again, so that a child can be stopped without stopping the engine.

use std::fs::File;
use std::io::Read;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::{SIGHUP, SIGINT, SIGTERM, c_int};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::engine::unshared::Unshared;

static PIPE: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);

/// What the engine listens to.
const SIGNALS: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];

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

/// Sets the engine's handlers, whatever was set before.
pub fn install() {
    for signal in SIGNALS {
        // SAFETY: an all-zero sigaction is a valid one.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as extern "C" fn(c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: `action` is valid, and the handler is async-signal-safe.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

/// Puts the default of each signal back: for a process that is done.
pub fn uninstall() {
    for signal in SIGNALS {
        // SAFETY: sets a default.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// The reading end.
#[derive(Debug)]
pub struct Signals {
    reader: File,
    #[expect(dead_code, reason = "they are kept, and not looked at")]
    unshared: [Unshared; 2],
}

impl Signals {
    /// Opens the pipe and sets the handlers. Once a process.
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
