"""Reloads and stops under full load, at random.

`make test` runs a short form of each; `INRUSH_TORTURE=N` makes N rounds of each (1000 reloads, 500 stops are
the long form), with a line of progress and the figures (`pytest -s`). `INRUSH_SEED` repeats a run: the seed
of each is printed. No clock decides.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import PATIENCE, Engine, StartEngine

ROUNDS = int(os.environ.get("INRUSH_TORTURE", "0"))
# A long form may take as long as it takes; the short one has the time of every other test.
pytestmark = pytest.mark.timeout(120 + 2 * ROUNDS)
# What may differ between two looks at a process that does the same all the time: what the pools may keep at
# most.
RSS_BOUND = 48 << 20

# Each instance is a life: its messages are numbered, and when it ends it writes how many were taken.
FLOOD = """
import itertools, os, threading, time
from syslogng import LogMessage, LogSource

class Flood(LogSource):
    lives = itertools.count()

    def init(self, options):
        self.life = f"{options['name']}-{os.getpid()}-{time.monotonic_ns()}"
        self.n, self.pause = 0, options.get("pause", 0.02)
        return options.get("init", True)

    def run(self):
        post, life = self.post_message, self.life
        try:
            while not self.exit_requested:
                for _ in range(4096):
                    post(f"{life} {self.n}")
                    self.n += 1
                # As fast as it goes, a third of the time, or for so many messages: what is written has to be read again.
                self.sleep(self.pause if self.n < 2_000_000 else 0.02)
        except RuntimeError as error:
            # Asked to end, and refused: what was refused was not posted.
            assert "has stopped" in str(error)

    def deinit(self):
        with open("lives", "a") as file:
            file.write(f"{self.life} {self.n}\\n")

class Polite(Flood):
    "One that suspends itself, and is woken."
    def init(self, options):
        self.may = threading.Event()
        self.may.set()
        return super().init(options)

    def run(self):
        while not self.exit_requested:
            if self.may.wait(0.01):
                self.post_message(f"{self.life} {self.n}")
                self.n += 1

    def suspend(self):
        self.may.clear()

    def wakeup(self):
        self.may.set()
"""


def seeded() -> random.Random:
    """The chances of a run, by a seed that is printed."""
    seed = os.environ.get("INRUSH_SEED") or str(random.SystemRandom().getrandbits(32))
    print(f"\nINRUSH_SEED={seed}")
    return random.Random(seed)


def progress(what: str, number: int, count: int, begun: float) -> None:
    """A line of progress now and then, for those who wait."""
    if ROUNDS and (number % max(count // 20, 1) == 0 or number == count):
        print(f"{what}: {number} of {count} in {time.monotonic() - begun:.0f} s", flush=True)
        sys.stdout.flush()


def ask(running: Engine, request: str) -> Any:
    """Asks the control socket, without a process for it."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        path = os.path.relpath(running.directory / "control")
        client.connect(min(path, str(running.directory / "control"), key=len))
        client.sendall(f"{request}\n".encode())
        with client.makefile("rb") as answer:
            found = json.loads(answer.read())
    assert "error" not in found, (request, found, running.report())
    return found


