"""The tables of the pages: the figures, a case's runs, and where a rival wins."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from perf.figures import FIGURES, Figure, Results

LABELS = {
    "inrush": "**Inrush**",
    "syslog-ng": "syslog-ng",
    "SYSLOG_NG": "second syslog-ng",
    "floor": "_the floor_",
    "write": "_raw write_",
    "receive": "_C loop_",
    "copy": "_C loop_",
    "send": "_C loop_",
    "post": "_plain client_",
    "rustls": "_rustls alone_",
    "librdkafka": "_librdkafka alone_",
    "plain write": "_write(2) for each_",
    "queue": "queue.Queue and a thread",
    "logging": "logging with a queue",
    "framework": "_the framework alone_",
    "syslog_loose": "syslog_loose",
}
RIVALS = ("syslog-ng", "SYSLOG_NG", "queue", "logging", "syslog_loose")
# Field, heading, scale, digits.
Column = tuple[str, str, float, int]
COMMON: tuple[Column, ...] = (("cpu", "CPU s per million", 1, 3), ("peak_mib", "peak MiB", 1, 1))
COLUMNS: dict[str, tuple[Column, ...]] = {
    "ns": (
        ("rate", "messages/s", 1, 0),
        ("ns", "ns a message", 1, 1),
        ("bytes_per_second", "MB/s", 1e6, 1),
        *COMMON,
    ),
    "bytes": (
        ("bytes_per_second", "GB/s", 1e9, 3),
        ("rate", "lines/s", 1, 0),
        ("ns", "ns a line", 1, 2),
        *COMMON,
    ),
    "rate": (("rate", "rounds/s", 1, 0),),
    "flat": (
        ("post_by_floor", "by the floor's", 1, 3),
        ("post_ns", "ns a message", 1, 1),
        ("floor_ns", "the floor's ns", 1, 1),
        *COMMON,
    ),
    "latency": (
        ("rate", "messages/s", 1, 0),
        ("p50", "median µs", 1, 1),
        ("p90", "90 % µs", 1, 1),
        ("p99", "99 % µs", 1, 1),
        ("p99.9", "99.9 % µs", 1, 1),
        ("max", "worst µs", 1, 0),
        ("rss_mib", "MiB idle", 1, 1),
        ("cpu", "CPU s per million", 1, 2),
    ),
    "memory": (
        ("rss_mib", "MiB at the end", 1, 1),
        ("peak_mib", "peak MiB", 1, 1),
        ("growth_mib", "growth, last second, MiB", 1, 2),
    ),
    "start": (("seconds", "seconds", 1, 4),),
    "parser": (("ns", "ns a message", 1, 1), ("rate", "messages/s", 1, 0)),
}
# What a rival can win by, case by case: field and name; less is better in all of them.
CONTESTS = {
    "ns": ("ns", "time a message, ns"),
    "bytes": ("ns", "time a line, ns"),
    "parser": ("ns", "time a message, ns"),
    "latency": ("p50", "median latency, µs"),
    "start": ("seconds", "seconds to the first message"),
    "memory": ("peak_mib", "peak memory, MiB"),
}
TAIL = ("p99", "99th percentile of latency, µs")
# What is told once for all cases, not case by case.
SUMMARIES = (("cpu", "processor time, seconds per million messages"), ("peak_mib", "peak memory in MiB"))


def figures_table(found: Results) -> str:
    """Each figure with its bound, what was measured, and whether it is met."""
    lines = ["| figure | bound | measured | 95 % interval | turns | |", "|---|---|---|---|---|---|"]
    counts = {True: 0, False: 0, None: 0}
    for figure in FIGURES:
        met = figure.met(found)
        counts[met] += 1
        one = figure.estimate(found)
        shown = interval = turns = ""
        word = {True: "met", False: f"**missed** by {figure.miss(found):.1%}", None: "not measured"}[met]
        if one is not None:
            shown = figure.shown(one.value) + (costs(figure, found) if figure.costs else "")
            interval = f"{figure.shown(one.low)} to {figure.shown(one.high)}"
            turns = f"{one.count}: {figure.shown(one.smallest)} to {figure.shown(one.largest)}"
            if math.isinf(one.width):
                interval = "too few turns"
            if not one.decides(figure.bound):
                word += ", not certain"
        note = f" ({figure.note})" if figure.note else ""
        lines.append(f"| {figure.title}{note} | {bound(figure)} | {shown} | {interval} | {turns} | {word} |")
    summary = f"{counts[True]} of {len(FIGURES)} met, {counts[False]} missed"
    if counts[None]:
        summary += f", {counts[None]} not measured"
    return (
        f"{summary}. Measured: the median of the ratios, one from each turn. Turns: how many, the smallest and the largest. "
        "Not certain: the bound lies within the interval.\n\n" + "\n".join(lines)
    )


def costs(figure: Figure, found: Results) -> str:
    """The processor time a message of both that a figure compares, in microseconds, which are seconds per
    million."""
    (pair,) = figure.pairs
    both = [replace(value, field="cpu").of(found) for value in (pair.ours, *pair.theirs)]
    ours, theirs = (f"{value:,.3g}" for value in both if value is not None)
    return f"; processor time {ours} µs by {theirs} µs"


def bound(figure: Figure) -> str:
    """The bound in words."""
    text = figure.shown(figure.bound).replace(".00 ", " ").replace(".0 %", " %")
    return f"at {'most' if figure.at_most else 'least'} {text}"


def median(case: dict[str, Any], key: str, field: str) -> float | None:
    """The median of a field, when there is one."""
    values = [one[field] for one in case["rounds"].get(key, []) if field in one]
    return statistics.median(values) if values else None


def rivals_win(cases: Sequence[dict[str, Any]]) -> str:
    """Every contest that a rival wins against Inrush: time, latency and memory by cases, costs of the
    throughput cases in one line each."""
    lines = []
    for case in cases:
        if case["metric"] not in CONTESTS:
            continue
        fields = [CONTESTS[case["metric"]], *([TAIL] if case["metric"] == "latency" else [])]
        for field, name in fields:
            lines += [
                f"| {case['title']} | {label(key, case['runs'][key]['rival'])} | {name} | {_number(its)} | {_number(mine)} |"
                for key, its, mine in _won(case, field)
            ]
    for field, name in SUMMARIES:
        for rival in RIVALS:
            won, among, its, ours = 0, 0, [], []
            for case in cases:
                if case["metric"] not in ("ns", "bytes"):
                    continue
                mine = [pair for pair in _won(case, field) if case["runs"][pair[0]]["rival"] == rival]
                among += any(run["rival"] == rival for run in case["runs"].values())
                won += bool(mine)
                its += [pair[1] for pair in mine]
                ours += [pair[2] for pair in mine]
            if won:
                lines.append(
                    f"| {won} of {among} throughput cases | {LABELS[rival]} | {name} | {_number(min(its))} to {_number(max(its))}"
                    f" | {_number(min(ours))} to {_number(max(ours))} |"
                )
    if not lines:
        return "Nowhere in these cases."
    head = ["| case | rival | by | its | Inrush's |", "|---|---|---|---:|---:|"]
    return "\n".join(head + lines)


def _won(case: dict[str, Any], field: str) -> list[tuple[str, float, float]]:
    """The runs of rivals that were better than Inrush in a field, with both figures."""
    found = []
    for key, run in case["runs"].items():
        if run["rival"] not in RIVALS:
            continue
        its, mine = median(case, key, field), median(case, _opponent(case, key), field)
        if its is not None and mine is not None and its < mine:
            found.append((key, its, mine))
    return found


def _opponent(case: dict[str, Any], key: str) -> str:
    """The run of Inrush's that a rival's run is compared with: of the same variant where there is one, else
    the first."""
    ours: list[str] = [name for name, run in case["runs"].items() if run["rival"] == "inrush"]
    variant = key.removeprefix(case["runs"][key]["rival"]).strip()
    same = f"inrush {variant}".strip()
    return same if same in ours else (ours or [""])[0]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"


def label(key: str, rival: str) -> str:
    """The name of a run on the pages."""
    variant = key.removeprefix(rival).strip()
    return LABELS.get(rival, rival) + (f", {variant}" if variant else "")


def table(case: dict[str, Any]) -> str:
    """All runs of a case."""
    columns = [
        column
        for column in COLUMNS[case["metric"]]
        if any(column[0] in one for rounds in case["rounds"].values() for one in rounds)
    ]
    several = case["metric"] not in ("memory", "start", "rate", "latency", "parser")
    head = ["", *(heading for _, heading, _, _ in columns), *(["messages"] if several else []), "rounds"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for key, rounds in case["rounds"].items():
        run = case["runs"][key]
        cells = [label(key, run["rival"])]
        if not rounds:
            lines.append(
                "| "
                + " | ".join([*cells, "failed" if key in case["failures"] else "", *[""] * (len(head) - 2)])
                + " |"
            )
            continue
        for position, (field, _, scale, digits) in enumerate(columns):
            values = [one[field] / scale for one in rounds if field in one]
            if not values:
                cells.append("")
                continue
            cell = f"{statistics.median(values):,.{digits}f}"
            if position < 2 or case["metric"] in ("memory", "start", "latency"):
                cell += f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
            cells.append(cell)
        if several:
            cells.append(f"{run['count']:,}")
        cells.append(str(len(rounds)))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
