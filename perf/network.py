"""Sockets, files and servers: what the engines' own drivers receive, follow and send, and a whole collector.

Both engines have the same drivers with the same options, at their best: windows that are large enough, and
buffers of sockets as large as the system lets them be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from perf.kinds import DEFAULT_FORMAT, Case, Crowd, Cycles, Datagrams, Following, Sending, Serving
from perf.loops import plain
from perf.sources import collector, texts

POSTED = "log-iw-size(100000)"
WINDOW = "log-iw-size(100000) log-fetch-limit(1000)"
TCP = f'network(ip(127.0.0.1) port({{port}}) transport("tcp") flags(no-parse) {WINDOW})'
SYSLOG = f'syslog(ip(127.0.0.1) port({{port}}) transport("tcp") keep-hostname(yes) {WINDOW})'
UDP = f'network(ip(127.0.0.1) port({{port}}) transport("udp") flags(no-parse) so-rcvbuf(8388608) {WINDOW})'
FILE = f'file("{{directory}}/in.log" follow-freq(0.01) flags(no-parse) {WINDOW})'
CROWD = 'network(ip(127.0.0.1) port({port}) transport("tcp") flags(no-parse) max-connections(2000) log-iw-size(200000))'
CONNECTIONS = 2000
EIGHT = 8
TEXT = 'template("$MSG\\n")'
LINE = 256


def frames(messages: list[str]) -> list[str]:
    """Octet counting: the length before each message."""
    return [f"{len(message.encode())} {message}" for message in messages]


def framed(messages: Cycles) -> list[list[str]]:
    """The same of each connection."""
    return [frames(cycle) for cycle in messages()]


def syslog_messages() -> list[list[str]]:
    """RFC 5424 as it is sent."""
    return [texts.syslog_lines("rfc5424")]


def syslog_defaults() -> list[list[str]]:
    """What the default template makes of it, behind date and host."""
    return [[f"evntslog[{number}]: An application event log entry" for number in range(1000, 2000)]]


def streams() -> Iterator[Case]:
    """Lines over TCP to a file: the engines' own source, with one connection and with eight."""
    receive = Serving(
        rival="receive",
        count=4_000_000,
        source="the limit",
        spec={"size": LINE - 1},
        cycles=partial(plain, LINE - 1),
        line=LINE,
        load="stream",
    )
    ours = replace(receive, rival="inrush", source=TCP)
    yield Case(
        "network_file_256",
        "network",
        "256-byte lines over one TCP connection to a file: `network()`",
        (receive, ours, replace(ours, rival="syslog-ng", count=250_000)),
        metric="bytes",
    )
    eight = partial(plain, LINE - 1, EIGHT, tagged=True)
    receive, ours = (replace(run, cycles=eight, unit=EIGHT * 1000) for run in (receive, ours))
    yield Case(
        "network_eight_file_256",
        "network",
        "256-byte lines over eight TCP connections to a file: `network()`",
        (receive, ours, replace(ours, rival="syslog-ng", count=256_000)),
        metric="bytes",
    )


def parsed() -> Iterator[Case]:
    """Messages that are parsed on their way: with the default template, and in a collector."""
    ours = Serving(
        rival="inrush",
        count=1_000_000,
        source=SYSLOG,
        cycles=syslog_defaults,
        sent=partial(framed, syslog_messages),
        template=DEFAULT_FORMAT,
        line=len(frames(syslog_messages()[0])[0]),
        load="stream",
    )
    yield Case(
        "syslog_default_file",
        "network",
        "RFC 5424 over one TCP connection to a file with the default template: `syslog()`",
        (ours, replace(ours, rival="syslog-ng", count=100_000)),
    )
    ours = replace(
        ours,
        count=200_000,
        cycles=collector_lines,
        sent=partial(framed, collector_messages),
        steps=collector.STEPS,
        template=collector.TEMPLATE,
        line=len(frames(collector_messages()[0])[0]),
    )
    yield Case(
        "collector_file",
        "network",
        "A collector: RFC 5424 with structured data over TCP, `if (program(…))`, `json-parser`, `set-tag`, two `set`, "
        "`$(format-json)` to a file",
        (ours, replace(ours, rival="syslog-ng", count=40_000)),
    )


def collector_messages() -> list[list[str]]:
    """What a service sends to a collector."""
    return [collector.messages()]


def collector_lines() -> list[list[str]]:
    """What the collector writes."""
    return [collector.lines()]


