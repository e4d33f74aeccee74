"""The end of the interpreter, after the engine's: nothing holds the process up beyond the bound, and the log
has one line a record."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from harness import Engine, StartEngine, inrush, script, source, source_that

HANGS = """python {
import atexit, threading, time
def hanging_at_exit():
    print("ending", flush=True)
    time.sleep(1000)
atexit.register(hanging_at_exit)
};"""
REFUSED = 'source s { python(class("Missing")); }; log { source(s); destination { file("out.log"); }; };'


def check_given_up(running: Engine, why: str) -> None:
    """The process has ended with the code of a stop that was given up, and with the place at which it
    hung."""
    assert running.wait_exit() == 2, running.report()
    assert running.stderr.find(f"error: the engine has stopped.*{why}"), running.report()
    assert running.stderr.find(r"the main thread stands here:\n(?s:.*)in hanging_at_exit\n"), running.report()


class TestAtexit:
    """A function of atexit that does not come back."""

    def test_the_bound_of_the_stop_holds(self, engine: StartEngine) -> None:
        """Without it: a client that flushes to a dead server keeps the process, after "stopped", for ever."""
        running = engine(source_that("", head=HANGS, driver="stop-timeout(0.1)"))
        running.wait_print("done")
        running.send_signal(signal.SIGTERM)
        check_given_up(running, "takes too long and is given up")
        running.totals().check()

    def test_a_third_signal_ends_it_at_once(self, engine: StartEngine) -> None:
        """Without it: the first signal of somebody who is in a hurry kills the process without a word, or
        none does."""
        running = engine(source_that("", head=HANGS, driver="stop-timeout(500)"))
        running.wait_print("done")
        running.send_signal(signal.SIGTERM)
        running.wait_print("ending")
        running.send_signal(signal.SIGTERM)
        running.wait_log("a third signal ends it at once")
        # Rotation of logs is no reason to end.
        running.send_signal(signal.SIGHUP)
        running.send_signal(signal.SIGTERM)
        check_given_up(running, "ended by a third signal")

    def test_after_a_start_that_failed(self, engine: StartEngine) -> None:
        """Without it: a configuration that is refused leaves a process that nobody stops."""
        running = engine(f"@version: current\n{HANGS}\n{REFUSED}", started=False)
        check_given_up(running, "takes too long and is given up")
        assert running.stderr.find("the configuration is not accepted")

    def test_with_a_thread_that_does_not_end(self, engine: StartEngine) -> None:
        """Without it: the way out of those whose threads go on has no bound."""
        run = "threading.Thread(target=time.sleep, args=(1000,)).start()"
        running = engine(source_that(run, head=HANGS, driver="stop-timeout(0.1)"))
        running.wait_print("done")
        running.send_signal(signal.SIGTERM)
        check_given_up(running, "takes too long and is given up")

    def test_one_that_comes_back_is_waited_for(self, engine: StartEngine) -> None:
        """Without it: a flush at the end is cut off."""
        head = HANGS.replace("time.sleep(1000)", 'time.sleep(1); print("flushed", flush=True)')
        running = engine(source_that("", head=head))
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines[-1] == "flushed"


class TestCheck:
    """`inrush check`, whose blocks have run as those of `run` have."""

    def conf(self, head: str) -> str:
        """A right configuration after a block."""
        return source("def run(self): pass", head=head)

    def test_atexit(self, tmp_path: Path) -> None:
        """Without it: a check in a pipeline of deployment says "ok" and stays for ever."""
        (tmp_path / "c.conf").write_text(self.conf(HANGS))
        done = inrush("check", "-f", "c.conf", cwd=tmp_path)
        assert done.code == 2
        assert done.stdout.splitlines() == ["ok: 1 source, 1 destination, 1 path", "ending"]
        assert "error: the check is done, and what Python does at its end" in done.stderr
        assert re.search(r"the main thread stands here:\n(?s:.*)in hanging_at_exit\n", done.stderr), done

    def test_an_object_that_is_let_go(self, tmp_path: Path) -> None:
        """Without it: the same of what the interpreter does when nobody can look any more."""
        head = (
            "python {\nimport time\nclass Client:\n    def __del__(self, sleep=time.sleep): sleep(1000)\n"
            "client = Client()\n};"
        )
        (tmp_path / "c.conf").write_text(self.conf(head))
        done = inrush("check", "-f", "c.conf", cwd=tmp_path)
        assert (done.code, done.stdout) == (2, "ok: 1 source, 1 destination, 1 path\n")
        assert "error: the check is done, and what Python does at its end" in done.stderr

    @pytest.mark.parametrize("daemon", [True, False])
    def test_a_thread_that_does_not_end(self, tmp_path: Path, daemon: bool) -> None:
        """Without it: a module that starts a thread of its own cannot be checked."""
        head = (
            "python {\nimport atexit, threading, time\natexit.register(print, 'flushed')\nprint('block')\n"
            f"threading.Thread(target=time.sleep, args=(1000,), daemon={daemon}).start()\n}};"
        )
        (tmp_path / "c.conf").write_text(self.conf(head))
        done = inrush("check", "-f", "c.conf", cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        assert done.stdout.splitlines() == ["block", "ok: 1 source, 1 destination, 1 path", "flushed"]

    def test_a_thread_that_does_not_end_and_prints_that_nobody_takes(self, tmp_path: Path) -> None:
        """Without it: the way out of those whose threads go on loses what was printed, with exit code 0."""
        head = (
            "python {\nimport threading, time\nprint('block')\n"
            "threading.Thread(target=time.sleep, args=(1000,)).start()\n};"
        )
        (tmp_path / "c.conf").write_text(self.conf(head))
        with Path("/dev/full").open("wb") as full:
            done = inrush("check", "-f", "c.conf", cwd=tmp_path, stdout=full)
        assert done.code == 1
        assert "inrush: cannot write what was printed: No space left on device\n" in done.stderr

    def test_one_that_comes_back_is_waited_for(self, tmp_path: Path) -> None:
        """Without it: a flush at the end is cut off, or what was found is no longer the exit code."""
        head = HANGS.replace("time.sleep(1000)", "time.sleep(1); print('flushed', flush=True)")
        (tmp_path / "c.conf").write_text(f"@version: current\n{head}\n{REFUSED}")
        done = inrush("check", "-f", "c.conf", cwd=tmp_path)
        assert (done.code, done.stdout) == (1, "ending\nflushed\n")


def test_a_source_that_closes_all_descriptors_can_be_stopped(engine: StartEngine) -> None:
    """Without it: who turns itself into a daemon takes the engine's own pipe for signals along, and no
    SIGTERM ends it."""
    running = engine(source_that("import os; os.closerange(3, 1000)", driver="stop-timeout(0.1)"))
    running.wait_print("done")
    running.send_signal(signal.SIGTERM)
    running.wait_exit()
    assert running.stderr.find("inrush: stopped; 0 posted = 0 delivered"), running.report()


LOGS = """python {
import atexit, logging
from syslogng import Logger
@atexit.register
def closing():
    logging.getLogger("lib").error("closing")
    Logger().error("closed")
};"""


def check_once(text: str) -> None:
    """Both records are there, once each, and plain."""
    assert len(re.findall(r"(?m)^\S+ error: python-lib: closing$", text)) == 1, text
    assert len(re.findall(r"(?m)^\S+ error: closed$", text)) == 1, text
    assert text.count("clos") == 2
    assert len(text) < 3000


class TestLogging:
    """Logging while the interpreter ends."""

    def test_after_the_engine(self, engine: StartEngine) -> None:
        """Without it: each record at the end is 116 KB of the handler and the logger calling each other."""
        running = engine(source_that("", head=LOGS))
        running.wait_print("done")
        running.stop()
        check_once(running.stderr.text)

    @pytest.mark.parametrize("command", ["run", "check"])
    def test_after_a_configuration_that_is_refused(self, tmp_path: Path, command: str) -> None:
        """Without it: the reason for the refusal scrolls away."""
        (tmp_path / "c.conf").write_text(f"@version: current\n{LOGS}\n{REFUSED}")
        done = inrush(command, "-f", "c.conf", cwd=tmp_path)
        assert done.code == 1
        check_once(done.stderr)

    def test_after_a_check(self, tmp_path: Path) -> None:
        """Without it: a check that finds nothing says 116 KB."""
        (tmp_path / "c.conf").write_text(source("def run(self): pass", head=LOGS))
        done = inrush("check", "-f", "c.conf", cwd=tmp_path)
        assert done.code == 0
        check_once(done.stderr)

    def test_without_an_engine(self) -> None:
        """Without it: a script that sets the engine's logging up recurses at its first record."""
        code = """
        import logging
        from syslogng.logger import Logger, setup_logging
        setup_logging()
        logging.getLogger("lib").warning("one")
        logging.getLogger("lib").info("not shown")
        Logger().error("two")
        """
        done = script(code)
        assert done.code == 0, done.stderr
        assert done.stderr.splitlines() == ["python-lib: one", "python-root: two"]
