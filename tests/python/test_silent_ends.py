"""Sources that would end, or never begin, without a word: what they do wrong is said, at the check where it
can be seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness import Result, StartEngine, inrush, source
from inrush import testing
from syslogng import LogSource

FETCHER = """@version: current
python {{
from syslogng import LogFetcher
class Source(LogFetcher):
    def fetch(self):
        return self.NO_DATA,
{methods}
}};
source s_test {{ python-fetcher(class("Source")); }};
log {{ source(s_test); destination {{ file("out.log"); }}; }};
"""


def both(tmp_path: Path, conf: str) -> Result:
    """The words of `check` and `run` about a configuration that they refuse alike."""
    (tmp_path / "c.conf").write_text(conf)
    checked, ran = (inrush(command, "-f", "c.conf", cwd=tmp_path) for command in ("check", "run"))
    assert (checked.code, ran.code) == (1, 1), (checked, ran)
    # Behind them stands how many they are; in the log the lines of a message are indented.
    errors, _, count = checked.stderr.strip().rpartition("\n\n")
    assert errors in ran.stderr.replace("\n    ", "\n")
    assert count.endswith(("error", "errors"))
    return checked


class TestDefinitions:
    """A callback whose call does nothing, by its definition."""

    @pytest.mark.parametrize(
        ("methods", "what"),
        [
            ("def run(self):\n    yield 'm'", "run() of class `Source` is a generator function"),
            (
                "async def run(self):\n    yield 'm'",
                "run() of class `Source` is an asynchronous generator function",
            ),
            (
                "def run(self): pass\ndef init(self, options):\n    yield True",
                "init() of class `Source` is a generator function",
            ),
            (
                "def run(self): pass\nasync def init(self, options):\n    yield True",
                "init() of class `Source` is an asynchronous generator function",
            ),
            (
                "def run(self): pass\nasync def init(self, options): return True",
                "init() of class `Source` is a coroutine function",
            ),
            (
                "def run(self): pass\ndef request_exit(self):\n    yield",
                "request_exit() of class `Source` is a generator function",
            ),
            (
                "def run(self): pass\ndef deinit(self):\n    yield",
                "deinit() of class `Source` is a generator function",
            ),
            (
                "def run(self): pass\ndef wakeup(self): pass\ndef suspend(self):\n    yield",
                "suspend() of class `Source` is a generator function",
            ),
            (
                "def run(self): pass\n@staticmethod\nasync def generate_persist_name(options): return 'x'",
                "generate_persist_name() of class `Source` is a coroutine function",
            ),
            (
                "def __init__(self):\n    self.run = self.work\ndef work(self):\n    yield",
                "run() of class `Source` is a generator function",
            ),
            (
                "def __init__(self):\n    import functools\n    self.run = functools.partial(self.work, 1)\n"
                "def work(self, one):\n    yield",
                "run() of class `Source` is a generator function",
            ),
        ],
    )
    def test_of_a_source(self, tmp_path: Path, methods: str, what: str) -> None:
        """Without it: the source ends at once, or its init() counts as true, and nobody says why nothing
        comes."""
        found = both(tmp_path, source(methods))
        # With the place of the function, and that of class().
        line = next(
            number
            for number, text in enumerate((tmp_path / "c.conf").read_text().splitlines(), 1)
            if re.search(rf"def ({what.split('(')[0]}|work)\(|@staticmethod", text)
        )
        assert f"error: {what}, at c.conf:{line}\n" in found.stderr
        assert re.search(r"--> c\.conf:\d+:\d+\n", found.stderr)
        assert " = help: " in found.stderr

    @pytest.mark.parametrize("method", ["fetch", "open", "close", "request_exit", "init"])
    @pytest.mark.parametrize("kind", ["generator", "coroutine"])
    def test_of_a_fetcher(self, tmp_path: Path, method: str, kind: str) -> None:
        """Without it: a fetcher that yields is an endless row of malformed results."""
        text = f"def {method}(self, *options):\n        yield 1"
        if kind == "coroutine":
            text = f"async def {method}(self, *options):\n        return 1"
        found = both(tmp_path, FETCHER.format(methods="    " + text))
        assert f"error: {method}() of class `Source` is a {kind} function, at c.conf:" in found.stderr


class TestResults:
    """A callback that gives back what it should have done, which no definition shows."""

    @pytest.mark.parametrize(
        ("helper", "what"),
        [
            ("def work(self):\n    yield 'm'", "a generator of"),
            ("async def work(self):\n    yield 'm'", "an asynchronous generator of"),
        ],
    )
    def test_run(self, engine: StartEngine, helper: str, what: str) -> None:
        """Without it: `return self.work()` ends the source as if all were well."""
        running = engine(
            source(f"def run(self):\n    return self.work()\n{helper}", driver="restart-backoff(0.1 0.1)"),
            "--control",
            "ctl",
        )
        running.wait_log(rf"TypeError: run\(\) returned {what} \S+test\.conf:\d+, so nothing of it was done")
        running.wait_log(r"run\(\) is called again in")
        asked = inrush("ctl", "sources", "--json", "--control", "ctl", cwd=running.directory)
        found = json.loads(asked.stdout)["sources"][0]
        assert found["exceptions"] >= 1
        assert found["last_error"].startswith(f"run(): TypeError: run() returned {what} ")
        running.stop()

    def test_run_that_returns_a_coroutine_or_anything_else(self, engine: StartEngine) -> None:
        """Without it: what works elsewhere is refused: a coroutine is hosted, any other value ignored."""
        running = engine(
            source(
                """
                def run(self):
                    return self.work()
                async def work(self):
                    await self.post("m")
                    print("done", flush=True)
                    return 42
                """
            )
        )
        running.wait_print("done")
        assert running.stop().posted == 1

    @pytest.mark.parametrize(
        "helper", ["async def work(self): return True", "def work(self):\n    yield True"]
    )
    def test_init(self, engine: StartEngine, helper: str) -> None:
        """Without it: an init() that was never done counts as one that accepts."""
        conf = source(f"def run(self): pass\ndef init(self, options):\n    return self.work()\n{helper}")
        running = engine(conf, started=False)
        assert running.wait_exit() == 1
        assert running.stderr.find(r"init\(\) returned a (coroutine|generator) of \S+test\.conf:\d+")
        assert not running.stderr.find("never awaited")

    @pytest.mark.parametrize(
        ("helper", "what"),
        [
            ("def work(self):\n    yield", "a generator of"),
            ("async def work(self):\n    pass", "a coroutine of"),
            ("async def work(self):\n    yield", "an asynchronous generator of"),
            ("def work(self):\n    return Later()", r"an awaitable object \(Later\)"),
        ],
    )
    def test_the_other_callbacks_of_a_source(self, engine: StartEngine, helper: str, what: str) -> None:
        """Without it: whoever returns what an asynchronous helper gives has done nothing, and nobody says
        so."""
        callbacks = "\n".join(
            f"def {name}(self):\n    return self.work()"
            for name in ("suspend", "wakeup", "deinit", "finalize")
        )
        running = engine(
            source(
                f"""
