"""TLS on a real engine, both ways and with real peers: what is sent arrives, and nobody gets in, or is sent to, who
should not be."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates import NEEDS_OPENSSL, Authority, Certificate
from harness import PATIENCE, ROOT, Engine, StartEngine, free_port, read_lines

pytestmark = NEEDS_OPENSSL

COUNT = 2000
LINES = [b"message %d" % number for number in range(COUNT)]
NUMBERED = 'template("message $(iterate $(+ 1 $_) 0)")'
SOON = "time-reopen(0.1)"
PATH = f"{os.environ['PATH']}:/usr/sbin"


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    """The authority of the test."""
    return Authority(tmp_path / "certificates")


def sends(driver: str) -> str:
    """A configuration that sends `LINES` to a destination."""
    return f"""@version: current
source s_test {{ example-msg-generator(num({COUNT}) freq(0) program-override("app") {NUMBERED} log-iw-size(1000)); }};
log {{ source(s_test); destination {{ {driver}; }}; flags(flow-control); }};
"""


def receives(driver: str, template: str = "$MSG") -> str:
    """A configuration that writes what a source receives into `out.log`."""
    return f"""@version: current
source s_test {{ {driver}; }};
destination d_test {{ file("out.log" template("{template}\\n")); }};
log {{ source(s_test); destination(d_test); flags(flow-control); }};
"""


class TlsServer:
    """A server of Python's `ssl` that keeps what it reads."""

    def __init__(self, own: Certificate, *, client_ca: Path | None = None, port: int = 0) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.load(own)
        self.names: list[str | None] = []
        self.context.sni_callback = lambda connection, name, context: self.names.append(name)
        if client_ca is not None:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self.received = bytearray()
        self.failures = 0
        self.subjects: list[object] = []
        self.changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def load(self, own: Certificate) -> None:
        """Has another certificate from the next connection on."""
        self.context.load_cert_chain(own.file, own.key)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        try:
            with self.context.wrap_socket(connection, server_side=True) as secured:
                certificate = secured.getpeercert() or {}
                self.subjects.append(certificate.get("subject"))
                while data := secured.recv(1 << 16):
                    with self.changed:
                        self.received += data
                        self.changed.notify_all()
        except OSError:
            with self.changed:
                self.failures += 1
                self.changed.notify_all()

    def wait_for_lines(self, count: int) -> list[bytes]:
        """Waits until so many lines have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.received.count(b"\n") >= count, PATIENCE)
            return bytes(self.received).split(b"\n")[:-1]

    def wait_for_failures(self, count: int) -> None:
        """Waits until so many connections have come to nothing."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.failures >= count, PATIENCE)

    def close(self) -> None:
        """Listens no more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_lines_go_to_a_server_that_is_trusted(engine: StartEngine, ca: Authority) -> None:
    """Breaks without it: lines over TLS are lost or doubled, a client has no certificate, or the server is told a name
    that it should not be told."""
    server = TlsServer(ca.sign("server", "serverAuth"), client_ca=ca.file)
    own = ca.sign("client", "clientAuth", "/O=Org/CN=client1")
    tls = f'tls(ca-file("{ca.file}") {own.options()})'
    driver = f'network("127.0.0.1" port({server.port}) transport(tls) {tls} template("$MSG\\n"))'
    running = engine(sends(driver))
    assert server.wait_for_lines(COUNT) == LINES
    running.wait_log(rf"connected to server 127.0.0.1:{server.port}, .*TLSv1.3, TLS13_AES_256_GCM_SHA384")
    totals = running.stop()
    server.close()
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)
    assert server.subjects == [((("organizationName", "Org"),), (("commonName", "client1"),))]
    assert (server.names, server.failures) == ([None], 0)


def test_the_server_is_told_the_name(engine: StartEngine, ca: Authority) -> None:
    """Breaks without it: a server with many names does not know which is wanted."""
    server = TlsServer(ca.sign("server", "serverAuth"))
    tls = f'tls(ca-file("{ca.file}") sni(yes))'
    running = engine(sends(f'tcp("localhost" port({server.port}) {tls} template("$MSG\\n"))'))
    server.wait_for_lines(COUNT)
    running.stop()
    server.close()
    assert server.names == ["localhost"]


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_server_that_is_not_trusted_gets_nothing(
    engine: StartEngine, ca: Authority, tmp_path: Path, wrong: str
) -> None:
    """Breaks without it: messages go to somebody who stands in the way, or are lost when the right server comes."""
    good = ca.sign("good", "serverAuth")
    other = Authority(tmp_path / "other", "other")
    bad = other.sign("bad", "serverAuth")
    if wrong == "name":
        bad = ca.sign("bad", "serverAuth", names="DNS:elsewhere.example")
    server = TlsServer(bad)
    tls = f'tls(ca-file("{ca.file}"))'
    driver = f'syslog("127.0.0.1" port({server.port}) transport(tls) {tls} template("$MSG\\n") {SOON})'
    running = engine(sends(driver))
    reason = "no authority that is trusted here" if wrong == "authority" else "not valid for name"
    running.wait_log(f"the certificate of the other side is refused: .*{reason}")
    server.wait_for_failures(2)
    assert not server.received
    server.load(good)
    server.wait_for_lines(COUNT)
    totals = running.stop()
    server.close()
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_a_client_that_is_refused_loses_nothing(engine: StartEngine, ca: Authority, tmp_path: Path) -> None:
    """Breaks without it: TLS 1.3 lets a client believe that it is welcome, and it throws its messages away."""
    server = TlsServer(ca.sign("server", "serverAuth"), client_ca=ca.file)
    own = tmp_path / "own.pem", tmp_path / "own.key"
    stranger = Authority(tmp_path / "other", "other").sign("client", "clientAuth")
    for path, content in zip(own, (stranger.file, stranger.key), strict=True):
        shutil.copy(content, path)
    tls = f'tls(ca-file("{ca.file}") cert-file("{own[0]}") key-file("{own[1]}"))'
    driver = f'network("127.0.0.1" port({server.port}) transport(tls) {tls} template("$MSG\\n") {SOON})'
    running = engine(sends(driver))
    running.wait_log("the other side refuses: it does not trust the authority of our certificate")
    server.wait_for_failures(2)
    right = ca.sign("client", "clientAuth")
    for path, content in zip(own, (right.file, right.key), strict=True):
        shutil.copy(content, path)
    running.send_signal(signal.SIGHUP)
    running.wait_log("certificates were read again")
    assert server.wait_for_lines(COUNT) == LINES
    totals = running.stop()
    server.close()
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


@contextmanager
def process(command: list[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A peer that runs in the foreground until it is ended."""
    with (directory / "peer.log").open("ab") as log:
        peer = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield peer
    finally:
        peer.terminate()
        try:
            peer.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            peer.kill()
            peer.wait()


