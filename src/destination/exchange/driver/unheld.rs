//! Messages that wait without the credit of their source.

use std::sync::Arc;

use super::ExchangeDestination;
use crate::destination::UNHELD_BYTES;
use crate::flow::{Delivery, DropReason};

impl ExchangeDestination {
    /// Drops the newest of the messages that wait without credit beyond `log-fifo-size()` and the bytes of a
    /// queue; the source of the first, and how many.
    pub(super) fn drop_unheld(&mut self) -> Option<(Arc<str>, u64)> {
        let (mut messages, mut bytes) = (self.settings.fifo_size, UNHELD_BYTES);
        let mut lost: Option<(Arc<str>, u64)> = None;
        for queue in &mut self.queues {
            queue.chunks_mut().retain_mut(|chunk| {
                if chunk.delivery.ack.holds_credit() {
                    return true;
                }
                let each = chunk.delivery.view.bytes_each();
                let kept = (chunk.len() as u64).min(messages).min(bytes / each);
                (messages, bytes) = (messages - kept, bytes - kept * each);
                let beyond = chunk.len() as u64 - kept;
                if beyond > 0 {
                    let Delivery { view, ack, .. } = &mut chunk.delivery;
                    let source = Arc::clone(&view.batch().origin().source);
                    ack.drop_rows(&view.rows().after(kept as usize), DropReason::QueueFull);
                    view.set_rows(view.rows().first(kept as usize));
                    lost.get_or_insert((source, 0)).1 += beyond;
                }
                chunk.len() > 0
            });
            queue.recount();
        }
        if let Some((_, lost)) = &lost {
            self.site.counters.count_dropped(*lost);
        }
        lost
    }
}
