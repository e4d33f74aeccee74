"""`program()` as a destination, on a real engine: programs start, read, end, are started again, and are ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from harness import PATIENCE, StartEngine, inrush, read_lines, source, source_that

COUNT = 20_000
FLOOD = f"""
for number in range({COUNT}):
    self.post_message(f"{{number:05}}")
"""


def to_program(conf: str, command: str, options: str = "") -> str:
    """The configuration with a program instead of its file."""
    own = 'file("out.log" template("$MSG\\n"))'
    assert own in conf
    quoted = command.replace("\\", "\\\\").replace('"', '\\"')
    return conf.replace(own, f'program("{quoted}" template("$MSG\\n") {options})')


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid: int) -> None:
    """Waits until a process has ended."""
    until = time.monotonic() + PATIENCE
    while is_alive(pid):
        assert time.monotonic() < until, f"process {pid} goes on"
        time.sleep(0.02)


def test_a_program_gets_every_line_and_reads_to_its_end(engine: StartEngine) -> None:
    """Breaks without it: lines are lost on the way to a program, or it is killed before it has read the last."""
    # Slow to begin, so that the pipe is full and the source waits; slow to end, too.
    command = "sleep 0.3; cat >out.txt; sleep 0.2; echo end >>out.txt"
    running = engine(to_program(source_that(FLOOD, driver="log-iw-size(100)"), command))
    running.wait_print("done")
    totals = running.stop()
    lines = read_lines(running.directory / "out.txt")
    assert lines == [b"%05d" % number for number in range(COUNT)] + [b"end"]
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_a_program_runs_from_the_start_and_is_started_again(engine: StartEngine) -> None:
    """Breaks without it: a program starts with the first message only, or is not there any more after it has ended once."""
    command = "echo $$ >>pids; exec cat >>out.txt"
    conf = to_program(
        source(
            "exiting = threading.Event()\n\ndef run(self):\n    self.exiting.wait()\n"
            "    self.post_message('last')\n\ndef request_exit(self):\n    self.exiting.set()"
        ),
        command,
        "time-reopen(0.1)",
    )
    running = engine(conf)
    first = int(running.wait_lines("pids", 1)[0])
    os.kill(first, signal.SIGKILL)
    running.wait_log(r"cannot write to `.*`: the program has ended: signal: 9 \(SIGKILL\)")
    second = int(running.wait_lines("pids", 2)[1])
    assert first != second
    running.wait_log("writing to `.*` again")
    running.stop()
    assert read_lines(running.directory / "out.txt") == [b"last"]
    wait_gone(second)


def test_a_command_that_ends_at_once_is_said_and_tried_after_pauses(engine: StartEngine) -> None:
    """Breaks without it: a command that does not exist is started thousands of times, or nobody is told."""
    conf = to_program(source_that("self.post_message('kept')"), "no-such-command-here", "time-reopen(0.2)")
    running = engine(conf)
    running.wait_log("the program has ended: exit status: 127")
    running.wait_print("done")
    # The message waits for a program that reads it.
    running.send_signal(signal.SIGTERM)
    running.wait_exit()
    totals = running.totals()
    assert totals.posted == totals.delivered + totals.dropped + totals.in_flight == 1


def test_a_program_that_does_not_end_is_made_to_with_all_its_processes(engine: StartEngine) -> None:
    """Breaks without it: a program, or a child of it, goes on after the engine, or holds up its end."""
    child = "trap : TERM; echo $$ >>pids; while :; do sleep 0.1; done"
    command = f"trap : TERM; echo $$ >>pids; sh -c '{child}'; while :; do sleep 0.1; done"
    running = engine(to_program(source_that("pass"), command, "stop-timeout(0.2)"))
    pids = [int(line) for line in running.wait_lines("pids", 2)]
    running.wait_print("done")
    running.stop()
    for pid in pids:
        wait_gone(pid)


@pytest.mark.parametrize(("keep_alive", "starts"), [("no", 2), ("yes", 1)])
def test_a_reload_starts_a_program_anew_unless_it_is_kept_alive(
    engine: StartEngine, keep_alive: str, starts: int
) -> None:
    """Breaks without it: a program that reads its own configuration at its start is not told of a reload."""
    command = "echo $$ >>pids; cat >>out.txt"
    conf = to_program(source_that("self.post_message('one')"), command, f"keep-alive({keep_alive})")
    running = engine(conf)
    running.wait_lines("pids", 1)
    running.wait_print("done")
    running.send_signal(signal.SIGHUP)
    running.wait_log("destinations: kept")
    if starts == 2:
        running.wait_lines("pids", 2)
    running.stop()
    assert len(read_lines(running.directory / "pids")) == starts
    assert read_lines(running.directory / "out.txt") == [b"one"]


def test_the_environment_is_inherited_unless_it_is_not(engine: StartEngine) -> None:
    """Breaks without it: `inherit-environment(no)` hands the engine's variables to a program."""
    for name, option in (("with", ""), ("without", "inherit-environment(no)")):
        command = f'echo "[$DOOR_KEY]" >{name}.txt; cat'
        conf = to_program(source_that("pass"), command, option)
        running = engine(conf, name=f"{name}.conf", env={"DOOR_KEY": "secret"})
        expected = b"[secret]" if name == "with" else b"[]"
        assert running.wait_lines(f"{name}.txt", 1) == [expected]
        running.stop()


