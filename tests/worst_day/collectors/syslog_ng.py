"""syslog-ng of Debian, or the one that SYSLOG_NG names."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from worst_day.collector import Collector, Place, output_of, relp_block

CONF = """\
@version: 3.38
options {{ time-reopen(1); use-dns(no); dns-cache(no); keep-hostname(yes); stats-freq(0); }};
{head}source s_in {{ {source} }};
destination d_out {{
    network("127.0.0.1" port({place.far}) transport(tcp) template("$MSG\\n"){buffer});
}};
log {{ source(s_in); destination(d_out); flags(flow-control); }};
"""
BUFFER = """
        disk-buffer(reliable(yes) disk-buf-size(67108864) mem-buf-size(1048576) dir("{place.spool}"))"""
SOURCES = {
    "tcp": 'network(ip("127.0.0.1") port({place.port}) transport(tcp));',
    "relp": 'python(class("Relp") options("port" "{place.port}"));',
    "file": 'file("{place.source}" follow-freq(0.1));',
}


class SyslogNg(Collector):
    """The engine whose configuration Inrush reads."""

    name = "syslog-ng"
    title = "syslog-ng"
    install = "`apt install syslog-ng-core`"
    notes = (
        "`reliable(yes)`: a message is in the file of the buffer before the source gets its credit back. No `fsync` is "
        "made: the faults here end the process and not the machine, so that costs it nothing.",
        "`mem-buf-size()` (1 MiB) is less than `disk-buf-size()` (64 MiB). With its default, 163 MB, no message would "
        "be acknowledged before its delivery, and the buffer would hold one window.",
    )

    @property
    def inputs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Without its module for Python there is nothing that answers a sender."""
        has_python = "mod-python" in output_of(self.program() or "", "--version")
        return ("tcp", "relp", "file") if has_python else ("tcp", "file")

    def program(self) -> str | None:
        """Its path."""
        return os.environ.get("SYSLOG_NG") or shutil.which(
            "syslog-ng", path=f"{os.environ['PATH']}:/usr/sbin"
        )

    def version(self) -> str | None:
        """The version of the package."""
        found = re.search(r"\(([\d.]+)\)", output_of(self.program() or "", "--version"))
        return found[1] if found else None

    def configuration(self, place: Place) -> str:
        """The same path, with its reliable disk buffer."""
        buffer = BUFFER.format(place=place) if place.buffered else ""
        source = SOURCES[place.input].format(place=place)
        head = relp_block() if place.input == "relp" else ""
        return CONF.format(place=place, head=head, source=source, buffer=buffer)

    def command(self, place: Place, conf: Path) -> list[str]:
        """In the foreground, without a supervisor."""
        here = place.directory
        state = ["-R", str(here / "persist"), "-c", str(here / "control"), "-p", str(here / "pid")]
        return [str(self.program()), "-F", "-e", "--no-caps", "-f", str(conf), *state]


COLLECTOR = SyslogNg()
