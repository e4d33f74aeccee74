"""The page: made of the stored results alone, so that what is told is what was measured."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from harness import ROOT
from worst_day.collectors import collectors
from worst_day.faults import FAULTS, Fault
from worst_day.results import Result

PAGE = ROOT / "docs" / "worst-day.md"
INPUTS = {"tcp": "TCP", "relp": "RELP", "file": "file"}
# What is better when it is less, with its words.
COLUMNS = {"missing": "missing", "repeated": "repeated", "out_of_order": "out of order", "torn": "torn"}
# Two measurements of the same are further apart than this.
SECONDS_APART, MESSAGES_APART = 1.0, 50

INTRODUCTION = """\
# The worst day of collectors

_Written by `make worst-day` from [perf/worst-day](../perf/worst-day), where each result is a file._

The same faults, done to Inrush and to every other collector that this machine can install, each in its safest configuration with a
buffer on the disk before its destination. Whoever doubts a figure can have it again: `make worst-day FAULT=kill COLLECTOR=rsyslog`.
"""
METHOD = """\
## How it is measured

1. A sender brings numbered messages, each with a checksum, at a fixed rate to the collector, whose only destination is a TCP server.
   Messages are lines of RFC 3164 of 100 to 500 bytes. After a broken connection the sender goes on with the first message that is not
   acknowledged, so each is acknowledged in the end, if the collector ever takes it.
2. **Acknowledged** means, over *TCP*: the collector has read it from its socket. Plain TCP has no other acknowledgement, and a sender
   does not even see this one: an empty send queue (`SIOCOUTQ` 0) says that the messages lie in the receiving system's buffer, which is
   lost with the process. Here both ends are on one machine, so what the collector has not read yet is known, and is sent again. What it
   had read when it was killed no sender could know to be lost. Nobody promises anything for it: the row shows how much a collector has
   in memory alone. With *RELP*: the collector has answered it. Of a *file*: it is written; the collector has to know how far it was.
3. **Missing**: acknowledged, and never arrived. **Repeated**: further copies of what has arrived. **Out of order**: first copies that
   arrived after a message with a higher number. **Torn**: lines that are no message, byte by byte. What a broken connection cuts off is
   no line.
4. **Taken meanwhile**: acknowledged when the fault was over, of what was to be sent by then. A collector whose buffer is in memory alone
   holds its senders back when that is full; one with a buffer on the disk goes on.
5. **Seconds**: from the end of the fault (the start after a kill or a stop, the signal of a reload, the return of the destination)
   until what had been acknowledged by then had arrived, as far as it ever did, and something newer; the slowest where there are
   several. *Never*: nothing newer came within {quiet:g} s. Then the collector is restarted, and what comes after that is not missing. The
   machine had other work at the same time: a second more or less means nothing.
6. A collector that is killed is halted (SIGSTOP) for the moment before, so that it is known to the byte what it has read. The faults
   end processes, not the machine: what was written and not synced survives them.
7. {count:,} messages a run, {rate:,.0f} a second at most; the last tenth comes after the fault within five seconds, so that there is
   something new that has to flow. Retries are set to one second everywhere.
