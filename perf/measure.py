"""One measurement: one process from its start to its end, what it did, and whether that was right.

A source looks at the clock before its first post and after its last. The end of a run is later: when the last
byte stands in the file (the harness looks at its size, but only once the source has posted everything), or,
where there is no destination, when the engine has counted the last message. Processor time and peak memory
are the kernel's, of the whole process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from perf import criterion, kafka, rivals, verify
from perf.arrival import (
    PATIENCE,
    Result,
    check,
    connections,
    integer,
    posting_result,
    send,
    wait_listening,
    wait_written,
)
from perf.crowd import crowd
from perf.datagrams import datagrams
from perf.environment import Toolbox
from perf.far_end import sending
from perf.following import following
from perf.kinds import (
    Busy,
    Crowd,
    Datagrams,
    Following,
    Idle,
    Latency,
    Parser,
    Posting,
    Run,
    Sending,
    Serving,
    Stalled,
    Start,
)
from perf.processes import RunError, free_port
from perf.slices import Waiting

WARM_UP = 0.1
# Looks at the memory behind a stalled destination, ten a second: so many at least, five times as many at
# most.
STALLED = 20


def measure(run: Run, tools: Toolbox, warm_up: bool = False) -> Result:
    """The result of a run. The warm-up is a tenth of it, and writes a file where the run itself does not."""
    if warm_up:
        run = run.scaled(WARM_UP) if run.by_count else run
        if isinstance(run, Posting) and run.nothing and run.rival in rivals.ENGINES:
            run = replace(run, nothing=False, template=run.check_template)
    with rivals.place(tools) as here:
        return measured(run, here)


def measured(run: Run, here: rivals.Place) -> Result:
    """The result of a run of its kind, in a place of its own."""
    match run:
        case Parser():
            return parser(run, here)
        case Following():
            return following(run, here)
        case Sending():
            return sending(run, here)
        case Datagrams():
            return datagrams(run, here)
        case Crowd():
            return crowd(run, here)
        case Posting():
            return throughput(run, here)
        case Latency():
            return latency(run, here)
        case Stalled():
            return stalled(run, here)
        case Idle():
            return idle(run, here)
        case Start():
            return first_message(run, here)
        case Busy():
            with Waiting(run, here, 1) as slicer:
                return slicer.slice(0)


def throughput(run: Posting, here: rivals.Place) -> Result:
    """Messages a second."""
    load = run.load if isinstance(run, Serving) else ""
    port = free_port() if run.native else 0
    topic = kafka.topic(run, run.count) if load == "kafka" else {}
    process = rivals.start(run, here, port, **topic)
    cpu_before: int | None = None
    if isinstance(run, Serving) and load != "kafka":
        if run.native:
            wait_listening(port, process)
        else:
            port = integer(here.wait("ready", 30)["port"])
        cpu_before = process.cpu_ns()
        for index in range(connections(run)):
            send(run, here, port, index=index)
    done: list[dict[str, object]] = [{}]
    if run.native and isinstance(run, Serving):
        sent = [here.wait("sent") for _ in range(connections(run))]
        begin, posted = min(integer(one["begin"]) for one in sent), max(integer(one["end"]) for one in sent)
    else:
        done = [here.wait("done", PATIENCE) for _ in range(run.sources)]
        begin, posted = min(integer(one["begin"]) for one in done), max(integer(one["end"]) for one in done)
        if cpu_before is None:
            cpu_before = min(integer(one["cpu"]) for one in done)
        if load == "stream":
            begin = integer(here.wait("sent")["begin"])
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
    return {**posting_result(run, elapsed, size, cpu, peak), "post_ns": (posted - begin) / run.count}


def latency(run: Latency, here: rivals.Place) -> Result:
    """From the post to the bytes in the file."""
    here.file.touch(0o600)
    command: list[str | Path] = [here.tools.build / "watch", here.file, str(run.count), here.reports.path]
    here.start("watch", command)
    here.wait("watching", 10)
    process = rivals.start(run, here)
    done = here.wait("done", PATIENCE)
    found = here.wait("latency", 30)
    cpu = process.cpu_ns() - integer(done["cpu"])
    process.stop()
    verify.stamped(here.file, run.cycles()[0][0][20:], run.count)
    seconds = (integer(done["end"]) - integer(done["begin"])) / 1e9
    micros = {key: integer(found[key]) / 1e3 for key in ("min", "p50", "p90", "p99", "p99.9", "max")}
    return {"count": run.count, "rate": run.count / seconds, "cpu": cpu / run.count / 1e3, **micros}


def stalled(run: Stalled, here: rivals.Place) -> Result:
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


def idle(run: Idle, here: rivals.Place) -> Result:
    """Memory with nothing to do, half a second after the start."""
    process = rivals.start(run, here)
    here.wait("done", 30)
    time.sleep(0.5)
    found = {"rss_mib": process.memory_kib("VmRSS") / 1024, "peak_mib": process.memory_kib("VmHWM") / 1024}
    process.stop()
    return found


def first_message(run: Start, here: rivals.Place) -> Result:
    """From the start of the process to the first message in the file."""
    process = rivals.start(run, here)
    end = wait_written(run, here)
    process.stop()
    check(run, here)
    return {"seconds": (end - process.started) / 1e9}


def parser(run: Parser, here: rivals.Place) -> Result:
    """A parser alone."""
    found = criterion.nanoseconds(run.rival, run.variant, here.directory)
    return {"ns": found, "rate": 1e9 / found}


def _float(value: object) -> float:
    assert isinstance(value, float)
    return value
