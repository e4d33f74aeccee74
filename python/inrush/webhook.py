"""The source behind `webhook()`: requests of HTTP are messages.

```
connection ─► a thread: request line, headers ─► path, token ─► body ─► post_message() ─► 200
                                                  404     401   413 415    waits for credit
```

A request is answered when its message was taken; with `wait-for-delivery(yes)`, when it was acknowledged. What no
message can be made of is answered with an error, and posts nothing. Everything that a client decides has a bound:
connections, the time of a request, its headers, parameters and body. The server is in `webhook_server`.
"""

from __future__ import annotations

import hmac
import json
import re
import ssl
import threading
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from inrush import InstantAckTracker, LogMessage, LogSource
from inrush.webhook_server import RefusedError, Server

__all__ = ["Webhook"]

# The bounds of what is no option.
MOST_PATH = 8192
MOST_PARAMETERS = 64
MOST_NAME = 200
# How long a changed source waits for its predecessor to leave the port.
PORT_PATIENCE = 10.0


class Webhook(LogSource):
    """Posts the body of each request to one of its paths."""

    server: Server | None = None
    tls: ssl.SSLContext | None = None

    @staticmethod
    def generate_persist_name(options: dict[str, Any]) -> str:
        """Two of them are told apart by where they listen."""
        return f"webhook({options['ip']}:{port_of(options)})"

    def init(self, options: dict[str, Any]) -> bool:
        """Reads the options; what is wrong with them refuses the configuration."""
        self.address = str(options["ip"]), port_of(options)
        self.paths = [re.compile(path) for path in listed(options["paths"])]
        self.tokens = [token.encode() for token in listed(options["auth_token"])]
        self.proxy_header: str = options["proxy_header"]
        self.keeps_headers: bool = options["include_request_headers"]
        self.most_body: int = options["max_body_size"]
        self.most_connections: int = options["max_connections"]
        self.timeout = float(options["timeout"])
        self.waits: bool = options["wait_for_delivery"]
        if not self.paths:
            raise ValueError("webhook() needs a path in paths()")
        if options["tls_key_file"] or options["tls_cert_file"]:
            self.tls = context_of(options)
        elif options["tls_peer_verify"]:
            raise ValueError("tls-peer-verify(yes) needs tls-key-file() and tls-cert-file()")
        if self.waits:
            self.ack_tracker = InstantAckTracker(threading.Event.set)
        self.set_transport_name("https" if self.tls else "http")
        return True

    def run(self) -> None:
        """Serves until the exit, then lets the requests that are under way end."""
        server = self.listening()
        if server is not None:
            self.server = server
            server.serve()

    def listening(self) -> Server | None:
        """A server that listens; None where the exit comes first."""
        until = time.monotonic() + PORT_PATIENCE
        while True:
            try:
                return Server(self)
            except OSError as error:
                if time.monotonic() > until:
                    raise OSError(f"cannot listen on {self.address[0]}:{self.address[1]}: {error}") from None
                if self.sleep(0.1):
                    return None

    def request_exit(self) -> None:
        """Ends the wait for the next connection."""
        if self.server is not None:
            self.server.wake()

    def message_of(self, path: str, headers: Any, peer: tuple[str, int], body: bytes) -> LogMessage:
        """The message of a request."""
        url = urlsplit(path)
        match = next((found for one in self.paths if (found := one.fullmatch(url.path))), None)
        if match is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such path")
        message = LogMessage(body)
        for name, value in match.groupdict().items():
            if value is not None:
                message[name] = unquote(value)
        for name, values in parameters(url.query).items():
            message["webhook.query." + name] = values[0] if len(values) == 1 else values
        if self.keeps_headers:
            texts = {name.lower(): headers.get_all(name) for name in headers}
            message["webhook.headers"] = json.dumps(texts, ensure_ascii=False)
        address, port = peer[0].removeprefix("::ffff:"), peer[1]
        forwarded = headers.get(self.proxy_header) if self.proxy_header else None
        # The last one is what the nearest proxy has seen; those before it are what others say.
        if not forwarded or not message.set_source_ipaddress(forwarded.rpartition(",")[2].strip(), 0):
            message.set_source_ipaddress(address, port)
        message.set_recvd_rawmsg_size(len(body))
        return message

    def check(self, path: str, headers: Any) -> None:
        """Refuses a request before its body is read."""
        if len(path) > MOST_PATH:
            raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "the path is too long")
        if not any(one.fullmatch(urlsplit(path).path) for one in self.paths):
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such path")
        given = headers.get("Authorization", "").rpartition(" ")[2].encode("utf-8", "replace")
        # Each is compared: the time says nothing of which one is near.
        matches = sum(hmac.compare_digest(given, token) for token in self.tokens)
        if self.tokens and not matches:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "no such token", **{"WWW-Authenticate": "Bearer"})

    def deliver(self, message: LogMessage) -> None:
        """Posts a message; comes back when it was taken, or delivered."""
        if not self.waits:
            self.post_message(message)
            return
        done = threading.Event()
        self.post_message(message, bookmark=done)
        self.close_batch()
        if not done.wait(self.timeout):
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, "not delivered in time", **{"Retry-After": "1"}
            )


def parameters(query: str) -> dict[str, list[str]]:
    """The parameters of a query, each with its values."""
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"expected at most {MOST_PARAMETERS} parameters") from None
    for name, value in pairs:
        if not name or len(name.encode()) > MOST_NAME:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"a parameter has a name of 1 to {MOST_NAME} bytes")
        found.setdefault(name, []).append(value)
    return found


def port_of(options: dict[str, Any]) -> int:
    """The port that is written, or that of the protocol."""
    return int(options["port"] or (443 if options["tls_key_file"] else 80))


def listed(value: str | list[str]) -> list[str]:
    """A list of texts, of which one may be written alone, and none as an empty text."""
    return [one for one in ([value] if isinstance(value, str) else value) if one]


def context_of(options: dict[str, Any]) -> ssl.SSLContext:
    """What the options of TLS say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        options["tls_cert_file"] or options["tls_key_file"], options["tls_key_file"] or None
    )
    if options["tls_peer_verify"]:
        context.verify_mode = ssl.CERT_REQUIRED
        file, directory = options["tls_ca_file"] or None, options["tls_ca_dir"] or None
        if file or directory:
            context.load_verify_locations(file, directory)
        elif not options["tls_use_system_cert_store"]:
            raise ValueError(
                "tls-peer-verify(yes) needs tls-ca-file(), tls-ca-dir() or tls-use-system-cert-store(yes)"
            )
        if options["tls_use_system_cert_store"]:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return context