def test_a_command_has_no_macros(engine: StartEngine) -> None:
    """Breaks without it: whoever sends a message chooses what is run."""
    conf = to_program(
        source_that("self.post_message('; touch evil')"),
        'MSG=fixed; echo "$MSG ${MSG}" >out.txt; cat >>out.txt',
    )
    running = engine(conf)
    running.wait_print("done")
    running.wait_lines("out.txt", 2)
    running.stop()
    assert read_lines(running.directory / "out.txt") == [b"fixed fixed", b"; touch evil"]
    assert not (running.directory / "evil").exists()


@pytest.mark.parametrize(
    ("driver", "error"),
    [
        ("program()", "expected the command of the program"),
        ('program(" ")', "the command of the program is empty"),
        ('program("cat" create-dirs(yes))', "unknown option `create-dirs`"),
        ('program("cat" stop-timeout(soon))', "expected a number"),
    ],
)
def test_a_wrong_program_is_refused_with_its_place(tmp_path: Path, driver: str, error: str) -> None:
    """Breaks without it: a mistake in the options of a program is found by nobody."""
    conf = source("def run(self): pass").replace('file("out.log" template("$MSG\\n"))', driver)
    (tmp_path / "test.conf").write_text(conf)
    result = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert result.code == 1
    assert error in result.stdout + result.stderr
    assert "test.conf:" in result.stdout + result.stderr


def test_a_program_that_never_reads_does_not_outlive_the_engine(engine: StartEngine) -> None:
    """Breaks without it: the stop spends its time on messages, and leaves the program running."""
    conf = to_program(source_that(FLOOD, driver="log-iw-size(30000)"), "echo $$ >>pids; exec sleep 600")
    running = engine(conf)
    pid = int(running.wait_lines("pids", 1)[0])
    running.wait_print("done")
    running.send_signal(signal.SIGTERM)
    running.wait_exit()
    totals = running.totals()
    assert totals.posted == COUNT == totals.delivered + totals.dropped
    assert totals.in_flight == 0
    wait_gone(pid)


def test_what_a_program_leaves_in_its_group_ends_with_it(engine: StartEngine) -> None:
    """Breaks without it: each crash of a program leaves a process behind."""
    command = "sleep 600 & echo $! >>pids; exec cat >>out.txt"
    running = engine(to_program(source_that("self.post_message('one')"), command))
    pid = int(running.wait_lines("pids", 1)[0])
    running.wait_print("done")
    running.stop()
    assert read_lines(running.directory / "out.txt") == [b"one"]
    wait_gone(pid)


def test_a_program_reads_to_its_end_although_a_source_has_forked(engine: StartEngine) -> None:
    """Breaks without it: a child of the source keeps the program's input open, which is killed before it has written all."""
    run = """
import os
child = os.fork()
if child == 0:
    time.sleep(600)
    os._exit(0)
for number in range(3000):
    self.post_message(str(number))
self.exiting.wait()
os.kill(child, 9)
os.waitpid(child, 0)
"""
    running = engine(to_program(source_that(run), "cat >all.txt; echo end >>all.txt", "stop-timeout(30)"))
    running.wait_until(lambda: (running.directory / "all.txt").exists(), "the program")
    running.wait_until(lambda: len(read_lines(running.directory / "all.txt")) == 3000, "all lines")
    running.send_signal(signal.SIGHUP)
    # It is started anew, which empties the file, once it has read all and ended by itself.
    running.wait_log("destinations: kept")
    running.wait_until(lambda: read_lines(running.directory / "all.txt")[-1:] in ([], [b"end"]), "its end")
    running.stop()
    assert read_lines(running.directory / "all.txt")[-1] == b"end"
