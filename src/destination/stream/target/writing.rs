//! The way out of lines: opening, writing, counting what is out.

use std::io::IoSlice;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{Flushed, Target};
use crate::destination::stream::StreamContext;
use crate::destination::stream::sink::Sink;
use crate::destination::stream::stage::{Bounds, Progress};
use crate::destination::{Severity, Throttle};

/// A renamed file is noticed this long after the last look at most, while lines are written.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Target {
    /// Writes all it can; until `deadline`, if there is one.
    pub(in crate::destination::stream) fn flush(
        &mut self,
        now: Instant,
        deadline: Option<Instant>,
        context: &mut StreamContext,
    ) -> Flushed {
        if let Err(ended) = self.begin(now, context) {
            return ended;
        }
        self.used = now;
        self.confirm(now, context);
        if self.pending.is_empty() {
            self.recover(now, context);
        }
        let mut unsynced = Vec::new();
        let mut lines = 0;
        self.throttled = None;
        while !self.pending.is_empty() {
            let Some(sink) = &self.sink else { break };
            let most = context.throttle.as_mut().map_or(usize::MAX, |throttle| throttle.allowed(now));
            if most == 0 {
                self.throttled = context.throttle.as_ref().and_then(Throttle::next);
                break;
            }
            // The lines, in memory and out.
            let (torn, line) = (self.torn.as_ref(), &context.line);
            let bounds = Bounds::new(most, sink.given().is_some());
            let filled = context.stage.fill(&self.pending, torn, line, bounds, &mut context.template);
            if let Err((count, reason)) = filled {
                self.report_fault(count, &reason, context);
            }
            let mut progress = context.stage.write(sink, &self.pending);
            if progress.bytes > 0 && sink.is_removed(&self.path) {
                // None of it counts: the next round opens what the path names now, and begins with the first
                // line again.
                context.count_bytes(progress.bytes as u64);
                self.looked = None;
                break;
            }
            let confirmed_by = sink.given();
            self.note(&mut progress, now, context);
            // The messages that they were.
            self.complete(progress.lines, confirmed_by.is_some(), &mut unsynced);
            let mut delivered = progress.lines as u64;
            if let Some(end) = confirmed_by {
                delivered -= self.keep_unconfirmed(end, &mut unsynced, now);
            }
            self.waiting -= delivered;
            lines += delivered;
            if !context.fsync {
                context.counters.count_delivered(std::mem::take(&mut lines));
                unsynced.clear();
            }
            if let Some(error) = progress.error {
                self.pause(error, now, context);
                break;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
        }
        if lines > 0 {
            self.sync(context);
            context.counters.count_delivered(lines);
        }
        self.confirm(now, context);
        Flushed::Done
    }

    /// Notes the outcome of a write, but for its messages.
    fn note(&mut self, progress: &mut Progress, now: Instant, context: &mut StreamContext) {
        if progress.torn.is_some() || progress.lines > 0 {
            self.torn = progress.torn.take();
        }
        context.count_bytes(progress.bytes as u64);
        if let Some(throttle) = &mut context.throttle {
            throttle.take(progress.lines);
        }
        if progress.bytes > 0 {
            self.blocked = None;
        }
        // A part that fits on a full disk is no recovery: only all of it is.
        if matches!(progress.error, None | Some(Errno::AGAIN)) {
            self.recover(now, context);
        }
        if progress.cut > 0 {
            context.counters.truncated.fetch_add(progress.cut as u64, Ordering::Relaxed);
            if !std::mem::replace(&mut self.cut_is_told, true) {
                let is_datagram = self.sink.as_ref().is_some_and(|sink| sink.datagram().is_some());
                let most = if is_datagram { "a datagram can be" } else { "pad-size()" };
                let what = format!("a message was longer than {most}, and was cut");
                let text = format!("{}: {what}; others will be counted only", self.shown());
                context.report(Severity::Warning, text);
            }
        }
    }

    /// Makes sure that lines can be written; otherwise how the flush ends.
    fn begin(&mut self, now: Instant, context: &mut StreamContext) -> Result<(), Flushed> {
        if let Some(error) = self.sink.as_ref().and_then(Sink::deserted) {
            self.fail(error, now, context);
            return Err(Flushed::Done);
        }
        if let Err(error) = self.ready(now, context) {
            if error == Errno::INPROGRESS {
                self.is_connecting = true;
                return Err(Flushed::Done);
            }
            self.is_connecting = false;
            if matches!(error, Errno::MFILE | Errno::NFILE) {
                return Err(Flushed::NoDescriptor(error));
            }
            self.fail_to_open(error, now, context);
            return Err(Flushed::Done);
        }
        self.end_cut_line(context).map_err(|error| {
            self.pause(error, now, context);
            Flushed::Done
        })
    }

    fn report_fault(&self, count: usize, reason: &str, context: &StreamContext) {
        let what = format!("{count} messages could not be made into lines: {reason}");
        let text =
            format!("{}: fault in the engine: {what}; they are written as MESSAGE alone", self.shown());
        context.report(Severity::Error, text);
    }

    /// Makes sure that what the path names is open.
    fn ready(&mut self, now: Instant, context: &mut StreamContext) -> Result<(), Errno> {
        let retries = self.trouble.is_some();
        if let (Some(sink), false) = (&self.sink, retries) {
            let fresh = self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_EVERY);
            let may_be_replaced = sink.is_regular() || context.opening.holds_data();
            if fresh || self.standard || !may_be_replaced {
                return Ok(());
            }
            self.looked = Some(now);
            if sink.is_at(&self.path) {
                return Ok(());
            }
        }
        if retries && !self.is_connecting {
            context.count_retry();
        }
        let mut opened = self.open(context);
        if matches!(opened, Err(Errno::MFILE)) && self.torn.is_none() && self.sink.is_some() {
            // The descriptor of the file before is as good as any.
            self.close(context);
            opened = self.open(context);
        }
        let mut sink = opened?;
        // Compared while the old one is open: its number cannot have been given to another file.
        if let Some(torn) = &mut self.torn {
            let same = self.sink.as_ref().is_some_and(|old| old.is_regular() && old.is_same(&sink));
            if !same || torn.size != sink.size() {
                torn.written = 0;
            }
        }
        let goes_on = self.torn.as_ref().is_some_and(|torn| torn.written > 0);
        if !goes_on && !self.standard && context.line.ends_lines() && sink.is_inside_line(&self.path) {
            sink.write(&[IoSlice::new(b"\n")])?;
            context.count_bytes(1);
            let text = format!("the last line of {} has no end; it gets one now", self.shown());
            context.report(Severity::Warning, text);
        }
        if let Some(warning) = sink.warning.take()
            && !std::mem::replace(&mut self.warned, true)
        {
            context.report(Severity::Warning, format!("{}: {warning}", self.shown()));
        }
        self.looked = Some(now);
        self.set_sink(Some(sink), context);
        if let Some(text) = context.opening.opened_in_words() {
            context.counters.connections.fetch_add(1, Ordering::Relaxed);
            context.report(Severity::Notice, text);
        }
        Ok(())
    }

    /// Ends a line that another one has cut in the pipe, unless it is in a line of its own there.
    fn end_cut_line(&self, context: &StreamContext) -> Result<(), Errno> {
        let goes_on = self.torn.as_ref().is_some_and(|torn| torn.written > 0);
        if let (Some(sink), false) = (&self.sink, goes_on || !context.line.ends_lines()) {
            context.count_bytes(sink.end_cut_line()? as u64);
        }
        Ok(())
    }

    fn open(&self, context: &StreamContext) -> Result<Sink, Errno> {
        if self.standard {
            return Sink::standard(&self.path);
        }
        let mut sink = context.opening.connect(&self.path, &context.wake)?;
        if let Some(above) = context.descriptors.above().filter(|_| context.has_macros) {
            sink.move_above(above);
        }
        Ok(sink)
    }

    /// Waits for the disk. What was written cannot be taken back, so a failure here is said and no more:
    /// the system may have forgotten it by the next call.
    fn sync(&self, context: &StreamContext) {
        if let Some(Err(error)) = self.sink.as_ref().map(Sink::sync) {
            context.count_error();
            context.report(Severity::Error, format!("cannot sync {} to its disk: {error}", self.shown()));
        }
    }
}
