//! Posts that need nothing but a place in the open batch: texts of messages, one or many.
//!
//! They are refused, and change nothing, where anything else is to be done: credit, a new batch, values. Then
//! [`Producer::try_post`] does it, or says what is in the way.

use std::iter::Peekable;

use super::Producer;
use crate::message::batch::{ROW_CHARGE, unparsed_charge, view_charge};
use crate::message::{Head, Need, Published, Segment, Writer};

impl Producer {
    /// Allows that the next messages are posted at once, `most` of them at the most: as many as the lease
    /// covers and the open batch may still take. How many that are; fewer were allowed before, and are not
    /// any more.
    #[inline]
    pub fn allow_fast_posts(&mut self, most: u32) -> u32 {
        let room = self.open.as_ref().map_or(0, |open| self.lane.batch_size.saturating_sub(open.rows()));
        self.fast_posts = most.min(self.lease).min(room);
        self.fast_posts
    }

    /// The same after taking credit ahead, if all that was taken is used up and the batch is still open.
    pub(crate) fn renew_fast_posts(&mut self, most: u32) -> u32 {
        if self.lane.is_closed() || self.open.as_ref().is_none_or(Writer::is_sealed) || !self.fill_messages()
        {
            return 0;
        }
        self.fill_bytes();
        self.allow_fast_posts(most)
    }

    /// True when a message may be posted at once.
    #[inline]
    pub(crate) fn allows_fast_posts(&self) -> bool {
        self.fast_posts > 0
    }

    /// Ends the permission: how many messages of it are left.
    #[inline]
    pub(crate) fn forbid_fast_posts(&mut self) -> u32 {
        std::mem::take(&mut self.fast_posts)
    }

    /// Posts one message that is a text to be copied with `head`, as `adjust` leaves it, and nothing else, if
    /// that is allowed ([`Producer::allow_fast_posts`]) and the open batch takes it: the way of most messages.
    /// False: nothing was done, and [`Producer::try_post`] says what is in the way, or posts it. Nothing in
    /// it can panic: it is called where nothing may unwind.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of its own costs a plain message a tenth")]
    pub fn post_text_fast(&mut self, head: &Head, adjust: impl FnOnce(&mut Head), text: &[u8]) -> bool {
        let charge = Need { bytes: text.len(), ..Need::default() }.charge();
        let Some(open) = self.open_for(charge) else { return false };
        let published = open.publish_text(head, adjust, text);
        self.posted_fast(published, charge, text.len())
    }

    /// Posts one message that is a text of `len` bytes to be viewed, all of the segment that `segment` makes,
    /// and nothing else, as [`Producer::post_text_fast`] does for one to be copied. `segment` is called
    /// only when there is a place for it.
    #[inline]
    pub(crate) fn post_view_fast(
        &mut self,
        head: &Head,
        adjust: impl FnOnce(&mut Head),
        len: u32,
        segment: impl FnOnce() -> Segment,
    ) -> bool {
        let charge = view_charge(len);
        if self.fast_posts > 0 && self.lease_bytes < charge {
            self.lease_bytes += self.lane.credit.try_take_bytes(charge.max(self.lease_bytes_size));
        }
        let Some(open) = self.open_for(charge) else { return false };
        let published = open.publish_view(head, adjust, len, segment);
        self.posted_fast(published, charge, len as usize)
    }

    /// As [`Producer::post_text_fast`], for a text that the lane's [`LateParser`](crate::flow::lane::LateParser) is to
    /// parse. A lane that has none refuses.
    #[inline(never)]
    pub fn post_unparsed_fast(&mut self, head: &Head, text: &[u8]) -> bool {
        if self.lane.late_parser.get().is_none() {
            return false;
        }
        let charge = unparsed_charge(text.len());
        let Some(open) = self.open_for(charge) else { return false };
        let published = open.publish_unparsed(head, text);
        self.posted_fast(published, charge, text.len())
    }

    /// The open batch, if a message of `charge` may be posted at once.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of the posts of one message, which are inlined")]
    fn open_for(&mut self, charge: u64) -> Option<&mut Writer> {
        if self.fast_posts == 0 || self.lease_bytes < charge || self.lane.is_closed() {
            return None;
        }
        self.open.as_mut()
    }

    /// Takes what [`Producer::open_for`] asked for, if the message was published; whether it was.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of the posts of one message, which are inlined")]
    fn posted_fast(&mut self, published: Option<Published>, charge: u64, bytes: usize) -> bool {
        if published != Some(Published::Yes) {
            return false;
        }
        self.fast_posts -= 1;
        self.lease -= 1;
        self.lease_bytes -= charge;
        self.counters.add(1, bytes as u64);
        true
    }

    /// Posts messages that are texts to be copied and nothing else, all with one `head`, as far as the lease
    /// covers them and one batch takes them; how many there were. With none, [`Producer::try_post`] says what
    /// is in the way.
    ///
    /// A batch that they begin is handed over with all of them: a worker that sleeps is woken for the
    /// whole.
    #[inline]
    pub fn post_texts_fast<'a>(&mut self, head: &Head, texts: impl Iterator<Item = &'a [u8]>) -> u32 {
        if self.lane.is_closed() || !self.fill_messages() {
            return 0;
        }
        self.fill_bytes();
        self.fast_posts = 0;
        match &mut self.open {
            Some(open) if !open.is_sealed() => {
                let messages = self.lease.min(self.lane.batch_size.saturating_sub(open.rows()));
                let (posted, charge) = open.publish_texts(head, messages, self.lease_bytes, texts);
                self.count_texts(posted, charge);
                posted
            }
            _ => self.post_texts_into_new_batch(head, &mut texts.peekable()),
        }
    }

    fn post_texts_into_new_batch<'a>(
        &mut self,
        head: &Head,
        texts: &mut Peekable<impl Iterator<Item = &'a [u8]>>,
    ) -> u32 {
        let Some(first) = texts.peek() else { return 0 };
        let need = Need { bytes: first.len(), ..Need::default() };
        if self.lease_bytes < need.charge() {
            return 0;
        }
        // The fewer batches, the fewer times the worker is woken.
        self.top_up_messages();
        self.close_batch();
        let mut writer = Writer::open_after(&mut self.rest, &self.origin, &self.lane.pool, need);
        let messages = self.lease.min(self.lane.batch_size);
        let (posted, charge) = writer.publish_texts(head, messages, self.lease_bytes, texts);
        debug_assert!(posted > 0, "a new batch has room for what it was made for");
        self.count_texts(posted, charge);
        self.share(writer);
        posted
    }

    fn count_texts(&mut self, posted: u32, charge: u64) {
        self.lease -= posted;
        self.lease_bytes -= charge;
        self.counters.add(u64::from(posted), text_bytes(posted, charge));
    }
}

/// The bytes of `rows` messages that are nothing but texts, and are charged so much.
#[inline]
fn text_bytes(rows: u32, charge: u64) -> u64 {
    charge - u64::from(rows) * ROW_CHARGE as u64
}
