//! `kafka()` with librdkafka's own cluster of brokers in this process, which fails as it is told.

use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::destination::{Counters, Destination, Rejects, Report, Site, plan};
use crate::flow::{Ack, Credit, Delivery, SourceCounters};
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Origin, Pool, Selection, ValueType, Writer};

/// No test passes or fails by the clock: this is only how long to wait before giving up on what never comes.
const PATIENCE: Duration = Duration::from_secs(60);
const WINDOW: u32 = 100_000;

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// The reports of a test's destination.
type Reports = Arc<Mutex<Vec<Report>>>;

/// A destination with a cluster, and everything around it that a test looks at.
struct Rig {
    cluster: Rc<Cluster>,
    destination: Box<dyn Destination>,
    counters: Arc<Counters>,
    source: Arc<SourceCounters>,
    credit: Arc<Credit>,
    reports: Reports,
    given: u64,
}

fn cluster() -> Rc<Cluster> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    Rc::new(cluster)
}

/// A destination of `options` beside its servers, with its counters and reports.
fn destination(servers: &str, options: &str) -> (Box<dyn Destination>, Arc<Counters>, Reports) {
    let text = format!(
        "destination d {{ kafka(bootstrap-servers(\"{servers}\") {options}); }};
         log {{ source {{ internal(); }}; destination(d); }};"
    );
    let config = crate::parse("test.conf", &text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let planned = plan(&config, config.destinations["d"].drivers()[0]).unwrap();
    let (counters, reports) = (Arc::<Counters>::default(), Reports::default());
    let log = Arc::clone(&reports);
    let report = Arc::new(move |report| log.lock().unwrap().push(report));
    let (rejects, wake) = (Rejects::default(), Arc::new(|| ()));
    let made = (planned.make)(Site { counters: Arc::clone(&counters), report, rejects, wake });
    (made, counters, reports)
}

impl Rig {
    fn new(options: &str) -> Self {
        Self::of(cluster(), options)
    }

    fn of(cluster: Rc<Cluster>, options: &str) -> Self {
        let (destination, counters, reports) = destination(&cluster.bootstrap_servers(), options);
        let credit = Arc::new(Credit::new(WINDOW, 1 << 40));
        Self { cluster, destination, counters, source: Arc::default(), credit, reports, given: 0 }
    }

    /// Pushes a batch of texts, each with the value `x`, on a path with this flow control.
    fn push_on(&mut self, texts: &[&[u8]], x: &str, flow_control: bool) {
        let (origin, pool) = (Arc::new(Origin::named("s_test")), Arc::new(Pool::new()));
        let need = |bytes| Need { bytes: bytes + 1 + x.len(), fields: 1, ..Need::default() };
        let all: usize = texts.iter().map(|text| text.len() + 256).sum();
        let mut writer = Writer::open(&origin, &pool, need(all));
        for text in texts {
            let mut row = writer.row(need(text.len())).unwrap();
            row.payload_copy(text);
            row.field(FieldName::Text, Text::Copy(b"x"), ValueType::String, Text::Copy(x.as_bytes()));
            row.publish();
        }
        let batch = Arc::new(writer.finish());
        let count = batch.rows();
        assert_eq!(count as usize, texts.len());
        assert_eq!(self.credit.try_take(count, batch.charge()), count);
        let ack = Ack::new(&self.credit, &self.source, count, batch.charge());
        self.counters.queued.fetch_add(u64::from(count), Relaxed);
        self.given += u64::from(count);
        self.destination.push(Delivery { view: Selection::all(batch), ack, flow_control });
    }

    fn push(&mut self, texts: &[&str]) {
        let texts: Vec<_> = texts.iter().map(|text| text.as_bytes()).collect();
        self.push_on(&texts, "", true);
    }

    /// Pushes texts that are the numbers of `range`.
    fn push_numbers(&mut self, range: std::ops::Range<u64>) {
        let texts: Vec<_> = range.map(|number| number.to_string()).collect();
        self.push(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Flushes until `condition` is true.
    fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.destination.flush(Instant::now());
            if condition(self) {
                return;
            }
            assert!(Instant::now() < deadline, "never: {what}: {:?}", self.reports.lock().unwrap());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn until_idle(&mut self) {
        self.until("all is reported", |rig| rig.destination.is_idle());
    }

    /// Messages that hold credit.
    fn held(&self) -> u64 {
        u64::from(WINDOW) - self.credit.free_messages() as u64
    }

    fn told(&self, part: &str) -> bool {
        self.reports.lock().unwrap().iter().any(|report| report.text.contains(part))
    }

    fn of_counter(counter: &AtomicU64) -> u64 {
        counter.load(Relaxed)
    }

    /// Checks that the sum adds up, with as many dropped.
    fn check_sum(&self, dropped: u64) {
        let counters = &self.counters;
        let [queued, delivered, lost] =
            [&counters.queued, &counters.delivered, &counters.dropped].map(Self::of_counter);
        assert_eq!((queued, delivered + lost), (0, self.given));
        assert_eq!(lost, dropped);
        assert_eq!(self.held(), 0, "a batch was not let go of");
        let totals = self.source.totals();
        assert_eq!((totals.delivered, totals.dropped_total()), (delivered, dropped));
    }

    /// Stops it; everything must have been written.
    fn finish(mut self) {
        assert_eq!(self.destination.stop(Instant::now() + PATIENCE), 0);
        self.check_sum(0);
    }
}

/// The records of a partition, as their keys and values.
fn records(servers: &str, topic: &str, partition: i32, count: usize) -> Vec<(Option<String>, String)> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", servers).set("group.id", "test").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let deadline = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    while found.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} records of {topic}", found.len());
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(50)) {
            found.push((record.key().map(text), record.payload().map(text).unwrap_or_default()));
        }
    }
    // Nothing comes behind them.
    assert!(consumer.poll(Duration::from_millis(100)).is_none());
    found
}

