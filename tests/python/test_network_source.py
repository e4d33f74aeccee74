"""Sources of sockets beside the programs that send to them in the field: `logger`, `loggen`, syslog-ng, rsyslog,
`openssl s_client`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import PATIENCE, ROOT, StartEngine, free_port, ran

LINE = "$MESSAGE|$PROGRAM|$PID|$MSGID\\n"


def program(name: str, *others: str) -> str:
    """The path of a peer; the test is skipped without it."""
    for candidate in (name, *others):
        if (found := shutil.which(candidate)) is not None:
            return found
    pytest.skip(f"the command {name} is not installed")


def configuration(source: str, template: str = LINE) -> str:
    """A source in front of a file of lines."""
    return f"""@version: current
options {{ use-dns(no); }};
source s {{ {source}; }};
destination d {{ file("out" template("{template}")); }};
log {{ source(s); destination(d); flags(flow-control); }};
"""


@contextmanager
def peer(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs for as long as the test needs it."""
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.parametrize("form", ["rfc3164", "rfc5424", "octet-count", "udp", "unix"])
def test_logger(form: str, engine: StartEngine) -> None:
    """Breaks without it: messages of the system's own sender are read as something else."""
    logger = program("logger")
    port = free_port()
    sources = {
        "rfc3164": f"network(ip(127.0.0.1) port({port}))",
        "rfc5424": f"network(ip(127.0.0.1) port({port}) flags(syslog-protocol))",
        "octet-count": f"syslog(ip(127.0.0.1) port({port}))",
        "udp": f"udp(ip(127.0.0.1) port({port}))",
        "unix": 'unix-dgram("door")',
    }
    running = engine(configuration(sources[form]))
    inet = ["--server", "127.0.0.1", "--port", str(port)]
    ways = {
        "rfc3164": [*inet, "--tcp", "--rfc3164"],
        "rfc5424": [*inet, "--tcp", "--rfc5424", "--msgid", "ID"],
        "octet-count": [*inet, "--tcp", "--octet-count", "--rfc5424", "--msgid", "ID"],
        "udp": [*inet, "--udp", "--rfc3164"],
        "unix": ["--socket", str(running.directory / "door")],
    }
    sent = ran(logger, *ways[form], "--tag", "tag", "--id=77", "-p", "local3.err", "hello there")
    assert sent.code == 0, sent
    msgid = "ID" if form in ("rfc5424", "octet-count") else ""
    assert running.wait_lines("out", 1) == [f"hello there|tag|77|{msgid}".encode()]
    assert running.stop().posted == 1


@pytest.mark.parametrize("way", ["stream", "dgram", "rfc5424", "unix"])
def test_loggen(way: str, engine: StartEngine) -> None:
    """Breaks without it: messages of a sender at full speed are lost, or torn."""
    loggen = program("loggen")
    count, port = 5000, free_port()
    sources = {
        "stream": f"network(ip(127.0.0.1) port({port}) max-connections(4))",
        "dgram": f"udp(ip(127.0.0.1) port({port}) so-rcvbuf(4M))",
        "rfc5424": f"syslog(ip(127.0.0.1) port({port}) max-connections(4))",
        "unix": 'unix-stream("door")',
    }
    ways = {
        "stream": ["--inet", "--stream", "127.0.0.1", str(port)],
        "dgram": ["--inet", "--dgram", "127.0.0.1", str(port)],
        "rfc5424": ["--inet", "--stream", "--syslog-proto", "127.0.0.1", str(port)],
        "unix": ["--unix", "--stream", "door"],
    }
    running = engine(configuration(sources[way], "$PROGRAM\\n"))
    rate = "2000" if way == "dgram" else "1000000"
    options = ["--number", str(count), "--rate", rate, "--interval", "60", "--size", "256", "--quiet"]
    sent = ran(loggen, *options, *ways[way], cwd=running.directory)
    assert sent.code == 0, sent
    lines = running.wait_lines("out", count)
    # In messages of this host no host is expected: the first word is the program.
    assert set(lines) == {b"localhost" if way == "unix" else b"prg00000"}
    assert len(lines) == count
    assert running.stop().posted == count


