"""One measurement: one process from its start to its end, what it did, and whether that was right.

A source looks at the clock before its first post and after its last. The end of a run is later: when the last byte stands in the
file (the harness looks at its size, but only once the source has posted everything), or, where there is no destination, when the
engine has counted the last message. Processor time and peak memory are the kernel's, of the whole process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from perf import criterion, kafka, rivals, verify
from perf.cases import DEFAULT_FORMAT, Run
from perf.environment import Toolbox
from perf.processes import Process, RunError, free_port

Result = dict[str, float]
WARM_UP = 0.1
PATIENCE = 120.0
# Looks at the memory behind a stalled destination, ten a second: so many at least, five times as many at most.
STALLED = 20


def measure(run: Run, tools: Toolbox, warm_up: bool = False) -> Result:
    """What a run gives. The warm-up is a tenth of it, and writes a file where the run itself does not."""
    if warm_up:
        run = run.scaled(WARM_UP) if run.how in ("throughput", "latency") else run
        if run.nothing and run.rival in rivals.ENGINES:
            run = replace(run, nothing=False, template=run.check_template)
    with rivals.place(tools) as here:
        return WAYS[run.how](run, here)


def throughput(run: Run, here: rivals.Place) -> Result:
    """Messages a second."""
    port = free_port() if run.native else 0
    topic = kafka.topic(run, run.count) if run.load == "kafka" else {}
    process = rivals.start(run, here, port, **topic)
    cpu_before: int | None = None
    if run.load in ("stream", "flask"):
        if run.native:
            wait_listening(port, process)
        else:
            port = _int(here.wait("ready", 30)["port"])
        cpu_before = process.cpu_ns()
        send(run, here, port)
    done: list[dict[str, object]] = [{}]
    if run.native:
        sent = here.wait("sent")
        begin, posted = _int(sent["begin"]), _int(sent["end"])
    else:
        done = [here.wait("done", PATIENCE) for _ in range(run.sources)]
        begin, posted = min(_int(one["begin"]) for one in done), max(_int(one["end"]) for one in done)
        if cpu_before is None:
            cpu_before = min(_int(one["cpu"]) for one in done)
        if run.load == "stream":
            begin = _int(here.wait("sent")["begin"])
    if "messages" in done[0] and done[0]["messages"] != run.count:
        raise RunError(f"the source got {done[0]['messages']} messages of {run.count}")
    if run.rival == "floor" or run.rival == "framework":
        end = posted
    elif run.nothing:
        end = max(posted, rivals.wait_counted(run, here))
    else:
        end = max(posted, wait_written(run, here))
    assert cpu_before is not None
    cpu = process.cpu_ns() - cpu_before
    peak = process.memory_kib("VmHWM")
    process.stop()
    size = run.count * run.line
    if run.rival not in ("floor", "framework") and not run.nothing:
        check(run, here)
        size = here.file.stat().st_size
    elapsed = end - begin
    if "post_ns" in done[0]:
        return {
            "count": run.count,
            "seconds": elapsed / 1e9,
            "post_ns": _float(done[0]["post_ns"]),
            "floor_ns": _float(done[0]["floor_ns"]),
            "post_by_floor": _float(done[0]["post_ns"]) / _float(done[0]["floor_ns"]),
            "cpu": cpu / run.count / 1e3,
            "peak_mib": peak / 1024,
        }
    return {
        "count": run.count,
        "seconds": elapsed / 1e9,
        "ns": elapsed / run.count,
        "rate": run.count / elapsed * 1e9,
        "bytes_per_second": size / elapsed * 1e9,
        "post_ns": (posted - begin) / run.count,
        "cpu": cpu / run.count / 1e3,
        "peak_mib": peak / 1024,
    }


def send(run: Run, here: rivals.Place, port: int, orders: str = "") -> Process:
    """Starts what sends to a server: at once, or the client of Flask at each order."""
    if run.load == "stream":
        block, total = rivals.write_block(run, here.directory), str(rivals.total_bytes(run))
        return here.start("send", [here.tools.build / "send", block, total, str(port), here.reports.path])
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


def wait_written(run: Run, here: rivals.Place) -> int:
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


def file_bytes(run: Run) -> int:
    """The size that the file must have."""
    cycles = run.cycles()
    each = run.count // len(cycles)
    return sum(sum(len(line) + 1 for line in cycle) * (each // len(cycle)) for cycle in cycles)


def check(run: Run, here: rivals.Place) -> None:
    """Compares what arrived with what was sent."""
    cycles = run.cycles()
    if run.template == DEFAULT_FORMAT and run.rival in rivals.ENGINES:
        verify.prefixed(here.file, cycles[0], run.count)
    elif cycles[0][0].startswith("0 ") or len(cycles) > 1:
        verify.interleaved(here.file, cycles, run.count)
    else:
        verify.repeated(here.file, cycles[0], run.count)


def latency(run: Run, here: rivals.Place) -> Result:
    """From the post to the bytes in the file."""
    here.file.touch(0o600)
    command: list[str | Path] = [here.tools.build / "watch", here.file, str(run.count), here.reports.path]
    here.start("watch", command)
    here.wait("watching", 10)
    process = rivals.start(run, here)
    done = here.wait("done", PATIENCE)
    found = here.wait("latency", 30)
    cpu = process.cpu_ns() - _int(done["cpu"])
    process.stop()
    verify.stamped(here.file, run.cycles()[0][0][20:], run.count)
    seconds = (_int(done["end"]) - _int(done["begin"])) / 1e9
    micros = {key: _int(found[key]) / 1e3 for key in ("min", "p50", "p90", "p99", "p99.9", "max")}
    return {"count": run.count, "rate": run.count / seconds, "cpu": cpu / run.count / 1e3, **micros}


def stalled(run: Run, here: rivals.Place) -> Result:
    """Memory while nothing is taken: at least for two seconds, and until it has not grown for one."""
    os.mkfifo(here.file)
    fifo = os.open(here.file, os.O_RDWR | os.O_NONBLOCK)
    try:
        process = rivals.start(run, here)
        here.wait("flooding", 30)
        samples: list[float] = []
        while len(samples) < STALLED or (len(samples) < 5 * STALLED and growth(samples) >= 1):
            time.sleep(0.1)
            process.check()
            samples.append(process.memory_kib("VmRSS") / 1024)
        return {
            "rss_mib": samples[-1],
            "peak_mib": process.memory_kib("VmHWM") / 1024,
            "growth_mib": growth(samples),
        }
    finally:
        os.close(fifo)


def growth(samples: Sequence[float]) -> float:
    """Of the last second."""
    return samples[-1] - samples[-11]


def idle(run: Run, here: rivals.Place) -> Result:
    """Memory with nothing to do, half a second after the start."""
    process = rivals.start(run, here)
    here.wait("done", 30)
    time.sleep(0.5)
    found = {"rss_mib": process.memory_kib("VmRSS") / 1024, "peak_mib": process.memory_kib("VmHWM") / 1024}
    process.stop()
    return found


def first_message(run: Run, here: rivals.Place) -> Result:
    """From the start of the process to the first message in the file."""
    process = rivals.start(run, here)
    end = wait_written(run, here)
    process.stop()
    check(run, here)
    return {"seconds": (end - process.started) / 1e9}


def busy(run: Run, here: rivals.Place) -> Result:
    """How fast a thread computes."""
    from perf.slices import Waiting

    with Waiting(run, here, 1) as slicer:
        return slicer.slice(0)


def parser(run: Run, here: rivals.Place) -> Result:
    """A parser alone."""
    found = criterion.nanoseconds(run.rival, run.variant, here.directory)
    return {"ns": found, "rate": 1e9 / found}


def _float(value: object) -> float:
    assert isinstance(value, float)
    return value


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


Way = Callable[[Run, rivals.Place], Result]
WAYS: dict[str, Way] = {
    "throughput": throughput,
    "latency": latency,
    "stalled": stalled,
    "idle": idle,
    "start": first_message,
    "busy": busy,
    "parser": parser,
}
