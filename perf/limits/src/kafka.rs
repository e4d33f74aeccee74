//! Kafka by librdkafka alone: its producer's loop, which is the limit, and its mock cluster, which is the far end.
//!
//! The mock keeps the last five mebibytes of a partition, and counts all of its records.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use crate::Outcome;
use crate::report::{cpu_ns, now_ns, report};

const PATIENCE: Duration = Duration::from_secs(30);
/// Records between two looks at the reports of the client.
const LOOK: usize = 1000;

/// A cluster of one broker, until the harness ends it.
pub(crate) fn broker(topic: &str, fifo: &str) -> Outcome {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic(topic, 1, 1)?;
    let servers = cluster.bootstrap_servers();
    let port = servers.rsplit(':').next().unwrap_or_default();
    report(fifo, &format!(r#"{{"event": "ready", "port": {port}}}"#))?;
    loop {
        std::thread::park();
    }
}

/// The settings that `kafka()` has by itself, and those that the case adds for both.
fn producer(port: &str) -> Result<BaseProducer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", format!("127.0.0.1:{port}"))
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "0")
        .set("partitioner", "murmur2_random")
        .create()
}

/// Each line of the block as a record, again and again; done when all are acknowledged.
pub(crate) fn produce(block: &str, count: &str, port: &str, topic: &str, fifo: &str) -> Outcome {
    let text = std::fs::read_to_string(block)?;
    let lines: Vec<&str> = text.lines().collect();
    let count: usize = count.parse()?;
    let producer = producer(port)?;
    // Connected, as the engine is before its clock starts.
    producer.client().fetch_metadata(Some(topic), PATIENCE)?;
    let (begin, cpu) = (now_ns(), cpu_ns());
    for (number, line) in lines.iter().cycle().take(count).enumerate() {
        let mut record = BaseRecord::<(), str>::to(topic).payload(*line);
        while let Err((problem, back)) = producer.send(record) {
            if problem.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(problem.into());
            }
            producer.poll(Duration::from_millis(1));
            record = back;
        }
        if number.is_multiple_of(LOOK) {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(PATIENCE)?;
    let end = now_ns();
    report(fifo, &format!(r#"{{"event": "sent", "begin": {begin}, "end": {end}, "cpu": {cpu}}}"#))?;
    Ok(())
}

/// Writes the records that the broker still has; tells the offsets of the first one and of the one behind the last.
pub(crate) fn consume(port: &str, topic: &str, file: &str, fifo: &str) -> Outcome {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", format!("127.0.0.1:{port}"))
        .set("group.id", "perf")
        .set("enable.auto.commit", "false")
        .create()?;
    let (low, high) = consumer.fetch_watermarks(topic, 0, PATIENCE)?;
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, 0, Offset::Offset(low))?;
    consumer.assign(&place)?;
    let mut out = BufWriter::new(File::create(file)?);
    let mut next = low;
    while next < high {
        let message = consumer.poll(PATIENCE).ok_or("no more records come")??;
        if message.offset() != next {
            return Err(format!("record {} stands where {next} is expected", message.offset()).into());
        }
        out.write_all(message.payload().unwrap_or_default())?;
        out.write_all(b"\n")?;
        next += 1;
    }
    out.flush()?;
    report(fifo, &format!(r#"{{"event": "consumed", "low": {low}, "high": {high}}}"#))?;
    Ok(())
}
