//! The posting side of a lane: [`Producer`].

mod fast;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{LEASE_BYTES, LEASE_BYTES_SHARE, Lane, Parcel, Refused};
use crate::flow::Share;
use crate::flow::counters::ProducerCounters;
use crate::flow::credit::BATCH_CHARGE;
use crate::flow::tracker::Group;
use crate::message::batch::SlabTail;
use crate::message::{Lines, MESSAGE_MAX, Need, Origin, Pending, Published, Row, Writer};

/// Fills the batches of a lane; one thread at a time has it.
#[derive(Debug)]
pub struct Producer {
    lane: Arc<Lane>,
    origin: Arc<Origin>,
    open: Option<Writer>,
    /// The memory that the batches before the open one left.
    rest: SlabTail,
    /// Messages of credit that it took ahead.
    lease: u32,
    /// The number of those that may be posted at once, into the batch that is open.
    fast_posts: u32,
    /// Bytes of credit that it took ahead.
    lease_bytes: u64,
    lease_bytes_size: u64,
    counters: Arc<ProducerCounters>,
    /// The ticket of the last batch.
    ticket: u64,
    /// True when a batch of the posts that belong together has woken the worker.
    has_woken: bool,
    /// The group that its batches are part of.
    group: Option<Group>,
    /// The share that its messages are counted in.
    share: Option<Arc<Share>>,
}

impl Producer {
    /// A producer into `lane` whose messages have `origin` in common.
    pub(super) fn new(lane: Arc<Lane>, origin: Arc<Origin>) -> Self {
        lane.producers.fetch_add(1, Ordering::Relaxed);
        Self {
            origin,
            open: None,
            rest: SlabTail::default(),
            lease: 0,
            fast_posts: 0,
            lease_bytes: 0,
            lease_bytes_size: (lane.credit.max_bytes() / LEASE_BYTES_SHARE).min(LEASE_BYTES),
            counters: lane.counters.producer(),
            ticket: 0,
            has_woken: false,
            group: None,
            share: None,
            lane,
        }
    }

    /// Its lane.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// The part that its messages have in common.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Changes what later messages have in common.
    pub(crate) fn set_origin(&mut self, origin: Arc<Origin>) {
        self.close_batch();
        self.origin = origin;
    }

    /// Counts later messages in `share`; whoever posts takes them of it before.
    pub(crate) fn set_share(&mut self, share: Option<Arc<Share>>) {
        self.close_batch();
        self.share = share;
    }

    /// Takes credit for one message of `need`.
    #[inline]
    fn take_credit(&mut self, charge: u64) -> bool {
        if self.lease > 0 && self.lease_bytes >= charge {
            self.lease -= 1;
            self.lease_bytes -= charge;
            return true;
        }
        self.take_shared_credit(charge)
    }

    /// Takes credit that the lease does not have, and fills it again.
    #[cold]
    fn take_shared_credit(&mut self, charge: u64) -> bool {
        if self.lane.credit.free_bytes() <= 0 || !self.fill_messages() {
            return false;
        }
        self.lease -= 1;
        self.lane.credit.take_bytes(charge);
        self.fill_bytes();
        true
    }

    /// Takes messages ahead when there are none; whether there are some.
    fn fill_messages(&mut self) -> bool {
        if self.lease == 0 {
            self.top_up_messages();
        }
        self.lease > 0
    }

    /// Takes messages ahead, as many as it may.
    fn top_up_messages(&mut self) {
        let most = self.lane.lease_size().saturating_sub(self.lease);
        let taken = self.lane.credit.try_take(most, 0);
        self.lease += taken;
        if taken > 0 {
            self.wake_at_half(taken);
        }
    }

    /// Takes bytes ahead. Without messages ahead, as in a small window, they are of no use.
    fn fill_bytes(&mut self) {
        if self.lease > 0 && self.lease_bytes < self.lease_bytes_size {
            self.lease_bytes += self.lane.credit.try_take_bytes(self.lease_bytes_size);
        }
    }

    /// Hands over what was posted and brings the worker when half of the window was used up with the `taken`
    /// messages: their credit comes back while the other half is posted.
    fn wake_at_half(&mut self, taken: u32) {
        let (free, half) = (self.lane.credit.free_messages(), self.lane.credit.half_window());
        if free <= half && free + i64::from(taken) > half {
            self.close_batch();
            self.lane.inbox.wake();
        }
    }

