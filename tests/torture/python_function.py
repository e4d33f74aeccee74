"""Functions that templates call, in steps, lines and names of files, and that do everything but what they should."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from torture.attack import Budget, Run, attack, until

CONF = """@version: current
python {{
import os, random, sys, threading, time
from inrush import LogMessage, LogSource

SOURCES = []
KEPT = []
CHANCE = random.Random({seed})

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

def look(message):
    text = message["MESSAGE"].decode()
    if CHANCE.random() < 0.01:
        KEPT.append((message, text))
        if len(KEPT) > 20:
            kept, was = KEPT.pop(0)
            if kept["MESSAGE"].decode() != was:
                print("CHANGED", flush=True)
            try:
                kept["by"] = "nobody"
                print("WRITTEN", flush=True)
            except TypeError:
                pass
    if CHANCE.random() < {bad}:
        worse(message)
    return text

def worse(message):
    kind = CHANCE.choice(["raise", "exit", "slow", "post", "set", "fork", "type", "deep"])
    if kind == "raise":
        raise ValueError(message)
    if kind == "exit":
        exit(1)
    if kind == "slow":
        time.sleep(0.002)
    if kind == "post":
        for source in SOURCES:
            try:
                source.post_message(CHANCE.choice(["posted", LogMessage("posted")]))
            except RuntimeError:
                pass
    if kind == "set":
        message["by"] = "a change"
    if kind == "fork" and CHANCE.random() < 0.1:
        child = os.fork()
        if child == 0:
            return
        os.waitpid(child, 0)
    if kind == "type":
        raise Wrong(CHANCE.choice([object(), {{}}, 2**80, (n for n in "x"), "\\ud800", [5]]))
    if kind == "deep":
        return worse(message)

class Wrong(Exception):
    pass

def same(message, *arguments):
    try:
        text = look(message)
    except Wrong as wrong:
        return wrong.args[0]
    if arguments and arguments[0].decode() != text:
        print("OTHER", flush=True)
    return text

def mine(message):
    same(message)
    return "thread-" + message["MESSAGE"].decode().split()[0]
}};

template t_line "$MSG|$(python same $MSG {name})|$step\\n";
source s_one {{ python(class("Source") options(name "a") persist-name("a") log-iw-size({window})); }};
source s_two {{ python(class("Source") options(name "b") persist-name("b") log-iw-size({window})); }};
source s_three {{ python(class("Source") options(name "c") persist-name("c") log-iw-size({window})); }};
destination d_lines {{ file("lines.log" template(t_line)); }};
destination d_names {{ file("names/$(python mine).log" template("$MSG\\n") create-dirs(yes)); }};
destination d_plain {{ file("plain.log" template("$MSG\\n")); }};
log {{
    source(s_one); source(s_two);
    rewrite {{ set("$(python same $MSG {name})" value("step")); }};
    destination(d_lines); destination(d_names); flags(flow-control);
}};
log {{ source(s_three); destination(d_plain); flags(flow-control); }};
"""


@attack(
    "python-function",
    "each message arrives once, in order, with the text of its own call or <error>, and what is kept stays",
    short=Budget(count=2),
    long=Budget(seconds=300),
)
def python_function(run: Run) -> None:
    """Templates call functions that fail in all ways, over reloads that change them."""
    for _ in run.rounds():
        one_round(run)


def one_round(run: Run) -> None:
    """One engine, to the sum at the end."""
    chance = run.random
    values = {
        "count": chance.choice([500, 3000]),
        "window": chance.choice([7, 200, 10_000]),
        "bad": chance.choice([0.0, 0.01, 0.1]),
        "seed": chance.randint(0, 1 << 30),
    }
    count = int(str(values["count"]))
    lines, plain, names = (run.directory / name for name in ("lines.log", "plain.log", "names"))
    for path in (lines, plain, *names.glob("*")):
        path.unlink(missing_ok=True)

    engine = run.engine(CONF.format(name=0, **values))
    reloads = chance.randint(0, 4)
    for name in range(1, reloads + 1):
        enough = min(4 * count, len(read(lines)) + 50)
        until(partial(has, lines, enough), "more messages", engine)
        before = engine.stderr.text.count("reloaded;")
        # Other steps and another destination, each second time; the functions go on with what they keep.
        (run.directory / "torture.conf").write_text(CONF.format(name=name // 2, **values))
        engine.send_signal(signal.SIGHUP)
        until(lambda before=before: engine.stderr.text.count("reloaded;") > before, "the reload", engine)  # type: ignore[misc]
    until(lambda: engine.stdout.text.count("done") >= 3, "the ends of the sources", engine)
    until(lambda: len(own(read(lines))) >= 4 * count, "all lines", engine)
    until(partial(has, plain, 2 * count), "all of the third source", engine)
    totals = engine.stop()
    assert totals.posted == totals.delivered, totals
    assert not {"CHANGED", "WRITTEN", "OTHER"} & set(engine.stdout.lines)
    errors = 0
    for line in own(read(lines)):
        text, *called = line.split("|")
        assert set(called) <= {text, "<error>"}, line
        errors += called.count("<error>")
    check_order([line.split("|")[0] for line in own(read(lines))], count)
    check_order(own(read(plain)), count)
    named = [line for path in sorted(names.glob("thread-*")) for line in check_name(path)]
    failed = own(read(names / "<error>.log"))
    assert sorted(named + failed) == sorted(line.split("|")[0] for line in own(read(lines)))
    run.add("delivered", totals.delivered)
    run.add("errors", errors + len(failed))
    run.add("reloads", reloads)
    run.close()


def check_name(path: Path) -> list[str]:
    """The lines of a file whose name a function has told: its thread's, in order."""
    found = own(read(path))
    numbers = [int(line.split()[1]) for line in found]
    assert {f"thread-{line.split()[0]}" for line in found} <= {path.stem}
    assert numbers == sorted(set(numbers)), path
    return found


def check_order(found: list[str], count: int) -> None:
    """Each thread's messages are there, once, in order."""
    threads: dict[str, list[int]] = {}
    for line in found:
        thread, number = line.split()
        threads.setdefault(thread, []).append(int(number))
    for thread, numbers in threads.items():
        assert numbers == list(range(count)), f"the order of {thread}"


def read(path: Path) -> list[str]:
    """The complete lines of a file."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def own(found: list[str]) -> list[str]:
    """Those that the sources have posted themselves."""
    return [line for line in found if not line.startswith("posted")]


def has(path: Path, enough: int) -> bool:
    """So many lines are there."""
    return len(read(path)) >= enough
