"""`redis()` against a real Redis server: commands, pipelines, passwords, errors of single messages, and a server
that comes late, goes and comes back."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import PATIENCE, StartEngine, free_port, inrush, source_that

SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="redis-server is not installed: tools/peers")

COUNT = 20_000
MANY = f"""
for number in range({COUNT}):
    self.post_message(f"{{number:05}}")
"""


@contextmanager
def server(directory: Path, port: int, *options: str) -> Iterator[None]:
    """A server whose data does not outlive it."""
    assert SERVER is not None
    command = [
        SERVER,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        *options,
    ]
    with subprocess.Popen([*command, "--dir", str(directory)], stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=1):
                        break
                except OSError:
                    assert process.poll() is None, "redis-server has ended"
                    assert time.monotonic() < until, "redis-server does not listen"
                    time.sleep(0.02)
            yield
        finally:
            process.kill()


def ask(port: int, *parts: str, password: str = "") -> bytes:
    """The reply to one command, as the protocol has it (RESP2)."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        file = connection.makefile("rb")
        for command in ([("AUTH", password)] if password else []) + [parts]:
            words = [word.encode() for word in command]
            connection.sendall(
                b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
            )
            reply = read_reply(file.readline, file.read)
        return reply


def read_reply(line: Callable[[], bytes], read: Callable[[int], bytes]) -> bytes:
    """One reply; of an array its elements, a line each."""
    head = line()
    kind, rest = head[:1], head[1:].strip()
    if kind == b"$":
        return read(int(rest) + 2)[:-2] if int(rest) >= 0 else b""
    if kind == b"*":
        return b"\n".join(read_reply(line, read) for _ in range(int(rest)))
    return rest


def to_redis(conf: str, options: str) -> str:
    """The configuration with a Redis server instead of its file."""
    own = 'file("out.log" template("$MSG\\n"))'
    assert own in conf
    return conf.replace(own, f"redis({options} time-reopen(0.1))")


def lines(port: int) -> list[bytes]:
    """The list of what arrived."""
    return ask(port, "LRANGE", "logs", "0", "-1").split(b"\n")


@pytest.mark.parametrize("batch", [1, 500])
def test_every_message_is_a_command_in_order(engine: StartEngine, tmp_path: Path, batch: int) -> None:
    """Breaks without it: commands are lost, doubled or change places, one by one or in pipelines."""
    count = COUNT if batch > 1 else 1000
    port = free_port()
    body = MANY.replace(str(COUNT), str(count))
    with server(tmp_path, port):
        conf = to_redis(
            source_that(body), f'port({port}) batch-lines({batch}) command("RPUSH" "logs" "$MSG")'
        )
        running = engine(conf)
        running.wait_print("done")
        totals = running.stop()
        assert lines(port) == [b"%05d" % number for number in range(count)]
    assert (totals.posted, totals.delivered, totals.dropped) == (count, count, 0)


def test_parts_of_a_command_are_templates_and_any_bytes(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: a blank, a line break, a NUL or bytes that are not UTF-8 change what a command is."""
    post = "self.post_message(LogMessage(b'a b\\r\\n$3\\x00\\xff*'))"
    port = free_port()
    with server(tmp_path, port):
        conf = to_redis(source_that(post), f'port({port}) command("HSET" "h:$FACILITY" "k $LEVEL" "$MSG")')
        running = engine(conf)
        running.wait_print("done")
        totals = running.stop()
        assert ask(port, "HGETALL", "h:user") == b"k notice\na b\r\n$3\x00\xff*"
    assert (totals.posted, totals.delivered) == (1, 1)


def test_a_password_is_sent_and_never_shown(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: a server with a password takes nothing, or the password stands in the log."""
    port = free_port()
    with server(tmp_path, port, "--requirepass", "s3cret-word"):
        options = f'port({port}) auth("wrong-s3cret") command("RPUSH" "logs" "$MSG")'
        conf = to_redis(source_that("self.post_message('in')"), options)
        running = engine(conf)
        running.wait_log(r"redis 127\.0\.0\.1:\d+.*(invalid|WRONGPASS|NOAUTH|Password)")
        (running.directory / "test.conf").write_text(conf.replace("wrong-s3cret", "s3cret-word"))
        running.send_signal(1)
        running.wait_until(lambda: ask(port, "LLEN", "logs", password="s3cret-word") == b"1", "the message")
        totals = running.stop()
        assert "s3cret" not in running.report()
    assert (totals.posted, totals.delivered) == (1, 1)


def test_a_message_that_the_server_refuses_costs_itself_alone(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: one wrong command holds up all others, or is counted as delivered."""
    post = "\nfor key in ('good', 'bad', 'good'):\n    self.post_message(LogMessage(key))\n"
    port = free_port()
    with server(tmp_path, port):
        assert ask(port, "SET", "bad", "a text") == b"OK"
        options = f'port({port}) batch-lines(10) retries(2) command("RPUSH" "$MSG" "$MSG")'
        running = engine(to_redis(source_that(post), options))
        running.wait_log(r"WRONGTYPE")
        running.wait_until(lambda: ask(port, "LLEN", "good") == b"2", "the good ones")
        running.wait_log(r"refused|dropped|rejected")
        totals = running.stop()
    assert (totals.posted, totals.delivered) == (3, 2)
    assert totals.posted - totals.delivered == 1


def test_a_server_that_comes_late_goes_and_comes_back(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: messages are lost while a server is away, or their source is not held back."""
    port = free_port()
    options = f'port({port}) batch-lines(100) command("RPUSH" "logs" "$MSG")'
    running = engine(to_redis(source_that(MANY, driver="log-iw-size(500)"), options))
    running.wait_log(r"redis 127\.0\.0\.1:\d+.*refused")
    with server(tmp_path, port):
        running.wait_until(lambda: int(ask(port, "LLEN", "logs")) > 1000, "the first of them")
        first = lines(port)
    with server(tmp_path, port):
        running.wait_print("done")
        totals = running.stop()
        second = lines(port)
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)
    # What the first server had when it was killed is known up to the look at it. The second one goes on
    # where the first one's replies ended.
    assert first == [b"%05d" % number for number in range(len(first))]
    assert second == [b"%05d" % number for number in range(int(second[0]), COUNT)]
    assert int(second[0]) >= len(first)


def test_wrong_options_are_refused_at_their_places(tmp_path: Path) -> None:
    """Breaks without it: a destination that can never work starts, and loses what comes to it."""
    conf = tmp_path / "test.conf"
    for driver, expected in (
        ("redis(port(6379))", "redis() has no command()"),
        ('redis(command("PING") port(0))', "port"),
        ('redis(command("SET" "$(nope x)"))', "nope"),
        ('redis(command("PING") tls(ca-file("x")))', "tls"),
    ):
        conf.write_text(
            f"@version: current\nlog {{ source {{ internal(); }}; destination {{ {driver}; }}; }};\n"
        )
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert expected in done.stderr
        assert "test.conf:2:" in done.stderr
