"""Options of `file()` as a destination, on a real engine: links, old files, sizes of lines."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness import StartEngine
from test_file_source import STATE, ctl


def conf(options: str, messages: str = 'num(3) freq(0) template("m $SEQNUM")', path: str = "out.log") -> str:
    """The configuration of a few messages that go to a file."""
    return f"""@version: current
source s_test {{ example-msg-generator({messages}); }};
destination d_test {{ file("{path}" template("$MSG\\n") {options}); }};
log {{ source(s_test); destination(d_test); flags(flow-control); }};
"""


def test_a_link_leads_to_the_file(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: there is no link, a reload forgets it, or a file is taken away for it."""
    (tmp_path / "taken").write_text("content")
    messages = 'num(1000000) freq(0.05) template("m")'
    running = engine(conf('symlink-as("now")', messages), *STATE)
    running.wait_lines("now", 3)
    assert (tmp_path / "now").readlink() == tmp_path / "out.log"
    (tmp_path / "test.conf").write_text(conf('symlink-as("then")', messages))
    ctl(running, "reload")
    running.wait_until((tmp_path / "then").is_symlink, "another link")
    (tmp_path / "test.conf").write_text(conf('symlink-as("taken")', messages))
    ctl(running, "reload")
    running.wait_log(r"symlink-as\(taken\) cannot be made: there is something at that path that is no link")
    assert (tmp_path / "taken").read_text() == "content"
    totals = running.stop()
    assert totals.posted == totals.delivered


def test_a_link_follows_the_last_file(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: of many files the link leads to the first."""
    running = engine(conf('symlink-as("now")', path="$(echo $MSG).log"))
    running.wait_lines("m 3.log", 1)
    running.wait_until(lambda: (tmp_path / "now").readlink().name == "m 3.log", "the last one")
    assert running.stop().posted == 3


@pytest.mark.parametrize(("age", "lines"), [(3600, 3), (0, 4)])
def test_old_files_are_begun_anew(engine: StartEngine, tmp_path: Path, age: int, lines: int) -> None:
    """Breaks without it: a week later the lines of two weeks are in one file."""
    (tmp_path / "out.log").write_text("old\n")
    then = time.time() - age
    os.utime(tmp_path / "out.log", (then, then))
    running = engine(conf("overwrite-if-older(600)"))
    running.wait_lines("out.log", lines)
    assert running.stop().posted == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("pad-size(12)", b"m 1\n" + b"\0" * 8),
        ("truncate-size(2)", b"m \n"),
        ("pad-size(3)", b"m \n"),
        ("truncate-size(1) pad-size(4)", b"m\n\0\0"),
    ],
)
def test_lines_have_their_sizes(engine: StartEngine, tmp_path: Path, options: str, expected: bytes) -> None:
    """Breaks without it: records have another size than whoever reads them expects."""
    running = engine(conf(options, 'num(2) freq(0) template("m 1")'))
    running.wait_until(
        lambda: (tmp_path / "out.log").exists() and (tmp_path / "out.log").stat().st_size > 0, ""
    )
    assert running.stop().delivered == 2
    assert (tmp_path / "out.log").read_bytes() == expected * 2
    if options == "pad-size(3)":
        assert "was longer than pad-size(), and was cut" in running.stderr.text
