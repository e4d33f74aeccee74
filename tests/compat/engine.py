"""Processes of both engines, each with the configuration of a group of cases."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from compat.case import Case, Output
from compat.configuration import Translated, configuration

# Only how long to wait before giving up on what never comes.
PATIENCE = 60.0
INSTALL = "apt-get install -y --no-install-recommends syslog-ng-core syslog-ng-mod-python"
UNBUILT = "is not supported by this version of Inrush"
# Which variables the templates of cases may read.
VARIABLES = {"COMPAT_VARIABLE": "of the environment"}


@dataclass
class Result:
    """What an engine did with a case."""

    output: Output = field(default_factory=dict)
    # The exit code of a process that ended by itself.
    ended: int | None = None
    said: str = ""
    configuration: str = ""

    @property
    def refused(self) -> bool:
        """Whether it did not start."""
        return self.ended is not None and self.ended >= 0

    @property
    def is_unbuilt(self) -> bool:
        """Whether it is refused because of a part of the language that there is not yet."""
        return self.refused and UNBUILT in self.said

    @property
    def crashed(self) -> bool:
        """Whether it ended by a signal, or never."""
        return self.ended is not None and self.ended < 0


class Engine:
    """An engine, by its command."""

    name = ""

    def command(self, conf: Path) -> list[str]:
        """The command that runs a configuration in the foreground."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The variables of its process."""
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", **VARIABLES}

    def run(self, cases: list[Case]) -> dict[str, Result]:
        """What it does with cases of one version, by their paths: in one process, if all are accepted."""
        directory = Path(mkdtemp(prefix="compat-"))
        try:
            return self._run_in(directory, cases)
        finally:
            shutil.rmtree(directory)

    def _run_in(self, directory: Path, cases: list[Case]) -> dict[str, Result]:
        translated = [Translated(case, number, directory) for number, case in enumerate(cases)]
        for each in translated:
            each.prepare()
        conf = directory / "test.conf"
        conf.write_text(configuration(translated))
        with (directory / "said").open("wb") as said_file:
            process = subprocess.Popen(
                self.command(conf),
                cwd=directory,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said_file,
            )
        assert process.stdout is not None
        wanted = {str(each.input(number)) for each in translated for number in each.case.sources}
        ended, failed = self._wait(process, iter(process.stdout.readline, b""), wanted)
        said = (directory / "said").read_text(errors="replace")
        if ended is not None and len(cases) > 1:
            # Those that are refused are found by halves.
            middle = len(cases) // 2
            return {**self.run(cases[:middle]), **self.run(cases[middle:])}
        said += "".join(failed)
        return {
            each.case.path: Result(
                each.written(), ended, said, conf.read_text() if len(cases) == 1 else each.text
            )
            for each in translated
        }

    @staticmethod
    def _wait(
        process: subprocess.Popen[bytes], lines: Iterator[bytes], wanted: set[str]
    ) -> tuple[int | None, list[str]]:
        """Waits for the sources whose inputs are `wanted`, and ends the process."""
        failed = []
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        missing = set(wanted)
        for line in lines:
            what, _, path = line.decode(errors="replace").rstrip("\n").partition(" ")
            if what == "failed":
                failed.append(path)
            elif what == "done":
                missing.discard(path)
            if not missing:
                process.send_signal(signal.SIGTERM)
                break
        code = process.wait()
        timer.cancel()
        assert process.stdout is not None
        process.stdout.close()
        return (code or 1) if missing else (None if code == 0 else code), failed


class Native(Engine):
    """syslog-ng 3.38 of Debian."""

    name = "syslog-ng"

    @staticmethod
    def program() -> str | None:
        """Its path, where it is installed."""
        return shutil.which("syslog-ng", path=f"{os.environ['PATH']}:/usr/sbin")

    def command(self, conf: Path) -> list[str]:
        program = self.program()
        assert program is not None
        own = [f"--{name}={conf.parent}/native.{name}" for name in ("persist-file", "control", "pidfile")]
        return [program, "--foreground", "--stderr", "--no-caps", f"--cfgfile={conf}", *own]


class Inrush(Engine):
    """The engine of this checkout."""

    name = "Inrush"

    def command(self, conf: Path) -> list[str]:
        return [sys.executable, "-m", "inrush", "run", "-f", str(conf)]

    def environment(self) -> dict[str, str]:
        path = os.environ.get("LD_LIBRARY_PATH")
        return {**super().environment(), **({"LD_LIBRARY_PATH": path} if path else {})}