fn values(servers: &str, topic: &str, count: usize) -> Vec<String> {
    records(servers, topic, 0, count).into_iter().map(|(_, value)| value).collect()
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Breaks without it: messages come in another order, or are formatted in another way than the options say.
#[test]
fn messages_become_records() {
    let mut rig = Rig::new("topic(\"t\") key(\"$x\") message(\"<$MSG>\")");
    rig.push_on(&[b"one", b"", b"three"], "k", true);
    rig.push_on(&[b"four"], "", true);
    rig.until_idle();
    let key = || Some("k".to_owned());
    let expected = [(key(), "<one>"), (key(), "<>"), (key(), "<three>"), (None, "<four>")];
    let servers = rig.cluster.bootstrap_servers();
    let found = records(&servers, "t", 0, 4);
    assert_eq!(found, expected.map(|(key, value)| (key, value.to_owned())));
    rig.finish();
}

/// Breaks without it: a value that is sent from where it is has changed by the time that it is sent.
#[test]
fn plain_values_are_sent_from_the_batch() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\")");
    let long = "x".repeat(100_000);
    rig.push(&["one", &long, "three"]);
    rig.push_numbers(0..5000);
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    let found = values(&servers, "t", 5003);
    assert_eq!((found[0].as_str(), found[1] == long, found[2].as_str()), ("one", true, "three"));
    assert_eq!(found[3..], numbers(0..5000));
    rig.finish();
}

/// Breaks without it: a message chooses a topic that cannot be, and is lost; or headers are left out.
#[test]
fn messages_choose_topics_and_have_headers() {
    let cluster = cluster();
    for name in ["a", "b", "rest"] {
        cluster.create_topic(name, 1, 1).unwrap();
    }
    let servers = cluster.bootstrap_servers();
    let mut rig = Rig::of(
        Rc::clone(&cluster),
        "topic(\"$x\") fallback-topic(\"rest\") message(\"$MSG\") headers(\"from\" => \"$x!\" \"empty\" => \"\")",
    );
    for (x, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("no topic", "4"), ("", "5"), ("b", "6")] {
        rig.push_on(&[text.as_bytes()], x, true);
    }
    rig.until_idle();
    assert_eq!(values(&servers, "a", 2), ["1", "3"]);
    assert_eq!(values(&servers, "b", 2), ["2", "6"]);
    assert_eq!(values(&servers, "rest", 2), ["4", "5"]);
    rig.finish();
    // The same without headers goes by groups of one topic.
    let mut rig = Rig::of(cluster, "topic(\"$x\") fallback-topic(\"rest\") message(\"$MSG\")");
    for (x, text) in [("a", "7"), ("..", "8"), ("a", "9")] {
        rig.push_on(&[text.as_bytes(), text.as_bytes()], x, true);
    }
    rig.until_idle();
    assert_eq!(values(&servers, "a", 6)[2..], ["7", "7", "9", "9"]);
    assert_eq!(values(&servers, "rest", 4)[2..], ["8", "8"]);
    rig.finish();
}

