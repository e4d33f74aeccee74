//! The signals of the engine: SIGINT and SIGTERM stop, SIGHUP reloads, SIGUSR1 reopens the files, SIGUSR2
//! says what goes on.
//!
//! Python code may set handlers of its own with `signal.signal`, so the engine's are set again after every
//! callback and at every tick ([`install`]); one for SIGUSR1 or SIGUSR2 is left to who set it. The handler
//! does what is allowed in it: it counts the signal, and posts a semaphore, on which [`Signals`] waits. A
//! pipe would do as well until the user's code closes all descriptors, as daemons do (`os.closerange(3, …)`):
//! then nothing would stop the engine any more.
//!
//! The command blocks them until it has handlers (`inrush/early.py`), and whoever starts it may have blocked
//! more: a mask is inherited. So all of them are unblocked (`unblock`) as soon as they are handled, before
//! there is another thread.
//!
//! A process forked by a source inherits the handler. There the handler puts the default back and
//! raises the signal again, so that a child can be stopped without stopping the engine.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use libc::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, c_int};

static OWNER: AtomicI32 = AtomicI32::new(0);

/// The signals that the engine listens to. Of those that came at the same time, the ones that stop come last.
const SIGNALS: [c_int; 5] = [SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGTERM];
/// The number of times each of them came, and was not taken yet.
static PENDING: [AtomicU32; 5] = [const { AtomicU32::new(0) }; 5];
/// As many as there are in `PENDING`.
static ARRIVED: Semaphore = Semaphore(UnsafeCell::new(MaybeUninit::zeroed()));

/// A semaphore of this process. It has no descriptor that somebody could close.
struct Semaphore(UnsafeCell<MaybeUninit<libc::sem_t>>);

// SAFETY: the functions of semaphores may be called by any thread at any time.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    fn get(&self) -> *mut libc::sem_t {
        self.0.get().cast()
    }
}

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
    // SAFETY: it gives the address of this thread's errno, and is async-signal-safe.
    let errno_place = unsafe { libc::__errno_location() };
    // SAFETY: errno lives as long as its thread, which is this one; a handler must leave it as it was.
    let errno = unsafe { *errno_place };
    if let Some(at) = SIGNALS.iter().position(|other| *other == signal) {
        PENDING[at].fetch_add(1, Ordering::Release);
        // SAFETY: sem_post is async-signal-safe, and the semaphore was made before this handler was set.
        unsafe { libc::sem_post(ARRIVED.get()) };
    }
    // SAFETY: as above.
    unsafe { *errno_place = errno };
}

/// Sets the engine's handlers, whatever was set before; for SIGUSR1 and SIGUSR2 only where nobody else has
/// one.
pub(crate) fn install() {
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

/// Lets the signals come to a command that has nothing to stop, which then ends at once: also of SIGINT, for
/// which Python has a handler that comes to its turn late and shows a traceback. What whoever started it has
/// ignored stays so.
pub(crate) fn leave_to_defaults() {
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

/// The receiver of signals: one a process.
#[derive(Debug)]
pub struct Signals(());

impl Signals {
    /// Sets the handlers and unblocks the signals: one that came before is received, too. Once a process.
    ///
    /// # Errors
    /// When the system has no semaphores.
    pub fn open() -> std::io::Result<Self> {
        // SAFETY: nobody uses the semaphore before the handlers are set.
        if unsafe { libc::sem_init(ARRIVED.get(), 0, 0) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: getpid cannot fail.
        OWNER.store(unsafe { libc::getpid() }, Ordering::Relaxed);
        install();
        unblock();
        Ok(Self(()))
    }

    /// Waits for the next signal.
    pub fn wait(&self) -> c_int {
        loop {
            // SAFETY: `open` made it. A wait that a signal interrupts is no signal: then there is none to
            // take.
            unsafe { libc::sem_wait(ARRIVED.get()) };
            let taken = SIGNALS.iter().zip(&PENDING).find(|(_, count)| {
                count.fetch_update(Ordering::Acquire, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
            });
            if let Some((signal, _)) = taken {
                return *signal;
            }
        }
    }
}

/// True when this process is a fork of the engine's.
pub(crate) fn is_fork() -> bool {
    let owner = OWNER.load(Ordering::Relaxed);
    // SAFETY: getpid cannot fail.
    owner != 0 && owner != unsafe { libc::getpid() }
}
