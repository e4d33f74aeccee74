"""`inrush.testing` and the fixture: a source by itself; and sources that are made by hand."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness import EXAMPLES, PATIENCE, ROOT, numbered, ran, script
from inrush import testing
from inrush.testing import LogLine, Refused, SourceUnderTest, run
from inrush.typing import FetchResult
from syslogng import (
    BatchedAckTracker,
    ConsecutiveAckTracker,
    InstantAckTracker,
    LogFetcher,
    Logger,
    LogMessage,
    LogSource,
    Persist,
)

Start = Callable[..., SourceUnderTest]


class Numbers(LogSource):
    """Posts `count` messages and ends."""

    def init(self, options: dict[str, Any]) -> bool:
        self.options = options
        return True

    def run(self) -> None:
        for number in range(self.options["count"]):
            self.post_message(LogMessage(str(number)))


class Waiting(LogSource):
    """Posts what the test puts into it."""

    def init(self, options: dict[str, Any]) -> bool:
        self.condition = threading.Condition()
        self.todo: list[Any] = []
        self.exiting = False
        return True

    def put(self, *messages: Any) -> None:
        """Messages to be posted."""
        with self.condition:
            self.todo.extend(messages)
            self.condition.notify()

    def run(self) -> None:
        while True:
            with self.condition:
                self.condition.wait_for(lambda: self.todo or self.exiting)
                if not self.todo:
                    return
                message = self.todo.pop(0)
            self.post_message(message)

    def request_exit(self) -> None:
        with self.condition:
            self.exiting = True
            self.condition.notify()


def eventually(condition: Callable[[], object]) -> None:
    """Waits for something that another thread does."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


