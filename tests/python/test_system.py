"""`system()` on a real engine, in a machine with systemd and in one without; and the file of a distribution."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import StartEngine, inrush
from test_file_source import STATE, texts
from test_systemd_journal import stand_in as stand_in
from test_systemd_journal import text

CONF = """@version: current
source s_test { system(); };
destination d_test { file("out.log" template("$PROGRAM|$PID|$FACILITY|$MSG\\n")); };
log { source(s_test); filter { not facility(kern); }; destination(d_test); flags(flow-control); };
"""

# What a process of the machine does: it waits for the socket of the log, and sends.
SENDER = """
import os, socket, time
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    try:
        sender.connect("/dev/log")
        break
    except OSError:
        time.sleep(0.02)
open("pid", "w").write(str(os.getpid()))
sender.send(b"<86>Nov 29 10:00:00 sshd[1]: hello")
sender.send(b"<13>Nov 29 10:00:00 other: without a number")
"""


def in_machine(tmp_path: Path, setup: str) -> tuple[str, ...]:
    """A prefix that runs a command with mounts of its own, after `setup`; skips the test where that cannot be."""
    script = tmp_path / "setup.sh"
    script.write_text(f'set -e\n{setup}\nexec "$@"\n')
    prefix = ("unshare", "--mount", "sh", str(script))
    tried = subprocess.run([*prefix, "true"], capture_output=True, cwd=tmp_path, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no mounts of its own (root, unshare): {tried.stderr.decode().strip()}")
    return prefix


def test_without_systemd_it_is_the_socket_of_the_log(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: a container has no messages, or a process can say that it is another one."""
    (tmp_path / "sender.py").write_text(SENDER)
    (tmp_path / "dev").mkdir()
    nodes = "/dev/null /dev/zero /dev/random /dev/urandom"
    setup = f"""cp -a {nodes} dev/
mount --bind dev /dev
mount -t tmpfs none /run
[ "$1" = true ] || {sys.executable} sender.py &"""
    running = engine(CONF, *STATE, prefix=in_machine(tmp_path, setup))
    lines = texts(running, 2)
    pid = (tmp_path / "pid").read_text()
    assert lines == [f"sshd|{pid}|authpriv|hello", f"other|{pid}|user|without a number"]
    assert running.stop().delivered == 2


def test_with_systemd_it_is_the_journal(
    engine: StartEngine, tmp_path: Path, stand_in: dict[str, str]
) -> None:
    """Breaks without it: a machine with systemd has no messages, or those of earlier boots come again."""
    (tmp_path / "journal").write_bytes(text(1, "SYSLOG_IDENTIFIER=sshd", "_PID=7", "SYSLOG_FACILITY=10"))
    setup = "mount -t tmpfs none /run\nmkdir -p /run/systemd/system"
    running = engine(CONF, *STATE, prefix=in_machine(tmp_path, setup), env=stand_in)
    assert texts(running, 1) == ["sshd|7|authpriv|m1"]
    assert "_BOOT_ID=" in (tmp_path / "calls").read_text()
    assert running.stop().delivered == 1


@pytest.mark.skipif(not Path("/etc/syslog-ng/syslog-ng.conf").exists(), reason="no configuration of Debian's")
def test_the_file_of_the_distribution_is_accepted(tmp_path: Path) -> None:
    """Breaks without it: the first file that anybody tries is refused."""
    checked = inrush("check", "-f", "/etc/syslog-ng/syslog-ng.conf", cwd=tmp_path)
    assert (checked.code, "error" in checked.stderr) == (0, False), checked.stderr
