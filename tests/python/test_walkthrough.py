"""Sentences of the interface that have no test in the files of their parts: each as a small configuration."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness import GONE, Delivered, Engine, RunSource, StartEngine, gone, inrush, source, source_that


def stats_of(running: Engine) -> Any:
    """The statistics of an engine that was started with a control socket."""
    done = inrush("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    assert (done.code, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


class TestNames:
    """Persist names and the labels of the statistics."""

    CLASS = """
    @staticmethod
    def generate_persist_name(options):
        return options["name"]

    def run(self):
        print(self.persist_name, flush=True)
        print("done", flush=True)

    def request_exit(self):
        pass
    """

    def test_labels(self, engine: StartEngine) -> None:
        """Without it: a dashboard cannot tell the classes and instances of sources apart."""
        running = engine(
            source(self.CLASS, driver='options("name" "one")'), "--control", "control", "--metrics", "0"
        )
        running.wait_print("done")
        (found,) = stats_of(running)["sources"]
        assert (found["driver"], found["class"], found["instance"]) == ("python", "Source", "one")
        address = running.wait_log(r"metrics at (http://\S+)")[1]
        with urllib.request.urlopen(address, timeout=40) as answer:
            text = answer.read().decode()
        labels = 'source="s_test#0",driver="python",class="Source",instance="one"'
        assert f"inrush_source_info{{{labels}}} 1\n" in text

    def test_no_instance_without_the_method(self, engine: StartEngine) -> None:
        """Without it: the label says something that nobody said."""
        running = engine(source_that("pass"), "--control", "control")
        (found,) = stats_of(running)["sources"]
        assert (found["class"], found["instance"]) == ("Source", None)

    def test_a_given_name_wins(self, run_source: RunSource) -> None:
        """Without it: naming a source in the configuration does not move it from a name that is taken."""
        conf = source(self.CLASS, driver='options("name" "one") persist-name("two")')
        assert run_source(conf)[0] == "python-source.two"


class TestRestart:
    """`restart()` and `stop-timeout()`"""

    def test_always(self, run_source: RunSource) -> None:
        """Without it: `restart(always)` is ignored when run() returns."""
        conf = source(
            """
            runs = 0
            def run(self):
                self.runs += 1
                print("run", self.runs, flush=True)
                if self.runs == 3:
                    print("done", flush=True)
                    while self.sleep(1): pass
            def request_exit(self):
                pass
            """,
            driver="restart(always) restart-backoff(0.01 0.01)",
        )
        assert run_source(conf) == ["run 1", "run 2", "run 3", "done"]

    @pytest.mark.parametrize("driver", ["", "restart(on-failure)"])
    def test_a_return_is_the_end_unless_always(self, engine: StartEngine, driver: str) -> None:
        """Without it: a source that is done begins anew."""
        conf = source(
            "def run(self):\n    print('once', flush=True)\ndef request_exit(self):\n    pass", driver=driver
        )
        running = engine(conf, "--control", "control")
        running.wait_until(lambda: stats_of(running)["sources"][0]["state"] == "ended", "its end")
        running.stop()
        assert running.stdout.lines == ["once"]


class TestCredit:
    """Credit: what a source may have in flight."""

    def test_the_window_that_was_not_written_is_shown(self, engine: StartEngine) -> None:
        """Without it: nobody knows how far a source may be ahead."""
        running = engine(source_that("pass"), "--control", "control")
        (found,) = stats_of(running)["sources"]
        assert found["window"] > 100
        assert (found["free"], found["free_bytes"]) == (found["window"], 64 * 1024 * 1024)

    def test_a_whole_window_is_posted_without_a_wait(self, engine: StartEngine) -> None:
        """Without it: a source that posts as much as it may stands still before it can look at its
        acknowledgements."""
        body = """
        def init(self, options):
            import inrush
            self.ack_tracker = inrush.InstantAckTracker(lambda mark: None)
            return True

        def run(self):
            for number in range(40):
                self.post_message(str(number))
            print(self.is_suspended(), flush=True)
            print("done", flush=True)

        def request_exit(self):
            pass
        """
        running = engine(
            gone(source(body, driver="log-iw-size(40)", head="options { time-reopen(0.05); };")),
            "--control",
            "control",
        )
        running.wait_print("True\ndone")
        assert stats_of(running)["sources"][0]["free"] == 0
        running.make_gone()
        running.wait_lines("gone/out.log", 40)

    def test_bytes_hold_a_source_back_and_a_larger_message_passes_alone(self, engine: StartEngine) -> None:
        """Without it: a flood of large messages takes the memory, or one that is too large blocks its
        source."""
        run = """
        for number in range(5):
            self.post_message("x" * 5000)
            print("posted", number, flush=True)
        """
        conf = gone(
            source_that(run, driver="max-inflight-bytes(1000)", head="options { time-reopen(0.05); };")
        )
        running = engine(conf, "--control", "control")
        running.wait_until(
            lambda: stats_of(running)["sources"][0]["state"] == "waiting for credit", "a source that waits"
        )
        assert running.stdout.lines == ["posted 0"]
        running.make_gone()
        running.wait_print("done")
        assert [len(line) for line in running.wait_lines("gone/out.log", 5)] == [5000] * 5

    def test_one_slow_path_holds_back_all(self, engine: StartEngine) -> None:
        """Without it: credit comes back before the last copy is written."""
        conf = source_that(
            "for n in range(30): self.post_message(str(n))",
            driver="log-iw-size(10)",
            head=GONE,
            log='destination { file("gone/other.log" template("$MSG\\n")); };',
        )
        running = engine(conf, "--control", "control")
        running.wait_lines("out.log", 10)
        running.wait_until(
            lambda: stats_of(running)["sources"][0]["state"] == "waiting for credit", "a source that waits"
        )
        assert "done" not in running.stdout.text
        running.make_gone()
        running.wait_print("done")
        assert len(running.wait_lines("gone/other.log", 30)) == 30


class TestTrackers:
    """Acknowledgements by word and by letter."""

    @pytest.mark.parametrize(
        "made",
        [
            "inrush.InstantAckTracker(ack_callback=self.told)",
            "inrush.ConsecutiveAckTracker(ack_callback=self.told)",
            "inrush.BatchedAckTracker(timeout=0, batch_size=3, batched_ack_callback=self.told)",
            "inrush.BatchedAckTracker(0, 3, self.told)",
        ],
    )
    def test_by_position_or_keyword(self, engine: StartEngine, made: str) -> None:
        """Without it: code that runs elsewhere is a TypeError."""
        body = f"""
        def init(self, options):
            import inrush
            self.ack_tracker = {made}
            return True

        def told(self, what):
            print("told", what, flush=True)

        def run(self):
            for number in range(3):
                message = LogMessage(str(number))
                message.set_bookmark(number)
                self.post_message(message)

        def request_exit(self):
            pass
        """
        running = engine(source(body))
        running.wait_print("told")
        running.stop()
        text = running.stdout.text
        if "Batched" in made:
            assert sorted(re.findall(r"\d", text)) == ["0", "1", "2"]
        else:
            assert "told 2" in text

    def test_the_rest_of_a_batch_is_told_at_the_end(self, engine: StartEngine) -> None:
        """Without it: the last bookmarks of a source are never told."""
        body = """
        def init(self, options):
            import inrush
            self.ack_tracker = inrush.BatchedAckTracker(0, 100, lambda marks: print(sorted(marks), flush=True))
            return True

        def run(self):
            for number in range(3):
                self.post_message(str(number), bookmark=number)
            print("done", flush=True)

        def request_exit(self):
            pass
        """
        running = engine(source(body))
        running.wait_lines("out.log", 3)
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == ["done", "[0, 1, 2]"]

    @pytest.mark.parametrize("mark", ["0", "''", "b''", "False", "()"])
    def test_false_bookmarks_are_bookmarks(self, engine: StartEngine, mark: str) -> None:
        """Without it: the first position of a file is taken for none."""
        body = f"""
        def init(self, options):
            import inrush
            self.ack_tracker = inrush.InstantAckTracker(lambda mark: print("told", repr(mark), flush=True))
            return True

        def run(self):
            self.post_message(LogMessage("x", {mark}))

        def request_exit(self):
            pass
        """
        running = engine(source(body))
        running.wait_print("told " + re.escape(mark))

    def test_a_message_without_a_way_is_acknowledged_at_once(self, engine: StartEngine) -> None:
        """Without it: a source whose messages nobody wants stands still after its window."""
        run = """
        for number in range(100): self.post_message(str(number), bookmark=number)
        """
        init = """
        def init(self, options):
            import inrush
            def told(mark):
                if mark == 99: print("all told", flush=True)
            self.ack_tracker = inrush.ConsecutiveAckTracker(told)
            return True
        """
        conf = source_that(run, init, driver="log-iw-size(10)")
        conf = re.sub(r"destination \{.*?\}; \}; ", "", conf)
        running = engine(conf)
        running.wait_print("done")
        running.wait_print("all told")
        assert running.stop().delivered == 100


class TestPersist:
    """`Persist` by word and by letter."""

    def test_arguments_and_errors(self, run_source: RunSource) -> None:
        """Without it: code that runs elsewhere fails here, or what fails there is kept as something else."""
        run = """
        from syslogng import Persist
        store = Persist(persist_name="p", defaults={"a": 1, "b": "two", "c": b"\\xff"})
        print(store["a"], store[b"b"], store["c"], store.persist_name, sorted(store), "a" in store)
        store["big"] = 1 << 100
        print(store["big"] == 1 << 100, Persist("p", {"a": 7})["a"], "big" in Persist("pp"))
        def raised(what):
            try:
                what()
            except Exception as error:
                print(type(error).__name__, error)
        raised(lambda: store["no"])
        raised(lambda: store[1])
        raised(lambda: store.__setitem__("x", 1.5))
        raised(lambda: setattr(store, "persist_name", "q"))
        raised(lambda: Persist("a##b"))
        """
        lines = run_source(source_that(run))
        assert lines[0] == "1 two b'\\xff' p ['a', 'b', 'c'] True"
        assert lines[1] == "True 1 False"
        assert lines[2] == "KeyError 'no'"
        assert lines[3].startswith("TypeError")
        assert lines[4].startswith("TypeError")
        assert "string, integer or bytes" in lines[4]
        assert lines[5].startswith("AttributeError")
        assert lines[6].startswith("ValueError")


class TestAdditions:
    """Additions of Inrush, where no other file looks."""

    def test_partial_buffers(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: a line that a socket has cut in two becomes two messages."""
        run = """
        print(self.post_buffer(b"one\\ntwo\\nthr", partial=True))
        print(self.post_buffer(b"four\\n\\nfive", keep_empty=True))
        print(self.post_messages(iter([LogMessage("six"), "seven", b"eight"])))
        print(self.try_post_message("nine"), self.is_suspended(), self.exit_requested)
        print(self.wait_until_writable(0))
        """
        assert run_source(source_that(run)) == ["8", "10", "3", "True False False", "True", "done"]
        assert delivered() == [b"one", b"two", b"four", b"", b"five", b"six", b"seven", b"eight", b"nine"]

    def test_a_traceback_names_the_line_of_the_file(self, engine: StartEngine) -> None:
        """Without it: a user looks for the mistake in a file that does not exist."""
        conf = source_that("raise ValueError('here')", driver="restart(never)")
        line = 1 + next(n for n, text in enumerate(conf.splitlines()) if "raise ValueError" in text)
        running = engine(conf)
        running.wait_log(rf'File "\S*test\.conf", line {line}, in run')

    @pytest.mark.parametrize(
        ("class_name", "said"),
        [
            ("Sauce", "Sauce"),
            ("nowhere.Source", "nowhere"),
            ("threading.Thread", "does not derive from LogSource"),
        ],
    )
    def test_check_shows_the_place_of_the_class(self, tmp_path: Path, class_name: str, said: str) -> None:
        """Without it: a slip in class("…") is found at the next start."""
        conf = source_that("pass").replace('class("Source")', f'class("{class_name}")')
        (tmp_path / "test.conf").write_text(conf)
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        line = 1 + next(n for n, text in enumerate(conf.splitlines()) if text.startswith("source"))
        assert done.code == 1
        assert re.search(rf"test\.conf:{line}:\d+", done.stderr), done
        assert said in done.stderr
