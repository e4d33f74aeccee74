"""On which processors each figure was met: one JSON file for each kind, kept when a run on another one
replaces the results.

A result names the processor that it was measured on. `record` puts every figure whose cases were all measured
on one processor into that processor's file in `perf/results/processors/`; figures that were not measured
there again stay as they were. The page has a column a processor.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from perf.figures import FIGURES, Figure, Results

Records = dict[str, dict[str, Any]]


def record(results: Results, directory: Path) -> Records:
    """Adds the figures of `results` to the files in `directory`; all processors that it knows then, by
    name."""
    known = load(directory)
    for figure in FIGURES:
        if (where := _place(figure, results)) is None or (found := figure.estimate(results)) is None:
            continue
        name, newest = where
        one = known.setdefault(name, {"cpu": name, "figures": {}})
        one["figures"][figure.title] = {
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "date": newest["date"].partition(" ")[0],
            "commit": newest["commit"],
        }
    directory.mkdir(parents=True, exist_ok=True)
    for name, one in known.items():
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        (directory / f"{slug}.json").write_text(json.dumps(one, indent=1) + "\n")
    return known


def load(directory: Path) -> Records:
    """Every processor that was measured on, by name, in the order of the names."""
    found = (json.loads(path.read_text()) for path in sorted(directory.glob("*.json")))
    return {one["cpu"]: one for one in found}


def _place(figure: Figure, results: Results) -> tuple[str, dict[str, str]] | None:
    """The processor of all of a figure's cases, with the newest header; None when they are of several."""
    headers = [results[case]["environment"] for case in figure.cases if case in results]
    names = {header["cpu"] for header in headers}
    if len(headers) < len(figure.cases) or len(names) != 1:
        return None
    return names.pop(), max(headers, key=lambda header: str(header["date"]))


def table(known: Records) -> str:
    """The page's table: each figure on each processor."""
    lines = ["| figure | " + " | ".join(known) + " |", "|---" * (1 + len(known)) + "|"]
    for figure in FIGURES:
        cells = [_cell(figure, one["figures"].get(figure.title)) for one in known.values()]
        if any(cells):
            lines.append(f"| {figure.title} | " + " | ".join(cells) + " |")
    counts = [f"{name}: {_summary(one)}" for name, one in known.items()]
    return "Met or missed where it was last measured. " + ". ".join(counts) + ".\n\n" + "\n".join(lines)


def _cell(figure: Figure, found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    word = "met" if figure.holds(found["value"]) else "**missed**"
    return f"{figure.shown(found['value'])}, {word}"


def _summary(one: dict[str, Any]) -> str:
    there = [(figure, one["figures"][figure.title]) for figure in FIGURES if figure.title in one["figures"]]
    met = sum(figure.holds(found["value"]) for figure, found in there)
    dates = sorted({found["date"] for _, found in there})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{met} of {len(there)} met ({when})"
