"""Runs the real engine in a process of its own, and reads what it says.

Whatever depends on the exact words of the engine's start and stop lines is in this file: STARTED, TOTALS and
`Engine.totals`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
# No test passes or fails by the clock: this is only how long to wait before giving up on what never comes.
PATIENCE = 40.0

STARTED = re.compile(r"inrush: started")
# One for each source, on the line or lines that the engine prints when it stops.
TOTALS = re.compile(
    r"source (?P<source>\S+): posted=(?P<posted>\d+) delivered=(?P<delivered>\d+)"
    r" dropped=(?P<dropped>\d+) in_flight=(?P<in_flight>\d+)"
    r"(?: generated=(?P<generated>\d+))?(?: filtered=(?P<filtered>\d+))?"
    r"(?: rejected=(?P<rejected>\d+))?"
)


@dataclass
class Totals:
    """The engine's counts for its sources, all together."""

    posted: int = 0
    delivered: int = 0
    dropped: int = 0
    in_flight: int = 0
    generated: int = 0
    filtered: int = 0
    rejected: int = 0

    def check(self) -> None:
        """The sum that must always add up."""
        outcomes = self.delivered + self.dropped + self.filtered + self.rejected
        assert self.posted + self.generated == outcomes + self.in_flight, self


class Output:
    """A stream of the engine's, collected line by line while it runs."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self.lines: list[str] = []
        self.changed = threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self._collect, args=(stream,), daemon=True)
        self.thread.start()

    def _collect(self, stream: Iterator[bytes]) -> None:
        for line in stream:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    @property
    def text(self) -> str:
        """Everything so far."""
        with self.changed:
            return "\n".join(self.lines)

    def find(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """The first match in everything so far."""
        return re.search(pattern, self.text)


class Engine:
    """One `inrush run` process."""

    def __init__(
        self,
        directory: Path,
        conf: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory
        self.stopped = False
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "inrush", "run", "-f", str(conf), *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(env),
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdout = Output(iter(self.process.stdout.readline, b""))
        self.stderr = Output(iter(self.process.stderr.readline, b""))

    def report(self) -> str:
        """The exit code and the output, to be shown when a test fails."""
        code = self.process.poll()
        return f"exit code {code}\n--- stdout\n{self.stdout.text}\n--- stderr\n{self.stderr.text}"

    def wait_for(self, output: Output, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Waits for a match in what an output has said since the start of the process."""
        until = time.monotonic() + PATIENCE
        with output.changed:
            while (found := re.search(pattern, "\n".join(output.lines))) is None:
                if output.ended or not output.changed.wait(until - time.monotonic()):
                    break
        assert found is not None, (
            f"no {pattern!r} in {'stdout' if output is self.stdout else 'stderr'}: {self.report()}"
        )
        return found

    def wait_started(self) -> None:
        """Waits until every source was initialised and told to run."""
        self.wait_for(self.stderr, STARTED)

    def wait_log(self, pattern: str) -> re.Match[str]:
        """Waits until the engine has said something on stderr."""
        return self.wait_for(self.stderr, pattern)

    def wait_print(self, pattern: str) -> re.Match[str]:
        """Waits until the source has printed something."""
        return self.wait_for(self.stdout, pattern)

    def wait_listening(self) -> tuple[str, int]:
        """The address on which the source says that it listens."""
        found = self.wait_print(r"listening on ([\d.]+):(\d+)")
        return found[1], int(found[2])

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits until something is true outside of the process, for example in a file that it writes."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"ended before {what}: {self.report()}"
            assert time.monotonic() < until, f"never: {what}: {self.report()}"
            time.sleep(0.02)

    def wait_lines(self, name: str, count: int) -> list[bytes]:
        """Waits until a file has `count` lines, and returns them."""
        path = self.directory / name
        self.wait_until(lambda: len(read_lines(path)) >= count, f"{count} lines in {name}")
        return read_lines(path)

    def make_gone(self) -> None:
        """Makes the directory that `gone` took away: the destination can write."""
        (self.directory / "gone").mkdir()

    def deliver_numbers(self, count: int) -> None:
        """Makes the directory; the source comes to its end, and its numbers stand in the file."""
        self.make_gone()
        self.wait_print("done")
        assert self.wait_lines("gone/out.log", count) == numbered(count)

    def send_signal(self, number: int) -> None:
        """Sends a signal to this process, and to no other."""
        self.process.send_signal(number)

    def wait_exit(self) -> int:
        """Waits until the process has ended by itself, and returns its exit code."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end: {self.report()}") from None
        self.stdout.thread.join(PATIENCE)
        self.stderr.thread.join(PATIENCE)
        self.stopped = True
        return code

    def stop(self, number: int = signal.SIGTERM) -> Totals:
        """Stops the engine as an operator does; the end must be clean and the totals must add up."""
        self.send_signal(number)
        code = self.wait_exit()
        assert code == 0, self.report()
        totals = self.totals()
        totals.check()
        return totals

    def totals(self) -> Totals:
        """The totals that the engine reported when it stopped, summed over its sources."""
        totals = Totals()
        rows = list(TOTALS.finditer(self.stderr.text))
        assert rows, f"no totals: {self.report()}"
        for row in rows:
            totals.posted += int(row["posted"])
            totals.delivered += int(row["delivered"])
            totals.generated += int(row["generated"] or 0)
            totals.filtered += int(row["filtered"] or 0)
            totals.rejected += int(row["rejected"] or 0)
            totals.dropped += int(row["dropped"])
            totals.in_flight += int(row["in_flight"])
        return totals

    def close(self) -> None:
        """The end of a test: an engine that still runs must be able to stop, and never outlives the test."""
        try:
            if not self.stopped:
                self.stop()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for output in (self.stdout, self.stderr):
                output.thread.join(PATIENCE)
            assert self.process.stdout is not None
            assert self.process.stderr is not None
            self.process.stdout.close()
            self.process.stderr.close()


# What the fixtures of conftest.py give to a test.
StartEngine = Callable[..., Engine]
RunSource = Callable[..., list[str]]
Delivered = Callable[[], list[bytes]]


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would change how the engine behaves."""
    # Unbuffered, a print() is two writes, and the lines of threads run into each other.
    other = ("PYTEST", "COV", "PYTHONUNBUFFERED")
    env = {key: value for key, value in os.environ.items() if not key.startswith(other)}
    return {**env, **(extra or {})}


