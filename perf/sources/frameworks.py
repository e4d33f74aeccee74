"""The same server on each framework twice: with Inrush behind it, and counting and discarding.

`spec["post"]` chooses. Everything else is the same code, so the difference is what Inrush adds. A server goes
on when a count of messages is complete, so that the next slice can come.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from perf.sources.base import Measured
from syslogng import LogMessage


class Server(Measured):
    """Knows when all messages of a slice have come."""

    def init(self, options: dict[str, Any]) -> bool:
        """The counters."""
        super().init(options)
        self.messages = self.began = 0
        self.lock = threading.Lock()
        return True

    def run(self) -> None:
        """Serves."""
        self.prepare()()

    def arrive(self) -> None:
        """The first message of a slice starts its clock."""
        with self.lock:
            self.began = self.began or time.monotonic_ns()

    def add(self, messages: int) -> None:
        """So many messages are done."""
        with self.lock:
            self.messages += messages
            if self.messages >= self.spec["count"]:
                self.complete()

    def complete(self) -> None:
        """Tells of a slice, and is ready for the next."""
        begin, messages, end = self.began, self.messages, time.monotonic_ns()
        self.began = self.messages = 0
        self.tell("done", begin=begin, end=end, messages=messages)


class Flask(Server):
    """One message a line in the body of a POST, as in examples/flask_source.conf."""

    def prepare(self) -> Callable[[], Any]:
        """The server, on a thread of its own, which starts a thread for each request."""
        import logging

        from flask import Flask as Application
        from flask import request
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = Application("perf")

        def posting() -> str:
            self.arrive()
            lines = request.get_data().splitlines()
            taken = self.post_messages(lines)
            self.add(taken)
            return f"{taken} taken\n"

        def discarding() -> str:
            self.arrive()
            lines = request.get_data().splitlines()
            taken = len(lines)
            self.add(taken)
            return f"{taken} taken\n"

        receive = posting if self.spec["post"] else discarding
        app.add_url_rule("/", view_func=receive, methods=["POST"])
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.tell("ready", port=server.port)
        return self.exiting.wait


class Twisted(Server):
    """A line receiver, as in examples/twisted_source.conf."""

    def prepare(self) -> Callable[[], None]:
        """The reactor."""
        from twisted.internet.epollreactor import EPollReactor
        from twisted.internet.protocol import Factory
        from twisted.protocols.basic import LineReceiver

        source = self
        reactor = EPollReactor()  # type: ignore[no-untyped-call]

        class Posting(LineReceiver):
            delimiter = b"\n"

            def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
                source.arrive()

            def lineReceived(self, line: bytes) -> None:  # noqa: N802
                source.messages += 1
                source.post_message(LogMessage(line))

            def connectionLost(self, reason: object = None) -> None:  # noqa: N802
                source.complete()

        class Discarding(Posting):
            def lineReceived(self, line: bytes) -> None:  # noqa: N802
                source.messages += 1

        protocol = Posting if self.spec["post"] else Discarding
        port = reactor.listenTCP(0, Factory.forProtocol(protocol), interface="127.0.0.1")  # type: ignore[no-untyped-call]
        self.reactor = reactor
        self.tell("ready", port=port.getHost().port)
        return lambda: reactor.run(installSignalHandlers=False)

    def request_exit(self) -> None:
        """Lets the reactor come back."""
        super().request_exit()
        self.reactor.callFromThread(self.reactor.stop)


class Kafka(Measured):
    """A consumer that reads a topic from its beginning, a count of records at each order."""

    def prepare(self) -> Callable[[], dict[str, int]]:
        """The consumer, connected and assigned."""
        from kafka import KafkaConsumer, TopicPartition

        count, partition = self.spec["count"], TopicPartition(self.spec["topic"], 0)
        consumer = KafkaConsumer(bootstrap_servers=self.spec["broker"], enable_auto_commit=False)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        most = consumer.config["max_poll_records"]

        def posting() -> dict[str, int]:
            messages = 0
            while messages < count:
                for records in consumer.poll(500, max_records=min(most, count - messages)).values():
                    for record in records:
                        messages += 1
                        self.post_message(LogMessage(record.value))
            return {"messages": messages}

        def discarding() -> dict[str, int]:
            messages = 0
            while messages < count:
                for records in consumer.poll(500, max_records=min(most, count - messages)).values():
                    for _ in records:
                        messages += 1
            return {"messages": messages}

        return posting if self.spec["post"] else discarding