class TestRun:
    """The view of a test."""

    def test_until_the_source_ends(self) -> None:
        """Without it: a test cannot say what a whole run posts."""
        source = run(Numbers, {"count": 1000})
        assert source.texts == numbered(1000)
        assert source.totals["posted"] == source.totals["delivered"] == 1000

    def test_until_so_many_messages(self, inrush_source: Start) -> None:
        """Without it: a source that never ends cannot be tested."""
        source = inrush_source(Waiting)
        source.source.put("a", b"b", LogMessage("c"))
        assert [message["MESSAGE"] for message in source.wait_for(3)] == [b"a", b"b", b"c"]
        assert source.is_alive

    def test_too_few_messages_fail_the_test(self) -> None:
        """Without it: a test waits for ever for a message that never comes."""
        with pytest.raises(AssertionError, match="3 of 4 messages have arrived before the source ended"):
            run(Numbers, {"count": 3}, messages=4)
        with pytest.raises(AssertionError, match=r"0 of 1 messages have arrived in 0.01 s"):
            run(Waiting, messages=1, timeout=0.01)
        with pytest.raises(AssertionError, match="has not ended"):
            run(Waiting, timeout=0.01)

    def test_a_failure_ends_with_the_log(self) -> None:
        """Without it: a message that does not come is all that is known, while the log says why."""

        class Fails(LogFetcher):
            def fetch(self) -> FetchResult:
                return self.ERROR, "no such server"

        with pytest.raises(AssertionError) as caught:
            run(Fails, messages=1, timeout=0.5, config="time-reopen(0.01)")
        first, *log = str(caught.value).splitlines()
        assert first == "0 of 1 messages have arrived in 0.5 s; the last of its log:"
        assert 0 < len(log) <= 20
        assert log[-1].startswith("error: source s_test#0 (class ")
        assert log[-1].endswith("fetch() returned ERROR: no such server")

    def test_a_failure_shows_the_lines_of_the_test(self, tmp_path: Path) -> None:
        """Without it: the traceback of a failed test is about the inside of the engine's."""
        (tmp_path / "test_it.py").write_text(
            """
from inrush.testing import run
from inrush import LogSource

class Nothing(LogSource):
    def run(self):
        pass

class Refuses(Nothing):
    def init(self, options):
        pass

def test_too_few():
    run(Nothing, messages=1)

def test_refused():
    run(Refuses)

def test_fixture(inrush_source):
    inrush_source(Refuses)
"""
        )
        plain = ("-p", "no:cacheprovider", "-p", "no:xdist")
        done = ran(sys.executable, "-m", "pytest", *plain, "test_it.py", cwd=tmp_path)
        assert "3 failed" in done.stdout
        assert "0 of 1 messages have arrived before the source ended" in done.stdout
        assert "returned None: end it with `return True`" in done.stdout
        assert f"it is defined at {tmp_path}/test_it.py:10" in done.stdout
        # Nothing of the engine's own: neither its code nor the configuration that it makes.
        for inside in ("_Rig", "inrush/testing.py", "test:2:", "s_test {"):
            assert inside not in done.stdout

    def test_messages_are_those_that_destinations_see(self) -> None:
        """Without it: a test passes on values that the engine replaces."""

        class Rich(LogSource):
            def run(self) -> None:
                self.set_transport_name("hand")
                message = LogMessage("text")
                message["PROGRAM"] = "own"
                message["HOST"] = "own"
                message["number"] = 7
                message[".SDATA.a@1.b"] = "c"
                message.set_pri(11)
                message.set_recvd_rawmsg_size(99)
                self.post_message(message)

        [message] = run(Rich, config="host-override(box) default-facility(local0)").messages
        assert type(message) is LogMessage
        assert message["MESSAGE"] == b"text"
        assert (message["PROGRAM"], message["HOST"], message["number"]) == (b"own", b"box", 7)
        assert (message[".SDATA.a@1.b"], message["TRANSPORT"]) == (b"c", b"hand")
        assert message.get_pri() == 16 * 8 + 5

    def test_options_flags_and_names(self, inrush_source: Start) -> None:
        """Without it: init() gets something else than from a configuration."""

        class Looks(LogSource):
            def init(self, options: dict[str, Any]) -> bool:
                self.seen = (options, dict(self.flags), self.parse_options, self.persist_name)
                return True

            def run(self) -> None:
                self.post_message(LogMessage.parse("<13>x", self.parse_options))

        options = {"api-token": 'a"b\\`', "n": 3, "f": 0.5, "yes": True, "list": ["a", "b"]}
        source = inrush_source(Looks, options, flags=["no-parse"], persist_name='b"o`x')
        source.wait_for(1)
        seen = source.source.seen
        assert seen[0] == {"api_token": 'a"b\\`', "n": 3, "f": 0.5, "yes": True, "list": ["a", "b"]}
        assert (seen[1]["parse"], seen[2], seen[3]) == (False, None, 'python-source.b"o`x')
        assert source.persist_name == 'python-source.b"o`x'
        assert source.texts == [b"<13>x"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"options": {"a": object()}}, "expected what a configuration can say"),
            ({"options": {"a": ["x", 1]}}, "str"),
        ],
    )
    def test_options_that_no_configuration_can_say(self, arguments: dict[str, Any], said: str) -> None:
        """Without it: a test passes with options that no user can give."""
        with pytest.raises(TypeError, match=said):
            SourceUnderTest(Numbers, **arguments)
        assert run(Numbers, {"count": 1}).texts == [b"0"]

    def test_refusals(self) -> None:
        """Without it: the reason why a source is not accepted is lost, or the next test finds the old one in
        its way."""

        class Refuses(Numbers):
            def init(self, options: dict[str, Any]) -> bool:
                return False

        class Forgets(Numbers):
            def init(self, options: dict[str, Any]) -> bool:
                return None  # type: ignore[return-value]

        class Raises(Numbers):
            def init(self, options: dict[str, Any]) -> bool:
                raise KeyError("port")

        class RaisesEarly(Numbers):
            def __init__(self) -> None:
                raise ValueError("early")

        class NoRun(LogSource):
            pass

        for kind, said, cause in [
            (Refuses, "returned false", None),
            (Forgets, r"returned None: end it with `return True`\n.*test_testing\.py:\d+", None),
            (Raises, "KeyError", KeyError),
            (RaisesEarly, "constructor", ValueError),
            (NoRun, "no method run", None),
        ]:
            with pytest.raises(Refused, match=said) as caught:
                run(kind)
            assert (type(caught.value.__cause__) if cause else caught.value.__cause__) is cause
        with pytest.raises(Refused, match="nonsense"):
            run(Numbers, config="nonsense(1)")

    def test_one_at_a_time(self, inrush_source: Start) -> None:
        """Without it: two tests share a log and a store, and nobody knows why."""
        inrush_source(Waiting)
        with pytest.raises(Refused, match="another source is under test"):
            SourceUnderTest(Waiting)