def wait_for_listener(port: int, peer: subprocess.Popen[bytes], directory: Path) -> None:
    """Waits until somebody listens on a TCP port."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert peer.poll() is None, (directory / "peer.log").read_text()
            assert time.monotonic() < until, "nobody listens"
            time.sleep(0.02)


def syslog_ng(directory: Path, statements: str) -> list[str]:
    """The command of a syslog-ng with one log path from `s` to `d`."""
    program = shutil.which("syslog-ng", path=PATH)
    if program is None:
        pytest.skip("syslog-ng is not installed: tools/peers installs it")
    conf = directory / "syslog-ng.conf"
    conf.write_text(
        "@version: 3.38\noptions { use-dns(no); keep-hostname(yes); };\n"
        f"{statements}\nlog {{ source(s); destination(d); flags(flow-control); }};\n"
    )
    own = ["-R", "native.persist", "-c", "native.ctl", "-p", "native.pid", "--no-caps"]
    return [program, "-F", "-f", str(conf), *own]


def rsyslog(directory: Path, own: Certificate, ca: Authority, statements: str) -> list[str]:
    """The command of an rsyslog whose TLS has these certificates."""
    unpacked = ROOT / "target/peers/rsyslogd"
    program = str(unpacked) if unpacked.exists() else shutil.which("rsyslogd", path=PATH)
    if program is None:
        pytest.skip("rsyslog is not installed: tools/peers unpacks it")
    conf = directory / "rsyslog.conf"
    conf.write_text(
        f'global(workDirectory="{directory}" DefaultNetstreamDriver="gtls"\n'
        f' DefaultNetstreamDriverCAFile="{ca.file}"\n'
        f' DefaultNetstreamDriverCertFile="{own.file}" DefaultNetstreamDriverKeyFile="{own.key}")\n'
        f"{statements}\n"
    )
    return [program, "-n", "-f", str(conf), "-i", str(directory / "rsyslog.pid")]


def wait_for_received(running: Engine, directory: Path) -> list[bytes]:
    """The lines that a peer has written into `received`."""
    path = directory / "received"
    running.wait_until(lambda: len(read_lines(path)) >= COUNT, "all lines at the peer")
    return [line.strip() for line in read_lines(path)]


@pytest.mark.parametrize("driver", ["network", "syslog"])
def test_syslog_ng_receives(engine: StartEngine, tmp_path: Path, ca: Authority, driver: str) -> None:
    """Breaks without it: the receiver that most use does not take our certificate, or reads other messages."""
    port, theirs, ours = free_port(), ca.sign("server", "serverAuth"), ca.sign("client", "clientAuth")
    tls = f'tls(ca-file("{ca.file}") {theirs.options()} peer-verify(required-trusted))'
    statements = f"""
