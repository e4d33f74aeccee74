//! The engine's counters: a snapshot that adds up, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::plan::Output;
use crate::destination::BufferTotals;
use crate::flow::DropReason;
use crate::flow::counters::SourceTotals;
use crate::path::{Correlation, Probed, ProbedName, StepStatistics};
use crate::source::Input;
use crate::source::{FileTotals, SocketTotals, SourceState};
use crate::template::HostFunctionCounts;

/// One source at one moment.
#[derive(Debug, Clone, Default)]
pub struct SourceStats {
    /// `<statement>#<index>`
    pub id: String,
    /// Its driver's word in the configuration.
    pub driver: &'static str,
    /// `class()`, where the driver has it.
    pub class: Option<String>,
    /// The result of its `generate_persist_name()`, where it was asked.
    pub instance: Option<Arc<str>>,
    /// Its counters.
    pub totals: SourceTotals,
    /// Its window, in messages.
    pub window: u32,
    /// Messages of it that are free.
    pub free: i64,
    /// Bytes of its credit that are free; negative when the last message overdrew them.
    pub free_bytes: i64,
    /// The number of posts that found no credit.
    pub suspensions: u64,
    /// For how long posts waited for credit, or the source had suspended itself.
    pub blocked: Duration,
    /// The age of the oldest message in flight (see [`crate::source::age`]).
    pub oldest: Duration,
    /// Processor time of posts with the GIL, estimated from one in 4096.
    pub post_time: Duration,
    /// True when a post waits for credit at this moment.
    pub is_waiting: bool,
    /// Its state at this moment.
    pub state: SourceState,
    /// The number of exceptions of callbacks.
    pub exceptions: u32,
    /// The number of times it was started again.
    pub restarts: u32,
    /// The text of the last exception.
    pub last_error: Option<Arc<str>>,
    /// The counts of its sockets, where it has some.
    pub sockets: Option<SocketTotals>,
    /// The counts of its files, where it has some.
    pub files: Option<FileTotals>,
}

/// One destination at one moment.
#[derive(Debug, Clone, Default)]
pub struct DestinationStats {
    /// `<statement>#<index>`
    pub id: String,
    /// Messages that came in, the dropped ones included.
    pub posted: u64,
    /// Messages written.
    pub delivered: u64,
    /// Messages dropped before they were written.
    pub dropped: u64,
    /// Messages that its far end refused for good, and that went to `on-reject()`.
    pub rejected: u64,
    /// Messages that wait.
    pub in_flight: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Attempts to open or to write again after a failure.
    pub retries: u64,
    /// The number of times that opening or writing failed.
    pub errors: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Messages that were written once more, as they may not have arrived.
    pub repeated: u64,
    /// Delivered messages that were counted instead of written, as they repeated the last one.
    pub suppressed: u64,
    /// Messages that it made itself: marks, and numbers of repetitions.
    pub generated: u64,
    /// Messages that were cut, as no datagram is so long.
    pub truncated: u64,
    /// True when it cannot write at present.
    pub suspended: bool,
    /// Its last error.
    pub last_error: Option<Arc<str>>,
    /// Those of its disk buffer, where it has one.
    pub(crate) buffer: Option<BufferTotals>,
}

/// A function of the host's that templates call, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Its name.
    pub name: String,
    /// The number of calls.
    pub called: u64,
    /// Those of them whose text is `<error>`.
    pub failed: u64,
}

