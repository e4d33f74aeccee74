//! A pipeline in a directory of its own, with everything around it that a test looks at.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::engine::stats::{DestinationStats, SourceStats, Stats};
use inrush::engine::{Changes, Log, Pipeline};
use inrush::flow::counters::SourceTotals;
use inrush::flow::{DropReason, Producer, Refused};
use inrush::message::{Need, Pool, Release, ReleaseNow, Row};
use inrush::source::{EngineLog, Input};
use tempfile::TempDir;

/// No test passes or fails by the clock: this is only how long to wait before giving up on what never comes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` is true.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// A running pipeline. Its files are in the directory that the configuration names `DIR`.
pub struct Rig {
    dir: TempDir,
    log: Log,
    pub pipeline: Pipeline,
    /// Every source that there ever was.
    inputs: Vec<Input>,
}

/// A source that posts texts and counts which ones were taken.
pub struct Poster {
    pub producer: Producer,
    pub taken: u64,
}

impl Poster {
    /// Posts a copy of `text`.
    pub fn try_post(&mut self, text: &[u8]) -> Result<(), Refused> {
        self.try_post_with(Need { bytes: text.len(), ..Need::default() }, |row| row.payload_copy(text))
    }

    /// Posts what `fill` writes.
    pub fn try_post_with(&mut self, need: Need, fill: impl FnMut(&mut Row<'_>)) -> Result<(), Refused> {
        self.producer.try_post(need, fill)?;
        self.taken += 1;
        Ok(())
    }

    /// Posts a copy of `text`, waiting for credit.
    pub fn post(&mut self, text: &[u8]) {
        while let Err(refused) = self.try_post(text) {
            assert_eq!(refused, Refused::NoCredit);
            self.producer.before_wait();
            self.producer.lane().credit().wait(Some(Instant::now() + PATIENCE));
        }
    }

    /// Posts numbered texts until there is no credit; how many were taken.
    pub fn fill_window(&mut self, text: impl Fn(u64) -> Vec<u8>) -> u64 {
        let before = self.taken;
        while self.try_post(&text(self.taken)).is_ok() {}
        self.taken - before
    }
}

impl Rig {
    /// Runs `configuration`.
    pub fn new(configuration: &str) -> Self {
        Self::with_release(configuration, &(Arc::new(ReleaseNow) as Arc<dyn Release>))
    }

    /// Runs `configuration` with sources whose foreign memory goes to `release`.
    pub fn with_release(configuration: &str, release: &Arc<dyn Release>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::silent();
        let pipeline = Pipeline::new(&log, &Arc::new(Pool::new()), release);
        let mut rig = Self { dir, log, pipeline, inputs: Vec::new() };
        rig.reload(configuration);
        rig
    }

    /// Goes on with `configuration`; sources that are not in it any more are stopped first.
    pub fn reload(&mut self, configuration: &str) -> Changes {
        self.reload_with(configuration, |_| {})
    }

    /// The same; `stop` is called with each source that goes, before its lane is closed.
    pub fn reload_with(&mut self, configuration: &str, mut stop: impl FnMut(&Input)) -> Changes {
        let text = configuration.replace("DIR", self.dir.path().to_str().unwrap());
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY))
            .unwrap_or_else(|errors| panic!("{text}:\n{errors}"));
        let next = self.pipeline.plan(&config, &|_| true).unwrap();
        for input in self.pipeline.inputs().iter().filter(|input| !next.keeps(&input.driver.id)) {
            stop(input);
            input.lane.close();
        }
        let new: Vec<_> = next.inputs().filter(|input| !next.keeps(&input.driver.id)).cloned().collect();
        self.inputs.extend(new.iter().cloned());
        let is_internal = |input: &&Input| input.driver.word == "internal";
        self.pipeline
            .switch(next, &mut || {
                for input in new.iter().filter(is_internal) {
                    self.log.add_reader(input.producer());
                }
            })
            .unwrap()
    }

    /// The source with this number.
    pub fn input(&self, number: usize) -> Input {
        self.pipeline.inputs().swap_remove(number)
    }

    /// A producer into the source with this number.
    pub fn poster(&self, source: usize) -> Poster {
        let input = self.input(source);
        Poster { producer: input.lane.producer(Arc::clone(&input.origin)), taken: 0 }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn mkdir(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
        self.pipeline.reopen();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
        self.pipeline.reopen();
    }

    /// The lines of a file.
    pub fn lines(&self, name: &str) -> Vec<String> {
        lines(&self.path(name))
    }

    pub fn source(&self, number: usize) -> SourceStats {
        self.pipeline.stats().sources.swap_remove(number)
    }

    pub fn to(&self, number: usize) -> DestinationStats {
        self.pipeline.stats().destinations.swap_remove(number)
    }

    /// Waits until a destination has seen `count` messages.
    pub fn wait_seen(&self, number: usize, count: u64) {
        until("the destination has seen all", || self.to(number).posted == count);
    }

    /// Waits until nothing is in flight.
    pub fn wait_idle(&self) {
        until("nothing is in flight", || in_flight(&self.pipeline.stats()) == 0);
    }

    /// Waits until so many messages of the first source are in flight.
    pub fn wait_idle_but(&self, count: u64) {
        until("what waits is in flight", || self.source(0).totals.in_flight == count);
    }

    /// Stops it. Whoever posted is gone; `taken` is how many messages each source took. Returns what the
    /// sources counted, and how many messages could not be written.
    pub fn finish(self, taken: &[u64]) -> (Vec<SourceTotals>, u64) {
        let lost = self.pipeline.drain(PATIENCE);
        let stats = self.pipeline.stats();
        assert_eq!(in_flight(&stats), 0, "{stats:?}");
        assert_eq!(stats.sources.iter().map(|source| source.totals.posted).collect::<Vec<_>>(), taken);
        for source in &stats.sources {
            let totals = &source.totals;
            let outcomes = totals.delivered + totals.dropped_total() + totals.filtered + totals.rejected;
            assert_eq!(totals.posted + totals.generated, outcomes);
        }
        for input in &self.inputs {
            let credit = input.lane.credit();
            assert_eq!(credit.free_messages(), i64::from(credit.window()), "all messages of credit are back");
            assert_eq!(credit.free_bytes(), credit.max_bytes() as i64, "all bytes of credit are back");
        }
        for to in &stats.destinations {
            assert_eq!(to.posted, to.delivered + to.dropped + to.rejected, "{to:?}");
        }
        let totals: Vec<_> = stats.sources.iter().map(|source| source.totals).collect();
        let stopped: u64 = totals.iter().map(|totals| totals.dropped[DropReason::Stopped as usize]).sum();
        assert!(stopped <= lost, "every loss at a stop is reported");
        (totals, lost)
    }

    /// Stops it after posters that are done; every message of theirs must have been written.
    pub fn finish_delivered(self, posters: &[&Poster]) {
        let taken: Vec<u64> = posters.iter().map(|poster| poster.taken).collect();
        let (totals, lost) = self.finish(&taken);
        assert_eq!(lost, 0);
        assert_eq!(totals.iter().map(|totals| totals.delivered).collect::<Vec<_>>(), taken);
    }
}

/// The lines of a file that may not be there.
pub fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn in_flight(stats: &Stats) -> u64 {
    let sources = stats.sources.iter().map(|source| source.totals.in_flight);
    sources.chain(stats.destinations.iter().map(|to| to.in_flight)).sum()
}
