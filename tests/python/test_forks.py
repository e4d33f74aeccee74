"""A child of a source (`os.fork`, `multiprocessing`): it posts nothing, and holds nothing of the engine's."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness import StartEngine, free_port, inrush, script, source, source_that
from inrush import testing
from syslogng import LogSource

# Every way in which a source can post, or ask whether it could, by name.
WAYS = """
import asyncio, concurrent.futures, json, os, threading
from syslogng import LogMessage

WAYS = {
    "post_message": lambda s: s.post_message(LogMessage("child")),
    "post_message str": lambda s: s.post_message("child"),
    "post_message long": lambda s: s.post_message("child" * 1000),
    "post_message fields": lambda s: s.post_message(with_host()),
    "post_message parsed": lambda s: s.post_message(LogMessage.parse("<13>child", s.parse_options)),
    "post_messages list": lambda s: s.post_messages(["child", "again"]),
    "post_messages iterator": lambda s: s.post_messages(iter([LogMessage("child")])),
    "try_post_message": lambda s: s.try_post_message("child"),
    "post_buffer": lambda s: s.post_buffer(b"child\\nagain\\n"),
    "post_buffer large": lambda s: s.post_buffer(b"child\\n" * 100000),
    "post_buffer parse": lambda s: s.post_buffer(b"<13>child\\n", parse=True),
    "acquire_buffer": lambda s: s.acquire_buffer(100),
    "await post": lambda s: asyncio.run(s.post("child")),
    "wait_until_writable": lambda s: s.wait_until_writable(),
    "is_suspended": lambda s: s.is_suspended(),
    "close_batch": lambda s: s.close_batch(),
    "thread": lambda s: concurrent.futures.ThreadPoolExecutor().submit(s.post_message, "child").result(),
}

def with_host():
    message = LogMessage("child")
    message["HOST"] = "h"
    return message

def results(source):
    "What each way came to, in the child."
    found = {}
    for name, way in WAYS.items():
        try:
            found[name] = "gave %r" % (way(source),)
        except BaseException as error:
            found[name] = "%s: %s" % (type(error).__name__, error)
    return found

