"""Messages that one parser of a running engine refuses and the next one takes: csv, regexp and date."""

from __future__ import annotations

import json
from pathlib import Path

from harness import StartEngine, inrush

COUNT = 1000

CONF = """@version: current
source s_in { file("in.log" flags(no-parse)); };
parser p_table { csv-parser(columns("a", int("b")) delimiters(",") drop-invalid(yes) on-type-error("silently-drop-message")); };
parser p_words { regexp-parser(patterns('^(?<a>\\w+) is (?<b>\\d+)$')); };
parser p_time { date-parser(format("%F %T %z") value("b")); };
destination d_out { file("out.log" template("$TAGS $a $b $MSG\\n")); };
log {
    source(s_in);
    if { parser(p_table); rewrite { set-tag("table"); }; }
    elif { parser(p_words); rewrite { set-tag("words"); }; }
    elif { parser(p_time); rewrite { set-tag("time"); }; };
    destination(d_out);
    flags(flow-control);
};
"""


def test_a_message_goes_to_the_first_parser_that_takes_it(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: values of a parser that refused a message are in it, or it is lost, or counted twice."""
    texts = [
        text
        for number in range(COUNT)
        for text in (
            f"t,{number}",
            f"t,{number},x",
            f"w is {number}",
            f"t,x{number}",
            f"2026-01-01 00:00:{number % 60:02} Z",
        )
    ]
    (tmp_path / "in.log").write_text("".join(f"{text}\n" for text in texts))
    running = engine(CONF, "--control", "control")
    lines = [line.decode() for line in running.wait_lines("out.log", len(texts))]
    for number in range(0, COUNT, 37):
        table, many, words, wrong, time = lines[5 * number : 5 * number + 5]
        assert table == f".source.s_in,table t {number} t,{number}"
        assert (many, wrong) == (f".source.s_in   t,{number},x", f".source.s_in   t,x{number}")
        assert words == f".source.s_in,words w {number} w is {number}"
        assert time.startswith(f".source.s_in,time  {1_767_225_600 + number % 60}.000000 2026-01-01")
    done = inrush("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    found = {one["id"]: (one["processed"], one["reasons"]) for one in json.loads(done.stdout)["parsers"]}
    assert found == {
        "p_table#0": (
            5 * COUNT,
            {"too few columns": 2 * COUNT, "too many columns": COUNT, "wrong type": COUNT},
        ),
        "p_words#0": (4 * COUNT, {"no match": 3 * COUNT}),
        "p_time#0": (3 * COUNT, {"no format fits": 2 * COUNT}),
    }
    running.stop()