class TestKinds:
    """Fetchers and coroutines."""

    def test_fetcher(self) -> None:
        """Without it: half of all sources cannot be tested."""

        class Fetches(LogFetcher):
            def init(self, options: dict[str, Any]) -> bool:
                self.left = ["a", "b"]
                return True

            def fetch(self) -> FetchResult:
                if self.left:
                    return self.SUCCESS, LogMessage(self.left.pop(0))
                return (self.NO_DATA,)

        source = run(Fetches, messages=2, config="fetch-no-data-delay(3600)")
        assert source.texts == [b"a", b"b"]
        assert source.persist_name.startswith("python-fetcher(")

    @pytest.mark.parametrize(
        ("result", "kind", "said"),
        [
            (None, TypeError, "got NoneType"),
            (7, TypeError, "got int"),
            ((LogFetcher.SUCCESS,), TypeError, "got SUCCESS without a message"),
            (LogFetcher.SUCCESS, TypeError, "got SUCCESS without a message"),
            ((LogFetcher.SUCCESS, ["a", 7]), TypeError, "int"),
            ((LogFetcher.SUCCESS, LogMessage("a", bookmark=1)), RuntimeError, "Bookmarks"),
        ],
    )
    def test_a_result_that_is_none_fails_the_test(
        self, result: Any, kind: type[Exception], said: str
    ) -> None:
        """Without it: a test is green that runs a fetcher whose results are refused each second in
        production."""

        class Wrong(LogFetcher):
            def fetch(self) -> Any:
                return result

        with pytest.raises(kind, match=said):
            run(Wrong, messages=2, config="time-reopen(0.01)", timeout=0.5)

    def test_a_result_without_a_tuple_is_taken(self) -> None:
        """Without it: a forgotten comma is an error each second."""

        class Bare(LogFetcher):
            results: ClassVar = [
                LogFetcher.NO_DATA,
                LogFetcher.TRY_AGAIN,
                (LogFetcher.SUCCESS, LogMessage("x")),
            ]

            def fetch(self) -> Any:
                return self.results.pop(0) if self.results else self.NO_DATA

        source = run(Bare, messages=1, config="fetch-no-data-delay(0.01)")
        assert (source.texts, source.errors) == ([b"x"], [])

    def test_coroutine(self) -> None:
        """Without it: asynchronous sources cannot be tested."""

        class Async(LogSource):
            async def run(self) -> None:
                for number in range(3):
                    await self.post(str(number))
                await asyncio.Event().wait()

        assert run(Async, messages=3).texts == [b"0", b"1", b"2"]


class TestErrors:
    """Exceptions of the source are errors of the test."""

    class Fails(LogSource):
        """Raises in run()."""

        def run(self) -> None:
            self.post_message("before")
            raise ValueError("in run()")

    def test_raised_at_the_end(self) -> None:
        """Without it: a source that fails passes its test."""
        with pytest.raises(ValueError, match=r"in run\(\)"):
            run(self.Fails, config="restart(never)")

    def test_wanted(self, inrush_source: Start) -> None:
        """Without it: a test cannot show that a failure is reported."""
        source = inrush_source(self.Fails, config="restart(never)")
        eventually(lambda: source.errors)
        assert str(source.expect(ValueError)) == "in run()"
        with pytest.raises(AssertionError, match="no KeyError"):
            source.expect(KeyError)
        eventually(
            lambda: any("raised an exception" in text for level, text in source.log if level == "error")
        )

    def test_callbacks_on_other_threads(self) -> None:
        """Without it: an exception in request_exit() or in an ack callback is only in the log."""

        class Exits(Waiting):
            def request_exit(self) -> None:
                super().request_exit()
                raise OSError("in request_exit()")

        with pytest.raises(OSError, match="in request_exit"), SourceUnderTest(Exits):
            pass

    def test_a_source_that_does_not_end_fails_the_test(self) -> None:
        """Without it: a stop that would hang the engine's stop is never seen."""
        release = threading.Event()

        class Hangs(LogSource):
            def run(self) -> None:
                release.wait(PATIENCE)

        under_test = SourceUnderTest(Hangs, config="stop-timeout(0.05)")
        try:
            with (
                pytest.raises(AssertionError, match=r"run\(\) has not returned[\s\S]*release\.wait"),
                under_test,
            ):
                pass
        finally:
            release.set()


