"""`webhook()`: requests are messages, and what no message can be made of is answered with an error."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import signal
import socket
import ssl
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from certificates import NEEDS_OPENSSL, Authority
from harness import PATIENCE, Engine, StartEngine, free_port, inrush

CONF = """@version: current
@include "scl.conf"
source s_web {{ webhook(ip("127.0.0.1") port({port}) {options}); }};
log {{
    source(s_web);
    destination {{ file("{file}" template("$HOST $SOURCEIP $(format-json --scope none q=${{webhook.query.a}} m=$MSG)\\n")); }};
    flags(flow-control);
}};
"""


class Hook:
    """A running webhook."""

    def __init__(self, engine: StartEngine, options: str = "", file: str = "out.log", head: str = "") -> None:
        self.port = free_port()
        self.running: Engine = engine(head + CONF.format(port=self.port, options=options, file=file))
        self.running.wait_until(self.is_listening, "the port")

    @classmethod
    def of(cls, running: Engine, port: int) -> Hook:
        """That of an engine that runs already."""
        hook = cls.__new__(cls)
        hook.running, hook.port = running, port
        running.wait_until(hook.is_listening, "the port")
        return hook

    def is_listening(self) -> bool:
        """Tells whether connections are taken."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """A connection."""
        if context:
            return http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def post(
        self, body: bytes | str, path: str = "/", method: str = "POST", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """The answer to a request of its own connection."""
        client = self.client()
        try:
            client.request(method, path, body, headers or {})
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        finally:
            client.close()

    def status(self, body: str) -> int:
        """The status of the answer, or 0 where the server was too busy to read the request."""
        try:
            return self.post(body)[0]
        except OSError:
            return 0

    def raw(self, data: bytes) -> bytes:
        """What comes back for bytes that no client would send."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            found = b""
            # A server may have heard enough before the end.
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
                while got := connection.recv(65536):
                    found += got
            return found

    def lines(self, count: int) -> list[tuple[str, str, dict[str, Any]]]:
        """The host, the address and the values of each message."""
        lines = [line.decode().split(" ", 2) for line in self.running.wait_lines("out.log", count)]
        return [(host, address, json.loads(values)) for host, address, values in lines]


def test_requests_are_messages(engine: StartEngine) -> None:
    """Breaks without it: what a service posts is lost, or its path, query and sender are."""
    hook = Hook(engine, 'paths(["/events", "/of/(?P<HOST>[^/]+)/.*"])')
    text = "line 1\nline 2 é \0 end"
    assert hook.post(text.encode(), "/events?a=x%20y&a=2&b=") == (200, "")
    assert hook.post("{}", "/of/web%2D1/x", "PUT") == (200, "")
    client = hook.client()
    for number in range(3):
        client.request("POST", "/events", str(number))
        assert client.getresponse().read() == b""
    client.close()
    found = hook.lines(5)
    assert found[0][1:] == ("127.0.0.1", {"q": ["x y", "2"], "m": text.replace("\0", "\\x00")})
    assert (found[1][0], found[1][2]["m"]) == ("web-1", "{}")
    assert [values["m"] for *_, values in found[2:]] == ["0", "1", "2"]
    totals = hook.running.stop()
    assert (totals.posted, totals.delivered) == (5, 5)


def test_headers_are_kept(engine: StartEngine) -> None:
    """Breaks without it: what a service says beside the body is lost."""
    port = free_port()
    conf = CONF.format(
        port=port, options='include-request-headers(yes) auth-token(["a" "b"])', file="out.log"
    )
    running = engine(conf.replace("m=$MSG", "m=${webhook.headers}"))
    hook = Hook.of(running, port)
    assert hook.post("x", headers={"X-Event": "push", "Authorization": "b"}) == (200, "")
    [(_, _, values)] = hook.lines(1)
    found = json.loads(values["m"])
    assert (found["x-event"], found["content-length"]) == (["push"], ["1"])


def test_objects_of_json_are_values(engine: StartEngine) -> None:
    """Breaks without it: what a service says in JSON is one long text, or a body that is none becomes a message."""
    port = free_port()
    conf = CONF.format(port=port, options='paths(["/e"]) prefix(".hook.")', file="out.log")
    conf = conf.replace("webhook(", "webhook-json(").replace("m=$MSG", "n=${.hook.n} m=${.hook.a.b}")
    hook = Hook.of(engine(conf), port)
    assert hook.post('{"n": 5, "a": {"b": "c"}}', "/e")[0] == 200
    assert hook.post("no object", "/e")[0] == 200
    assert hook.post('{"n": 6}', "/e")[0] == 200
    assert [values.get("n") for *_, values in hook.lines(2)] == [5, 6]
    assert hook.lines(2)[0][2]["m"] == "c"
    totals = hook.running.stop()
    assert (totals.posted, totals.delivered, totals.filtered) == (3, 2, 1)


