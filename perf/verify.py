"""Verification of what arrived: every byte of every line, their number and their order.

The content of a file is compared with the cycle that the source went through, repeated. Where several threads
or sources wrote, each line begins with the number of its poster, and the lines of each poster are compared in
order. With the default template the text is what follows date and host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

CHUNK = 1 << 24
DATE_AND_HOST = re.compile(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ ")


class WrongContentError(Exception):
    """A file that is not what was sent; the text says where and how."""


def repeated(path: Path, lines: Sequence[str], count: int) -> None:
    """The file has `count` lines: `lines` again and again, the last time perhaps not all of them."""
    block, rest = (_joined(some) for some in (lines, lines[: count % len(lines)]))
    times = max(1, CHUNK // len(block))
    expected = block * times
    total = len(block) * (count // len(lines)) + len(rest)
    done = 0
    with path.open("rb") as file:
        while piece := file.read(len(expected)):
            done += len(piece)
            if done > total or piece != expected[: len(piece)]:
                raise WrongContentError(explain(path, [lines], count))
    if done != total:
        raise WrongContentError(explain(path, [lines], count))


def interleaved(path: Path, cycles: Sequence[Sequence[str]], count: int) -> None:
    """The file has `count` lines; those of each poster are its own cycle again and again."""
    each = count // len(cycles)
    expected = [[line.encode() for line in cycle] for cycle in cycles]
    numbers = {f"{poster} ".encode(): poster for poster in range(len(cycles))}
    seen = [0] * len(cycles)
    for start, lines in _pieces(path):
        shares: list[list[bytes]] = [[] for _ in cycles]
        for index, line in enumerate(lines):
            poster = numbers.get(line[:2])
            if poster is None:
                raise WrongContentError(f"line {start + index + 1:,} is of no poster: {_shown(line)}")
            shares[poster].append(line)
        for poster, share in enumerate(shares):
            cycle = expected[poster]
            first = seen[poster] % len(cycle)
            times = (first + len(share)) // len(cycle) + 1
            if share != (cycle * times)[first : first + len(share)]:
                at = next(i for i, line in enumerate(share) if line != cycle[(first + i) % len(cycle)])
                wanted = _shown(cycle[(first + at) % len(cycle)])
                raise WrongContentError(
                    f"message {seen[poster] + at + 1:,} of poster {poster} is {_shown(share[at])}, expected {wanted}"
                )
            seen[poster] += len(share)
    for poster, number in enumerate(seen):
        if number != each:
            raise WrongContentError(f"poster {poster}: {number:,} messages of {each:,}")


def prefixed(path: Path, lines: Sequence[str], count: int) -> None:
    """As `repeated`, with date and host in front of each line."""
    cycle = [line.encode() for line in lines]
    width = total = 0
    for start, found in _pieces(path):
        total = start + len(found)
        if not width:
            match = DATE_AND_HOST.match(found[0])
            if match is None:
                raise WrongContentError(f"line 1 has no date and host: {_shown(found[0])}")
            width = match.end()
        for prefix in {line[:width] for line in found}:
            if DATE_AND_HOST.fullmatch(prefix) is None:
                raise WrongContentError(
                    f"{_shown(prefix)} is not a date and a host (from line {start + 1:,} on)"
                )
        first = start % len(cycle)
        times = (first + len(found)) // len(cycle) + 1
        if [line[width:] for line in found] != (cycle * times)[first : first + len(found)]:
            raise WrongContentError(explain(path, [lines], count, width))
    if total != count:
        raise WrongContentError(explain(path, [lines], count, width))


def gapped(path: Path, lines: Sequence[str], count: int) -> int:
    """The file has some of `count` lines, `lines` again and again, in their order and each once; the number of
    those that are missing."""
    places = {line.encode(): place for place, line in enumerate(lines)}
    place, missing, seen = -1, 0, 0
    for start, found in _pieces(path):
        for index, line in enumerate(found):
            if (next_place := places.get(line)) is None:
                raise WrongContentError(f"line {start + index + 1:,} was never sent: {_shown(line)}")
            missing += (next_place - place - 1) % len(lines)
            place = next_place
        seen = start + len(found)
    missing += (count - 1 - place) % len(lines)
    # A gap is known up to whole cycles: more of them in a row are missing than one can see.
    lost = count - seen
    if lost < missing or (lost - missing) % len(lines):
        raise WrongContentError(
            f"{seen:,} lines of {count:,}, and gaps of {missing:,}: not in order, or doubled"
        )
    return lost


def scattered(path: Path, filler: str, count: int) -> None:
    """The file has `count` lines in any order, each a time of its own, of 19 digits, and `filler`."""
    tail, times = b" " + filler.encode(), set()
    for start, lines in _pieces(path):
        for index, line in enumerate(lines):
            if not line[:19].isdigit() or line[19:] != tail or line[:19] in times:
                raise WrongContentError(
                    f"line {start + index + 1:,} is {_shown(line)}, expected a new time and {_shown(tail)}"
                )
            times.add(line[:19])
    if len(times) != count:
        raise WrongContentError(f"{len(times):,} lines of {count:,}")


def stamped(path: Path, filler: str, count: int) -> None:
    """The file has `count` lines, each a time of 19 digits, no earlier than the one before, and `filler`."""
    number, last, tail = 0, b"", b" " + filler.encode()
    for start, lines in _pieces(path):
        for index, line in enumerate(lines):
            if not line[:19].isdigit() or line[19:] != tail or line[:19] < last:
                raise WrongContentError(
                    f"line {start + index + 1:,} is {_shown(line)}, expected a time from {last.decode() or 0} on and {_shown(tail)}"
                )
            last = line[:19]
        number = start + len(lines)
    if number != count:
        raise WrongContentError(f"{number:,} lines of {count:,}")


def explain(path: Path, cycles: Sequence[Sequence[str]], count: int, width: int = 0) -> str:
    """The difference between a file and one cycle repeated `count` messages long."""
    cycle = [line.encode() for line in cycles[0]]
    known, number, first, kinds = set(cycle), 0, "", {"unknown": 0, "misplaced": 0}
    for start, lines in _pieces(path):
        for index, line in enumerate(lines):
            expected = cycle[(start + index) % len(cycle)]
            if line[width:] != expected:
                kinds["misplaced" if line[width:] in known else "unknown"] += 1
                first = (
                    first
                    or f"line {start + index + 1:,} is {_shown(line[width:])}, expected {_shown(expected)}"
                )
        number += len(lines)
    parts = [f"{number:,} lines of {count:,}"]
    if number < count:
        parts[0] += f", {count - number:,} missing"
    elif number > count:
        parts[0] += f", {number - count:,} too many"
    if first:
        parts.append(f"first difference: {first}")
    if kinds["misplaced"]:
        parts.append(f"{kinds['misplaced']:,} lines in the wrong place")
    if kinds["unknown"]:
        parts.append(f"{kinds['unknown']:,} lines that were never sent")
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 1))
        if size and file.read() != b"\n":
            parts.append("the last line has no end")
    return "; ".join(parts)


def _pieces(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The complete lines of a file in pieces, each with the number of lines before it; what follows the last
    newline is a line, too."""
    start, rest = 0, b""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield start, lines
                start += len(lines)
    if rest:
        yield start, [rest]


def _joined(lines: Sequence[str]) -> bytes:
    """The lines as they stand in a file."""
    return "".join(line + "\n" for line in lines).encode()


def _shown(line: bytes) -> str:
    """A line, cut where it gets long."""
    return repr(line if len(line) <= 60 else line[:60] + b"...")
