"""From the results to the pages: everything on them but the findings is computed, so that it cannot drift.

`perf/README.md` has the figures, what a rival wins, and the plots; a page for each theme has all the tables.
The README of the project gets three rows and a plot between two markers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perf import plots, processors
from perf.cases import FRAMEWORK_TURNS
from perf.environment import HERE, ROOT
from perf.figures import FIGURES, NG, Pair, Results, over
from perf.run import EXTRA, MOST, ROUNDS
from perf.sources.texts import PROBED
from perf.tables import bound, figures_table, rivals_win, table

THEMES = {
    "loop": "The documentation's loop",
    "batch": "Lists, buffers and streams",
    "message": "Parsing and values",
    "steps": "Filters, rewrites and templates",
    "network": "Sockets, files and servers",
    "posters": "Threads and sources",
    "frameworks": "Frameworks",
    "latency": "Latency",
    "memory": "Memory and start",
    "flat": "Flatness",
}
# Five lines, and what a theme needs besides.
METHOD = f"""\
1. Each rival is a process of its own with files of its own. In a turn, all of a case live at once and are measured in slices of a tenth
   of a second (A B C, C B A, …), with the source's thread on the same processor for all; a first slice is the warm-up. Streams, latency,
   memory, start, flatness and parsers are not cut: one process after the other, every other turn in the opposite order, after a warm-up.
   {ROUNDS} turns, each with new processes ({FRAMEWORK_TURNS} of the frameworks, whose processes differ more), and {EXTRA} more as long
   as a figure is open, up to {MOST} and about a minute. Open: its interval is wider than a tenth (a twentieth for the bounds of 5 and
   10 %), and not further from the bound than it is wide. No turn is left out.
2. The clock runs from the first post to the last byte in the file, or to the last message counted by the engine where there is no
   destination. The messages are made before. Every rival runs the same Python source, Inrush and syslog-ng with the same
   configuration. A slower rival gets fewer messages.
3. Every byte in the file is compared with what was sent: number, order, content. Where the log path has no destination, the engine's
   own count must be right, and the warm-up writes a file, which is compared. A wrong run is a failure here, not a figure.
