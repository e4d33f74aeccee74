"""A destination in trouble, on a real engine: what the log says, what waits, and what is lost."""

from __future__ import annotations

import errno
import json
import resource
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import EXIT, PATIENCE, Engine, StartEngine, inrush, numbered, read_lines, source
from held_calls import HeldCalls

# Posts a thousand numbers, then more as it is told by files that appear.
FLOOD = """
exiting = threading.Event()

def run(self):
    for number in range(1000):
        self.post_message(str(number))
    print("posted", flush=True)
    while not self.exiting.wait(0.01):
        self.post_message("more")
"""


def unheld(conf: str, driver: str) -> str:
    """The configuration without flow control, and with another destination."""
    assert " flags(flow-control);" in conf
    return conf.replace(" flags(flow-control);", "").replace('"out.log" template("$MSG\\n")', driver)


# Runs the engine with a limit of so many file descriptors.
LIMIT = 128
LIMITED = ("sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh")
# Takes all descriptors that there are, and gives them back.
TAKE_ALL = """
exiting = threading.Event()

def post(self, program, text):
    message = LogMessage(text)
    message["PROGRAM"] = program
    self.post_message(message)

def wait_for(self, name):
    import os
    until = time.monotonic() + 30
    while not os.path.exists(name) and time.monotonic() < until:
        time.sleep(0.01)
    print(name, os.path.exists(name), flush=True)

def take_all(self):
    import os
    self.taken = []
    try:
        while True:
            self.taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        print("none left", flush=True)
"""


def paths(conf: str, *others: str) -> str:
    """The configuration with these paths of files instead of its own."""
    ways = " ".join(f'destination {{ file("{path}" template("$MSG\\n")); }};' for path in others)
    own = 'destination { file("out.log" template("$MSG\\n")); };'
    assert own in conf
    return conf.replace(own, ways)


class TestDescriptors:
    """The limit of file descriptors is the whole process's."""

    def test_two_destinations_leave_descriptors_for_everybody_else(self, engine: StartEngine) -> None:
        """Without it: whoever chooses the paths takes all descriptors, and sources and rotated files find
        none."""
        run = """

        def run(self):
            import os
            for number in range(1000):
                message = LogMessage(str(number))
                message["PROGRAM"] = f"p{number}"
                self.post_message(message)
                if number % 10 == 0:
                    time.sleep(0.001)
                    # As many as the limit leaves to others, less those that the engine and Python have.
                    mine = [os.open("/dev/null", os.O_RDONLY) for _ in range(32)]
                    for each in mine:
                        os.close(each)
            print("posted", flush=True)
            self.exiting.wait()
        """
        conf = source(TAKE_ALL + textwrap.dedent(run) + EXIT, head="options { time-reopen(3600); };")
        two = "".join(f'destination {{ file("{name}-$PROGRAM" template("$MSG\\n")); }};' for name in "ab")
        own = 'destination { file("out.log" template("$MSG\\n")); };'
        running = engine(conf.replace(own, own + two), prefix=LIMITED)
        running.wait_print("posted")
        running.wait_lines("out.log", 1000)
        opened = [
            path.readlink() for path in Path(f"/proc/{running.process.pid}/fd").iterdir() if path.is_symlink()
        ]
        files = sum(path.name.startswith(("a-p", "b-p")) for path in opened)
        assert 0 < files <= LIMIT // 2
        running.stop()
        assert "Too many open files" not in running.stderr.text
        for name in "ab":
            found = [read_lines(running.directory / f"{name}-p{number}") for number in range(1000)]
            assert found == [[b"%d" % number] for number in range(1000)]

    def test_a_file_of_its_own_is_closed_for_another(self, engine: StartEngine) -> None:
        """Without it: a destination with idle files waits for a descriptor that it could have at once."""
        run = """
        def run(self):
            for number in range(8):
                self.post(f"p{number}", "x")
                self.wait_for(f"p{number}")
            self.take_all()
            self.post("another", "x")
            self.wait_for("another")
            self.exiting.wait()
        """
        conf = source(TAKE_ALL + textwrap.dedent(run) + EXIT, head="options { time-reopen(3600); };")
        running = engine(paths(conf, "$PROGRAM"), prefix=LIMITED)
        running.wait_print("none left")
        running.wait_print("another True")
        running.stop()
        assert "Too many open files" not in running.stderr.text

    def test_a_destination_without_files_asks_those_that_have_some(self, engine: StartEngine) -> None:
        """Without it: a file that everything goes to waits for an hour while hundreds of idle ones are
        open."""
        run = """
        def run(self):
            import os
            for number in range(8):
                self.post(f"p{number}", "x")
                self.wait_for(f"p{number}")
            self.wait_for("all.log")
            self.take_all()
            os.rename("all.log", "all.old")
            time.sleep(0.2)
            self.post("p0", "x")
            self.wait_for("all.log")
            self.post("late", "x")
            self.wait_for("late.log")
            self.exiting.wait()
        """
        conf = source(TAKE_ALL + textwrap.dedent(run) + EXIT, head="options { time-reopen(3600); };")
        # Only the last message has a way to the last file.
        late = """
        source s_late { python(class("Late")); };
        log { source(s_late); destination { file("late.log" template("$MSG\\n")); }; flags(flow-control); };
        """
        code = """
class Late(LogSource):
    def run(self):
        import os
        while not os.path.exists("late") and not self.exit_requested:
            time.sleep(0.01)
        self.post_message("late")
};
source s_test"""
        conf = paths(conf, "$PROGRAM", "all.log").replace("};\nsource s_test", code, 1) + late
        running = engine(conf, prefix=LIMITED)
        running.wait_print("none left")
        running.wait_print(r"none left\nall.log True")
        running.wait_print("late.log True")
        running.stop()
        assert "Too many open files" not in running.stderr.text

    def test_the_soft_limit_is_raised(self, engine: StartEngine) -> None:
        """Without it: a system's soft limit of 1024 is the engine's; or select() fails as low numbers are
        taken by files."""
        run = """
        def run(self):
            self.post("one", "x")
            self.wait_for("one")
            self.exiting.wait()
        """
        conf = paths(source(TAKE_ALL + textwrap.dedent(run) + EXIT), "$PROGRAM")
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 8192:
            pytest.skip("the hard limit of this machine is too low")
        running = engine(conf, prefix=("sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh"))
        # Not before it is written: the file is there before its descriptor has the number that it keeps.
        running.wait_lines("one", 1)
        assert resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE) == (8192, hard)
        links = Path(f"/proc/{running.process.pid}/fd").iterdir()
        assert [int(path.name) >= 1024 for path in links if path.readlink().name == "one"] == [True]
        running.stop()


