//! Asymmetric fences: one side of a Dekker-style handshake pays nothing, the other one for both.
//!
//! Two threads that each store to one place and then load the other's must not both miss what the other
//! stored. Usually each has a full fence between its store and its load. Where one thread does this for every
//! message, and the other once a batch, the first calls [`Light::fence`], which only keeps the compiler from
//! reordering, and the second [`heavy`], which has the kernel run a full fence on every processor that runs a
//! thread of this process: `membarrier(2)` with `MEMBARRIER_CMD_PRIVATE_EXPEDITED`, of Linux 4.14. Names and
//! semantics are those of P1202R5, "Asymmetric fences" (WG21).
//!
//! Without it in the kernel, both are full fences. Which it is, is found out once, before the first
//! of either.

#[cfg(not(loom))]
use std::sync::LazyLock;
#[cfg(not(loom))]
use std::sync::atomic::{Ordering, compiler_fence, fence};

#[cfg(not(loom))]
use rustix::io::Errno;
#[cfg(not(loom))]
use rustix::thread::{MembarrierCommand, membarrier};

/// True when the kernel makes fences for the other threads.
#[cfg(not(loom))]
static EXPEDITED: LazyLock<bool> =
    LazyLock::new(|| membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok());

/// Finds out now whether the kernel makes fences. In a process with threads that takes it some milliseconds.
pub(crate) fn register() {
    #[cfg(not(loom))]
    LazyLock::force(&EXPEDITED);
}

/// The fences of the fast side, if it has to make its own: found out once, and kept where it is at hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Light {
    #[cfg(not(loom))]
    expedited: bool,
}

impl Light {
    /// The answer for this process.
    pub(super) fn new() -> Self {
        Self {
            #[cfg(not(loom))]
            expedited: *EXPEDITED,
        }
    }

    /// The side that is fast: what this thread stored before is seen by the loads after the other side's
    /// [`heavy`], or the loads after this see what the other side stored before it.
    #[inline]
    pub(crate) fn fence(self) {
        #[cfg(not(loom))]
        if self.expedited {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
        // Loom knows no fences of other threads: both sides have their own, which is what they amount to.
        #[cfg(loom)]
        loom::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }
}

/// The side that is slow: a system call, of one to a few microseconds.
///
/// # Panics
/// When the kernel refuses what it granted before, as after a filter for system calls that the process gave
/// itself meanwhile: nothing could be said of what the other side stored.
#[cfg(not(loom))]
pub(crate) fn heavy() {
    if !*EXPEDITED {
        fence(Ordering::SeqCst);
        return;
    }
    loop {
        match membarrier(MembarrierCommand::PrivateExpedited) {
            Ok(()) => return,
            // The kernel wants memory for a set of processors.
            Err(Errno::NOMEM | Errno::INTR | Errno::AGAIN) => std::thread::yield_now(),
            Err(error) => panic!("membarrier(2) is refused, and was granted at the start: {error}"),
        }
    }
}

/// The side that is slow.
#[cfg(loom)]
pub(crate) fn heavy() {
    loom::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}
