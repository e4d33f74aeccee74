"""`python -m perf`: measures, and renders what was measured. `make perf` makes its environment and calls
it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from fnmatch import fnmatch

from perf import environment
from perf.cases import all_cases
from perf.run import Plan, say


def positive(text: str) -> int:
    """A number of turns."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} turns: at least 1 expected")
    return number


def main() -> int:
    """Does what the command line says; 1 when a run failed."""
    parser = argparse.ArgumentParser(prog="perf", description="Measures Inrush beside its rivals.")
    parser.add_argument(
        "--case", default=os.environ.get("CASE", ""), help="only these: names or patterns, with commas"
    )
    parser.add_argument(
        "--rival", default=os.environ.get("RIVAL", ""), help="only this rival; nothing is stored"
    )
    parser.add_argument(
        "--scale", type=float, default=float(os.environ.get("SCALE", "1")), help="times the messages"
    )
    parser.add_argument(
        "--rounds",
        type=positive,
        default=os.environ.get("ROUNDS"),
        help="this number of turns, not as many as the figures need; nothing is stored",
    )
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run has ended")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--render", action="store_true", help="only render what was measured")
    parser.add_argument("--no-render", action="store_true", help="only measure")
    given = parser.parse_args()
    # Asked to end, it ends as by Ctrl-C: with what it started, and with its files.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    patterns = [word for word in given.case.split(",") if word]
    cases = [case for case in all_cases() if not patterns or any(fnmatch(case.name, one) for one in patterns)]
    if given.list:
        for case in cases:
            print(f"{case.name:<24} {case.title}\n{'':<24} {', '.join(run.key for run in case.runs)}")
        return 0
    if not cases:
        say(f"no case {given.case!r}: `python -m perf --list` names them")
        return 2
    failures: list[str] = []
    if not given.render:
        tools = environment.toolbox()
        for line in tools.absent:
            say(line)
        # What is not the whole case as it is defined does not become its result.
        trial = bool(given.rival) or given.scale != 1 or given.rounds is not None
        results = environment.BUILD / "trial" if trial else environment.HERE / "results"
        results.mkdir(parents=True, exist_ok=True)
        if trial:
            say(f"a trial: results go to {results}")
        plan = Plan(
            tools,
            cases,
            rival=given.rival,
            scale=given.scale,
            rounds=given.rounds,
            results=results,
            resume=given.resume,
        )
        try:
            plan.measure()
        except KeyboardInterrupt:
            say("interrupted: finished cases are kept; --resume (RESUME=1) goes on with this one")
            return 130
        failures = plan.failures
        if trial:
            return 1 if failures else 0
    if not given.no_render:
        from perf import report

        report.render()
    for failure in failures:
        say(f"FAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