/// Breaks without it: a message counts as delivered that no broker has.
#[test]
fn credit_comes_back_with_the_report() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\")");
    rig.cluster.broker_down(-1).unwrap();
    rig.push(&["one", "two"]);
    rig.until("the brokers are missed", |rig| rig.told("its messages wait"));
    assert_eq!((rig.held(), rig.destination.is_suspended(), rig.destination.is_idle()), (2, true, false));
    assert_eq!(Rig::of_counter(&rig.counters.delivered), 0);
    rig.cluster.broker_up(-1).unwrap();
    rig.until_idle();
    assert!(rig.told("delivering to topic `t`") && !rig.destination.is_suspended());
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", 2), ["one", "two"]);
    rig.finish();
}

/// Breaks without it: a full queue of librdkafka's loses messages, or turns their order.
#[test]
fn a_full_queue_waits_for_reports() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\") config(\"queue.buffering.max.messages\" => 10)");
    rig.push_numbers(0..1000);
    rig.push_numbers(1000..1500);
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", 1500), numbers(0..1500));
    rig.finish();
}

/// Breaks without it: what the broker could not take now is lost, doubled or turned.
#[test]
fn what_fails_for_now_is_sent_again_in_order() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\") config(\"retry.backoff.ms\" => 10)");
    rig.push_numbers(0..10);
    rig.until_idle();
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    ];
    rig.cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    for batch in 0..10 {
        rig.push_numbers(10 + 10 * batch..20 + 10 * batch);
        rig.destination.flush(Instant::now());
    }
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", 110), numbers(0..110));
    rig.finish();
}

/// Breaks without it: a message that the broker never takes holds up all behind it, or is not counted.
#[test]
fn refused_messages_are_dropped_and_counted() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\") config(\"message.max.bytes\" => 2000)");
    let large = "x".repeat(3000);
    rig.push(&["one", &large, "three", &large]);
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", 2), ["one", "three"]);
    assert!(rig.told("are refused for good"));
    // The broker says so, too.
    rig.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD]);
    rig.push(&["four"]);
    rig.until_idle();
    rig.push(&["five"]);
    rig.until_idle();
    assert_eq!(values(&servers, "t", 3), ["one", "three", "five"]);
    assert_eq!(rig.destination.stop(Instant::now() + PATIENCE), 0);
    rig.check_sum(3);
}

/// Breaks without it: a client that cannot go on is the end of the destination, or of what it had.
#[test]
fn a_client_that_cannot_go_on_is_replaced() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\") time-reopen(0.05)");
    rig.push_numbers(0..3);
    rig.until_idle();
    rig.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    rig.push_numbers(3..6);
    rig.push_numbers(6..9);
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", 9), numbers(0..9));
    assert!(rig.told("cannot deliver to topic `t`") && rig.told("again after"), "{:?}", rig.reports);
    assert!(Rig::of_counter(&rig.counters.retries) >= 1 && Rig::of_counter(&rig.counters.errors) >= 1);
    rig.finish();
}

/// Breaks without it: a message that timed out in librdkafka's queue is lost, as it is for others.
#[test]
fn what_times_out_is_sent_again() {
    let mut rig =
        Rig::new("topic(\"t\") message(\"$MSG\") time-reopen(0.05) config(\"message.timeout.ms\" => 300)");
    rig.cluster.broker_down(-1).unwrap();
    rig.push_numbers(0..5);
    rig.until("it times out", |rig| Rig::of_counter(&rig.counters.errors) >= 1);
    assert_eq!(rig.held(), 5);
    rig.push_numbers(5..10);
    rig.cluster.broker_up(-1).unwrap();
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", 10), numbers(0..10));
    rig.finish();
}

