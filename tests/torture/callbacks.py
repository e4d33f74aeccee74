"""Callbacks that do what no callback should."""

from __future__ import annotations

import re
import signal
import textwrap
import time
from pathlib import Path

from harness import Engine, read_lines
from torture.attack import Budget, Run, attack, until

# What is done, the text that the log must have when it is said there, and whether it is an exception of this
# line.
RAISES = {
    "raises": "raise ValueError('on purpose')",
    "raises nothing known": "raise type('Odd', (BaseException,), {})('on purpose')",
    "calls exit()": "exit(3)",
    "calls sys.exit()": "sys.exit(3)",
    "raises KeyboardInterrupt": "raise KeyboardInterrupt('on purpose')",
    "recurses": "again = lambda: again(); again()",
}
RETURNS = {
    "returns a number": "return 7",
    "returns an object": "return object()",
    "returns what has no truth": "return type('Odd', (), {'__bool__': lambda self: 1 / 0})()",
    "returns a generator": "return (n for n in [1])",
}
BLOCKS = {"blocks for ever": "while True: time.sleep(3600)", "spins": "while True: pass"}
DOES = {
    "closes file descriptors": "os.close(0); os.close(1); os.close(2)",
    "puts other files there": "null = os.open('/dev/null', os.O_RDWR); [os.dup2(null, fd) for fd in (0, 1, 2)]",
    "forks, and the child ends": "os.waitpid(os.fork() or os._exit(0), 0)",
    "forks, and the child goes on for a while": "os.fork() or (time.sleep(0.5), os._exit(0))",
    "forks, and the child calls exit()": "os.fork() or exit(0)",
    "changes signal handlers": "[change(number) for number in (1, 2, 15)]",
    "blocks signals": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))",
    "changes the directory": "os.chdir('/')",
    "starts a thread that never ends": "threading.Thread(target=time.sleep, args=(3600,)).start()",
}
CALLBACKS = [
    "run",
    "request_exit",
    "suspend",
    "wakeup",
    "deinit",
    "ack",
    "batched_ack",
    "fetch",
    "open",
    "close",
]
# What the engine's main thread calls before anything runs.
FIRST = ["__init__", "init", "generate_persist_name"]
# Where a callback's result is looked at, and which are wrong there; elsewhere it has no meaning.
WRONG = {"fetch": set(RETURNS), "open": {"returns what has no truth"}, "init": {"returns what has no truth"}}

CONF = """@version: current
options {{ time-reopen(0.1); }};
python {{
import os, signal, sys, threading, time
from syslogng import BatchedAckTracker, ConsecutiveAckTracker, LogFetcher, LogMessage, LogSource

def change(number):
    try:
        signal.signal(number, signal.SIG_IGN)
    except ValueError:
        # Only the main thread may; the C library lets every thread.
        import ctypes
        ctypes.CDLL(None).signal(number, ctypes.c_void_p(1))

def mark():
    with open({mark!r}, "a") as file:
        file.write("x")

class Good(LogSource):
    def run(self):
        n = 0
        while not self.exit_requested:
            self.post_message(f"good {{n}} .")
            n += 1
            self.sleep(0.003)

{bad}
}};
source s_good {{ python(class("Good")); }};
source s_bad {{ {driver}(class("Bad") stop-timeout(1) restart(never) log-iw-size(4)); }};
log {{ source(s_good); destination {{ file("{directory}/good.log" template("$MSG\\n")); }}; flags(flow-control); }};
log {{ source(s_bad); destination {{ file("{directory}/{to}" template("$MSG\\n")); }}; flags(flow-control); }};
"""


