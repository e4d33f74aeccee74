"""`threading` patched before the start, as gevent's and eventlet's documentation asks for: the engine's own
threads are real ones."""

from __future__ import annotations

import importlib.util
import signal

import pytest

from harness import StartEngine, source

PATCHES = {
    "gevent": "from gevent import monkey\nmonkey.patch_all()",
    "eventlet": "import eventlet\neventlet.monkey_patch()",
    # What such a library does, for where there is none: nothing that is started so ever runs.
    "own": "import threading\nthreading._start_new_thread = lambda *arguments, **keywords: 0\n"
    "threading._start_joinable_thread = lambda *arguments, **keywords: None",
}


@pytest.fixture(params=PATCHES)
def patch(request: pytest.FixtureRequest) -> str:
    """A block that patches."""
    if request.param != "own" and importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return f"python {{\nimport warnings\nwarnings.simplefilter('ignore')\n{PATCHES[request.param]}\n}};"


def test_a_plain_source(engine: StartEngine, patch: str) -> None:
    """Without it: the engine never starts, says nothing, and ends with code 2."""
    running = engine(
        source(
            """
            def init(self, options):
                self.stop = False
                return True
            def run(self):
                for number in range(3):
                    self.post_message(LogMessage("line %d" % number))
                    time.sleep(0.05)
                print("in", threading.current_thread().name, flush=True)
                while not self.stop:
                    time.sleep(0.1)
            def request_exit(self):
                self.stop = True
            """,
            head=patch,
        )
    )
    assert running.wait_lines("out.log", 3) == [b"line 0", b"line 1", b"line 2"]
    running.wait_print(r"(?m)^in source s_test#0$")
    assert running.stop().delivered == 3


def test_with_an_ack_tracker_and_suspend(engine: StartEngine, patch: str) -> None:
    """Without it: acknowledgements never come, or nobody wakes the source up."""
    running = engine(
        source(
            """
            def init(self, options):
                from syslogng import ConsecutiveAckTracker
                self.ack_tracker = ConsecutiveAckTracker(self.acked)
                self.awake = True
                return True
            def acked(self, bookmark):
                if bookmark == 199:
                    print("acked", threading.current_thread().name, flush=True)
            def run(self):
                for number in range(200):
                    while not self.awake:
                        time.sleep(0.001)
                    self.post_message(LogMessage("m", bookmark=number))
                self.sleep(1000)
            def suspend(self):
                self.awake = False
            def wakeup(self):
                self.awake = True
            def request_exit(self):
                pass
            """,
            head=patch,
            driver="log-iw-size(20)",
        )
    )
    running.wait_print("acked acks s_test#0")
    assert running.stop().delivered == 200


def test_an_asynchronous_source(engine: StartEngine, patch: str) -> None:
    """Without it: a coroutine has no loop to run on."""
    running = engine(
        source(
            """
            async def run(self):
                import asyncio
                for number in range(500):
                    await self.post("m")
                await asyncio.sleep(0.01)
                print("done", flush=True)
                await asyncio.sleep(1000)
            """,
            head=patch,
            driver="log-iw-size(50)",
        )
    )
    running.wait_print("done")
    assert running.stop().delivered == 500


def test_a_source_that_is_stuck(engine: StartEngine, patch: str) -> None:
    """Without it: the log does not show where a source stands, because its number is that of a greenlet."""
    running = engine(
        source(
            """
            def run(self):
                print("done", flush=True)
                hanging()
            def request_exit(self):
                pass
            """,
            head=patch + "\npython {\ndef hanging():\n    while True:\n        sum(range(1000))\n};",
            driver="stop-timeout(0.2)",
        )
    )
    running.wait_print("done")
    running.send_signal(signal.SIGTERM)
    assert running.wait_exit() == 0
    assert running.stderr.find(r"run\(\) has not returned 0\.2 s after request_exit\(\)(?s:.*)in hanging\n")


def test_reload(engine: StartEngine, patch: str) -> None:
    """Without it: the second start is not the first."""
    body = """
    def run(self):
        self.post_message("NAME")
        print("runs NAME", flush=True)
        while not self.exit_requested:
            time.sleep(0.05)
    def request_exit(self):
        pass
    """
    running = engine(source(body.replace("NAME", "one"), head=patch))
    running.wait_print("runs one")
    (running.directory / "test.conf").write_text(source(body.replace("NAME", "two"), head=patch))
    running.send_signal(signal.SIGHUP)
    running.wait_print("runs two")
    assert running.stop().delivered == 2
