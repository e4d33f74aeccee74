//! Functions of the host of the engine that templates call: `$(python module.function …)`, [`HostFunction`].
//!
//! This room knows no host. A template has the name of the function, and a place for it that is filled when the
//! whole configuration is known to be right ([`Later`](super::Later)).
//!
//! # The host's lock
//! Such a function runs under a lock of the host's, which is not to be taken and let go of for each message. So
//! whoever formats several messages opens a [`HostCalls`] around them: the first call takes the lock, the end of the
//! `HostCalls` lets go of it, and without a call nothing happens. What the host keeps for the thread beyond that is
//! let go of by [`end_host_thread`], which ends each thread of the engine's that formats.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::message::{MessageRef, ValueType};

/// A function of the host's, found by its name.
///
/// Its debug text says which one it is: a driver whose templates call another one after a reload is another driver.
pub trait HostFunction: fmt::Debug + Send + Sync {
    /// Appends its result for `message`, whose SEQNUM is `sequence`, and tells the type.
    fn call(
        &self,
        message: MessageRef<'_>,
        sequence: u64,
        arguments: &[Vec<u8>],
        out: &mut Vec<u8>,
    ) -> ValueType;

    /// The number of its calls, and of those that failed: the same for all functions of one name.
    fn counts(&self) -> &Arc<HostFunctionCounts>;
}

/// The calls of a function, by their outcome.
#[derive(Debug, Default)]
pub struct HostFunctionCounts {
    /// Its name.
    pub name: String,
    /// All of them.
    pub called: AtomicU64,
    /// Those that gave nothing of use: their text is [`ERROR`].
    pub failed: AtomicU64,
}

/// The text of a call that failed.
pub const ERROR: &[u8] = b"<error>";

thread_local! {
    /// The [`HostCalls`] that are open.
    static OPEN: Cell<u32> = const { Cell::new(0) };
    /// Lets go of the host's lock.
    static LEAVE: Cell<Option<fn()>> = const { Cell::new(None) };
    /// Lets go of what the host keeps for the thread.
    static END: Cell<Option<fn()>> = const { Cell::new(None) };
    /// True when a call was met by a walk through templates: [`calls_host`].
    static MET: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, the calling thread keeps the host's lock from its first call of a function of the host's on.
#[derive(Debug)]
#[must_use = "the lock is let go of when it is dropped"]
pub struct HostCalls {
    /// It belongs to its thread.
    _thread: PhantomData<*mut ()>,
}

impl HostCalls {
    /// Begins a run of messages that are formatted.
    #[inline]
    pub fn open() -> Self {
        OPEN.set(OPEN.get() + 1);
        Self { _thread: PhantomData }
    }
}

impl Drop for HostCalls {
    #[inline]
    fn drop(&mut self) {
        let open = OPEN.get() - 1;
        OPEN.set(open);
        if open == 0
            && let Some(leave) = LEAVE.take()
        {
            leave();
        }
    }
}

/// For the host, which is about to take its lock on the calling thread: whether it is to keep it. Then `leave` lets go
/// of it.
pub fn keeps_lock(leave: fn()) -> bool {
    let keeps = OPEN.get() > 0;
    if keeps {
        LEAVE.set(Some(leave));
    }
    keeps
}

/// For the host: has `end` called on the calling thread when that ends.
pub fn at_thread_end(end: fn()) {
    END.set(Some(end));
}

/// Ends what a host keeps for the calling thread, which is at its end.
pub fn end_host_thread() {
    if let Some(end) = END.take() {
        end();
    }
}

/// Tells whether a template in `options` calls a function of the host's: one of its own, one that it names, or one of
/// a condition. It is found by way of the debug text, which has all of them, as drivers are compared by it.
pub fn calls_host(options: &dyn fmt::Debug) -> bool {
    let before = MET.replace(false);
    // A text that is written nowhere.
    let _ = write!(Nowhere, "{options:?}");
    MET.replace(before)
}

/// Tells a walk through templates that there is a call.
pub(super) fn meet() {
    MET.set(true);
}

struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static LEFT: Cell<u32> = const { Cell::new(0) };
    }

    fn leave() {
        LEFT.set(LEFT.get() + 1);
    }

    /// Breaks without it: the lock is taken anew for each message, or kept for ever.
    #[test]
    fn the_lock_is_let_go_of_once() {
        assert!(!keeps_lock(leave), "nobody has begun");
        {
            let _outer = HostCalls::open();
            {
                let _inner = HostCalls::open();
                assert!(keeps_lock(leave));
            }
            assert_eq!(LEFT.get(), 0, "the outer one goes on");
        }
        assert_eq!(LEFT.get(), 1);
        drop(HostCalls::open());
        assert_eq!(LEFT.get(), 1, "nothing was called");
        at_thread_end(leave);
        end_host_thread();
        end_host_thread();
        assert_eq!(LEFT.get(), 2);
    }

    /// Breaks without it: a panic in the middle of a batch keeps the interpreter's lock from everybody.
    #[test]
    fn a_panic_lets_go_of_it() {
        let formats = || {
            let _calls = HostCalls::open();
            assert!(keeps_lock(leave));
            panic!("in the middle");
        };
        assert!(std::panic::catch_unwind(formats).is_err());
        assert_eq!((LEFT.get(), OPEN.get()), (1, 0));
    }
}