/// Breaks without it: a stop waits for ever for brokers that are away, or says nothing of what is lost.
#[test]
fn a_stop_ends_and_says_the_number() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\")");
    rig.cluster.broker_down(-1).unwrap();
    rig.push_numbers(0..7);
    rig.destination.flush(Instant::now());
    let lost = rig.destination.stop(Instant::now() + Duration::from_millis(300));
    assert_eq!(lost, 7);
    assert!(rig.told("7 messages for topic `t`"));
    rig.check_sum(7);
}

/// Breaks without it: a reload loses what the client had, or what it had not.
#[test]
fn a_reload_hands_over_what_is_not_reported() {
    let options = "topic(\"t\") message(\"$MSG\") flush-timeout-on-reload(50) \
                   config(\"queue.buffering.max.messages\" => 4)";
    let mut rig = Rig::new(options);
    rig.push_numbers(0..3);
    rig.until_idle();
    rig.cluster.broker_down(-1).unwrap();
    rig.push_numbers(3..10);
    rig.destination.flush(Instant::now());
    let left = rig.destination.hand_over();
    assert_eq!((left.messages(), rig.held()), (7, 7));
    let servers = rig.cluster.bootstrap_servers();
    let (heir, counters, _) = destination(&servers, "topic(\"t\") message(\"[$MSG]\")");
    let delivered = Rig::of_counter(&rig.counters.delivered);
    assert_eq!(delivered, 3);
    // As the engine does it: both count in one place.
    drop(counters);
    rig.destination = heir;
    rig.destination.take_over(left);
    rig.cluster.broker_up(-1).unwrap();
    rig.until_idle();
    let found = values(&servers, "t", 10);
    assert_eq!(found[..3], numbers(0..3));
    assert_eq!(found[3..], numbers(3..10).iter().map(|text| format!("[{text}]")).collect::<Vec<_>>());
    assert_eq!(rig.held(), 0);
}

/// Breaks without it: without flow control a broker that is away holds its sources up, or takes all memory.
#[test]
fn without_flow_control_the_newest_are_dropped() {
    let mut rig = Rig::new("topic(\"t\") message(\"$MSG\") log-fifo-size(5)");
    rig.cluster.broker_down(-1).unwrap();
    rig.push_on(&[b"0", b"1", b"2"], "", false);
    rig.until("the brokers are missed", |rig| rig.destination.is_suspended());
    rig.push_on(&[b"3", b"4", b"5", b"6"], "", false);
    let (source, lost) = rig.destination.let_go_of_credit(false).unwrap();
    assert_eq!((&*source, lost, rig.held()), ("s_test", 2, 0));
    assert_eq!(rig.destination.waiting().0, 5);
    rig.cluster.broker_up(-1).unwrap();
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", 5), numbers(0..5));
    assert_eq!(rig.destination.stop(Instant::now() + PATIENCE), 0);
    rig.check_sum(2);
}

