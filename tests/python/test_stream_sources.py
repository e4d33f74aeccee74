"""`pipe()`, `stdin()` and `program()` as sources, on a real engine."""

from __future__ import annotations

import array
import fcntl
import os
import signal
import stat
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from harness import PATIENCE, StartEngine, read_lines
from test_file_source import STATE, append, ctl, ctl_source, following, texts
from test_program import wait_gone

COUNT = 20_000
PIPE = 'pipe("door.pipe" flags(no-parse) {options})'


def piped(options: str = "", path: str = "out.log") -> str:
    """The configuration of a named pipe."""
    return following(PIPE.format(options=options), path=path)


def unread(path: Path) -> int:
    """The number of bytes in a named pipe that nobody has read yet."""
    count = array.array("i", [0])
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(pipe, termios.FIONREAD, count)
    finally:
        os.close(pipe)
    return count[0]


class TestPipe:
    """A named pipe."""

    def test_lines_come_and_half_a_line_waits(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: the end of a writer is the end of the source, or half a line is a message."""
        running = engine(piped())
        path = tmp_path / "door.pipe"
        running.wait_until(path.exists, "a pipe")
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        append(path, "p1\np2\nno-")
        assert texts(running, 2) == ["p1", "p2"]
        append(path, "nl\n")
        assert texts(running, 3)[2] == "no-nl"
        append(path, "last")
        # What nobody has read at the end goes with the pipe.
        running.wait_until(lambda: unread(path) == 0, "that all is read")
        totals = running.stop()
        assert (totals.posted, read_lines(tmp_path / "out.log")[3:]) == (4, [b"last"])

    def test_a_pipe_is_made_as_it_is_asked_for(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: everybody may write into a pipe, or nobody."""
        conf = piped("perm(0620) create-dirs(yes) dir-perm(0700)").replace("door.pipe", "new/deep/door.pipe")
        running = engine(conf)
        path = tmp_path / "new" / "deep" / "door.pipe"
        running.wait_until(path.exists, "a pipe")
        running.wait_until(lambda: stat.S_IMODE(path.stat().st_mode) == 0o620, "its mode")
        running.stop()

    def test_something_else_at_the_path_is_left_alone(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a file is read as if it was a pipe, or taken away."""
        append(tmp_path / "door.pipe", "content\n")
        running = engine(piped())
        running.wait_log(
            "cannot be read, and is tried again: there is something at that path that is no named pipe"
        )
        (tmp_path / "door.pipe").unlink()
        running.wait_until(lambda: (tmp_path / "door.pipe").exists(), "a pipe")
        append(tmp_path / "door.pipe", "now\n")
        assert texts(running, 1) == ["now"]
        running.stop()

    def test_without_credit_its_writer_waits(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: lines are lost when a destination cannot write, or they change places."""
        running = engine(piped("log-iw-size(100)", path="gone/out.log"))
        path = tmp_path / "door.pipe"
        running.wait_until(path.exists, "a pipe")
        script = f"import sys; [print(f'{{n:05}}') for n in range({COUNT})]"
        with path.open("wb") as pipe:
            writer = subprocess.Popen([sys.executable, "-c", script], stdout=pipe)
            running.wait_log("gone")
            assert writer.poll() is None
            (tmp_path / "gone").mkdir()
            assert writer.wait(PATIENCE) == 0
        assert texts(running, COUNT, "gone/out.log") == [f"{number:05}" for number in range(COUNT)]
        running.stop()

    def test_a_reload_that_changes_nothing_keeps_half_a_line(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Breaks without it: a reload tears a line."""
        running = engine(piped(), *STATE)
        running.wait_until(lambda: (tmp_path / "door.pipe").exists(), "a pipe")
        append(tmp_path / "door.pipe", "one\nhalf")
        texts(running, 1)
        ctl(running, "reload")
        append(tmp_path / "door.pipe", " of it\n")
        assert texts(running, 2)[1] == "half of it"
        running.stop()


@pytest.mark.parametrize("content", [b"l1\nl2", b"l1\nl2\n"])
def test_the_end_of_the_standard_input_is_that_of_the_engine(tmp_path: Path, content: bytes) -> None:
    """Breaks without it: `… | inrush run` never ends, or loses the last line."""
    (tmp_path / "test.conf").write_text(following("stdin(flags(no-parse))"))
    command = [sys.executable, "-m", "inrush", "run", "-f", "test.conf"]
    done = subprocess.run(command, input=content, cwd=tmp_path, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert read_lines(tmp_path / "out.log") == [b"l1", b"l2"]
    assert b"2 posted = 2 delivered" in done.stderr, done.stderr


def of_program(command: str, options: str = "", path: str = "out.log") -> str:
    """The configuration of a program."""
    quoted = command.replace("\\", "\\\\").replace('"', '\\"')
    return following(f'program("{quoted}" flags(no-parse) {options})', path=path)


class TestProgram:
    """A program that the engine starts."""

    def test_a_program_is_started_again(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a program that dies is silent from then on; the end of its last line is missing; or
        its errors are messages."""
        command = "echo run; echo trouble >&2; printf part; exit 3"
        running = engine(of_program(command, "restart-backoff(0.1 0.2)"), *STATE)
        assert texts(running, 4) == ["run", "part", "run", "part"]
        running.wait_log("the program has ended: exit status: 3; it is started again in 0.1 s")
        running.wait_log("source s_test#0: the program says: trouble")
        assert ctl_source(running)["restarts"] >= 1
        running.stop()

    @pytest.mark.parametrize(
        ("options", "command", "goes_on"),
        [
            ("restart(never)", "echo one; exit 1", False),
            ("restart(on-failure) restart-backoff(0.1 0.1)", "echo one", False),
            ("restart(on-failure) restart-backoff(0.1 0.1)", "echo one; exit 1", True),
        ],
    )
    def test_whether_it_is_started_again(
        self, engine: StartEngine, options: str, command: str, goes_on: bool
    ) -> None:
        """Breaks without it: `restart()` changes nothing."""
        running = engine(of_program(command, options))
        if goes_on:
            texts(running, 2)
        else:
            running.wait_log("it is not started again")
            assert texts(running, 1) == ["one"]
        running.stop()

    def test_it_ends_with_the_engine_and_all_its_processes(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: programs are left behind, or one that does not end holds up the stop."""
        child = "trap : TERM; echo $$; while :; do sleep 0.1; done"
        command = f"trap : TERM; echo $$; sh -c '{child}'; while :; do sleep 0.1; done"
        running = engine(of_program(command, "stop-timeout(0.2)"))
        pids = [int(text) for text in texts(running, 2)]
        running.stop()
        for pid in pids:
            wait_gone(pid)

    def test_its_last_words_are_delivered(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: what a program says when it is asked to end is lost."""
        command = "trap 'echo last; exit' TERM; echo first; while :; do sleep 0.05; done"
        running = engine(of_program(command))
        texts(running, 1)
        running.stop()
        assert read_lines(tmp_path / "out.log") == [b"first", b"last"]

    def test_a_reload_keeps_it_or_ends_it(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: each reload starts it anew, or one that changes it leaves the old one running."""
        command = "echo $$; exec sleep 1000"
        running = engine(of_program(command), *STATE)
        (pid,) = texts(running, 1)
        ctl(running, "reload")
        (tmp_path / "test.conf").write_text(of_program(command, "tags(changed)"))
        ctl(running, "reload")
        assert len(set(texts(running, 2))) == 2
        wait_gone(int(pid))
        running.stop()

    def test_the_environment_is_inherited_unless_it_is_not(self, engine: StartEngine) -> None:
        """Breaks without it: `inherit-environment(no)` hands the engine's variables to a program."""
        for name, option in (("with", ""), ("without", "inherit-environment(no)")):
            conf = of_program('echo "[$DOOR_KEY]"; exec sleep 1000', option, path=f"{name}.txt")
            running = engine(conf, name=f"{name}.conf", env={"DOOR_KEY": "secret"})
            assert texts(running, 1, f"{name}.txt") == ["[secret]" if name == "with" else "[]"]
            running.stop()

    def test_a_command_that_does_not_exist_is_tried_after_pauses(self, engine: StartEngine) -> None:
        """Breaks without it: it is started thousands of times, or nobody is told."""
        running = engine(of_program("no-such-command-here"))
        running.wait_log("the program has ended: exit status: 127; it is started again in 1.0 s")
        running.wait_log("the program says: .*not found")
        running.stop(signal.SIGINT)
        assert not (running.directory / "out.log").exists()
