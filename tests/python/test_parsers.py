"""Parsers in the paths of a running engine: branches, statistics, reload."""

from __future__ import annotations

import json
import signal
import time

from harness import Engine, StartEngine, inrush

COUNT = 1000

CONF = """@version: current
source s_gen { example-msg-generator(num(%d) freq(0) template("stray n=$SEQNUM user=\\"b o b\\"")); };
parser p_pairs { kv-parser(prefix(".kv.") extract-stray-words-into("rest")); };
destination d_out { file("out.log" template("%s\\n")); };
log { source(s_gen); parser(p_pairs); destination(d_out); flags(flow-control); };
"""


def parsers(running: Engine) -> list[dict[str, object]]:
    """What `inrush ctl stats` says of the parsers."""
    done = inrush("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    assert done.code == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)["parsers"]
    return found


def test_values_of_a_parser_are_written_and_it_is_counted_over_a_reload(engine: StartEngine) -> None:
    """Breaks without it: a parser's values do not reach a destination, or its counts begin anew with a reload."""
    running = engine(CONF % (COUNT, "${.kv.n}|${.kv.user}|$rest"), "--control", "control")
    lines = running.wait_lines("out.log", COUNT)
    assert lines == [b"%d|b o b|stray" % number for number in range(1, COUNT + 1)]
    expected = [{"id": "p_pairs#0", "parser": "kv-parser", "processed": COUNT, "discarded": 0, "reasons": {}}]
    assert parsers(running) == expected
    changed = (running.directory / "test.conf").read_text().replace('prefix(".kv.")', 'prefix(".pairs.")')
    (running.directory / "test.conf").write_text(changed)
    running.send_signal(signal.SIGHUP)
    running.wait_log("reloaded")
    assert parsers(running) == expected
    table = inrush("ctl", "--control", "control", "stats", cwd=running.directory).stdout
    assert f"PARSER     KIND       PROCESSED  DISCARDED  REASON\np_pairs#0  kv-parser      {COUNT:,}" in table
    running.stop()


def test_one_parser_of_two_paths_is_counted_once(engine: StartEngine) -> None:
    """Breaks without it: a table has two rows of one name, and nobody knows which is which."""
    conf = CONF % (COUNT, "${.kv.n}") + (
        "log { source(s_gen); parser(p_pairs); destination(d_out); flags(flow-control); };\n"
    )
    running = engine(conf, "--control", "control")
    running.wait_lines("out.log", 2 * COUNT)
    assert [(one["id"], one["processed"]) for one in parsers(running)] == [("p_pairs#0", 2 * COUNT)]
    running.stop()


GROUPING = """@version: current
source s_gen { example-msg-generator(num(%d) freq(0) template("k=$(%% $SEQNUM 2) n=$SEQNUM")); };
destination d_out { file("out.log" template("$MSG\\n")); };
log {
    source(s_gen);
    parser {
        kv-parser();
        metrics-probe(key("seen") labels("k" => "$k"));
        grouping-by(
            key("$k")
            trigger("$(context-length)" == "10")
            timeout(600)
            inject-mode(aggregate-only)
            aggregate(value("MESSAGE" "$k $(context-length) $(max $n)") inherit-mode(last-message))
        );
    };
    destination(d_out);
    flags(flow-control);
};
"""


def test_messages_are_grouped_and_probed_over_a_reload(engine: StartEngine) -> None:
    """Breaks without it: a context does not outlive a reload, or the messages in it have two outcomes or none."""
    running = engine(GROUPING % 105, "--control", "control")
    lines = running.wait_lines("out.log", 10)
    assert lines[0] == b"1 11 19"
    assert len(lines) == 10
    while parsers(running)[2]["processed"] != 105:
        time.sleep(0.01)
    running.send_signal(signal.SIGHUP)
    running.wait_log("reloaded")
    probe, grouping = parsers(running)[1:]
    assert probe["metrics"] == [
        {"name": "seen", "labels": {"k": "0"}, "value": 52},
        {"name": "seen", "labels": {"k": "1"}, "value": 53},
    ]
    correlation = grouping["correlation"]
    assert isinstance(correlation, dict)
    assert (grouping["processed"], correlation["contexts"], correlation["made"]) == (105, 2, 10)
    running.stop()
    # What waits at a stop becomes messages, too.
    assert running.wait_lines("out.log", 12)[10:] == [b"0 3 104", b"1 4 105"]
