"""SIGKILL at any moment: a source that resumes from its bookmark misses nothing, and repeats no more than its
window."""

from __future__ import annotations

import time
from pathlib import Path

from torture.attack import Budget, Run, attack

CONF = """@version: current
options {{ time-reopen(0.1); }};
python {{
from inrush import ConsecutiveAckTracker, LogSource, Persist, PersistedBookmark

def pad(n):
    return "x" * (n * 7919 % 101 % {most})

class Source(LogSource):
{saving}

    def run(self):
        n = self.saved()
        print("resumes at", n, flush=True)
        while not self.exit_requested:
            self.post_message(f"k {{n}} {{pad(n)}}", bookmark=n + 1)
            n += 1
            if {slow} and n % 100 == 0:
                self.sleep(0.0005)
}};
source s_kill {{ python(class("Source") log-iw-size({window})); }};
log {{ source(s_kill); destination {{ file("out.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""

# How a source keeps its place: the engine does, or the source itself when it is called back.
BOOKMARK = """
    def init(self, options):
        self.ack_tracker = PersistedBookmark(self.persist_name, default=0)
        return True

    def saved(self):
        return self.ack_tracker.value
"""
CALLBACK = """
    def init(self, options):
        self.store = Persist(self.persist_name, {"next": 0})
        self.ack_tracker = ConsecutiveAckTracker(self.acked)
        return True

    def acked(self, bookmark):
        self.store["next"] = bookmark

    def saved(self):
        return self.store["next"]
"""


@attack(
    "kill",
    "no message missing; duplicates never more than the window; the state file always opens",
    short=Budget(count=8),
    long=Budget(count=500),
)
def kill(run: Run) -> None:
    """A source with a `PersistedBookmark`."""
    lives(run, BOOKMARK)


@attack(
    "kill-callback",
    "no message missing; duplicates never more than the window; the state file always opens",
    short=Budget(count=8),
    long=Budget(count=500),
)
def kill_callback(run: Run) -> None:
    """A source whose callback saves what it is told to a `Persist`."""
    lives(run, CALLBACK)


def lives(run: Run, saving: str) -> None:
    """Life after life of one engine, with one state file, each ended at a random moment."""
    out = run.directory / "out.log"
    reader = Reader(out)
    for _ in run.rounds():
        chance = run.random
        window = chance.choice([1, 10, 100, 1000, 20_000])
        most = chance.choice([1, 60, 3000])
        conf = CONF.format(window=window, most=most, slow=chance.random() < 0.5, saving=saving)
        engine = run.engine(conf, "--persist-file", "state", started=False)
        if chance.random() < 0.8:
            engine.wait_print("resumes at")
            time.sleep(chance.choice([0, 0.01, chance.uniform(0, 0.5)]))
        else:
            # In the middle of a start.
            time.sleep(chance.uniform(0, 0.4))
        engine.process.kill()
        engine.process.wait()
        engine.stdout.thread.join(20)
        engine.stderr.thread.join(20)
        assert "damaged" not in engine.stderr.text, engine.report()
        resumed = engine.stdout.find(r"resumes at (\d+)")
        if resumed:
            reader.life(int(resumed[1]), window)
        run.most("most repeated, of the window", reader.share)
        run.most("most repeated", reader.repeated)
        run.figures["messages"], run.figures["torn lines"] = reader.following, reader.torn
        run.close()
    # The last life ends in peace, and delivers what there is.
    conf = CONF.format(window=100, most=60, slow=True, saving=saving)
    engine = run.engine(conf, "--persist-file", "state", started=False)
    resumed = engine.wait_print(r"resumes at (\d+)")
    engine.wait_started()
    totals = engine.stop()
    lines = reader.life(int(resumed[1]), 100)
    assert totals.posted == totals.delivered == lines, (totals, lines)


class Reader:
    """The content of the file, life by life."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.following = 0
        self.window = 0
        self.repeated = 0
        self.share = 0.0
        self.torn = 0
        self.torn_before = b""

    def life(self, resumed: int, window: int) -> int:
        """Checks what a life has written that began with number `resumed`, takes it off the file, and counts
        it."""
        repeated = self.following - resumed
        assert repeated >= 0, (
            f"{-repeated} messages missing: resumed at {resumed}, written up to {self.following}"
        )
        if self.window:
            assert repeated <= self.window, f"{repeated} messages repeated with a window of {self.window}"
            self.repeated = max(self.repeated, repeated)
            self.share = max(self.share, repeated / self.window)
        text = self.path.read_bytes() if self.path.exists() else b""
        *lines, rest = text.split(b"\n")
        number = resumed
        if self.torn_before:
            # What a killed engine had begun has a line of its own.
            assert not lines or lines[0] == self.torn_before, (self.torn_before, lines[0])
            del lines[:1]
        for line in lines:
            head, _, pad = line.partition(b" ")[2].partition(b" ")
            if not (line.startswith(b"k ") and head == b"%d" % number and not pad.strip(b"x")):
                raise AssertionError(f"{line[:200]!r} where {number} follows")
            number += 1
        # A life that was too short to get past what was written before leaves the bound of the life that
        # wrote it.
        self.window = window if number > self.following else max(self.window, window)
        self.following = max(self.following, number)
        self.torn += bool(rest) and rest != self.torn_before
        self.torn_before = rest
        if self.path.exists():
            self.path.write_bytes(rest)
        return len(lines)
