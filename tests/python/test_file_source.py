"""`file()` and `wildcard-file()` as sources, on a real engine: files are followed, renamed, truncated, and removed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import Engine, StartEngine, inrush

STATE = ("--persist-file", "state", "--control", "control")


def following(driver: str, template: str = "$MSG", path: str = "out.log") -> str:
    """The configuration of a source that goes to a file."""
    return f"""@version: current
options {{ time-reopen(0.1); }};
source s_test {{ {driver}; }};
destination d_test {{ file("{path}" template("{template}\\n")); }};
log {{ source(s_test); destination(d_test); flags(flow-control); }};
"""


def of_file(options: str = "", template: str = "$MSG", path: str = "out.log") -> str:
    """The same for `a.log`."""
    return following(f'file("a.log" flags(no-parse) follow-freq(0.1) {options})', template, path)


def append(path: Path, text: str | bytes) -> None:
    """Writes at the end of a file."""
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def texts(running: Engine, count: int, name: str = "out.log") -> list[str]:
    """The lines that have arrived, of which there are so many."""
    return [line.decode() for line in running.wait_lines(name, count)]


def kill(running: Engine) -> None:
    """Ends an engine in the middle of whatever it does."""
    running.process.kill()
    running.process.wait()
    running.stopped = True


class TestFollowing:
    """One file, while the engine runs and between two runs."""

    def test_lines_are_messages_when_they_are_complete(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: the beginning of a line is a message, or the file of a line is not known."""
        append(tmp_path / "a.log", "one\ntwo\npartial")
        running = engine(of_file(template="$FILE_NAME|$MSG"), *STATE)
        assert texts(running, 2) == ["a.log|one", "a.log|two"]
        append(tmp_path / "a.log", " done\n")
        assert texts(running, 3)[2] == "a.log|partial done"
        totals = running.stop()
        assert (totals.posted, totals.delivered) == (3, 3)

    def test_a_file_that_is_missing_is_waited_for(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a source of a file that a program makes later never reads it."""
        running = engine(of_file(), *STATE)
        append(tmp_path / "a.log", "late\n")
        assert texts(running, 1) == ["late"]
        assert ctl_source(running)["files"]["open"] == 1
        running.stop()

    def test_a_renamed_file_is_read_to_its_end(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: what is written between the last look and the rename is lost."""
        log, old = tmp_path / "a.log", tmp_path / "a.log.1"
        append(log, "one\n")
        running = engine(of_file(), *STATE)
        texts(running, 1)
        log.rename(old)
        append(old, "two\n")
        append(log, "three\n")
        assert texts(running, 3) == ["one", "two", "three"]
        running.stop()

    def test_a_truncated_file_is_read_from_its_start(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: `copytruncate` ends the reading."""
        append(tmp_path / "a.log", "one\ntwo\n")
        running = engine(of_file(), *STATE)
        texts(running, 2)
        shutil.copy(tmp_path / "a.log", tmp_path / "a.log.1")
        (tmp_path / "a.log").write_text("new\n")
        assert texts(running, 3)[2] == "new"
        running.wait_log(r"a\.log was truncated")
        running.stop()

    def test_a_restart_goes_on_where_it_was(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: each start reads all lines again, or skips those of the time between."""
        append(tmp_path / "a.log", "one\ntwo\n")
        running = engine(of_file(), *STATE)
        texts(running, 2)
        running.stop()
        append(tmp_path / "a.log", "three\n")
        running = engine(of_file(), *STATE)
        assert texts(running, 3) == ["one", "two", "three"]
        assert running.stop().posted == 1

    def test_a_file_that_was_renamed_while_nobody_read_is_found(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Breaks without it: the rest of a file that is rotated during a restart is lost."""
        log = tmp_path / "a.log"
        append(log, "one\n")
        running = engine(of_file(), *STATE)
        texts(running, 1)
        running.stop()
        append(log, "two\n")
        log.rename(tmp_path / "a.log.1")
        append(log, "three\n")
        running = engine(of_file(), *STATE)
        assert texts(running, 3) == ["one", "two", "three"]
        running.wait_log("was renamed to a.log.1")
        running.stop()

    def test_a_kill_loses_nothing_and_repeats_nothing_that_is_acknowledged(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Breaks without it: a crash loses lines, or gives those again whose position is stored."""
        append(tmp_path / "a.log", "one\ntwo\n")
        running = engine(of_file(), *STATE)
        texts(running, 2)
        running.wait_until(lambda: stored(running) == 8, "the position is on the disk")
        kill(running)
        append(tmp_path / "a.log", "three\n")
        running = engine(of_file(), *STATE)
        assert texts(running, 3) == ["one", "two", "three"]
        running.stop()

    def test_what_waits_for_a_destination_is_read_again(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: 250 lines that a destination has not taken are gone with the process."""
        lines = [f"line {number}" for number in range(250)]
        append(tmp_path / "a.log", "".join(f"{line}\n" for line in lines))
        conf = of_file(path="gone/out.log")
        running = engine(conf, *STATE)
        running.wait_until(lambda: ctl_source(running)["in_flight"] == 250, "all lines wait")
        kill(running)
        (tmp_path / "gone").mkdir()
        running = engine(conf, *STATE)
        assert texts(running, 250, "gone/out.log") == lines
        running.stop()

    def test_no_credit_means_not_read(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a file that is larger than the memory is read into it."""
        append(tmp_path / "a.log", "x" * 99 + "\n")
        for _ in range(12):
            append(tmp_path / "a.log", (tmp_path / "a.log").read_bytes())
        conf = of_file("log-iw-size(50)", path="gone/out.log")
        running = engine(conf, *STATE)
        running.wait_until(lambda: ctl_source(running)["state"] == "waiting for credit", "it waits")
        source = ctl_source(running)
        assert (source["in_flight"], source["window"]) == (50, 50)
        (tmp_path / "gone").mkdir()
        texts(running, 4096, "gone/out.log")
        running.wait_until(lambda: ctl_source(running)["files"]["lag"] == 0, "all is read")
        running.stop()

    def test_a_reload_goes_on(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a reload reads a file again, or loses the half of a line."""
        append(tmp_path / "a.log", "one\nhalf")
        running = engine(of_file(), *STATE)
        texts(running, 1)
        ctl(running, "reload")
        append(tmp_path / "a.log", " of it\n")
        assert texts(running, 2)[1] == "half of it"
        append(tmp_path / "a.log", "again half")
        running.wait_until(lambda: ctl_source(running)["files"]["lag"] == 0, "it is read")
        (tmp_path / "test.conf").write_text(of_file("tags(changed)"))
        ctl(running, "reload")
        append(tmp_path / "a.log", " of it\n")
        assert texts(running, 3) == ["one", "half of it", "again half of it"]
        running.stop()

    def test_a_file_that_may_not_be_read_is_told_once(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: nobody is told, or each second; or it is not read when it may be."""
        (tmp_path / "a.log").mkdir()
        running = engine(of_file(), *STATE)
        running.wait_log(r"a\.log cannot be read, and is tried again: there is a directory at this path")
        (tmp_path / "a.log").rmdir()
        append(tmp_path / "a.log", "one\n")
        assert texts(running, 1) == ["one"]
        assert running.stderr.text.count("cannot be read") == 1
        running.stop()

    def test_without_a_state_file_it_is_said(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a user finds out after a restart that all lines came again."""
        append(tmp_path / "a.log", "one\n")
        running = engine(of_file())
        running.wait_log("runs without --persist-file")
        assert texts(running, 1) == ["one"]
        running.stop()

    def test_two_sources_of_one_file_are_refused_with_both_places(self, tmp_path: Path) -> None:
        """Breaks without it: two sources move one position, and lines are lost after a restart."""
        conf = of_file().replace("log {", 'source s_other { file("a.log"); };\nlog { source(s_other);')
        (tmp_path / "test.conf").write_text(conf)
        checked = inrush("check", "-f", tmp_path / "test.conf", cwd=tmp_path)
        assert checked.code != 0
        assert "two sources have the persist name `file(a.log)`" in checked.stderr
        assert "test.conf:3" in checked.stderr
        assert "test.conf:5" in checked.stderr


class TestMessages:
    """What of a file is a message."""

    @pytest.mark.parametrize(
        ("options", "content", "expected"),
        [
            ("multi-line-mode(indented)", "first\n  c\n\tc2\nsecond\n", ["first;  c;\tc2"]),
            ("multi-line-mode(indented) multi-line-timeout(0.2)", "m1\n  c\nlast\n", ["m1;  c", "last"]),
            (
                'multi-line-mode(prefix-garbage) multi-line-prefix("^S") multi-line-garbage("END")',
                "junk\nS one\nmore END t\nignored\nS two\nS three\n",
                ["junk", "S one;more ", "ignored", "S two"],
            ),
            (
                'multi-line-mode(prefix-suffix) multi-line-prefix("^S") multi-line-suffix("END")',
                "S one\nmore END t\nleft\nS two\nS three\n",
                ["S one;more END", "left", "S two"],
            ),
            (
                "multi-line-mode(smart)",
                "Traceback (most recent call last):\n  File 'a'\nKeyError: 1\nplain\n",
                ["Traceback (most recent call last):;  File 'a';KeyError: 1", "plain"],
            ),
            ("encoding(iso-8859-2)", b"\xe1\x72\x76\xed\x7a\xfb\n", ["árvízű"]),
            ("pad-size(10)", b"abc\n\0\0\0\0\0\0" + b"0123456789" + b"short", ["abc", "0123456789"]),
            ("log-msg-size(50)", "b" * 120 + "\nnext\n", ["b" * 50, "b" * 50, "b" * 20, "next"]),
            ("flags(no-parse empty-lines)", "x\n\n\ny\n", ["x", "", "", "y"]),
        ],
    )
    def test_messages(
        self, engine: StartEngine, tmp_path: Path, options: str, content: str | bytes, expected: list[str]
    ) -> None:
        """Breaks without it: an option of a file changes nothing, or something else."""
        append(tmp_path / "a.log", content)
        running = engine(of_file(options, template="<$MSG>"), *STATE)
        count = sum(text.count(";") + 1 for text in expected)
        lines = "\n".join(texts(running, count))
        running.stop()
        assert lines == "\n".join(f"<{text.replace(';', chr(10))}>" for text in expected)

    def test_lines_of_syslog_are_parsed(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: the lines of `/var/log/messages` of another program are texts without a program."""
        append(tmp_path / "a.log", "<34>Oct 11 22:14:15 h1 su[7]: one\n")
        conf = following('file("a.log" program-override("other"))', template="$PROGRAM|$MSG|$PRIORITY")
        running = engine(conf, *STATE)
        assert texts(running, 1) == ["other|one|crit"]
        running.stop()

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ("multi-line-mode(indented) pad-size(5)", "pad-size() and multi-line-mode() do not go together"),
            ('multi-line-prefix("x")', "a pattern of messages of several lines, and a mode that has none"),
            ("multi-line-mode(prefix-garbage)", "multi-line-mode(prefix-garbage) needs a pattern"),
            ("multi-line-mode(prefix-suffix)", "needs the pattern of the suffix"),
            ("follow-freq(0)", "a file cannot be followed without a time between two looks"),
            ("encoding(none-such)", "unknown encoding `none-such`"),
            ("encoding(utf-16le) multi-line-mode(smart)", "two bytes a character do not go together"),
            ("hook-commands(start(x))", "unknown option `start`"),
        ],
    )
    def test_options_that_cannot_be_are_refused(self, tmp_path: Path, options: str, error: str) -> None:
        """Breaks without it: a configuration starts and reads its file in another way than it says."""
        (tmp_path / "test.conf").write_text(of_file(options))
        checked = inrush("check", "-f", tmp_path / "test.conf", cwd=tmp_path)
        assert checked.code != 0
        assert error in checked.stderr, checked.stderr


def many(options: str) -> str:
    """The configuration of all files of a pattern below `logs`."""
    where = 'base-dir("logs") filename-pattern("*.log")'
    driver = f"wildcard-file({where} flags(no-parse) follow-freq(0.1) {options})"
    return following(driver, "$FILE_NAME|$MSG")


class TestManyFiles:
    """`wildcard-file()`."""

    def test_files_below_each_other_are_read(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: files in directories below are not read, or those of other names are."""
        logs = tmp_path / "logs"
        (logs / "sub").mkdir(parents=True)
        for name in ("a.log", "sub/b.log", "c.txt"):
            append(logs / name, f"of {name}\n")
        running = engine(many("recursive(yes)"), *STATE)
        assert sorted(texts(running, 2)) == ["logs/a.log|of a.log", "logs/sub/b.log|of sub/b.log"]
        (logs / "new" / "deep").mkdir(parents=True)
        append(logs / "new" / "deep" / "z.log", "late\n")
        assert texts(running, 3)[2] == "logs/new/deep/z.log|late"
        assert running.stop().posted == 3

    def test_more_files_than_may_be_read_wait(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: all descriptors are used up, or a file that waits is never read."""
        (tmp_path / "logs").mkdir()
        for number in range(6):
            append(tmp_path / "logs" / f"{number}.log", f"of {number}\n")
        running = engine(many("max-files(3)"), *STATE)
        texts(running, 3)
        running.wait_log(r"3 files wait until others are removed: max-files\(\) is 3")
        assert ctl_source(running)["files"] | {"bytes": 0, "lag": 0} == {
            "bytes": 0,
            "lag": 0,
            "open": 3,
            "waiting": 3,
        }
        (tmp_path / "logs" / "1.log").unlink()
        assert texts(running, 4)[3] == "logs/3.log|of 3"
        running.stop()

    def test_a_file_that_is_renamed_within_the_pattern_is_read_once(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Breaks without it: each rotation reads the old file again."""
        logs = tmp_path / "logs"
        logs.mkdir()
        append(logs / "a.log", "one\n")
        running = engine(many(""), *STATE)
        texts(running, 1)
        (logs / "a.log").rename(logs / "a.1.log")
        append(logs / "a.1.log", "two\n")
        append(logs / "a.log", "three\n")
        assert texts(running, 3) == ["logs/a.log|one", "logs/a.log|two", "logs/a.log|three"]
        append(logs / "a.1.log", "four\n")
        assert texts(running, 4)[3] == "logs/a.1.log|four"
        running.stop()
        append(logs / "a.log", "five\n")
        (logs / "a.log").rename(logs / "a.0.log")
        append(logs / "a.log", "six\n")
        running = engine(many(""), *STATE)
        assert texts(running, 6)[4:] == ["logs/a.log|five", "logs/a.log|six"]
        assert running.stop().posted == 2

    def test_a_path_with_a_pattern_is_the_same(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: `file("/var/log/*.log")` waits for a file of that name."""
        append(tmp_path / "a.log", "one\n")
        append(tmp_path / "b.log", "two\n")
        append(tmp_path / "c.txt", "no\n")
        driver = 'file("*.log" flags(no-parse) follow-freq(0.1) exclude-pattern("out*") monitor-method(poll))'
        running = engine(following(driver), *STATE)
        assert sorted(texts(running, 2)) == ["one", "two"]
        running.stop()

    def test_a_directory_that_comes_later_is_waited_for(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a directory that is mounted late ends the source."""
        running = engine(many(""), *STATE)
        running.wait_log("logs cannot be looked into, and is tried again")
        (tmp_path / "logs").mkdir()
        append(tmp_path / "logs" / "a.log", "one\n")
        texts(running, 1)
        running.stop()


def test_rotation_by_a_program_loses_nothing(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: lines are lost or doubled when a program writes and its file is rotated at the same time."""
    log = tmp_path / "a.log"
    log.touch()
    running = engine(of_file(), *STATE)
    # As a daemon does it: the file is opened anew after each of eight rotations.
    script = """
import os, time
number = 0
for rotation in range(8):
    with open("a.log", "a") as file:
        for _ in range(2000):
            file.write(f"line {number}\\n")
            number += 1
            if number % 200 == 0:
                file.flush()
                time.sleep(0.005)
    time.sleep(0.3)
    for old in range(3, 0, -1):
        if os.path.exists(f"a.log.{old}"):
            os.rename(f"a.log.{old}", f"a.log.{old + 1}")
    os.rename("a.log", "a.log.1")
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    assert texts(running, 16_000) == [f"line {number}" for number in range(16_000)]
    running.stop()


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
@pytest.mark.parametrize("how", ["create", "copytruncate"])
def test_logrotate(engine: StartEngine, tmp_path: Path, how: str) -> None:
    """Breaks without it: the rotation that nearly every machine has loses lines."""
    log = tmp_path / "a.log"
    append(log, "one\ntwo\n")
    (tmp_path / "rotate.conf").write_text(f"{log} {{\n rotate 3\n {how}\n missingok\n}}\n")
    (tmp_path / "rotate.conf").chmod(0o600)
    running = engine(of_file(), *STATE)
    texts(running, 2)
    for number in range(3):
        command = ["logrotate", "-f", "-s", str(tmp_path / "rotate.state"), str(tmp_path / "rotate.conf")]
        subprocess.run(command, check=True)
        append(log, f"after {number}\n")
        assert texts(running, 3 + number)[-1] == f"after {number}"
    running.stop()


def ctl(running: Engine, *words: str) -> str:
    """The output of `inrush ctl`, which must succeed."""
    done = inrush("ctl", "--control", "control", *words, cwd=running.directory)
    assert done.code == 0, (done, running.report())
    return done.stdout


def ctl_source(running: Engine) -> Any:
    """The statistics of the source."""
    return json.loads(ctl(running, "stats", "--json"))["sources"][0]


def stored(running: Engine) -> int | None:
    """The place in `a.log` that the state file has, as far as one can read it while the engine runs."""
    data = (running.directory / "state").read_bytes()
    at = data.rfind(b"offset=")
    return int(data[at + 7 :].split(b" ", 1)[0]) if at >= 0 else None
