"""`inrush run --metrics`: what Prometheus reads, and clients that are none."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from harness import EXIT, GONE, Engine, StartEngine, connected, gone, source, source_that
from harness import inrush as command

POST_100 = "for number in range(100):\n    self.post_message(LogMessage(str(number)))"


def start(engine: StartEngine, conf: str, *arguments: str) -> tuple[Engine, tuple[str, int]]:
    """An engine with metrics, and where they are."""
    running = engine(conf, "--metrics", "0", "--control", "control", *arguments)
    found = running.wait_log(r"metrics at http://(127\.0\.0\.1):(\d+)/metrics")
    return running, (found[1], int(found[2]))


def get(address: tuple[str, int], path: str = "/metrics") -> tuple[int, str, str]:
    """Status, type and text of an answer."""
    connection = http.client.HTTPConnection(*address, timeout=40)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def scrape(address: tuple[str, int]) -> dict[tuple[str, str], float]:
    """All values, by name and labels, as Prometheus's own parsers read them."""
    status, kind, text = get(address)
    assert status == 200
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    values = {}
    for read in (parser, openmetrics):
        families = list(read.text_string_to_metric_families(text))
        values = {
            (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
            for family in families
            for sample in family.samples
        }
        assert values
    return values


def of(values: dict[tuple[str, str], float], name: str, **labels: str) -> float:
    """One value."""
    return values[f"inrush_{name}", json.dumps(labels, sort_keys=True)]


class TestScrape:
    """The text of a scrape."""

    def test_numbers_add_up(self, engine: StartEngine) -> None:
        """Without it: a dashboard shows what is not so, or Prometheus cannot read the text."""
        running, address = start(engine, source_that(POST_100))
        running.wait_lines("out.log", 100)
        running.wait_print("done")
        values = scrape(address)
        source_of = {"source": "s_test#0"}
        assert of(values, "source_posted_total", **source_of) == 100
        assert of(values, "source_posted_bytes_total", **source_of) > 0
        dropped = sum(value for (name, _), value in values.items() if name == "inrush_source_dropped_total")
        delivered = of(values, "source_delivered_total", **source_of)
        assert delivered + dropped + of(values, "source_in_flight", **source_of) == 100
        assert of(values, "source_state", **source_of, state="running") == 1
        states = [value for (name, _), value in values.items() if name == "inrush_source_state"]
        assert sum(states) == 1
        to = next(labels for name, labels in values if name == "inrush_destination_written_total")
        assert values["inrush_destination_written_total", to] == 100
        assert values["inrush_destination_written_bytes_total", to] == 290
        assert of(values, "uptime_seconds") > 0
        running.stop()

    def test_a_source_that_is_blocked(self, engine: StartEngine) -> None:
        """Without it: nobody sees how long a source has been waiting, and for what."""
        body = f"""
exiting = threading.Event()

def run(self):
    for number in range(100):
        self.post_message(LogMessage(str(number)))

{EXIT.strip()}
"""
        conf = gone(source(body, driver="log-iw-size(10)", head=GONE))
        running, address = start(engine, conf)
        source_of = {"source": "s_test#0"}
        running.wait_until(
            lambda: of(scrape(address), "source_blocked_seconds_total", **source_of) > 0.3, "blocked"
        )
        values = scrape(address)
        assert of(values, "source_state", **source_of, state="waiting for credit") == 1
        assert of(values, "source_credit", **source_of) <= 0
        assert of(values, "source_in_flight", **source_of) >= 10
        assert of(values, "source_suspensions_total", **source_of) >= 1
        running.wait_until(
            lambda: of(scrape(address), "source_oldest_unacknowledged_seconds", **source_of) > 0.3, "old"
        )
        found: Any = json.loads(
            command("ctl", "--control", "control", "stats", "--json", cwd=running.directory).stdout
        )["sources"][0]
        assert found["blocked_seconds"] > 0.3
        assert found["oldest_unacknowledged_seconds"] > 0.3
        running.make_gone()
        running.wait_lines("gone/out.log", 100)
        running.wait_until(
            lambda: of(scrape(address), "source_oldest_unacknowledged_seconds", **source_of) == 0, "young"
        )
        blocked = of(scrape(address), "source_blocked_seconds_total", **source_of)
        assert of(scrape(address), "source_blocked_seconds_total", **source_of) == blocked
        running.stop()

    def test_the_time_of_posts(self, engine: StartEngine) -> None:
        """Without it: nobody sees what the posts of a source cost its Python threads."""
        run = "for number in range(20_000):\n    self.post_message(LogMessage(str(number)))"
        running, address = start(engine, source_that(run))
        running.wait_print("done")
        took = of(scrape(address), "source_post_gil_seconds_total", source="s_test#0")
        assert 0 < took < 60
        running.stop()


class TestClients:
    """Clients that are in the way."""

    def test_bad_clients(self, engine: StartEngine) -> None:
        """Without it: a port scan, or a client that hangs, ends the metrics or the engine."""
        running, address = start(engine, source_that(POST_100))
        silent = [socket.create_connection(address) for _ in range(30)]
        try:
            for index, client in enumerate(silent):
                client.sendall([b"GET /met", b"\x16\x03\x01\x02\x00", b"\n" * 3, b"\xff" * 5000][index % 4])
            with connected(address) as client:
                client.sendall(b"GET /metrics HTTP/1.1\r\n" + b"x" * 10_000)
                assert client.recv(100).startswith(b"HTTP/1.1 431")
            for _ in range(3):
                scrape(address)
        finally:
            for client in silent:
                client.close()
        assert get(address, "/other")[0] == 404
        running.stop()

    def test_it_answers_while_a_source_holds_the_gil_and_the_stop_hangs(self, engine: StartEngine) -> None:
        """Without it: metrics are missing exactly when something is wrong."""
        body = """
def run(self):
    import ctypes
    print("asleep", flush=True)
    # Called with the GIL held.
    ctypes.PyDLL(None).usleep(3_000_000)

def request_exit(self):
    pass
"""
        running, address = start(engine, source(body))
        running.wait_print("asleep")
        scrape(address)
        running.stop()

    @pytest.mark.parametrize("where", ["host:1", ":1", "99999", ""])
    def test_wrong_addresses(self, engine: StartEngine, where: str) -> None:
        """Without it: the engine listens somewhere else than was meant."""
        running = engine(source_that("pass"), f"--metrics={where}", started=False)
        assert running.wait_exit() == 2
        assert "ADDRESS:PORT" in running.stderr.text

    def test_an_address_in_use(self, engine: StartEngine) -> None:
        """Without it: an engine runs on without the metrics that it was to have."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            running = engine(source_that("pass"), "--metrics", str(port), started=False)
            assert running.wait_exit() == 1
            running.wait_log(f"cannot listen on 127.0.0.1:{port} for metrics")
