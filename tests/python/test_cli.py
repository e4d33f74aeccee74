"""The command `inrush`: what it prints, what it returns, which signals it obeys."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import inrush
from harness import EXAMPLES, PATIENCE, StartEngine, environment, ran, read_lines, source_that
from harness import inrush as command

IDLE = source_that("pass")


def test_version(tmp_path: Path) -> None:
    """Without it: nobody can say which version they run."""
    done = command("--version", cwd=tmp_path)
    assert (done.code, done.stdout) == (0, f"inrush {inrush.__version__}\n")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["check", "--help"], ["ctl", "--help"]], ids=" ".join
)
def test_help(tmp_path: Path, arguments: list[str]) -> None:
    """Without it: the options are secrets."""
    done = command(*arguments, cwd=tmp_path)
    assert done.code == 0
    assert "Usage" in done.stdout
    if arguments[0] == "run":
        for option in ("--persist-file", "--control", "--pidfile", "--stats-file", "-f", "-v", "-d", "-t"):
            assert option in done.stdout


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run", "--nonsense"], ["check"]], ids=" ".join)
def test_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    """Without it: a typing error in a service file looks like success."""
    done = command(*arguments, cwd=tmp_path)
    assert done.code == 2
    assert "Usage" in done.stderr


def test_installed_script() -> None:
    """Without it: `python -m inrush` works and the command of the README does not."""
    done = ran(Path(sys.executable).parent / "inrush", "--version")
    assert done.stdout.startswith("inrush ")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.conf")), ids=lambda path: path.stem)
def test_check_accepts_every_example(tmp_path: Path, path: Path) -> None:
    """Without it: an example is published that does not load."""
    done = command("check", "-f", path, cwd=tmp_path)
    assert done.code == 0, done.stderr


def test_check_starts_nothing(tmp_path: Path) -> None:
    """Without it: checking a file opens ports and files, or runs a source."""
    (tmp_path / "test.conf").write_text(
        source_that("print('run')", "def init(self, options):\n    print('init')")
    )
    done = command("check", "-f", "test.conf", cwd=tmp_path)
    assert (done.code, done.stdout.count("init"), done.stdout.count("run")) == (0, 0, 0), done
    assert [path.name for path in tmp_path.iterdir()] == ["test.conf"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_signals_stop(engine: StartEngine, number: int) -> None:
    """Without it: a service manager has to kill the engine."""
    running = engine(IDLE)
    running.wait_print("done")
    running.stop(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["term", "int", "hup"])
def test_signals_work_whatever_user_code_does_to_them(engine: StartEngine, number: int) -> None:
    """Without it: one library that sets a handler on import makes the engine unstoppable."""
    head = "import signal\nfor number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)"
    conf = IDLE.replace("import threading", f"{head}\nimport threading", 1)
    running = engine(conf)
    running.wait_print("done")
    (running.directory / "test.conf").write_text(conf.replace(head, f"# changed\n{head}"))
    running.send_signal(number)
    if number == signal.SIGHUP:
        running.wait_log("inrush: reloaded")
        running.stop()
    else:
        assert running.wait_exit() == 0
        running.totals().check()


def test_second_signal_while_stopping(engine: StartEngine) -> None:
    """Without it: an impatient second Ctrl-C loses what the first was about to write."""
    running = engine(source_that("for n in range(20000):\n    self.post_message(LogMessage(str(n)))"))
    running.wait_print("done")
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGINT)
    assert running.wait_exit() == 0
    assert len(read_lines(running.directory / "out.log")) == 20000


def test_pidfile(engine: StartEngine) -> None:
    """Without it: scripts signal another process, or find a file of an engine that is gone."""
    running = engine(IDLE, "--pidfile", "test.pid")
    path = running.directory / "test.pid"
    assert int(path.read_text()) == running.process.pid
    running.stop()
    assert not path.exists()


def test_stats_file(engine: StartEngine) -> None:
    """Without it: only people can read what was delivered."""
    running = engine(source_that("self.post_messages(['a', 'b', 'c'])"), "--stats-file", "stats.json")
    running.wait_print("done")
    running.stop()
    text = (running.directory / "stats.json").read_text()
    json.loads(text)
    assert re.search(r'"posted":\s*3\b', text)
    assert re.search(r'"delivered":\s*3\b', text)


def test_relative_names_are_in_the_working_directory(engine: StartEngine) -> None:
    """Without it: `out.log` lands beside the configuration, or in /."""
    running = engine(source_that("self.post_message('x')"))
    running.wait_lines("out.log", 1)


def test_files_are_created_with_closed_permissions(engine: StartEngine) -> None:
    """Without it: every user of the machine can read the logs."""
    running = engine(source_that("self.post_message('x')"))
    running.wait_lines("out.log", 1)
    assert (running.directory / "out.log").stat().st_mode & 0o777 == 0o600


def test_reopens_after_rotation(engine: StartEngine) -> None:
    """Without it: after logrotate everything goes on into the old file."""
    conf = source_that(
        "n = 0\nwhile not self.exiting.is_set():\n    self.post_message(str(n))\n    n += 1\n    self.sleep(0.005)"
    )
    running = engine(conf)
    path = running.directory / "out.log"
    running.wait_lines("out.log", 1)
    path.rename(running.directory / "out.log.1")
    running.send_signal(signal.SIGHUP)
    running.wait_until(path.exists, "a new out.log")
    running.wait_lines("out.log", 1)


def test_quiet_on_a_pipe(engine: StartEngine) -> None:
    """Without it: the live line fills the journal with control characters."""
    running = engine(IDLE)
    running.wait_print("done")
    running.stop()
    assert "\r" not in running.stderr.text
    assert "\x1b" not in running.stderr.text


def test_stdout_destination(engine: StartEngine) -> None:
    """Without it: `stdout()` and `/dev/stdout` write somewhere else."""
    for number, destination in enumerate(["stdout(template(", 'file("/dev/stdout" template(']):
        conf = source_that("self.post_message('to stdout')").replace('file("out.log" template(', destination)
        running = engine(conf, name=f"{number}.conf")
        running.wait_print("to stdout")
        running.stop()


class TestPidFile:
    """`--pidfile`, with others that want it."""

    def test_a_second_engine_is_refused(self, engine: StartEngine) -> None:
        """Without it: it overwrites the number of the first, and removes the file when it ends."""
        running = engine(IDLE, "--pidfile", "test.pid")
        path = running.directory / "test.pid"
        done = command("run", "-f", "test.conf", "--pidfile", path, cwd=running.directory)
        assert done.code == 1
        assert f"another engine, process {running.process.pid}, has the pid file" in done.stderr
        assert int(path.read_text()) == running.process.pid
        running.stop()
        assert not path.exists()

    def test_what_a_killed_engine_left_is_taken_over(self, engine: StartEngine) -> None:
        """Without it: after a crash somebody has to remove a file by hand."""
        killed = engine(IDLE, "--pidfile", "test.pid")
        killed.process.kill()
        killed.wait_exit()
        running = engine(IDLE, "--pidfile", "test.pid")
        assert int((running.directory / "test.pid").read_text()) == running.process.pid

    def test_forks_do_not_keep_it(self, engine: StartEngine) -> None:
        """Without it: no engine starts while a program of a killed one lives."""
        fork = "if (pid := os.fork()) == 0:\n    time.sleep(3600)\nprint('child', pid, flush=True)"
        killed = engine(source_that(f"import os\n{fork}"), "--pidfile", "test.pid")
        child = int(killed.wait_print(r"child (\d+)")[1])
        try:
            killed.process.kill()
            killed.process.wait(PATIENCE)
            killed.stopped = True
            running = engine(IDLE, "--pidfile", "test.pid", name="second.conf")
            running.stop()
        finally:
            os.kill(child, signal.SIGKILL)

    @pytest.mark.parametrize("option", ["--pidfile", "--stats-file"])
    @pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
    def test_what_is_no_file_is_refused(self, tmp_path: Path, option: str, kind: str) -> None:
        """Without it: the start or the end of the engine waits for ever for a pipe that nobody reads."""
        (tmp_path / "test.conf").write_text(IDLE)
        path = tmp_path / "there"
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        else:
            path = Path("/dev/full")
        done = command("run", "-f", "test.conf", option, path, cwd=tmp_path)
        assert done.code == 1
        (line,) = done.stderr.splitlines()
        what = "pid file" if option == "--pidfile" else "statistics to"
        assert f"error: cannot write the {what} {path}" in line
        assert "started" not in done.stderr


OWN_FILES = ["--pidfile", "--persist-file", "--control", "--stats-file", "--file"]


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(OWN_FILES, 2)])
def test_two_uses_of_one_file_are_refused(tmp_path: Path, one: str, other: str) -> None:
    """Without it: the statistics are written over the configuration, or a start takes the state for the
    number of a process."""
    (tmp_path / "test.conf").write_text(IDLE)
    name = "test.conf" if other == "--file" else "own"
    options = [one, f"./{name}", other, name] + ([] if other == "--file" else ["--file", "test.conf"])
    done = command("run", *options, cwd=tmp_path)
    assert done.code == 1
    (line,) = done.stderr.splitlines()
    assert f"error: {one} and {other} name one file, ./{name}: each needs one of its own" in line
    assert [path.name for path in tmp_path.iterdir()] == ["test.conf"], "nothing was made"
    assert (tmp_path / "test.conf").read_text() == IDLE


def test_stats_into_a_stream(engine: StartEngine) -> None:
    """Without it: `--stats-file /dev/stdout` is refused with the pipes that could hold up the end."""
    running = engine(IDLE, "--stats-file", "/dev/stdout")
    running.wait_print("done")
    running.stop()
    assert "sources" in json.loads(running.stdout.lines[-1])


class TestOutput:
    """Output that cannot be written, and paths that are no text."""

    COMMANDS = (
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["nonsense"],
        ["check", "-f", "none"],
        ["ctl", "stats"],
    )

    @pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
    @pytest.mark.parametrize("to", ["full", "closed"])
    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    def test_streams_that_take_nothing(
        self, tmp_path: Path, arguments: list[str], to: str, stream: str
    ) -> None:
        """Without it: `| head` shows a traceback, or output that is lost looks like success."""
        if to == "full":
            nowhere = os.open("/dev/full", os.O_WRONLY)
        else:
            reader, nowhere = os.pipe()
            os.close(reader)
        other = "stderr" if stream == "stdout" else "stdout"
        try:
            done = subprocess.run(
                [sys.executable, "-m", "inrush", *arguments],
                **{stream: nowhere, other: subprocess.PIPE},  # type: ignore[call-overload]
                cwd=tmp_path,
                env=environment(),
                timeout=PATIENCE,
                check=False,
            )
        finally:
            os.close(nowhere)
        said = (done.stderr if stream == "stdout" else done.stdout).decode()
        assert "Traceback" not in said
        is_output = "--help" in arguments or "--version" in arguments
        if is_output and stream == "stdout":
            assert done.returncode == 1
            assert len(said.splitlines()) == (1 if to == "full" else 0), said
        else:
            assert done.returncode == (2 if arguments == ["nonsense"] else 0 if is_output else 1)

    def test_prints_of_a_source_that_nobody_takes(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: what a source printed is lost, and the end of the engine looks like success, or shows a
        traceback."""
        (tmp_path / "test.conf").write_text(IDLE.replace("class Source", "print('printed')\nclass Source"))
        with Path("/dev/full").open("wb") as full:
            done = command("check", "-f", "test.conf", cwd=tmp_path, stdout=full)
        assert done.code == 1
        assert "inrush: cannot write what was printed: No space left on device\n" in done.stderr
        assert all(line.startswith("inrush: cannot write ") for line in done.stderr.splitlines())

    def test_a_path_that_is_no_text(self, tmp_path: Path) -> None:
        """Without it: a name that another program made ends the command with a traceback."""
        name = os.fsdecode(b"caf\xe9.conf")
        (tmp_path / name).write_text(IDLE)
        done = command("check", "-f", name, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        done = command("check", "-f", os.fsdecode(b"none\xe9.conf"), cwd=tmp_path)
        assert done.code == 1
        assert "Traceback" not in done.stderr
        assert "none" in done.stderr

    def test_an_engine_on_a_path_that_is_no_text(self, engine: StartEngine) -> None:
        """Without it: such a file can be checked, and not run."""
        running = engine(IDLE, name=os.fsdecode(b"caf\xe9.conf"))
        running.send_signal(signal.SIGHUP)
        running.wait_log("inrush: reloaded")
        running.stop()
