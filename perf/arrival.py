"""The arrival of messages: how they get into a process, and how it is found out that all of them came out as
they were sent."""

from __future__ import annotations

import time
from pathlib import Path

from perf import rivals, verify
from perf.kinds import DEFAULT_FORMAT, Posting, Serving, Sourced
from perf.processes import Process, RunError

Result = dict[str, float]
PATIENCE = 120.0


def connections(run: Serving) -> int:
    """The number of processes that send to a server."""
    return len(run.cycles()) if run.load == "stream" else 1


def send(run: Serving, here: rivals.Place, port: int, orders: str = "", index: int = 0) -> Process:
    """Starts what sends to a server: one connection at once, or the client of Flask at each order."""
    if run.load == "stream":
        block, total = rivals.write_block(run, here.directory, index), str(rivals.total_bytes(run, index))
        command: list[str | Path] = [here.tools.build / "send", block, total, str(port), here.reports.path]
        return here.start(f"send{index}", command)
    # The warm-up, whose content is looked at, comes from one client, so that there is an order.
    clients = 2 if run.nothing else 1
    body, requests = rivals.write_block(run, here.directory), run.count // len(run.cycles()[0])
    words = [str(port), str(body), str(requests), str(clients), *([orders] if orders else [])]
    return here.start("client", [here.tools.python, "-m", "perf.client", *words])


def wait_listening(port: int, process: Process) -> None:
    """Waits until a server of a known port listens, without a connection that it would count."""
    place = f":{port:04X} 00000000:0000 0A"
    until = time.monotonic() + 30
    while place not in Path("/proc/net/tcp").read_text():
        process.check()
        if time.monotonic() > until:
            raise RunError(f"nobody listens on port {port}")
        time.sleep(0.005)


def wait_written(run: Sourced, here: rivals.Place) -> int:
    """Waits until the file has its size; the time at which it had."""
    expected = 0 if run.template == DEFAULT_FORMAT else file_bytes(run)
    size, changed = -1, time.monotonic()
    while True:
        now = time.monotonic_ns()
        found = here.file.stat().st_size if here.file.exists() else 0
        if expected == 0 and found:
            with here.file.open("rb") as file:
                first = file.readline()
            # All lines are of one length: date, host and text.
            expected = len(first) * run.count if first.endswith(b"\n") else 0
        if expected and found >= expected:
            return now
        if found != size:
            size, changed = found, time.monotonic()
        elif time.monotonic() - changed > 8:
            check(run, here)
            raise RunError(f"the file stays at {found:,} bytes of {expected:,}")
        for process in here.processes:
            process.check()
        time.sleep(0.0002)


def file_bytes(run: Sourced) -> int:
    """The size that the file must have."""
    cycles = run.cycles()
    each = run.count // len(cycles)
    return sum(sum(len(line) + 1 for line in cycle) * (each // len(cycle)) for cycle in cycles)


def check(run: Sourced, here: rivals.Place) -> None:
    """Compares what arrived with what was sent."""
    cycles = run.cycles()
    if run.template == DEFAULT_FORMAT and run.rival in rivals.ENGINES:
        verify.prefixed(here.file, cycles[0], run.count)
    elif cycles[0][0].startswith("0 ") or len(cycles) > 1:
        verify.interleaved(here.file, cycles, run.count)
    else:
        verify.repeated(here.file, cycles[0], run.count)


def posting_result(run: Posting, elapsed: int, size: int, cpu: int, peak_kib: int) -> Result:
    """The result of a run of messages, in nanoseconds, bytes and KiB."""
    return {
        "count": run.count,
        "seconds": elapsed / 1e9,
        "ns": elapsed / run.count,
        "rate": run.count / elapsed * 1e9,
        "bytes_per_second": size / elapsed * 1e9,
        "cpu": cpu / run.count / 1e3,
        "peak_mib": peak_kib / 1024,
    }


def integer(value: object) -> int:
    """A number of a report."""
    assert isinstance(value, int)
    return value
