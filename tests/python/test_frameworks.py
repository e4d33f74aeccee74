"""The framework examples, each with the real library over real sockets."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import PATIENCE, Engine, StartEngine, connected, example, free_port, read_lines, together

LINE_SERVERS = ["twisted", "asyncio"]


def held_back(name: str) -> str:
    """An example with a window of ten messages and a destination whose directory is missing, until someone
    makes it."""
    text = example(f"{name}_source", port=0)
    text, count = re.subn(r'file\("(\w+)\.log"', r'file("gone/\1.log"', text)
    assert count == 1
    text, count = re.subn(r'"`port`"\)', r'"`port`") log-iw-size(10)', text)
    assert count == 1
    return text.replace("@version: current\n", "@version: current\noptions { time-reopen(1); };\n")


def post(address: tuple[str, int], body: bytes) -> tuple[int, str | None, bytes]:
    """The status, Retry-After and body of the answer to a POST."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request("POST", "/", body)
        answer = connection.getresponse()
        return answer.status, answer.headers["Retry-After"], answer.read()
    finally:
        connection.close()


def test_flask_posts_a_message_a_line(engine: StartEngine) -> None:
    """Without it: messages posted by the web server's own threads could be refused or lost."""
    running = engine(example("flask_source", port=0))
    address = running.wait_listening()
    requests, each = 20, 50
    answers: list[tuple[int, str | None, bytes]] = []

    def client(number: int) -> None:
        answers.append(post(address, b"".join(b"%d %d\n" % (number, line) for line in range(each))))

    together(threading.Thread(target=client, args=(number,)) for number in range(requests))
    assert answers == [(200, None, b"50 taken\n")] * requests
    lines = running.wait_lines("flask.log", requests * each)
    assert sorted(lines) == sorted(
        b"%d %d" % (number, line) for number in range(requests) for line in range(each)
    )
    totals = running.stop()
    assert totals.posted == totals.delivered == requests * each


def test_flask_answers_503_while_the_destination_is_behind(engine: StartEngine) -> None:
    """Without it: clients are told that their messages are safe, or wait for ever, while nothing can be
    written."""
    running = engine(held_back("flask"))
    address = running.wait_listening()
    sent = 0
    while (answer := post(address, b"message %d\n" % sent))[0] == 200:
        sent += 1
        assert sent <= 10, "more than the window was taken"
    assert answer[:2] == (503, "1")

    running.make_gone()
    lines = running.wait_lines("gone/flask.log", sent)
    assert lines == [b"message %d" % number for number in range(sent)]
    running.wait_until(lambda: post(address, b"after\n")[0] == 200, "an answer of 200")
    running.wait_lines("gone/flask.log", sent + 1)
    totals = running.stop()
    assert totals.posted == totals.delivered == sent + 1


@pytest.mark.parametrize("name", LINE_SERVERS)
def test_line_server(engine: StartEngine, name: str) -> None:
    """Without it: the reactor or the loop could fail to start, serve or stop on a thread that is not the main
    one."""
    running = engine(example(f"{name}_source", port=0))
    address = running.wait_listening()
    clients, each = 10, 200

    def send(client: int) -> None:
        with connected(address) as connection:
            for number in range(each):
                connection.sendall(b"%d %d\n" % (client, number))

    together(threading.Thread(target=send, args=(client,)) for client in range(clients))
    got = [tuple(map(int, line.split())) for line in running.wait_lines(f"{name}.log", clients * each)]
    for client in range(clients):
        assert [number for who, number in got if who == client] == list(range(each))
    totals = running.stop()
    assert totals.posted == totals.delivered == clients * each


@pytest.mark.parametrize("name", LINE_SERVERS)
def test_line_server_waits_for_its_destination(engine: StartEngine, name: str) -> None:
    """Without it: more is read than can be written (memory grows), or what was read meanwhile is lost."""
    running = engine(held_back(name))
    count = 5000
    with connected(running.wait_listening()) as first, connected(running.wait_listening()) as second:
        numbered = b"".join(b"first %d\n" % number for number in range(count))
        sender = threading.Thread(target=first.sendall, args=(numbered,), daemon=True)
        sender.start()
        second.sendall(b"".join(b"second %d\n" % number for number in range(100)))
        running.wait_log("gone")  # the engine says what it cannot open
        running.make_gone()
        lines = running.wait_lines(f"gone/{name}.log", count + 100)
        sender.join(PATIENCE)
    assert [line for line in lines if line.startswith(b"first")] == [
        b"first %d" % number for number in range(count)
    ]
    assert [line for line in lines if line.startswith(b"second")] == [
        b"second %d" % number for number in range(100)
    ]
    totals = running.stop()
    assert totals.posted == totals.delivered == count + 100