"""
# The source that speaks RELP is the same wherever it stands, and longer than all the rest.
BLOCK = re.compile(r"^python \{\n.*?^\};$", re.MULTILINE | re.DOTALL)
SHORT_BLOCK = "python { # the text of tests/worst_day/relp_source.py\n};"
NOTHING = "-"


def page(results: Sequence[Result]) -> str:
    """The page of these results."""
    if not results:
        return INTRODUCTION + "\nNothing is measured yet.\n"
    faults = [fault for fault in FAULTS.values() if any(each["fault"] == fault.name for each in results)]
    scale = min((each["scale"] for each in results), key=lambda each: int(each["count"]))
    parts = [INTRODUCTION, environment_table(results), "## Missing messages\n", overview(faults, results)]
    parts += [better_than_inrush(results), METHOD.format(**scale)]
    parts += [section(fault, results) for fault in faults]
    parts += [configurations(results)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def environment_table(results: Sequence[Result]) -> str:
    """The machine, the commit, the versions, and what is not there."""
    newest = max(results, key=lambda each: str(each["environment"]["date"]))["environment"]
    rows = [f"| {name} | {value} |" for name, value in newest.items()]
    rows += [f"| {title(name)} | {version} |" for name, version in versions(results).items()]
    measured = {each["collector"] for each in results}
    absent = {name: why for each in results for name, why in each["absent"].items() if name not in measured}
    rows += [f"| {title(name)} | {why} |" for name, why in sorted(absent.items())]
    text = "| | |\n|---|---|\n" + "\n".join(rows) + "\n"
    commits = Counter(each["environment"]["commit"] for each in results)
    others = [f"{count} at {commit}" for commit, count in commits.items() if commit != newest["commit"]]
    if others:
        text += f"\nOf {len(results)} results, {', '.join(others)}.\n"
    unbuffered = [title(name) for name in ordered(results) if not is_buffered(name, results)]
    if unbuffered:
        text += (
            f"\n**Without a disk buffer: {', '.join(unbuffered)}.** This version has none: it holds its sender back while the "
            "destination is away, and a disk that is full or damaged does not concern it.\n"
        )
    return text


def versions(results: Sequence[Result]) -> dict[str, str]:
    """The version of each collector, the newest where results have several."""
    found = sorted(results, key=lambda each: str(each["environment"]["date"]))
    by_name = {each["collector"]: each["version"] for each in found}
    return {name: by_name[name] for name in ordered(results)}


def is_buffered(collector: str, results: Sequence[Result]) -> bool:
    """True when all results of a collector are with its disk buffer."""
    return all(each["buffered"] for each in results if each["collector"] == collector)


def ordered(results: Sequence[Result]) -> list[str]:
    """The names of the collectors that have results, Inrush first."""
    return sorted({each["collector"] for each in results}, key=lambda name: (name != "inrush", name))


def title(name: str) -> str:
    """A collector's name as it is written."""
    known = collectors().get(name)
    return known.title if known else name


def rows_of(results: Sequence[Result]) -> list[tuple[str, str]]:
    """The rows of the tables: collector and input."""
    there = {(each["collector"], each["input"]) for each in results}
    return [(name, intake) for intake in INPUTS for name in ordered(results) if (name, intake) in there]


def find(results: Sequence[Result], fault: str, collector: str, intake: str) -> Result | None:
    """One result."""
    key = (fault, collector, intake)
    return next((each for each in results if (each["fault"], each["collector"], each["input"]) == key), None)


