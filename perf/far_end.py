"""The far end of a destination: what stands there, when everything has arrived, and whether it was right.

| server | what it is | how it compares |
|---|---|---|
| stream | `native/sink` | each byte of the connection, and their number at its end |
| tls | `limits tls-sink` | the same, behind rustls |
| http | `native/collect` | each byte of the bodies; it ends with an error where there are more |
| kafka | `limits broker` | its count of records, and those that it still has, read again |
| object | a class of `sources/objects.py` in the engine itself | each message, behind the last one |
"""

from __future__ import annotations

from perf import rivals, verify
from perf.arrival import PATIENCE, Result, integer, posting_result
from perf.environment import libraries
from perf.kinds import Sending
from perf.processes import RunError


def sending(run: Sending, here: rivals.Place) -> Result:
    """From the first post, or the first byte, to the last message that the far end has."""
    port = start(run, here)
    process = rivals.start(run, here, port)
    done = here.wait("done" if run.rival in rivals.ENGINES else "sent", PATIENCE)
    begin, posted, cpu_before = (integer(done[key]) for key in ("begin", "end", "cpu"))
    end = max(posted, arrived(run, here))
    cpu = process.cpu_ns() - cpu_before
    peak = process.memory_kib("VmHWM")
    if run.rival in rivals.ENGINES:
        rivals.wait_counted(run, here)
    process.stop()
    # It has ended as it was asked to, which is no failure for what still waits.
    here.processes.remove(process)
    compare(run, here, port)
    return posting_result(run, end - begin, run.count * run.line, cpu, peak)


def start(run: Sending, here: rivals.Place) -> int:
    """Starts it; the port that it listens on."""
    block, total = rivals.write_block(run, here.directory), str(rivals.total_bytes(run))
    fifo = here.reports.path
    match run.server:
        case "stream":
            here.start("sink", [here.tools.build / "sink", block, total, fifo])
        case "tls":
            here.start("sink", [libraries(), "tls-sink", block, total, here.directory, fifo])
        case "http":
            here.start("collect", [here.tools.build / "collect", block, total, fifo])
        case "kafka":
            here.start("broker", [libraries(), "broker", rivals.TOPIC, fifo])
        case "object":
            return 0
    return integer(here.wait("ready", 30)["port"])


def arrived(run: Sending, here: rivals.Place) -> int:
    """Waits until everything has arrived; the time at which it had."""
    if run.server == "kafka":
        # Acknowledged: the limit has waited for that itself.
        return rivals.wait_counted(run, here)
    return integer(here.wait("received", PATIENCE)["end"])


def compare(run: Sending, here: rivals.Place, port: int) -> None:
    """Fails when something else arrived than was sent."""
    match run.server:
        case "stream" | "tls":
            found, total = here.wait("closed", 30)["bytes"], rivals.total_bytes(run)
            if found != total:
                raise RunError(f"{found:,} bytes arrived of {total:,}")
        case "http" | "object":
            # What was wrong has ended the program, or is in its report.
            for process in here.processes:
                process.check()
        case "kafka":
            here.start(
                "consume",
                [libraries(), "consume", str(port), rivals.TOPIC, here.file, here.reports.path],
            )
            kept = here.wait("consumed", PATIENCE)
            low, high = integer(kept["low"]), integer(kept["high"])
            if high != run.count:
                raise RunError(f"the broker has got {high:,} records of {run.count:,}")
            cycle = run.cycles()[0]
            first = low % len(cycle)
            verify.repeated(here.file, cycle[first:] + cycle[:first], high - low)