impl FunctionStats {
    /// Its counts at this moment.
    pub(super) fn of(counts: &HostFunctionCounts) -> Self {
        // What failed was called before.
        let failed = counts.failed.load(Ordering::Acquire);
        Self { name: counts.name.clone(), called: counts.called.load(Ordering::Acquire), failed }
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// The sources, in the order of the configuration.
    pub sources: Vec<SourceStats>,
    /// The destinations, in the order of the configuration.
    pub destinations: Vec<DestinationStats>,
    /// The parsers that log paths use, in the order in which messages come to them.
    pub parsers: Vec<StepStatistics>,
    /// The functions that templates call.
    pub functions: Vec<FunctionStats>,
}

impl SourceStats {
    /// One line: `posted=… delivered=… dropped=… in_flight=…`, and what else is not 0.
    pub fn line(&self) -> String {
        let totals = &self.totals;
        let mut line = format!(
            "posted={} delivered={} dropped={} in_flight={}",
            totals.posted,
            totals.delivered,
            totals.dropped_total(),
            totals.in_flight
        );
        let more =
            [("generated", totals.generated), ("filtered", totals.filtered), ("rejected", totals.rejected)];
        for (name, count) in more {
            if count > 0 {
                let _ = write!(line, " {name}={count}");
            }
        }
        for reason in DropReason::ALL.iter().filter(|reason| totals.dropped[**reason as usize] > 0) {
            let _ = write!(line, " dropped_{}={}", reason.name(), totals.dropped[*reason as usize]);
        }
        if totals.refused > 0 {
            let _ = write!(line, " refused={}", totals.refused);
        }
        line
    }
}

impl DestinationStats {
    /// One line: `posted=… delivered=… dropped=… in_flight=…`, and `rejected=…` where it is not 0.
    pub fn line(&self) -> String {
        let mut line = format!(
            "posted={} delivered={} dropped={} in_flight={}",
            self.posted, self.delivered, self.dropped, self.in_flight
        );
        if self.rejected > 0 {
            let _ = write!(line, " rejected={}", self.rejected);
        }
        line
    }
}

impl Stats {
    /// Adds what `other`, which is older, counted: of the same drivers to the same entries.
    pub fn add(&mut self, other: &Self) {
        for source in &other.sources {
            match self.sources.iter_mut().find(|known| known.id == source.id) {
                Some(known) => {
                    known.totals.add(&source.totals);
                    known.suspensions += source.suspensions;
                    known.blocked += source.blocked;
                    known.oldest = known.oldest.max(source.oldest);
                    known.post_time += source.post_time;
                    known.exceptions += source.exceptions;
                    known.restarts += source.restarts;
                    if let (Some(known), Some(more)) = (&mut known.sockets, &source.sockets) {
                        known.add(more);
                    }
                    if let (Some(known), Some(earlier)) = (&mut known.files, &source.files) {
                        known.add(earlier);
                    }
                    if known.last_error.is_none() {
                        known.last_error.clone_from(&source.last_error);
                    }
                }
                None => self.sources.push(source.clone()),
            }
        }
        for to in &other.destinations {
            match self.destinations.iter_mut().find(|known| known.id == to.id) {
                Some(known) => {
                    known.posted += to.posted;
                    known.delivered += to.delivered;
                    known.dropped += to.dropped;
                    known.rejected += to.rejected;
                    known.in_flight += to.in_flight;
                    known.bytes += to.bytes;
                    known.retries += to.retries;
                    known.errors += to.errors;
                    known.connections += to.connections;
                    known.repeated += to.repeated;
                    known.suppressed += to.suppressed;
                    known.generated += to.generated;
                    known.truncated += to.truncated;
                    if let (Some(known), Some(earlier)) = (&mut known.buffer, &to.buffer) {
                        known.commits += earlier.commits;
                        known.commit_time += earlier.commit_time;
                        known.lost += earlier.lost;
                    }
                }
                None => self.destinations.push(to.clone()),
            }
        }
        for parser in &other.parsers {
            match self.parsers.iter_mut().find(|known| (&known.id, known.word) == (&parser.id, parser.word)) {
                Some(known) => known.add(parser),
                None => self.parsers.push(parser.clone()),
            }
        }
        for function in &other.functions {
            match self.functions.iter_mut().find(|known| known.name == function.name) {
                Some(known) => {
                    known.called += function.called;
                    known.failed += function.failed;
                }
                None => self.functions.push(function.clone()),
            }
        }
    }

    /// All sources together.
    pub fn posted(&self) -> u64 {
        self.sources.iter().map(|source| source.totals.posted).sum()
    }