source s {{ {driver}(ip(127.0.0.1) port({port}) transport(tls) {tls} log-iw-size(10000)); }};
destination d {{ file("{tmp_path}/received" template("$MSG\\n")); }};"""
    with process(syslog_ng(tmp_path, statements), tmp_path) as peer:
        wait_for_listener(port, peer, tmp_path)
        tls = f'tls(ca-file("{ca.file}") {ours.options()})'
        running = engine(sends(f'{driver}("localhost" port({port}) transport(tls) {tls} {SOON})'))
        lines = wait_for_received(running, tmp_path)
        totals = running.stop()
    assert lines == LINES
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_rsyslog_receives(engine: StartEngine, tmp_path: Path, ca: Authority) -> None:
    """Breaks without it: rsyslog, whose TLS is GnuTLS, does not take our handshake."""
    port, theirs, ours = free_port(), ca.sign("server", "serverAuth"), ca.sign("client", "clientAuth")
    statements = f"""
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="t" type="string" string="%msg%\\n")
action(type="omfile" file="{tmp_path}/received" template="t" asyncWriting="off")"""
    with process(rsyslog(tmp_path, theirs, ca, statements), tmp_path) as peer:
        wait_for_listener(port, peer, tmp_path)
        tls = f'tls(ca-file("{ca.file}") {ours.options()})'
        running = engine(sends(f'network("localhost" port({port}) transport(tls) {tls} {SOON})'))
        lines = wait_for_received(running, tmp_path)
        totals = running.stop()
    assert lines == LINES
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def client_context(ca: Authority, own: Certificate | None = None) -> ssl.SSLContext:
    """A client of Python's `ssl`."""
    context = ssl.create_default_context(cafile=str(ca.file))
    if own is not None:
        context.load_cert_chain(own.file, own.key)
    return context


def said(context: ssl.SSLContext, port: int, line: bytes) -> bool:
    """Sends a line and waits for the server's end; false when the handshake fails. A server of TLS 1.3 that refuses a
    client does so after it."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(line + b"\n")
            secured.unwrap()
    except (ssl.SSLError, ConnectionError):
        return False
    return True


MODES = [
    ("required-trusted", [False, True, False]),
    ("required-untrusted", [False, True, True]),
    ("optional_trusted", [True, True, False]),
    ("optional-untrusted", [True, True, True]),
]


@pytest.mark.parametrize(("mode", "taken"), MODES, ids=[mode for mode, _ in MODES])
def test_clients_get_in_as_peer_verify_says(
    engine: StartEngine, tmp_path: Path, ca: Authority, mode: str, taken: list[bool]
) -> None:
    """Breaks without it: a client gets in that should not, or its messages do not say whose they are."""
    port, own = free_port(), ca.sign("server", "serverAuth")
    tls = f'tls(ca-file("{ca.file}") {own.options()} peer-verify({mode}))'
    driver = f"network(ip(127.0.0.1) port({port}) transport(tls) {tls} flags(no-parse))"
    running = engine(receives(driver, "$MSG ${.tls.x509_cn}/${.tls.x509_o}"))
    good = ca.sign("client", "clientAuth", "/O=Org/CN=client1")
    stranger = Authority(tmp_path / "other", "other").sign("client", "clientAuth", "/O=Other/CN=client2")
    clients = [client_context(ca), client_context(ca, good), client_context(ca, stranger)]
    for number, client in enumerate(clients):
        said(client, port, b"from %d" % number)
    asks = mode != "optional-untrusted"
    subjects = [b"/", b"client1/Org" if asks else b"/", b"client2/Other" if asks else b"/"]
    lines = [b"from %d %s" % (number, subjects[number]) for number in range(3) if taken[number]]
    assert sorted(running.wait_lines("out.log", len(lines))) == lines
    totals = running.stop()
    assert (totals.posted, totals.delivered, totals.dropped) == (len(lines), len(lines), 0)


def test_openssl_sends(engine: StartEngine, ca: Authority) -> None:
    """Breaks without it: what every administrator tries first does not work."""
    port, own, client = free_port(), ca.sign("server", "serverAuth"), ca.sign("client", "clientAuth")
    tls = f'tls(ca-file("{ca.file}") {own.options()})'
    running = engine(receives(f"network(ip(127.0.0.1) port({port}) transport(tls) {tls} flags(no-parse))"))
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(ca.file), "-quiet"]
    command += ["-verify_return_error", "-no_ign_eof", "-cert", str(client.file), "-key", str(client.key)]
    done = subprocess.run(command, input=b"\n".join(LINES) + b"\n", capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert running.wait_lines("out.log", COUNT) == LINES
    totals = running.stop()
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


@pytest.mark.parametrize("driver", ["network", "syslog"])
def test_syslog_ng_sends(engine: StartEngine, tmp_path: Path, ca: Authority, driver: str) -> None:
    """Breaks without it: the sender that most have is not taken."""
    port, ours, theirs = free_port(), ca.sign("server", "serverAuth"), ca.sign("client", "clientAuth")
    tls = f'tls(ca-file("{ca.file}") {ours.options()})'
    running = engine(receives(f"{driver}(ip(127.0.0.1) port({port}) transport(tls) {tls})"))
    (tmp_path / "input").write_bytes(b"\n".join(LINES) + b"\n")
    tls = f'tls(ca-file("{ca.file}") {theirs.options()} peer-verify(required-trusted))'
    statements = f"""
