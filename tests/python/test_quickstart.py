"""The main job: a syslog listener written in Python, driven over real sockets."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest

from harness import PATIENCE, StartEngine, connected, example, together

RFC5424 = b"<13>1 2026-03-01T12:00:00.000000+00:00 myhost app 42 ID1 - %s"


@pytest.fixture
def quickstart() -> str:
    """The example, on whichever port is free."""
    return example("quickstart", port=0)


def octets(message: bytes) -> bytes:
    """A message in octet-counted framing."""
    return b"%d %s" % (len(message), message)


def texts(lines: list[bytes]) -> list[bytes]:
    """The texts of the messages, without time, host and program."""
    return [line.split(b": ", 1)[-1] for line in lines]


def test_says_where_it_listens_and_what_to_type(engine: StartEngine, quickstart: str) -> None:
    """Without it: a new user sees a program that stands still."""
    running = engine(quickstart)
    host, port = running.wait_listening()
    running.wait_print(re.escape(f"logger -n {host} -P {port} -T --rfc5424 hello"))


def test_port_of_the_file_is_the_documented_one() -> None:
    """Without it: the README's `logger` line could name another port than the file."""
    assert "@define port 5514\n" in example("quickstart")


@pytest.mark.skipif(shutil.which("logger") is None, reason="the command logger is not installed")
def test_logger_command_arrives(engine: StartEngine, quickstart: str) -> None:
    """Without it: the README's own line could fail, although everything else passes."""
    running = engine(quickstart)
    host, port = running.wait_listening()
    subprocess.run(
        ["logger", "-n", host, "-P", str(port), "-T", "--rfc5424", "hello"], check=True, timeout=PATIENCE
    )
    (line,) = running.wait_lines("quickstart.log", 1)
    assert line.endswith(b" hello")


@pytest.mark.parametrize("frame", [lambda m: m + b"\n", octets], ids=["newline", "octets"])
def test_framing(engine: StartEngine, quickstart: str, frame: object) -> None:
    """Without it: one of RFC 6587's two framings could be cut in the wrong place."""
    assert callable(frame)
    running = engine(quickstart)
    with connected(running.wait_listening()) as client:
        for number in range(100):
            client.sendall(frame(RFC5424 % b"message %d" % number))
        lines = running.wait_lines("quickstart.log", 100)
    assert texts(lines) == [b"message %d" % number for number in range(100)]
    assert b" myhost app[42]: " in lines[0]


def test_framings_mixed_on_one_connection(engine: StartEngine, quickstart: str) -> None:
    """Without it: a relay that switches framing after a restart of its own would be cut off."""
    running = engine(quickstart)
    with connected(running.wait_listening()) as client:
        client.sendall(RFC5424 % b"a" + b"\n" + octets(RFC5424 % b"b") + RFC5424 % b"c" + b"\r\n\n")
        lines = running.wait_lines("quickstart.log", 3)
    assert texts(lines) == [b"a", b"b", b"c"]


def test_frames_in_single_bytes(engine: StartEngine, quickstart: str) -> None:
    """Without it: a message could be cut where a packet happens to end."""
    running = engine(quickstart)
    with connected(running.wait_listening()) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in octets(RFC5424 % b"counted") + RFC5424 % b"line" + b"\n":
            client.send(bytes([byte]))
        lines = running.wait_lines("quickstart.log", 2)
    assert texts(lines) == [b"counted", b"line"]


def test_newline_inside_a_counted_frame_stays_in_its_message(engine: StartEngine, quickstart: str) -> None:
    """Without it: a multi-line message would become several."""
    running = engine(quickstart)
    with connected(running.wait_listening()) as client:
        client.sendall(octets(RFC5424 % b"first\nsecond") + octets(RFC5424 % b"next"))
        running.wait_until(
            lambda: (
                b"next" in (running.directory / "quickstart.log").read_bytes()
                if (running.directory / "quickstart.log").exists()
                else False
            ),
            "the second message",
        )
    assert running.stop().posted == 2


