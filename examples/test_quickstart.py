"""A test of the quickstart's source: `pytest examples/test_quickstart.py`."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inrush.testing import SourceUnderTest, load

quickstart = load(Path(__file__).with_name("quickstart.conf"))


@pytest.fixture
def listener(inrush_source: Callable[..., SourceUnderTest]) -> SourceUnderTest:
    return inrush_source(quickstart.SyslogListener, {"host": "127.0.0.1", "port": 0}, config="keep-hostname(yes)")


@pytest.fixture
def client(listener: SourceUnderTest) -> Iterator[socket.socket]:
    with socket.create_connection(listener.source.listener.getsockname()) as connection:
        yield connection


def test_both_framings(listener: SourceUnderTest, client: socket.socket) -> None:
    client.sendall(b"<13>1 - box app - - - by newline\n33 <13>1 - box app - - - by counting")
    by_newline, by_counting = listener.wait_for(2)
    assert (by_newline["MESSAGE"], by_counting["MESSAGE"]) == (b"by newline", b"by counting")
    assert (by_newline["HOST"], by_newline["PROGRAM"]) == (b"box", b"app")


def test_a_line_without_end_closes_its_connection(listener: SourceUnderTest, client: socket.socket) -> None:
    client.sendall(b"x" * 70_000)
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    assert any("no end of a message" in line.text for line in listener.log)


def test_clients_wait_while_the_destination_does(listener: SourceUnderTest, client: socket.socket) -> None:
    listener.suspend()
    client.sendall(b"first\nsecond\n")
    assert len(listener.wait_for(1)) == 1
    listener.wake_up()
    assert listener.wait_for(2)
