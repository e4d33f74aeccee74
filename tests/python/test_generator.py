"""`example-msg-generator()`, a source of the engine's own: counts, templates, waits, reload and stop."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from harness import StartEngine, inrush, read_lines

COUNT = 200_000


def generator(options: str, *, path: str = "out.log", template: str = "$MSG\\n", more: str = "") -> str:
    """A configuration of one generator with these options, into a file."""
    return f"""@version: current
options {{ time-reopen(1); {more} }};
source s_gen {{ example-msg-generator({options}); }};
destination d_out {{ file("{path}" template("{template}")); }};
log {{ source(s_gen); destination(d_out); flags(flow-control); }};
"""


def test_a_flood_is_posted_in_order_and_held_back_by_its_window(engine: StartEngine) -> None:
    """Breaks without it: a source of the engine's own loses messages or runs ahead of its window."""
    conf = generator(f'num({COUNT}) freq(0) template("$SEQNUM") log-iw-size(1000)')
    running = engine(conf)
    lines = running.wait_lines("out.log", COUNT)
    totals = running.stop()
    assert lines == [b"%d" % number for number in range(1, COUNT + 1)]
    assert (totals.posted, totals.delivered, totals.dropped) == (COUNT, COUNT, 0)


def test_a_generator_that_waits_for_credit_ends_when_it_is_asked_to(engine: StartEngine) -> None:
    """Breaks without it: a source that waits for a destination that cannot write holds up the end of the engine."""
    running = engine(generator("freq(0) log-iw-size(100)", path="gone/out.log"))
    running.wait_log("cannot write to `gone/out.log`")
    (running.directory / "gone").mkdir()
    running.wait_lines("gone/out.log", 1000)
    running.stop()


def test_templates_values_and_overrides(engine: StartEngine) -> None:
    """Breaks without it: the macros of a generated message are empty, or its values are those of another name."""
    conf = generator(
        'num(2) freq(0.01) template("$SEQNUM of $HOST in $SOURCE") program-override("gen") tags("made") '
        'values("door" => "north-$SEQNUM" "PID" => "7") ',
        template="$MSG|$PROGRAM|$PID|${door}|$TAGS\\n",
        more="keep-hostname(yes);",
    )
    running = engine(conf)
    first, second = running.wait_lines("out.log", 2)
    running.stop()
    message, *rest = first.split(b"|")
    assert message.startswith(b"1 of ")
    assert message.endswith(b" in s_gen")
    assert rest == [b"gen", b"7", b"north-1", b"made,.source.s_gen"]
    assert second.split(b"|")[3] == b"north-2"


def test_a_reload_keeps_a_generator_that_did_not_change(engine: StartEngine) -> None:
    """Breaks without it: a reload stops a native source that is the same, or goes on with one that is not."""
    conf = generator('freq(0.001) template("$SEQNUM")')
    running = engine(conf, "--control", "control")
    running.wait_lines("out.log", 10)
    (running.directory / "test.conf").write_text(conf + "\nlog { source { internal(); }; };\n")
    running.send_signal(signal.SIGHUP)
    running.wait_log(r"sources: kept s_gen#0")
    before = len(read_lines(running.directory / "out.log"))
    running.wait_lines("out.log", before + 10)
    # Another template is another source: it begins anew.
    (running.directory / "test.conf").write_text(conf.replace("$SEQNUM", "other $SEQNUM"))
    running.send_signal(signal.SIGHUP)
    running.wait_log(r"replaced s_gen#0")
    running.wait_until(lambda: b"other 5" in read_lines(running.directory / "out.log"), "the other messages")
    answer = inrush("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    drivers = {one["id"]: one["driver"] for one in json.loads(answer.stdout)["sources"]}
    assert drivers["s_gen#0"] == "example-msg-generator"
    totals = running.stop()
    lines = read_lines(running.directory / "out.log")
    numbers = [int(line) for line in lines if not line.startswith(b"other")]
    assert numbers == list(range(1, len(numbers) + 1))
    # Those of internal() have no destination.
    assert totals.posted == totals.delivered + totals.filtered


def test_a_generator_that_is_done_posts_nothing_again_at_a_reload(engine: StartEngine) -> None:
    """Breaks without it: each reload of the same configuration doubles the messages."""
    running = engine(generator('num(10) freq(0) template("$SEQNUM")'))
    running.wait_lines("out.log", 10)
    for count in (1, 2):
        running.send_signal(signal.SIGHUP)
        running.wait_log(rf"(?s)(sources: kept s_gen#0.*){{{count}}}")
    assert running.stop().posted == 10


def test_a_message_that_is_too_large_is_told(engine: StartEngine) -> None:
    """Breaks without it: a generator whose message is too large ends without a word."""
    values = " ".join(f'"v{number}" => "a"' for number in range(70_000))
    running = engine(generator(f"num(3) freq(0) values({values})"))
    running.wait_log("source s_gen#0: its message is larger than a message can be")
    assert running.stop().posted == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("num(many)", "expected a whole number"),
        ('values("a" "b")', "expected `=>`"),
        ('template("$(no-such-function x)")', "no-such-function"),
        ('time-zone("Nowhere/Else")', "unknown time zone `Nowhere/Else`"),
        ("class(X)", "unknown option `class`"),
    ],
)
def test_a_wrong_generator_is_refused_with_its_place(tmp_path: Path, options: str, error: str) -> None:
    """Breaks without it: a mistake in the options of a generator is found by nobody."""
    (tmp_path / "test.conf").write_text(generator(options))
    result = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert result.code == 1
    assert error in result.stdout + result.stderr
    assert "test.conf:" in result.stdout + result.stderr
