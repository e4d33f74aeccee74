"""A destination in Python that does everything but what it should."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from torture.attack import Budget, Run, attack, until

CONF = """@version: current
python {{
import random, time
from inrush import LogDestination, LogSource

class Source(LogSource):
    def run(self):
        for n in range({count}):
            self.post_message(str(n))
        print("done", flush=True)
        while not self.exit_requested:
            self.sleep(0.1)

CHANCE = random.Random()

class D(LogDestination):
    kept = []

    def init(self, options):
        self.is_good = options["good"]
        CHANCE.seed(options["seed"])
        self.open_file()
        return True

    def open_file(self):
        self.file = open("taken.log", "a")
        self.queue = []

    def open(self):
        self.queue.clear()
        if not self.is_good and CHANCE.random() < 0.1:
            raise OSError("not now")
        return self.is_good or CHANCE.random() < 0.9

    def is_opened(self):
        return self.is_good or CHANCE.random() < 0.99

    def write(self, texts):
        self.file.write("".join(text + "\\n" for text in texts))
        self.file.flush()

    def worse(self, texts):
        kind = CHANCE.choice(["raise", "error", "none", "lost", "away", "retry", "slow", "exit", "again"])
        if kind == "slow":
            time.sleep(0.05)
        if kind == "lost":
            self.write(texts)
        return {{
            "raise": lambda: 1 / 0, "error": lambda: self.ERROR, "none": lambda: None, "lost": lambda: self.ERROR,
            "away": lambda: self.NOT_CONNECTED, "retry": lambda: self.RETRY, "slow": lambda: False,
            "exit": lambda: exit(1), "again": lambda: "what",
        }}[kind]()

    def {method}(self, given):
        messages = given if isinstance(given, list) else [given]
        texts = [message["MESSAGE"].decode() for message in messages]
        if CHANCE.random() < 0.01:
            self.kept.append(messages[0])
            del self.kept[:-10]
        if not self.is_good and CHANCE.random() < 0.05:
            return self.worse(texts)
        if {queues}:
            self.queue += texts
            return self.QUEUED
        self.write(texts)
        return self.SUCCESS

    def flush(self):
        if self.queue and not self.is_good and CHANCE.random() < 0.05:
            return self.worse(self.queue)
        self.write(self.queue)
        self.queue.clear()
        return self.SUCCESS
}};
source s_test {{ python(class("Source") log-iw-size({window})); }};
destination d_test {{
    python(class("D") batch-lines({lines}) time-reopen(0.005) retries(100000) {options}
        options(good {good} seed {seed}));
}};
log {{ source(s_test); destination(d_test); flags(flow-control); }};
"""


@attack(
    "python-destination",
    "nothing is missing, the order stays, and what comes twice is what the class took and did not say",
    short=Budget(count=2),
    long=Budget(seconds=300),
)
def python_destination(run: Run) -> None:
    """A source posts to a class that fails in all ways, over reloads with other options."""
    for _ in run.rounds():
        one_round(run)


def one_round(run: Run) -> None:
    """One engine, to the sum at the end."""
    chance = run.random
    values = {
        "count": chance.choice([300, 3000]),
        "window": chance.choice([7, 200, 10_000]),
        "lines": chance.choice([1, 10, 100]),
        "method": chance.choice(["send", "send_batch"]),
        "queues": chance.choice([True, False]),
        "seed": chance.randint(0, 1 << 30),
    }
    count = int(str(values["count"]))
    taken = run.directory / "taken.log"
    taken.unlink(missing_ok=True)
    engine = run.engine(CONF.format(options="", good="no", **values))
    for _ in range(chance.randint(0, 4)):
        enough = min(count, len(numbers(taken)) + 20)
        until(partial(has_taken, taken, enough), "more messages", engine)
        options = chance.choice(["", "batch-timeout(20)", "batch-idle-timeout(10)"])
        changed = {**values, "seed": chance.randint(0, 1 << 30)}
        (run.directory / "torture.conf").write_text(CONF.format(options=options, good="no", **changed))
        engine.send_signal(signal.SIGHUP)
    (run.directory / "torture.conf").write_text(CONF.format(options="", good="yes", **values))
    engine.send_signal(signal.SIGHUP)
    until(lambda: len(set(numbers(taken))) == count, "all messages", engine)
    totals = engine.stop()
    assert (totals.posted, totals.delivered) == (count, count), totals
    arrived = numbers(taken)
    assert list(dict.fromkeys(arrived)) == list(range(count)), "the order"
    run.add("delivered", count)
    run.add("twice", len(arrived) - count)
    run.close()


def numbers(path: Path) -> list[int]:
    """The numbers that were taken, in order."""
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def has_taken(path: Path, enough: int) -> bool:
    """So many were taken."""
    return len(numbers(path)) >= enough