def test_syslog_ng_sends(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: a collector of the original in front of this one loses messages or fields."""
    syslog_ng = program("syslog-ng", "/usr/sbin/syslog-ng")
    port = free_port()
    running = engine(
        configuration(f"syslog(ip(127.0.0.1) port({port}) keep-hostname(yes))", "$HOST $PROGRAM $MSG\\n")
    )
    (tmp_path / "in").write_text(
        "<13>Oct 11 22:14:15 origin app[7]: one\n<13>Oct 11 22:14:16 origin app[7]: two\n"
    )
    conf = tmp_path / "sender.conf"
    conf.write_text(
        f"""@version: 3.38
options {{ keep-hostname(yes); stats-freq(0); }};
source s {{ file("{tmp_path}/in"); }};
destination d {{ syslog("127.0.0.1" port({port})); }};
log {{ source(s); destination(d); }};
"""
    )
    options = [
        "-F",
        "-f",
        str(conf),
        "-R",
        str(tmp_path / "state"),
        "-c",
        str(tmp_path / "ctl"),
        "-p",
        str(tmp_path / "pid"),
    ]
    with peer(syslog_ng, "--no-caps", *options):
        assert running.wait_lines("out", 2) == [b"origin app one", b"origin app two"]
    assert running.stop().posted == 2


def test_rsyslog_sends(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: what rsyslog sends, in lines and in frames, is read as something else."""
    rsyslogd = program("rsyslogd", "/usr/sbin/rsyslogd", str(ROOT / "target/peers/rsyslogd"))
    lines, frames = free_port(), free_port()
    source = f"network(ip(127.0.0.1) port({lines})); syslog(ip(127.0.0.1) port({frames}))"
    running = engine(configuration(source, "$PROGRAM $MSG\\n"))
    (tmp_path / "in").write_text("first\nsecond\n")
    conf = tmp_path / "sender.conf"
    action = 'action(type="omfwd" target="127.0.0.1" protocol="tcp"'
    conf.write_text(
        f"""module(load="imfile" mode="polling")
global(workDirectory="{tmp_path}")
input(type="imfile" file="{tmp_path}/in" tag="tagged:")
{action} port="{lines}" template="RSYSLOG_TraditionalForwardFormat")
{action} port="{frames}" template="RSYSLOG_SyslogProtocol23Format" TCP_Framing="octet-counted")
"""
    )
    with peer(rsyslogd, "-n", "-f", str(conf), "-i", str(tmp_path / "pid")):
        found = sorted(running.wait_lines("out", 4))
    assert found == [b"tagged first", b"tagged first", b"tagged second", b"tagged second"]
    assert running.stop().posted == 4


def certificate(directory: Path, name: str, *extra: str) -> None:
    """A certificate that signs itself, and its key."""
    command = [
        program("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    files = [
        "-keyout",
        f"{name}.key",
        "-out",
        f"{name}.pem",
        "-subj",
        f"/O=Org/OU=Unit/CN={name}",
        "-days",
        "30",
    ]
    assert ran(*command, *files, *extra, cwd=directory).code == 0


def test_openssl_sends(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: TLS of OpenSSL is not understood, or the certificate of a client is not told; and new
    certificates need a restart."""
    openssl = program("openssl")
    certificate(tmp_path, "server")
    certificate(tmp_path, "client")
    port = free_port()
    tls = f'key-file("{tmp_path}/server.key") cert-file("{tmp_path}/server.pem") peer-verify(required-untrusted)'
    source = f"network(ip(127.0.0.1) port({port}) transport(tls) tls({tls}))"
    running = engine(
        configuration(source, "$MSG ${.tls.x509_cn} ${.tls.x509_o} ${.tls.x509_ou} $TRANSPORT\\n")
    )
    command = [
        openssl,
        "s_client",
        "-connect",
        f"127.0.0.1:{port}",
        "-quiet",
        "-cert",
        "client.pem",
        "-key",
        "client.key",
    ]

    def send(text: bytes) -> None:
        with subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as sender:
            assert sender.stdin is not None
            sender.stdin.write(text)
            sender.stdin.flush()
            wanted = text.count(b"\n") + before
            running.wait_lines("out", wanted)
            sender.terminate()

    before = 0
    send(b"<13>p: one\n<13>p: " + b"x" * 50_000 + b"\n")
    assert running.wait_lines("out", 2)[0] == b"one client Org Unit bsdsyslog+tls"
    # Another certificate, without a restart; what is open goes on.
    certificate(tmp_path, "server")
    running.send_signal(1)
    running.wait_log("inrush: reloaded")
    before = 2
    send(b"<13>p: three\n")
    # Who has no certificate, or does not speak TLS, is sent away.
    for words in (b"<13>no tls\n", b"\x16\x03\x01"):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(words)
            if words.endswith(b"\n"):
                while connection.recv(4096):
                    pass
    assert running.stop().posted == 3


def test_slow_peers_keep_nobody_out(engine: StartEngine) -> None:
    """Breaks without it: peers that begin and say nothing hold up those that have something to say, or the memory
    of the engine."""
    port, count = free_port(), 300
    many = "max-connections(1000) listen-backlog(1000)"
    running = engine(configuration(f"network(ip(127.0.0.1) port({port}) {many} flags(no-parse))", "$MSG\\n"))
    slow = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(count)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(b"half %d" % number)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as busy:
            busy.sendall(b"".join(b"line %d\n" % number for number in range(10_000)))
            lines = running.wait_lines("out", 10_000)
        assert lines == [b"line %d" % number for number in range(10_000)]
        # Some are reset in the middle, others end.
        for connection in slow[::3]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            connection.close()
        for connection in slow[1::3]:
            connection.sendall(b" whole\n")
    finally:
        for connection in slow:
            connection.close()
    lines = running.wait_lines("out", 10_000 + count)[10_000:]
    assert {b"half %d whole" % number for number in range(1, count, 3)} <= set(lines)
    assert running.stop().posted == 10_000 + count


def test_reloads_under_load(engine: StartEngine) -> None:
    """Breaks without it: a reload tears a line, or loses some, of a source that it keeps."""
    port, count = free_port(), 60_000
    text = configuration(f"network(ip(127.0.0.1) port({port}) flags(no-parse))", "$MSG\\n")
    running = engine(text)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        for begin in range(0, count, 1000):
            connection.sendall(b"".join(b"%06d\n" % number for number in range(begin, begin + 1000)))
            if begin % 10_000 == 0:
                running.send_signal(1)
                time.sleep(0.01)
    assert running.wait_lines("out", count) == [b"%06d" % number for number in range(count)]
    assert running.stop().posted == count
