//! `mark-mode(internal)`: a mark from `internal()` after a quiet time: [`Heartbeat`].
//!
//! Every `mark-freq()` it looks at what the sources of this host have counted. If that is what it was the
//! last time, `internal()` has a mark to tell.

use std::time::Instant;

use super::Log;
use super::stats::Stats;
use crate::config::{GlobalOptions, MarkMode};

/// The drivers whose messages come from this host.
const LOCAL: &[&str] =
    &["file", "pipe", "program", "stdin", "systemd-journal", "unix-dgram", "unix-stream", "wildcard-file"];

/// The marks of `internal()`.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// The time of the last look, and what the sources had counted.
    last: Option<(Instant, u64)>,
}

impl Heartbeat {
    /// Tells `log` that all is quiet, if it is time. `stats` are asked for only when it may be.
    pub(super) fn look(
        &mut self,
        options: &GlobalOptions,
        now: Instant,
        stats: impl FnOnce() -> Stats,
        log: &Log,
    ) {
        if options.mark_mode != MarkMode::Internal || options.mark_freq.is_zero() {
            self.last = None;
            return;
        }
        if self.last.is_some_and(|(at, _)| now.saturating_duration_since(at) < options.mark_freq) {
            return;
        }
        let stats = stats();
        let local = stats.sources.iter().filter(|source| LOCAL.contains(&source.driver));
        let posted = local.map(|source| source.totals.posted).sum();
        if self.last.is_some_and(|(_, before)| before == posted) {
            log.mark();
        }
        self.last = Some((now, posted));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::stats::SourceStats;
    use crate::flow::counters::SourceTotals;

    /// Breaks without it: a mark stands between messages of this host, or none where there are none.
    #[test]
    fn a_mark_comes_after_a_quiet_time() {
        let log = Log::silent();
        let (mut heart, start) = (Heartbeat::default(), Instant::now());
        let mut options = GlobalOptions { mark_freq: Duration::from_secs(10), ..GlobalOptions::default() };
        let stats = |driver, posted| Stats {
            sources: vec![SourceStats {
                driver,
                totals: SourceTotals { posted, ..SourceTotals::default() },
                ..SourceStats::default()
            }],
            ..Stats::default()
        };
        let mut look = |options: &_, seconds, driver, posted| {
            let before = log.marks();
            heart.look(options, start + Duration::from_secs(seconds), || stats(driver, posted), &log);
            log.marks() - before
        };
        assert_eq!(look(&options, 0, "file", 5), 0, "another mode");
        options.mark_mode = MarkMode::Internal;
        assert_eq!(look(&options, 20, "file", 5), 0, "nothing to compare with");
        assert_eq!(look(&options, 29, "file", 5), 0, "too early");
        assert_eq!(look(&options, 30, "file", 5), 1);
        assert_eq!(look(&options, 40, "file", 6), 0, "a message");
        assert_eq!(look(&options, 50, "file", 6), 1);
        assert_eq!(look(&options, 60, "network", 99), 0, "other sources, so others are counted");
        assert_eq!(look(&options, 70, "network", 100), 1, "from elsewhere");
        options.mark_freq = Duration::ZERO;
        assert_eq!(look(&options, 80, "network", 100), 0);
    }
}
