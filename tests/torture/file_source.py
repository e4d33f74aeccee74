"""SIGKILL at any moment, while a file is written, rotated and followed: no line is missing, and no more than the
window comes twice."""

from __future__ import annotations

import time
from pathlib import Path

from torture.attack import Budget, Run, attack

CONF = """@version: current
options {{ time-reopen(0.1); }};
source s_file {{ file("a.log" flags(no-parse) follow-freq(0.05) log-iw-size({window})); }};
log {{ source(s_file); destination {{ file("out.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""


class Writer:
    """What a program writes: numbered lines of different lengths, into a file that is rotated."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "a.log"
        self.next = 0
        self.rotations = 0

    def write(self, lines: int) -> None:
        """Appends lines."""
        with self.path.open("a") as file:
            for number in range(self.next, self.next + lines):
                file.write(f"k {number} {'x' * (number * 7919 % 301)}\n")
        self.next += lines

    def rotate(self) -> None:
        """Renames the file; nothing of it is removed."""
        if self.path.exists():
            self.rotations += 1
            self.path.rename(self.path.with_name(f"a.log.{self.rotations}"))


def numbers(path: Path) -> list[int]:
    """The numbers of the whole lines that arrived; one that was cut by a kill was ended before the next."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    words = (line.split(b" ") for line in lines)
    found = (
        (int(word[1]), word) for word in words if len(word) == 3 and word[0] == b"k" and word[1].isdigit()
    )
    return [number for number, word in found if len(word[2]) == number * 7919 % 301]


@attack(
    "file-source",
    "no line missing; lines that come twice never more than the window; the order stays",
    short=Budget(count=6),
    long=Budget(count=500),
)
def file_source(run: Run) -> None:
    """Life after life of one engine, each ended at a random moment; between them the file is written and rotated."""
    out = run.directory / "out.log"
    writer = Writer(run.directory)
    before, chance = 0, run.random
    # The same in each life: what comes twice was on its way in the life before.
    window = chance.choice([1, 10, 100, 1000, 20_000])
    # The first life is long enough to know the file: what was renamed before anybody looked is nobody's.
    writer.write(1)
    first = run.engine(CONF.format(window=window), "--persist-file", "state")
    first.wait_until(lambda: numbers(out) == [0], "the first line")
    first.stop()
    run.close()
    for _ in run.rounds():
        engine = run.engine(CONF.format(window=window), "--persist-file", "state", started=False)
        until = time.monotonic() + chance.choice([0.1, 0.5, chance.uniform(0, 1.0)])
        while time.monotonic() < until:
            writer.write(chance.choice([1, 10, 500]))
            time.sleep(chance.choice([0, 0.001, 0.02]))
        engine.process.kill()
        engine.process.wait()
        engine.stdout.thread.join(20)
        engine.stderr.thread.join(20)
        assert "damaged" not in engine.stderr.text, engine.report()
        run.close()
        all_numbers = numbers(out)
        life, before = all_numbers[before:], len(all_numbers)
        assert life == sorted(life), "the order"
        earlier = set(all_numbers[: len(all_numbers) - len(life)])
        repeated = sum(number in earlier for number in life)
        assert repeated <= window, (repeated, window)
        run.most("most repeated", repeated)
        for _ in range(chance.choice([0, 0, 1, 2])):
            writer.write(chance.choice([1, 50]))
            writer.rotate()
            writer.write(1)
        run.figures["lines"], run.figures["rotations"] = writer.next, writer.rotations
    # The last life ends in peace, when everything is there.
    engine = run.engine(CONF.format(window=1000), "--persist-file", "state")
    engine.wait_until(lambda: set(numbers(out)) == set(range(writer.next)), "every line")
    totals = engine.stop()
    assert totals.posted == totals.delivered, totals
    assert set(numbers(out)) == set(range(writer.next))
