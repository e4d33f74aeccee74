"""Threads that post, wait, close batches and exit at random, while the destination stalls now and then."""

from __future__ import annotations

import json
import time

from torture.attack import Budget, Run, attack, resident, until
from torture.pieces import Pieces

CONF = """@version: current
options {{ time-reopen(0.2); }};
python {{
import json, random, threading, time
from syslogng import LogMessage, LogSource

class Source(LogSource):
    def init(self, options):
        self.chance, self.counts, self.most = random.Random(options["seed"]), {{}}, options["threads"]
        return True

    def post(self, who, seed):
        "One thread, until it is over: everything that a thread may do with its source."
        chance, n = random.Random(seed), 0
        def line():
            return f"{{who}} {{n}} " + "x" * chance.choice([0, 5, 100, 900, 5000])
        for _ in range(chance.choice([1, 10, 200, 2000])):
            if self.exit_requested:
                break
            does = chance.randrange(20)
            if does < 6:
                for _ in range(chance.randrange(100)):
                    self.post_message(line())
                    n += 1
            elif does < 8:
                self.post_message(LogMessage(line().encode()))
                n += 1
            elif does < 10:
                n += self.try_post_message(line())
            elif does < 12:
                lines = []
                for _ in range(chance.randrange(50)):
                    lines.append(line())
                    n += 1
                assert self.post_messages(lines) == len(lines)
            elif does < 14:
                lines = b""
                for _ in range(chance.randrange(200)):
                    lines += line().encode() + b"\\n"
                    n += 1
                assert self.post_buffer(lines) == len(lines)
            elif does < 16:
                self.close_batch()
            elif does == 16:
                self.wait_until_writable(chance.random() / 100)
            elif does == 17:
                self.is_suspended()
                time.sleep(chance.choice([0, 0, 0.001, 0.01]))
            elif does == 18:
                try:
                    self.post_message(7)
                except TypeError:
                    pass
            else:
                # Dropped with what it has not posted: nothing of it may come out.
                buffer = self.acquire_buffer(chance.randrange(1, 5000))
        self.counts[who] = n

    def run(self):
        threads, made = [], 0
        while not self.exit_requested:
            threads = [thread for thread in threads if thread.is_alive()]
            if len(threads) < self.chance.randint(1, self.most):
                thread = threading.Thread(target=self.post, args=(f"t{{made}}", self.chance.random()))
                thread.start()
                threads.append(thread)
                made += 1
            else:
                self.sleep(0.002)
        for thread in threads:
            thread.join()
        with open("counts.json", "w") as file:
            json.dump(self.counts, file)
        print("joined", flush=True)
}};
source s_test {{ python(class("Source") options(seed({seed}) threads({threads})) log-iw-size({window}) stop-timeout(30)); }};
log {{ source(s_test); destination {{ file("d/out.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""


@attack(
    "threads",
    "order per thread, sums, no deadlock",
    short=Budget(seconds=4),
    long=Budget(seconds=600),
)
def threads(run: Run) -> None:
    """Engine after engine with another number of threads and another window, each for some seconds."""
    for _ in run.rounds():
        count = run.random.choice([1, 2, 3, 5, 8, 16])
        window = run.random.choice([1, 10, 300, 5000, 100_000])
        one(run, count, window)


def one(run: Run, count: int, window: int) -> None:
    """One engine."""
    directory = run.directory / "d"
    directory.mkdir()
    conf = CONF.format(seed=run.random.randrange(1 << 30), threads=count, window=window)
    engine = run.engine(conf)
    pieces = Pieces(directory / "out.log")
    until(pieces.is_written, "the first line", engine)
    end = time.monotonic() + (20 if run.budget.seconds is None else min(20, run.budget.seconds / 2))
    while time.monotonic() < end:
        run.show()
        if run.random.random() < 0.3:
            away = directory.with_name("away")
            directory.rename(away)
            time.sleep(run.random.uniform(0, 1.2))
            away.rename(directory)
        time.sleep(run.random.uniform(0, 0.5))
        pieces.rotate()
        # The engine looks within a second, or when a line is written; some time without one is a deadlock.
        until(pieces.is_written, f"a line, with {count} threads and a window of {window}", engine)
        pieces.collect()
        run.most("memory", resident(engine) / 1024, "MiB")
    totals = engine.stop()
    pieces.collect(at_the_end=True)
    counts = json.loads((run.directory / "counts.json").read_text())
    assert pieces.following == {who: n for who, n in counts.items() if n}, "what each thread says it posted"
    assert totals.posted == totals.delivered == sum(counts.values()), (totals, sum(counts.values()))
    assert totals.dropped == totals.in_flight == 0
    run.add("threads", len(counts))
    run.add("messages", totals.posted)
    run.close()
    (directory / "out.log").unlink()
    directory.rmdir()