/// Breaks without it: a configuration that can never deliver is accepted.
#[test]
fn options_are_checked_when_the_file_is_read() {
    let refused = |options: &str| {
        let text = format!("log {{ source {{ internal(); }}; destination {{ kafka({options}); }}; }};");
        let error = crate::parse("test.conf", &text).map_err(|error| error.to_string()).and_then(|config| {
            let paths = config.all_paths();
            let driver = paths.iter().flat_map(|path| &path.items).find_map(|item| match item {
                crate::config::LogItem::Destination(crate::config::DestinationRef::Inline(own)) => {
                    own.drivers().first().map(|driver| plan(&config, driver))
                }
                _ => None,
            });
            driver.unwrap().map(drop).map_err(|error| error.to_string())
        });
        error.err().unwrap_or_else(|| panic!("{options} is taken"))
    };
    let servers = "bootstrap-servers(\"a:9092\")";
    for (options, part) in [
        (String::new(), "needs bootstrap-servers()"),
        ("topic(\"t\")".to_owned(), "needs bootstrap-servers()"),
        (servers.to_owned(), "needs topic()"),
        (format!("{servers} topic(\"$X\")"), "needs fallback-topic()"),
        (format!("{servers} topic(\"$X\") fallback-topic(\"a b\")"), "`a b` cannot be a topic"),
        (format!("{servers} topic(\"a/b\")"), "`a/b` cannot be a topic"),
        (format!("{servers} topic(\"..\")"), "may not be `.` or `..`"),
        (format!("{servers} topic(t) config(\"no.such\" => 1)"), "unknown property `no.such`"),
        (format!("{servers} topic(t) config(linger.ms(often))"), "Invalid value"),
        (format!("{servers} topic(t) config(\"bootstrap.servers\" => \"b\")"), "set by bootstrap-servers()"),
        (format!("{servers} topic(t) sync-send(yes)"), "sync-send(yes) is not supported"),
        (format!("{servers} topic(t) workers(2)"), "kafka() has one worker"),
        (format!("{servers} topic(t) mesage(\"x\")"), "did you mean `message`"),
    ] {
        let text = refused(&options);
        assert!(text.contains(part), "{options}: {text}");
    }
}

/// Breaks without it: brokers that come and go, and errors at any moment, lose a message or turn two of them.
#[test]
fn brokers_that_come_and_go_lose_nothing() {
    const ROUNDS: u64 = 30;
    let mut rig =
        Rig::new("topic(\"t\") message(\"$MSG\") time-reopen(0.05) config(\"retry.backoff.ms\" => 10)");
    let (mut next, mut chance) = (0, 0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..ROUNDS {
        // xorshift
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        match chance % 5 {
            0 => rig.cluster.broker_down(-1).unwrap(),
            1 => rig
                .cluster
                .request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT]),
            2 => rig.cluster.request_errors(
                RDKafkaApiKey::Produce,
                &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION],
            ),
            _ => rig.cluster.broker_up(-1).unwrap(),
        }
        let count = 1 + chance / 8 % 200;
        rig.push_numbers(next..next + count);
        next += count;
        rig.destination.flush(Instant::now());
        thread::sleep(Duration::from_millis(chance / 2048 % 20));
    }
    rig.cluster.broker_up(-1).unwrap();
    rig.until_idle();
    let servers = rig.cluster.bootstrap_servers();
    assert_eq!(values(&servers, "t", next as usize), numbers(0..next));
    rig.finish();
}

/// Compares with the loop of librdkafka's own producer, with the same settings and against a cluster in the same
/// process: `cargo test --release --lib destination::kafka::tests::rate -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, reason = "its figures")]
fn rate_beside_the_loop_of_librdkafka() {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    let count = 500_000_usize;
    for size in [100, 1000] {
        let text = "x".repeat(size);
        let mut rig = Rig::new("topic(\"t\") message(\"$MSG\")");
        let batch: Vec<&[u8]> = vec![text.as_bytes(); 1000];
        rig.push_on(&batch, "", true);
        rig.until_idle();
        let begun = Instant::now();
        for _ in 0..count / batch.len() {
            while rig.held() > u64::from(WINDOW) - 2000 {
                rig.destination.flush(Instant::now());
            }
            rig.push_on(&batch, "", true);
            rig.destination.flush(Instant::now());
        }
        while !rig.destination.is_idle() {
            rig.destination.flush(Instant::now());
            thread::yield_now();
        }
        let own = begun.elapsed().as_secs_f64();
        rig.finish();
        let cluster = cluster();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("partitioner", "murmur2_random")
            .create()
            .unwrap();
        let begun = Instant::now();
        for _ in 0..count {
            let mut record = BaseRecord::<(), _>::to("t").payload(&text);
            while let Err((_, back)) = producer.send(record) {
                record = back;
                producer.poll(Duration::from_millis(1));
            }
        }
        producer.flush(PATIENCE).unwrap();
        let theirs = begun.elapsed().as_secs_f64();
        let rate = |seconds: f64| count as f64 / seconds;
        println!("{size} bytes: {:.0}/s, librdkafka's loop {:.0}/s", rate(own), rate(theirs));
    }
}
