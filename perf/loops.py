"""The documentation's loop, and what is made of it: one message after the other, lists, buffers.

The counts of messages are tables here; how they were chosen: `cases`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from perf.kinds import DEFAULT_FORMAT, Case, Posting, Sourced
from perf.sources import texts

S = TypeVar("S", bound=Sourced)

# The window that is called large: Inrush's own default, and what syslog-ng needs to run at its best.
LARGE = 100_000
LARGEST = {"inrush": 1_000_000, "syslog-ng": LARGE}
# How often each process of most cases is measured in a turn: twice on each processor of two, once in each
# order.
SLICES = 4
# Messages of the floor: a multiple of both lengths of a cycle.
FLOOR = 1_600_000


class Counts(NamedTuple):
    """Messages of a run, rival by rival."""

    inrush: int
    syslog_ng: int
    write: int = 0
    queue: int = 0
    logging: int = 0
    floor: int = FLOOR


# By the size of a message.
NOTHING = {
    23: Counts(1_200_000, 100_000),
    256: Counts(1_200_000, 100_000),
    1024: Counts(1_200_000, 100_000),
    16384: Counts(800_000, 64_000),
}
FILE = {
    23: Counts(1_200_000, 60_000, write=4_800_000, queue=200_000, logging=20_000),
    256: Counts(400_000, 40_000, write=800_000, queue=200_000, logging=20_000),
    1024: Counts(128_000, 24_000, write=128_000, queue=120_000, logging=20_000),
    16384: Counts(6400, 3200, write=6400, queue=25_600, logging=9600),
}
LISTS = {23: Counts(2_400_000, 60_000, write=8_000_000), 256: Counts(600_000, 60_000, write=1_000_000)}
# By the length of a line with its newline: to nothing, to a file.
BUFFERS = {24: (8_000_000, 6_000_000), 256: (4_000_000, 1_000_000)}


def plain(size: int, posters: int = 1, *, tagged: bool = False) -> list[list[str]]:
    """The cycle of each poster: with a number in front where there are several."""
    if posters == 1 and not tagged:
        return [texts.texts(size)]
    return [texts.texts(size, f"{number} ") for number in range(posters)]


def loop(rival: str, size: int, count: int, *, nothing: bool = False) -> Posting:
    """The documentation's loop with messages of one size."""
    threads = {"queue": "perf.sources.plain.Queue", "logging": "perf.sources.plain.Logging"}
    return Posting(
        rival=rival,
        count=count,
        source=threads.get(rival, "perf.sources.loops.Loop"),
        spec={"size": size, "window": LARGE} if rival in threads else {"size": size},
        cycles=partial(plain, size),
        unit=texts.cycle_length(size),
        line=size if nothing else size + 1,
        nothing=nothing,
    )


def windows(run: S) -> list[S]:
    """The run with the default window and with a large one."""
    large = LARGEST[run.rival]
    return [
        run,
        replace(run, variant=f"window {large:,}", driver=f"{run.driver} log-iw-size({large})".strip()),
    ]


def side_by_side(ours: S, theirs: S) -> list[S]:
    """Both with both windows: those of the rival right behind our first one, our other one behind them."""
    first, other = windows(ours)
    return [first, *windows(theirs), other]


def loops() -> Iterator[Case]:
    """The documentation's loop: to nothing, to a file, to a file with the default template."""
    for size, counts in NOTHING.items():
        ours = loop("inrush", size, counts.inrush, nothing=True)
        theirs = loop("syslog-ng", size, counts.syslog_ng, nothing=True)
        runs = [loop("floor", size, counts.floor, nothing=True), *side_by_side(ours, theirs)]
        if size == 16384:
            kind: dict[str, object] = {"size": size, "kind": "bytes"}
            runs += [replace(run, variant="bytes", spec=kind) for run in (ours, theirs)]
        title = f"The loop to nothing, {size:,} bytes"
        yield Case(f"loop_nothing_{size}", "loop", title, tuple(runs), slices=SLICES)
    for size, counts in FILE.items():
        runs = [*limits(size, counts), *side_by_side(*engines(size, counts))]
        for rival, count in (("queue", counts.queue), ("logging", counts.logging)):
            runs.append(replace(loop(rival, size, count), alone=True))
        title = f"The loop to a file, `$MSG\\n`, flow control, {size:,} bytes"
        yield Case(f"loop_file_{size}", "loop", title, tuple(runs), slices=SLICES)
    for size, counts in FILE.items():
        default = [replace(run, template=DEFAULT_FORMAT) for run in engines(size, counts)]
        runs = [*limits(size, counts), *side_by_side(*default)]
        title = f"The loop to a file, the default template, {size:,} bytes"
        yield Case(f"loop_default_{size}", "loop", title, tuple(runs), slices=SLICES)


def limits(size: int, counts: Counts) -> tuple[Posting, Posting]:
    """The floor and raw write."""
    return loop("floor", size, counts.floor), loop("write", size, counts.write)


def engines(size: int, counts: Counts) -> tuple[Posting, Posting]:
    """Inrush and syslog-ng."""
    return loop("inrush", size, counts.inrush), loop("syslog-ng", size, counts.syslog_ng)


def lists() -> Iterator[Case]:
    """post_messages() in hundreds and thousands."""
    for size, counts in LISTS.items():
        ours, theirs = engines(size, counts)
        runs = [loop("write", size, counts.write)]
        for batch in (100, 1000):
            spec: dict[str, object] = {"size": size, "batch": batch}
            source = "perf.sources.loops.Lists"
            runs.append(replace(ours, variant=f"lists of {batch:,}", source=source, spec=spec))
        title = f"`post_messages`, lists of `str`, to a file, {size} bytes"
        yield Case(f"post_messages_file_{size}", "batch", title, (*runs, *windows(theirs)), slices=SLICES)


def buffers() -> Iterator[Case]:
    """post_buffer() to nothing and to a file."""
    for line, (nothing, file) in BUFFERS.items():
        unit = 1000 * max(1, (1 << 18) // (1000 * line))
        ours = replace(loop("inrush", line - 1, file), source="perf.sources.loops.Buffers", unit=unit)
        for where, title, runs in (
            ("nothing", "to nothing", (replace(ours, count=nothing, nothing=True),)),
            ("file", "to a file", (ours, loop("write", line - 1, file))),
        ):
            title = f"`post_buffer`, {line}-byte lines, {title}"
            yield Case(f"post_buffer_{where}_{line}", "batch", title, runs, "bytes", slices=SLICES)
