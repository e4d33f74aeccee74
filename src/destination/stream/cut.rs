//! Lines that were cut in pipes: the part that the reader keeps gets its end before anything else goes there.
//!
//! A part of a line cannot be taken back from a pipe, and while the pipe is full it cannot be ended either.
//! So it is noted, for the whole process, which pipes end inside a line. Whoever writes to one of them next,
//! under any name, ends the line first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One pipe: its device, its inode, and when it was made (in nanoseconds, 0 where the file system does not
/// say). An inode's number alone is soon that of another pipe.
pub(super) type Pipe = (u64, u64, i128);

/// Those that end inside a line.
static CUT: Mutex<Vec<Pipe>> = Mutex::new(Vec::new());
/// Their number: mostly none, which is all that a writer looks at.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn all() -> MutexGuard<'static, Vec<Pipe>> {
    CUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that the pipe ends inside a line.
pub(super) fn note(pipe: Pipe) {
    let mut all = all();
    if !all.contains(&pipe) {
        all.push(pipe);
    }
    COUNT.store(all.len(), Ordering::Release);
}

/// Tells whether there is any.
pub(super) fn is_any_noted() -> bool {
    COUNT.load(Ordering::Acquire) > 0
}

/// Notes that the line has an end, or went with its reader.
pub(super) fn forget(pipe: Pipe) {
    let mut all = all();
    all.retain(|known| *known != pipe);
    COUNT.store(all.len(), Ordering::Release);
}

/// Tells whether the pipe ends inside a line.
pub(super) fn is_noted(pipe: Pipe) -> bool {
    all().contains(&pipe)
}