def init(self, options):
    self.ack_tracker = ConsecutiveAckTracker(self.ack)
    return True
def ack(self, bookmark):
    return self.work()
def run(self):
    for number in range(20):
        self.post_message("m", bookmark=number)
    print("done", flush=True)
    while not self.exit_requested:
        self.sleep(1)
def request_exit(self):
    return self.work()
{callbacks}
{helper}
""",
                head="python { from syslogng import ConsecutiveAckTracker\nclass Later:\n    def __await__(self): yield\n};",
                driver="log-iw-size(5)",
            )
        )
        running.wait_print("done")
        running.stop()
        for method in ("suspend", "wakeup", "Bookmark.ack_callback", "request_exit", "deinit", "finalize"):
            told = rf"TypeError: {re.escape(method)}\(\) returned {what}.*, so nothing of it was done"
            assert running.stderr.find(told), (method, running.report())
        assert not running.stderr.find("never awaited")

    @pytest.mark.parametrize(
        ("helper", "what"),
        [
            ("def work(self):\n        yield", "generator"),
            ("async def work(self):\n        pass", "coroutine"),
        ],
    )
    def test_the_callbacks_of_a_fetcher(self, engine: StartEngine, helper: str, what: str) -> None:
        """Without it: an open() that opened nothing counts as one that did."""
        methods = f"""
    opens = 0
    def open(self):
        self.opens += 1
        return self.work() if self.opens == 1 else print("opened", flush=True) or True
    def close(self):
        return self.work()
    def request_exit(self):
        return self.work()
    {helper}
