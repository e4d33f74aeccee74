"""`pipe()` as a destination, on a real engine: pipes are made, filled, read, and left alone when they are something else."""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path

import pytest

from harness import PATIENCE, StartEngine, inrush, source, source_that

COUNT = 20_000
# More than a pipe holds: the source is held back until somebody reads.
FLOOD = f"""
for number in range({COUNT}):
    self.post_message(f"{{number:05}}")
"""


def to_pipe(conf: str, driver: str = 'pipe("door.pipe" template("$MSG\\n"))') -> str:
    """The configuration with a pipe instead of its file."""
    own = 'file("out.log" template("$MSG\\n"))'
    assert own in conf
    return conf.replace(own, driver)


def read_lines_of(path: Path, count: int) -> list[bytes]:
    """The next `count` lines of a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return read_from(descriptor, count)
    finally:
        os.close(descriptor)


def read_from(descriptor: int, count: int) -> list[bytes]:
    """The next `count` lines of an open pipe."""
    until = time.monotonic() + PATIENCE
    data = b""
    while data.count(b"\n") < count:
        assert time.monotonic() < until, f"{len(data.splitlines())} lines of {count}"
        if select.select([descriptor], [], [], 0.1)[0]:
            # Byte by byte towards the end, so that what comes later stays in the pipe.
            left = count - data.count(b"\n")
            data += os.read(descriptor, 65536 if left > 20_000 else 1)
    return data.split(b"\n")[:-1]


def test_a_full_pipe_holds_the_source_back_and_nothing_is_lost(engine: StartEngine) -> None:
    """Breaks without it: lines are lost or change places when a pipe is full, or when its reader comes late."""
    conf = to_pipe(source_that(FLOOD, driver="log-iw-size(100)"))
    running = engine(conf)
    path = running.directory / "door.pipe"
    running.wait_until(path.exists, "a pipe")
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        lines = read_from(reader, COUNT // 2)
        # The next reader goes on where this one has ended.
        other = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.close(reader)
        reader = other
        lines += read_from(reader, COUNT - len(lines))
        assert lines == [b"%05d" % number for number in range(COUNT)]
        running.wait_print("done")
        totals = running.stop()
    finally:
        os.close(reader)
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_a_pipe_is_written_before_anybody_reads_it(engine: StartEngine) -> None:
    """Breaks without it: messages wait for a reader although the pipe has room, as they do for a FIFO of `file()`."""
    running = engine(to_pipe(source_that("self.post_message('early')")))
    running.wait_print("done")
    path = running.directory / "door.pipe"
    running.wait_until(path.exists, "a pipe")
    assert read_lines_of(path, 1) == [b"early"]
    totals = running.stop()
    assert (totals.posted, totals.delivered) == (1, 1)


def test_what_is_no_pipe_is_left_alone(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: a file at the path of a pipe is written to, or the engine does not say why nothing comes."""
    conf = to_pipe(
        source_that("self.post_message('kept')"), 'pipe("out.log" template("$MSG\\n") time-reopen(0.1))'
    )
    path = tmp_path / "out.log"
    path.write_text("mine\n")
    running = engine(conf)
    running.wait_log(
        r"cannot write to `out\.log`: there is something at that path that is no named pipe \(FIFO\)"
    )
    assert path.read_text() == "mine\n"
    path.unlink()
    running.wait_until(lambda: path.exists() and stat.S_ISFIFO(path.stat().st_mode), "a pipe")
    assert read_lines_of(path, 1) == [b"kept"]
    running.stop()


