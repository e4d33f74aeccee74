"""`usertty()` on a real engine: terminals of users who are logged in, and terminals that nobody reads."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Engine, StartEngine, inrush
from test_file_source import STATE, ctl

SESSIONS = Path("/run/systemd/sessions")
# In a namespace of mounts of its own the engine sees the sessions of the test.
UNSHARE = ("unshare", "--mount", "sh", "-c", f'mount --bind "$0" {SESSIONS} && exec "$@"')
USER = "inrush-test"


class Terminals:
    """Terminals of the test, and the sessions of users on them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.masters: list[int] = []

    def log_in(self, user: str, name: str | None = None) -> int:
        """Opens a terminal on which `user` is logged in; or the one called `name`, which the test does not have."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        self.masters += [master, slave]
        name = name or os.ttyname(slave).removeprefix("/dev/")
        (self.directory / str(len(self.masters))).write_text(f"UID=0\nUSER={user}\nTTY={name}\n")
        return master


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    """Terminals, where this machine lets a test say who is logged in."""
    directory = tmp_path / "sessions"
    directory.mkdir()
    tried = subprocess.run([*UNSHARE, directory, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no mounts of its own (root, unshare, {SESSIONS}): {tried.stderr.decode().strip()}")
    terminals = Terminals(directory)
    yield terminals
    for descriptor in terminals.masters:
        os.close(descriptor)


def conf(
    options: str, messages: str = 'num(3) template("hello $SEQNUM")', flags: str = "flags(flow-control);"
) -> str:
    """The configuration of a few messages that go to terminals and to a file."""
    return f"""@version: current
source s_test {{ example-msg-generator(freq(0) host-override("web") {messages}); }};
destination d_tty {{ usertty({options}); }};
destination d_file {{ file("out.log" template("$MSG\\n")); }};
log {{ source(s_test); destination(d_tty); destination(d_file); {flags} }};
"""


def read(master: int, lines: int) -> list[str]:
    """So many lines that a terminal shows."""
    text = b""
    while text.count(b"\n") < lines:
        text += os.read(master, 65536)
    return text.decode().split("\n")[:-1]


def start(engine: StartEngine, terminals: Terminals, text: str) -> Engine:
    """Starts an engine that sees the sessions of the test."""
    return engine(text, *STATE, prefix=(*UNSHARE, str(terminals.directory)))


def delivered(running: Engine) -> int:
    """The messages that went to terminals."""
    stats = json.loads(ctl(running, "stats", "--json"))
    return next(int(one["delivered"]) for one in stats["destinations"] if one["id"].startswith("d_tty"))


def test_a_user_gets_lines_on_each_terminal(engine: StartEngine, terminals: Terminals) -> None:
    """Breaks without it: a user misses lines, or somebody else gets them."""
    first, second = terminals.log_in(USER), terminals.log_in(USER)
    other = terminals.log_in("somebody")
    running = start(engine, terminals, conf(f'"{USER}"'))
    for master in (first, second):
        lines = read(master, 3)
        assert [line.rpartition(" web ")[2] for line in lines] == ["hello 1", "hello 2", "hello 3"]
        assert re.match(r"\d{4} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d web ", lines[0]), lines[0]
    running.wait_lines("out.log", 3)
    totals = running.stop()
    assert (totals.posted, totals.dropped) == (3, 0)
    os.set_blocking(other, False)
    with pytest.raises(BlockingIOError):
        os.read(other, 1)


def test_all_users(engine: StartEngine, terminals: Terminals) -> None:
    """Breaks without it: `*` is a user."""
    masters = [terminals.log_in(user) for user in ("one", "two")]
    running = start(engine, terminals, conf('"*" time-reopen(1)'))
    for master in masters:
        assert len(read(master, 3)) == 3
    running.stop()


@pytest.mark.parametrize(
    ("options", "shown"),
    [("", r"\u{1b}]0;x\u{7}\r\n\u{9b}a\"b"), ("escaping(yes)", r"\\u{1b}]0;x\\u{7}\\r\\n\\u{9b}a\\\"b")],
)
def test_no_terminal_obeys_a_message(
    engine: StartEngine, terminals: Terminals, options: str, shown: str
) -> None:
    """Breaks without it: whoever can send a message can have the terminal of root obey."""
    master = terminals.log_in(USER)
    hostile = 'num(1) template("\x1b]0;x\x07\\r\\n\x9ba\\\\\\"b")'
    running = start(engine, terminals, conf(f'"{USER}" {options}', hostile))
    assert read(master, 1)[0].rpartition(" web ")[2] == shown
    running.stop()


@pytest.mark.parametrize("flags", ["flags(flow-control);", ""])
def test_a_terminal_that_nobody_reads_holds_nobody_up(
    engine: StartEngine, terminals: Terminals, tmp_path: Path, flags: str
) -> None:
    """Breaks without it: a terminal that is stopped (Ctrl-S) stops the log of the machine."""
    stopped, read_on = terminals.log_in(USER), terminals.log_in(USER)
    os.set_blocking(read_on, False)
    many = f'num(50000) template("{"x" * 100}")'
    running = start(engine, terminals, conf(f'"{USER}" time-reopen(3600)', many, flags))
    running.wait_log(
        r"usertty\(inrush-test\): /dev/pts/\d+ takes nothing: nobody reads it; it is left alone for a while"
    )
    assert len(running.wait_lines("out.log", 50000)) == 50000
    running.wait_until(lambda: delivered(running) == 50000, "all are done with")
    ctl(running, "reload")
    totals = running.stop()
    assert (totals.posted, totals.dropped) == (50000, 0)
    assert os.read(stopped, 65536).startswith(os.read(read_on, 65536)[:20])


def test_what_is_no_terminal_is_told_once(engine: StartEngine, terminals: Terminals, tmp_path: Path) -> None:
    """Breaks without it: a session without a terminal fills the log, or a file below /dev is written."""
    master = terminals.log_in(USER)
    terminals.log_in(USER, "null")
    terminals.log_in(USER, "not-there")
    running = start(engine, terminals, conf(f'"{USER}" time-reopen(0)', 'num(200) template("x")'))
    assert len(read(master, 200)) == 200
    running.wait_lines("out.log", 200)
    running.wait_log("/dev/null takes nothing")
    running.wait_log("/dev/not-there takes nothing: No such file")
    running.stop()
    assert running.stderr.text.count("takes nothing") == 2


def test_nobody_is_logged_in(engine: StartEngine, terminals: Terminals, tmp_path: Path) -> None:
    """Breaks without it: messages for nobody wait for ever."""
    running = start(engine, terminals, conf('"nobody-here"'))
    running.wait_lines("out.log", 3)
    totals = running.stop()
    assert (totals.posted, totals.delivered) == (3, 3)


@pytest.mark.parametrize(
    ("wrong", "said"), [('""', "a user without a name"), ('"x" template("$MSG")', "template")]
)
def test_what_is_refused(tmp_path: Path, wrong: str, said: str) -> None:
    """Breaks without it: what does nothing is accepted."""
    (tmp_path / "test.conf").write_text(conf(wrong))
    checked = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert checked.code == 1
    assert said in checked.stderr + checked.stdout
