"""The destination: a TCP receiver in a thread that can be away, stall and come back, and knows what it got.

Lines end at a line feed. What a broken connection leaves of a line is no message: it is counted (`cut`), since every
collector that is killed while it writes leaves one. A line that does end, and is no message of the sender, is torn.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field

from worst_day.messages import number_of

# Small buffers: what the receiver does not read is soon the collector's business. Linux takes twice as much.
BUFFER = 32 << 10
# Of lines that are no message, so many are kept to be looked at.
KEPT = 5


@dataclass
class Record:
    """Whatever arrived, with the time of each first copy."""

    sender: str
    first: dict[int, float] = field(default_factory=dict)
    repeated: int = 0
    out_of_order: int = 0
    torn: int = 0
    cut: int = 0
    samples: list[str] = field(default_factory=list)
    highest: int = -1
    latest: float = field(default_factory=time.monotonic)

    def add(self, line: bytes) -> None:
        """Takes one line."""
        number = number_of(self.sender, line)
        if number is None:
            self.torn += 1
            if len(self.samples) < KEPT:
                self.samples.append(line[:60].decode(errors="backslashreplace"))
            return
        if number in self.first:
            self.repeated += 1
            return
        self.latest = self.first[number] = time.monotonic()
        if number < self.highest:
            self.out_of_order += 1
        self.highest = max(self.highest, number)


@dataclass
class Connection:
    """A connection with the part of a line that has come."""

    socket: socket.socket
    rest: bytes = b""


class Receiver:
    """A server in one thread, which does as it is told between two reads."""

    def __init__(self, sender: str) -> None:
        self.record = Record(sender)
        self.connections: list[Connection] = []
        self.listener: socket.socket | None = None
        self.port = 0
        self.stalls = False
        self.ends = False
        self.lock = threading.Lock()
        self.come()
        self.thread = threading.Thread(target=self._run, name="receiver")
        self.thread.start()

    def come(self) -> None:
        """Listens from now on."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        with self.lock:
            self.listener = listener

    def go_away(self) -> None:
        """Reads what has come, and closes everything: connections are refused from now on."""
        with self.lock:
            if self.listener is not None:
                self.listener.close()
                self.listener = None
            for connection in list(self.connections):
                self._read(connection)
            for connection in list(self.connections):
                self._end(connection)

    def stall(self) -> None:
        """Accepts connections, and reads nothing."""
        self.stalls = True

    def go_on(self) -> None:
        """Reads again."""
        self.stalls = False

    def close(self) -> None:
        """Ends the thread and every socket."""
        self.ends = True
        self.thread.join()
        self.go_away()

    def _run(self) -> None:
        while not self.ends:
            with self.lock:
                self._round()
            time.sleep(0.001)

    def _round(self) -> None:
        if self.listener is not None:
            with contextlib.suppress(OSError):
                accepted, _ = self.listener.accept()
                accepted.setblocking(False)
                self.connections.append(Connection(accepted))
        if self.stalls or not self.connections:
            return
        with selectors.DefaultSelector() as selector:
            for connection in self.connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            ready = [key.data for key, _ in selector.select(0)]
        for connection in ready:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        """Reads what there is, or the end."""
        for _ in range(64):
            try:
                data = connection.socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._end(connection)
                return
            *lines, connection.rest = (connection.rest + data).split(b"\n")
            for line in lines:
                self.record.add(line)

    def _end(self, connection: Connection) -> None:
        """Closes one connection, with what it leaves of a line."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        connection.socket.close()
        if connection.rest:
            self.record.cut += 1