"""
        conf = FETCHER.format(methods=methods).replace('class("Source")', 'class("Source") time-reopen(1)')
        running = engine(conf)
        running.wait_print("opened")
        running.stop()
        for method in ("open", "close", "request_exit"):
            assert running.stderr.find(rf"TypeError: {method}\(\) returned a {what} of "), running.report()
        assert not running.stderr.find("never awaited")

    def test_a_request_exit_that_a_loop_runs(self, engine: StartEngine) -> None:
        """Without it: what is right beside an asynchronous run() is refused there, too."""
        running = engine(
            source(
                """
                async def run(self):
                    import asyncio
                    self.exiting = asyncio.Event()
                    print("done", flush=True)
                    await self.exiting.wait()
                    print("left", flush=True)
                async def request_exit(self):
                    self.exiting.set()
                """
            )
        )
        running.wait_print("done")
        running.stop()
        running.wait_print("left")
        assert not running.stderr.find("TypeError")

    def test_in_a_test(self) -> None:
        """Without it: a test of such a source finds no message, and no reason."""

        class Source(LogSource):
            def run(self) -> Any:
                return (number for number in range(3))

        with pytest.raises(TypeError, match=r"run\(\) returned a generator of "):
            testing.run(Source)


class TestRunOfTheObject:
    """`run` that the constructor sets."""

    @pytest.mark.parametrize(
        "value",
        [
            "lambda: self.post_message('m')",
            "functools.partial(self.post_message, 'm')",
            "mock.Mock(side_effect=lambda: self.post_message('m'))",
            "self.other",
        ],
    )
    def test_it_is_called(self, engine: StartEngine, tmp_path: Path, value: str) -> None:
        """Without it: a choice by option, a partial or a mock is "no method run()"."""
        conf = source(
            f"""
            def __init__(self):
                import functools
                from unittest import mock
                self.run = {value}
            def other(self):
                self.post_message("m")
            def request_exit(self):
                pass
            """
        )
        (tmp_path / "c.conf").write_text(conf)
        assert inrush("check", "-f", "c.conf", cwd=tmp_path).code == 0
        running = engine(conf)
        running.wait_lines("out.log", 1)
        assert running.stop().posted == 1

    def test_request_exit_of_the_object(self, engine: StartEngine) -> None:
        """Without it: what the constructor sets is taken for run() alone."""
        running = engine(
            source(
                """
                def __init__(self):
                    self.exiting = threading.Event()
                    self.request_exit = self.exiting.set
                def run(self):
                    print("done", flush=True)
                    self.exiting.wait()
                """
            )
        )
        running.wait_print("done")
        running.stop()

    def test_what_cannot_be_called(self, tmp_path: Path) -> None:
        """Without it: the source fails at its start, again and again, with a word about an int."""
        found = both(tmp_path, source("run = 5"))
        assert "error: run of class `Source` cannot be called: it is int" in found.stderr

    def test_none_at_all(self, tmp_path: Path) -> None:
        """Without it: a class without run() is found when it is started, and not before."""
        found = both(tmp_path, source("def init(self, options): return True"))
        assert "error: class `Source` has no method run()" in found.stderr


class TestCheck:
    """Checks: they find what a start refuses before it calls init()."""

    TWO = """@version: current