class TestAcks:
    """Acknowledgements under the test's control."""

    class Tracked(Waiting):
        """Remembers what its tracker is told."""

        tracker: Any = None

        def init(self, options: dict[str, Any]) -> bool:
            self.acked: list[Any] = []
            self.ack_tracker = type(self).tracker(self.acked.append)
            return super().init(options)

    def test_instant(self, inrush_source: Start) -> None:
        """Without it: nobody can test what a source does with an acknowledgement."""
        source = inrush_source(type("T", (self.Tracked,), {"tracker": InstantAckTracker}), hold=True)
        source.source.put(*(LogMessage(str(number), bookmark=number) for number in range(3)))
        source.wait_for(3)
        assert (source.held, source.source.acked) == ([0, 1, 2], [])
        source.ack(1)
        eventually(lambda: source.source.acked == [1])
        source.ack()
        eventually(lambda: sorted(source.source.acked) == [0, 1, 2])
        with pytest.raises(ValueError, match="message 1 is not held, but acked"):
            source.ack(1)
        with pytest.raises(IndexError):
            source.ack(7)

    def test_consecutive_and_abort(self, inrush_source: Start) -> None:
        """Without it: nobody can test that a gap holds a bookmark back."""
        source = inrush_source(type("T", (self.Tracked,), {"tracker": ConsecutiveAckTracker}), hold=True)
        source.source.put(*(LogMessage(str(number), bookmark=number) for number in range(4)))
        source.wait_for(4)
        source.ack(1, 2)
        assert source.source.acked == []
        source.ack(0)
        eventually(lambda: source.source.acked == [2])
        source.abort(3)
        assert source.totals == {"posted": 4, "delivered": 3, "dropped": 1, "in_flight": 0, "refused": 0}

    def test_batched(self, inrush_source: Start) -> None:
        """Without it: what is left at the end of a batched tracker cannot be tested."""

        class Batched(Waiting):
            def init(self, options: dict[str, Any]) -> bool:
                self.acked: list[Any] = []
                self.ack_tracker = BatchedAckTracker(0, 2, self.acked.append)
                return super().init(options)

        source = inrush_source(Batched)
        source.source.put(*(LogMessage(str(number), bookmark=number) for number in range(3)))
        source.wait_for(3)
        eventually(lambda: len(source.source.acked) == 1)

    def test_held_messages_use_up_the_window(self, inrush_source: Start) -> None:
        """Without it: the credit under test is not the real one."""
        source = inrush_source(Waiting, hold=True, config="log-iw-size(3)")
        source.source.put(*map(str, range(5)))
        source.wait_for(3)
        eventually(lambda: source.is_suspended)
        assert len(source) == 3
        source.hold(False)
        source.ack()
        assert source.wait_for(5)
        assert source.held == []


class TestFlowControl:
    """Suspension on demand."""

    def test_post_waits(self, inrush_source: Start) -> None:
        """Without it: nobody can test what a source does without credit."""
        source = inrush_source(Waiting)
        source.suspend()
        source.source.put(*map(str, range(3)))
        source.wait_for(1)
        eventually(lambda: source.is_suspended)
        assert len(source) == 1
        source.wake_up()
        assert source.wait_for(3)

    def test_suspend_and_wakeup(self, inrush_source: Start) -> None:
        """Without it: suspend() and wakeup() run for the first time in production."""

        class Told(Waiting):
            told: list[str]

            def init(self, options: dict[str, Any]) -> bool:
                self.told = []
                return super().init(options)

            def suspend(self) -> None:
                self.told.append("suspend")

            def wakeup(self) -> None:
                self.told.append("wakeup")

        source = inrush_source(Told)
        source.suspend()
        source.source.put("x")
        eventually(lambda: source.source.told == ["suspend"])
        source.wake_up()
        eventually(lambda: source.source.told == ["suspend", "wakeup"])


class TestSurroundings:
    """The log and the store."""

    def test_log(self, inrush_source: Start) -> None:
        """Without it: nobody can test that a failure is said."""

        class Says(Waiting):
            def init(self, options: dict[str, Any]) -> bool:
                logging.getLogger("mine").warning("from %s", "logging")
                Logger().error("from Logger")
                return super().init(options)

        source = inrush_source(Says)
        assert LogLine("warning", "python-mine: from logging") in source.log
        assert LogLine("error", "from Logger") in source.log

    def test_root_logger_is_as_before(self) -> None:
        """Without it: one test changes what the next one logs."""
        root = logging.getLogger()
        before = (root.level, list(root.handlers))
        run(Numbers, {"count": 1})
        assert (root.level, list(root.handlers)) == before

    def test_store_is_given_read_and_kept(self) -> None:
        """Without it: nobody can test that a source goes on where it was."""

        class Counts(LogSource):
            def init(self, options: dict[str, Any]) -> bool:
                self.store = Persist("counts", defaults={"next": 0})
                return True

            def run(self) -> None:
                self.post_message(str(self.store["next"]))
                self.store["next"] += 1

        first = run(Counts, persist={"counts": {"next": 5}})
        assert (first.texts, first.persist("counts")["next"]) == ([b"5"], 6)
        second = run(Counts, after=first)
        assert second.texts == [b"6"]
        assert run(Counts).texts == [b"0"], "a store of its own"


