"""Log paths with steps: a filter, a rewrite, a parser, a template that makes JSON, structured data.

Every message passes its filter, so that all of them can be compared with what was sent, and both engines do
the whole of the path's work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from perf.kinds import Case, Posting
from perf.loops import FILE, SLICES, engines, side_by_side, windows
from perf.sources import texts
from perf.sources.records import RECORDS, record_lines

SIZE = 256
# Filters by the name of their case: what a message passes.
FILTERS = {
    "facility": ("`facility` and `level`", "facility(user) and level(notice)"),
    "program": ("`program` with `type(string)`", 'not program("nobody" type(string))'),
    "literal": ("`message` with a literal that is not there", 'not message("segfault at")'),
    "group": ("`message` with a group that is found at the end", "message('five dozen (liqu)$')"),
    "netmask": ("`netmask`", 'not netmask("10.0.0.0/8")'),
}
# The pairs of `format-json`. They are written in the reverse order of their names, by both engines.
PAIRS = {
    "a_message": "$MSG",
    "b_facility": "$FACILITY",
    "c_level": "$LEVEL",
    **{f"{letter}_text": f"$FACILITY.$LEVEL.{letter}" for letter in "defghijkl"},
}


class Change(NamedTuple):
    """A path whose line is another than the text that was posted."""

    title: str
    steps: str
    template: str
    lines: list[str]


# What `subst` replaces.
REPLACED = re.compile("o[a-z]")


def set_two() -> Change:
    """`set` of two values."""
    steps = 'rewrite { set("web" value("app.kind")); set("$FACILITY.$LEVEL" value("app.from")); };'
    lines = [f"web user.notice {text}" for text in texts.texts(SIZE)]
    return Change("`set` of two values", steps, "${app.kind} ${app.from} $MSG\\n", lines)


def subst_all() -> Change:
    """`subst` of every match."""
    steps = 'rewrite { subst("o[a-z]", "0" value("MESSAGE") flags(global)); };'
    lines = [REPLACED.sub("0", text) for text in texts.texts(SIZE)]
    return Change("`subst` with `flags(global)`", steps, "$MSG\\n", lines)


def json_of_twelve() -> Change:
    """`$(format-json)` of twelve pairs."""
    template = "$(format-json " + " ".join(f"{name}={value}" for name, value in PAIRS.items()) + ")\\n"
    made = [
        json.dumps(
            {
                name: value.replace("$MSG", text).replace("$FACILITY", "user").replace("$LEVEL", "notice")
                for name, value in reversed(PAIRS.items())
            },
            separators=(",", ":"),
        )
        for text in texts.texts(SIZE)
    ]
    return Change("`$(format-json)` of twelve pairs", "", template, made)


CHANGES: dict[str, Callable[[], Change]] = {"set": set_two, "subst": subst_all, "json": json_of_twelve}


def steps() -> Iterator[Case]:
    """Filters, rewrites, templates, structured data: the whole path beside syslog-ng's."""
    ours, theirs = engines(SIZE, FILE[SIZE])
    for name, (title, condition) in FILTERS.items():
        both = [replace(run, steps=f"filter {{ {condition}; }};") for run in (ours, theirs)]
        yield Case(
            f"loop_{name}_file_256",
            "steps",
            f"The loop through a filter to a file, 256 bytes: {title}",
            tuple(side_by_side(*both)),
            slices=SLICES,
        )
    for name, change in CHANGES.items():
        made = change()
        both = [
            replace(
                run,
                steps=made.steps,
                template=made.template,
                cycles=partial(cycle, name),
                line=len(made.lines[0]) + 1,
            )
            for run in (ours, theirs)
        ]
        yield Case(
            f"loop_{name}_file_256",
            "steps",
            f"The loop to a file, 256 bytes: {made.title}",
            tuple(side_by_side(*both)),
            slices=SLICES,
        )
    for name, record in RECORDS.items():
        both = [
            replace(
                run,
                spec={"size": SIZE, "record": name},
                steps=f"parser {{ {record.ours or record.parser if run is ours else record.parser} }};",
                template=record.template,
                cycles=partial(recorded, name),
                line=len(record_lines(name)[0]) + 1,
            )
            for run in (ours, theirs)
        ]
        yield Case(
            f"loop_{name}_parser_file",
            "steps",
            f"The loop through a parser to a file, values written with a template: {record.title}",
            tuple(side_by_side(*both)),
            slices=SLICES,
        )
    parse = Posting(
        rival="inrush",
        count=200_000,
        source="perf.sources.loops.Parse",
        spec={"format": "rfc5424_sdata"},
        cycles=structured,
        template=texts.SDATA_TEMPLATE,
        line=len(texts.sdata_lines()[0]) + 1,
        driver="flags(syslog-protocol) keep-hostname(yes)",
    )
    yield Case(
        "parse_sdata_file",
        "steps",
        "`LogMessage.parse` of RFC 5424 with structured data, five of its values written with a template",
        (parse, *windows(replace(parse, rival="syslog-ng", count=40_000))),
        slices=SLICES,
    )


def cycle(name: str) -> list[list[str]]:
    """The lines of a change."""
    return [CHANGES[name]().lines]


def recorded(name: str) -> list[list[str]]:
    """The lines of a parser's values."""
    return [record_lines(name)]


def structured() -> list[list[str]]:
    """The lines of structured data."""
    return [texts.sdata_lines()]
