"""The short form of the worst day, and the pieces that it is judged by."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import PATIENCE
from worst_day.collector import CANONICAL
from worst_day.collectors import collectors
from worst_day.day import Scale
from worst_day.faults import FAULTS
from worst_day.messages import HEADER, line, number_of, text
from worst_day.page import better_than_inrush, page
from worst_day.receiver import Record
from worst_day.results import RESULTS, Result, ranges, run_fault, stored
from worst_day.sender import TcpSender, read_by_peer, relp_answers

COLLECTORS = collectors()
SHORT = Scale(count=240, rounds=2, stall=1.0, blocked=1.0, quiet=20.0, patience=40.0)
# One that is slow because it syncs each message, or that loses some, is not waited for that long.
RIVAL = replace(SHORT, quiet=4.0)


# A sender that is answered, and a file that is followed, are what Inrush promises to lose nothing of, whatever
# happens to the process.
PROMISED = [("inrush", "relp"), ("inrush", "file")]


@pytest.mark.parametrize("fault", ["kill", "stop"])
@pytest.mark.parametrize(
    ("name", "way"), PROMISED + [(name, "tcp") for name in COLLECTORS if name != "inrush"]
)
def test_short_form(tmp_path: Path, name: str, way: str, fault: str) -> None:
    """Breaks without it: Inrush loses, tears or reorders what it was given on a bad day, or the harness measures
    nothing of the others."""
    collector = COLLECTORS[name]
    if collector.version() is None:
        pytest.skip(f"{name} is not installed: {collector.install}")
    is_ours = name == "inrush"
    result = run_fault(
        FAULTS[fault],
        collector,
        way,
        tmp_path / "run",
        SHORT if is_ours else RIVAL,
        buffered=not is_ours or collector.has_buffer(),
    )
    assert "skipped" not in result
    if not is_ours:
        assert result["acknowledged"] - result["missing"] > 0, result
        return
    assert "failed" not in result, result
    assert result["acknowledged"] == SHORT.count
    assert result["missing"] == result["torn"] == result["out_of_order"] == 0, result


def test_lines_are_known_byte_by_byte() -> None:
    """Breaks without it: a message that was cut, joined or changed counts as one that arrived."""
    for number in (0, 1, 999, 12_345):
        whole = text("w", number)
        for received in (whole, b" " + whole, HEADER + whole):
            assert number_of("w", received) == number
        assert line("w", number) == HEADER + whole
        for broken in (whole[:-1], whole[1:], whole + whole, whole.replace(b"e", b"f", 1), b"", HEADER):
            assert number_of("w", broken) is None
        assert number_of("other", whole) is None
        assert number_of("w", whole + line("w", number + 1)) is None


def test_a_record_counts_each_kind_of_trouble() -> None:
    """Breaks without it: what came twice counts as late, or what came late as missing."""
    record = Record("w")
    for number in (0, 1, 3, 2, 1, 4):
        record.add(text("w", number))
    record.add(b"half a mess")
    assert sorted(record.first) == [0, 1, 2, 3, 4]
    assert (record.repeated, record.out_of_order, record.torn) == (1, 1, 1)
    assert record.samples == ["half a mess"]


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that reads what a test tells it to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def accepted(server: socket.socket) -> socket.socket:
    """The next connection."""
    connection, _ = server.accept()
    connection.settimeout(PATIENCE)
    return connection


def wait_for(condition: Callable[[], bool]) -> None:
    """Waits for something that must come."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_what_a_peer_has_not_read_is_not_acknowledged(server: socket.socket) -> None:
    """Breaks without it: what lies in a buffer of the system counts as lost by the collector."""
    with socket.create_connection(server.getsockname()) as connection, accepted(server) as peer:
        connection.sendall(bytes(1000))
        assert read_by_peer(connection, 1000) == 0
        assert len(peer.recv(300, socket.MSG_WAITALL)) == 300
        wait_for(lambda: read_by_peer(connection, 1000) == 300)
        assert len(peer.recv(700, socket.MSG_WAITALL)) == 700
        wait_for(lambda: read_by_peer(connection, 1000) == 1000)


def test_a_sender_goes_on_with_what_was_not_read(server: socket.socket) -> None:
    """Breaks without it: messages that a collector never had count as lost by it, or as repeated."""
    lines = [line("w", number) + b"\n" for number in range(10)]
    sender = TcpSender("w", 10_000, server.getsockname()[1])
    sender.start()
    try:
        sender.allow(10)
        with accepted(server) as first:
            # Three messages, and a part of the fourth.
            read = len(b"".join(lines[:3])) + 20
            assert first.recv(read, socket.MSG_WAITALL) == b"".join(lines)[:read]
            wait_for(lambda: sender.acknowledged == 3)
            with sender.held():
                assert sender.acknowledged == 3
        with accepted(server) as second:
            rest = b"".join(lines[3:])
            assert second.recv(len(rest), socket.MSG_WAITALL) == rest
            wait_for(lambda: sender.acknowledged == 10)
        assert sender.resent == 7
    finally:
        sender.close()


