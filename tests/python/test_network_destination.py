"""Destinations over a network, on a real engine and to real peers: what was sent arrives, once and in order, or is
reported."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from harness import (
    EXIT,
    PATIENCE,
    ROOT,
    Engine,
    StartEngine,
    free_port,
    inrush,
    numbered,
    read_lines,
    source,
    source_that,
)

COUNT = 20_000
FLOOD = f"""
for number in range({COUNT}):
    self.post_message(str(number))
"""
SOON = "time-reopen(0.1)"


def to(conf: str, *drivers: str) -> str:
    """The configuration with other drivers instead of its file."""
    own = 'file("out.log" template("$MSG\\n"))'
    assert own in conf
    return conf.replace(own, "; ".join(drivers))


def has_reloaded(running: Engine, times: int) -> bool:
    """The configuration was read again more often than that."""
    return running.stderr.text.count("reloaded") > times


class Server:
    """A TCP server that keeps what it reads, one connection after the other."""

    def __init__(self, port: int = 0) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self.received = bytearray()
        self.connections = 0
        self.changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1 << 16):
                with self.changed:
                    self.received += data
                    self.changed.notify_all()

    def wait_lines(self, count: int) -> list[bytes]:
        """Waits until so many lines have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.received.count(b"\n") >= count, PATIENCE)
            return bytes(self.received).split(b"\n")[:-1]

    def close(self) -> None:
        """Listens no more."""
        # A thread in accept() is not woken by a close().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextmanager
