//! Sources that wait for credit, of which the log is told once when it takes long: [`Suspended`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::stats::{DestinationStats, Stats};
use super::{Log, Pipeline};

/// A source that waits for credit this long is said to wait, once.
const SUSPENDED_FOR: Duration = Duration::from_secs(5);

/// The sources that wait for credit, by their ids.
#[derive(Debug, Default)]
pub(super) struct Suspended(BTreeMap<String, Waiting>);

/// A source that waits for credit.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// The number of its messages that were done then.
    done: u64,
    /// Tells whether it was said that it waits.
    was_reported: bool,
}

impl Waiting {
    fn new(done: u64) -> Self {
        Self { since: Instant::now(), done, was_reported: false }
    }
}

impl Suspended {
    /// Says of a source of `pipeline` that it waits for credit, when it has for a while; once, until it goes
    /// on.
    pub(super) fn look(&mut self, pipeline: &Pipeline, log: &Log) {
        let stats = pipeline.stats();
        for source in &stats.sources {
            if !source.is_waiting {
                self.0.remove(&source.id);
                continue;
            }
            let done = source.totals.posted + source.totals.generated - source.totals.in_flight;
            let waiting = self.0.entry(source.id.clone()).or_insert_with(|| Waiting::new(done));
            if waiting.done != done {
                // Slow, and not stuck.
                *waiting = Waiting { was_reported: waiting.was_reported, ..Waiting::new(done) };
            }
            if !waiting.was_reported && waiting.since.elapsed() >= SUSPENDED_FOR {
                waiting.was_reported = true;
                log.warning(&format!(
                    "source {} is suspended: {} messages of it are in flight, as many as {} allows; it waits for {}",
                    source.id,
                    source.totals.in_flight,
                    if source.free_bytes <= 0 { "max-inflight-bytes()" } else { "log-iw-size()" },
                    waited_for(&stats, &pipeline.destinations_of(&source.id))
                ));
            }
        }
    }
}

/// The reason why a source waits whose messages go to `destinations`.
fn waited_for(stats: &Stats, destinations: &[String]) -> String {
    let waits = |to: &&DestinationStats| destinations.contains(&to.id) && (to.suspended || to.in_flight > 0);
    let named = stats.destinations.iter().filter(waits).map(|to| {
        let cannot_write = if to.suspended { ", cannot write" } else { "" };
        format!("{} ({} messages{cannot_write})", to.id, to.in_flight)
    });
    let named = named.collect::<Vec<_>>();
    if named.is_empty() { "what was posted before the last reload".to_owned() } else { named.join(", ") }
}