@pytest.mark.parametrize("name", LINE_SERVERS)
def test_line_server_survives_bad_clients(engine: StartEngine, name: str) -> None:
    """Without it: a line without end, or a reset, ends the server for everybody."""
    running = engine(example(f"{name}_source", port=0))
    address = running.wait_listening()
    with connected(address) as endless, connected(address) as other:
        try:
            for _ in range(100):
                endless.sendall(b"x" * 65536)
            assert endless.recv(1) == b""
        except OSError:
            pass
        other.sendall(b"still here\n")
        assert running.wait_lines(f"{name}.log", 1) == [b"still here"]


@pytest.mark.parametrize("name", [*LINE_SERVERS, "flask"])
def test_stops_with_clients_connected(engine: StartEngine, name: str) -> None:
    """Without it: one idle connection could keep the engine from stopping."""
    running = engine(example(f"{name}_source", port=0))
    with connected(running.wait_listening()) as idle:
        idle.sendall(b"no end")
        running.stop()


class Events(http.server.ThreadingHTTPServer):
    """Pages of events after the one that was asked for; and an answer of 503, or none, when that is
    wanted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EventsHandler)
        self.events: list[dict[str, object]] = []
        self.busy = 0
        self.broken = 0
        self.asked: list[int] = []

    def add(self, count: int) -> None:
        """More events."""
        first = len(self.events) + 1
        self.events.extend(
            {"id": number, "text": f"event {number}"} for number in range(first, first + count)
        )


class EventsHandler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    server: Events

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """A page."""
        after = int(self.path.rpartition("=")[2])
        self.server.asked.append(after)
        if self.server.broken:
            self.server.broken -= 1
            self.close_connection = True
            return
        if self.server.busy:
            self.server.busy -= 1
            self.send_response(503)
            self.send_header("Retry-After", "0.05")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.events[after : after + 10]).encode())


@pytest.fixture
def events() -> Iterator[Events]:
    """A server on a free port."""
    with Events() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


class TestHttpFetcher:
    """A fetcher that polls a server."""

    def configure(self, events: Events) -> str:
        """The example, for this server and with short waits."""
        text = example("http_fetcher", url=f"http://127.0.0.1:{events.server_port}/events")
        text, count = re.subn(
            r"fetch-no-data-delay\(1\) time-reopen\(2\)", "fetch-no-data-delay(0.05) time-reopen(0.05)", text
        )
        assert count == 1
        return text

    def lines(self, first: int, last: int) -> list[bytes]:
        """The lines of these events."""
        return [b"%d events event %d" % (number, number) for number in range(first, last + 1)]

    def test_page_by_page_and_what_comes_later(self, engine: StartEngine, events: Events) -> None:
        """Without it: a page is skipped, fetched twice, or the fetcher stops at the first empty one."""
        events.add(95)
        running = engine(self.configure(events))
        assert running.wait_lines("http.log", 95) == self.lines(1, 95)
        running.wait_until(lambda: events.asked.count(95) >= 2, "asking again")
        events.add(10)
        assert running.wait_lines("http.log", 105) == self.lines(1, 105)
        totals = running.stop()
        assert totals.posted == totals.delivered == 105

    def test_a_server_that_is_busy_or_breaks_off(self, engine: StartEngine, events: Events) -> None:
        """Without it: one failed request ends the fetcher, or costs a page."""
        events.add(25)
        events.busy = 2
        running = engine(self.configure(events))
        running.wait_lines("http.log", 25)
        events.broken = 2
        events.add(25)
        assert running.wait_lines("http.log", 50) == self.lines(1, 50)
        running.wait_log(r"fetch\(\) returned ERROR: ")

    def test_resumes_where_it_was(self, engine: StartEngine, events: Events) -> None:
        """Without it: each restart fetches everything once more, or skips what came meanwhile."""
        events.add(25)
        state = ("--persist-file", "state")
        first = engine(self.configure(events), *state)
        first.wait_lines("http.log", 25)
        assert first.stop().delivered == 25
        events.add(10)
        events.asked.clear()
        second = engine(self.configure(events), *state)
        assert second.wait_lines("http.log", 35) == self.lines(1, 35)
        assert second.stop().posted == 10
        assert events.asked[0] == 25

    def test_what_was_not_delivered_is_fetched_again_after_a_kill(
        self, engine: StartEngine, events: Events
    ) -> None:
        """Without it: a crash while the destination is behind loses what was fetched and not written."""
        events.add(5)
        state = ("--persist-file", "state")
        text = self.configure(events)
        text, count = re.subn(r'file\("http.log"', 'file("there/http.log"', text)
        assert count == 1
        first = engine(text, *state)
        there = first.directory / "there"
        events.add(10)
        # Asked for what comes behind the last one: all were fetched, and none was written.
        first.wait_until(lambda: 15 in events.asked, "all fetched")
        first.process.kill()
        first.wait_exit()
        there.mkdir()
        events.asked.clear()
        second = engine(text, *state)
        assert second.wait_lines("there/http.log", 15) == self.lines(1, 15)
        assert events.asked[0] == 0
        second.stop()
        third = engine(text, *state)
        third.wait_until(lambda: 15 in events.asked[-1:], "asked behind the last")
        assert third.stop().posted == 0

    def test_no_server_yet(self, engine: StartEngine) -> None:
        """Without it: an engine that starts before the server needs somebody to start it again."""
        running = engine(example("http_fetcher", url=f"http://127.0.0.1:{free_port()}/events"))
        running.wait_log("returned ERROR: .*refused")
        running.stop()


class TestKafka:
    """A consumer group on a real broker."""

    def configure(self, broker: str, topic: str) -> str:
        """The example, for one topic of its own."""
        return example("kafka_source", bootstrap_servers=broker, topic=topic, group=f"group-{topic}")

    def create(self, broker: str, topic: str, partitions: int) -> None:
        """Creates the topic."""
        from kafka.admin import KafkaAdminClient, NewTopic

        admin = KafkaAdminClient(bootstrap_servers=broker)
        try:
            admin.create_topics([NewTopic(topic, partitions, 1)])
        finally:
            admin.close()

    def produce(self, broker: str, topic: str, messages: list[bytes | None]) -> None:
        """Sends messages and waits until the broker has them."""
        from kafka import KafkaProducer

        producer = KafkaProducer(bootstrap_servers=broker)
        try:
            for message in messages:
                producer.send(topic, message, key=b"k")
            producer.flush(PATIENCE)
        finally:
            producer.close()

    def wait_last(self, running: Engine, last: bytes) -> list[bytes]:
        """Waits until a message has arrived."""
        path = running.directory / "kafka.log"
        running.wait_until(lambda: last in read_lines(path), f"{last!r} in kafka.log")
        return read_lines(path)

    def test_group_reads_everything_once_over_a_restart(
        self, engine: StartEngine, kafka: str, tmp_path: Path
    ) -> None:
        """Without it: a restart could read the topic again from the start, or skip what came meanwhile."""
        self.create(kafka, "restart", 2)
        self.produce(kafka, "restart", [b"before %d" % number for number in range(500)])
        first = engine(self.configure(kafka, "restart"))
        assert len(first.wait_lines("kafka.log", 500)) == 500
        totals = first.stop()
        assert totals.posted == totals.delivered == 500

        self.produce(kafka, "restart", [b"between", None, b"last"])
        second = engine(self.configure(kafka, "restart"))
        lines = self.wait_last(second, b"last")
        assert lines == [b"before %d" % number for number in range(500)] + [b"between", b"last"]
        assert second.stop().posted == 2

    def test_no_broker_yet(self, engine: StartEngine, kafka: str) -> None:
        """Without it: an engine that starts before its broker needs somebody to start it again."""
        running = engine(self.configure("127.0.0.1:1", "nobody"))
        running.wait_log("NoBrokersAvailable")
        running.stop()