    /// Posts one message: `fill` writes it into the row that it is given.
    ///
    /// `fill` may be called more than once, each time on a fresh row, when the worker takes the batch
    /// in between; what it wrote before is gone then. It must write no more than `need` says.
    ///
    /// # Errors
    /// [`Refused`]: nothing was taken.
    #[inline]
    pub fn try_post(&mut self, need: Need, mut fill: impl FnMut(&mut Row<'_>)) -> Result<(), Refused> {
        if need.size() > MESSAGE_MAX || need.fields > usize::from(u16::MAX) {
            return Err(Refused::TooLarge);
        }
        if self.lane.is_closed() {
            return Err(Refused::Closed);
        }
        self.fast_posts = 0;
        let charge = need.charge();
        if !self.take_credit(charge) {
            return Err(Refused::NoCredit);
        }
        if let Some(open) = &mut self.open
            && !open.is_sealed()
            && open.rows() < self.lane.batch_size
            && let Some(mut row) = open.row(need)
        {
            fill(&mut row);
            if row.publish() == Published::Yes {
                self.counters.add(1, need.size() as u64);
                return Ok(());
            }
        }
        self.post_into_new_batch(need, &mut fill);
        Ok(())
    }

    #[cold]
    fn post_into_new_batch(&mut self, need: Need, fill: &mut dyn FnMut(&mut Row<'_>)) {
        self.close_batch();
        let mut writer = Writer::open_after(&mut self.rest, &self.origin, &self.lane.pool, need);
        let Some(mut row) = writer.row(need) else {
            unreachable!("a new batch has room for what it was made for")
        };
        fill(&mut row);
        let published = row.publish();
        debug_assert_eq!(published, Published::Yes, "nobody else has the batch yet");
        self.counters.add(1, need.size() as u64);
        self.share(writer);
    }

    /// Hands over the batch of `writer`, and keeps it open.
    fn share(&mut self, mut writer: Writer) {
        self.ticket = self.lane.issue(self.group);
        if self.send(writer.share(), self.ticket) {
            // The worker will take it at once: ended, it can be taken without a fence for this thread.
            writer.seal(&mut self.rest);
            return;
        }
        self.open = Some(writer);
    }

    /// To be called after several posts that belong together: if they woke the worker, or it naps for long
    /// and gets little, it takes what they left open without a fence for this thread.
    pub fn end_posts(&mut self) {
        if std::mem::take(&mut self.has_woken) || self.lane.inbox.naps_lightly() {
            self.close_batch();
        }
    }

    /// Hands over `pending`. Its [`BATCH_CHARGE`] is taken now, not when the worker opens it: a worker that
    /// falls behind would let the source run ahead by as many batches as it likes.
    ///
    /// Whether that woke the worker.
    fn send(&mut self, pending: Pending, ticket: u64) -> bool {
        if self.lease_bytes >= BATCH_CHARGE {
            self.lease_bytes -= BATCH_CHARGE;
        } else {
            self.lane.credit.take_bytes(BATCH_CHARGE);
        }
        let lane = Arc::clone(&self.lane);
        let woken = self.lane.inbox.send(Parcel::new(lane, pending, ticket, self.share.clone()));
        self.has_woken |= woken;
        woken
    }

    /// The ticket and the row of the message that was posted last with [`Producer::try_post`].
    pub fn last_place(&self) -> (u64, u32) {
        (self.ticket, self.open.as_ref().map_or(0, |open| open.rows().saturating_sub(1)))
    }

    /// Makes the batches that it opens from now on part of `group`.
    pub fn join_group(&mut self, group: Group) {
        self.close_batch();
        self.group = Some(group);
    }

    /// Opens a batch that nobody else sees before [`Producer::send_private`]: for posting many messages
    /// over one owner, the first of which needs `need`. The caller takes the credit.
    pub fn open_private(&mut self, need: Need) -> Writer {
        self.close_batch();
        Writer::open_after(&mut self.rest, &self.origin, &self.lane.pool, need)
    }

    /// Posts a batch made with [`Producer::open_private`], for which credit was taken, with `bytes` of texts
    /// and values.
    pub fn send_private(&mut self, mut writer: Writer, bytes: u64) {
        let rows = writer.rows();
        if rows == 0 {
            return;
        }
        let pending = writer.share();
        writer.seal(&mut self.rest);
        self.counters.add(u64::from(rows), bytes);
        let ticket = self.lane.issue(self.group);
        self.send(pending, ticket);
    }

    /// Posts lines, for which credit was taken.
    pub(crate) fn send_lines(&mut self, lines: Lines) {
        self.close_batch();
        self.counters.add(u64::from(lines.rows()), lines.bytes());
        let ticket = self.lane.issue(self.group);
        self.send(Pending::from(lines.finish()), ticket);
    }

    /// Ends the open batch: later messages go to another one.
    pub fn close_batch(&mut self) {
        self.fast_posts = 0;
        if let Some(open) = self.open.take() {
            open.seal(&mut self.rest);
        }
    }

    /// Gives back the credit that it took ahead, and brings the worker: before a wait for credit.
    pub fn before_wait(&mut self) {
        self.end_lease();
        self.lane.inbox.wake();
    }

    fn end_lease(&mut self) {
        self.fast_posts = 0;
        let (messages, bytes) = (std::mem::take(&mut self.lease), std::mem::take(&mut self.lease_bytes));
        if messages > 0 || bytes > 0 {
            self.lane.credit.give_back(messages, bytes);
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.close_batch();
        self.end_lease();
        self.lane.producers.fetch_sub(1, Ordering::Relaxed);
    }
}
