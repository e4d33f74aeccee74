//! Lines that were cut in pipes: the part that the reader keeps gets its end before anything else goes there.
//!
//! A part of a line cannot be taken back from a pipe, and while the pipe is full it cannot be ended either. So it is noted, for the
//! whole process, which pipes end inside a line. Whoever writes to one of them next, under any name, ends the line first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Device and inode of those that end inside a line.
static CUT: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());
/// How many they are: mostly none, which is all that a writer looks at.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn all() -> MutexGuard<'static, Vec<(u64, u64)>> {
    CUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that the pipe ends inside a line.
pub(super) fn note(pipe: (u64, u64)) {
    let mut all = all();
    if !all.contains(&pipe) {
        all.push(pipe);
    }
    COUNT.store(all.len(), Ordering::Release);
}

/// Notes that the line has an end, or went with its reader.
pub(super) fn forget(pipe: (u64, u64)) {
    if COUNT.load(Ordering::Acquire) == 0 {
        return;
    }
    let mut all = all();
    all.retain(|known| *known != pipe);
    COUNT.store(all.len(), Ordering::Release);
}

/// Whether the pipe ends inside a line.
pub(super) fn is_noted(pipe: (u64, u64)) -> bool {
    COUNT.load(Ordering::Acquire) > 0 && all().contains(&pipe)
}
