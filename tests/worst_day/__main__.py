"""`python -m worst_day [--fault F,…] [--collector C,…] [--count N]`: measures, stores, and writes the page."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import worst_day
from worst_day.absent import ABSENT
from worst_day.collectors import collectors
from worst_day.day import Scale
from worst_day.faults import FAULTS
from worst_day.page import PAGE, page
from worst_day.results import RESULTS, Result, clean, environment, run_fault, store, stored


def chosen(patterns: str, names: list[str], what: str, parser: argparse.ArgumentParser) -> list[str]:
    """The names that one of the patterns fits; all without one."""
    wanted = [each for each in patterns.replace(",", " ").split() if each]
    found = [name for name in names if not wanted or any(fnmatch(name, each) for each in wanted)]
    if not found:
        parser.error(f"no {what} {patterns}; there are {', '.join(names)}")
    return found


def line_of(result: Result) -> str:
    """A result in one line."""
    head = "{fault} {collector} {input}: ".format(**result)
    if "skipped" in result:
        return f"{head}skipped, {result['skipped']}"
    words = ("acknowledged", "missing", "repeated", "out_of_order", "torn", "seconds")
    return head + ", ".join(f"{word} {result[word]}" for word in words) + f"  {result.get('failed', '')}"


def main() -> int:
    """Runs the faults that the command line names, or all of them, for each collector that is installed."""
    parser = argparse.ArgumentParser(prog="worst_day", description=worst_day.__doc__)
    parser.add_argument("--fault", default="", help=f"of {', '.join(FAULTS)}; all without it")
    parser.add_argument("--collector", default="", help=f"of {', '.join(collectors())}; all without it")
    parser.add_argument("--input", default="", help="tcp, relp, file; all without it")
    parser.add_argument("--count", type=int, default=Scale.count, help="messages of each run")
    parser.add_argument("--stall", type=float, default=Scale.stall, help="seconds that stand for an hour")
    parser.add_argument("--trial", action="store_true", help="store nothing")
    parser.add_argument(
        "--render", action="store_true", help="write the page from what is stored, and no more"
    )
    given = parser.parse_args()
    # Whoever ends this ends the collector, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    faults = chosen(given.fault, list(FAULTS), "fault", parser)
    names = chosen(given.collector, list(collectors()), "collector", parser)
    if not given.render:
        header = environment()
        scale = replace(Scale(), count=given.count, stall=given.stall)
        versions = {name: each.version() for name, each in collectors().items()}
        absent = ABSENT | {
            name: f"not installed: {collectors()[name].install}" for name in versions if not versions[name]
        }
        for name in names:
            collector, version = collectors()[name], versions[name]
            if version is None:
                print(f"{name}: {absent[name]}", flush=True)
                continue
            buffered = collector.has_buffer()
            for fault in faults:
                for intake in chosen(given.input, list(collector.inputs), "input", parser):
                    directory = Path(tempfile.mkdtemp(prefix="worst-day-"))
                    result = run_fault(FAULTS[fault], collector, intake, directory / "run", scale, buffered)
                    result |= {"version": version, "environment": header, "absent": absent}
                    print(line_of(result), flush=True)
                    if not given.trial:
                        store(result)
                    clean(directory)
    if not given.trial:
        PAGE.write_text(page(stored(RESULTS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
