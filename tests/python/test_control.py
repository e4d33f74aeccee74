"""The control socket and `inrush ctl`, on engines that run, hang and stop."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from harness import GONE, Engine, Result, StartEngine, gone, source_that
from harness import inrush as command

IDLE = source_that("pass")
# What a callback blocks in until the test makes a file.
UNTIL_GO = "while not __import__('pathlib').Path('go').exists(): time.sleep(0.01)"


def ctl(running: Engine, *words: str) -> Result:
    """`inrush ctl` on the socket of an engine."""
    return command("ctl", "--control", "control", *words, cwd=running.directory)


def asked(running: Engine, *words: str) -> str:
    """The output of `inrush ctl`, which must succeed."""
    done = ctl(running, *words)
    assert (done.code, done.stderr) == (0, ""), (done, running.report())
    return done.stdout


def stats(running: Engine) -> Any:
    """The statistics; they must add up, source by source and together."""
    found = json.loads(asked(running, "stats", "--json"))
    for counted in found["sources"]:
        dropped = sum(counted["dropped"].values())
        assert counted["posted"] == counted["delivered"] + dropped + counted["in_flight"], counted
    for counted in [found, *found["destinations"]]:
        assert counted["posted"] == counted["delivered"] + counted["dropped"] + counted["in_flight"], counted
    return found


def state(running: Engine) -> str:
    """The state of the first source."""
    found: str = stats(running)["sources"][0]["state"]
    return found


def start(engine: StartEngine, conf: str, *arguments: str, **options: Any) -> Engine:
    """An engine with a control socket."""
    return engine(conf, "--control", "control", *arguments, **options)


def go(running: Engine) -> None:
    """Lets whoever blocks in UNTIL_GO go on."""
    (running.directory / "go").touch()


def test_socket_is_private_and_goes_with_the_engine(engine: StartEngine) -> None:
    """Without it: others on the machine ask the engine, or find the socket of one that is gone."""
    running = start(engine, IDLE)
    path = running.directory / "control"
    found = path.stat().st_mode
    assert (stat.S_ISSOCK(found), stat.S_IMODE(found)) == (True, 0o600)
    running.stop()
    assert not path.exists()


def test_no_socket_unless_asked_for(engine: StartEngine) -> None:
    """Without it: an engine can be stopped through a socket that nobody wanted."""
    running = engine(IDLE, env={"INRUSH_CONTROL": "control"})
    running.wait_print("done")
    assert sorted(path.name for path in running.directory.iterdir()) == ["test.conf"]


def test_stats_add_up_while_it_runs(engine: StartEngine) -> None:
    """Without it: only the end of an engine tells what became of the messages."""
    conf = source_that(
        "while not self.exiting.is_set():\n    self.post_messages(['a', 'b', 'c'])\n    self.sleep(0)"
    )
    running = start(engine, conf)
    running.wait_lines("out.log", 1)
    before = 0
    for _ in range(5):
        found = stats(running)
        assert found["posted"] >= before
        before = found["posted"]
    assert (found["phase"], found["pid"]) == ("running", running.process.pid)
    assert [counted["id"] for counted in found["sources"]] == ["s_test#0"]
    text = asked(running, "stats")
    assert "SOURCE" in text
    assert "DESTINATION" in text
    assert running.stop().posted >= before


def test_answers_while_a_source_holds_the_interpreter(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: the engine is mute just when one wants to know what a source does."""
    conf = source_that(
        """
        import ctypes, os
        self.post_message("before")
        self.close_batch()
        pipe = os.open("pipe", os.O_RDONLY)
        print("holding", flush=True)
        ctypes.PyDLL(None).read(pipe, ctypes.create_string_buffer(1), 1)
        """
    )
    os.mkfifo(tmp_path / "pipe")
    # Both ends, so that neither open waits for the other.
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        running = start(engine, conf, started=False)
        running.wait_print("holding")
        # What was posted arrives without the interpreter too.
        running.wait_lines("out.log", 1)
        found = stats(running)
        assert (found["posted"], found["delivered"]) == (1, 1)
        assert found["sources"][0]["state"] == "running"
        assert asked(running, "log-level").strip() == "notice"
        assert "done" not in running.stdout.text
    finally:
        os.write(pipe, b"x")
        os.close(pipe)
    running.wait_print("done")


def test_answers_while_run_sleeps(engine: StartEngine) -> None:
    """Without it: a source that blocks is not seen by those who look."""
    running = start(engine, source_that(f"print('sleeping', flush=True)\n{UNTIL_GO}"))
    running.wait_print("sleeping")
    assert state(running) == "running"
    assert "running" in asked(running, "sources")
    go(running)
    running.wait_print("done")


def test_answers_while_init_hangs(engine: StartEngine) -> None:
    """Without it: an engine that does not get up cannot be asked why."""
    conf = source_that(
        "pass", f"def init(self, options):\n    print('init', flush=True)\n    {UNTIL_GO}\n    return True"
    )
    running = start(engine, conf, started=False)
    running.wait_print("init")
    assert (stats(running)["phase"], state(running)) == ("starting", "starting")
    go(running)
    running.wait_started()