python {{
from syslogng import LogSource
class Source(LogSource):
    def __init__(self):
        print("made", flush=True)
    def init(self, options):
        raise AssertionError("a check calls no init()")
    def run(self):
        pass
    def finalize(self):
        print("let go", flush=True)
{methods}
}};
source s {{ python(class("Source") {one}); python(class("Source") {two}); }};
log {{ source(s); destination {{ file("out.log"); }}; }};
"""

    @pytest.mark.parametrize(
        ("one", "two", "methods", "name"),
        [
            ('persist-name("x")', 'persist-name("x")', "", "python-source.x"),
            ("", "", "", "python-source(Source)"),
            (
                "",
                'persist-name("same")',
                "    def generate_persist_name(options): return 'same'",
                "python-source.same",
            ),
        ],
    )
    def test_two_of_one_persist_name(
        self, tmp_path: Path, one: str, two: str, methods: str, name: str
    ) -> None:
        """Without it: a deployment that checks first does not start at its next restart."""
        methods = methods.replace("    def", "    @staticmethod\n    def")
        found = both(tmp_path, self.TWO.format(one=one, two=two, methods=methods))
        assert f"error: two sources have the persist name `{name}`" in found.stderr

    def test_all_of_them_at_once(self, tmp_path: Path) -> None:
        """Without it: each check finds one more error."""
        conf = self.TWO.format(one="", two="", methods="    def suspend(self): pass").replace(
            'python(class("Source") );', 'python(class("Missing")); python(class("Source"));', 1
        )
        found = both(tmp_path, conf)
        assert "no class `Missing`" in found.stderr
        assert "has suspend() and no wakeup()" in found.stderr

    def test_a_constructor_that_fails(self, tmp_path: Path) -> None:
        """Without it: the first thing that a start does is not looked at."""
        found = both(
            tmp_path, source("def __init__(self): raise ValueError('no such file')\ndef run(self): pass")
        )
        assert "error: the constructor of class `Source` failed" in found.stderr
        assert "ValueError: no such file" in found.stderr

    def test_what_it_makes_it_lets_go(self, tmp_path: Path) -> None:
        """Without it: a check runs sources, or leaves what their constructors opened."""
        (tmp_path / "c.conf").write_text(self.TWO.format(one='persist-name("x")', two="", methods=""))
        done = inrush("check", "-f", "c.conf", cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        assert done.stdout.splitlines()[:4] == ["made", "made", "let go", "let go"]
        assert not (tmp_path / "out.log").exists()


THREADS = """
import os, threading
class Limited(LogSource):
    def init(self, options):
        def lift():
            while not os.path.exists("lifted"):
                time.sleep(0.01)
            threading.stack_size(0)
        threading.Thread(target=lift).start()
        # No system has room for such a stack, so no thread can be started.
        threading.stack_size(1 << 46)
        return True
    def run(self):
        self.post_message("m")
        print("runs", flush=True)
"""


class TestNoThread:
    """The system has no thread for a source."""

    def conf(self, driver: str, body: str = "def run(self): pass") -> str:
        """A source that no thread can be started for, until there is a file `lifted`."""
        conf = source(body, driver=driver).replace('class("Source")', 'class("Limited")')
        return conf.replace("};\nsource", THREADS + "};\nsource", 1)

    def test_it_is_tried_again(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: the source is dead for ever, with 0 exceptions, and the engine says "started"."""
        running = engine(self.conf("restart-backoff(0.1 0.2)"), "--control", "ctl")
        running.wait_log(
            r"error: a source does not start\n(?s:.*)source s_test#0 \(class Limited\): its thread does not start; "
            r"it is tried again in 0\.\d s\n(?s:.*)RuntimeError: can't start new thread"
        )

        def status() -> dict[str, Any]:
            asked = inrush("ctl", "sources", "--json", "--control", "ctl", cwd=tmp_path)
            found: dict[str, Any] = json.loads(asked.stdout)["sources"][0]
            return found

        found = status()
        assert found["state"] == "restarting"
        assert found["exceptions"] >= 1
        assert found["last_error"] == "start: RuntimeError: can't start new thread"
        (tmp_path / "lifted").touch()
        running.wait_print("runs")
        assert status()["restarts"] >= 1
        assert running.stop().posted == 1

    def test_it_can_be_stopped_before(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a stop waits for a thread that never was."""
        running = engine(self.conf("restart-backoff(100 100)"))
        running.wait_log("its thread does not start")
        (tmp_path / "lifted").touch()
        assert running.stop().posted == 0

    def test_restart_never(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: who asked for no restart gets some, or is not told that the source has ended."""
        running = engine(self.conf("restart(never)"), "--control", "ctl")
        running.wait_log(r"its thread does not start, which is its end, because of restart\(never\)")
        (tmp_path / "lifted").touch()
        asked = inrush("ctl", "sources", "--json", "--control", "ctl", cwd=tmp_path)
        found = json.loads(asked.stdout)["sources"][0]
        assert (found["state"], found["exceptions"]) == ("ended", 1)
        running.stop()
