//! Messages that cannot be written now: pauses, failures, drops, and the end.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{Blocked, Target, Trouble};
use crate::destination::Severity;
use crate::destination::stream::StreamContext;
use crate::destination::stream::sink::Sink;
use crate::destination::stream::unwritable::{self, Told, Verdict};
use crate::flow::DropReason;

/// A full pipe is tried again after this long at first, and after [`BLOCKED_MAX`] in the end.
const BLOCKED_MIN: Duration = Duration::from_millis(10);
pub(super) const BLOCKED_MAX: Duration = Duration::from_millis(200);

/// The most time until a file that found no descriptor is tried again.
const DESCRIPTOR_RETRY: Duration = Duration::from_secs(1);

impl Target {
    /// Waits after a write that was not taken whole.
    pub(super) fn pause(&mut self, error: Errno, now: Instant, context: &mut StreamContext) {
        if error == Errno::AGAIN {
            self.block(now);
        } else {
            self.fail(error, now, context);
        }
    }

    fn block(&mut self, now: Instant) {
        let wait = self.blocked.as_ref().map_or(BLOCKED_MIN, |blocked| (blocked.wait * 2).min(BLOCKED_MAX));
        self.blocked = Some(Blocked { until: now + wait, wait });
    }

    /// Asks other destinations for a descriptor, as the process has none left, and waits for a moment; after
    /// a few of them it is a failure.
    pub(in crate::destination::stream) fn wait_for_descriptor(
        &mut self,
        error: Errno,
        now: Instant,
        context: &mut StreamContext,
    ) {
        let has_waited = self.blocked.as_ref().is_some_and(|blocked| blocked.wait >= BLOCKED_MAX);
        if context.descriptors.ask() && self.trouble.is_none() && !has_waited {
            self.block(now);
        } else {
            self.fail(error, now, context);
        }
    }

    /// Notes that the file could not be opened. Where the path can never be a file, and messages chose it,
    /// they are dropped.
    pub(super) fn fail_to_open(&mut self, error: Errno, now: Instant, context: &mut StreamContext) {
        let verdict = context.unwritable.judge(&self.path, error);
        if verdict == Verdict::Never {
            context.count_error();
            let lost = self.drop_from(0, context);
            self.close(context);
            self.trouble = None;
            let reason = context.opening.in_words(error);
            return self.tell_dropped(Told::Dropped, &reason, lost, now, context);
        }
        self.fail_for(error, verdict, now, context);
    }

    /// Drops the newest of what waits for a path that cannot be opened and that its messages chose, so that
    /// the rest takes no more than `most` of a window. Returns how much of it the rest takes.
    pub(in crate::destination::stream) fn shed(
        &mut self,
        most: u64,
        now: Instant,
        context: &mut StreamContext,
    ) -> u64 {
        if !self.trouble.as_ref().is_some_and(|trouble| trouble.is_own) {
            return 0;
        }
        let (mut taken, mut kept) = (0, 0);
        for chunk in &self.pending {
            let queued = chunk.count() * unwritable::WINDOW / context.fifo_size.max(1);
            let held = chunk.delivery.ack.window_share(unwritable::WINDOW);
            let share = if chunk.delivery.flow_control { held } else { held.max(queued) };
            if taken + share > most {
                break;
            }
            (taken, kept) = (taken + share, kept + 1);
        }
        if kept < self.pending.len() {
            let lost = self.drop_from(kept, context);
            self.tell_dropped(Told::Waits, "too much waits for it", lost, now, context);
        }
        taken
    }

    /// Drops what waits, from the delivery at `index` on; how many messages that are.
    fn drop_from(&mut self, index: usize, context: &mut StreamContext) -> u64 {
        if index == 0 {
            self.take_back_torn(&context.error());
        }
        let mut lost = 0;
        for chunk in self.pending.drain(index..) {
            let rows = chunk.delivery.view.rows().after(chunk.next);
            lost += rows.len() as u64;
            chunk.delivery.ack.drop_rows(&rows, DropReason::UnwritablePath);
        }
        self.waiting -= lost;
        context.counters.count_dropped(lost);
        lost
    }

    /// Tells once a path, and now and then by number, that messages are dropped.
    fn tell_dropped(&self, what: Told, why: &str, lost: u64, now: Instant, context: &mut StreamContext) {
        if context.unwritable.is_news(&self.path, what, now) {
            let what = "messages chose this path, and what cannot be written to it is dropped";
            context.report(Severity::Error, format!("cannot write to {}: {why}; {what}", self.shown()));
        }
        if let Some((lately, total)) = context.unwritable.count(lost, now) {
            let text = format!(
                "{lately} more messages for paths that cannot be written were dropped, {total} in all"
            );
            context.report(Severity::Error, text);
        }
    }

