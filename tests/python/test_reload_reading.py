"""Reading a configuration: what goes on meanwhile, and what is refused before anything happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import PATIENCE, Engine, StartEngine, environment, inrush
from test_reload import conf, counting, file, more, refused, reload, start

# Takes a lease on a file, so that whoever opens it waits, until a line comes or the system gives the lease up
# after 45 s.
HOLDER = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
held = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def slow(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A file that is there, and that nobody can open before a line is written to this process."""
    path.write_text("# slow\n")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n", "this file system has no leases"
            yield holder
        finally:
            holder.kill()


def release(holder: subprocess.Popen[str]) -> None:
    """Lets the file be opened."""
    holder.communicate("\n", timeout=PATIENCE)


def reloading(engine: StartEngine, tmp_path: Path) -> Engine:
    """An engine whose reload waits for `slow.conf`."""
    running = start(engine, conf(file(), counting("s")))
    text = conf(file(), counting("s"), '@include "slow.conf"')
    (tmp_path / "test.conf").write_text(text)
    running.send_signal(signal.SIGHUP)
    running.wait_log("inrush: reloading")
    return running


class TestSlowFile:
    """An included file on a disk that does not answer."""

    def test_sources_go_on_while_the_configuration_is_read(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a reload holds Python's lock while it reads, and every source stands still."""
        with slow(tmp_path / "slow.conf") as holder:
            running = reloading(engine, tmp_path)
            more(running, "s", 200)
            assert "inrush: reloaded" not in running.stderr.text
            release(holder)
            running.wait_log("inrush: reloaded; sources: kept s#0")

    def test_a_stop_does_not_wait_for_it(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a dead network disk makes an engine that only SIGKILL ends."""
        with slow(tmp_path / "slow.conf"):
            running = reloading(engine, tmp_path)
            more(running, "s", 5)
            running.stop()
            assert "the engine stops, so nothing is reloaded" in running.stderr.text


class TestPipe:
    """A configuration that comes from a pipe."""

    def test_an_included_pipe_is_refused_at_once(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a reload waits for ever for a pipe that nobody writes to."""
        os.mkfifo(tmp_path / "pipe.conf")
        running = start(engine, conf(file(), counting("s")))
        said = refused(running, conf(file(), counting("s"), '@include "pipe.conf"'))
        assert "pipe.conf` is a named pipe: only regular files can be included" in said
        more(running, "s", 5)

    def test_a_start_that_waits_for_a_pipe_can_be_stopped(self, tmp_path: Path) -> None:
        """Without it: SIGTERM has no effect on an engine whose configuration does not come."""
        os.mkfifo(tmp_path / "test.conf")
        waiting = Engine(tmp_path, tmp_path / "test.conf", "--control", "control")
        try:
            waiting.wait_until((tmp_path / "control").exists, "a control socket")
            waiting.send_signal(signal.SIGTERM)
            assert waiting.wait_exit() == 0, waiting.report()
            assert "stopped before the configuration was read" in waiting.stderr.text
        finally:
            waiting.close()

    def test_check_that_waits_for_a_pipe_ends_with_ctrl_c(self, tmp_path: Path) -> None:
        """Without it: Ctrl-C has no effect on `inrush check -f <(slow)`."""
        os.mkfifo(tmp_path / "pipe.conf")
        command = [sys.executable, "-m", "inrush", "check", "-f", "pipe.conf"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE) as check:
            try:
                # Open is that end once the other one is: the command is reading.
                with (tmp_path / "pipe.conf").open("w"):
                    check.send_signal(signal.SIGINT)
                    assert check.wait(PATIENCE) == -signal.SIGINT
            finally:
                check.kill()

    def test_run_and_check_read_a_pipe(self, tmp_path: Path) -> None:
        """Without it: a generated configuration has to be written to a file first. It cannot be reloaded, and
        that is said."""
        text = conf(file(), counting("s"))
        command = [sys.executable, "-m", "inrush", "check", "-f", "/dev/stdin"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(), input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        os.mkfifo(tmp_path / "pipe.conf")
        running = Engine(tmp_path, tmp_path / "pipe.conf", "--control", "control")
        try:
            (tmp_path / "pipe.conf").write_text(text)
            running.wait_started()
            running.send_signal(signal.SIGHUP)
            running.wait_log(
                "pipe.conf` is a named pipe: a configuration is read again from regular files only"
            )
            running.stop()
        finally:
            running.close()


EMPTY = ["", "# nothing\n", "@version: current\n", "options { };\n", 'template t "x";\n']


class TestNothing:
    """A configuration that would do nothing."""

    @pytest.mark.parametrize("text", EMPTY)
    @pytest.mark.parametrize("command", ["run", "check"])
    def test_is_refused_at_the_start(self, tmp_path: Path, command: str, text: str) -> None:
        """Without it: an engine that does nothing seems to run."""
        (tmp_path / "test.conf").write_text(text)
        done = inrush(command, "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert "there is no log path" in done.stderr

    def test_is_refused_at_a_reload(self, engine: StartEngine) -> None:
        """Without it: an editor that met a full disk leaves an empty file, and the next reload stops
        everything."""
        running = start(engine, conf(file(), counting("s")))
        for text in EMPTY:
            assert "there is no log path" in refused(running, text)
        more(running, "s", 5)
        assert reload(running, conf(file(), counting("s"))).startswith("sources: kept s#0")


class TestBounds:
    """A configuration that stands for more than a machine holds."""

    def test_names_that_name_each_other(self, engine: StartEngine) -> None:
        """Without it: a reload of a dozen lines eats all memory, and the engine is killed."""
        names = ["@define a0 lol"]
        names += [f'@define a{n + 1} "{f"`a{n}` " * 10}"' for n in range(12)]
        running = start(engine, conf(file(), counting("s")))
        said = refused(running, "\n".join([*names, conf(file(), counting("s")), 'template t "`a12`";']))
        assert "the configuration is larger than 32 MiB" in said
        more(running, "s", 5)

    def test_size_of_what_is_said(self, tmp_path: Path) -> None:
        """Without it: a long line that ends too early gives a hundred times its size in errors."""
        (tmp_path / "test.conf").write_text("@version: current\n" + "log { " * 20_000)
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert len(done.stderr) < 20_000
        assert "there are 45 more errors" in done.stderr
