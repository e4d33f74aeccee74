"""The signals of the engine, from its first moment on."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import PATIENCE, Engine, StartEngine, environment, gone, ran, source, source_that

IDLE = source_that("pass")
ALL = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")
SCRIPT = str(Path(sys.executable).parent / "inrush")

# Put on the path of the interpreter, which runs it before anything else: it raises signals when `{module}` is
# looked for, or whatever is looked for after it.
EARLY = """
import os, sys

class Finder:
    was_seen = False

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "{module}" and not {after} or cls.was_seen:
            sys.meta_path.remove(cls)
            for number in {numbers}:
                os.kill(os.getpid(), number)
        cls.was_seen = name == "{module}"

sys.meta_path.insert(0, Finder)
"""


def early_signals(
    directory: Path, *numbers: signal.Signals, module: str = "inrush._native", after: bool = False
) -> dict[str, str]:
    """The environment of a command that gets the signals before it has a handler."""
    site = directory / "site"
    site.mkdir()
    text = EARLY.format(module=module, after=after, numbers=[int(number) for number in numbers])
    (site / "sitecustomize.py").write_text(text)
    return {"PYTHONPATH": str(site)}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with an idle configuration."""
    (tmp_path / "test.conf").write_text(IDLE)
    return tmp_path


@pytest.fixture
def early(directory: Path) -> dict[str, str]:
    """The environment of an engine that gets SIGHUP, SIGUSR1 and SIGUSR2 before it has a handler."""
    return early_signals(directory, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def test_signals_before_there_are_handlers(engine: StartEngine, early: dict[str, str]) -> None:
    """Without it: whoever reloads a service that has just been started kills it."""
    running = engine(IDLE, env=early)
    running.wait_log("inrush: reloaded")
    running.wait_log("inrush: reopening the files")
    running.wait_log("inrush: the threads of Python")
    running.stop()


def test_the_installed_script_holds_them_back_too(directory: Path, early: dict[str, str]) -> None:
    """Without it: `python -m inrush` lives, and the command of the service file dies."""
    process = subprocess.Popen(
        [SCRIPT, "run", "-f", "test.conf"],
        cwd=directory,
        env=environment(early),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "inrush: reloaded" in line:
                break
        process.terminate()
        rest = process.stderr.read()
        process.stderr.close()
        assert process.wait(PATIENCE) == 0
        assert "inrush: stopped" in rest
    finally:
        process.kill()
        process.wait()


WAYS = {"script": [SCRIPT], "module": [sys.executable, "-m", "inrush"]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("module", "after"), [("inrush.early", True), ("inrush._native", False)], ids=["first", "native"]
)
def test_a_stop_before_there_are_handlers(
    directory: Path, way: str, number: signal.Signals, module: str, after: bool
) -> None:
    """Without it: a service that is stopped while it starts dies with a traceback, or counts as failed."""
    early = early_signals(directory, number, module=module, after=after)
    done = ran(*WAYS[way], "run", "-f", "test.conf", cwd=directory, env=early)
    assert done.code == 0, done
    assert "inrush: stopped" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["check", "-f", "test.conf"], ["--version"], ["persist", "list", "x"]], ids=" ".join
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_other_commands_end_quietly(directory: Path, number: signal.Signals, arguments: list[str]) -> None:
    """Without it: Ctrl-C at the start of a command shows a traceback of the interpreter's imports."""
    done = ran(SCRIPT, *arguments, cwd=directory, env=early_signals(directory, number))
    assert (done.code, done.stdout, done.stderr) == (-number, "", "")


@pytest.mark.parametrize("arguments", [["-c", "import other"], ["-m", "other"], ["other.py"]], ids=" ".join)
def test_a_program_that_imports_the_package_keeps_its_signals(tmp_path: Path, arguments: list[str]) -> None:
    """Without it: a test run that imports the package cannot be ended with SIGHUP."""
    text = "import inrush, signal\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
    (tmp_path / "other.py").write_text(text)
    done = ran(sys.executable, *arguments, cwd=tmp_path)
    assert (done.code, done.stdout) == (0, "set()\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_inherited_mask_is_lifted(tmp_path: Path, number: int) -> None:
    """Without it: an engine that was started by a thread that blocks signals can be neither reloaded nor
    stopped."""
    (tmp_path / "test.conf").write_text(IDLE)
    blocking = (
        "import os, signal, sys; "
        f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{', signal.'.join(ALL)}]); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    running = Engine(tmp_path, tmp_path / "test.conf", prefix=(sys.executable, "-c", blocking))
    try:
        running.wait_started()
        running.send_signal(signal.SIGHUP)
        running.wait_log("inrush: reloaded")
        running.stop(number)
    finally:
        running.close()


def test_a_program_of_a_source_has_no_mask(engine: StartEngine) -> None:
    """Without it: what a source starts cannot be stopped."""
    text = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    running = engine(
        source_that(
            f"import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', {text!r}], capture_output=True, text=True).stdout)"
        )
    )
    running.wait_print("(?m)^done$")
    running.stop()
    assert running.stdout.lines[0] == "set()"


def test_reopen(engine: StartEngine) -> None:
    """Without it: logrotate, which sends SIGUSR1, kills the engine."""
    conf = gone(source_that("self.post_message('x')", head="options { time-reopen(3600); };"))
    running = engine(conf)
    running.wait_log("retrying every 3600 s")
    running.make_gone()
    running.send_signal(signal.SIGUSR1)
    running.wait_lines("gone/out.log", 1)
    running.stop()
    assert "inrush: reopening the files" in running.stderr.text


def test_what_goes_on(engine: StartEngine) -> None:
    """Without it: where a source hangs can only be guessed."""
    running = engine(
        source(
            """
def run(self):
    self.post_message(LogMessage("x"))
    self.where_it_waits()

def where_it_waits(self):
    while not self.exit_requested:
        self.sleep(3600)
"""
        )
    )
    running.wait_lines("out.log", 1)
    running.send_signal(signal.SIGUSR2)
    running.wait_log(r"inrush: the threads of Python\n.*(?s:.)*in where_it_waits")
    running.stop()
    text = running.stderr.text
    assert re.search(r"inrush: the statistics\n    inrush \S+, process \d+, running", text)
    assert re.search(r"1 posted = [01] delivered", text)
    assert re.search(r"    thread MainThread:\n", text)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_a_handler_of_the_users_stays(engine: StartEngine, name: str) -> None:
    """Without it: a library that uses these signals for itself does not work under the engine."""
    head = f"import signal\nsignal.signal(signal.{name}, lambda *_: print('mine', flush=True))\n"
    body = "for _ in range(3):\n    self.sleep(0.3)"
    running = engine(source_that(body).replace("import threading", f"{head}import threading", 1))
    running.wait_print("(?m)^done$")
    running.send_signal(getattr(signal, name))
    running.wait_print("mine")
    running.stop()


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_what_would_kill_does_not_stay(engine: StartEngine, name: str) -> None:
    """Without it: a source that puts the default back makes the engine die of logrotate."""
    head = f"import signal\nsignal.signal(signal.{name}, signal.SIG_DFL)\n"
    running = engine(IDLE.replace("import threading", f"{head}import threading", 1))
    running.wait_print("(?m)^done$")
    running.send_signal(getattr(signal, name))
    running.wait_log("inrush: (reopening the files|the statistics)")
    running.stop()
