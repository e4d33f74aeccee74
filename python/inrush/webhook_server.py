"""The server behind `webhook()`: connections with a thread each, and the rules of HTTP/1.1 for their requests."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
import zlib
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from inrush import Logger

if TYPE_CHECKING:
    from inrush.webhook import Webhook

logger = Logger()


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class Server:
    """The connections of a source, each with a thread."""

    def __init__(self, source: Webhook) -> None:
        self.source = source
        family = socket.AF_INET6 if ":" in source.address[0] else socket.AF_INET
        self.listener = socket.create_server(source.address, family=family, backlog=128)
        self.listener.setblocking(False)
        self.woken, self.waker = socket.socketpair()
        self.lock = threading.Lock()
        # When a connection is ended: never while its message is posted.
        self.deadlines: dict[socket.socket, float] = {}
        self.threads: set[threading.Thread] = set()
        address, port = self.listener.getsockname()[:2]
        logger.info(f"webhook: listening on {address}:{port}")

    def wake(self) -> None:
        """Ends the wait for the next connection."""
        self.waker.send(b"x")

    def serve(self) -> None:
        """Takes connections until the exit, and waits for the requests that are under way."""
        with self.listener, self.woken, self.waker, selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            selector.register(self.woken, selectors.EVENT_READ)
            while not self.source.exit_requested:
                if any(key.fileobj is self.listener for key, _ in selector.select(1.0)):
                    self.accept()
                self.end_late(time.monotonic())
        with self.lock:
            # What has not begun does not begin any more; answers can still be written.
            for connection, deadline in self.deadlines.items():
                if deadline != float("inf"):
                    shut(connection, socket.SHUT_RD)
            threads = list(self.threads)
        for thread in threads:
            thread.join()

    def accept(self) -> None:
        """Takes the connections that wait, up to the bound."""
        while True:
            try:
                connection, peer = self.listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Descriptors of the system, most often: the connection waits.
                logger.warning(f"webhook: a connection cannot be taken: {error}")
                self.source.sleep(0.1)
                return
            with self.lock:
                is_full = len(self.deadlines) >= self.source.most_connections
            if is_full:
                self.turn_away(connection)
                continue
            connection.settimeout(self.source.timeout)
            self.set_deadline(connection, self.source.timeout)
            thread = threading.Thread(target=self.talk, args=(connection, peer), name="webhook", daemon=True)
            with self.lock:
                self.threads.add(thread)
            try:
                thread.start()
            except RuntimeError:
                self.forget(connection, thread)

    def turn_away(self, connection: socket.socket) -> None:
        """Tells a client that there are too many."""
        with connection:
            if self.source.tls is None:
                answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                try:
                    connection.setblocking(False)
                    connection.send(answer)
                except OSError:
                    pass

    def talk(self, connection: socket.socket, peer: Any) -> None:
        """Serves a connection to its end."""
        own = connection
        try:
            if self.source.tls is not None:
                own = self.source.tls.wrap_socket(connection, server_side=True)
                self.replace(connection, own)
            handler = Handler(own, peer, self)  # type: ignore[arg-type]
            if handler.leaves_body:
                drain(own)
        except (OSError, ValueError) as error:
            # A client that goes, stalls or speaks something else costs itself alone.
            logger.debug(f"webhook: a connection from {peer[0]} has ended: {error}")
        finally:
            shut(own, socket.SHUT_RDWR)
            self.forget(own, threading.current_thread())

    def set_deadline(self, connection: socket.socket, seconds: float) -> None:
        """Has the connection ended after so many seconds from now."""
        with self.lock:
            self.deadlines[connection] = time.monotonic() + seconds

    def replace(self, connection: socket.socket, other: socket.socket) -> None:
        """Goes on with `other` in the place of `connection`, which it has taken over."""
        with self.lock:
            self.deadlines[other] = self.deadlines.pop(connection)

    def forget(self, connection: socket.socket, thread: threading.Thread) -> None:
        """Closes a connection."""
        with self.lock:
            self.deadlines.pop(connection, None)
            self.threads.discard(thread)
        connection.close()

    def end_late(self, now: float) -> None:
        """Ends the connections that have taken too long."""
        with self.lock:
            for connection, deadline in self.deadlines.items():
                if deadline < now:
                    shut(connection, socket.SHUT_RDWR)


def shut(connection: socket.socket, how: int) -> None:
    """Ends a connection, whoever waits for it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, how)


def drain(connection: socket.socket) -> None:
    """Takes what a client still sends, for a while: a connection that is closed before it loses its answer."""
    connection.settimeout(1.0)
    shut(connection, socket.SHUT_WR)
    until = time.monotonic() + 2.0
    while time.monotonic() < until and connection.recv(65536):
        pass


