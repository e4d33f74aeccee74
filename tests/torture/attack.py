"""Attacks, and how they are run: seeded chance, a budget, a progress line, and the figures in one line at the
end.

An attack is a function that takes a `Run`, breaks things in each of `run.rounds()`, and asserts what must
hold. It is run in two forms: a short one with a fixed seed by `make test` (`test_torture.py`), and a long one
by `make torture`, where the seed is another one each time, is printed, and can be given again.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import Engine

# How long something may take that is expected at once, before it counts as never.
PATIENCE = 60.0


@dataclass(frozen=True)
class Budget:
    """The length of an attack: so many rounds, or so many seconds, whatever ends first."""

    count: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Attack:
    """A way to break the engine, and what must hold."""

    name: str
    must_hold: str
    body: Callable[[Run], None]
    short: Budget
    long: Budget


ATTACKS: dict[str, Attack] = {}


def attack(
    name: str, must_hold: str, *, short: Budget, long: Budget
) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    """Registers a function as an attack."""

    def register(body: Callable[[Run], None]) -> Callable[[Run], None]:
        ATTACKS[name] = Attack(name, must_hold, body, short, long)
        return body

    return register


class SkippedError(Exception):
    """A thing that an attack needs is not there; the text says which."""


@dataclass
class Run:
    """One run of an attack."""

    attack: Attack
    directory: Path
    seed: int
    budget: Budget
    progress: bool = False
    random: random.Random = field(init=False)
    figures: dict[str, object] = field(default_factory=dict)
    done: int = 0
    said: float = 0.0
    begun: float = field(default_factory=time.monotonic)
    engines: list[Engine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begun

    def rounds(self) -> Iterator[int]:
        """The numbers of the rounds, while the budget lasts."""
        while not self.is_over():
            self.show()
            yield self.done
            self.done += 1
        self.show()
        if self.progress:
            print(file=sys.stderr)

    def is_over(self) -> bool:
        """True when the budget is used up."""
        count, seconds = self.budget.count, self.budget.seconds
        return (count is not None and self.done >= count) or (seconds is not None and self.elapsed >= seconds)

    def show(self) -> None:
        """Draws the progress line."""
        if not self.progress:
            if self.elapsed > self.said + 60:
                self.said = self.elapsed
                print(
                    f"{self.attack.name}: round {self.done}, {self.elapsed:.0f} s{self.shown()}", flush=True
                )
            return
        most = f" of {self.budget.count}" if self.budget.count is not None else ""
        until = f" of {self.budget.seconds:.0f}" if self.budget.seconds is not None else ""
        text = f"{self.attack.name}: round {self.done}{most}, {self.elapsed:.0f}{until} s{self.shown()}"
        print(f"\r{text:<120.120}", end="", file=sys.stderr, flush=True)

    def shown(self) -> str:
        """The figures so far."""
        return "".join(f", {name} {value}" for name, value in self.figures.items())

    def most(self, name: str, value: float, unit: str = "") -> None:
        """Keeps the largest value of a figure."""
        before = str(self.figures.get(name, "0")).split()[0]
        self.figures[name] = f"{max(float(before), value):.4g}{' ' + unit if unit else ''}"

    def add(self, name: str, value: int = 1) -> None:
        """Adds to a figure."""
        self.figures[name] = int(str(self.figures.get(name, 0))) + value

    def engine(
        self, conf: str, *arguments: str, prefix: tuple[str, ...] = (), started: bool = True
    ) -> Engine:
        """Starts `inrush run` on a configuration, in the directory of this run."""
        path = self.directory / "torture.conf"
        path.write_text(conf)
        engine = Engine(self.directory, path, *arguments, prefix=prefix)
        self.engines.append(engine)
        if started:
            engine.wait_started()
        return engine

    def close(self) -> None:
        """No process outlives its attack."""
        for engine in self.engines:
            if engine.process.poll() is None:
                engine.process.kill()
                engine.process.wait()
            for output, stream in (
                (engine.stdout, engine.process.stdout),
                (engine.stderr, engine.process.stderr),
            ):
                # A process that it forked, and that goes on, keeps the stream open: then its reader has to be
                # left.
                output.thread.join(10)
                if stream is not None and not output.thread.is_alive():
                    stream.close()
        self.engines.clear()


def run_one(attack: Attack, directory: Path, seed: int, budget: Budget, progress: bool = False) -> Run:
    """Runs an attack in a directory of its own, and prints its figures."""
    directory.mkdir(parents=True, exist_ok=True)
    run = Run(attack, directory, seed, budget, progress)
    verdict = "BROKEN"
    try:
        attack.body(run)
        verdict = "held"
    except SkippedError as reason:
        verdict = f"skipped, {reason}"
        raise
    finally:
        run.close()
        print(
            f"{attack.name}: {verdict}; {run.done} rounds in {run.elapsed:.1f} s, seed {seed}{run.shown()}",
            flush=True,
        )
        if verdict == "held":
            shutil.rmtree(directory, ignore_errors=True)
    return run


def until(condition: Callable[[], bool], what: str, engine: Engine | None = None) -> float:
    """Waits until something is true, and returns how long it took."""
    begun = time.monotonic()
    while not condition():
        taken = time.monotonic() - begun
        report = engine.report()[-6000:] if engine else ""
        assert engine is None or engine.process.poll() is None, f"ended before {what}: {report}"
        assert taken < PATIENCE, f"never: {what}: {report}"
        time.sleep(0.002)
    return time.monotonic() - begun


def resident(engine: Engine) -> int:
    """The memory that a process has, in KiB."""
    text = Path(f"/proc/{engine.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])