class TestByHand:
    """Sources outside of an engine and of a test."""

    def test_posts_are_kept(self) -> None:
        """Without it: a module that is run as a script fails at its first post, or blocks for ever."""
        source = Numbers()
        assert source.init({"count": 150_000})
        source.run()
        messages = testing.posted(source)
        assert len(messages) == 100_000
        assert [bytes(memoryview(messages[index])) for index in (0, -1)] == [b"50000", b"149999"]
        assert testing.posted(source, clear=True)
        assert testing.posted(source) == []
        source.post_message("one more")
        assert [message["MESSAGE"] for message in testing.posted(source)] == [b"one more"]

    def test_every_way_to_post(self) -> None:
        """Without it: some of the API works in the engine only."""

        class Ways(LogSource):
            async def asynchronous(self) -> None:
                await self.post("post")

        source = Ways()
        assert testing.posted(source) == []
        source.post_messages(["a", b"b"])
        source.post_buffer(b"c\nd\n")
        assert source.try_post_message("e")
        buffer = source.acquire_buffer(3)
        with memoryview(buffer) as view:
            view[:] = b"f\ng"
        source.post_buffer(buffer)
        asyncio.run(source.asynchronous())
        source.post_message(LogMessage.parse("<13>Jan  1 00:00:00 h p: parsed", source.parse_options))
        assert not source.is_suspended()
        assert not source.exit_requested
        assert source.wait_until_writable(0)
        texts = [bytes(memoryview(message)) for message in testing.posted(source)]
        assert texts == [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"post", b"parsed"]

    def test_parse_options_are_the_defaults_there_and_nowhere_else(self, inrush_source: Start) -> None:
        """Without it: a source that parses too early works in a script, and fails in the engine."""
        assert LogMessage.parse("<11>Jan  1 00:00:00 h p: text", None).get_pri() == 11  # type: ignore[arg-type]

        class Early(Waiting):
            def init(self, options: dict[str, Any]) -> bool:
                LogMessage.parse("x", self.parse_options)
                return True

        with pytest.raises(Refused, match="TypeError"):
            inrush_source(Early)

    def test_module_as_a_script(self, tmp_path: Path) -> None:
        """Without it: `if __name__ == "__main__"` at the end of a source's module does not work here."""
        (tmp_path / "mine.py").write_text(
            """
try:
    from syslogng import LogSource, LogMessage
    from syslogng import Logger, Persist
except ImportError:
    raise SystemExit("no syslogng")

class Mine(LogSource):
    def init(self, options):
        self.store = Persist("mine", defaults={"n": 3})
        return True
    def run(self):
        for n in range(self.store["n"]):
            self.post_message(LogMessage(str(n)))
        Logger().info("done")

if __name__ == "__main__":
    src = Mine()
    src.init({})
    src.run()
    from inrush.testing import posted
    print([message["MESSAGE"] for message in posted(src)])
"""
        )
        done = ran(sys.executable, "mine.py", cwd=tmp_path)
        assert (done.code, done.stdout, done.stderr) == (0, "[b'0', b'1', b'2']\n", "")

    def test_source_of_a_test_has_its_messages_there(self, inrush_source: Start) -> None:
        """Without it: posted() is empty where somebody looks in the wrong place."""
        source = inrush_source(Waiting)
        with pytest.raises(ValueError, match="part of an engine or of a test"):
            testing.posted(source.source)


def test_the_module_does_not_need_pytest() -> None:
    """Without it: importing Inrush needs a package that only its tests have."""
    code = "import sys, inrush.testing; assert 'pytest' not in sys.modules and 'asyncio' not in sys.modules"
    done = script(code)
    assert done.code == 0, done.stderr


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    """Without it: the test that people copy does not pass."""
    arguments = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    done = ran(sys.executable, "-m", "pytest", *arguments, EXAMPLES / "test_quickstart.py", cwd=tmp_path)
    assert done.code == 0, done.stdout + done.stderr
    shown = (ROOT / "docs" / "testing.md").read_text()
    assert (EXAMPLES / "test_quickstart.py").read_text().split('"""\n', 1)[1].strip() in shown


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Every test ends the threads that it started."""
    before = set(threading.enumerate())
    yield
    eventually(lambda: set(threading.enumerate()) <= before)
