"""A server of HTTP that does everything but what it should."""

from __future__ import annotations

import random
import signal
import socket
import struct
import threading
from functools import partial

from torture.attack import Budget, Run, attack, until

CONF = """@version: current
python {{
from inrush import LogSource

class Source(LogSource):
    def run(self):
        for n in range({count}):
            self.post_message(str(n))
        print("done", flush=True)
        while not self.exit_requested:
            self.sleep(0.1)
}};
source s_test {{ python(class("Source") log-iw-size({window})); }};
destination d_test {{
    http(
        url("http://127.0.0.1:{port}/") batch-lines({lines}) time-reopen(0.01) timeout(0.3) retries(1000)
        {options}
    );
}};
log {{ source(s_test); destination(d_test); flags(flow-control); }};
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = [
    b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 504 No\r\nContent-Length: 3\r\n\r\nno\n",
    b"HTTP/1.1 429 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 No\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    b"\x16\x03\x01 no http at all",
    b"",
]


class Peer:
    """The server."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.taken: list[int] = []
        self.requests = 0
        self.is_good = False
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Serves each connection by a thread of its own, or resets it."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        """Answers requests until one of the two has enough."""
        connection.settimeout(20)
        try:
            with connection, connection.makefile("rb") as file:
                while (length := self.head(file)) is not None:
                    body = file.read(length)
                    if len(body) < length or not self.answer(connection, body):
                        return
        except OSError:
            pass

    def head(self, file: object) -> int | None:
        """The length of the body of the next request."""
        length = None
        while line := file.readline().strip():  # type: ignore[attr-defined]
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return length

    def answer(self, connection: socket.socket, body: bytes) -> bool:
        """Answers one request, well or badly; whether the connection stays."""
        with self.lock:
            self.requests += 1
            kind = (
                "ok"
                if self.is_good
                else self.chance.choice(["ok"] * 3 + ["bad"] * 3 + ["stall", "reset", "lost"])
            )
            text = self.chance.choice(BAD)
            if kind in ("ok", "lost"):
                self.taken.extend(map(int, body.splitlines()))
        if kind == "ok":
            connection.sendall(OK)
            return True
        if kind == "bad":
            connection.sendall(text)
            return text.startswith(b"HTTP") and b"Content-Length: 0" in text
        if kind == "stall":
            connection.recv(1)
        elif kind == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


@attack(
    "http",
    "nothing is missing, the order stays, and what comes twice is what the server took and did not say",
    short=Budget(count=2),
    long=Budget(seconds=300),
)
def http(run: Run) -> None:
    """A source posts through `http()` to a server that fails in all ways, over reloads with other options."""
    for _ in run.rounds():
        one_round(run)


def one_round(run: Run) -> None:
    """One server and one engine, to the sum at the end."""
    chance, peer = run.random, Peer(run.random)
    count, window = chance.choice([300, 2000]), chance.choice([7, 200, 10_000])
    lines = chance.choice([1, 10, 100])
    values = {"count": count, "window": window, "port": peer.port, "lines": lines}
    engine = run.engine(CONF.format(options="", **values))
    for reload in range(chance.randint(0, 4)):
        enough = peer.requests + 5
        until(partial(has_gone_on, peer, enough, count), "requests", engine)
        options = chance.choice(
            ["", "content-compression(identity)", "delimiter('\n')", f"user('u{reload}')"]
        )
        (run.directory / "torture.conf").write_text(CONF.format(options=options, **values))
        engine.send_signal(signal.SIGHUP)
    peer.is_good = True
    until(lambda: len(set(peer.taken)) == count, "all messages", engine)
    totals = engine.stop()
    assert (totals.posted, totals.delivered) == (count, count), totals
    with peer.lock:
        assert list(dict.fromkeys(peer.taken)) == list(range(count)), "the order"
        run.add("delivered", count)
        run.add("twice", len(peer.taken) - count)
    peer.listener.close()
    run.close()


def has_gone_on(peer: Peer, requests: int, count: int) -> bool:
    """More requests than that have come, or all messages."""
    return peer.requests > requests or len(peer.taken) >= count
