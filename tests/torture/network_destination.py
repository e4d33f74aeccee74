"""A server that stalls, closes, resets, answers, and is away, in any order."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

from torture.attack import Budget, Run, attack, resident, until

REOPEN = 0.05
# Two sources; what is in flight of the large one is more than the buffers of a connection hold.
CONF = """@version: current
options {{ time-reopen({reopen}); }};
python {{
from syslogng import LogSource

class Source(LogSource):
    def init(self, options):
        self.who, self.rest = options["who"], "x" * options["size"]
        return True

    def run(self):
        n = 0
        while not self.exit_requested:
            for _ in range(20):
                self.post_message(f"{{self.who}} {{n}} {{self.rest[:n % len(self.rest)]}}")
                n += 1
            self.sleep(0.005)
}};
source s_small {{ python(class("Source") options(who("small") size(40)) log-iw-size(5000) persist-name("small")); }};
source s_large {{ python(class("Source") options(who("large") size(9000)) log-iw-size(500) persist-name("large")); }};
log {{
    source(s_small); source(s_large);
    destination {{ network("127.0.0.1" port({port}) template("$MSG\\n") so-sndbuf(32768)); }};
    flags(flow-control);
}};
"""
# The window of both sources, the pools of the engine, and the interpreter.
MEMORY = 200 << 10
# The receive buffer of the server, of which Linux makes twice as much.
BUFFER = 32 << 10
SLACK = 10.0


@dataclass
class Connection:
    """A connection, with what it has read."""

    socket: socket.socket
    data: bytearray = field(default_factory=bytearray)
    is_open: bool = True


class Server:
    """A server in one thread, to which troubles happen between its reads."""

    def __init__(self) -> None:
        self.listener: socket.socket | None = None
        self.port = 0
        self.connections: list[Connection] = []
        self.lock = threading.Lock()
        self.stalls = False
        self.ends = False
        self.listen()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def listen(self) -> None:
        """Accepts connections from now on."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self.listener = listener

    def _run(self) -> None:
        while not self.ends:
            with self.lock:
                self._round()
            time.sleep(0.001)

    def _round(self) -> None:
        if self.listener is not None:
            with contextlib.suppress(BlockingIOError):
                accepted, _ = self.listener.accept()
                accepted.setblocking(False)
                self.connections.append(Connection(accepted))
        if self.stalls:
            return
        with selectors.DefaultSelector() as selector:
            for connection in self.connections:
                if connection.is_open:
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
            for key, _ in selector.select(0) if selector.get_map() else []:
                self.read(key.data)

    @staticmethod
    def read(connection: Connection) -> None:
        """Reads what there is."""
        for _ in range(64):
            try:
                data = connection.socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                connection.is_open = False
                connection.socket.close()
                return
            connection.data += data

    def newest(self) -> Connection | None:
        """The connection that was accepted last, if it is open."""
        return self.connections[-1] if self.connections and self.connections[-1].is_open else None

    def received(self) -> int:
        """The number of bytes that came."""
        with self.lock:
            return sum(len(connection.data) for connection in self.connections)

    def close(self) -> None:
        """Reads what comes until nothing is open any more, and ends."""
        self.ends = True
        self.thread.join()
        for connection in self.connections:
            while connection.is_open:
                self.read(connection)
                time.sleep(0.001)
        if self.listener is not None:
            self.listener.close()


def closed(server: Server, run: Run) -> int:
    """Its half is closed; what still comes is read."""
    with server.lock:
        if connection := server.newest():
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
    return 0


def answered(server: Server, run: Run) -> int:
    """It sends what nobody wants."""
    with server.lock:
        if connection := server.newest():
            with contextlib.suppress(OSError):
                connection.socket.send(b"x" * run.random.randint(1, 10_000))
    return 0


def reset(server: Server, run: Run) -> int:
    """The connection is reset, with what came since the last read."""
    with server.lock:
        connection = server.newest()
        if connection is None:
            return 0
        server.read(connection)
        if connection.is_open:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.socket.close()
            connection.is_open = False
    return 1


def stalled(server: Server, run: Run) -> int:
    """Nothing is read for a while; then perhaps it is reset."""
    server.stalls = True
    time.sleep(run.random.uniform(0, 0.5))
    lost = reset(server, run) if run.random.random() < 0.3 else 0
    server.stalls = False
    return lost


def away(server: Server, run: Run) -> int:
    """Nobody listens for a while, and the connection is closed."""
    with server.lock:
        assert server.listener is not None
        server.listener.close()
        server.listener = None
    closed(server, run)
    time.sleep(run.random.choice([0, 0.01, run.random.uniform(0, 0.5)]))
    with server.lock:
        server.listen()
    return 0


@attack(
    "network-destination",
    "nothing missing but what a reset server had not read, order kept in each connection, memory bounded",
    short=Budget(count=12),
    long=Budget(count=2000),
)
def network_destination(run: Run) -> None:
    """Trouble after trouble for the server that two sources send to."""
    server, resets = Server(), 0
    try:
        engine = run.engine(CONF.format(port=server.port, reopen=REOPEN))
        until(lambda: server.received() > 0, "the first line", engine)
        for _ in run.rounds():
            trouble = run.random.choice([closed, answered, reset, stalled, away])
            resets += trouble(server, run)
            before = server.received()
            taken = until(partial(grows, server, before), f"lines after {trouble.__name__}", engine)
            assert taken < REOPEN + 1 + SLACK, f"{taken} s to write again after {trouble.__name__}"
            run.add(trouble.__name__)
            run.most("slowest recovery", taken, "s")
            run.most("memory", resident(engine) / 1024, "MiB")
            assert resident(engine) < MEMORY, "memory that grows"
        totals = engine.stop()
    finally:
        server.close()
    assert totals.in_flight == totals.dropped == 0, totals
    check(run, server, totals.posted, resets)


def grows(server: Server, before: int) -> bool:
    """True when more has come since."""
    return server.received() > before


def check(run: Run, server: Server, posted: int, resets: int) -> None:
    """Each number has come, and in each connection they rise."""
    numbers: dict[bytes, set[int]] = defaultdict(set)
    lines, lost = 0, 0
    for connection in server.connections:
        last: dict[bytes, int] = {}
        for line in bytes(connection.data).split(b"\n")[:-1]:
            who, number, rest = line.split(b" ", 2)
            assert rest == b"x" * (int(number) % (40 if who == b"small" else 9000)), "a line that was changed"
            assert int(number) > last.get(who, -1), "a line that changed its place"
            last[who] = int(number)
            numbers[who].add(int(number))
            lines += 1
    different = sum(map(len, numbers.values()))
    for of_source in numbers.values():
        missing = sorted(set(range(max(of_source) + 1)) - of_source)
        lost += len(missing)
    run.figures["lines"], run.figures["twice"] = lines, lines - different
    run.figures["lost in resets"] = lost
    assert different + lost == posted, (different, lost, posted)
    # A line of the small source has 30 bytes on average.
    assert lost <= resets * 2 * BUFFER // 20, f"{lost} lines are missing after {resets} resets"
