//! `kafka()` as a source, with librdkafka's own cluster of brokers in this process, which fails as it is told.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tempfile::TempDir;

use crate::config::{Environment, parse_str};
use crate::drivers::VOCABULARY;
use crate::engine::{Log, Pipeline};
use crate::flow::counters::SourceTotals;
use crate::message::{Pool, Release, ReleaseNow};
use crate::source::{EngineLog, Gate, Source, Start, make};
use crate::state::State;

/// No test passes or fails by the clock: this is only how long to wait before giving up on what never comes.
const PATIENCE: Duration = Duration::from_secs(180);

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 2, 1).unwrap();
    cluster
}

/// Sends the numbers of `range`, in turn to the two partitions.
fn produce(cluster: &Cluster, range: std::ops::Range<u64>) {
    let servers = cluster.bootstrap_servers();
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    for number in range {
        let text = number.to_string();
        let record = BaseRecord::<(), _>::to("t").payload(&text).partition((number % 2) as i32);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).unwrap();
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// An engine with one member of the group, which writes to a file.
struct Member {
    pipeline: Pipeline,
    source: Box<dyn Source>,
}

impl Member {
    fn start(cluster: &Cluster, dir: &TempDir, out: &str, options: &str) -> Self {
        let text = format!(
            "options {{ time-reopen(0.05); }};
             source s {{ kafka(bootstrap-servers(\"{}\") topic(\"t\") group-id(\"g\") {options}); }};
             destination d {{ file(\"{}/{out}\" template(\"$MSG\\n\")); }};
             log {{ source(s); destination(d); flags(flow-control); }};",
            cluster.bootstrap_servers(),
            dir.path().display()
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let log = Log::silent();
        let release = Arc::new(ReleaseNow) as Arc<dyn Release>;
        let pipeline = Pipeline::new(&log, &Arc::new(Pool::new()), &release);
        let next = pipeline.plan(&config, &|_| true).unwrap();
        pipeline.switch(next, &mut || ()).unwrap();
        let input = pipeline.inputs().swap_remove(0);
        let log: Arc<dyn EngineLog> = Arc::new(log);
        let mut source = make(&input, &config, &log).unwrap().unwrap();
        source.init(&config).unwrap();
        input.status.start();
        let (ended, stop) = (Arc::new(|| ()), Arc::new(|| ()));
        source.start(&Start { gate: Gate::open(), ended, stop, state: State::in_memory() }).unwrap();
        Self { pipeline, source }
    }

    /// Stops it as the engine does. Returns what its source counted.
    fn stop(mut self) -> SourceTotals {
        self.source.ask_to_stop();
        until("the source ends", || !self.source.is_alive());
        self.source.close();
        assert_eq!(self.pipeline.drain(PATIENCE), 0);
        let totals = self.pipeline.stats().sources.swap_remove(0).totals;
        assert_eq!((totals.posted, totals.in_flight), (totals.delivered, 0));
        totals
    }
}

fn lines(dir: &TempDir, name: &str) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The distinct numbers of both files.
fn seen(dir: &TempDir) -> usize {
    ["out", "other"].into_iter().flat_map(|name| lines(dir, name)).collect::<HashSet<_>>().len()
}

/// Breaks without it: a member that goes on after another reads what that had, or leaves something out; or two
/// records of a partition are turned.
#[test]
fn members_follow_each_other_without_a_gap() {
    let (cluster, dir) = (cluster(), tempfile::tempdir().unwrap());
    produce(&cluster, 0..1000);
    // A member that joins after another waits here for as long as a session of its lasts.
    let session = "config(\"session.timeout.ms\" => 3000 \"heartbeat.interval.ms\" => 100)";
    let first = Member::start(&cluster, &dir, "out", &format!("log-iw-size(100) {session}"));
    until("all is delivered", || lines(&dir, "out").len() == 1000);
    assert_eq!(first.stop().posted, 1000);
    for parity in [0, 1] {
        let numbers: Vec<u64> = lines(&dir, "out").iter().filter_map(|line| line.parse().ok()).collect();
        let own: Vec<_> = numbers.iter().filter(|number| *number % 2 == parity).collect();
        assert!(own.is_sorted() && own.len() == 500);
    }
    produce(&cluster, 1000..1010);
    let second = Member::start(&cluster, &dir, "other", session);
    until("the rest is delivered", || lines(&dir, "other").len() == 10);
    assert_eq!(second.stop().posted, 10);
}

/// Breaks without it: a member that joins takes a partition whose messages are on their way, and they come twice
/// or never.
#[test]
fn a_member_that_joins_and_goes_loses_nothing() {
    let (cluster, dir) = (cluster(), tempfile::tempdir().unwrap());
    let options = "log-iw-size(50) config(\"session.timeout.ms\" => 6000 \"heartbeat.interval.ms\" => 100)";
    let first = Member::start(&cluster, &dir, "out", options);
    produce(&cluster, 0..500);
    until("the first has all", || lines(&dir, "out").len() == 500);
    let second = Member::start(&cluster, &dir, "other", options);
    let mut next = 500;
    until("both have some", || {
        produce(&cluster, next..next + 20);
        next += 20;
        !lines(&dir, "other").is_empty()
    });
    until("all is there", || seen(&dir) == next as usize);
    let other = second.stop().posted;
    produce(&cluster, next..next + 100);
    next += 100;
    until("the first has them all again", || seen(&dir) == next as usize);
    let own = first.stop().posted;
    // The mock's coordinator takes no commit while it shares anew: a window comes twice at each of the two times.
    assert!(own + other <= next + 100, "{own} and {other} of {next}");
}

/// Breaks without it: a broker that goes away for a while, or a coordinator that moves, is the end of a source.
#[test]
fn brokers_that_come_and_go_lose_nothing() {
    let (cluster, dir) = (cluster(), tempfile::tempdir().unwrap());
    let options = "config(\"session.timeout.ms\" => 6000 \"reconnect.backoff.max.ms\" => 100)";
    produce(&cluster, 0..200);
    let member = Member::start(&cluster, &dir, "out", options);
    until("the first are there", || seen(&dir) == 200);
    for round in 1..4 {
        cluster.request_errors(
            RDKafkaApiKey::OffsetCommit,
            &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS],
        );
        produce(&cluster, round * 200..(round + 1) * 200);
        cluster.broker_down(-1).unwrap();
        thread::sleep(Duration::from_millis(50));
        cluster.broker_up(-1).unwrap();
        until("these are there", || seen(&dir) as u64 == (round + 1) * 200);
    }
    assert!(member.stop().posted >= 800);
}

/// Breaks without it: a source posts more than its window, or leaves the group, while nothing can be written.
#[test]
fn a_source_without_credit_keeps_its_partitions() {
    let (cluster, dir) = (cluster(), tempfile::tempdir().unwrap());
    produce(&cluster, 0..500);
    let member = Member::start(&cluster, &dir, "gone/out", "log-iw-size(10)");
    until("the window is full", || member.pipeline.stats().sources[0].totals.in_flight == 10);
    // Longer than a member may not poll, with its partitions paused.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(member.pipeline.stats().sources[0].totals.posted, 10);
    fs::create_dir(dir.path().join("gone")).unwrap();
    until("all is delivered", || lines(&dir, "gone/out").len() == 500);
    assert_eq!(member.stop().posted, 500);
}

/// Breaks without it: a configuration that can never read is accepted.
#[test]
fn options_are_checked_when_the_file_is_read() {
    let refused = |options: &str| {
        let text = format!("source s {{ kafka({options}); }}; log {{ source(s); }};");
        let checked =
            parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).map_err(|error| error.to_string());
        let planned = checked.and_then(|config| {
            let driver = config.sources["s"].drivers()[0];
            super::super::plan(&config, "s", driver).map(drop).map_err(|error| error.to_string())
        });
        planned.err().unwrap_or_else(|| panic!("{options} is taken"))
    };
    for (options, part) in [
        ("", "needs bootstrap-servers()"),
        ("bootstrap-servers(a)", "needs topic()"),
        ("bootstrap-servers(a) topic(t)", "needs group-id()"),
        ("bootstrap-servers(a) topic(\"a b\") group-id(g)", "`a b` cannot be a topic"),
        ("bootstrap-servers(a) topic(\"^(\") group-id(g)", "this is no regular expression"),
        (
            "bootstrap-servers(a) topic(t) group-id(g) value-format(json)",
            "value-format(json) is not supported",
        ),
        ("bootstrap-servers(a) topic(t) group-id(g) value-format(xml)", "xml"),
        ("bootstrap-servers(a) topic(t) group-id(g) config(group.id(h))", "set by group-id()"),
        ("bootstrap-servers(a) topic(t) group-id(g) config(enable.auto.commit(yes))", "set by the engine"),
        ("bootstrap-servers(a) topic(t) group-ids(g)", "did you mean `group-id`"),
    ] {
        let text = refused(options);
        assert!(text.contains(part), "{options}: {text}");
    }
}
