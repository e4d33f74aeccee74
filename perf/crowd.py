"""The measurement of many connections: the memory while all of them are idle, and the latency when each sends a
line, one a millisecond."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from perf import rivals, verify
from perf.arrival import PATIENCE, Result, integer, wait_listening
from perf.kinds import Crowd
from perf.processes import free_port


def crowd(run: Crowd, here: rivals.Place) -> Result:
    """Memory, then latency."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tools, fifo = here.tools, here.reports.path
    here.file.touch(0o600)
    here.start("watch", [tools.build / "watch", here.file, str(run.count), fifo])
    here.wait("watching", 10)
    port = free_port()
    process = rivals.start(run, here, port)
    wait_listening(port, process)
    path, filler = here.directory / "orders", run.cycles()[0][0][20:]
    os.mkfifo(path)
    orders = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        command: list[str | Path] = [
            tools.build / "connections",
            str(run.count),
            filler,
            str(port),
            fifo,
            path,
        ]
        here.start("connections", command)
        here.wait("connected", 60)
        time.sleep(0.5)
        idle, cpu_before = process.memory_kib("VmRSS"), process.cpu_ns()
        os.write(orders, b"\n")
        sent = here.wait("sent", PATIENCE)
        found = here.wait("latency", 30)
    finally:
        os.close(orders)
    cpu, peak = process.cpu_ns() - cpu_before, process.memory_kib("VmHWM")
    process.stop()
    verify.scattered(here.file, filler, run.count)
    seconds = (integer(sent["end"]) - integer(sent["begin"])) / 1e9
    micros = {key: integer(found[key]) / 1e3 for key in ("min", "p50", "p90", "p99", "p99.9", "max")}
    memory = {"rss_mib": idle / 1024, "peak_mib": peak / 1024}
    return {"count": run.count, "rate": run.count / seconds, "cpu": cpu / run.count / 1e3, **micros, **memory}