def process(command: list[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A peer that runs in the foreground until it is ended."""
    with (directory / "peer.log").open("ab") as log:
        peer = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield peer
    finally:
        peer.terminate()
        try:
            peer.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            peer.kill()
            peer.wait()


def wait_listening(port: int, peer: subprocess.Popen[bytes]) -> None:
    """Waits until somebody listens on a TCP port."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert peer.poll() is None, "the peer has ended"
            assert time.monotonic() < until, "nobody listens"
            time.sleep(0.02)


@contextmanager
def syslog_ng(directory: Path, sources: str) -> Iterator[subprocess.Popen[bytes]]:
    """syslog-ng that receives from `sources` into `received`."""
    program = shutil.which("syslog-ng", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("syslog-ng is not installed: tools/peers installs it")
    conf = directory / "syslog-ng.conf"
    conf.write_text(
        "@version: 3.38\noptions { use-dns(no); keep-hostname(yes); };\n"
        f"source s {{ {sources} }};\n"
        f'destination d {{ file("{directory}/received" template("$PRI|$HOST|$PROGRAM|$PID|$MSG\\n")); }};\n'
        "log { source(s); destination(d); flags(flow-control); };\n"
    )
    own = ["-R", "native.persist", "-c", "native.ctl", "-p", "native.pid", "--no-caps"]
    with process([program, "-F", "-f", str(conf), *own], directory) as peer:
        yield peer


@contextmanager
def rsyslog(directory: Path, inputs: str) -> Iterator[subprocess.Popen[bytes]]:
    """rsyslog that receives by `inputs` into `received`."""
    unpacked = ROOT / "target/peers/rsyslogd"
    program = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")
    program = str(unpacked) if unpacked.exists() else program
    if program is None:
        pytest.skip("rsyslog is not installed: tools/peers unpacks it")
    conf = directory / "rsyslog.conf"
    conf.write_text(
        f'global(workDirectory="{directory}")\n{inputs}\n'
        'template(name="t" type="string" string="%pri%|%hostname%|%programname%|%procid%|%msg%\\n")\n'
        f'action(type="omfile" file="{directory}/received" template="t" asyncWriting="off")\n'
    )
    with process([program, "-n", "-f", str(conf), "-i", str(directory / "rsyslog.pid")], directory) as peer:
        yield peer


VALUES = """
for number in range(2000):
    message = LogMessage(f"message {number}")
    message["HOST"], message["PROGRAM"], message["PID"] = "web", "app", "42"
    self.post_message(message)
"""


def received(engine: Engine, directory: Path, count: int) -> list[bytes]:
    """The lines that a peer has written."""
    path = directory / "received"
    engine.wait_until(lambda: len(read_lines(path)) >= count, f"{count} lines at the peer")
    return read_lines(path)


@pytest.mark.parametrize(
    ("driver", "receiver"),
    [
        ('network("127.0.0.1" port({port}))', "network(ip(127.0.0.1) port({port}) log-iw-size(10000));"),
        ('tcp("127.0.0.1" port({port}))', "tcp(ip(127.0.0.1) port({port}));"),
        ('syslog("127.0.0.1" port({port}))', "syslog(ip(127.0.0.1) port({port}));"),
        (
            'unix-stream("{directory}/socket")',
            'network(ip(127.0.0.1) port({port})); unix-stream("{directory}/socket");',
        ),
        (
            'unix-dgram("{directory}/socket")',
            'network(ip(127.0.0.1) port({port})); unix-dgram("{directory}/socket");',
        ),
    ],
    ids=["network", "tcp", "syslog", "unix-stream", "unix-dgram"],
)
def test_syslog_ng_receives(engine: StartEngine, tmp_path: Path, driver: str, receiver: str) -> None:
    """Breaks without it: the receiver that most use reads other messages than were sent."""
    port = free_port()
    with syslog_ng(tmp_path, receiver.format(port=port, directory=tmp_path)) as peer:
        wait_listening(port, peer)
        running = engine(
            to(source_that(VALUES, driver="keep-hostname(yes)"), driver.format(port=port, directory=tmp_path))
        )
        lines = received(running, tmp_path, 2000)
        totals = running.stop()
    # To a unix socket a message has its host, too, which syslog-ng does not look for there.
    expected = [b"13|web|app|42|message %d" % number for number in range(2000)]
    if "unix" in driver:
        assert [line.rsplit(b"|", 1)[1].split(b": ")[-1] for line in lines] == [
            b"message %d" % number for number in range(2000)
        ]
    else:
        assert lines == expected
    assert (totals.posted, totals.delivered, totals.dropped) == (2000, 2000, 0)


@pytest.mark.parametrize(
    ("driver", "module"),
    [
        ('network("127.0.0.1" port({port}))', "imtcp"),
        ('network("127.0.0.1" port({port}) flags(syslog-protocol))', "imtcp"),
        ('syslog("127.0.0.1" port({port}))', "imtcp"),
    ],
    ids=["bsd", "rfc5424", "lengths"],
)
def test_rsyslog_receives(engine: StartEngine, tmp_path: Path, driver: str, module: str) -> None:
    """Breaks without it: rsyslog reads other messages than were sent."""
    port = free_port()
    inputs = f'module(load="{module}")\ninput(type="{module}" address="127.0.0.1" port="{port}")'
    with rsyslog(tmp_path, inputs) as peer:
        wait_listening(port, peer)
        running = engine(to(source_that(VALUES, driver="keep-hostname(yes)"), driver.format(port=port)))
        lines = received(running, tmp_path, 2000)
        totals = running.stop()
    assert [line.replace(b"| message", b"|message") for line in lines] == [
        b"13|web|app|42|message %d" % number for number in range(2000)
    ]
    assert (totals.posted, totals.delivered, totals.dropped) == (2000, 2000, 0)


def test_datagrams_arrive(engine: StartEngine) -> None:
    """Breaks without it: a message is no datagram, or changes its place."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE)
        port = receiver.getsockname()[1]
        # No more than the buffer of the receiver holds.
        flood = "for number in range(100):\n    self.post_message(str(number))"
        running = engine(to(source_that(flood), f'udp("127.0.0.1" port({port}) template("$MSG\\n"))'))
        assert [receiver.recv(100) for _ in range(100)] == [b"%d\n" % number for number in range(100)]
        totals = running.stop()
    assert (totals.posted, totals.delivered, totals.dropped) == (100, 100, 0)


def test_a_server_that_is_away_gets_everything_when_it_comes(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: the engine does not start without its server, or loses messages while it is away."""
    port = free_port()
    driver = f'network("127.0.0.1" port({port}) template("$MSG\\n") {SOON})'
    running = engine(to(source_that(FLOOD, driver="log-iw-size(1000)"), driver))
    running.wait_log(
        rf"cannot write to `tcp://127.0.0.1:{port}`: .*refused.*; its messages wait, retrying every 0.1 s"
    )
    server = Server(port)
    lines = server.wait_lines(COUNT)
    running.wait_log(rf"connected to server 127.0.0.1:{port}, local address 127.0.0.1:\d+")
    totals = running.stop()
    server.close()
    assert lines == numbered(COUNT)
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_a_server_that_never_reads_holds_its_source_back(engine: StartEngine) -> None:
    """Breaks without it: the memory of a sender grows while its receiver stands still, or messages are dropped
    on a path with flow control; or a stop waits for ever."""
    # More than both systems keep of a connection.
    large = "for number in range(100_000):\n    self.post_message(f'{number:>1000}')"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        driver = f'network("127.0.0.1" port({port}) template("$MSG\\n") {SOON})'
        running = engine(to(source_that(large, driver="log-iw-size(20000)"), driver), "--control", "ctl")
        connection, _ = listener.accept()

        def stats() -> dict[str, int]:
            shown = inrush("ctl", "--control", "ctl", "stats", "--json", cwd=running.directory)
            found: dict[str, int] = json.loads(shown.stdout)["destinations"][0]
            return found

        running.wait_until(lambda: bool(stats()["suspended"]), "a full connection")
        found = stats()
        assert found["in_flight"] <= 20_000, found
        running.send_signal(signal.SIGTERM)
        assert running.wait_exit() == 0
        totals = running.totals()
        totals.check()
        assert totals.dropped > 0
        connection.close()


def test_a_reload_keeps_the_connection_or_makes_another(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: each reload cuts the connection, or one that changed its server goes on to the old
    one."""
    first, second = Server(), Server()
    numbers = """
    number = 0
    while not self.exiting.wait(0.001):
        self.post_message(str(number))
        number += 1
    print(number, flush=True)
    """
    driver = 'network("127.0.0.1" port({port}) template("$MSG\\n") {SOON} {more})'
    own = "exiting = threading.Event()"
    conf = source(f"{own}\n\ndef run(self):\n{numbers}\n{EXIT}")

    def with_driver(port: int, more: str = "") -> str:
        return to(conf, driver.format(port=port, SOON=SOON, more=more))

    running = engine(with_driver(first.port))
    first.wait_lines(50)
    for number in range(3):
        (tmp_path / "test.conf").write_text(with_driver(first.port, f"log-fifo-size({number + 1000})"))
        running.send_signal(signal.SIGHUP)
        running.wait_until(partial(has_reloaded, running, number), "a reload")
    before = first.received.count(b"\n")
    first.wait_lines(before + 50)
    assert first.connections == 1
    (tmp_path / "test.conf").write_text(with_driver(second.port))
    running.send_signal(signal.SIGHUP)
    second.wait_lines(50)
    totals = running.stop()
    until = time.monotonic() + PATIENCE
    while len(first.received.split(b"\n")) + len(second.received.split(b"\n")) - 2 < totals.posted:
        assert time.monotonic() < until
        time.sleep(0.01)
    lines = bytes(first.received + second.received).split(b"\n")[:-1]
    # What the first had not confirmed at the change is at both.
    assert sorted(set(lines), key=int) == numbered(totals.posted)
    assert lines[: len(first.received.split(b"\n")) - 1] == numbered(len(first.received.split(b"\n")) - 1)
    assert totals.posted == totals.delivered
    for server in (first, second):
        server.close()
