//! The stamps of messages that are made under the GIL: one [`WallClock`], and one [`StampCache`] before it.

use std::any::Any;
use std::panic::{catch_unwind, resume_unwind};

use pyo3::prelude::*;

use super::cell::{GilCell, GilGuarded};
use crate::flow::clock::{StampCache, WallClock};
use crate::message::{Head, Stamp, batch};

static CLOCK: GilCell<WallClock> = GilCell::new(WallClock::new());
static STAMPS: GilGuarded<StampCache> = GilGuarded::new(StampCache::new());

/// The payload of a panic.
pub(crate) type Panic = Box<dyn Any + Send>;

/// The local offset at `micros`, in seconds east of UTC.
#[inline]
pub(crate) fn local_offset(py: Python<'_>, micros: i64) -> i32 {
    CLOCK.with(py, |clock| clock.local_offset(micros))
}

/// Now, on the local clock. No message that is made later has an earlier time.
pub(crate) fn now(py: Python<'_>) -> Stamp {
    let stamp = read(py);
    STAMPS.get(py).restart(stamp);
    stamp
}

#[inline]
fn read(py: Python<'_>) -> Stamp {
    CLOCK.with(py, WallClock::now)
}

/// The head of a message that is made now: the time, or that of the message before it.
#[inline]
pub(crate) fn head_of_message(py: Python<'_>) -> Head {
    try_head_of_message(py).unwrap_or_else(|panic| resume_unwind(panic))
}

/// The same where nothing may unwind.
///
/// # Errors
/// The panic that it would have been.
#[inline]
pub(crate) fn try_head_of_message(py: Python<'_>) -> Result<Head, Panic> {
    shared_head(py).map_or_else(|| begin_sharing(py), Ok)
}

/// The head of a message that is made now, if it may have the stamp of the message before it; otherwise
/// [`begin_sharing`] gives it its own.
#[inline]
pub(crate) fn shared_head(py: Python<'_>) -> Option<Head> {
    STAMPS.get(py).share(batch::taken())
}

/// Says that the message that was made last is in an open batch, which a worker will take.
#[inline]
pub(crate) fn posted(py: Python<'_>) {
    STAMPS.get(py).posted();
}

/// Reads the time, for a message that is being made and, perhaps, for those after it. `tools/guard` knows it
/// by its name.
///
/// # Errors
/// A panic, where nothing may unwind.
#[inline(never)]
pub(crate) fn begin_sharing(py: Python<'_>) -> Result<Head, Panic> {
    catch_unwind(|| {
        let taken = batch::taken();
        STAMPS.get(py).begin(read(py), taken)
    })
}