def test_answers_while_the_main_thread_hangs_in_a_stop(engine: StartEngine) -> None:
    """Without it: nobody can see what a stop waits for."""
    hanging = f"print('asked', flush=True)\n        {UNTIL_GO}\n        self.exiting.set()"
    conf = source_that("self.post_message('x')").replace("self.exiting.set()", hanging)
    running = start(engine, conf)
    running.wait_print("done")
    assert asked(running, "stop") == "stopping\n"
    running.wait_print("asked")
    assert (stats(running)["phase"], state(running)) == ("stopping", "stopping")
    refused = ctl(running, "reload")
    assert (refused.code, refused.stderr) == (1, "inrush ctl: the engine is stopping\n")
    assert asked(running, "stop") == "stopping\n", "asking again ends nothing early"
    go(running)
    assert running.wait_exit() == 0, running.report()
    running.totals().check()
    assert not (running.directory / "control").exists()


def test_no_socket_is_left_when_a_stop_is_given_up(engine: StartEngine) -> None:
    """Without it: after an impatient stop the next engine finds a socket in its way."""
    conf = source_that("pass").replace("self.exiting.set()", "print('asked', flush=True); time.sleep(3600)")
    running = start(engine, conf)
    running.wait_print("done")
    asked(running, "stop")
    running.wait_print("asked")
    running.send_signal(signal.SIGTERM)
    running.wait_until(lambda: stats(running)["phase"] == "stopping", "stopping")
    while running.process.poll() is None:
        running.send_signal(signal.SIGTERM)
    assert running.wait_exit() == 2
    assert "time.sleep(3600)" in running.stderr.text
    assert not (running.directory / "control").exists()


def test_stop(engine: StartEngine) -> None:
    """Without it: a stop through the socket loses what a signal would have delivered."""
    running = start(engine, source_that("for n in range(20000):\n    self.post_message(str(n))"))
    running.wait_print("done")
    assert asked(running, "stop") == "stopping\n"
    assert running.wait_exit() == 0
    totals = running.totals()
    totals.check()
    assert (totals.posted, totals.delivered) == (20000, 20000)


def test_reload(engine: StartEngine) -> None:
    """Without it: a script cannot know whether the configuration that it wrote is in use."""
    conf = source_that("self.post_message('old')")
    running = start(engine, conf)
    running.wait_lines("out.log", 1)
    (running.directory / "test.conf").write_text(conf.replace("'old'", "'new'"))
    changes = "sources: replaced s_test#0\ndestinations: kept #anon-destination0#0\n"
    assert asked(running, "reload") == f"reloaded\n{changes}"
    assert running.wait_lines("out.log", 2) == [b"old", b"new"]
    running.wait_until(lambda: stats(running)["delivered"] == 2, "two delivered, over both configurations")
    assert [counted["id"] for counted in stats(running)["sources"]] == ["s_test#0"]
    assert running.stop().posted == 2


def test_reload_tells_warnings(engine: StartEngine) -> None:
    """Without it: what is accepted but not meant is only in the log."""
    running = start(engine, IDLE)
    (running.directory / "test.conf").write_text(IDLE.replace("python(class", "python(imports(json) class"))
    said = asked(running, "reload")
    assert said.startswith("reloaded\n")
    assert "\nwarning: imports() is an old spelling" in said
    assert "test.conf:" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sauce s { };", "did you mean `source`"),
        (IDLE.replace('class("Source")', 'class("Sauce")'), "Sauce"),
        (source_that("pass", "def init(self, options):\n    raise ValueError('not today')"), "not today"),
    ],
    ids=["syntax", "class", "init"],
)
def test_reload_of_a_bad_configuration(engine: StartEngine, text: str, said: str) -> None:
    """Without it: `reload` says nothing of what is wrong, or the engine is down afterwards."""
    conf = source_that("while not self.exiting.is_set():\n    self.post_message('x')\n    self.sleep(0.01)")
    running = start(engine, conf)
    path = running.directory / "test.conf"
    path.write_text(text)
    done = ctl(running, "reload")
    assert (done.code, done.stdout) == (1, "")
    assert "the new configuration is not accepted" in done.stderr
    assert said in done.stderr
    before = stats(running)["delivered"]
    running.wait_until(lambda: stats(running)["delivered"] > before, "messages by the old configuration")
    path.write_text(conf)
    assert asked(running, "reload").startswith("reloaded\n")


def test_log_level(engine: StartEngine) -> None:
    """Without it: one has to stop a source to see its debug messages."""
    conf = source_that(
        """
        import logging
        n = 0
        while not self.exiting.is_set():
            logging.getLogger("mine").debug("number %d", n)
            n += 1
            self.sleep(0.01)
        """
    )
    running = start(engine, conf)
    assert asked(running, "log-level") == "notice\n"
    assert "number" not in running.stderr.text
    assert asked(running, "log-level", "debug") == "debug\n"
    running.wait_log(r"debug: python-mine: number \d+")
    running.wait_log("control: the log level is debug, and was notice")
    asked(running, "log-level", "error")
    assert asked(running, "log-level") == "error\n"
    asked(running, "log-level", "notice")
    wrong = ctl(running, "log-level", "loud")
    assert (wrong.code, "notice" in wrong.stderr) == (2, True)


