"""Results: one file of JSON for each fault, collector and input, with everything that the page needs."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness import ROOT
from worst_day.collector import Collector, NotHereError
from worst_day.day import Day, FaultError, Scale, new_day
from worst_day.faults import Fault, spool_disk

RESULTS = ROOT / "perf" / "worst-day"
Result = dict[str, Any]


def run_fault(
    fault: Fault, collector: Collector, intake: str, directory: Path, scale: Scale, buffered: bool = True
) -> Result:
    """One fault, done to one collector."""
    scale = replace(scale, count=scale.count * fault.times)
    result: Result = {
        "fault": fault.name,
        "collector": collector.name,
        "input": intake,
        "buffered": buffered,
        "scale": asdict(scale),
        "configuration": collector.canonical(intake, buffered),
    }
    day = new_day(collector, intake, directory, scale, buffered)
    try:
        with spool_disk(fault, day.place.spool):
            try:
                fault.body(day)
                day.trickle()
                settle(day)
                stands_still(day)
            finally:
                day.close()
    except NotHereError as reason:
        return {**result, "skipped": str(reason)}
    except FaultError as problem:
        result["failed"] = masked(str(problem), day)
    finally:
        day.close()
    return {**result, **measured(day)}


def settle(day: Day) -> None:
    """Lets the day end: everything is acknowledged, and has come, or nothing moves any more."""
    calm = replace(day.scale, blocked=day.scale.quiet)
    day.scale, own = calm, day.scale
    day.load(day.scale.count)
    day.arrived()
    day.scale = own


def stands_still(day: Day) -> None:
    """Restarts a collector that has not gone on: what it still has is not lost."""
    if slowest_recovery(day) is not None and day.sender.acknowledged == day.scale.count:
        return
    before = len(day.receiver.record.first)
    words = f"stands still, {day.sender.acknowledged:,} acknowledged and {before:,} arrived"
    day.stop()
    day.stops.pop()
    day.start()
    settle(day)
    more = len(day.receiver.record.first) - before
    day.notes["stands still"] = f"{words}; {more:,} more arrive after somebody restarts it"
    day.stuck = True


def slowest_recovery(day: Day) -> float | None:
    """The longest recovery of the faults of a day; None where it never was well again."""
    seconds = [recovery(day, mark.time, mark.acknowledged) for mark in day.marks]
    known = [each for each in seconds if each is not None]
    return round(max(known), 2) if known and len(known) == len(seconds) else None


def measured(day: Day) -> Result:
    """What is left of a day, in figures."""
    record, acknowledged = day.receiver.record, day.sender.acknowledged
    missing = [number for number in range(acknowledged) if number not in record.first]
    return {
        "acknowledged": acknowledged,
        "taken": day.marks[-1].acknowledged if day.marks else 0,
        "missing": len(missing),
        "missing_numbers": ranges(missing)[:10],
        "repeated": record.repeated,
        "sent_again": day.sender.resent,
        "out_of_order": record.out_of_order,
        "torn": record.torn,
        "torn_samples": record.samples,
        "cut": record.cut,
        "seconds": None if day.stuck else slowest_recovery(day),
        "stop_seconds": [round(each, 2) for each in day.stops],
        "notes": day.notes,
    }


def ranges(numbers: list[int]) -> list[str]:
    """Rising numbers as `3-7`, so that a gap is seen as one."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return [f"{low}-{high}" if low != high else str(low) for low, high in found]


def recovery(day: Day, begun: float, acknowledged: int) -> float | None:
    """The seconds after the end of a fault until what had been acknowledged by then had come, as far as it ever came,
    and something that was sent later; None where nothing new came."""
    first = day.receiver.record.first
    fresh = [when for number, when in first.items() if number >= acknowledged and when > begun]
    if not fresh and acknowledged < day.scale.count:
        return None
    backlog = [when for number, when in first.items() if number < acknowledged and when > begun]
    return max(max(backlog, default=begun), min(fresh, default=begun)) - begun


def masked(text: str, day: Day) -> str:
    """A text without the paths of this machine."""
    return text.replace(str(day.place.spool), "SPOOL").replace(str(day.place.directory), "DIRECTORY")


def environment() -> dict[str, str]:
    """The machine and the commit."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git("rev-parse", "--short=12", "HEAD") + (" and changes" if is_changed() else ""),
        "cpu": model[1] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[1]:.1f}, of this and of other work",
    }


def is_changed() -> bool:
    """True when the checkout is not the commit; what a run writes itself makes no difference."""
    return bool(_git("status", "--porcelain", "--", ".", ":!perf/worst-day", ":!docs/worst-day.md"))


def store(result: Result, directory: Path = RESULTS) -> Path:
    """Writes the file of a result: the whole, or nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "{fault}.{collector}.{input}.json".format(**result)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(result, indent=1) + "\n")
    new.replace(path)
    return path


def stored(directory: Path = RESULTS) -> list[Result]:
    """All results that are stored."""
    return [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]


def clean(directory: Path) -> None:
    """Removes what a run has left."""
    shutil.rmtree(directory, ignore_errors=True)


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()