@dataclass
class Result:
    """The end of a command that ends by itself."""

    code: int
    stdout: str
    stderr: str


def ran(
    *words: str | Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    stdout: IO[bytes] | int = subprocess.PIPE,
    patience: float = PATIENCE,
) -> Result:
    """Runs a command until it ends; `env` is added to the environment."""
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(env),
        timeout=patience,
        check=False,
    )
    said = (done.stdout or b"").decode(errors="replace")
    return Result(done.returncode, said, done.stderr.decode(errors="replace"))


def script(code: str, *options: str, cwd: Path | None = None) -> Result:
    """Runs Python code in an interpreter of its own."""
    return ran(sys.executable, *options, "-c", textwrap.dedent(code), cwd=cwd)


def inrush(*arguments: str | Path, cwd: Path, **options: Any) -> Result:
    """Runs the command `inrush` until it ends."""
    return ran(sys.executable, "-m", "inrush", *arguments, cwd=cwd, **options)


def together(threads: Iterable[threading.Thread]) -> None:
    """Starts threads, and waits until all of them have ended."""
    started = list(threads)
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def read_lines(path: Path) -> list[bytes]:
    """The complete lines of a file that may not be there yet."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def example(name: str, **defines: object) -> str:
    """The text of an example, with other values for its `@define`s (`port=0`: whichever is free)."""
    text = (EXAMPLES / f"{name}.conf").read_text()
    for key, value in defines.items():
        text, count = re.subn(rf"^@define {key} .*$", f'@define {key} "{value}"', text, flags=re.MULTILINE)
        assert count == 1, f"{name}.conf has no `@define {key}`"
    return text


def free_port() -> int:
    """A port that nobody listens on, for servers that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    """A TCP connection that gives up after a while."""
    with socket.create_connection(address, PATIENCE) as connection:
        yield connection


def indented(text: str, spaces: int = 4) -> str:
    """Lines of Python as the body of a class or a function."""
    return textwrap.indent(textwrap.dedent(text.strip("\n")), " " * spaces)


def source(
    body: str,
    *,
    driver: str = "",
    log: str = "",
    head: str = "",
    kind: str = "python",
    base: str = "LogSource",
    name: str = "Source",
) -> str:
    """A configuration with one Python source `s_test` of a class whose methods are `body`, into `out.log`."""
    return f"""@version: current
{head}
python {{
import threading
import time
from syslogng import LogMessage, {base}

class {name}({base}):
{indented(body)}
}};
source s_test {{ {kind}(class("{name}") {driver}); }};
log {{ source(s_test); {log} destination {{ file("out.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""


# What a source with nothing else to say uses to wait for its end.
EXIT = """
def request_exit(self):
    self.exiting.set()
"""
# A destination that cannot write until somebody makes the directory, and a window of ten messages.
GONE = "options { time-reopen(1); };"


def numbered(count: int) -> list[bytes]:
    """The lines of a source that posts the numbers from 0."""
    return [b"%d" % number for number in range(count)]


def gone(conf: str) -> str:
    """The same configuration with a destination whose directory is missing."""
    assert '"out.log"' in conf
    return conf.replace('"out.log"', '"gone/out.log"')


def source_that(run: str, *others: str, **options: str) -> str:
    """A source whose run() does something, prints `done` and waits for its end; `others` are further
    methods."""
    own = f"def run(self):\n{indented(run)}\n    print('done', flush=True)\n    self.exiting.wait()"
    parts = ["exiting = threading.Event()", own, EXIT, *others]
    return source("\n\n".join(textwrap.dedent(part.strip("\n")) for part in parts), **options)