class Handler(BaseHTTPRequestHandler):
    """The requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "Inrush"
    sys_version = ""
    # An answer was given before the request was read to its end.
    leaves_body = False

    def setup(self) -> None:
        self.owner: Server = self.server  # type: ignore[assignment]
        self.source = self.owner.source
        super().setup()

    def handle_one_request(self) -> None:
        if self.source.exit_requested:
            self.close_connection = True
            return
        self.owner.set_deadline(self.connection, self.source.timeout)
        super().handle_one_request()

    def do_POST(self) -> None:
        try:
            self.source.check(self.path, self.headers)
            body = self.body()
            message = self.source.message_of(self.path, self.headers, self.client_address, body)
            self.owner.set_deadline(self.connection, float("inf"))
            self.source.deliver(message)
        except RefusedError as refused:
            self.answer(refused.status, str(refused), refused.headers)
        except RuntimeError as error:
            # The source has come to its end.
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "1"})
        else:
            self.answer(HTTPStatus.OK)

    def do_GET(self) -> None:
        self.answer(HTTPStatus.METHOD_NOT_ALLOWED, "expected POST or PUT", {"Allow": "POST, PUT"})

    do_PUT = do_POST  # noqa: N815 (the names of http.server)
    do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def handle_expect_100(self) -> bool:
        try:
            self.source.check(self.path, self.headers)
        except RefusedError as refused:
            self.answer(refused.status, str(refused), refused.headers)
            return False
        return super().handle_expect_100()

    def answer(self, status: HTTPStatus, reason: str = "", headers: dict[str, str] | None = None) -> None:
        """Answers a request; after an error the connection ends, as its body may not have been read."""
        self.owner.set_deadline(self.connection, self.source.timeout)
        content = b"" if self.command == "HEAD" else reason.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != HTTPStatus.OK or self.source.exit_requested:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.leaves_body = status != HTTPStatus.OK
        self.end_headers()
        self.wfile.write(content)

    def body(self) -> bytes:
        """The body of the request, without its codings."""
        coding = self.headers.get("Transfer-Encoding", "").strip().lower()
        lengths = self.headers.get_all("Content-Length", [])
        if coding == "chunked" and not lengths:
            body = self.chunks()
        elif coding or len(set(lengths)) > 1:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the length of the body is not clear")
        elif not lengths:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "expected Content-Length, or chunks")
        else:
            body = self.exactly(number(lengths[0], 10))
        return decoded(body, self.headers.get("Content-Encoding", ""), self.source.most_body)

    def check_length(self, length: int) -> None:
        """Refuses a body that is too long."""
        most = self.source.most_body
        if length > most:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {most} bytes")

    def exactly(self, length: int) -> bytes:
        """So many bytes."""
        self.check_length(length)
        data = self.rfile.read(length)
        if len(data) < length:
            raise OSError("the body ends too early")
        return data

    def chunks(self) -> bytes:
        """A body that comes in pieces (RFC 9112 §7.1)."""
        body = bytearray()
        while length := number(self.line().partition(b";")[0].decode("latin-1"), 16):
            self.check_length(len(body) + length)
            body += self.exactly(length)
            if self.line():
                raise RefusedError(HTTPStatus.BAD_REQUEST, "a chunk is longer than it says")
        for _ in range(100):
            if not self.line():
                return bytes(body)
        raise RefusedError(HTTPStatus.BAD_REQUEST, "too many trailers")

    def line(self) -> bytes:
        """A line of a body in pieces."""
        line = self.rfile.readline(1025)
        if not line.endswith(b"\n"):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a line of the body has no end")
        return line.rstrip(b"\r\n")

    def log_message(self, *_: Any) -> None:
        pass


def number(text: str, base: int) -> int:
    """A length, which has digits and nothing else."""
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    text = text.strip(" \t")
    if not text or len(text) > 18 or any(digit not in digits for digit in text):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "a length is no number")
    return int(text, base)


def decoded(body: bytes, coding: str, most: int) -> bytes:
    """`body` without its compression, if it is no longer than `most` bytes then."""
    bits = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(coding.strip().lower())
    if bits is None:
        if coding.strip().lower() not in ("", "identity"):
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "expected gzip or deflate",
                **{"Accept-Encoding": "gzip, deflate"},
            )
        return body
    unpacker = zlib.decompressobj(bits)
    try:
        text = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body cannot be unpacked: {error}") from None
    if len(text) > most:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {most} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body cannot be unpacked: it has no end")
    return text