def overview(faults: Sequence[Fault], results: Sequence[Result]) -> str:
    """The missing messages of all faults in one table."""
    rows = rows_of(results)
    lines = ["| | " + " | ".join(f"{title(name)}, {INPUTS[intake]}" for name, intake in rows) + " |"]
    lines += ["|---|" + "---:|" * len(rows)]
    for fault in faults:
        cells = [cell(find(results, fault.name, name, intake), "missing") for name, intake in rows]
        lines.append(f"| {fault.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(result: Result | None, column: str) -> str:
    """One figure of a table."""
    if result is None or "skipped" in result:
        return NOTHING
    value = f"{result[column]:,}"
    return f"{value} *" if "failed" in result else value


def section(fault: Fault, results: Sequence[Result]) -> str:
    """The table of a fault."""
    own = [each for each in results if each["fault"] == fault.name]
    head = [
        "Collector",
        "Input",
        "Acknowledged",
        *(word.capitalize() for word in COLUMNS.values()),
        "Seconds",
    ]
    stops, says = any(each.get("stop_seconds") for each in own), any("said" in notes(each) for each in own)
    holds = fault.holds_back
    head += ["Taken meanwhile"] * holds + ["Stop, s"] * stops + ["Said in its log"] * says
    lines = [f"## {fault.title}\n", fault.how.format(**own[0]["scale"]) + "\n"]
    lines += [
        "| " + " | ".join(head) + " |",
        "|---|---|" + "---:|" * (len(COLUMNS) + 2 + holds + stops) + "---|" * says,
    ]
    below = []
    for name, intake in rows_of(own):
        result = find(own, fault.name, name, intake)
        assert result is not None
        cells = [f"**{title(name)}**" if name == "inrush" else title(name), INPUTS[intake]]
        cells += [cell(result, column) for column in ("acknowledged", *COLUMNS)] + [seconds(result)]
        cells += [taken(result)] * holds
        cells += [largest(result.get("stop_seconds", []))] * stops + [said(result)] * says
        lines.append("| " + " | ".join(cells) + " |")
        below += [f"{title(name)}, {INPUTS[intake]}: {text}." for text in remarks(result)]
    return "\n".join(lines) + "\n" + "".join(f"\n{text}\n" for text in below)


def notes(result: Result) -> dict[str, str]:
    """The notes of a result, if it has any."""
    found: dict[str, str] = result.get("notes", {})
    return found


def seconds(result: Result) -> str:
    """The time until all was well."""
    if "skipped" in result:
        return NOTHING
    return "never" if result["seconds"] is None else f"{result['seconds']:.1f}"


def taken(result: Result) -> str:
    """The messages that were acknowledged when the fault was over; a file takes all that is written."""
    return NOTHING if "skipped" in result or result["input"] == "file" else f"{result['taken']:,}"


def largest(several: Sequence[float]) -> str:
    """The longest of some times."""
    return f"{max(several):.1f}" if several else NOTHING


def said(result: Result) -> str:
    """The complaint in the log, short enough for a table."""
    text = notes(result).get("said", "").replace("|", "\\|").replace("`", "'")
    return f"`{text[:110]}`" if text else ("nothing" if "said" in notes(result) else NOTHING)


def remarks(result: Result) -> list[str]:
    """The sentences that a row needs besides."""
    found = []
    if "skipped" in result:
        found.append(f"not done, {result['skipped']}")
    if "failed" in result:
        found.append(f"broken off (*), {result['failed'].splitlines()[0]}")
    found += [notes(result)[name] for name in ("stop", "stands still") if name in notes(result)]
    if result.get("missing_numbers"):
        found.append(f"missing are {', '.join(result['missing_numbers'])}")
    count = result["scale"]["count"]
    if "skipped" not in result and result["acknowledged"] < count:
        found.append(
            f"takes no more: {count - result['acknowledged']:,} of {count:,} messages were never acknowledged"
        )
    return found


def better_than_inrush(results: Sequence[Result]) -> str:
    """The places where another collector has the better figure, all of them."""
    found = []
    order = list(FAULTS)
    rows = rows_of(results)
    for result in sorted(
        results,
        key=lambda each: (order.index(each["fault"]), rows.index((each["collector"], each["input"]))),
    ):
        own = find(results, result["fault"], "inrush", result["input"])
        if result["collector"] == "inrush" or own is None or "skipped" in result:
            continue
        name, where = (
            title(result["collector"]),
            f"{FAULTS[result['fault']].title}, {INPUTS[result['input']]}",
        )
        if "skipped" in own:
            found.append(f"{where}: {name} is measured, Inrush is not ({own['skipped']})")
            continue
        found += [
            f"{where}: {name} has {result[column]:,} {word}, Inrush {own[column]:,}"
            for column, word in COLUMNS.items()
            if result[column] < own[column]
        ]
        theirs, ours = result["seconds"], own["seconds"]
        if theirs is not None and (ours is None or theirs + SECONDS_APART < ours):
            unit = "" if ours is None else " s"
            found.append(
                f"{where}: {name} is well again after {theirs:.1f} s, Inrush after {seconds(own)}{unit}"
            )
        holds = FAULTS[result["fault"]].holds_back and result["input"] != "file"
        if holds and result["taken"] > own["taken"] + MESSAGES_APART:
            found.append(
                f"{where}: {name} has taken {taken(result)} when the fault is over, Inrush {taken(own)}"
            )
    alone = {each["input"] for each in results} - {
        each["input"] for each in results if each["collector"] == "inrush"
    }
    for intake in sorted(alone):
        names = [title(name) for name, of in rows_of(results) if of == intake]
        found.append(f"{INPUTS[intake]}: {' and '.join(names)} can be reached by it, Inrush cannot")
    lines = [f"- {each}." for each in found] or ["Nowhere in these results."]
    return "## Where another collector does better than Inrush\n\n" + "\n".join(lines) + "\n"


def configurations(results: Sequence[Result]) -> str:
    """Each collector's configuration, with its notes."""
    lines = ["## Configurations\n"]
    lines.append(
        "The source that speaks RELP is [a class of Python](../tests/worst_day/relp_source.py), the same for Inrush and syslog-ng.\n"
    )
    for name, intake in sorted(rows_of(results), key=lambda row: ordered(results).index(row[0])):
        known = collectors().get(name)
        first = f"### {title(name)}\n"
        if first not in lines:
            lines.append(first)
            if known is not None:
                lines += [f"Reload: {known.reloads}.\n", *(f"- {note}" for note in known.notes), ""]
        result = next(each for each in results if (each["collector"], each["input"]) == (name, intake))
        lines.append(f"{INPUTS[intake]}:\n\n```text\n{BLOCK.sub(SHORT_BLOCK, result['configuration'])}```\n")
    return "\n".join(lines)
