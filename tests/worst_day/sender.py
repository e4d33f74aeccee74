"""The senders: numbered messages over TCP, over RELP, or into a file, and what is acknowledged to them.

`allow` says up to which number a sender may go; its thread sends at a fixed rate, connects again as long as it has to,
and begins each connection at the first message that is not acknowledged. Acknowledged means, of

* TCP: the collector has read it. Plain TCP has no other answer, and a sender sees even less: `SIOCOUTQ` of its socket
  is what the far *system* has not confirmed, and 0 of it only says that everything lies in that system's buffer. Both
  ends are on one machine here, so what the collector has not yet read (the receive queue of `/proc/net/tcp`) is taken
  off, too. Whatever is lost of the rest is the collector's: no sender could know that it has to be sent again.
* RELP: the collector has answered it with 200.
* a file: it is written. The file stays where it is, so a collector has only to know how far it was.
"""

from __future__ import annotations

import fcntl
import re
import socket
import struct
import termios
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worst_day.messages import line

TICK = 0.002
# Messages in one write, at most.
BATCH = 50
# Longer than a system delays its confirmations.
SETTLED = 0.3
# Messages of RELP without an answer.
WINDOW = 128
ESTABLISHED = "01"


class Sender:
    """A thread that sends, with a limit that others set."""

    def __init__(self, name: str, rate: float) -> None:
        self.name, self.rate = name, rate
        self.allowed = self.acknowledged = self.resent = 0
        self.highest = self.turns = 0
        self.is_held = self.ends = False
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self._run, name="sender")

    def start(self) -> None:
        """Begins; nothing is sent before something is allowed."""
        self.thread.start()

    def allow(self, count: int) -> None:
        """Lets it send so many messages in all."""
        self.allowed = max(self.allowed, count)

    def close(self) -> None:
        """Ends the thread."""
        self.ends = True
        self.thread.join()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Sends nothing meanwhile; at the begin it is known what is acknowledged, if the collector stands still."""
        self.is_held = True
        time.sleep(SETTLED)
        turns = self.turns + 2
        while self.turns < turns and not self.ends:
            time.sleep(TICK)
        yield
        self.is_held = False

    def _run(self) -> None:
        raise NotImplementedError

    def _turn(self) -> None:
        """The pause after each look."""
        self.turns += 1
        time.sleep(TICK)

    def _due(self, following: int) -> range:
        """The numbers that may be sent now, by the limit and the rate."""
        now = time.monotonic()
        count = min(BATCH, int((now - self.began) * self.rate))
        numbers = range(following, max(following, min(self.allowed, following + count)))
        if self.is_held or not numbers:
            # What is not allowed now is not made up for later.
            self.began = max(self.began, now - BATCH / self.rate)
            return range(0)
        self.began = max(self.began + len(numbers) / self.rate, now - BATCH / self.rate)
        self.resent += max(0, min(self.highest, numbers.stop) - numbers.start)
        self.highest = max(self.highest, numbers.stop)
        return numbers


class Connected(Sender):
    """A sender with a connection, which is opened again and again."""

    def __init__(self, name: str, rate: float, port: int) -> None:
        super().__init__(name, rate)
        self.port = port

    def _run(self) -> None:
        while not self.ends:
            self._turn()
            if self.acknowledged >= self.allowed or self.is_held:
                continue
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                    connection.setblocking(False)
                    self._session(connection)
            except OSError:
                time.sleep(0.02)

    def _session(self, connection: socket.socket) -> None:
        raise NotImplementedError


class TcpSender(Connected):
    """Lines over TCP."""

    def _session(self, connection: socket.socket) -> None:
        """One connection, to its end."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 10)
        first, ends, pending, written = self.acknowledged, [0], b"", 0
        while not self.ends:
            if not pending:
                for number in self._due(first + len(ends) - 1):
                    pending += line(self.name, number) + b"\n"
                    ends.append(written + len(pending))
            try:
                if pending and not self.is_held:
                    count = connection.send(pending)
                    written, pending = written + count, pending[count:]
            except BlockingIOError:
                pass
            if (read := read_by_peer(connection, written)) is not None:
                self.acknowledged = max(self.acknowledged, first + bisect_right(ends, read) - 1)
            if is_closed(connection):
                return
            self._turn()


class RelpSender(Connected):
    """RELP: each message is a transaction, which the collector answers."""

    def _session(self, connection: socket.socket) -> None:
        """One connection, to its end."""
        offer = b"relp_version=0\nrelp_software=worst-day\ncommands=syslog"
        pending, received = b"1 open %d %s\n" % (len(offer), offer), b""
        first, following, is_open = self.acknowledged, self.acknowledged, False
        answered: set[int] = set()
        while not self.ends:
            if is_open and not pending and following - self.acknowledged < WINDOW:
                for number in self._due(following):
                    data = line(self.name, number)
                    pending += b"%d syslog %d %s\n" % (number - first + 2, len(data), data)
                    following = number + 1
            try:
                pending = pending[connection.send(pending) :] if pending else b""
                if not (more := connection.recv(1 << 16)):
                    return
                received += more
            except BlockingIOError:
                pass
            answers, received = relp_answers(received)
            for transaction, code in answers:
                if code != b"200":
                    return
                is_open = is_open or transaction == 1
                answered.add(first + transaction - 2)
            while self.acknowledged in answered:
                answered.remove(self.acknowledged)
                self.acknowledged += 1
            self._turn()


class FileSender(Sender):
    """Lines at the end of a file."""

    def __init__(self, name: str, rate: float, path: Path) -> None:
        super().__init__(name, rate)
        self.path = path

    def _run(self) -> None:
        with self.path.open("ab", buffering=0) as file:
            while not self.ends:
                numbers = self._due(self.acknowledged)
                if numbers:
                    file.write(b"".join(line(self.name, number) + b"\n" for number in numbers))
                    self.acknowledged = numbers.stop
                self._turn()


def relp_answers(received: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The answers in what has come, as transaction and code, and what is left."""
    answers: list[tuple[int, bytes]] = []
    while found := re.match(rb"(\d+) (\w+) (\d+)(?: |(?=\n))", received):
        end = found.end() + int(found[3])
        if len(received) <= end:
            break
        if found[2] == b"rsp":
            answers.append((int(found[1]), received[found.end() : end].split(b" ")[0]))
        elif found[2] == b"serverclose":
            answers.append((0, b"close"))
        received = received[end + 1 :]
    return answers, received


def read_by_peer(connection: socket.socket, written: int) -> int | None:
    """The bytes of a connection that the far process has read, as far as is known; None when it is closed."""
    # First what is under way: what arrives meanwhile is then counted as not read, and never the other way round.
    unconfirmed: int = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]
    (own, own_port), (far, far_port) = connection.getsockname(), connection.getpeername()
    pair = f" {address(far, far_port)} {address(own, own_port)} {ESTABLISHED} "
    for row in Path("/proc/net/tcp").read_text().splitlines():
        if pair in row:
            unread = int(row.split()[4].split(":")[1], 16)
            return max(0, written - unconfirmed - unread)
    return None


def address(ip: str, port: int) -> str:
    """An address as `/proc/net/tcp` has it."""
    return f"{struct.unpack('=I', socket.inet_aton(ip))[0]:08X}:{port:04X}"


def is_closed(connection: socket.socket) -> bool:
    """True when the far end has closed."""
    try:
        return connection.recv(1 << 12) == b""
    except BlockingIOError:
        return False
