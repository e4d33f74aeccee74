"""Whether the engines did the same with a case, or what is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from compat.case import Case, Difference, Output
from compat.engine import Engine, Inrush, Native, Result


@dataclass
class Verdict:
    """A case, what the engines did with it, and what is wrong with that."""

    case: Case
    native: Result | None
    ours: Result
    wrong: list[str]


def groups(cases: Iterable[Case]) -> list[list[Case]]:
    """The cases that share a process."""
    together: dict[str, list[Case]] = {}
    alone = []
    for case in cases:
        if case.is_alone:
            alone.append([case])
        else:
            together.setdefault(case.version, []).append(case)
    return [*together.values(), *alone]


def results(engine: Engine, cases: Iterable[Case]) -> dict[str, Result]:
    """What an engine did with cases, by their paths."""
    found = {}
    for group in groups(cases):
        found.update(engine.run(group))
    return found


def is_native(case: Case, difference: Difference | None) -> bool:
    """Whether syslog-ng is asked, too."""
    return not case.has("only") and not (difference and difference.native.startswith("not run"))


def judge(cases: list[Case], differences: dict[str, Difference]) -> list[Verdict]:
    """Runs cases through both engines, or through Inrush where there is no other."""
    native_cases = []
    if Native.program() is not None:
        native_cases = [case for case in cases if is_native(case, differences.get(case.path))]
    with ThreadPoolExecutor(2) as pool:
        native = pool.submit(results, Native(), native_cases)
        ours = pool.submit(results, Inrush(), cases)
        found = native.result(), ours.result()
    return [
        Verdict(
            case,
            found[0].get(case.path),
            found[1][case.path],
            wrong(case, differences.get(case.path), *found),
        )
        for case in cases
    ]


def wrong(
    case: Case, difference: Difference | None, native: dict[str, Result], ours: dict[str, Result]
) -> list[str]:
    """What is wrong with a case."""
    if ours[case.path].is_unbuilt:
        return []
    return [
        *wrong_with_ours(case, ours[case.path]),
        *wrong_with_both(case, difference, native.get(case.path), ours),
    ]


def wrong_with_ours(case: Case, ours: Result) -> list[str]:
    if case.has("refused"):
        if not ours.refused:
            return ["Inrush accepts it" if not ours.crashed else "Inrush crashes"]
        return [f"Inrush does not say: {text}" for text in case.values("refused") if text not in ours.said]
    if ours.ended is not None:
        return ["Inrush crashes" if ours.crashed else "Inrush refuses it"]
    return different("Inrush", case.expected, ours.output, "expected")


def wrong_with_both(
    case: Case, difference: Difference | None, native: Result | None, ours: dict[str, Result]
) -> list[str]:
    if native is None:
        return []
    if case.has("refused"):
        if difference is not None:
            return ["the difference is gone: syslog-ng refuses it, too"] if native.refused else []
        return (
            [] if native.refused else ["syslog-ng accepts it" if not native.crashed else "syslog-ng crashes"]
        )
    expected = case.expected
    if expected is None:
        expected = ours[case.path].output
    found = different("syslog-ng", expected, native.output, "Inrush" if case.expected is None else "expected")
    if native.ended is not None:
        found = ["syslog-ng crashes" if native.crashed else "syslog-ng refuses it"]
    if difference is None:
        return found
    if not found:
        return ["the difference is gone: syslog-ng does the same"]
    if native.refused != difference.native.startswith("refused"):
        return [*found, "that is not the difference that is wanted"]
    return different("syslog-ng", difference.output, native.output, "the table of differences")


def different(engine: str, expected: Output | None, found: Output, of: str) -> list[str]:
    """The lines for each file that has something else."""
    if expected is None:
        return []
    names = sorted({*expected, *found})
    return [
        f"{engine}, {name}: {shown(found.get(name, b''))}\n    {of}: {shown(expected.get(name, b''))}"
        for name in names
        if found.get(name, b"") != expected.get(name, b"")
    ]


def shown(data: bytes) -> str:
    """The lines of a file on one line."""
    if not data:
        return "nothing"
    return " ".join(str(line)[1:] for line in data.rstrip(b"\n").split(b"\n"))


def report(verdicts: list[Verdict]) -> str:
    """What is wrong with cases, for those who read it."""
    parts = []
    for verdict in verdicts:
        if not verdict.wrong:
            continue
        lines = [f"=== {verdict.case.path}", *(f"  {line}" for line in verdict.wrong)]
        for result, name in ((verdict.ours, "Inrush"), (verdict.native, "syslog-ng")):
            if result is not None and result.said and result.ended is not None:
                lines.append(f"  {name} says:\n    " + said(result).replace("\n", "\n    "))
        parts.append("\n".join(lines))
    return "\n".join(parts)


def said(result: Result) -> str:
    """The errors that an engine reports, without its warnings."""
    paragraphs = re.split(r"\n\s*\n", result.said.strip())
    errors = [paragraph for paragraph in paragraphs if re.search(r"(?i)\berror\b", paragraph)]
    return "\n".join(errors or paragraphs)[:1500]


def families(cases: Iterable[Case]) -> list[tuple[str, list[Case]]]:
    """The cases by family."""
    return [(family, list(group)) for family, group in groupby(cases, key=lambda case: case.family)]