def test_what_is_no_message_is_refused(engine: StartEngine) -> None:
    """Breaks without it: a stranger posts, a body of any size fills the memory, or a request that is cut posts its
    half."""
    options = 'paths(["/e"]) auth-token("secret") max-body-size(1000) proxy-header("X-Real-IP")'
    hook = Hook(engine, options)
    good = {"Authorization": "Bearer secret"}
    assert hook.post("x", "/e")[0] == 401
    assert hook.post("x", "/e", headers={"Authorization": "Bearer Secret"})[0] == 401
    assert hook.post("x", "/e", headers={"Authorization": "Bearer \xe9"})[0] == 401
    assert hook.post("x", "/e/f", headers=good)[0] == 404
    assert hook.post("x", "/" + "e" * 10_000, headers=good)[0] == 414
    assert hook.post("x", "/e", "GET", good)[0] == 405
    assert hook.post("x", "/e", "BREW", good)[0] == 501
    assert hook.post("x" * 1001, "/e", headers=good) == (413, "expected at most 1000 bytes")
    assert hook.post("x", "/e", headers={**good, "Content-Encoding": "br"})[0] == 415
    assert hook.post("x", "/e", headers={**good, "Content-Encoding": "gzip"})[0] == 400
    for packed in (gzip.compress(b"0" * 100_000), zlib.compress(b"0" * 100_000)):
        coding = "gzip" if packed[:1] == b"\x1f" else "deflate"
        assert hook.post(packed, "/e", headers={**good, "Content-Encoding": coding})[0] == 413
        assert hook.post(packed[:-4], "/e", headers={**good, "Content-Encoding": coding})[0] in (400, 413)
    assert hook.post("x", "/e?" + "&".join(f"p{n}=1" for n in range(65)), headers=good)[0] == 400
    assert hook.post("x", "/e?" + "n" * 201 + "=1", headers=good)[0] == 400
    head = b"POST /e HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer secret\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n"
    for data, status in [
        (head + b"\r\n", b"411"),
        (head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (head + b"Content-Length: +1\r\n\r\na", b"400"),
        (head + b"Content-Length: 1_0\r\n\r\n0123456789", b"400"),
        (head + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"400"),
        (head + b"Transfer-Encoding: gzip\r\n\r\n", b"400"),
        (chunked + b"\r\nz\r\n", b"400"),
        (chunked + b"\r\n-1\r\na\r\n0\r\n\r\n", b"400"),
        (chunked + b"\r\n1\r\nab\r\n0\r\n\r\n", b"400"),
        (chunked + b"\r\n3e9\r\n", b"413"),
        (chunked + b"\r\n1;" + b"x" * 2000 + b"\r\na\r\n0\r\n\r\n", b"400"),
        (chunked + b"\r\n0\r\n" + b"T: x\r\n" * 101 + b"\r\n", b"400"),
    ]:
        assert hook.raw(data).split(b" ", 2)[1] == status, data
    assert b" 200 " not in hook.raw(b"nonsense\r\n\r\n")
    # No answer to what has no end.
    assert hook.raw(head + b"Content-Length: 10\r\n\r\nhalf") == b""
    assert hook.raw(chunked + b"\r\n9\r\nhalf") == b""
    taken = [
        hook.raw(chunked + b"\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n"),
        hook.raw(
            head + b"Expect: 100-continue\r\nContent-Length: 2\r\nX-Real-IP: 10.1.2.3, 192.0.2.7\r\n\r\nhi"
        ),
    ]
    assert [answer.split(b" ", 2)[1] for answer in taken] == [b"200", b"100"]
    assert b" 200 " in taken[1]
    assert (
        hook.raw(head.replace(b"secret", b"x") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")[9:12]
        == b"401"
    )
    assert hook.post(gzip.compress(b"packed"), "/e", headers={**good, "Content-Encoding": "gzip"})[0] == 200
    found = hook.lines(3)
    assert [values["m"] for *_, values in found] == ["abcde", "hi", "packed"]
    assert [address for _, address, _ in found] == ["127.0.0.1", "192.0.2.7", "127.0.0.1"]
    assert hook.running.stop().posted == 3


def test_an_answer_says_that_a_message_was_taken(engine: StartEngine) -> None:
    """Breaks without it: a sender is told that all is well while its message waits, and loses it with a kill."""
    hook = Hook(engine, "log-iw-size(2)", file="gone/out.log", head="options { time-reopen(1); };\n")
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda number=number: answers.append(hook.post(str(number))[0]))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    hook.running.wait_until(lambda: len(answers) >= 2, "what there is room for")
    # Nothing else can be taken: the window is full until the directory is there.
    assert sum(thread.is_alive() for thread in threads) >= 1
    hook.running.make_gone()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == [200] * 6
    hook.running.wait_lines("gone/out.log", 6)
    assert hook.running.stop().delivered == 6


def test_an_answer_says_that_a_message_was_delivered(engine: StartEngine) -> None:
    """Breaks without it: a sender cannot know what has reached its destination."""
    options = "wait-for-delivery(yes) timeout(4)"
    hook = Hook(engine, options, file="gone/out.log", head="options { time-reopen(1); };\n")
    assert hook.post("late") == (503, "not delivered in time")
    hook.running.make_gone()
    hook.running.wait_lines("gone/out.log", 1)
    assert hook.post("soon") == (200, "")
    # It is there before the answer is.
    assert len((hook.running.directory / "gone/out.log").read_bytes().splitlines()) == 2
    assert hook.running.stop().delivered == 2


def test_idle_and_slow_clients_hold_nobody_up(engine: StartEngine) -> None:
    """Breaks without it: a client that sends nothing, or a byte now and then, keeps its place for ever, or the engine
    from its end."""
    hook = Hook(engine, "timeout(1) max-connections(2)")
    slow = [socket.create_connection(("127.0.0.1", hook.port), PATIENCE) for _ in range(2)]
    for one in slow:
        one.sendall(b"POST / HTTP/1.1\r\n")
    until = time.monotonic() + PATIENCE
    # Each byte comes within the time of a read, and the request never ends.
    while time.monotonic() < until and hook.status("y") != 200:
        for one in slow:
            with contextlib.suppress(OSError):
                one.send(b"X")
        time.sleep(0.2)
    idle = hook.client()

    def has_place() -> bool:
        """Asks on a connection that stays open; the places of those before it are free when the server has seen their
        end."""
        with contextlib.suppress(OSError):
            idle.request("POST", "/", "last")
            answer = idle.getresponse()
            if (answer.status, answer.read()) == (200, b""):
                return True
        idle.close()
        return False

    hook.running.wait_until(has_place, "a free place")
    totals = hook.running.stop()
    assert totals.posted == totals.delivered
    for one in slow:
        one.close()
    idle.close()


def test_a_reload_moves_the_port(engine: StartEngine) -> None:
    """Breaks without it: a changed webhook finds its port taken by the one before it."""
    hook = Hook(engine, 'paths(["/a"])')
    assert hook.post("1", "/a")[0] == 200
    [conf] = hook.running.directory.glob("*.conf")
    conf.write_text(CONF.format(port=hook.port, options='paths(["/b"])', file="out.log"))
    hook.running.send_signal(signal.SIGHUP)

    def is_new() -> bool:
        try:
            return hook.post("2", "/b")[0] == 200
        except OSError:
            return False

    hook.running.wait_until(is_new, "the new paths")
    assert hook.post("3", "/a")[0] == 404
    assert hook.running.stop().posted == 2


def asked(client: http.client.HTTPConnection) -> int:
    """The status of the answer to a request."""
    client.request("POST", "/", "no")
    return client.getresponse().status


@NEEDS_OPENSSL
def test_https(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: a webhook of the internet can be read on its way, or anybody's certificate is taken."""
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    server = authority.sign("server", "serverAuth")
    tls = f'tls-key-file("{server.key}") tls-cert-file("{server.file}") tls-peer-verify(yes) tls-ca-file("{authority.file}")'
    hook = Hook(engine, tls)
    context = ssl.create_default_context(cafile=str(authority.file))
    certificate = authority.sign("client", "clientAuth")
    context.load_cert_chain(certificate.file, certificate.key)
    client = hook.client(context)
    client.request("POST", "/", "secret")
    assert client.getresponse().status == 200
    client.close()
    strange = ssl.create_default_context(cafile=str(authority.file))
    stranger = other.sign("client", "clientAuth")
    strange.load_cert_chain(stranger.file, stranger.key)
    for one in (strange, ssl.create_default_context(cafile=str(authority.file))):
        client = hook.client(one)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            asked(client)
        client.close()
    assert hook.raw(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")[:4] != b"HTTP"
    assert hook.running.stop().posted == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('paths(["("])', "missing ), unterminated subpattern"),
        ("paths([])", "webhook() needs a path in paths()"),
        ("tls-peer-verify(yes)", "needs tls-key-file() and tls-cert-file()"),
        ('tls-key-file("/none")', "No such file or directory"),
        ("max-size(1)", "unknown option `max_size`"),
        ("port(http)", "invalid literal for int()"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, options: str, expected: str) -> None:
    """Breaks without it: a webhook starts that takes nothing, or takes everything."""
    (tmp_path / "test.conf").write_text(CONF.format(port=8181, options=options, file="out.log"))
    done = inrush("run", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 1
    assert expected in done.stderr
    assert "webhook(ip(" in done.stderr