def bad_class(callback: str, what: str) -> str:
    """A class whose one callback does it, marks that it was called first, and has the methods it needs to
    come there."""
    does = textwrap.indent(f"mark()\n{what} # here", "        ").lstrip()
    ordinary = {
        "run": "while not self.exit_requested:\n            self.post_message('bad')\n            self.sleep(0.01)",
        "request_exit": "pass",
    }
    if callback in ("suspend", "wakeup"):
        # The window is full when the directory is missing.
        ordinary["run"] = (
            "while self.post_message('bad') is None and not self.exit_requested: self.sleep(0.01)"
        )
        ordinary |= {"suspend": "pass", "wakeup": "pass"}
    if callback in ("ack", "batched_ack"):
        ordinary["run"] = ordinary["run"].replace("'bad')", "LogMessage('bad', bookmark=1))")
        maker = {
            "ack": "self.ack_tracker = ConsecutiveAckTracker(self.ack)",
            "batched_ack": "self.ack_tracker = BatchedAckTracker(timeout=50, batch_size=2, batched_ack_callback=self.batched_ack)",
        }[callback]
        ordinary["init"] = f"{maker}\n        return True"
    if callback in ("fetch", "open", "close"):
        ordinary = {
            "fetch": "time.sleep(0.01)\n        return LogFetcher.FETCH_SUCCESS, LogMessage('bad')",
            "open": "return True",
            "close": "pass",
        }
        if callback == "close":
            ordinary["fetch"] = "return LogFetcher.FETCH_ERROR,"
    methods = {**ordinary, callback: does}
    arguments = {
        "init": ", options",
        "generate_persist_name": ", options",
        "ack": ", given",
        "batched_ack": ", given",
    }
    lines = [f"class Bad({'LogFetcher' if 'fetch' in methods else 'LogSource'}):"]
    for name, body in methods.items():
        lines.append(f"    def {name}(self{arguments.get(name, '')}):\n        {body}")
    return "\n".join(lines)


def cases() -> list[tuple[str, str, str]]:
    """Each callback with each thing to do: callback, what it is called, and the statement."""
    kinds = [RAISES, RETURNS, BLOCKS, DOES]
    return [
        (callback, name, what)
        for callback in CALLBACKS + FIRST
        for kind in kinds
        for name, what in kind.items()
        # Of a constructor nothing comes back.
        if not (callback == "__init__" and kind is RETURNS)
    ]


@attack(
    "callbacks",
    "the engine and the other sources go on; the log names the class, the callback and the line",
    short=Budget(count=12),
    long=Budget(count=len(cases())),
)
def callbacks(run: Run) -> None:
    """One source whose callback misbehaves beside one that posts all the time."""
    order = cases()
    run.random.shuffle(order)
    for number in run.rounds():
        callback, name, what = order[number % len(order)]
        try:
            (before_it_runs if callback in FIRST else one)(run, callback, name, what)
        except AssertionError as error:
            raise AssertionError(f"{callback}() {name}: {error}") from error
        run.add(f"{callback}()")


def stopping(engine: Engine, directory: Path) -> bool:
    """True when the engine has heard of the stop within a second."""
    for _ in range(100):
        if engine.process.poll() is not None or "inrush: stopping" in engine.stderr.text:
            return True
        time.sleep(0.01)
    return (directory / "stats").exists()


def before_it_runs(run: Run, callback: str, name: str, what: str) -> None:
    """Attacks a callback before a source runs: what goes wrong is said, and ends the start or not; one that
    hangs can be stopped."""
    directory = run.directory / f"case.{run.done}"
    directory.mkdir()
    bad = bad_class(callback, what)
    ends = {"__init__": "pass", "init": "return True", "generate_persist_name": "return 'bad'"}[callback]
    bad = re.sub(r"( *)(.* # here)", rf"\1\2\n\1{ends}", bad)
    conf = CONF.format(
        mark=str(directory / "mark"), bad=bad, driver="python", directory=directory, to="bad.log"
    )
    engine = run.engine(conf, started=False)
    until((directory / "mark").exists, "the callback")
    line = next(n for n, text in enumerate(conf.split("\n"), 1) if text.endswith("# here"))
    good = directory / "good.log"
    wrong = name in RAISES or name in WRONG.get(callback, set())
    if name in BLOCKS:
        begun = time.monotonic()
        while not stopping(engine, directory):
            engine.send_signal(signal.SIGTERM)
        assert engine.wait_exit() == 2, engine.report()
        run.most("slowest exit", time.monotonic() - begun, "s")
    elif wrong and callback != "generate_persist_name":
        assert engine.wait_exit() == 1, engine.report()
        assert not good.exists(), "a configuration that was refused runs"
    else:
        until(good.exists, "the good source", engine)
        engine.send_signal(signal.SIGTERM)
        while name in ("changes signal handlers", "blocks signals") and not stopping(engine, directory):
            engine.send_signal(signal.SIGTERM)
        assert engine.wait_exit() == 0, engine.report()
        lines = read_lines(good)
        assert lines == [b"good %d ." % number for number in range(len(lines))], "the good source's lines"
    said = engine.stderr.text
    if name in RAISES or name in BLOCKS:
        assert f"line {line}" in said, f"the line {line} is not named: {engine.report()}"
    if wrong:
        shown = "constructor" if callback == "__init__" else callback
        assert re.search(rf"{shown}.{{0,40}} of class `Bad`|class Bad.{{0,40}}{shown}", said), engine.report()
    run.close()


