"""A collector: its command, its configuration, and what a reader of the page has to know of it."""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# How a sender reaches a collector.
INPUTS = ("tcp", "relp", "file")


class NotHereError(Exception):
    """A fault that cannot be made here; the text says why."""


@dataclass(frozen=True)
class Place:
    """The paths and ports of one run."""

    input: str
    directory: Path
    """Where the collector keeps what is not its buffer."""
    spool: Path
    """Where its buffer is, and nothing else: a small disk in one of the faults."""
    port: int
    """The collector listens here."""
    far: int
    """The receiver listens here, when it does."""
    buffered: bool = True
    """False: without its disk buffer."""

    @property
    def source(self) -> Path:
        """The file that is followed, where the input is one."""
        return self.directory / "in.log"


# As a configuration stands on the page: of no machine.
CANONICAL = {
    "directory": Path("/var/lib/collector"),
    "spool": Path("/var/spool/collector"),
    "port": 514,
    "far": 5140,
}


class Collector(ABC):
    """The base of a file in `collectors/`, which has one as `COLLECTOR`."""

    name: str
    title: str
    inputs: Sequence[str] = ("tcp",)
    notes: Sequence[str] = ()
    """Sentences for the page: why it is configured so, what it cannot do."""
    reloads = "SIGHUP"
    """Its way of reading its configuration again."""
    install = ""
    """The way to have it, for the page, where it is not installed."""

    @abstractmethod
    def version(self) -> str | None:
        """The version that is installed, or None."""

    @abstractmethod
    def configuration(self, place: Place) -> str:
        """The text of the configuration."""

    @abstractmethod
    def command(self, place: Place, conf: Path) -> list[str]:
        """The command that runs it in the foreground, in one process."""

    def reload(self, process: subprocess.Popen[bytes], place: Place) -> None:
        """Makes a running one read its configuration again."""
        os.kill(process.pid, signal.SIGHUP)

    def buffer_files(self, place: Place) -> list[Path]:
        """The files of its buffer that have messages in them, the largest first."""
        files = [path for path in place.spool.rglob("*") if path.is_file() and path.stat().st_size > 4096]
        return sorted(files, key=lambda path: path.stat().st_size, reverse=True)

    def has_buffer(self) -> bool:
        """True when this version has a disk buffer."""
        return True

    def canonical(self, intake: str, buffered: bool) -> str:
        """The configuration as the page shows it."""
        return self.configuration(Place(intake, buffered=buffered, **CANONICAL))  # type: ignore[arg-type]


def output_of(*command: str) -> str:
    """The output of a command that ends by itself, or nothing where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    return done.stdout + done.stderr


def relp_block() -> str:
    """The source that speaks RELP, as a block of a configuration."""
    source = Path(__file__).with_name("relp_source.py").read_text()
    return f"python {{\n{source}}};\n"