def test_rights_and_directories_of_a_pipe_that_is_made(engine: StartEngine) -> None:
    """Breaks without it: the reader that a pipe is made for may not read it."""
    driver = 'pipe("deep/er/door.pipe" perm(0620) dir-perm(0750) create-dirs(yes) template("$MSG\\n"))'
    running = engine(to_pipe(source_that("self.post_message('x')"), driver))
    path = running.directory / "deep" / "er" / "door.pipe"
    running.wait_until(path.exists, "a pipe")
    assert read_lines_of(path, 1) == [b"x"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    running.stop()


def test_a_pipe_stays_open_over_a_reload(engine: StartEngine) -> None:
    """Breaks without it: what nobody has read yet is lost at a reload that changes something else."""
    conf = to_pipe(source_that("self.post_message('before')"))
    running = engine(conf)
    running.wait_print("done")
    path = running.directory / "door.pipe"
    running.wait_until(path.exists, "a pipe")
    (running.directory / "test.conf").write_text(conf + "\nlog { source { internal(); }; };\n")
    running.send_signal(1)
    running.wait_log("destinations: kept")
    assert read_lines_of(path, 1) == [b"before"]
    running.stop()


@pytest.mark.parametrize(
    ("driver", "error"),
    [
        ("pipe()", "expected the path of the pipe"),
        ('pipe("")', "the path of the pipe is empty"),
        ('pipe("x" fsync(yes))', "unknown option `fsync`"),
        ('pipe("x" perm(nobody))', "expected permissions as an octal number"),
    ],
)
def test_a_wrong_pipe_is_refused_with_its_place(tmp_path: Path, driver: str, error: str) -> None:
    """Breaks without it: a mistake in the options of a pipe is found by nobody."""
    (tmp_path / "test.conf").write_text(to_pipe(source("def run(self): pass"), driver))
    result = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert result.code == 1
    assert error in result.stdout + result.stderr
    assert "test.conf:" in result.stdout + result.stderr


def test_a_pipe_that_nobody_reads_holds_up_no_other_destination(engine: StartEngine) -> None:
    """Breaks without it: a console that nobody reads silences the collector, on paths without flow control."""
    conf = """@version: current
source s_gen { example-msg-generator(num(20000) freq(0) template("$SEQNUM") log-iw-size(1000)); };
log { source(s_gen); destination { file("out.log" template("$MSG\\n")); }; };
log { source(s_gen); destination { pipe("door.pipe" template("$MSG\\n") log-fifo-size(100)); }; };
"""
    running = engine(conf)
    lines = running.wait_lines("out.log", COUNT)
    assert lines == [b"%d" % number for number in range(1, COUNT + 1)]
    running.wait_log("dropping the newest messages of s_gen")
    totals = running.stop()
    assert totals.posted == COUNT == totals.delivered + totals.dropped
    assert totals.dropped > 0


def test_a_pipe_that_is_replaced_is_noticed(engine: StartEngine) -> None:
    """Breaks without it: messages go into a pipe that has no name any more, and count as delivered."""
    conf = to_pipe(source_that("while not self.exiting.wait(0.01):\n    self.post_message('tick')"))
    running = engine(conf)
    path = running.directory / "door.pipe"
    running.wait_until(path.exists, "a pipe")
    assert read_lines_of(path, 3) == [b"tick"] * 3
    path.unlink()
    os.mkfifo(path)
    assert read_lines_of(path, 3) == [b"tick"] * 3
    running.stop()


def test_a_reload_that_changes_a_pipe_keeps_what_nobody_has_read(engine: StartEngine) -> None:
    """Breaks without it: what was delivered into a pipe is thrown away when an option of it changes."""
    conf = to_pipe(source_that("for number in range(100):\n    self.post_message(str(number))"))
    running = engine(conf)
    running.wait_print("done")
    path = running.directory / "door.pipe"
    running.wait_until(path.exists, "a pipe")
    (running.directory / "test.conf").write_text(
        conf.replace("pipe(", "pipe(").replace('\\n"))', '\\n") time-reopen(7))')
    )
    running.send_signal(1)
    running.wait_log(r"destinations: .*replaced")
    assert read_lines_of(path, 100) == [b"%d" % number for number in range(100)]
    running.stop()