class Written:
    """The content of the files: which messages of which life, and whether their order is that of the
    posts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.counts: dict[bytes, bytearray] = {}

    def read(self, name: str) -> int:
        """Adds the lines of a file; how many there are."""
        path, last, lines = self.directory / name, dict[bytes, int](), 0
        if not path.exists():
            return 0
        with path.open("rb") as file:
            for line in file:
                assert line.endswith(b"\n"), f"{name}: a torn line {line!r}"
                life, _, number = line.rpartition(b" ")
                n = int(number)
                assert n > last.get(life, -1), f"{name}: {life!r} {n} after {last[life]}"
                last[life] = n
                counts = self.counts.setdefault(life, bytearray())
                if n >= len(counts):
                    counts.extend(bytes(n + 1 - len(counts)))
                counts[n] += 1
                lines += 1
        return lines

    def check(self, *, whole: bool = True) -> int:
        """Every message of every life is there once (`whole`), or at most once; how many were posted."""
        lives = dict[bytes, int]()
        for line in (self.directory / "lives").read_bytes().splitlines():
            life, _, taken = line.rpartition(b" ")
            lives[life] = int(taken)
        assert self.counts.keys() <= lives.keys(), "a message of a life that never ended"
        for life, posted in lives.items():
            counts = self.counts.get(life, bytearray())
            assert len(counts) <= posted, f"{life!r}: {len(counts)} arrived of {posted}"
            if whole:
                assert counts == b"\1" * posted, f"{life!r}: of {posted} messages some are missing or double"
            else:
                assert not counts.strip(b"\0\1"), f"{life!r}: a message arrived twice"
        return sum(lives.values())


class Shape:
    """A configuration at random, and what makes it wrong."""

    WRONG = ("syntax", "class", "block", "user", "init")

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.mark = 0
        self.block = 0
        self.extra = False
        self.copy = False
        self.path, self.perm = "a.log", "0600"

    def step(self) -> None:
        """Changes something, or nothing."""
        what = self.chance.choice(["nothing", "mark", "block", "extra", "copy", "path", "perm"])
        if what == "mark":
            self.mark += 1
        elif what == "block":
            self.block += 1
        elif what in ("extra", "copy"):
            setattr(self, what, not getattr(self, what))
        elif what == "path":
            self.path = self.chance.choice(["a.log", "b.log", "./a.log"])
        elif what == "perm":
            self.perm = self.chance.choice(["0600", "0640", "0644"])

    def text(self, wrong: str | None = None) -> str:
        """The configuration."""
        flood = 'log-iw-size(2000) stop-timeout(30) options("name" => "{0}" {1}) persist-name("{0}")'
        sources = {
            "kept": f'class("flood.Flood") {flood.format("kept", "")}',
            "polite": f'class("Polite") {flood.format("polite", "")}',
            "marked": f'class("flood.Polite") {flood.format("marked", f"mark => {self.mark}")}',
        }
        if self.extra:
            sources["extra"] = f'class("Flood") {flood.format("extra", "")}'
        if wrong == "init":
            sources["refuses"] = f'class("Flood") {flood.format("refuses", "init => no")}'
        if wrong == "class":
            sources["missing"] = 'class("Missing")'
        statements = [f"source {name} {{ python({driver}); }};" for name, driver in sources.items()]
        owner = 'owner("no-such-user")' if wrong == "user" else ""
        statements.append(
            f'destination d {{ file("{self.path}" template("$MSG\\n") perm({self.perm}) {owner}); }};'
            'destination copy { file("copy.log" template("$MSG\\n")); };'
        )
        every = " ".join(f"source({name});" for name in sources)
        statements.append(f"log {{ {every} destination(d); flags(flow-control); }};")
        if self.copy:
            statements.append("log { source(polite); destination(copy); flags(flow-control); };")
        if wrong == "syntax":
            statements.append("sauce s { };")
        raises = "1 / 0" if wrong == "block" else ""
        blocks = f"python {{{FLOOD}\n# {self.block}\n{raises}\n}};"
        return "\n".join(["@version: current", blocks, *statements, ""])


def threads_and_files(pid: int) -> tuple[int, int]:
    """The numbers of threads and open files of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    threads = re.search(r"Threads:\s+(\d+)", status)
    assert threads
    return int(threads[1]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident(pid: int) -> int:
    """The memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_reload_under_full_load(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: some order of reloads loses or doubles a message, or leaves a thread, a file or memory
    behind."""
    count, chance = ROUNDS or 20, seeded()
    (tmp_path / "flood.py").write_text(FLOOD)
    shape, first = Shape(chance), Shape(chance)
    running = engine(first.text(), "--control", "control", "--stats-file", "stats.json")
    pid, conf, begun = running.process.pid, tmp_path / "test.conf", time.monotonic()
    done = {"accepted": 0, "refused": 0, "kept": 0, "replaced": 0}

    def settle() -> tuple[int, int]:
        """Threads and files once the first configuration runs and nothing else does any more."""
        conf.write_text(first.text())
        assert ask(running, "reload")["accepted"]
        found: list[tuple[int, int]] = []
        # What has gone ends in its own time; the same thrice in a row is where it stays.
        until = time.monotonic() + PATIENCE
        while len(found) < 3 or len(set(found[-3:])) > 1:
            assert time.monotonic() < until, found
            time.sleep(0.1)
            found.append(threads_and_files(pid))
        return found[-1]

    before, memory = settle(), 0
    for number in range(1, count + 1):
        shape.step()
        wrong = chance.choice(Shape.WRONG) if chance.random() < 0.3 else None
        conf.write_text(shape.text(wrong))
        answer = ask(running, "reload")
        assert answer["accepted"] == (wrong is None), (wrong, answer, running.report())
        done["accepted" if answer["accepted"] else "refused"] += 1
        if changes := answer["changes"]:
            assert "kept#0" in changes["sources"]["kept"], changes
            for fate in ("kept", "replaced"):
                done[fate] += len(changes["sources"][fate]) + len(changes["destinations"][fate])
        stats = ask(running, "stats")
        assert stats["posted"] == stats["delivered"] + stats["dropped"] + stats["in_flight"], stats
        assert len(stats["sources"]) <= 5, stats
        time.sleep(chance.random() * 0.02)
        if number == max(count // 4, 1):
            memory = resident(pid)
        progress("reloads", number, count, begun)
    grown = resident(pid) - memory
    after = settle()
    totals = running.stop()
    assert (totals.dropped, totals.in_flight) == (0, 0)
    written = Written(tmp_path)
    lines = written.read("a.log") + written.read("b.log")
    posted = written.check()
    assert posted == totals.posted == totals.delivered == lines
    copies = Written(tmp_path)
    copied = copies.read("copy.log")
    copies.check(whole=False)
    assert after == before, f"threads and files: {before} at the start, {after} at the end"
    assert grown < RSS_BOUND, grown
    lives = len((tmp_path / "lives").read_bytes().splitlines())
    print(
        f"{count} reloads, {done}, {lives} lives, {posted} messages and {copied} copies: none missing, none twice;"
        f" (threads, files) {before} -> {after}, memory {grown / 1e6:+.1f} MB, {time.monotonic() - begun:.0f} s"
    )


def stop_configuration(chance: random.Random, stalled: bool) -> str:
    """Sources at full load into a file, which may not be there."""
    path = "gone/a.log" if stalled else "a.log"
    window = chance.choice([100, 2000, 100_000])
    classes = chance.sample(["Flood", "Polite", "Flood"], chance.randint(1, 3))
    sources = " ".join(
        f'source {{ python(class("{name}") log-iw-size({window}) stop-timeout(1) persist-name("{number}")'
        f' options("name" => "{number}" "pause" => 0.0)); }};'
        for number, name in enumerate(classes)
    )
    return f"""@version: current
options {{ time-reopen(1); }};
python {{{FLOOD}}};
log {{ {sources} destination {{ file("{path}" template("$MSG\\n")); }}; flags(flow-control); }};
"""


def stops(count: int, directory: Path, chance: random.Random) -> Iterator[tuple[int, int, float]]:
    """Runs engines and stops them at random; what each posted, what was lost, and how long the stop took."""
    for number in range(count):
        here = directory / str(number)
        here.mkdir()
        conf = here / "test.conf"
        stalled = chance.random() < 0.2
        conf.write_text(stop_configuration(chance, stalled))
        running = Engine(here, conf, "--stats-file", "stats.json")
        try:
            running.wait_started()
            time.sleep(chance.random() ** 2 * 0.4)
            begun = time.monotonic()
            running.send_signal(signal.SIGTERM)
            assert running.wait_exit() == 0, running.report()
            took = time.monotonic() - begun
            stats = json.loads((here / "stats.json").read_text())
            written = Written(here)
            lines = written.read("a.log") + written.read("gone/a.log")
            totals = running.totals()
            totals.check()
            (to,) = stats["destinations"]
            assert totals.in_flight == 0, stats
            assert lines == to["delivered"] == totals.delivered, (lines, stats)
            assert written.check(whole=not stalled) == totals.posted, (stats, running.report())
            assert stalled or totals.dropped == 0, (stats, running.report())
        finally:
            if running.process.poll() is None:
                running.process.kill()
            running.stopped = True
            running.process.wait()
            running.close()
        for path in [*here.glob("*.log"), *here.glob("gone/*")]:
            path.unlink()
        yield totals.posted, totals.dropped, took


def test_stop_under_full_load(tmp_path: Path) -> None:
    """Without it: a stop at some moment loses what was posted before it, tears a line, or counts wrongly."""
    count, begun = (ROUNDS + 1) // 2 or 8, time.monotonic()
    posted, dropped, longest = 0, 0, 0.0
    for number, (more, lost, took) in enumerate(stops(count, tmp_path, seeded()), 1):
        posted, dropped, longest = posted + more, dropped + lost, max(longest, took)
        progress("stops", number, count, begun)
    print(
        f"{count} stops, {posted} messages: none missing, none twice; {dropped} given up for directories that"
        f" were not there, and counted; the longest stop took {longest:.2f} s"
    )
