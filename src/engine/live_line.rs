//! The line at the foot of a terminal: rate, totals, messages in flight, and a destination that cannot write.
//!
//! It never fills the last column: a terminal would begin a new row, and the next line could not take it
//! away.

use std::io::IsTerminal;
use std::time::Instant;

use super::stats::Stats;
use crate::cli::table::short;
use crate::printable;

/// The text between two parts.
const GAP: &str = " · ";
/// The width of a terminal that does not say it.
const COLUMNS: usize = 80;
/// Fewer characters of a reason are not worth showing.
const MIN_REASON: usize = 12;

/// The line, and what it showed last.
pub(crate) struct LiveLine {
    /// True when stderr is a terminal.
    pub is_shown: bool,
    posted: u64,
    at: Instant,
}

impl LiveLine {
    /// A line that shows nothing yet.
    pub(crate) fn of_stderr() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), posted: 0, at: Instant::now() }
    }

    /// The line for what `stats` has counted.
    pub(crate) fn text(&mut self, stats: &Stats) -> String {
        let now = Instant::now();
        let posted = stats.posted();
        let seconds = now.duration_since(self.at).as_secs_f64().max(1e-3);
        let rate = (posted.saturating_sub(self.posted)) as f64 / seconds;
        (self.posted, self.at) = (posted, now);
        // A terminal may have become wider or narrower.
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
        let columns = size.map_or(0, |size| usize::from(size.ws_col));
        line(stats, rate.round() as u64, if columns == 0 { COLUMNS } else { columns })
    }
}

/// The line in a terminal of `columns`: as many of the parts as fit, in this order.
fn line(stats: &Stats, rate: u64, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let suspended = stats.destinations.iter().find(|to| to.suspended);
    let mut parts = vec![format!("{}/s", short(rate)), format!("{} posted", short(stats.posted()))];
    let dropped = format!("{} dropped", short(stats.dropped()));
    let in_flight = format!("{} in flight", short(stats.in_flight()));
    match suspended {
        // What cannot be written comes before what is all right.
        Some(to) => parts.extend([in_flight, format!("{} cannot write", printable::line(&to.id)), dropped]),
        None => parts.extend([dropped, in_flight]),
    }
    let mut out = String::new();
    for part in parts {
        let gap = if out.is_empty() { "" } else { GAP };
        if width(&out) + width(gap) + width(&part) > room {
            break;
        }
        out.push_str(gap);
        out.push_str(&part);
    }
    if let Some(reason) = suspended.and_then(|to| to.last_error.as_deref()) {
        let left = room.saturating_sub(width(&out) + width(GAP));
        if left >= MIN_REASON && out.ends_with("dropped") {
            out.push_str(GAP);
            out.push_str(&cut(&printable::line(reason), left));
        }
    }
    out
}

/// The columns that `text` takes at most: characters beyond Latin may take two.
fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(character: char) -> usize {
    if character < '\u{300}' || character == '…' { 1 } else { 2 }
}

/// `text` in at most `room` columns; where something is missing it ends with `…`.
fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut left = room - 1;
    let kept = text.chars().take_while(|character| {
        let fits = columns_of(*character) <= left;
        left = left.saturating_sub(columns_of(*character));
        fits
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stats::{DestinationStats, SourceStats};

    fn stats(suspended: bool) -> Stats {
        let mut source = SourceStats::default();
        (source.totals.posted, source.totals.in_flight) = (6_123_456, 8_600);
        let last_error = suspended
            .then(|| "cannot write to `/data/out.log`: No space left\x1b on device (os error 28)".into());
        let to = DestinationStats {
            id: "d_file#0".to_owned(),
            suspended,
            last_error,
            ..DestinationStats::default()
        };
        Stats { sources: vec![source], destinations: vec![to], ..Stats::default() }
    }

    /// Breaks without it: the line at the foot of a terminal runs over its edge.
    #[test]
    fn numbers_are_short() {
        let line = line(&stats(false), 11_400_000, 80);
        assert_eq!(line, "11.4 M/s · 6.1 M posted · 0 dropped · 8.6 k in flight");
    }

    /// Without it: a line that is wider than the terminal begins a new row each quarter of a second.
    #[test]
    fn every_width_is_kept_to() {
        let at = |suspended, columns| line(&stats(suspended), 11_400_000, columns);
        assert_eq!(at(false, 40), "11.4 M/s · 6.1 M posted · 0 dropped");
        assert_eq!(at(true, 40), "11.4 M/s · 6.1 M posted");
        assert_eq!(
            at(true, 80),
            "11.4 M/s · 6.1 M posted · 8.6 k in flight · d_file#0 cannot write · 0 dropped"
        );
        let wide = at(true, 200);
        assert!(
            wide.ends_with(
                " · cannot write to `/data/out.log`: No space left\\u{1b} on device (os error 28)"
            ),
            "{wide}"
        );
        assert!(at(true, 120).ends_with('…'));
        for columns in 1..200 {
            assert!(
                width(&at(true, columns)) < columns.max(2) && width(&at(false, columns)) < columns.max(2)
            );
        }
    }
}
