"""SIGTERM while the disk is full."""

from __future__ import annotations

import re
import signal
import time

from torture.attack import Budget, Run, SkippedError, attack, until
from torture.small_disk import fill, small_disk

CONF = """@version: current
options {{ time-reopen({reopen}); }};
python {{
from inrush import LogSource, PersistedBookmark

class Source(LogSource):
    def init(self, options):
        self.ack_tracker = PersistedBookmark(self.persist_name, default=0)
        return True

    def run(self):
        n = self.ack_tracker.value
        print("begins at", n, flush=True)
        while not self.exit_requested:
            self.post_message(f"s {{n}} " + "x" * (n * {step} % {most}), bookmark=n + 1)
            n += 1
}};
source s_test {{ python(class("Source") log-iw-size({window}) stop-timeout(2)); }};
log {{ source(s_test); destination {{ file("disk/out.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""
# stop-timeout(), then what a stop gives destinations, then what a busy machine may take.
BOUND = 2 + 5 + 15


@attack(
    "stop-full",
    "exits within the bound, no torn line, what was not written is reported by number, and delivered after a restart",
    short=Budget(count=3),
    long=Budget(count=200),
)
def stop_full(run: Run) -> None:
    """A source posts as fast as it can into a small disk, which is full sooner or later, and is stopped at
    some moment."""
    disk = run.directory / "disk"
    with small_disk(disk, 2 << 10) as missing:
        if missing:
            raise SkippedError(missing)
        for _ in run.rounds():
            chance = run.random
            window, step = chance.choice([10, 1000, 50_000]), chance.randint(1, 997)
            most = chance.choice([10, 1000, 20_000])
            reopen = chance.choice([0.05, 1, 60])
            out, junk = disk / "out.log", disk / "junk"
            full_first = chance.random() < 0.5
            if full_first:
                # Some pages are left, so that lines are torn at any place.
                fill(disk)
                with junk.open("ab") as file:
                    file.truncate(max(0, junk.stat().st_size - chance.randint(0, 300_000)))
            conf = CONF.format(reopen=reopen, window=window, step=step, most=most)
            engine = run.engine(conf, "--persist-file", "state")
            if chance.random() < 0.7:
                engine.wait_log("No space left on device")
                time.sleep(chance.uniform(0, 0.2))
            else:
                until(out.exists, "a file", engine)
                time.sleep(chance.uniform(0, 0.1))
            if chance.random() < 0.3:
                # There is room again for some, while it stops.
                junk.unlink(missing_ok=True)
            begun = time.monotonic()
            engine.send_signal(signal.SIGTERM)
            code = engine.wait_exit()
            run.most("slowest exit", time.monotonic() - begun, "s")
            assert time.monotonic() - begun < BOUND, "the bound of a stop"
            assert code == 0, engine.report()
            text = out.read_bytes()
            assert text.endswith(b"\n") or not text, f"a torn line: {text[-100:]!r}"
            lines = text.split(b"\n")[:-1]
            for number, line in enumerate(lines):
                assert line == b"s %d " % number + b"x" * (number * step % most), (
                    f"line {number}: {line[:60]!r}"
                )
            totals = engine.totals()
            totals.check()
            assert totals.in_flight == 0, totals
            assert totals.delivered == len(lines), (totals, len(lines))
            said = re.findall(r"(\d+) messages for `disk/out\.log` were not written", engine.stderr.text)
            assert sum(map(int, said)) == totals.dropped, (said, totals)
            run.add("written", len(lines))
            run.add("given up and reported", totals.dropped)
            run.close()
            junk.unlink(missing_ok=True)
            resume(run, conf, lines)
            out.unlink()
            (run.directory / "state").unlink()


def resume(run: Run, conf: str, lines: list[bytes]) -> None:
    """Starts the engine again, with room, and checks that it goes on where the file ends."""
    out = run.directory / "disk" / "out.log"
    # What was there is moved aside, so that there is room.
    out.write_bytes(b"")
    engine = run.engine(conf, "--persist-file", "state", started=False)
    begins = engine.wait_print(r"begins at (\d+)")
    until(lambda: out.stat().st_size > 1000, "lines after the restart", engine)
    engine.wait_started()
    engine.send_signal(signal.SIGTERM)
    assert engine.wait_exit() == 0, engine.report()
    first = int(begins[1])
    assert first == len(lines), f"begins at {first} after {len(lines)} lines were written"
    for number, line in enumerate(out.read_bytes().split(b"\n")[:-1], first):
        assert line.startswith(b"s %d " % number), f"line {number}: {line[:60]!r}"
    run.close()
