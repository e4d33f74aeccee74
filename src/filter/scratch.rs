//! The memory of tests whose texts are made: [`Scratch`], one for each thread.
//!
//! A test is asked about one message after the other, also inside of templates. The context of its own
//! templates takes time to make, so it is kept for the next.

use std::cell::RefCell;
use std::fmt;

use crate::template::{Context, Moment, Zone, ZoneClock};

/// The longest text that memory is kept for.
const KEPT: usize = 64 * 1024;

/// The memory of a test at work.
pub(super) struct Scratch {
    /// The context of its templates.
    pub(super) context: Context,
    clock: ZoneClock,
    /// A text; of a comparison the one on the left.
    pub(super) text: Vec<u8>,
    /// The text on the right.
    pub(super) other: Vec<u8>,
}

thread_local! {
    /// The memory of those tests that are not at work: one may stand in a template of another.
    static SPARE: RefCell<Vec<Scratch>> = const { RefCell::new(Vec::new()) };
}

impl Scratch {
    /// Calls `work` with memory for messages that are looked at in `moment`.
    pub(super) fn with<R>(moment: Moment, work: impl FnOnce(&mut Self) -> R) -> R {
        let mut scratch = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(Self::new);
        scratch.context.now = moment.now.unwrap_or_else(|| scratch.clock.now());
        scratch.context.steady = moment.steady;
        // After a panic the memory is another's.
        let result = work(&mut scratch);
        if scratch.text.capacity().max(scratch.other.capacity()) <= KEPT {
            SPARE.with_borrow_mut(|spare| spare.push(scratch));
        }
        result
    }

    fn new() -> Self {
        Self {
            context: Context::default(),
            clock: ZoneClock::new(Zone::local()),
            text: Vec::new(),
            other: Vec::new(),
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("context", &self.context).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Stamp;

    /// Breaks without it: a test inside of a template writes into the text of the one that it stands in, or each
    /// message has a context made for it.
    #[test]
    fn each_level_has_its_own_and_the_next_message_the_same() {
        let at =
            |micros| Moment { now: Some(Stamp { unix_micros: micros, offset_seconds: 0 }), steady: None };
        let place = |text: &Vec<u8>| text.as_ptr();
        let first = Scratch::with(at(1), |outer| {
            outer.text.push(b'x');
            let inner = Scratch::with(at(2), |inner| {
                assert_eq!((inner.context.now.unix_micros, inner.text.len()), (2, 0));
                inner.text.push(b'y');
                place(&inner.text)
            });
            assert_eq!((outer.context.now.unix_micros, &outer.text[..]), (1, &b"x"[..]));
            assert_ne!(place(&outer.text), inner);
            place(&outer.text)
        });
        assert_eq!(Scratch::with(at(3), |scratch| place(&scratch.text)), first);
    }
}
