"""A parser in Python that does everything but what it should."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from torture.attack import Budget, Run, attack, until

CONF = """@version: current
python {{
import os, random, threading, time
from inrush import LogParser, LogSource

SOURCES = []

class Source(LogSource):
    def init(self, options):
        self.name = options["name"]
        return True

    def run(self):
        SOURCES.append(self)
        threads = [threading.Thread(target=self.post_all, args=(name,)) for name in "xy"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("done", flush=True)
        while not self.exit_requested:
            self.sleep(0.1)

    def post_all(self, name):
        for n in range({count}):
            self.post_message(f"{{self.name}}{{name}} {{n}}")

CHANCE = random.Random({seed})

class P(LogParser):
    def init(self, options):
        self.name, self.is_ready, self.kept = options["name"], True, []
        return True

    def deinit(self):
        self.is_ready = False

    def one(self, message):
        if not self.is_ready:
            print("LATE", flush=True)
        text = message["MESSAGE"].decode()
        message["by"] = self.name
        if CHANCE.random() < 0.01:
            self.kept.append((message, text))
            if len(self.kept) > 20:
                kept, was = self.kept.pop(0)
                if kept["MESSAGE"].decode() != was or kept["by"].decode() != self.name:
                    print("CHANGED", flush=True)
                try:
                    kept["by"] = "nobody"
                    print("WRITTEN", flush=True)
                except TypeError:
                    pass
        return text

    def worse(self, message):
        kind = CHANCE.choice(["raise", "exit", "none", "slow", "post", "large", "fork"])
        if kind == "raise":
            message["by"] = "a refused one"
            raise ValueError("no")
        if kind == "exit":
            exit(1)
        if kind == "none":
            message["MESSAGE"] = "a refused one"
            return None
        if kind == "slow":
            time.sleep(0.002)
        if kind == "post":
            for source in SOURCES:
                try:
                    source.post_message("posted")
                except RuntimeError:
                    pass
        if kind == "large":
            message["large"] = "x" * 100_000
        if kind == "fork" and CHANCE.random() < 0.1:
            child = os.fork()
            if child == 0:
                return True
            os.waitpid(child, 0)
        return True

    def parse(self, message):
        self.one(message)
        return self.worse(message) if CHANCE.random() < {bad} else True
}};

class_of_batches
source s_one {{ python(class("Source") options(name "a") persist-name("a") log-iw-size({window})); }};
source s_two {{ python(class("Source") options(name "b") persist-name("b") log-iw-size({window})); }};
source s_three {{ python(class("Source") options(name "c") persist-name("c") log-iw-size({window})); }};
parser p_test {{ python(class("{parser}") options(name "{name}")); }};
destination d_test {{ file("taken.log" template("$MSG $by\\n")); }};
destination d_plain {{ file("plain.log" template("$MSG\\n")); }};
log {{
    source(s_one); {also}
    if {{ parser(p_test); }} else {{ rewrite {{ set("nobody" value("by")); }}; }};
    destination(d_test); flags(flow-control);
}};
log {{ source(s_three); destination(d_plain); flags(flow-control); }};
"""

BATCHES = """python {{
class B(P):
    def parse_batch(self, messages):
        for message in messages:
            self.one(message)
        if CHANCE.random() < {bad} / 10:
            return CHANCE.choice([5, "x" * len(messages), [True], iter(int, 1), [None] * len(messages)])
        return None if CHANCE.random() < 0.5 else (True for _ in messages)
}};
"""


@attack(
    "python-parser",
    "each message arrives once, in order, with what its parser has set or nothing of it, and what is kept stays",
    short=Budget(count=2),
    long=Budget(seconds=300),
)
def python_parser(run: Run) -> None:
    """Sources post through a class that fails in all ways, over reloads that change it and the sources' need of it."""
    for _ in run.rounds():
        one_round(run)


def one_round(run: Run) -> None:
    """One engine, to the sum at the end."""
    chance = run.random
    values = {
        "count": chance.choice([500, 3000]),
        "window": chance.choice([7, 200, 10_000]),
        "bad": chance.choice([0.0, 0.02, 0.2]),
        "seed": chance.randint(0, 1 << 30),
    }
    count = int(str(values["count"]))
    taken, plain = run.directory / "taken.log", run.directory / "plain.log"
    for path in (taken, plain):
        path.unlink(missing_ok=True)

    def conf(name: int) -> str:
        # The second source always has a path with the parser; both are kept over all reloads.
        parser = chance.choice(["P", "B"])
        text = CONF.replace("class_of_batches", BATCHES).replace("{also}", "source(s_two);")
        return text.format(parser=parser, name=name, **values)

    engine = run.engine(conf(0))
    reloads = chance.randint(0, 4)
    for name in range(1, reloads + 1):
        enough = min(4 * count, len(lines(taken)) + 50)
        until(partial(has, taken, enough), "more messages", engine)
        before = engine.stderr.text.count("reloaded;")
        (run.directory / "torture.conf").write_text(conf(name))
        engine.send_signal(signal.SIGHUP)
        until(lambda before=before: engine.stderr.text.count("reloaded;") > before, "the reload", engine)  # type: ignore[misc]
    until(lambda: engine.stdout.text.count("done") == 3, "the ends of the sources", engine)
    until(lambda: len(own(taken)) == 4 * count, "all messages", engine)
    until(partial(has, plain, 2 * count), "all of the third source", engine)
    totals = engine.stop()
    assert totals.posted == totals.delivered, totals
    assert not {"CHANGED", "WRITTEN", "LATE"} & set(engine.stdout.lines)
    for path in (taken, plain):
        check_order(own(path), count)
    assert not [line for line in lines(taken) if "refused" in line], "a change of a refused message"
    run.add("delivered", totals.delivered)
    run.add("refused", sum(line.endswith(" nobody") for line in lines(taken)))
    run.add("reloads", reloads)
    run.close()


def check_order(found: list[list[str]], count: int) -> None:
    """Each thread's messages are there, once, in order."""
    threads: dict[str, list[int]] = {}
    for thread, number, *_ in found:
        threads.setdefault(thread, []).append(int(number))
    for thread, numbers in threads.items():
        assert numbers == list(range(count)), f"the order of {thread}"


def lines(path: Path) -> list[str]:
    """The complete lines of a file."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def own(path: Path) -> list[list[str]]:
    """The words of the lines that the sources have posted themselves."""
    return [line.split() for line in lines(path) if not line.startswith("posted")]


def has(path: Path, enough: int) -> bool:
    """So many lines are there."""
    return len(lines(path)) >= enough
