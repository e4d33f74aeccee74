//! The board that anybody may look at while the engine runs: [`Board`].
//!
//! The main thread writes the board, and may then hang in somebody's callback for as long as it likes:
//! who reads takes two locks, and they are held for sums of counters only. No callback runs, nothing is
//! written and no lock that is held during a wait is taken under them.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::log;
use super::pipeline::Pipeline;
use super::stats::Stats;

/// The phases of an engine's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The first configuration is not running yet.
    Starting,
    /// It runs.
    Running,
    /// It was told to stop.
    Stopping,
}

impl Phase {
    /// Its name for people and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }
}

/// The phase and the counters of one engine.
#[derive(Debug)]
pub struct Board {
    begun: Instant,
    /// A [`Phase`].
    phase: AtomicU8,
    pipeline: OnceLock<Arc<Pipeline>>,
}

impl Default for Board {
    fn default() -> Self {
        Self { begun: Instant::now(), phase: AtomicU8::new(Phase::Starting as u8), pipeline: OnceLock::new() }
    }
}

impl Board {
    /// The pipeline that it shows; `None` before there is one.
    pub fn pipeline(&self) -> Option<&Arc<Pipeline>> {
        self.pipeline.get()
    }

    /// Shows `pipeline`; there is one in the life of an engine.
    pub fn put(&self, pipeline: &Arc<Pipeline>) {
        let before = self.pipeline.set(Arc::clone(pipeline));
        debug_assert!(before.is_ok(), "a pipeline that still counts was forgotten");
    }

    /// Everything counted so far, of all configurations.
    pub fn stats(&self) -> Stats {
        self.pipeline.get().map_or_else(Stats::default, |pipeline| pipeline.stats())
    }

    /// Says where the engine is; a stop is never taken back.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// The phase of the engine.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Running,
            _ => Phase::Stopping,
        }
    }

    /// The time since the engine's start.
    pub(crate) fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The engine, its totals, its sources and its destinations, as a JSON document.
    pub(crate) fn to_json(&self) -> Value {
        let stats = self.stats();
        let mut all = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "phase": self.phase().name(),
            "uptime_seconds": self.uptime().as_secs(),
            "posted": stats.posted(),
            "generated": stats.generated(),
            "delivered": stats.delivered(),
            "filtered": stats.filtered(),
            "rejected": stats.rejected(),
            "dropped": stats.dropped(),
            "in_flight": stats.in_flight(),
            "log_lines_dropped": log::lost(),
        });
        if let (Value::Object(all), Value::Object(drivers)) = (&mut all, stats.to_json()) {
            all.extend(drivers);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: an engine that stops is shown as running.
    #[test]
    fn a_stop_is_not_taken_back() {
        let board = Board::default();
        assert_eq!(board.phase(), Phase::Starting);
        board.set_phase(Phase::Stopping);
        board.set_phase(Phase::Running);
        assert_eq!(board.phase(), Phase::Stopping);
    }
}
