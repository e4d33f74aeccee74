//! The seal protocol: what is in a batch that its consumer takes while its writer still fills it.
//!
//! A worker that has nothing to do takes what is there, at any moment. Both ends must then agree on one
//! number of rows, and the writer must not pay for it with a locked instruction a row: that one waits for
//! every store before it, and the stores into fresh memory are the slow ones. So there are two words, each of
//! which only one end writes while the batch is open:
//!
//! ```text
//!  published: the counts of what is written; the writer stores it after each row
//!  63   62            32 31          16 15           0
//! ┌───────┬─────────────┬──────────────┬──────────────┐
//! │   0   │ bytes       │ segments     │ rows         │
//! └───────┴─────────────┴──────────────┴──────────────┘
//!  seal: OPEN, SEALING, or SEALED with the final counts
//! ```
//!
//! * The writer *publishes*: it stores the new counts, then looks at `seal` ([`Light::fence`] between the
//!   two). While it is OPEN, the row is in the batch.
//! * The consumer *takes*: it sets SEALING, then looks at `published` ([`fence::heavy`] between the two).
//! * So a row that the consumer has not seen is one whose writer has seen SEALING. Both may have seen each
//!   other: then there are two answers, the counts that the consumer has read and those that the writer has
//!   just stored. Each offers its own with a compare-and-exchange from SEALING to SEALED, and the first one
//!   holds. Rows of either are written.
//! * A writer that ends the batch itself sets SEALED with its counts, and the consumer needs no fence.
//!
//! Nobody waits for anybody: a thread that the scheduler puts aside in the middle leaves the other one an
//! answer.

use std::ops::Add;
use std::sync::atomic::Ordering;

#[cfg(loom)]
use loom::sync::atomic::AtomicU64;
#[cfg(not(loom))]
use std::sync::atomic::AtomicU64;

use crate::message::MESSAGE_MAX;
use crate::message::fence::{self, Light};

const SEGMENT_SHIFT: u32 = 16;
const BYTES_SHIFT: u32 = 32;
const BYTES_BITS: u32 = 30;
const MASK: u64 = 0xffff;

const OPEN: u64 = 0;
const SEALING: u64 = 1 << 62;
const SEALED: u64 = 1 << 63;

/// The numbers of rows, segments and bytes of charge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts(u64);

impl Counts {
    /// A batch with more bytes than this takes no further message, so that the bits for them suffice.
    const BYTES_FULL: u64 = (1 << BYTES_BITS) - 1 - 2 * MESSAGE_MAX as u64;

    #[inline]
    pub(super) fn new(rows: u32, segments: u32, bytes: u64) -> Self {
        Self(u64::from(rows) | (u64::from(segments) << SEGMENT_SHIFT) | (bytes << BYTES_SHIFT))
    }

    #[inline]
    pub(super) fn rows(self) -> u32 {
        (self.0 & MASK) as u32
    }

    pub(super) fn segments(self) -> u32 {
        ((self.0 >> SEGMENT_SHIFT) & MASK) as u32
    }

    #[inline]
    pub(super) fn bytes(self) -> u64 {
        self.0 >> BYTES_SHIFT
    }

    /// True when there may be no place for the bytes of another message.
    #[inline]
    pub(crate) fn is_full(self) -> bool {
        self.bytes() > Self::BYTES_FULL
    }
}

impl Add for Counts {
    type Output = Self;

    #[inline]
    fn add(self, more: Self) -> Self {
        Self(self.0 + more.0)
    }
}

/// The two words of the protocol.
pub(super) struct Seal {
    published: AtomicU64,
    seal: AtomicU64,
}

impl Seal {
    /// Of an open batch with nothing in it.
    pub(super) fn new() -> Self {
        Self { published: AtomicU64::new(0), seal: AtomicU64::new(OPEN) }
    }

    /// The writer's: publishes that there is so much by now. False: the batch was sealed before, with less.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of its own costs a plain message a tenth")]
    pub(super) fn publish(&self, counts: Counts, light: Light) -> bool {
        self.published.store(counts.0, Ordering::Release);
        light.fence();
        self.seal.load(Ordering::Relaxed) == OPEN || self.settle(counts) == counts
    }

    /// The writer's: ends the batch with what it published, unless it was ended before.
    pub(super) fn end(&self, counts: Counts) {
        let ended = SEALED | counts.0;
        if self.seal.compare_exchange(OPEN, ended, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.settle(counts);
        }
    }

    /// The consumer's, once: ends the batch. The final counts: nothing after it belongs to the batch.
    pub(super) fn take(&self) -> Counts {
        match self.seal.compare_exchange(OPEN, SEALING, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                fence::heavy();
                self.settle(Counts(self.published.load(Ordering::Acquire)))
            }
            Err(ended) => Counts(ended & !SEALED),
        }
    }

    /// Ends a batch that is being sealed, with `counts` if the other end has not answered before; what it was
    /// ended with.
    #[cold]
    fn settle(&self, counts: Counts) -> Counts {
        let ended = SEALED | counts.0;
        match self.seal.compare_exchange(SEALING, ended, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => counts,
            Err(ended) => Counts(ended & !SEALED),
        }
    }

    /// True when the consumer has begun to take the batch, or it was ended; a hint, as that may be at any
    /// moment.
    #[inline]
    pub(super) fn is_sealed(&self) -> bool {
        self.seal.load(Ordering::Relaxed) != OPEN
    }
}
