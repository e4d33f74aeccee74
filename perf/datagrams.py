"""The measurement of datagrams: the highest rate at which at most LOSS of them are lost.

A trial sends for TRIAL seconds at one rate. The kernel counts what found no place in the socket's buffer; all
others must stand in the file, in their order. The rate is doubled, or halved, until it is known between two,
and then narrowed down. A rate that fails has a second chance: what else the machine does for a moment fills
the buffer, too.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

from perf import rivals, verify
from perf.arrival import PATIENCE, Result, integer
from perf.kinds import Datagrams
from perf.processes import Process, RunError, free_port

LOSS = 0.0001
TRIAL = 0.25
# The rate is known to a part of this.
NARROW = 1.05
# The most doublings or halvings.
STEPS = 12
# A sender that gets to less of the rate that was asked for is the limit itself.
REACHED = 0.9


class Trial(NamedTuple):
    """A rate that was tried: how many were sent, at which rate in truth, and how many of them were lost."""

    sent: int
    rate: float
    lost: int
    cpu: int

    @property
    def passes(self) -> bool:
        """True when hardly one was lost."""
        return self.lost <= self.sent * LOSS


def datagrams(run: Datagrams, here: rivals.Place) -> Result:
    """The highest rate."""
    port = free_port(socket.SOCK_DGRAM)
    process = rivals.start(run, here, port)
    wait_bound(port, process)
    best = highest(run, here, port, process)
    peak = process.memory_kib("VmHWM")
    process.stop()
    return {
        "count": best.sent,
        "ns": 1e9 / best.rate,
        "rate": best.rate,
        "bytes_per_second": best.rate * run.line,
        "lost": best.lost / best.sent,
        "cpu": best.cpu / best.sent / 1e3,
        "peak_mib": peak / 1024,
    }


def highest(run: Datagrams, here: rivals.Place, port: int, process: Process) -> Trial:
    """The best of the trials that pass."""

    def tried(rate: float) -> Trial:
        first = trial(run, here, port, process, rate)
        return first if first.passes else trial(run, here, port, process, rate)

    rate = float(run.count)
    last = tried(rate)
    factor = 2.0 if last.passes else 0.5
    best = last if last.passes else None
    upper = 0.0 if last.passes else rate
    for _ in range(STEPS):
        rate *= factor
        last = tried(rate)
        if last.passes:
            best = last
            if factor < 1 or last.rate < rate * REACHED:
                break
        else:
            upper = rate
            if factor > 1:
                break
    if best is None:
        raise RunError(f"{last.lost:,} datagrams of {last.sent:,} are lost at {last.rate:,.0f} a second")
    lower = best.rate
    while upper > lower * NARROW:
        last = tried((lower * upper) ** 0.5)
        if last.passes:
            best, lower = max(best, last, key=lambda one: one.rate), (lower * upper) ** 0.5
        else:
            upper = (lower * upper) ** 0.5
    return best


def trial(run: Datagrams, here: rivals.Place, port: int, process: Process, rate: float) -> Trial:
    """Sends at a rate; what arrived is compared, and cut off."""
    lines = run.cycles()[0]
    count = max(1, round(rate * TRIAL / run.unit)) * run.unit
    block, fifo = rivals.write_block(run, here.directory), here.reports.path
    before, cpu = dropped(port), process.cpu_ns()
    command: list[str | Path] = [
        here.tools.build / "datagrams",
        block,
        str(count),
        str(rate),
        str(port),
        fifo,
    ]
    sender = here.start("datagrams", command)
    sent = here.wait("sent", PATIENCE)
    elapsed = integer(sent["end"]) - integer(sent["begin"])
    here.end(sender)
    lost = dropped(port) - before
    wait_size(here, (count - lost) * run.line)
    cpu = process.cpu_ns() - cpu
    if (missing := verify.gapped(here.file, lines, count)) != lost:
        raise RunError(f"{missing:,} datagrams are missing, and the kernel dropped {lost:,}")
    # Every writer appends.
    os.truncate(here.file, 0)
    return Trial(count, count / elapsed * 1e9, lost, cpu)


def wait_size(here: rivals.Place, expected: int) -> None:
    """Waits until the file has its size."""
    size, changed = -1, time.monotonic()
    while size != expected:
        found = here.file.stat().st_size if here.file.exists() else 0
        if found != size:
            size, changed = found, time.monotonic()
        elif time.monotonic() - changed > 8:
            raise RunError(f"the file stays at {found:,} bytes of {expected:,}")
        for process in here.processes:
            process.check()
        time.sleep(0.0005)


def dropped(port: int) -> int:
    """The datagrams for which the buffer of a socket had no room, when nothing waits in it any more."""
    while True:
        (fields,) = sockets(port)
        _, _, waiting = fields[4].partition(":")
        if int(waiting, 16) == 0:
            return int(fields[-1])
        time.sleep(0.001)


def wait_bound(port: int, process: Process) -> None:
    """Waits until somebody receives on a port."""
    until = time.monotonic() + 30
    while not sockets(port):
        process.check()
        if time.monotonic() > until:
            raise RunError(f"nobody receives on port {port}")
        time.sleep(0.005)


def sockets(port: int) -> list[list[str]]:
    """The kernel's fields of the sockets that are bound to a port."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return [fields for line in lines if (fields := line.split())[1].endswith(f":{port:04X}")]
