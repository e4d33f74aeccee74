"""Inrush, of the interpreter that runs this."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from worst_day.collector import Collector, Place, output_of, relp_block

CONF = """\
@version: current
options {{ time-reopen(1); }};
{head}source s_in {{ {source} }};
destination d_out {{
    network("127.0.0.1" port({place.far}) transport(tcp) template("$MSG\\n"){buffer});
}};
log {{ source(s_in); destination(d_out); flags(flow-control); }};
"""
BUFFER = '\n        disk-buffer(reliable(yes) capacity-bytes(64M) dir("{place.spool}"))'
SOURCES = {
    "tcp": 'network(ip("127.0.0.1") port({place.port}) transport(tcp));',
    "relp": 'python(class("Relp") options("port" "{place.port}"));',
    "file": 'file("{place.source}" follow-freq(0.1));',
}


class Inrush(Collector):
    """The engine that is built into `.venv`."""

    name = "inrush"
    title = "Inrush"
    inputs = ("tcp", "relp", "file")
    reloads = "SIGHUP"
    install = "`make build`"

    def version(self) -> str | None:
        """The version, with the profile of its build."""
        code = "import inrush; i = inrush.build_info(); print(i['version'] + ', profile ' + i['profile'])"
        return output_of(sys.executable, "-c", code).strip().partition("\n")[0] or None

    def configuration(self, place: Place) -> str:
        """A path with flow control."""
        buffer = BUFFER.format(place=place) if place.buffered else ""
        source = SOURCES[place.input].format(place=place)
        head = relp_block() if place.input == "relp" else ""
        return CONF.format(place=place, head=head, source=source, buffer=buffer)

    def command(self, place: Place, conf: Path) -> list[str]:
        """`inrush run` with a state file."""
        here = place.directory
        state = ["--persist-file", str(here / "state"), "--control", str(here / "control")]
        return [sys.executable, "-m", "inrush", "run", "-f", str(conf), *state]

    def has_buffer(self) -> bool:
        """True when this version knows `disk-buffer()`."""
        text = self.canonical("tcp", buffered=True).replace('dir("/var/spool/collector")', "")
        command = [sys.executable, "-m", "inrush", "check", "-f", "/dev/stdin"]
        return subprocess.run(command, input=text.encode(), capture_output=True, check=False).returncode == 0


COLLECTOR = Inrush()
