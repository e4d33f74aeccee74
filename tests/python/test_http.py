"""`http()` as a destination, on a real engine, with the standard library's server as its peer."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import EXAMPLES, PATIENCE, StartEngine, source_that

Answer = Callable[[int, bytes], tuple[int, bytes]]


class Service:
    """A server that keeps the bodies of requests, and answers as a test says."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()
        self.is_closed = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                with service.lock:
                    if service.is_closed:
                        # Connections that are kept open end, too, without an answer.
                        self.close_connection = True
                        return
                    status, text = answer(len(service.bodies), body)
                    service.bodies.append(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port: int = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        with self.lock:
            self.is_closed = True
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Callable[..., Service]]:
    """Starts services, and ends them."""
    services: list[Service] = []

    def start(answer: Answer = lambda number, body: (200, b""), port: int = 0) -> Service:
        services.append(Service(answer, port))
        return services[-1]

    yield start
    for one in services:
        one.close()


def to_http(conf: str, driver: str) -> str:
    """The configuration with `http()` instead of its file."""
    own = 'file("out.log" template("$MSG\\n"))'
    assert own in conf
    return conf.replace(own, driver)


def test_the_example_sends_arrays_of_json(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: the example does not run, or a service cannot read what it is sent."""
    peer = service()
    conf = (EXAMPLES / "http_destination.conf").read_text()
    assert ":8080" in conf
    running = engine(conf.replace(":8080", f":{peer.port}"))

    def count() -> int:
        with peer.lock:
            return sum(len(json.loads(body)) for body in peer.bodies)

    running.wait_until(lambda: count() == 1000, "all messages")
    assert all(len(json.loads(body)) <= 100 for body in peer.bodies)
    assert json.loads(peer.bodies[0])[0]["text"] == "an example"
    assert running.stop().delivered == 1000


def test_a_server_that_fails_and_comes_back_gets_everything_in_order(
    engine: StartEngine, service: Callable[..., Service]
) -> None:
    """Breaks without it: messages are lost or change places while a server is gone, and the source is not held
    back."""
    peer = service(lambda number, body: (500 if number % 3 == 1 else 200, b"no"))
    body = "for number in range(3000):\n    self.post_message(str(number))\n"
    driver = f'http(url("http://127.0.0.1:{peer.port}/") batch-lines(100) time-reopen(0.05))'
    running = engine(to_http(source_that(body, driver="log-iw-size(500)"), driver))
    running.wait_until(lambda: len(peer.bodies) > 5, "requests")
    peer.close()
    again = service(port=peer.port)
    running.wait_until(lambda: any(body.endswith(b"2999") for body in again.bodies), "the end")
    assert running.stop().delivered == 3000
    taken = [body for number, body in enumerate(peer.bodies) if number % 3 != 1] + again.bodies
    numbers = [int(line) for body in taken for line in body.splitlines()]
    # A request whose answer got lost came twice.
    assert list(dict.fromkeys(numbers)) == list(range(3000))
    assert len(numbers) <= 3100


def test_documents_that_are_refused_go_to_a_file(
    engine: StartEngine, service: Callable[..., Service]
) -> None:
    """Breaks without it: what Elasticsearch refused counts as delivered, or nobody sees it."""

    def bulk(number: int, body: bytes) -> tuple[int, bytes]:
        documents = [json.loads(line) for line in body.splitlines()[1::2]]
        items = [{"index": {"status": 400 if "7" in it["n"] else 201}} for it in documents]
        errors = any(item["index"]["status"] == 400 for item in items)
        return 200, json.dumps({"errors": errors, "items": items}).encode()

    peer = service(bulk)
    body = "for number in range(100):\n    self.post_message(str(number))\n"
    driver = (
        f'http(url("http://127.0.0.1:{peer.port}/logs/_bulk") batch-lines(20) delimiter("")'
        ' body("{\\"index\\":{}}\\n{\\"n\\":\\"$MSG\\"}\\n") on-reject(destination(d_refused)))'
    )
    conf = to_http(source_that(body), driver)
    conf += 'destination d_refused { file("refused.log" template("$MSG ${.reject.status}\\n")); };\n'
    running = engine(conf)
    refused = [f"{number} 400" for number in range(100) if "7" in str(number)]
    path = running.directory / "refused.log"
    running.wait_until(lambda: path.exists() and path.read_text().splitlines() == refused, "what is refused")
    totals = running.stop()
    assert (totals.posted, totals.rejected, totals.delivered) == (100, 19, 81)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_same_request_as_curl(engine: StartEngine, service: Callable[..., Service]) -> None:
    """Breaks without it: a body is not the bytes that another client sends."""
    peer = service()
    text = "caf\u00e9 = 100% & more"
    subprocess.run(
        ["curl", "-sS", "--data-binary", text, f"http://127.0.0.1:{peer.port}/"], check=True, timeout=PATIENCE
    )
    running = engine(
        to_http(source_that(f"self.post_message({text!r})\n"), f'http(url("http://127.0.0.1:{peer.port}/"))')
    )
    running.wait_until(lambda: len(peer.bodies) == 2, "the request")
    running.stop()
    assert peer.bodies[0] == peer.bodies[1]