source s {{ file("{tmp_path}/input" flags(no-parse) program-override("app")); }};
destination d {{ {driver}("localhost" port({port}) transport(tls) {tls}); }};"""
    with process(syslog_ng(tmp_path, statements), tmp_path):
        lines = running.wait_lines("out.log", COUNT)
    assert lines == LINES
    totals = running.stop()
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_rsyslog_sends(engine: StartEngine, tmp_path: Path, ca: Authority) -> None:
    """Breaks without it: rsyslog, whose TLS is GnuTLS, is not taken."""
    port, ours, theirs = free_port(), ca.sign("server", "serverAuth"), ca.sign("client", "clientAuth")
    tls = f'tls(ca-file("{ca.file}") {ours.options()})'
    running = engine(receives(f"syslog(ip(127.0.0.1) port({port}) transport(tls) {tls})"))
    (tmp_path / "input").write_bytes(b"\n".join(LINES) + b"\n")
    statements = f"""
module(load="imfile")
input(type="imfile" file="{tmp_path}/input" tag="app:")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"
 template="RSYSLOG_SyslogProtocol23Format" StreamDriver="gtls" StreamDriverMode="1"
 StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost")"""
    with process(rsyslog(tmp_path, theirs, ca, statements), tmp_path):
        lines = running.wait_lines("out.log", COUNT)
    assert lines == LINES
    totals = running.stop()
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_a_reload_has_new_certificates_and_keeps_connections(
    engine: StartEngine, tmp_path: Path, ca: Authority
) -> None:
    """Breaks without it: new certificates need a restart, or each reload cuts every connection."""
    own = tmp_path / "own.pem", tmp_path / "own.key"

    def install(certificate: Certificate) -> None:
        for path, content in zip(own, (certificate.file, certificate.key), strict=True):
            shutil.copy(content, path)

    install(ca.sign("server", "serverAuth"))
    port = free_port()
    tls = f'tls(cert-file("{own[0]}") key-file("{own[1]}") peer-verify(no))'
    running = engine(
        receives(f"network(ip(127.0.0.1) port({port}) transport(tls) {tls} flags(no-parse))"), "-v"
    )
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
        client_context(ca).wrap_socket(plain, server_hostname="localhost") as before,
    ):
        before.sendall(b"before\n")
        running.wait_lines("out.log", 1)
        other = Authority(tmp_path / "other", "other")
        install(other.sign("server", "serverAuth"))
        running.send_signal(signal.SIGHUP)
        running.wait_log("certificates were read again")
        before.sendall(b"after\n")
        running.wait_lines("out.log", 2)
        assert not said(client_context(ca), port, b"old")
        assert said(client_context(other), port, b"new")
        before.unwrap()
    assert running.wait_lines("out.log", 3) == [b"before", b"after", b"new"]
    totals = running.stop()
    assert (totals.posted, totals.delivered, totals.dropped) == (3, 3, 0)


def test_the_example_of_the_page(engine: StartEngine, tmp_path: Path, ca: Authority) -> None:
    """Breaks without it: what the documentation shows does not work, or its two sides do not fit."""
    page = (ROOT / "docs/drivers/tls.md").read_text()
    collector, sender = re.findall(r"^```conf\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    server, client = ca.sign("server", "serverAuth"), ca.sign("client", "clientAuth", "/O=Org/CN=client1")
    text = (
        collector
        + sender
        + (
            f'source s_own {{ example-msg-generator(num({COUNT}) freq(0) program-override("app") {NUMBERED}); }};\n'
            "log { source(s_own); destination(d_tls); flags(flow-control); };\n"
        )
    )
    assert {server.file.parent, client.file.parent} == {ca.file.parent}
    for old, new in [
        ("/etc/inrush", str(ca.file.parent)),
        ("6514", str(free_port())),
        ("logs.example.org", "localhost"),
        ("/var/log/all.log", "out.log"),
    ]:
        assert old in text, old
        text = text.replace(old, new)
    running = engine(text)
    lines = running.wait_lines("out.log", COUNT)
    assert [line.split(b" ", 1)[1] for line in lines] == [b"client1 " + line for line in LINES]
    running.stop()
