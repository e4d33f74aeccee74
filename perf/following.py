"""The measurement of a source that follows a file.

The engine first reads one cycle, so that it is known to follow. Then a file with all lines is renamed to that
place: the clock runs from there, and finding out belongs to what is measured.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

from perf import rivals
from perf.arrival import PATIENCE, Result, check, integer, posting_result, wait_written
from perf.kinds import Following


def following(run: Following, here: rivals.Place) -> Result:
    """From the file in its place to the last byte of the other one."""
    source, complete = here.directory / "in.log", here.directory / "complete.log"
    block = rivals.write_block(run, here.directory).read_bytes()
    cycle = len(run.cycles()[0])
    with complete.open("wb") as file:
        for _ in range(run.count // cycle):
            file.write(block)
    if run.rival == "copy":
        complete.rename(source)
        process = rivals.start(run, here)
        done = here.wait("done", PATIENCE)
        begin, end, cpu_before = (integer(done[key]) for key in ("begin", "end", "cpu"))
    else:
        source.write_bytes(block)
        process = rivals.start(run, here)
        wait_written(replace(run, count=cycle), here)
        # Every writer appends.
        os.truncate(here.file, 0)
        cpu_before = process.cpu_ns()
        begin = time.monotonic_ns()
        complete.rename(source)
        end = wait_written(run, here)
    cpu = process.cpu_ns() - cpu_before
    peak = process.memory_kib("VmHWM")
    process.stop()
    check(run, here)
    return posting_result(run, end - begin, here.file.stat().st_size, cpu, peak)
