"""rsyslog of Debian, installed or unpacked by `tools/peers`."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from worst_day.collector import Collector, Place, output_of

UNPACKED = Path(__file__).resolve().parents[3] / "target/peers/rsyslogd"
CONF = """\
global(workDirectory="{place.spool}" maxMessageSize="64k" shutdown.queue.doublesize="on")
module(load="{module}"{options})
template(name="text" type="string" string="%msg%\\n")
ruleset(name="out"{queue}) {{
    action(type="omfwd" target="127.0.0.1" port="{place.far}" protocol="tcp" template="text"
        action.resumeRetryCount="-1" action.resumeInterval="1")
}}
input(type="{module}" {source} ruleset="out")
"""
QUEUE = """ queue.type="Disk" queue.filename="out" queue.maxDiskSpace="64m" queue.maxFileSize="256k"
    queue.checkpointInterval="1" queue.syncQueueFiles="on" queue.saveOnShutdown="on" queue.dequeueBatchSize="1"
    queue.timeoutEnqueue="2147483647\""""
MODULES = {"tcp": "imtcp", "relp": "imrelp", "file": "imfile"}
SOURCES = {
    "tcp": 'address="127.0.0.1" port="{place.port}"',
    "relp": 'address="127.0.0.1" port="{place.port}"',
    "file": 'file="{place.source}" tag="worst:" persistStateInterval="1"',
}


class Rsyslog(Collector):
    """The logger of most Linux systems."""

    name = "rsyslog"
    title = "rsyslog"
    inputs = ("tcp", "relp", "file")
    install = "`tools/peers`, or `apt install rsyslog rsyslog-relp`"
    reloads = (
        "SIGHUP, at which it opens its files again; it has no command that reads the configuration again"
    )
    notes = (
        "One queue, purely on the disk, between the input and the action, written and synced for each message "
        "(`queue.checkpointInterval`, `queue.syncQueueFiles`): nothing that was taken is in memory alone.",
        "`queue.dequeueBatchSize` 1: what is written to a connection that the destination has closed is one message. With "
        "its default it is all that was taken from the queue at once, hundreds of them.",
        "`queue.timeoutEnqueue` makes an input wait while the queue is full. With its default it throws the message "
        "away after two seconds.",
    )

    def program(self) -> str | None:
        """Its path."""
        if UNPACKED.exists():
            return str(UNPACKED)
        return shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")

    def version(self) -> str | None:
        """The version of the package."""
        found = re.search(r"rsyslogd\s+([\d.]+)", output_of(self.program() or "", "-v"))
        return found[1] if found else None

    def configuration(self, place: Place) -> str:
        """An input, a queue on the disk, an action that waits for its destination."""
        return CONF.format(
            place=place,
            module=MODULES[place.input],
            options="",
            queue=QUEUE if place.buffered else "",
            source=SOURCES[place.input].format(place=place),
        )

    def command(self, place: Place, conf: Path) -> list[str]:
        """In the foreground."""
        return [str(self.program()), "-n", "-f", str(conf), "-i", str(place.directory / "pid")]


COLLECTOR = Rsyslog()
