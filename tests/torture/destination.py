"""A destination that stalls, fails and comes back, in every way that a file can."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torture.attack import Budget, Run, attack, resident, until
from torture.pieces import Pieces
from torture.small_disk import fill, small_disk

REOPEN = 0.3
# Two sources, each slow enough that what they write while a disk is full fits on it afterwards.
CONF = f"""@version: current
options {{ time-reopen({REOPEN}); }};
python {{
from syslogng import LogSource

class Source(LogSource):
    def init(self, options):
        self.who, self.rest = options["who"], "x" * options["size"]
        return True

    def run(self):
        n = 0
        while not self.exit_requested:
            for _ in range(50):
                self.post_message(f"{{self.who}} {{n}} {{self.rest[:n % len(self.rest)]}}")
                n += 1
            self.sleep(0.03)
}};
source s_small {{ python(class("Source") options(who("small") size(40)) log-iw-size(5000) persist-name("small")); }};
source s_large {{ python(class("Source") options(who("large") size(3000)) log-iw-size(500) persist-name("large")); }};
log {{
    source(s_small); source(s_large);
    destination {{ file("disk/d/out.log" template("$MSG\\n")); }};
    flags(flow-control);
}};
"""
# Root may write where permission was taken, unless it gives that up.
AS_ANYBODY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
# The window of both sources, the pools of the engine, and the interpreter.
MEMORY = 200 << 10
# How much later than promised a write may come on a machine that is busy with other things.
SLACK = 10.0


@attack(
    "destination",
    "nothing missing, nothing twice, order kept, memory bounded, recovery within time-reopen()",
    short=Budget(count=8),
    long=Budget(count=1000),
)
def destination(run: Run) -> None:
    """Trouble after trouble for one file that two sources write to, while it is rotated all the time."""
    disk, directory = run.directory / "disk", run.directory / "disk" / "d"
    with small_disk(disk, 24 << 10) as missing:
        directory.mkdir()
        if missing:
            run.figures["without a full disk"] = missing
        engine = run.engine(CONF, prefix=AS_ANYBODY if os.geteuid() == 0 else ())
        pieces = Pieces(directory / "out.log")
        until(pieces.is_written, "the first line", engine)
        troubles: list[tuple[str, Callable[[Run, Path, Pieces], None]]] = [
            ("permission", take_permission),
            ("moved", move_and_return),
            ("removed", replace_directory),
            ("rotated", rotate),
        ]
        if not missing:
            troubles += [("full", fill_up), ("full", fill_up)]
        for _ in run.rounds():
            name, trouble = run.random.choice(troubles)
            trouble(run, directory, pieces)
            before = written(pieces.path)
            taken = until(partial(differs, pieces.path, before), f"writing after {name}", engine)
            assert taken < REOPEN + 1 + SLACK, f"{taken} s to write again after {name}"
            run.add(name)
            run.most("slowest recovery", taken, "s")
            pieces.rotate()
            until(pieces.is_written, f"a new file after {name}", engine)
            pieces.collect()
            run.figures["lines"], run.figures["pieces"] = pieces.lines, pieces.count
            run.most("memory", resident(engine) / 1024, "MiB")
            assert resident(engine) < MEMORY, "memory that grows"
        totals = engine.stop()
        pieces.collect(at_the_end=True)
        run.figures["lines"], run.figures["torn in a rotated file"] = pieces.lines, pieces.torn
        assert totals.in_flight == totals.dropped == 0, totals
        assert totals.posted == totals.delivered == pieces.lines, (totals, pieces.lines)


def written(path: Path) -> tuple[int, int]:
    """The inode of a file, and its size."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_ino, stat.st_size)


def differs(path: Path, before: tuple[int, int]) -> bool:
    """True when it was written to since."""
    return written(path) != before


def hold(run: Run) -> None:
    time.sleep(run.random.choice([0, 0.01, 0.1, run.random.uniform(0, 1.5)]))


def fill_up(run: Run, directory: Path, pieces: Pieces) -> None:
    """No space left on the device; sometimes the path is rotated while there is none."""
    junk = fill(directory.parent)
    hold(run)
    if run.random.random() < 0.2:
        pieces.rotate()
        hold(run)
    junk.unlink()


def take_permission(run: Run, directory: Path, pieces: Pieces) -> None:
    """Nobody may enter the directory, or write to its file."""
    target = run.random.choice([directory, pieces.path])
    if target == pieces.path:
        # An open file is written on: the engine has to open another one, and must not.
        pieces.rotate()
        target.touch()
    try:
        target.chmod(0)
    except FileNotFoundError:
        return
    hold(run)
    target.chmod(0o700)


def move_and_return(run: Run, directory: Path, pieces: Pieces) -> None:
    """The directory has another name for a while."""
    away = directory.with_name("away")
    directory.rename(away)
    hold(run)
    away.rename(directory)


def replace_directory(run: Run, directory: Path, pieces: Pieces) -> None:
    """The directory is moved away for good, and a new one is made."""
    away = directory.with_name(f"removed.{pieces.count}.{len(pieces.waiting)}")
    directory.rename(away)
    pieces.waiting.append(away / pieces.path.name)
    for number, piece in enumerate(pieces.waiting):
        if piece.parent == directory:
            pieces.waiting[number] = away / piece.name
    hold(run)
    directory.mkdir()


def rotate(run: Run, directory: Path, pieces: Pieces) -> None:
    """The path is rotated, now and then twice before the engine has looked."""
    for _ in range(run.random.randint(1, 3)):
        pieces.rotate()
        hold(run)
