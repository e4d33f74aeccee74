"""add-contextual-data() in a running engine: its database is read again with the configuration."""

from __future__ import annotations

import signal
from pathlib import Path

from harness import StartEngine

CONF = """@version: current
source s_gen { example-msg-generator(num(4) freq(0) template("n=$SEQNUM")); };
source s_in { file("in.log" flags(no-parse)); };
parser p_data { add-contextual-data(database("data.csv") selector("$MESSAGE") default-selector("other") prefix(".d.")); };
destination d_out { file("out.log" template("$MESSAGE ${.d.role}\\n")); };
log { source(s_gen); source(s_in); parser(p_data); destination(d_out); flags(flow-control); };
"""


def test_a_database_is_read_again_by_a_reload(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: a database that was changed holds only after a restart, or a broken one stops what runs."""
    database, log = tmp_path / "data.csv", tmp_path / "in.log"
    database.write_text("n=1,role,one\nn=3,role,$SOURCE\nother,role,none\n")
    log.touch()
    running = engine(CONF)
    lines = running.wait_lines("out.log", 4)
    assert lines == [b"n=1 one", b"n=2 none", b"n=3 s_gen", b"n=4 none"]
    database.write_text("n=5,role\n")
    running.send_signal(signal.SIGHUP)
    running.wait_log("expected three columns: selector, name and value")
    with log.open("a") as file:
        file.write("n=5\n")
    assert running.wait_lines("out.log", 5)[4:] == [b"n=5 none"]
    database.write_text("n=6,role,six\n")
    running.send_signal(signal.SIGHUP)
    running.wait_log("reloaded")
    with log.open("a") as file:
        file.write("n=6\nn=1\n")
    assert running.wait_lines("out.log", 7)[5:] == [b"n=6 six", b"n=1 "]
    running.stop()