def one(run: Run, callback: str, name: str, what: str) -> None:
    """One callback that does one thing."""
    directory = run.directory / f"case.{run.done}"
    directory.mkdir()
    to = "gone/bad.log" if callback in ("suspend", "wakeup") else "bad.log"
    conf = CONF.format(
        mark=str(directory / "mark"),
        bad=bad_class(callback, what),
        driver="python-fetcher" if callback in ("fetch", "open", "close") else "python",
        directory=directory,
        to=to,
    )
    engine = run.engine(conf, "--stats-file", str(directory / "stats"), started=False)
    good, mark = directory / "good.log", directory / "mark"
    at_stop = callback in ("request_exit", "deinit")
    until(good.exists, "the good source", engine)
    if callback == "wakeup":
        until(lambda: len(read_lines(good)) > 20, "the good source goes on", engine)
        (directory / "gone").mkdir()
    if not at_stop:
        until(mark.exists, "the callback", engine)
    before = len(read_lines(good))
    until(lambda: len(read_lines(good)) > before + 20, "the good source goes on", engine)
    begun = time.monotonic()
    engine.send_signal(signal.SIGTERM)
    if name in ("changes signal handlers", "blocks signals"):
        # A signal that comes while it is ignored is lost: nobody can hear it.
        while not stopping(engine, directory):
            engine.send_signal(signal.SIGTERM)
    code = engine.wait_exit()
    run.most("slowest exit", time.monotonic() - begun, "s")
    # A callback of the stop (wakeup() is one) that never ends is given up with the process, within the bound;
    # that is an exit code of its own.
    given_up = (at_stop or callback == "wakeup") and name in BLOCKS
    assert code == (2 if given_up else 0), engine.report()
    assert mark.exists() or callback == "close", f"it was never called: {engine.report()}"
    said = engine.stderr.text
    hides = name in ("closes file descriptors", "puts other files there")
    if not hides:
        line = next(n for n, text in enumerate(conf.split("\n"), 1) if text.endswith("# here"))
        # An exception of the line, or where the thread stands that does not end.
        shown = name in RAISES or (name in BLOCKS and (given_up or callback in ("run", "fetch")))
        if shown:
            assert f"line {line}" in said, f"the line {line} is not named: {engine.report()}"
        if shown or name in WRONG.get(callback, set()):
            wanted = (r"in " if given_up else r"(class Bad|Bad\.).{0,200}") + {
                "ack": "ack",
                "batched_ack": "ack",
            }.get(callback, callback)
            assert re.search(wanted, said), f"the callback is not named: {engine.report()}"
    if not hides:
        totals = engine.totals()
        totals.check()
        assert totals.in_flight == 0
        delivered = re.search(r"source s_good#0: posted=(\d+) delivered=(\d+)", said)
        assert delivered, engine.report()
        assert delivered[1] == delivered[2], engine.report()
        assert int(delivered[1]) == len(read_lines(good))
    lines = read_lines(good)
    assert lines == [b"good %d ." % number for number in range(len(lines))], "the good source's lines"
    run.close()
