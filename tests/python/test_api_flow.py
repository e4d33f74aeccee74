"""Flow control: who waits for the destination, who is told, who wakes up."""

from __future__ import annotations

import signal

import pytest

from harness import GONE, RunSource, StartEngine, gone, numbered, source, source_that


class TestFlowControl:
    """Credit: who waits, who is told, who wakes up."""

    def test_post_waits_for_the_destination_and_loses_nothing(self, engine: StartEngine) -> None:
        """Without it: a destination that stands still fills the memory, or drops messages."""
        conf = source_that(
            "for n in range(1000):\n    self.post_message(LogMessage(str(n)))\n    print(n, flush=True)",
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        running.wait_print("(?m)^8$")
        assert not running.stdout.find("(?m)^10$")
        running.make_gone()
        assert running.wait_lines("gone/out.log", 1000) == numbered(1000)
        assert running.stop().delivered == 1000

    def test_waiting_posts_let_other_threads_run(self, engine: StartEngine) -> None:
        """Without it: one source without credit stops every Python thread of the process."""
        conf = source(
            """
            def run(self):
                threading.Thread(target=self.tick, daemon=True).start()
                for n in range(100):
                    self.post_message(LogMessage(str(n)))

            def tick(self):
                for n in range(20):
                    time.sleep(0.01)
                print("ticked", flush=True)

            def request_exit(self):
                pass
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("ticked")
        running.make_gone()
        running.wait_lines("gone/out.log", 100)

    def test_suspend_and_wakeup(self, engine: StartEngine) -> None:
        """Without it: a source with suspend() is blocked instead of told, or told twice, or never woken."""
        conf = source(
            """
            def init(self, options):
                self.ready = threading.Event()
                self.ready.set()
                self.exiting = False
                self.suspensions = 0
                return True

            def run(self):
                self.thread = threading.current_thread()
                for n in range(1000):
                    self.ready.wait()
                    if self.exiting:
                        return
                    self.post_message(LogMessage(str(n)))
                print("done", flush=True)

            def suspend(self):
                assert threading.current_thread() is self.thread
                assert self.ready.is_set()
                self.ready.clear()
                self.suspensions += 1
                if self.suspensions == 1:
                    print("suspended", self.is_suspended(), flush=True)

            def wakeup(self):
                self.ready.set()

            def request_exit(self):
                self.exiting = True
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("suspended True")
        assert not running.stdout.find("done")
        running.deliver_numbers(1000)

    def test_posting_while_suspended_loses_nothing(self, engine: StartEngine) -> None:
        """Without it: a source that ignores suspend() loses messages and never knows."""
        conf = source_that(
            "for n in range(100):\n    self.post_message(LogMessage(str(n)))",
            "def suspend(self):\n    pass\n\ndef wakeup(self):\n    pass",
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        running.make_gone()
        assert running.wait_lines("gone/out.log", 100) == numbered(100)

    def test_suspend_without_wakeup_is_refused(self, engine: StartEngine) -> None:
        """Without it: a source suspends itself and sleeps for ever."""
        running = engine(source_that("pass", "def suspend(self):\n    pass"), started=False)
        assert running.wait_exit() != 0
        assert running.stderr.find("wakeup")

    def test_try_post_message_and_waiting(self, engine: StartEngine) -> None:
        """Without it: event loops cannot post without blocking."""
        conf = source_that(
            """
assert not self.is_suspended()
assert self.wait_until_writable(0) and self.wait_until_writable(timeout=600) and self.wait_until_writable()
taken = 0
while self.try_post_message(str(taken)): taken += 1
print("taken", taken, self.is_suspended(), self.wait_until_writable(0.01), flush=True)
while taken < 100:
    if self.try_post_message(LogMessage(str(taken))): taken += 1
    else: self.wait_until_writable(1)
""",
            "def suspend(self):\n    print('suspend() was called')\n\ndef wakeup(self):\n    pass",
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("taken 10 True False")
        running.deliver_numbers(100)
        assert not running.stdout.find(r"suspend\(\) was called")

    @pytest.mark.parametrize(
        "wait", ["self.sleep(600)", "self.wait_until_writable(600)", "self.wait_until_writable()"]
    )
    def test_exit_ends_every_wait(self, engine: StartEngine, wait: str) -> None:
        """Without it: a sleeping source holds up the stop until its time is over."""
        conf = source(
            f"""
            def run(self):
                while self.try_post_message("x"):
                    pass
                print("waiting", self.exit_requested, flush=True)
                result = {wait}
                print("woken", result, self.exit_requested, flush=True)
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("waiting False")
        running.send_signal(signal.SIGTERM)
        running.wait_print("woken False True")
        running.make_gone()
        running.wait_exit()
        running.totals().check()

    def test_sleep_whole(self, run_source: RunSource) -> None:
        """Without it: a source cannot tell a pause from a request to exit."""
        assert run_source(source_that("print(self.sleep(0.01), self.sleep(0), self.exit_requested)")) == [
            "True True False",
            "done",
        ]

    def test_without_request_exit(self, engine: StartEngine) -> None:
        """Without it: a source that uses exit_requested must still define a callback that does nothing."""
        conf = source(
            """
            def run(self):
                print("run", flush=True)
                while not self.exit_requested:
                    self.sleep(600)
                print("seen", flush=True)
            """
        )
        running = engine(conf)
        running.wait_print("run")
        running.stop()
        assert running.stdout.lines == ["run", "seen"]

    def test_stop_while_a_post_waits(self, engine: StartEngine) -> None:
        """Without it: a source that waits for credit can never be stopped, or the message it waits with is
        lost uncounted."""
        conf = source(
            """
            stopping = False

            def run(self):
                n = 0
                while not self.stopping:
                    self.post_message(LogMessage(str(n)))
                    n += 1

            def request_exit(self):
                self.stopping = True
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        running.send_signal(signal.SIGTERM)
        running.wait_exit()
        running.totals().check()