    /// All sources together.
    pub fn in_flight(&self) -> u64 {
        self.sources.iter().map(|source| source.totals.in_flight).sum()
    }

    /// All sources together.
    pub fn delivered(&self) -> u64 {
        self.sources.iter().map(|source| source.totals.delivered).sum()
    }

    /// All sources together.
    pub fn dropped(&self) -> u64 {
        self.sources.iter().map(|source| source.totals.dropped_total()).sum()
    }

    /// All sources together.
    pub fn generated(&self) -> u64 {
        self.sources.iter().map(|source| source.totals.generated).sum()
    }

    /// All sources together.
    pub fn filtered(&self) -> u64 {
        self.sources.iter().map(|source| source.totals.filtered).sum()
    }

    /// All sources together.
    pub fn rejected(&self) -> u64 {
        self.sources.iter().map(|source| source.totals.rejected).sum()
    }

    /// The sum that always adds up, in words: `… posted = … delivered + … dropped + … in flight`.
    pub fn sum(&self) -> String {
        let part = |count: u64, word: &str| {
            if count > 0 { format!(" + {count} {word}") } else { String::new() }
        };
        format!(
            "{} posted{} = {} delivered + {} dropped{}{} + {} in flight",
            self.posted(),
            part(self.generated(), "generated"),
            self.delivered(),
            self.dropped(),
            part(self.filtered(), "filtered"),
            part(self.rejected(), "rejected"),
            self.in_flight()
        )
    }