    /// Notes a failure, and reports it unless it goes on from before.
    pub(super) fn fail(&mut self, error: Errno, now: Instant, context: &mut StreamContext) {
        self.fail_for(error, Verdict::Common, now, context);
    }

    fn fail_for(&mut self, error: Errno, verdict: Verdict, now: Instant, context: &mut StreamContext) {
        context.count_error();
        self.blocked = None;
        self.end_unconfirmed(now, context);
        if error == Errno::NXIO {
            Sink::forget_cut_line_at(&self.path);
        }
        if let Some(sink) = self.sink.as_ref().filter(|sink| !sink.is_regular()) {
            // What a pipe or a device took is gone with it.
            sink.forget_cut_line();
            self.close(context);
            self.torn = None;
        }
        let is_crowded = matches!(error, Errno::MFILE | Errno::NFILE);
        let most = if is_crowded { DESCRIPTOR_RETRY } else { Duration::MAX };
        let time_reopen = context.opening.retry_after(error, context.time_reopen).min(most);
        let retry_at = now + time_reopen;
        let is_own = verdict == Verdict::Own;
        if let Some(trouble) = &mut self.trouble {
            (trouble.retry_at, trouble.is_own) = (retry_at, is_own);
            return;
        }
        // Where all that waited was dropped, the next message finds no trouble, and the path is told all the
        // same.
        let is_told = !is_own || context.unwritable.is_news(&self.path, Told::Waits, now);
        self.trouble = Some(Trouble { since: now, retry_at, is_own, is_told });
        if !is_told {
            return;
        }
        let text = format!(
            "cannot write to {}: {}; its messages wait, retrying every {} s{}",
            self.shown(),
            Self::in_words(error, context),
            time_reopen.as_secs_f64(),
            if is_own { "; messages chose this path, and what is too much for it is dropped" } else { "" }
        );
        context.report(Severity::Error, text);
    }

    fn in_words(error: Errno, context: &StreamContext) -> String {
        if error != Errno::MFILE {
            return context.opening.in_words(error);
        }
        let (limit, most) = (context.descriptors.limit(), context.descriptors.most());
        let others = "the rest is taken by sources and by what they import";
        format!(
            "no file descriptor is left of the process's {limit}; files of paths with macros have {most} at most, {others}"
        )
    }

    /// Notes that writing works.
    pub(super) fn recover(&mut self, now: Instant, context: &mut StreamContext) {
        let Some(trouble) = self.trouble.take() else { return };
        context.unwritable.forget(&self.path);
        if trouble.is_told {
            let text = format!(
                "writing to {} again after {:.1} s; {} messages waited",
                self.shown(),
                now.saturating_duration_since(trouble.since).as_secs_f64(),
                self.waiting
            );
            context.report(Severity::Notice, text);
        }
    }

    /// Gives up what waits, and says how many messages it was.
    pub(in crate::destination::stream) fn abandon(
        &mut self,
        reason: DropReason,
        context: &mut StreamContext,
    ) -> u64 {
        self.take_back_torn(&context.error());
        let lost = std::mem::take(&mut self.waiting);
        self.take_back_unconfirmed();
        for chunk in self.pending.drain(..) {
            let rows = chunk.delivery.view.rows().after(chunk.next);
            chunk.delivery.ack.drop_rows(&rows, reason);
        }
        self.close(context);
        if lost > 0 {
            context.counters.count_dropped(lost);
            context.report(Severity::Error, format!("{lost} messages for {} were not written", self.shown()));
        }
        lost
    }

    /// Takes the part of a line that will not be finished off the end of the file; calls `report` when it
    /// cannot.
    pub(in crate::destination::stream) fn take_back_torn(&mut self, report: &dyn Fn(String)) {
        if let Err(error) = self.take_back() {
            report(format!(
                "a line is torn at the end of {}, and cannot be taken off: {error}",
                self.shown()
            ));
        }
    }

    fn take_back(&mut self) -> Result<(), Errno> {
        let (Some(torn), Some(sink)) = (self.torn.take(), &self.sink) else { return Ok(()) };
        if torn.written > 0 && !sink.is_regular() {
            sink.note_cut_line();
            return Ok(());
        }
        let whole = torn.size.and_then(|size| u64::try_from(size).ok()?.checked_sub(torn.written as u64));
        let Some(whole) = whole.filter(|_| torn.written > 0 && !self.standard) else { return Ok(()) };
        if sink.size() == torn.size { sink.cut(whole) } else { Ok(()) }
    }
}
