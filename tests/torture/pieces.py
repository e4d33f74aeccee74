"""A destination file whose path is rotated away under the engine, and whose pieces are checked and removed.

Each line is `SOURCE NUMBER REST`. The lines of a source have its numbers from 0 on, each once and in order,
through all pieces. A piece may end with a part of a line, which then begins the next piece anew: what was out
when the file was replaced stays there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

CheckRest = Callable[[str, int, bytes], None]


class Pieces:
    """The pieces of one file, in the order in which they were written."""

    def __init__(self, path: Path, check_rest: CheckRest | None = None) -> None:
        self.path = path
        self.check_rest = check_rest
        self.following: dict[str, int] = {}
        self.lines = 0
        self.torn = 0
        self.count = 0
        self.waiting: list[Path] = []
        self.begun = b""

    def rotate(self, where: Path | None = None) -> None:
        """Moves the file away, under the engine."""
        self.count += 1
        to = (where or self.path.parent) / f"piece.{self.count}"
        try:
            self.path.rename(to)
        except OSError:
            # It is not there at this moment, or nobody may touch it.
            return
        self.waiting.append(to)

    def is_written(self) -> bool:
        """True when there is a file again, with something in it."""
        try:
            return self.path.stat().st_size > 0
        except OSError:
            return False

    def collect(self, at_the_end: bool = False) -> None:
        """Checks and removes the pieces that nobody writes to any more: those before the one that is written
        now."""
        if not at_the_end and not self.is_written():
            return
        for piece in self.waiting:
            if piece.exists():
                self.check(piece)
                piece.unlink()
        self.waiting.clear()
        if at_the_end and self.path.exists():
            self.check(self.path)
        assert not at_the_end or not self.begun, f"a line that was never written whole: {self.begun!r}"

    def check(self, piece: Path) -> None:
        """Checks one piece, line by line: it may be larger than the memory."""
        rest = b""
        with piece.open("rb") as file:
            for line in file:
                if self.begun:
                    first = line.rstrip(b"\n")
                    assert first.startswith(self.begun) or self.begun.startswith(first), (
                        self.begun,
                        first[:100],
                    )
                    if line.endswith(b"\n") or len(first) > len(self.begun):
                        self.begun = b""
                if line.endswith(b"\n"):
                    self.check_line(line[:-1])
                else:
                    rest = line
        if rest:
            self.torn += 1
            self.begun = rest

    def check_line(self, line: bytes) -> None:
        """Checks one line."""
        who, number, body = line.split(b" ", 2)
        source = who.decode()
        expected = self.following.get(source, 0)
        assert int(number) == expected, f"source {source}: {int(number)} where {expected} follows"
        if self.check_rest is not None:
            self.check_rest(source, expected, body)
        self.following[source] = expected + 1
        self.lines += 1