    /// The snapshot as a JSON document, with the names of the fields above.
    pub(crate) fn to_json(&self) -> Value {
        let source = |source: &SourceStats| {
            let totals = &source.totals;
            let dropped = DropReason::ALL.map(|reason| (reason.name(), totals.dropped[reason as usize]));
            let sockets = source.sockets.map(|sockets| {
                json!({
                    "connections": sockets.connections, "max_connections": sockets.max_connections,
                    "accepted": sockets.accepted, "rejected": sockets.rejected, "bytes": sockets.bytes,
                    "cut": sockets.cut, "unfinished": sockets.unfinished, "failed": sockets.failed,
                    "dropped_by_kernel": sockets.dropped,
                })
            });
            let mut all = json!({
                "id": source.id, "driver": source.driver, "class": source.class, "instance": source.instance.as_deref(), "posted": totals.posted, "bytes": totals.bytes, "generated": totals.generated, "delivered": totals.delivered,
                "dropped": BTreeMap::from(dropped), "filtered": totals.filtered, "rejected": totals.rejected, "in_flight": totals.in_flight, "refused": totals.refused,
                "window": source.window, "free": source.free, "free_bytes": source.free_bytes, "suspensions": source.suspensions,
                "state": source.state.name(), "exceptions": source.exceptions, "restarts": source.restarts,
                "last_error": source.last_error.as_deref(), "blocked_seconds": source.blocked.as_secs_f64(),
                "oldest_unacknowledged_seconds": source.oldest.as_secs_f64(), "post_gil_seconds": source.post_time.as_secs_f64(),
            });
            if let Some(sockets) = sockets {
                all["sockets"] = sockets;
            }
            if let Some(FileTotals { bytes, lag, open, waiting }) = source.files {
                all["files"] = json!({ "bytes": bytes, "lag": lag, "open": open, "waiting": waiting });
            }
            all
        };
        let destination = |to: &DestinationStats| {
            let mut all = json!({
                "id": to.id, "posted": to.posted, "delivered": to.delivered, "dropped": to.dropped, "rejected": to.rejected,
                "in_flight": to.in_flight, "bytes": to.bytes, "retries": to.retries, "errors": to.errors,
                "connections": to.connections, "repeated": to.repeated, "truncated": to.truncated, "suspended": to.suspended,
                "suppressed": to.suppressed, "generated": to.generated,
                "last_error": to.last_error.as_deref(),
            });
            if let Some(buffer) = &to.buffer {
                all["disk_buffer"] = json!({
                    "messages": buffer.messages, "oldest_seconds": buffer.oldest.as_secs_f64(), "bytes": buffer.bytes,
                    "capacity": buffer.capacity, "segments": buffer.segments, "commits": buffer.commits,
                    "commit_seconds": buffer.commit_time.as_secs_f64(), "lost": buffer.lost, "stalled": buffer.is_stalled,
                    "away": buffer.is_away,
                });
            }
            all
        };
        let parser = |parser: &StepStatistics| {
            let mut all = json!({
                "id": parser.id, "parser": parser.word, "processed": parser.processed, "discarded": parser.discarded,
                "reasons": parser.reasons.iter().copied().collect::<BTreeMap<_, _>>(),
            });
            if let Some(Probed { counts, left_out }) = &parser.probed {
                let one = |(name, count): (&ProbedName, &u64)| json!({ "name": name.key, "labels": name.labels, "value": count });
                all["metrics"] = counts.iter().map(one).collect();
                all["left_out"] = json!(left_out);
            }
            if let Some(of) = &parser.correlation {
                all["correlation"] = correlation(of);
            }
            all
        };
        let function = |function: &FunctionStats| json!({ "name": function.name, "called": function.called, "failed": function.failed });
        json!({
            "sources": self.sources.iter().map(source).collect::<Vec<_>>(),
            "parsers": self.parsers.iter().map(parser).collect::<Vec<_>>(),
            "functions": self.functions.iter().map(function).collect::<Vec<_>>(),
            "destinations": self.destinations.iter().map(destination).collect::<Vec<_>>(),
        })
    }
}

/// The counts of a parser that correlates messages, as a JSON document.
fn correlation(of: &Correlation) -> Value {
    json!({
        "contexts": of.contexts, "bytes": of.bytes, "oldest_seconds": of.oldest_age().as_secs_f64(), "made": of.made,
        "closed_by_message": of.closed_by_message, "closed_by_timeout": of.closed_by_timeout,
        "closed_early": of.closed_early, "closed_at_end": of.closed_at_end,
    })
}

impl Input {
    /// Its state at this moment.
    pub(super) fn stats(&self) -> SourceStats {
        let (credit, status) = (self.lane.credit(), &self.status);
        let is_waiting = credit.is_waited_for();
        let totals = self.lane.counters().totals();
        // What steps have made may be in flight, too, and is none of what was posted.
        let oldest = status.oldest(totals.posted, totals.posted.saturating_sub(totals.in_flight));
        let (driver, class) = (self.driver.word, self.planned.class.clone());
        SourceStats {
            id: self.driver.id.clone(),
            driver,
            class,
            instance: status.instance(),
            totals,
            window: credit.window(),
            free: credit.free_messages(),
            free_bytes: credit.free_bytes(),
            suspensions: credit.suspensions(),
            blocked: credit.blocked(),
            oldest,
            post_time: status.post_time(),
            is_waiting,
            state: status.state(is_waiting),
            exceptions: status.exceptions(),
            restarts: status.restarts(),
            last_error: status.last_error(),
            sockets: status.sockets(),
            files: status.files(),
        }
    }
}

impl Output {
    /// Its state at this moment.
    pub(super) fn stats(&self) -> DestinationStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let counters = &self.counters;
        let (delivered, dropped, rejected, in_flight) = (
            read(&counters.delivered),
            read(&counters.dropped),
            read(&counters.rejected),
            read(&counters.queued),
        );
        DestinationStats {
            id: self.id.clone(),
            posted: delivered + dropped + rejected + in_flight,
            delivered,
            dropped,
            rejected,
            in_flight,
            bytes: read(&counters.bytes),
            retries: read(&counters.retries),
            errors: read(&counters.errors),
            connections: read(&counters.connections),
            repeated: read(&counters.repeated),
            suppressed: read(&counters.suppressed),
            generated: read(&counters.generated),
            truncated: read(&counters.truncated),
            suspended: self.shared.suspended.load(Ordering::Relaxed),
            last_error: self.shared.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            buffer: counters.buffer.totals(),
        }
    }
}

#[cfg(test)]
mod tests;
