//! The line at the foot of a terminal: rate, totals, messages in flight.

use std::io::IsTerminal;
use std::time::Instant;

use crate::cli::table::grouped;
use crate::engine::stats::Stats;

/// The line, and what it showed last.
pub struct LiveLine {
    /// Whether stderr is a terminal.
    pub is_shown: bool,
    posted: u64,
    at: Instant,
}

impl LiveLine {
    /// A line that shows nothing yet.
    pub fn of_stderr() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), posted: 0, at: Instant::now() }
    }

    /// The line for what `stats` has counted.
    pub fn text(&mut self, stats: &Stats) -> String {
        let now = Instant::now();
        let posted = stats.posted();
        let seconds = now.duration_since(self.at).as_secs_f64().max(1e-3);
        let rate = (posted.saturating_sub(self.posted)) as f64 / seconds;
        (self.posted, self.at) = (posted, now);
        format!(
            "{} msg/s | posted {} | delivered {} | dropped {} | in flight {}",
            grouped(rate.round() as u64),
            grouped(posted),
            grouped(stats.delivered()),
            grouped(stats.dropped()),
            grouped(stats.in_flight())
        )
    }
}