def test_last_line_without_newline(engine: StartEngine, quickstart: str) -> None:
    """Without it: what `printf hello | nc` sends is lost."""
    running = engine(quickstart)
    with connected(running.wait_listening()) as client:
        client.sendall(RFC5424 % b"no newline")
    assert texts(running.wait_lines("quickstart.log", 1)) == [b"no newline"]


def test_many_clients_at_once(engine: StartEngine, quickstart: str) -> None:
    """Without it: messages of one client could be lost, doubled, mixed up or reordered beside those of
    another."""
    clients, each = 20, 200
    running = engine(quickstart)
    address = running.wait_listening()

    def send(client: int) -> None:
        with connected(address) as connection:
            for number in range(each):
                message = RFC5424 % b"%d %d" % (client, number)
                connection.sendall(octets(message) if client % 2 else message + b"\n")

    together(threading.Thread(target=send, args=(client,)) for client in range(clients))
    got = [
        tuple(map(int, text.split())) for text in texts(running.wait_lines("quickstart.log", clients * each))
    ]
    for client in range(clients):
        assert [number for who, number in got if who == client] == list(range(each))
    totals = running.stop()
    assert totals.posted == totals.delivered == clients * each


def test_reset_by_a_client_harms_nobody(engine: StartEngine, quickstart: str) -> None:
    """Without it: one client that resets its connection would end the listener for all."""
    running = engine(quickstart)
    address = running.wait_listening()
    with connected(address) as other:
        for _ in range(20):
            with connected(address) as client:
                client.sendall(RFC5424 % b"half a mess")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.sendall(RFC5424 % b"still here" + b"\n")
        running.wait_until(
            lambda: any(line.endswith(b"still here") for line in running.wait_lines("quickstart.log", 1)),
            "the message of the other client",
        )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"9999999 x", "9999999 bytes"),
        (b"x" * 70_000, "no end of a message"),
        (b"x" * 70_000 + b"\n", "70000 bytes|no end of a message"),
    ],
    ids=["count-too-large", "line-without-end", "line-too-long"],
)
def test_bad_frame_ends_its_connection_only(
    engine: StartEngine, quickstart: str, bad: bytes, reason: str
) -> None:
    """Without it: memory grows with what one client sends, or one bad client stops the others."""
    running = engine(quickstart)
    address = running.wait_listening()
    with connected(address) as client, connected(address) as other:
        client.sendall(RFC5424 % b"good\n" + bad)
        running.wait_log(reason)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
        other.sendall(RFC5424 % b"after\n")
        lines = running.wait_lines("quickstart.log", 2)
    assert texts(lines) == [b"good", b"after"]


def test_closing_inside_a_counted_frame_is_reported(engine: StartEngine, quickstart: str) -> None:
    """Without it: the piece of a message that did arrive vanishes in silence."""
    running = engine(quickstart)
    with connected(running.wait_listening()) as client:
        client.sendall(b"100 <13>1 - too short")
    running.wait_log("closed inside a message")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_stops_cleanly_with_clients_connected(engine: StartEngine, quickstart: str, number: int) -> None:
    """Without it: an idle client that never closes could hold up the stop."""
    running = engine(quickstart)
    address = running.wait_listening()
    with connected(address) as idle, connected(address) as busy:
        busy.sendall(b"".join(octets(RFC5424 % b"%d" % number) for number in range(1000)))
        running.wait_lines("quickstart.log", 1000)
        idle.sendall(b"<13>unfinished")
        totals = running.stop(number)
    assert totals.posted == totals.delivered == 1000


def test_port_in_use_is_a_refusal_with_its_reason(engine: StartEngine, quickstart: str) -> None:
    """Without it: the second listener on a port seems to run and receives nothing."""
    _, port = engine(quickstart).wait_listening()
    second = engine(example("quickstart", port=port), started=False, name="second.conf")
    assert second.wait_exit() != 0
    assert second.stderr.find("Address already in use")
    assert second.stderr.find("SyslogListener")
