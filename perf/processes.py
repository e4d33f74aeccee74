"""Processes that end with the harness, and what the kernel knows about them."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

# Even when the harness is killed, what it started ends; `setpriv` sets that and becomes the program.
_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


class RunError(Exception):
    """A run that did not do what it should; the text says what."""


class Process:
    """One process, its output in a file, ended at the latest by the end of the `with`."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        output: BinaryIO
        with log.open("ab") as output:
            self.started = time.monotonic_ns()
            # In a session of its own, a Ctrl-C of the terminal reaches the harness alone, which then ends
            # this one.
            self.child = subprocess.Popen(
                [*_WITH_PARENT, *(str(word) for word in command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=None if env is None else dict(env),
                start_new_session=True,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    @property
    def pid(self) -> int:
        """Its number."""
        return self.child.pid

    def tail(self) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def check(self) -> None:
        """Fails when it has ended by itself."""
        code = self.child.poll()
        if code is not None:
            raise RunError(f"{self.child.args!r} ended with {code}:\n{self.tail()}")

    def cpu_ns(self) -> int:
        """The processor time of all its threads so far."""
        # The process's own clock, as clock_getcpuclockid(3) makes it: exact, where /proc counts ticks.
        return time.clock_gettime_ns((~self.pid << 3) | 2)

    def memory_kib(self, key: str) -> int:
        """VmRSS (now) or VmHWM (at most so far)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise RunError(f"no {key} of process {self.pid}")

    def stop(self, patience: float = 20) -> None:
        """Asks it to end, and waits."""
        self.check()
        self.child.terminate()
        try:
            code = self.child.wait(patience)
        except subprocess.TimeoutExpired:
            raise RunError(f"does not end within {patience} s of SIGTERM:\n{self.tail()}") from None
        if code not in (0, -signal.SIGTERM):
            raise RunError(f"ended with {code}:\n{self.tail()}")


class Reports:
    """The FIFO into which processes write lines of JSON."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # Also for writing, so that it never ends.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.pending = b""
        self.lines: list[dict[str, Any]] = []

    def close(self) -> None:
        """Closes it."""
        os.close(self.fd)

    def wait(self, event: str, processes: Sequence[Process], patience: float = 180) -> dict[str, Any]:
        """The next report of a kind; fails when one of the processes ends or the time is over."""
        until = time.monotonic() + patience
        while True:
            for index, line in enumerate(self.lines):
                if line["event"] == event:
                    return self.lines.pop(index)
            for process in processes:
                process.check()
            if time.monotonic() > until:
                raise RunError(f"no report of {event!r} within {patience} s:\n{processes[0].tail()}")
            if select.select([self.fd], [], [], 0.25)[0]:
                self.pending += os.read(self.fd, 65536)
                *whole, self.pending = self.pending.split(b"\n")
                self.lines += [json.loads(line) for line in whole]


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port that nobody listens on, for a server that cannot tell which one it got."""
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