4. A figure is the median of its ratios, one from each turn (the median of the turn's slices, each beside its neighbour), with the
   interval in which the true median lies in 95 of 100 cases (order statistics). Tables have each rival's own median of all slices, with
   smallest and largest in brackets. Processor time is that of the whole process from the first post on; peak memory is VmHWM. "Window"
   is `log-iw-size()`; without it, each engine has its default.
5. Floor: the same loop over a C type that does nothing. Raw write: the same bytes by `write(2)` in pieces of 64 KiB, from C.
   C loop: `recv` and `write` of 64 KiB, or `read` and `write`, or `write` to a connection of 256 KiB. They are limits, not rivals.

Why it is measured so: [method.md](method.md)."""
INTRODUCTIONS = {
    "loop": "`msg = LogMessage(text); self.post_message(msg)`, over a cycle of a thousand numbered texts (64 of 16 KiB).",
    "batch": "`post_buffer` gets `bytes` of a quarter of a mebibyte. The stream comes from a C program in a process of its own.",
    "steps": "The path between the source and the file has a filter that all messages pass, a rewrite, a parser, or a template that has "
    "work to do. Both engines have the same configuration, and what is in the file is compared with what it must be.",
    "network": "The engines' own drivers, with the same options in both. What sends is a C program for each connection, what "
    "receives a C program (in Rust for TLS and Kafka) that compares each byte, or record, with what was sent. The file that is "
    "followed is renamed to its place with all lines in it. The rate of datagrams is doubled until more than 0.01 % are lost, and "
    "then narrowed down to a twentieth; the kernel's count of what it dropped must be what is missing in the file. 2,000 "
    "connections are idle for half a second, then each sends a line.",
    "frameworks": "The same server twice: with a post for each message into a log path without a destination, and with a counter in "
    "its place, outside of any engine. Both live at the same time and take turns by slices of a tenth of a second, three of Flask; the "
    "processor time is that of the whole process in a slice. The client is a process of its own. The broker is Tansu, with everything "
    "in memory.",
    "latency": "Each message carries the time right before it was made. A C program in a process of its own sleeps until inotify tells "
    "that the file has changed, reads what is new, and takes the time; so the figures contain its wake-up and reading, which the line "
    "of plain `write(2)` shows alone. At 100,000 a second, groups of 100 are posted each millisecond: with two cores, a loop "
    "that spins between two messages would take one from those that are measured.",
    "memory": "The stalled destination is a FIFO that nobody reads. Each message is a new object. The memory is looked at for two "
    "seconds at least, and until it has not grown by a MiB for one (ten seconds at most); then the process is killed.",
    "flat": "The time is that of the posting loop alone, because 10^5 messages take less than the harness needs to look at the end. "
    f"Every {PROBED:,} messages the same thread goes through the floor's loop for a moment, which gives what the floor costs on the "
    "machine as it is then: the figure is the one by the other, so that runs of 5 ms and of 5 s can be compared. Several short runs "
    "make one round, with their median.",
}
BEGIN, END = "<!-- perf: begin (written by `make perf`) -->", "<!-- perf: end -->"


def load(directory: Path) -> dict[str, dict[str, Any]]:
    """Every result of a directory, by the case's name."""
    found = {}
    for path in sorted(directory.glob("*.json")):
        result = json.loads(path.read_text())
        found[result["case"]] = result
    return found


def render(
    results: Path = HERE / "results", pages: Path = HERE, readme: Path | None = ROOT / "README.md"
) -> None:
    """Writes the pages, the plots and the README's section."""
    found = load(results)
    if not found:
        raise SystemExit(f"nothing measured: no results in {results}")
    drawn = plots.draw(found, pages / "plots")
    order = _order(found)
    for theme, title in THEMES.items():
        cases = [found[name] for name in order if found[name]["theme"] == theme]
        path = pages / f"{theme}.md"
        if cases:
            path.write_text(theme_page(theme, title, cases))
        else:
            path.unlink(missing_ok=True)
    findings = pages / "findings.md"
    text = findings.read_text() if findings.exists() else ""
    known = processors.record(found, results / "processors")
    (pages / "README.md").write_text(front_page(found, order, drawn, text, known))
    if readme is not None:
        readme.write_text(with_section(readme.read_text(), section(found)))


def _order(found: Results) -> list[str]:
    """The cases as they are defined, then those that are no longer."""
    from perf.cases import all_cases

    known = [case.name for case in all_cases() if case.name in found]
    return known + [name for name in found if name not in known]


def front_page(
    found: dict[str, dict[str, Any]],
    order: Sequence[str],
    drawn: Sequence[tuple[str, str]],
    findings: str,
    known: processors.Records,
) -> str:
    """`perf/README.md`."""
    cases = [found[name] for name in order]
    parts = ["# Performance\n", GENERATED, heading(cases)]
    parts.append("## The figures\n\n" + figures_table(found))
    if known:
        parts.append("## On which processors\n\n" + processors.table(known))
    parts.append(findings_part(findings, found))
    parts.append("## Where a rival wins\n\n" + rivals_win(cases))
    parts.append("## Plots\n\n" + "\n\n".join(f"![{title}](plots/{name})" for name, title in drawn))
    links = [
        f"- [{title}]({theme}.md)"
        for theme, title in THEMES.items()
        if any(c["theme"] == theme for c in cases)
    ]
    parts.append(
        "## All measurements\n\n"
        + "\n".join(links)
        + "\n\nThe raw figures of every slice and run are in `results/`, one file a case."
    )
    failed = [f"- {case['case']}: {key}: {why}" for case in cases for key, why in case["failures"].items()]
    if failed:
        parts.append("## Failed\n\n" + "\n".join(failed))
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


GENERATED = "_Written by `make perf` (`make perf-render` without measuring); only [findings.md](findings.md) is written by hand._"


def theme_page(theme: str, title: str, cases: Sequence[dict[str, Any]]) -> str:
    """One theme with all its tables."""
    parts = [f"# {title}\n", GENERATED, heading(cases)]
    if theme in INTRODUCTIONS:
        parts.append(INTRODUCTIONS[theme])
    newest = _newest(cases)
    for case in cases:
        lines = [f"## {case['title']}\n"]
        if differing := _differing(case, newest):
            lines.append(f"_Measured otherwise: {differing}._\n")
        lines.append(table(case))
        lines += [f"\nFailed: {key}: {why}" for key, why in case["failures"].items()]
        parts.append("\n".join(lines))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _newest(cases: Sequence[dict[str, Any]]) -> dict[str, str]:
    environment: dict[str, str] = max((case["environment"] for case in cases), key=lambda one: one["date"])
    return environment


def _differing(case: dict[str, Any], newest: dict[str, str]) -> str:
    """The differences of the environment in which a case was measured; its time of day is none."""
    own = case["environment"]
    return ", ".join(
        f"{key} {own.get(key, 'none')}" for key in newest if own.get(key) != newest[key] and key != "date"
    )


def heading(cases: Sequence[dict[str, Any]]) -> str:
    """Date, machine, versions and method."""
    newest = _newest(cases)
    rows = [f"| {key} | {value} |" for key, value in newest.items()]
    absent = sorted({line for case in cases for line in case["absent"]})
    missing = "".join(f"\n\n**Not measured: {line}**" for line in absent)
    return "| | |\n|---|---|\n" + "\n".join(rows) + _earlier(cases, newest) + missing + "\n\n" + METHOD


def _earlier(cases: Sequence[dict[str, Any]], newest: dict[str, str]) -> str:
    """The cases that were measured on other days or machines, by number."""
    shown = ("commit", "cpu")
    others = Counter(
        (own["date"].partition(" ")[0], *(own[key] for key in shown))
        for own in (case["environment"] for case in cases)
        if any(own[key] != newest[key] for key in shown)
    )
    lines = [f"{count} at {commit} on {day}, {cpu}" for (day, commit, cpu), count in sorted(others.items())]
    return f"\n\nOf {len(cases)} cases, {'; '.join(lines)}." if lines else ""


def findings_part(findings: str, found: Results) -> str:
    """The findings, under the figures that they are about; a figure that is missed without a word is told."""
    general, sections = written_findings(findings)
    parts = ["## Findings", general]
    for figure in FIGURES:
        text, value = sections.pop(figure.title, ""), figure.measured(found)
        if value is None or (figure.met(found) and not text):
            continue
        word = "met" if figure.met(found) else f"missed by {figure.miss(found):.1%}"
        line = f"_{figure.shown(value)}, {bound(figure)}: {word}._"
        parts += [f"### {figure.title}", line, text or "**No finding written.**"]
    parts += [f"### {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(part for part in parts if part)


def written_findings(text: str) -> tuple[str, dict[str, str]]:
    """The general part of findings.md, and the text under each heading, which is the title of a figure."""
    general, *sections = re.split(r"^## ", re.sub(r"\A# .*\n", "", text), flags=re.MULTILINE)
    named = (section.partition("\n") for section in sections)
    return general.strip(), {title.strip(): body.strip() for title, _, body in named}


# The README's rows: what, ours, theirs, how it is shown.
ROWS: tuple[tuple[str, Pair, str], ...] = (
    (
        "the documentation's loop, one message after the other, to a file (23 bytes)",
        over("loop_file_23", *NG),
        "messages/s",
    ),
    (
        "Python source on a TCP connection to a file (256-byte lines), beside syslog-ng's own source in C",
        over("stream_file_256", "syslog-ng C source"),
        "messages/s",
    ),
    ("parse RFC 5424 and post", over("parse_rfc5424_nothing", *NG), "messages/s"),
)


def section(found: dict[str, dict[str, Any]]) -> str:
    """The README's rows and plot."""
    lines = ["| | Inrush | syslog-ng | |", "|---|---:|---:|---:|"]
    for title, pair, unit in ROWS:
        ours = pair.ours.of(found)
        theirs = [value for value in (one.of(found) for one in pair.theirs) if value is not None]
        if ours is None or not theirs:
            lines.append(f"| {title} | not measured | | |")
            continue
        best, ratio = pair.best(theirs), pair.ratio(found) or ours / pair.best(theirs)
        lines.append(f"| {title} | {_million(ours)} {unit} | {_million(best)} {unit} | {ratio:.1f} × |")
    shown = {value.case for _, pair, _ in ROWS for value in (pair.ours, *pair.theirs)}
    newest = _newest([case for name, case in found.items() if name in shown])
    parts = [newest["date"].partition(" ")[0], newest["cpu"], f"{newest['cores']} cores"]
    parts.append(newest["interpreter"].partition(" (")[0])
    if "syslog-ng" in newest:
        parts.append(f"syslog-ng {newest['syslog-ng'].partition(' ')[0]} of Debian")
    return (
        "\n".join(lines)
        + f"\n\nMedians of the rates and of their ratios, {', '.join(parts)}. "
        + "[All cases, rivals and limits](perf/README.md); `make perf` measures them again.\n\n"
        + "![Messages a second to a file, by size and rival](perf/plots/loop.svg)"
    )


def _million(value: float) -> str:
    return f"{value / 1e6:.2f} million"


def with_section(readme: str, text: str) -> str:
    """The README with its performance section replaced."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md has no place for the figures: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
