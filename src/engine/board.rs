//! What anybody may look at while the engine runs: [`Board`].
//!
//! Configurations come and go, and each has a pipeline with counters of its own. The board knows all of
//! them, so that what was posted since the start of the process can be added up at any moment:
//!
//! ```text
//!  stats() = the current pipeline + the retired ones, which still deliver + what those that are gone had counted
//! ```
//!
//! The main thread writes the board, and may then hang in somebody's callback for as long as it likes:
//! who reads takes one mutex, and it is held for sums of counters only. No callback runs, nothing is
//! written and no lock that is held during a wait is taken under it. A pipeline goes from one place to the next in
//! one step, so no reader counts it twice or misses it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::pipeline::Pipeline;
use super::stats::Stats;

/// Where the engine is in its life.
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

/// The pipelines of one engine, and what they counted.
#[derive(Debug)]
pub struct Board {
    begun: Instant,
    /// A [`Phase`].
    phase: AtomicU8,
    pipelines: Mutex<Pipelines>,
}

#[derive(Debug, Default)]
struct Pipelines {
    current: Option<Arc<Pipeline>>,
    /// Of old configurations, with something left to deliver.
    retired: Vec<Arc<Pipeline>>,
    /// What the pipelines that are gone had counted.
    past: Stats,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            phase: AtomicU8::new(Phase::Starting as u8),
            pipelines: Mutex::default(),
        }
    }
}

impl Board {
    fn pipelines(&self) -> MutexGuard<'_, Pipelines> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `pipeline` the current one. Before it is started, so that it is seen while it starts.
    pub fn put(&self, pipeline: &Arc<Pipeline>) {
        let before = self.pipelines().current.replace(Arc::clone(pipeline));
        debug_assert!(before.is_none(), "a pipeline that still counts was forgotten");
    }

    /// Makes the current pipeline a retired one.
    pub fn retire(&self) {
        let mut pipelines = self.pipelines();
        let current = pipelines.current.take();
        pipelines.retired.extend(current);
    }

    /// Takes `pipeline` away; what it counted stays.
    pub fn remove(&self, pipeline: &Arc<Pipeline>) {
        let is_it = |known: &Arc<Pipeline>| Arc::ptr_eq(known, pipeline);
        let mut pipelines = self.pipelines();
        let is_current = pipelines.current.take_if(|current| is_it(current)).is_some();
        let retired = pipelines.retired.len();
        pipelines.retired.retain(|known| !is_it(known));
        if is_current || pipelines.retired.len() < retired {
            pipelines.past.add(&pipeline.stats());
        }
    }

    /// Takes away the retired pipelines that have delivered everything.
    pub fn let_go_of_finished(&self) {
        // `is_finished` waits for a `drain` that goes on, so not under the board's lock.
        for pipeline in self.retired().iter().filter(|pipeline| pipeline.is_finished()) {
            self.remove(pipeline);
        }
    }

    /// The retired pipelines that still deliver.
    pub fn retired(&self) -> Vec<Arc<Pipeline>> {
        self.pipelines().retired.clone()
    }

    /// Everything counted so far, of all configurations.
    pub fn stats(&self) -> Stats {
        let pipelines = self.pipelines();
        let mut stats = pipelines.current.as_ref().map_or_else(Stats::default, |current| current.stats());
        for pipeline in &pipelines.retired {
            stats.add(&pipeline.stats());
        }
        stats.add(&pipelines.past);
        stats
    }

    /// Says where the engine is; a stop is never taken back.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Where the engine is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Running,
            _ => Phase::Stopping,
        }
    }

    /// How long the engine has been there.
    pub fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The engine, its totals, its sources and its destinations, as a JSON document.
    pub fn to_json(&self) -> Value {
        let stats = self.stats();
        let mut all = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "phase": self.phase().name(),
            "uptime_seconds": self.uptime().as_secs(),
            "posted": stats.posted(),
            "delivered": stats.delivered(),
            "dropped": stats.dropped(),
            "in_flight": stats.in_flight(),
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

    #[test]
    fn a_stop_is_not_taken_back() {
        let board = Board::default();
        assert_eq!(board.phase(), Phase::Starting);
        board.set_phase(Phase::Stopping);
        board.set_phase(Phase::Running);
        assert_eq!(board.phase(), Phase::Stopping);
    }
}
