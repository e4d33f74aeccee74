"""The engine's own log: a stderr that stands still, hostile and huge texts, closed descriptors, the line at
the foot of a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import (
    GONE,
    PATIENCE,
    StartEngine,
    environment,
    gone,
    read_lines,
    source,
    source_that,
)
from harness import inrush as command

# A stamp and a level: what only the engine writes at the beginning of a line.
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d (error|warning|notice|info|debug|trace): ")

LOUD = source(
    """
def run(self):
    import logging
    number = 0
    while not self.exit_requested:
        # More than the log keeps, and then as much as there is time for.
        for _ in range(100 if number < 10_000 else 1):
            logging.error("%d %s", number, "y" * 1000)
            number += 1
        self.post_message(LogMessage(f"m{number}"))
        self.sleep(0.01)
""",
    driver="stop-timeout(1)",
)


@contextmanager
def unread(directory: Path, conf: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An engine whose stderr is a pipe that nobody reads, and the end of it that one could read."""
    (directory / "test.conf").write_text(conf)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "inrush", "run", "-f", "test.conf", *arguments],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stderr=writer,
        env=environment(),
    )
    os.close(writer)
    try:
        yield process, reader
    finally:
        os.close(reader)
        process.kill()
        process.wait()


def until(condition: Callable[[], bool]) -> None:
    """Waits until something is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.02)


def ctl(directory: Path, *arguments: str) -> str:
    """The output of `inrush ctl`."""
    done = command("ctl", *arguments, "--control", "control", cwd=directory)
    assert done.code == 0, done
    return done.stdout


def lost(directory: Path) -> int:
    """The number of lines of the log that were dropped."""
    count: int = json.loads(ctl(directory, "stats", "--json"))["log_lines_dropped"]
    return count


class TestNobodyReads:
    """A stderr that takes nothing any more."""

    def test_everything_goes_on(self, tmp_path: Path) -> None:
        """Without it: whoever stops reading the log stops sources, reload and stop, until SIGKILL."""
        with unread(tmp_path, LOUD, "--control", "control") as (process, _):
            until(lambda: (tmp_path / "control").exists() and lost(tmp_path) > 0)
            count = len(read_lines(tmp_path / "out.log"))
            until(lambda: len(read_lines(tmp_path / "out.log")) > count)
            assert re.search(r"\d+ lines of its log were not written", ctl(tmp_path, "stats"))
            assert ctl(tmp_path, "reload").startswith("reloaded")
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                process.send_signal(number)
            assert ctl(tmp_path, "log-level", "error")
            process.terminate()
            assert process.wait(PATIENCE) == 0

    def test_a_third_signal_ends_it(self, tmp_path: Path) -> None:
        """Without it: a stop that hangs in a callback cannot be cut short when nobody reads the log."""
        conf = LOUD.replace("stop-timeout(1)", "stop-timeout(3600)") + "\n"
        hangs = (
            '\n    def request_exit(self):\n        open("asked", "w").close()\n        time.sleep(3600)\n'
        )
        conf = conf.replace("\n};\nsource", f"{hangs}\n}};\nsource", 1)
        with unread(tmp_path, conf, "--control", "control") as (process, _):
            until(lambda: (tmp_path / "control").exists() and lost(tmp_path) > 0)
            process.terminate()
            until((tmp_path / "asked").exists)
            # Two signals of a number that wait are one.
            process.send_signal(signal.SIGINT)
            process.terminate()
            assert process.wait(PATIENCE) == 2

    def test_it_is_told_when_somebody_reads_again(self, tmp_path: Path) -> None:
        """Without it: lines are missing in the log, and nobody knows."""
        with unread(tmp_path, LOUD, "--control", "control") as (process, reader):
            until(lambda: (tmp_path / "control").exists() and lost(tmp_path) > 0)
            with os.fdopen(os.dup(reader), "rb") as stream:
                told = r"warning: (\d+) lines? of the log (was|were) not written: stderr did not take them"
                seen, found = [], None
                for line in stream:
                    seen.append(line.decode())
                    if (found := re.search(told, seen[-1])) is not None:
                        process.terminate()
                        break
                rest = [*seen, *(line.decode() for line in stream)]
            assert found is not None
            assert process.wait(PATIENCE) == 0
        assert all(LINE.match(line) and line.endswith("\n") for line in rest)
        assert "inrush: stopped" in rest[-1]
        numbers = [int(number) for number in re.findall(r"error: python-root: (\d+) y", "".join(rest))]
        told_lost = sum(int(count) for count, _ in re.findall(told, "".join(rest)))
        assert numbers == sorted(set(numbers))
        assert numbers[-1] + 1 - len(numbers) <= told_lost

    def test_a_closed_reader(self, tmp_path: Path) -> None:
        """Without it: the end of whoever reads the log is the end of the engine."""
        with unread(tmp_path, LOUD, "--control", "control") as (process, reader):
            until(lambda: (tmp_path / "control").exists() and lost(tmp_path) > 0)
            nowhere = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nowhere, reader)
            os.close(nowhere)
            count = len(read_lines(tmp_path / "out.log"))
            until(lambda: len(read_lines(tmp_path / "out.log")) > count)
            process.terminate()
            assert process.wait(PATIENCE) == 0


class TestTexts:
    """Texts of others in the engine's log and tables."""

    HOSTILE = "x\\n2026-11-28T00:00:00.000+00:00 notice: inrush: stopped\\r\\x1b[31m\\x9b1m\\u202e\\u2066\\x07\\u200b"

    def test_nothing_is_obeyed_and_nothing_forged(self, engine: StartEngine) -> None:
        """Without it: whoever sends a message writes lines of the engine's log, or to the terminal of its
        reader."""
        running = engine(
            source(
                f"""
def run(self):
    import logging
    from syslogng import Logger
    hostile = "{self.HOSTILE}"
    Logger().error("one " + hostile)
    logging.error("two %s", hostile)
    raise ValueError("three " + hostile)
""",
                driver="restart(never)",
            ),
            "--control",
            "control",
        )
        running.wait_log(r"ValueError: three x\n.*200b")
        sources = ctl(running.directory, "sources")
        running.stop()
        for text in (running.stderr.text, sources):
            assert not re.search(
                r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text
            )
            assert r"\r\u{1b}[31m\u{9b}1m\u{202e}\u{2066}\u{7}\u{200b}" in text
        lines = running.stderr.lines
        assert all(LINE.match(line) or line.startswith("    ") for line in lines)
        assert sum("inrush: stopped" in line for line in lines if LINE.match(line)) == 1

    def test_the_source_of_the_log_has_the_text_as_it_was(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: messages of internal() are cut or written out for a terminal that they never see."""
        running = engine(
            source(
                f'def run(self):\n    from syslogng import Logger\n    Logger().error("one {self.HOSTILE}")'
            )
            + 'log { source { internal(); }; destination { file("internal.log" template("$MSG\\n")); }; };\n'
        )
        running.wait_until(
            lambda: any(b"\x1b[31m" in line for line in read_lines(tmp_path / "internal.log")),
            "the message of internal()",
        )
        running.stop()
        assert "\r\x1b[31m\x9b1m\u202e".encode() in (tmp_path / "internal.log").read_bytes()

    def test_a_huge_text_is_cut(self, engine: StartEngine) -> None:
        """Without it: one exception fills the disk that the log is on, or the memory of the statistics."""
        body = """
def run(self):
    from syslogng import Logger
    Logger().error("é" * 10_000_000)
    raise ValueError("x" * 20_000_000)
"""
        running = engine(source(body, driver="restart(never)"), "--control", "control")
        running.wait_log(r"x… \(\d+ more bytes\)")
        running.wait_until(
            lambda: json.loads(ctl(running.directory, "stats", "--json"))["sources"][0]["state"] == "ended",
            "the end of the source",
        )
        assert len(json.loads(ctl(running.directory, "sources", "--json"))["sources"][0]["last_error"]) < 600
        running.stop()
        text = running.stderr.text
        assert max(map(len, text.splitlines())) < 66_000
        assert re.search(rf"error: é+… \({20_000_000 - 64 * 1024} more bytes\)", text)
        assert "ValueError: xxx" in text

    def test_lines_of_many_threads_are_whole(self, engine: StartEngine) -> None:
        """Without it: lines of the log run into each other."""
        running = engine(
            source_that("""
from syslogng import Logger
def log(name):
    for number in range(2000):
        Logger().error(f"thread {name} line {number} {'z' * (number % 300)}.")
threads = [threading.Thread(target=log, args=(name,)) for name in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""")
        )
        running.wait_print("(?m)^done$")
        running.stop()
        found = re.findall(r"(?m)^\S+ error: thread (\d) line (\d+) (z*)\.$", running.stderr.text)
        for name in range(4):
            numbers = [(int(number), len(zs)) for thread, number, zs in found if int(thread) == name]
            assert numbers == [(number, number % 300) for number in range(2000)]

    def test_a_warning_says_so_once(self, engine: StartEngine) -> None:
        """Without it: `warning: warning:`."""
        conf = source_that("pass", head="options { use-dns(no); };", driver="log-iw-size(10)")
        running = engine(conf.replace("flags(flow-control)", ""))
        running.stop()
        assert "warning: warning:" not in running.stderr.text


class TestDescriptors:
    """Descriptors 0 to 2, closed by others."""

    BODY = """
def run(self):
    from syslogng import Logger
    import os
    number = 0
    while not self.exit_requested:
        message = LogMessage(f"message {number}")
        message["PROGRAM"] = f"p{number % 8}"
        self.post_message(message)
        Logger().error("a line of the log")
        try:
            os.write(1, b"a print")
            os.write(2, b"a print")
        except OSError:
            pass
        number += 1
        self.sleep(0.005)
"""
    FILES = ('file("out.log"', 'file("out-$PROGRAM"')

    def check(self, directory: Path, process: subprocess.Popen[bytes]) -> None:
        """The engine runs, and nothing but messages is in its files."""
        until(lambda: len(list(directory.glob("out-*"))) == 8)
        descriptors = Path(f"/proc/{process.pid}/fd")
        until(lambda: all((descriptors / str(number)).exists() for number in range(3)))
        assert not [
            path
            for path in directory.glob("out-*")
            if any(not line.startswith(b"message ") for line in read_lines(path))
        ]
        process.terminate()
        assert process.wait(PATIENCE) == 0

    @pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
    def test_closed_at_the_start(self, tmp_path: Path, numbers: tuple[int, ...]) -> None:
        """Without it: the engine does not start, or its log flows into the next file that is opened."""
        (tmp_path / "test.conf").write_text(source(self.BODY).replace(*self.FILES))
        closing = "; ".join(f"exec {number}>&-" for number in numbers)
        process = subprocess.Popen(
            [
                "sh",
                "-c",
                f'{closing}; exec "$0" -m inrush run -f test.conf --control control',
                sys.executable,
            ],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.check(tmp_path, process)
        finally:
            process.kill()
            process.wait()

    @pytest.mark.parametrize("place", ["block", "init", "run"])
    def test_closed_by_the_users_code(self, engine: StartEngine, place: str) -> None:
        """Without it: what is logged and printed flows into the next file that is opened."""
        close = "import os; [os.close(number) for number in (0, 1, 2)]"
        body, head = self.BODY, ""
        if place == "block":
            head = f"python {{\n{close}\n}};"
        elif place == "init":
            body += f"\ndef init(self, options):\n    {close}\n    return True\n"
        else:
            body = body.replace("    number = 0\n", f"    number = 0\n    {close}\n")
        running = engine(source(body, head=head).replace(*self.FILES))
        # The log has a descriptor of its own.
        running.wait_log("a line of the log")
        self.check(running.directory, running.process)
        running.stopped = True

    @pytest.mark.parametrize(
        "arguments", [["check", "-f", "test.conf"], ["ctl", "stats"], ["--help"]], ids=str
    )
    def test_commands(self, tmp_path: Path, arguments: list[str]) -> None:
        """Without it: a command that is started without streams ends with a traceback that nobody sees."""
        (tmp_path / "test.conf").write_text(source("def run(self):\n    print('run')"))
        done = subprocess.run(
            ["sh", "-c", 'exec <&- >&- 2>&-; exec "$0" -m inrush "$@"', sys.executable, *arguments],
            cwd=tmp_path,
            env=environment(),
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == (1 if "ctl" in arguments else 0)


class TestWhatASourceWaitsFor:
    """The warning of a source that is suspended."""

    def test_it_names_what_is_on_its_paths(self, engine: StartEngine) -> None:
        """Without it: a destination is blamed that the source has nothing to do with."""
        body = "def run(self):\n    for number in range(100):\n        self.post_message(LogMessage(str(number)))"
        conf = gone(source(body, driver="log-iw-size(10)", head=GONE))
        conf += """
python {
class Other(Source):
    pass
};
source s_other { python(class("Other") log-iw-size(10)); };
destination d_other { file("away/other.log"); };
log { source(s_other); destination(d_other); flags(flow-control); };
"""
        running = engine(conf)
        try:
            running.wait_log("source s_test#0 is suspended")
            running.wait_log("source s_other#0 is suspended")
        finally:
            for name in ("gone", "away"):
                (running.directory / name).mkdir()
        running.stop()
        (own,) = re.findall(r"source s_test#0 is suspended.*", running.stderr.text)
        (other,) = re.findall(r"source s_other#0 is suspended.*", running.stderr.text)
        assert own.endswith("it waits for #anon-destination0#0 (10 messages, cannot write)")
        assert other.endswith("it waits for d_other#0 (10 messages, cannot write)")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_live_line_is_one_row(tmp_path: Path, columns: int) -> None:
    """Without it: a terminal shows a new row each quarter of a second."""
    body = "def run(self):\n    while not self.exit_requested:\n        self.post_message('m')\n        self.sleep(0.01)"
    (tmp_path / "test.conf").write_text(gone(source(body, head=GONE)))
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "inrush", "run", "-f", "test.conf"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stderr=terminal,
        env=environment(),
    )
    os.close(terminal)
    shown = b""
    try:
        while shown.count(b" posted") < 12:
            shown += os.read(main, 4096)
        process.terminate()
        try:
            while piece := os.read(main, 4096):
                shown += piece
        except OSError:
            # The other end was closed.
            pass
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(main)
    rows = [row for row in re.split("\r\x1b\\[K|\n", shown.decode()) if " posted" in row and "/s" in row]
    assert rows
    assert all(len(row) < columns for row in rows), rows
    assert all(re.match(r"[\d.]+( [kMG])?/s · \d+ posted", row) for row in rows)
    if columns == 200:
        assert any("cannot write" in row and "No such file" in row for row in rows), rows
