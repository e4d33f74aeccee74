"""Tenzir of PyPI, or the one that TENZIR names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from worst_day.collector import Collector, NotHereError, Place, output_of

CONF = """\
accept_tcp "127.0.0.1:{place.port}" {{ read_lines }}
to_tcp "127.0.0.1:{place.far}" {{ write_lines }}
"""


class Tenzir(Collector):
    """A pipeline of its own, without a node."""

    name = "tenzir"
    title = "Tenzir"
    install = "`pip install tenzir`, and TENZIR=/path/to/bin/tenzir"
    reloads = "none: a pipeline is ended, and another one started"
    notes = (
        "It has no buffer on the disk between a source and a destination (`import` and `export` of its node are a store: nothing "
        "says what was delivered from there), so its rows show what a pipeline in memory does.",
    )

    def program(self) -> str | None:
        """Its path."""
        return os.environ.get("TENZIR") or shutil.which("tenzir")

    def version(self) -> str | None:
        """The version of the package."""
        found = re.search(r'"version": "([^"]+)"', output_of(self.program() or "", "version | write_json"))
        return found[1] if found else None

    def has_buffer(self) -> bool:
        """No version has one."""
        return False

    def configuration(self, place: Place) -> str:
        """Lines from a server to a client."""
        return CONF.format(place=place)

    def command(self, place: Place, conf: Path) -> list[str]:
        """In the foreground."""
        return [str(self.program()), "-f", str(conf)]

    def reload(self, process: subprocess.Popen[bytes], place: Place) -> None:
        """Has no way."""
        raise NotHereError("it has no command for it")


COLLECTOR = Tenzir()