def test_sources_that_fail(engine: StartEngine) -> None:
    """Without it: a source that fails all the time looks like one with nothing to say."""
    conf = source_that(
        """
        self.runs = getattr(self, "runs", 0) + 1
        if self.runs < 3: raise ValueError("no\\n\\x1b[2Jluck")
        """,
        driver="restart-backoff(1 1)",
    )
    running = start(engine, conf)
    running.wait_log("is called again")
    running.wait_print("done")
    found = stats(running)["sources"][0]
    assert (found["exceptions"], found["restarts"], found["state"]) == (2, 2, "running")
    assert found["last_error"] == "run(): ValueError: no\n\x1b[2Jluck"
    assert r"run(): ValueError: no\n\u{1b}[2Jluck" in asked(running, "sources")


def test_source_that_has_returned(engine: StartEngine) -> None:
    """Without it: a source that is at its end looks alive."""
    running = start(engine, source_that("return"))
    running.wait_until(lambda: state(running) == "ended", "the end of run()")


def test_source_that_waits_for_credit(engine: StartEngine) -> None:
    """Without it: nobody sees that a source is held back, and by what."""
    conf = gone(
        source_that("for n in range(100): self.post_message(str(n))", driver="log-iw-size(10)", head=GONE)
    )
    running = start(engine, conf)
    running.wait_until(lambda: state(running) == "waiting for credit", "a source that waits")
    found = stats(running)
    assert (found["posted"], found["in_flight"], found["delivered"]) == (10, 10, 0)
    assert found["destinations"][0]["suspended"] is True
    running.make_gone()
    running.wait_print("done")
    running.wait_until(lambda: stats(running)["delivered"] == 100, "everything delivered")


def test_a_second_engine_is_refused(engine: StartEngine) -> None:
    """Without it: two engines write the same files, and the socket leads to one of them."""
    running = start(engine, IDLE)
    second = command("run", "-f", "test.conf", "--control", "control", cwd=running.directory)
    assert second.code == 1
    assert f"another engine listens there (process {running.process.pid})" in second.stderr
    assert "done" not in second.stdout
    assert stats(running)["pid"] == running.process.pid


def test_a_stale_socket_is_replaced(engine: StartEngine) -> None:
    """Without it: an engine that was killed cannot be started again."""
    running = start(engine, IDLE)
    running.process.kill()
    running.wait_exit()
    assert (running.directory / "control").exists()
    lost = ctl(running, "stats")
    assert (lost.code, "nobody listens on control" in lost.stderr) == (1, True)
    again = start(engine, IDLE)
    assert stats(again)["pid"] == again.process.pid


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    """Without it: a slip in a service file removes something of value."""
    (tmp_path / "test.conf").write_text(IDLE)
    (tmp_path / "notes").write_text("of value")
    for name, said in [("notes", "not a socket"), ("test.conf", "--control and --file name one file")]:
        done = command("run", "-f", "test.conf", "--control", name, cwd=tmp_path)
        assert done.code == 1
        assert said in done.stderr
    assert (tmp_path / "notes").read_text() == "of value"
    assert (tmp_path / "test.conf").read_text() == IDLE


def test_ctl_without_an_engine(tmp_path: Path) -> None:
    """Without it: a monitoring script takes silence for health."""
    for arguments, env, said in [
        (["stats"], {}, "--control SOCKET or in INRUSH_CONTROL"),
        (["stats"], {"INRUSH_CONTROL": "nowhere"}, "there is no socket nowhere"),
        (["--control", "here", "stop"], {"INRUSH_CONTROL": "nowhere"}, "there is no socket here"),
        (["reload", "--control", "here"], {}, "there is no socket here"),
    ]:
        done = command("ctl", *arguments, cwd=tmp_path, env=env)
        assert (done.code, done.stdout) == (1, ""), done
        assert done.stderr.startswith("inrush ctl: ")
        assert said in done.stderr


def test_ctl_help(tmp_path: Path) -> None:
    """Without it: the commands are secrets."""
    done = command("ctl", "--help", cwd=tmp_path)
    assert done.code == 0
    for word in ("stats", "sources", "reload", "stop", "log-level", "--control", "INRUSH_CONTROL"):
        assert word in done.stdout


def test_stop_and_wait(engine: StartEngine) -> None:
    """Without it: a script that replaces an engine starts the next one beside it."""
    running = start(engine, IDLE)
    assert asked(running, "stop", "--wait") == "stopped\n"
    assert running.process.poll() is not None or running.process.wait(1) == 0
    running.wait_exit()
    assert "inrush: stopped" in running.stderr.text