def test_answers_of_relp_come_in_pieces() -> None:
    """Breaks without it: an answer that is cut by a read counts twice, or never."""
    data = b"1 rsp 11 200 OK\na=b\n\n2 rsp 6 200 OK\n3 rsp 9 500 error\n0 serverclose 0\n"
    expected = [(1, b"200"), (2, b"200"), (3, b"500"), (0, b"close")]
    for cut in range(len(data) + 1):
        first, rest = relp_answers(data[:cut])
        second, rest = relp_answers(rest + data[cut:])
        assert first + second == expected, cut
        assert rest == b""


def test_missing_numbers_are_told_as_ranges() -> None:
    """Breaks without it: a gap of a thousand messages is a thousand numbers in a result."""
    assert ranges([]) == []
    assert ranges([1, 2, 3, 7, 9, 10]) == ["1-3", "7", "9-10"]


def test_collectors_are_files() -> None:
    """Breaks without it: a collector that is added is not measured, or its configuration tells of this machine."""
    files = {path.stem for path in (Path(__file__).parent / "collectors").glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in COLLECTORS} == files
    assert next(iter(COLLECTORS)) == "inrush"
    for collector in COLLECTORS.values():
        for way in collector.inputs:
            for buffered in (True, False):
                shown = collector.canonical(way, buffered)
                paths = re.findall(r'"(/[^"]+)"', shown)
                known = (str(CANONICAL["directory"]), str(CANONICAL["spool"]))
                assert all(path.startswith(known) for path in paths), shown


def result(collector: str, **figures: object) -> Result:
    """A result, good in all that is not given."""
    whole = {
        "fault": "kill",
        "collector": collector,
        "input": "tcp",
        "buffered": True,
        "scale": {"count": 100, "rate": 1000.0, "stall": 5.0, "rounds": 3, "quiet": 9.0, "blocked": 2.0},
        "configuration": "the configuration\n",
        "acknowledged": 100,
        "taken": 100,
        "missing": 0,
        "repeated": 0,
        "out_of_order": 0,
        "torn": 0,
        "seconds": 0.5,
        "stop_seconds": [],
        "notes": {},
        "version": "1.0",
        "environment": {"date": "2026-11-29 12:00 UTC", "commit": "abc"},
        "absent": {"Other": "not installed"},
    }
    return {**whole, **figures}


def test_the_page_tells_what_is_stored() -> None:
    """Breaks without it: the page hides a loss, a collector that hangs, or one that was not there."""
    text = page(
        [
            result("inrush", missing=7, buffered=False),
            result("syslog-ng", seconds=None, acknowledged=60, environment={"date": "2026", "commit": "def"}),
            result("rsyslog", failed="rsyslogd ended with 1: why"),
            result("rsyslog", fault="damaged", skipped="there is no file"),
            result("rsyslog", fault="stop", input="relp", stop_seconds=[1.5], notes={"said": "a | b"}),
        ]
    )
    assert "| commit | abc |" in text
    assert "1 at def" in text
    assert "| Other | not installed |" in text
    assert "**Without a disk buffer: Inrush.**" in text
    assert "| **Inrush** | TCP | 100 | 7 | 0 | 0 | 0 | 0.5 |" in text
    assert "| syslog-ng | TCP | 60 | 0 | 0 | 0 | 0 | never |" in text
    assert "syslog-ng, TCP: takes no more: 40 of 100 messages were never acknowledged." in text
    assert "rsyslog, TCP: broken off (*), rsyslogd ended with 1: why." in text
    assert "rsyslog, TCP: not done, there is no file." in text
    assert "- SIGKILL under load, TCP: syslog-ng has 0 missing, Inrush 7." in text
    assert "- RELP: rsyslog can be reached by it, Inrush cannot." in text
    assert "| rsyslog | RELP | 100 | 0 | 0 | 0 | 0 | 0.5 | 100 | 1.5 | `a \\| b` |" in text
    assert "```text\nthe configuration\n```" in text


def test_the_page_tells_where_others_are_better() -> None:
    """Breaks without it: the page boasts."""
    for column in ("missing", "repeated", "out_of_order", "torn"):
        told = better_than_inrush([result("inrush", **{column: 3}), result("rsyslog", **{column: 2})])
        assert "rsyslog has 2" in told
    told = better_than_inrush([result("inrush", seconds=None), result("rsyslog")])
    assert "well again after 0.5 s, Inrush after never" in told
    told = better_than_inrush([result("inrush", fault="stop", taken=10), result("rsyslog", fault="stop")])
    assert "rsyslog has taken 100 when the fault is over, Inrush 10" in told
    worse = [result("inrush", seconds=0.0), result("rsyslog", missing=1, missing_numbers=["7"], seconds=3.0)]
    assert "Nowhere" in better_than_inrush(worse)
    assert "rsyslog, TCP: missing are 7." in page(worse)


def test_stored_results_make_the_page() -> None:
    """Breaks without it: the page in `docs` is not the one of the results that are beside it."""
    results = stored()
    if not results:
        pytest.skip("nothing is measured yet")
    assert (RESULTS.parents[1] / "docs/worst-day.md").read_text() == page(results)
    assert all(json.dumps(each) for each in results)
