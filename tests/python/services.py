"""Services of the web as small servers, which answer as their documentation says and keep what they were sent."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from certificates import Certificate


@dataclass
class Request:
    """A request as it came."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    host: str


class WrongError(Exception):
    """What a service does not take, with its answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def demand(condition: object, status: int, text: str) -> None:
    """Answers with an error unless the condition holds."""
    if not condition:
        raise WrongError(status, text)


Answer = Callable[[Request], tuple[int, str]]


class Service:
    """A server whose requests `answer` gets. With a certificate it is a proxy as well, behind which it stands
    for the host that was asked for, over TLS."""

    def __init__(self, answer: Answer, certificate: Certificate | None = None) -> None:
        self.requests: list[Request] = []
        self.refused: list[str] = []
        self.lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            tunnel = ""

            def do_CONNECT(self) -> None:
                assert certificate is not None
                self.send_response(200)
                self.end_headers()
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate.file, certificate.key)
                self.tunnel = self.path
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.setup_streams()

            def setup_streams(self) -> None:
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)
                self.close_connection = False

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                url = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(url.path, parse_qs(url.query), headers, body, self.tunnel)
                with service.lock:
                    try:
                        status, text = answer(request)
                    except WrongError as wrong:
                        status, text = wrong.status, wrong.text
                        service.refused.append(text)
                    service.requests.append(request)
                content = text.encode()
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def finish(self) -> None:
                super().finish()
                self.connection.close()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
