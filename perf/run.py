"""The order of things: which rival when, how often, what is kept, and what is told on the way.

Within a case all rivals take turns. In most cases all of them live at the same time, and a turn is a number
of slices of each (`slices`). Where a run cannot be cut, a turn is a process of each, one after the other,
after a warm-up, every other one in the opposite order, so that a machine that gets slower or faster favours
nobody. While a figure of the case is not certain, as `estimate.Estimate.certain` has it, all rivals get EXTRA
turns more, up to MOST in all and as long as the case has taken less than BUDGET seconds. No round is thrown
away: all of them are in the result and in its median. A run that fails for whatever reason, or whose content
is wrong, is in the result with that reason; its rival is left out of the case from then on, everything else
goes on, and the whole ends as failed.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from perf import criterion, environment, figures, kafka
from perf.environment import HERE, Toolbox
from perf.kinds import Case, Run, Sending, Sourced
from perf.measure import measure
from perf.processes import RunError
from perf.rivals import ENGINES
from perf.slices import SliceError, measure_slices
from perf.verify import WrongContentError

# What says by itself what is wrong; of anything else its kind is told, too.
EXPLAINED = (RunError, WrongContentError)

RESULTS = HERE / "results"
PARTIAL = environment.BUILD / "partial"
# The fewest of which there is an interval, and as many in one order as in the other.
ROUNDS = 6
EXTRA = 2
MOST = 30
BUDGET = 60.0
# What is told of a run on the way.
STEADY = {
    "ns": "ns",
    "bytes": "ns",
    "rate": "rate",
    "latency": "p50",
    "memory": "peak_mib",
    "start": "seconds",
    "parser": "ns",
    "flat": "post_by_floor",
}


class Plan:
    """Cases to measure, how, and how far it is."""

    def __init__(
        self,
        tools: Toolbox,
        cases: Sequence[Case],
        *,
        rival: str = "",
        scale: float = 1.0,
        rounds: int | None = None,
        results: Path = RESULTS,
        resume: bool = False,
    ) -> None:
        self.tools, self.rounds, self.results, self.resume = tools, rounds, results, resume
        self.partial = PARTIAL if results == RESULTS else results / "partial"
        self.cases = [self._present(case, rival, scale) for case in cases]
        self.cases = [case for case in self.cases if case.runs]
        self.failures: list[str] = []
        self.environment = environment.header(tools)
        self.provisional = ""
        if scale != 1.0 or rounds:
            self.provisional = f"the messages times {scale:g}, {rounds or 'as many'} rounds"
        self.started = time.monotonic()

    def _present(self, case: Case, rival: str, scale: float) -> Case:
        """The case with the rivals that this machine has, and that were asked for."""
        runs: list[Run] = []
        for run in case.runs:
            if run.rival == "syslog-ng":
                # A module that is not there is among the lines that `absent` has.
                runs += [
                    replace(run, rival=build.rival)
                    for build in self.tools.syslog_ngs
                    if not isinstance(run, Sourced) or set(run.modules) <= build.modules
                ]
            else:
                runs.append(run)
        if not all(map(environment.installed, case.needs)):
            # What is not there is among the lines that `absent` has.
            runs = []
        wanted = [run for run in runs if rival in ("", run.rival, run.key)]
        if scale != 1.0:
            wanted = [run.scaled(scale) if run.by_count else run for run in wanted]
        return replace(case, runs=tuple(wanted))

    def measure(self) -> None:
        """All of it."""
        RESULTS.mkdir(exist_ok=True)
        self.partial.mkdir(parents=True, exist_ok=True)
        todo = [case for case in self.cases if not (self.resume and self._done(case))]
        if len(todo) < len(self.cases):
            say(
                f"{len(self.cases) - len(todo)} of {len(self.cases)} cases are measured already for this commit"
            )
        if any(case.metric == "parser" for case in todo):
            say("building the benchmark of the parsers")
            try:
                criterion.program()
            except RunError as problem:
                say(str(problem))  # Its runs fail with it.
        if any(
            isinstance(run, Sending) and run.server in ("tls", "kafka") for case in todo for run in case.runs
        ):
            say("building the limits that need a library")
            try:
                environment.libraries()
            except RunError as problem:
                say(str(problem))  # Their runs fail with it.
        self.started = time.monotonic()
        for number, case in enumerate(todo):
            try:
                self._case(case, number, len(todo))
            finally:
                kafka.BROKER.stop()

    def _case(self, case: Case, number: int, cases: int) -> None:
        """One case, its warm-up, its rounds, and more of them while a figure is not certain."""
        began = time.monotonic()
        found = self._again(case) if self.resume else {}
        kept: dict[str, list[dict[str, float]]] = found.get("rounds", {run.key: [] for run in case.runs})
        failures: dict[str, str] = found.get("failures", {})
        self._tell(case, number, cases, "warm-up")
        for run in case.runs:
            if run.key not in failures:
                self._one(case, run, None, failures)
        target, started = self.rounds or case.turns or ROUNDS, time.monotonic()
        done = first = min(len(kept[run.key]) // each(case, run) for run in case.runs)
        while True:
            for turn in range(done, target):
                self._tell(case, number, cases, f"round {turn + 1} of {target}")
                self._turn(case, turn, kept, failures)
                self._write(self.partial, case, kept, failures)
                if len(failures) == len(case.runs):
                    break
            done = max(done, target)
            open_ = figures.unsettled({case.name: self._content(case, kept, failures)})
            if self.rounds or not open_:
                break
            words = ", ".join(f"{title} ±{one.width / 2:.0%}" for title, one in open_.items())
            spent = time.monotonic() - started
            if target + EXTRA > MOST or spent + EXTRA * spent / max(1, done - first) > BUDGET:
                say(f"{case.name}: still open after {target} rounds: {words}")
                break
            say(f"{case.name}: open: {words}: {EXTRA} more rounds for all")
            target += EXTRA
        self._write(self.results, case, kept, failures, seconds=time.monotonic() - began)
        (self.partial / f"{case.name}.json").unlink(missing_ok=True)
        self._summary(case, kept)

    def _turn(
        self, case: Case, turn: int, kept: dict[str, list[dict[str, float]]], failures: dict[str, str]
    ) -> None:
        """One turn of all runs that have not failed, those of an interrupted turn completed."""
        order = [run for run in case.runs if run.key not in failures]
        if turn % 2:
            order.reverse()
        if case.slices:
            self._slices(case, [run for run in order if not run.alone], kept, failures)
            order = [run for run in order if run.alone]
        for run in order:
            while run.key not in failures and len(kept[run.key]) < (turn + 1) * run.per_turn:
                self._one(case, run, kept, failures)

    def _slices(
        self,
        case: Case,
        order: list[Run],
        kept: dict[str, list[dict[str, float]]],
        failures: dict[str, str],
    ) -> None:
        """A turn in slices: it is kept as a whole, or measured again without the run that has failed."""
        results: dict[str, list[dict[str, float]]] = {}
        while order and not results:
            try:
                results = measure_slices(order, self.tools, case.slices)
            except SliceError as problem:
                self._failed(case, problem.run, problem.problem, failures)
                order = [run for run in order if run.key not in failures]
        for key, several in results.items():
            kept[key] += several

    def _one(
        self, case: Case, run: Run, kept: dict[str, list[dict[str, float]]] | None, failures: dict[str, str]
    ) -> None:
        """One run; without `kept` it is the warm-up."""
        try:
            result = measure(run, self.tools, warm_up=kept is None)
        except Exception as problem:
            self._failed(case, run, problem, failures)
        else:
            if kept is not None:
                kept[run.key].append(result)

    def _failed(self, case: Case, run: Run, problem: Exception, failures: dict[str, str]) -> None:
        """Keeps the failure and goes on: hours of the others' measurements are not thrown away for it."""
        kind = "" if isinstance(problem, EXPLAINED) else f"{type(problem).__name__}: "
        failures[run.key] = f"{kind}{problem}"
        self.failures.append(f"{case.name}: {run.key}: {failures[run.key]}")
        say(f"FAILED {self.failures[-1]}")

    def _write(
        self,
        place: Path,
        case: Case,
        kept: dict[str, list[dict[str, float]]],
        failures: dict[str, str],
        seconds: float = 0,
    ) -> None:
        """The file of a case: the whole, or nothing."""
        content = {**self._content(case, kept, failures), "seconds": round(seconds, 1)}
        path = place / f"{case.name}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(_rounded(content), indent=1) + "\n")
        new.replace(path)

    def _content(
        self, case: Case, kept: dict[str, list[dict[str, float]]], failures: dict[str, str]
    ) -> dict[str, Any]:
        """The content of a case's file."""
        return {
            "case": case.name,
            "theme": case.theme,
            "title": case.title,
            "metric": case.metric,
            "environment": self._header(),
            "seconds": 0,
            "runs": described(case),
            "failures": failures,
            "absent": list(self.tools.absent),
            "rounds": kept,
        }

    def _header(self) -> dict[str, str]:
        """The header of the result; a trial says that it is one."""
        header = {**self.environment, "date": environment.now()}
        return {"provisional": self.provisional, **header} if self.provisional else header

    def _read(self, path: Path, case: Case) -> dict[str, Any]:
        """The result of the same case on the same commit, with the same rivals and counts."""
        if not path.exists():
            return {}
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except ValueError:
            say(f"{path} is no result: measured again")
            return {}
        same = all(
            found["environment"].get(key) == self.environment[key] for key in ("commit", "inrush", "kernel")
        )
        return found if same and found["runs"] == described(case) else {}

    def _done(self, case: Case) -> bool:
        found = self._read(self.results / f"{case.name}.json", case)
        return (
            bool(found)
            and not found["failures"]
            and found["environment"].get("provisional", "") == self.provisional
        )

    def _again(self, case: Case) -> dict[str, Any]:
        """The rounds that an interrupted run has left, without what failed in it."""
        found = self._read(self.partial / f"{case.name}.json", case)
        if not found:
            return {}
        if case.slices and len({len(found["rounds"][run.key]) // each(case, run) for run in case.runs}) > 1:
            # Slices are compared with those of their own turn, which a run that has failed was not in.
            say(f"{case.name}: a run had failed: measured from the beginning")
            return {}
        return {"rounds": found["rounds"]}

    def _tell(self, case: Case, number: int, cases: int, what: str) -> None:
        """Tells how far it is, and how long it may still take."""
        elapsed = time.monotonic() - self.started
        rest = ""
        if number:
            rest = f", about {elapsed / number * (cases - number) / 60:.0f} min to go"
        say(f"[{number + 1}/{cases}] {case.name}: {what} ({elapsed / 60:.1f} min{rest})")

    def _summary(self, case: Case, kept: dict[str, list[dict[str, float]]]) -> None:
        field = STEADY[case.metric]
        for key, results in kept.items():
            if results:
                values = [result[field] for result in results]
                middle = statistics.median(values)
                say(f"    {key:<28} {field} {middle:,.4g} ({min(values):,.4g} to {max(values):,.4g})")


def each(case: Case, run: Run) -> int:
    """The number of results that a turn has of a run."""
    return case.slices if case.slices and not run.alone else run.per_turn


def described(case: Case) -> dict[str, dict[str, Any]]:
    """The description of the runs in a result."""
    return {
        run.key: {"rival": run.rival, "count": run.count, "per_turn": each(case, run)} for run in case.runs
    }


def _rounded(value: Any) -> Any:
    """Figures with six significant digits, so that a file is no longer than it needs to be."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


__all__ = ["ENGINES", "Plan", "say"]