class TestDrops:
    """Drops of a full queue."""

    def test_they_are_told_at_their_beginning_and_their_end(self, engine: StartEngine) -> None:
        """Without it: messages are lost by the thousand, and only the statistics know."""
        driver = '"gone/out.log" template("$MSG\\n") log-fifo-size(10)'
        conf = unheld(source(FLOOD + EXIT, head="options { time-reopen(0.1); };"), driver)
        running: Engine = engine(conf)
        running.wait_log(r"error: destination \S+: cannot write to `gone/out.log`: No such file or directory")
        running.wait_log(
            r"error: destination \S+: dropping the newest messages of s_test, whose path has no flow control: "
            r"the queue is full \(log-fifo-size\(10\), 64 MiB\)"
        )
        running.wait_print("posted")
        running.make_gone()
        found = running.wait_log(
            r"notice: destination \S+: (\d+) messages were dropped in [\d.]+ s, as the queue was full"
        )
        running.wait_lines("gone/out.log", 11)
        totals = running.stop()
        assert totals.dropped == int(found[1]) > 900
        lines = read_lines(running.directory / "gone/out.log")
        assert len(lines) == totals.delivered
        assert lines[:10] == numbered(10), "the newest are dropped"
        assert running.stderr.text.count("dropping the newest") == 1


def stats(running: Engine) -> Any:
    """The statistics of an engine."""
    done = inrush("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    assert (done.code, done.stderr) == (0, ""), (done, running.report())
    return json.loads(done.stdout)


class TestSync:
    """`fsync(yes)`: written, on the disk, then acknowledged."""

    @pytest.fixture
    def held(self, tmp_path: Path) -> Iterator[HeldCalls]:
        """The waits for the disk of an engine."""
        held = HeldCalls(tmp_path, "fdatasync")
        yield held
        held.close()

    def test_nothing_counts_before_the_disk_has_it(self, engine: StartEngine, held: HeldCalls) -> None:
        """Without it: a loss of power takes what a source was told is delivered."""
        run = """
        exiting = threading.Event()

        def run(self):
            import os
            for number in range(2):
                self.post_message(str(number))
                while not os.path.exists(f"go{number}") and not self.exiting.wait(0.01):
                    pass
            self.exiting.wait()
        """
        conf = source(textwrap.dedent(run) + EXIT).replace('\\n")', '\\n") fsync(yes)')
        assert "fsync(yes)" in conf
        running = engine(conf, "--control", "control", prefix=held.prefix)
        call = held.wait(PATIENCE)
        assert read_lines(running.directory / "out.log") == [b"0"], "written before"
        found = stats(running)
        assert (found["delivered"], found["in_flight"]) == (0, 1)
        counted = found["destinations"][0]
        assert (counted["delivered"], counted["in_flight"]) == (0, 1), "not counted"
        held.let_go(call)
        running.wait_until(lambda: bool(stats(running)["delivered"] == 1), "it counts")
        (running.directory / "go0").touch()
        # What was written cannot be taken back: a failure is said.
        held.let_go(held.wait(PATIENCE), errno.EIO)
        running.wait_log(
            r"error: destination \S+: cannot sync `out.log` to its disk: Input/output error \(os error 5\)"
        )
        running.wait_until(lambda: bool(stats(running)["delivered"] == 2), "it counts")
        assert stats(running)["destinations"][0]["errors"] == 1
        running.stop()