def in_child(source):
    "The same, in a child that is waited for."
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(results(source)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)
"""


@contextmanager
def killed(*pids: int) -> Iterator[None]:
    """Ends processes that outlive their engine."""
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def check_refused(results: dict[str, str], refused: Callable[[str], bool] = lambda _: True) -> None:
    """Every way raised, and said why and what to do."""
    assert len(results) == 17
    for name, result in results.items():
        if refused(name):
            assert result.startswith("RuntimeError: "), (name, result)
            assert "this process is a fork of the engine's" in result, (name, result)


class TestSockets:
    """The engine's own sockets."""

    def test_the_next_engine_starts_while_children_of_a_killed_one_live(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Without it: after a kill no engine can start as long as a worker of multiprocessing lives."""
        conf = source_that(
            """
            import multiprocessing, os
            child = os.fork()
            if child == 0:
                time.sleep(600)
                os._exit(0)
            process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
            process.start()
            print("children", child, process.pid, flush=True)
            """
        )
        arguments = ("--control", "ctl", "--metrics", f"127.0.0.1:{free_port()}")
        running = engine(conf, *arguments)
        found = running.wait_print(r"children (\d+) (\d+)")
        with killed(int(found[1]), int(found[2])):
            running.process.kill()
            running.process.wait()
            running.stopped = True
            quiet = source_that("", head="")
            again = engine(quiet, *arguments)
            again.wait_print("done")
            asked = inrush("ctl", "sources", "--control", "ctl", cwd=tmp_path)
            assert (asked.code, asked.stderr) == (0, ""), asked
            again.stop()

    def test_a_child_leaves_the_parent_its_sockets(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: what is closed in the child is closed in the engine."""
        conf = source_that(
            "import os\nchild = os.fork()\nif child == 0:\n    os._exit(0)\nos.waitpid(child, 0)"
        )
        running = engine(conf, "--control", "ctl")
        running.wait_print("done")
        asked = inrush("ctl", "sources", "--control", "ctl", cwd=tmp_path)
        assert (asked.code, asked.stderr) == (0, ""), asked
        running.stop()


class TestPosts:
    """Posts of a child."""

    def test_every_way_raises(self, engine: StartEngine) -> None:
        """Without it: a child's posts are taken, lost without a word, and at a full window wait for ever."""
        conf = source_that(
            """
            # So that there is credit taken ahead, and an open batch, of every kind.
            for _ in range(1000):
                self.post_message(LogMessage("parent"))
            self.post_message(LogMessage.parse("<13>parent", self.parse_options))
            print("refused", json.dumps(in_child(self)), flush=True)
            self.post_message(LogMessage("parent"))
            """,
            head="python {" + WAYS + "};",
        )
        running = engine(conf)
        results: dict[str, str] = json.loads(running.wait_print(r"refused (.*)")[1])
        check_refused(results)
        running.wait_print("done")
        totals = running.stop()
        assert totals.posted == totals.delivered == 1002

    def test_a_small_window(self, engine: StartEngine) -> None:
        """Without it: where each post takes its own credit, a child finds some."""
        conf = source_that(
            """
            self.post_message("parent")
            print("refused", json.dumps(in_child(self)), flush=True)
            """,
            head="python {" + WAYS + "};",
            driver="log-iw-size(5)",
        )
        running = engine(conf)
        check_refused(json.loads(running.wait_print(r"refused (.*)")[1]))
        running.wait_print("done")
        assert running.stop().posted == 1

    def test_multiprocessing_joins_its_child(self, engine: StartEngine) -> None:
        """Without it: a worker that posts never ends, and neither does join()."""
        conf = source_that(
            """
            import multiprocessing
            def work():
                try:
                    for number in range(1000):
                        self.post_message(f"child {number}")
                except RuntimeError:
                    raise SystemExit(7)
            process = multiprocessing.get_context("fork").Process(target=work)
            process.start()
            process.join()
            print("code", process.exitcode, flush=True)
            """,
            driver="log-iw-size(100)",
        )
        running = engine(conf)
        running.wait_print(r"(?m)^code 7$")
        running.wait_print("done")
        assert running.stop().posted == 0

    # CPython's word for whoever forks beside threads; that it is refused here is what is tested.
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_in_a_source_under_test(self) -> None:
        """Without it: a test of a source that forks hangs where the engine would refuse."""
        space: dict[str, Any] = {}
        exec(WAYS, space)

        class Forking(LogSource):
            def init(self, options: dict[str, Any]) -> bool:
                return True

            def run(self) -> None:
                self.post_message("parent")
                self.results = space["in_child"](self)

        result = testing.run(Forking)
        check_refused(result.source.results)
        assert len(result.messages) == 1

    def test_a_source_made_by_hand_in_a_child(self) -> None:
        """Without it: tests that run in forked processes of their own cannot post."""
        code = """
        import os
        from inrush import testing
        from syslogng import LogSource
        before = LogSource()
        before.post_message("parent")
        child = os.fork()
        if child == 0:
            try:
                before.post_message("child")
            except RuntimeError as error:
                print("refused" if "fork" in str(error) else error, flush=True)
            own = LogSource()
            own.post_message("child")
            print([bytes(message["MESSAGE"]) for message in testing.posted(own)], flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
        done = script(code)
        assert done.code == 0, done.stderr
        assert done.stdout.splitlines() == ["refused", "[b'child']"]


class TestCallbacks:
    """A child that comes back where the engine called."""

    def test_it_ends_where_a_block_of_the_configuration_does(self, engine: StartEngine) -> None:
        """Without it: a fork while the configuration is read goes on as a second engine."""
        conf = source_that(
            "", head="python {\nimport os\nprint('in', os.getpid(), flush=True)\nos.fork()\n};"
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        # Neither ran the block, nor started, twice.
        assert len([line for line in running.stdout.lines if line == "done"]) == 1
        assert len([line for line in running.stderr.lines if "started" in line]) == 1

    def test_it_ends_where_its_streams_are_locked(self, engine: StartEngine) -> None:
        """Without it: a fork while another thread prints has the lock of stdout for ever, and never ends."""
        running = engine(
            source_that(
                """
                import os, sys, threading
                class Locked:
                    def flush(self):
                        threading.Event().wait()
                    write = flush
                for code, end in ((0, None), (1, ValueError("no")), (7, SystemExit(7))):
                    child = os.fork()
                    if child == 0:
                        sys.stdout = sys.stderr = Locked()
                        if end:
                            raise end
                        return
                    found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    print("code", found, "of", code, flush=True)
                """
            )
        )
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == ["code 0 of 0", "code 1 of 1", "code 7 of 7", "done"]

    def test_its_traceback_is_whole_lines(self, engine: StartEngine) -> None:
        """Without it: the engine's next line goes on where the traceback ends, and the text of an exception
        forges lines."""
        running = engine(
            source_that(
                r"""
                import os
                child = os.fork()
                if child == 0:
                    raise ValueError("one\n2026-01-01T00:00:00 error: forged \x1b[31m\u202e")
                print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
                import logging
                logging.getLogger("lib").error("after")
                """
            )
        )
        running.wait_print(r"(?m)^code 1$")
        running.wait_print("done")
        running.stop()
        lines = running.stderr.lines
        at = next(number for number, line in enumerate(lines) if "ValueError: one" in line)
        assert lines[at].startswith("    ValueError: one"), lines
        # Whatever else the exception said is not at the start of a line, and not obeyed by a terminal.
        assert re.fullmatch(r"    2026.* error: forged \\u\{1b\}\[31m\\u\{202e\}", lines[at + 1]), lines
        assert re.match(r"\d{4}-\S+ ", lines[at + 2]), lines


@pytest.mark.parametrize("way", ["thread", "asyncio"])
def test_the_parent_goes_on(engine: StartEngine, way: str) -> None:
    """Without it: a fork at an unlucky moment closes the lanes of the engine itself."""
    run = """
    import os
    for number in range(50):
        self.post_message(f"{number}")
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    """
    conf = source_that(run)
    if way == "asyncio":
        conf = source(
            """
            async def run(self):
                import os
                for number in range(50):
                    await self.post(f"{number}")
                    child = os.fork()
                    if child == 0:
                        os._exit(0)
                    os.waitpid(child, 0)
                print("done", flush=True)
            """
        )
    running = engine(conf)
    running.wait_print("done")
    assert running.stop().delivered == 50