def datagrams_and_files() -> Iterator[Case]:
    """Sources of datagrams, and of files that are followed."""
    ours = Datagrams(rival="inrush", count=100_000, source=UDP, cycles=partial(plain, LINE), line=LINE + 1)
    yield Case(
        "udp_file_256",
        "network",
        "256-byte datagrams to a file: the rate at which at most 0.01 % are lost",
        (ours, replace(ours, rival="syslog-ng", count=25_000)),
    )
    copy = Following(
        rival="copy", count=1_000_000, source="the limit", cycles=partial(plain, LINE - 1), line=LINE
    )
    followed = replace(copy, rival="inrush", source=FILE)
    yield Case(
        "follow_file_256",
        "network",
        "256-byte lines of a file to another one: `file()` as source",
        (copy, followed, replace(followed, rival="syslog-ng", count=200_000)),
        metric="bytes",
    )


def sent() -> Iterator[Case]:
    """The documentation's loop to servers outside: TCP, TLS, HTTP, Kafka."""
    port = "ip-protocol(4) port({port})"
    tls = 'tls(ca-file("{directory}/ca.pem") peer-verify(required-trusted))'
    stream = Sending(
        rival="inrush",
        count=1_000_000,
        source="perf.sources.loops.Loop",
        spec={"size": LINE - 1},
        cycles=partial(plain, LINE - 1),
        line=LINE,
        destination=f'network("127.0.0.1" {port} transport("tcp") {TEXT})',
        server="stream",
    )
    secret = replace(
        stream, destination=f'network("127.0.0.1" {port} transport("tls") {TEXT} {tls})', server="tls"
    )
    for name, title, ours, limit, count in (
        ("tcp", "TCP", stream, "send", 4_000_000),
        ("tls", "TLS", secret, "rustls", 2_000_000),
    ):
        yield Case(
            f"loop_{name}_256",
            "network",
            f"The loop to `network()` over {title}, 256-byte lines",
            (
                replace(ours, rival=limit, count=count),
                ours,
                replace(ours, rival="syslog-ng", count=60_000, driver=POSTED),
            ),
            metric="bytes",
        )
    http = replace(
        stream,
        count=600_000,
        destination='http(url("http://127.0.0.1:{port}/") body("$MSG") delimiter("\\n") body-suffix("\\n") '
        "batch-lines(1000) batch-timeout(1000) workers(1))",
        server="http",
    )
    yield Case(
        "loop_http_256",
        "network",
        "The loop to `http()`, 256-byte lines in requests of 1,000",
        (
            replace(http, rival="post", count=1_000_000),
            http,
            replace(http, rival="syslog-ng", count=60_000, driver=POSTED, modules=("http",)),
        ),
        metric="bytes",
    )
    for size, count in ((100, 1_200_000), (1000, 400_000)):
        kafka = replace(
            stream,
            count=count,
            spec={"size": size},
            cycles=partial(plain, size),
            line=size,
            destination='kafka-c(bootstrap-servers("127.0.0.1:{port}") topic("perf") message("$MSG"))',
            server="kafka",
        )
        theirs = replace(kafka, rival="syslog-ng", count=60_000, driver=POSTED, modules=("kafka",))
        yield Case(
            f"loop_kafka_{size}",
            "network",
            f"The loop to `kafka()`, {size:,} bytes, to the mock cluster of librdkafka",
            (replace(kafka, rival="librdkafka"), kafka, theirs),
        )


def objects() -> Iterator[Case]:
    """The documentation's loop to destinations in Python."""
    here = 'options("spec" "{directory}/spec.json")'
    pairs = 'value-pairs(key("MESSAGE"))'
    one = Sending(
        rival="inrush",
        count=200_000,
        source="perf.sources.loops.Loop",
        spec={"size": LINE},
        cycles=partial(plain, LINE),
        line=LINE,
        destination=f'python(class("perf.sources.objects.One") {here})',
        server="object",
    )
    theirs = replace(
        one,
        rival="syslog-ng",
        count=40_000,
        driver=POSTED,
        destination=f'python(class("perf.sources.objects.One") {here} {pairs})',
    )
    batches = f'python(class("perf.sources.objects.Batches") {here} batch-lines(1000))'
    queued = f'python(class("perf.sources.objects.Queued") {here} {pairs} batch-lines(1000))'
    yield Case(
        "loop_python_256",
        "network",
        "The loop to `python()` as destination, 256 bytes: one by one, and in batches of 1,000",
        (
            one,
            theirs,
            replace(one, variant="send_batch", count=400_000, destination=batches),
            replace(theirs, variant="flush", destination=queued),
        ),
    )


def crowds() -> Iterator[Case]:
    """Many connections that say little."""
    ours = Crowd(
        rival="inrush", count=CONNECTIONS, unit=CONNECTIONS, source=CROWD, cycles=partial(plain, 100)
    )
    yield Case(
        "connections_2000",
        "network",
        "2,000 idle TCP connections, then a line of each, one a millisecond",
        (ours, replace(ours, rival="syslog-ng")),
        metric="latency",
    )


def network() -> Iterator[Case]:
    """All of them."""
    for several in (streams, parsed, datagrams_and_files, sent, objects, crowds):
        yield from several()
