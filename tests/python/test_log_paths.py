"""Log paths from end to end: which message arrives in which file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Engine, StartEngine, read_lines

RunPaths = Callable[[str], Engine]

# Two sources, `a` and `b`, which post `a 0`, `a 1`, … and say when they have.
SOURCES = """@version: current
python {
import threading
from syslogng import LogMessage, LogSource

class Source(LogSource):
    def init(self, options):
        self.name = options["name"]
        self.exiting = threading.Event()
        return True

    def run(self):
        for number in range(100):
            msg = LogMessage(f"{self.name} {number}")
            msg["PROGRAM"] = self.name
            self.post_message(msg)
        print(f"done {self.name}\\n", end="", flush=True)
        self.exiting.wait()

    def request_exit(self):
        self.exiting.set()
};
source a { python(class("Source") options("name" "a") persist-name("a")); };
source b { python(class("Source") options("name" "b") persist-name("b")); };
template t "$MSG\\n";
destination one { file("one.log" template(t)); };
destination two { file("two.log" template(t)); };
"""
A = [b"a %d" % number for number in range(100)]
B = [b"b %d" % number for number in range(100)]


@pytest.fixture
def run_paths(engine: StartEngine) -> RunPaths:
    """Runs the two sources through log paths and returns the engine, stopped."""

    def run(paths: str) -> Engine:
        running = engine(SOURCES + paths)
        running.wait_print("done a")
        running.wait_print("done b")
        running.stop()
        return running

    return run


def contents(running: Engine, name: str) -> list[bytes]:
    """The lines of a file, those of `a` first; what one source posted is in order already."""
    return sorted(read_lines(running.directory / name), key=lambda line: line[:1])


FLOW = "flags(flow-control);"
BOTH = "log { source(a); source(b); destination(one); flags(flow-control); };"
PATHS: dict[str, tuple[str, list[bytes], list[bytes]]] = {
    "two sources, one destination": (BOTH, A + B, []),
    "one source, two destinations": (
        f"log {{ source(a); destination(one); destination(two); {FLOW} }}; log {{ source(b); {FLOW} }};",
        A,
        A,
    ),
    "the same source in two paths": (
        f"{BOTH} log {{ source(a); destination(two); {FLOW} }};",
        A + B,
        A,
    ),
    "embedded paths": (
        "log { source(a); source(b); log { destination(one); }; log { destination(two); }; flags(flow-control); };",
        A + B,
        A + B,
    ),
    "final": (
        "log { source(a); destination(one); flags(flow-control, final); };"
        "log { source(a); source(b); destination(two); flags(flow-control); };",
        A,
        B,
    ),
    "fallback": (
        "log { source(a); source(b); destination(two); flags(flow-control, fallback); };"
        "log { source(a); destination(one); flags(flow-control); };",
        A,
        B,
    ),
    "catchall": (
        "log { destination(one); flags(flow-control, catchall); }; log { source(b); destination(two); flags(flow-control); };",
        A + B,
        B,
    ),
    "inline everything": (
        'log { source { python(class("Source") options("name" "a") persist-name("c")); };'
        ' destination { file("one.log" template("$MSG\\n")); }; flags(flow-control); };'
        "log { source(a); flags(flow-control); };"
        "log { source(b); destination(two); flags(flow-control); };",
        A,
        B,
    ),
    "flow control for every path": (
        f"options {{ log-flow-control(yes); }}; {BOTH.replace(FLOW, '')}",
        A + B,
        [],
    ),
}


@pytest.mark.parametrize("name", PATHS)
def test_which_message_arrives_where(run_paths: RunPaths, name: str) -> None:
    """Without it: messages arrive twice, in the wrong file, or nowhere."""
    paths, one, two = PATHS[name]
    running = run_paths(paths)
    assert contents(running, "one.log") == one
    assert contents(running, "two.log") == two


def test_path_without_destination_counts(run_paths: RunPaths) -> None:
    """Without it: a source whose messages nobody wants stops when its window is full."""
    running = run_paths("log { source(a); source(b); flags(flow-control); };")
    assert running.totals().posted == 200


def test_file_name_from_the_message(run_paths: RunPaths) -> None:
    """Without it: one file gets what belongs into many."""
    running = run_paths(
        'log { source(a); source(b); destination { file("logs/$PROGRAM.log" template(t) create-dirs(yes)); }; flags(flow-control); };'
    )
    assert read_lines(running.directory / "logs" / "a.log") == A
    assert read_lines(running.directory / "logs" / "b.log") == B


def test_slow_destination_does_not_lose_for_the_fast_one(engine: StartEngine) -> None:
    """Without it: a destination that stands still drops or doubles messages of the one beside it."""
    running = engine(
        SOURCES
        + "options { time-reopen(1); };"
        + 'log { source(a); source(b); destination(one); destination { file("gone/x.log" template(t)); }; flags(flow-control); };'
    )
    running.wait_log("gone")
    running.make_gone()
    assert sorted(running.wait_lines("gone/x.log", 200)) == sorted(A + B)
    running.stop()
    assert contents(running, "one.log") == A + B


def test_without_flow_control_the_newest_are_dropped_and_counted(engine: StartEngine) -> None:
    """Without it: messages that a full queue dropped are in no count."""
    running = engine(
        SOURCES
        + "options { time-reopen(1); };"
        + 'log { source(a); source(b); destination { file("gone/x.log" template(t) log-fifo-size(10)); }; };'
    )
    running.wait_print("done a")
    running.wait_print("done b")
    running.make_gone()
    running.wait_lines("gone/x.log", 1)
    totals = running.stop()
    written = len(read_lines(running.directory / "gone" / "x.log"))
    assert totals.posted == 200
    assert totals.delivered == written
    assert totals.dropped == 200 - written


def test_internal_source(engine: StartEngine) -> None:
    """Without it: nobody can send what the engine itself has to say anywhere but to stderr."""
    running = engine(
        SOURCES.replace(
            'print(f"done', 'import logging; logging.getLogger("mine").error("said"); print(f"done'
        )
        + BOTH
        + 'log { source { internal(); }; destination { file("internal.log" template("$MSG\\n")); }; flags(flow-control); };'
    )
    path = running.directory / "internal.log"
    running.wait_until(
        lambda: path.exists() and path.read_bytes().count(b"python-mine: said\n") == 2,
        "both messages in internal.log",
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("$MSG", b"text"),
        ("${MESSAGE}", b"text"),
        ("$$MSG", b"$MSG"),
        ("${.t.missing:-default}", b"default"),
        ("${.t.number}", b"42"),
        ("$PRI $FACILITY $LEVEL", b"165 local4 notice"),
        ("$ISODATE", b"2026-03-04T05:06:07+02:00"),
        ("$YEAR-$MONTH-$DAY $HOUR:$MIN:$SEC.$USEC", b"2026-03-04 05:06:07.123456"),
        ("$UNIXTIME", b"1772593567"),
        ("[$PROGRAM] $MSGHDR", b"[app] app[7]: "),
        ("$SOURCE", b"s"),
    ],
)
def test_templates(engine: StartEngine, text: str, line: bytes) -> None:
    """Without it: a macro says something else than it does elsewhere."""
    running = engine(
        """@version: current
python {
from datetime import datetime, timedelta, timezone
from syslogng import LogMessage, LogSource
class Source(LogSource):
    def run(self):
        msg = LogMessage("text")
        msg.set_pri(165)
        msg.set_timestamp(datetime(2026, 3, 4, 5, 6, 7, 123456, timezone(timedelta(hours=2))))
        msg["PROGRAM"] = "app"
        msg["PID"] = "7"
        msg[".t.number"] = 42
        self.post_message(msg)
    def request_exit(self): pass
};
source s { python(class("Source")); };
"""
        f'log {{ source(s); destination {{ file("out.log" template("{text}\\n")); }}; flags(flow-control); }};\n'
    )
    assert running.wait_lines("out.log", 1) == [line]
