"""A source that speaks RELP: a message is answered when it was delivered, or is in the buffer on the disk.

It is a block of the configuration, the same of Inrush and of syslog-ng, and shows what a user has to write for
senders that are to be answered. RELP numbers the transactions of a connection from 1 on; each frame is

    TRANSACTION COMMAND LENGTH[ DATA]LF
"""

import re
import socket
import threading
from typing import Any

from syslogng import ConsecutiveAckTracker, LogMessage, LogSource

FRAME = re.compile(rb"(\d+) (\w+) (\d+)(?: |(?=\n))")


class Relp(LogSource):
    """One connection after the other."""

    def init(self, options: dict[str, Any]) -> bool:
        """Takes the port."""
        self.port = int(options["port"])
        self.exiting = threading.Event()
        self.lock = threading.Lock()
        self.connection: socket.socket | None = None
        self.connections = self.answered = 0
        self.ack_tracker = ConsecutiveAckTracker(self.acked)
        return True

    def request_exit(self) -> None:
        """Ends run()."""
        self.exiting.set()

    def run(self) -> None:
        """Accepts connections."""
        with socket.create_server(("127.0.0.1", self.port)) as server:
            server.settimeout(0.2)
            while not self.exiting.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        """Reads one connection to its end."""
        connection.settimeout(0.2)
        with self.lock:
            self.connection, self.answered = connection, 1
            self.connections += 1
        received = b""
        while not self.exiting.is_set():
            try:
                more = connection.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                return
            if not more:
                return
            received = self.take(received + more)

    def take(self, received: bytes) -> bytes:
        """Takes the frames that are whole, and gives back the rest."""
        while found := FRAME.match(received):
            end = found.end() + int(found[3])
            if len(received) <= end:
                break
            data, received = received[found.end() : end], received[end + 1 :]
            if found[2] == b"syslog":
                message = LogMessage(data.decode())
                message.set_bookmark((self.connections, int(found[1])))
                self.post_message(message)
            elif found[2] == b"open":
                self.answer(int(found[1]), b"200 OK\nrelp_version=0\ncommands=syslog")
        return received

    def acked(self, bookmark: Any) -> None:
        """Answers everything up to a message that was acknowledged."""
        connection, transaction = bookmark
        with self.lock:
            if connection != self.connections:
                return
            first, self.answered = self.answered + 1, transaction
        for number in range(first, transaction + 1):
            self.answer(number, b"200 OK")

    def answer(self, transaction: int, text: bytes) -> None:
        """One answer; one that does not get through is asked for again on the next connection."""
        try:
            assert self.connection is not None
            self.connection.sendall(b"%d rsp %d %s\n" % (transaction, len(text), text))
        except OSError:
            pass
