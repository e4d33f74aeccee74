"""The same server on each framework twice: with Inrush behind it, and counting and discarding.

`spec["post"]` chooses. Everything else is the same code, so the difference is what Inrush adds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from perf.sources.base import Measured
from syslogng import LogMessage


class Counting(Measured):
    """Knows when all messages have come."""

    def init(self, options: dict[str, Any]) -> bool:
        """The counters."""
        super().init(options)
        self.messages = 0
        self.complete = threading.Event()
        return True


class Flask(Counting):
    """One message a line in the body of a POST, as in examples/flask_source.conf."""

    def wait(self) -> None:
        """Until the last message has come."""
        self.complete.wait()

    def prepare(self) -> Callable[[], None]:
        """The server, on a thread of its own."""
        import logging

        from flask import Flask as Application
        from flask import request
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app, count, lock = Application("perf"), self.spec["count"], threading.Lock()

        def add(lines: int) -> None:
            with lock:
                self.messages += lines
                if self.messages >= count:
                    self.complete.set()

        def posting() -> str:
            lines = request.get_data().splitlines()
            taken = self.post_messages(lines)
            add(taken)
            return f"{taken} taken\n"

        def discarding() -> str:
            lines = request.get_data().splitlines()
            taken = len(lines)
            add(taken)
            return f"{taken} taken\n"

        receive = posting if self.spec["post"] else discarding
        app.add_url_rule("/", view_func=receive, methods=["POST"])
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.tell("ready", port=server.port)
        return self.wait


class Twisted(Counting):
    """A line receiver, as in examples/twisted_source.conf."""

    def prepare(self) -> Callable[[], None]:
        """The reactor."""
        from twisted.internet.epollreactor import EPollReactor
        from twisted.internet.protocol import Factory
        from twisted.protocols.basic import LineReceiver

        source, count = self, self.spec["count"]
        reactor = EPollReactor()  # type: ignore[no-untyped-call]

        class Posting(LineReceiver):
            delimiter = b"\n"

            def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
                source.messages += 1
                source.post_message(LogMessage(line))

            def connectionLost(self, reason: object = None) -> None:  # noqa: N802
                reactor.stop()

        class Discarding(Posting):
            def lineReceived(self, line: bytes) -> None:  # noqa: N802
                source.messages += 1

        protocol = Posting if self.spec["post"] else Discarding
        port = reactor.listenTCP(0, Factory.forProtocol(protocol), interface="127.0.0.1")  # type: ignore[no-untyped-call]
        self.tell("ready", port=port.getHost().port)

        def work() -> None:
            reactor.run(installSignalHandlers=False)
            if self.messages != count:
                raise RuntimeError(f"{self.messages} lines of {count} received")

        return work


class Kafka(Counting):
    """A consumer that reads a topic from its beginning."""

    def prepare(self) -> Callable[[], None]:
        """The consumer, connected and assigned."""
        from kafka import KafkaConsumer, TopicPartition

        count, partition = self.spec["count"], TopicPartition(self.spec["topic"], 0)
        consumer = KafkaConsumer(bootstrap_servers=self.spec["broker"], enable_auto_commit=False)
        consumer.assign([partition])
        consumer.seek(partition, 0)

        def posting() -> None:
            while self.messages < count:
                for records in consumer.poll(timeout_ms=500).values():
                    for record in records:
                        self.messages += 1
                        self.post_message(LogMessage(record.value))

        def discarding() -> None:
            while self.messages < count:
                for records in consumer.poll(timeout_ms=500).values():
                    for _ in records:
                        self.messages += 1

        return posting if self.spec["post"] else discarding
