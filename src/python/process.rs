//! The process's own things that the user's code may change: handlers of signals, descriptors 0 to 2
//! ([`restore`]).

use std::os::fd::{AsRawFd, IntoRawFd};

use rustix::fs::{Mode, OFlags};

use crate::flow::signals;

/// Puts back what is the engine's: after each callback, and at every tick.
pub(crate) fn restore() {
    signals::install();
    reserve_standard();
}

/// Opens `/dev/null` on whatever of the descriptors 0 to 2 is closed, so that no file of the engine's gets
/// their numbers: what is printed would go there.
pub(crate) fn reserve_standard() {
    // The system gives the lowest number that is free. Without one there is nothing to reserve for either.
    while let Ok(nowhere) = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()) {
        if nowhere.as_raw_fd() > 2 {
            break;
        }
        // It stays for good, and programs that a source starts have it, too.
        let _ = nowhere.into_raw_fd();
    }
}
