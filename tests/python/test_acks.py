"""Ack trackers: what a source is told of its messages, when, and what it costs when it does not listen.

The destinations are files that can be made to stall: one in a directory that is missing, and a FIFO that
nobody reads.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import re
import signal
import textwrap
import weakref
from pathlib import Path
from typing import Any

import pytest

import inrush
from harness import GONE, Engine, StartEngine, example, gone, indented, read_lines, source

F_SETPIPE_SZ = 1031
KINDS = ["instant", "consecutive", "batched"]
CALLBACKS = """
acked = None

def init(self, options):
    self.exiting = threading.Event()
    self.lock = threading.Lock()
    self.told = []
    trackers = {
        "instant": lambda: syslogng.InstantAckTracker(self.one),
        "consecutive": lambda: syslogng.ConsecutiveAckTracker(ack_callback=self.one),
        "batched": lambda: syslogng.BatchedAckTracker(timeout=0, batch_size=7, batched_ack_callback=self.many),
    }
    self.ack_tracker = trackers[options["kind"]]()
    return True

def one(self, bookmark):
    self.many([bookmark])

def many(self, bookmarks):
    with self.lock:
        self.told += bookmarks
    print("told", *bookmarks, flush=True)

def request_exit(self):
    self.exiting.set()
"""
# A line in one write: the interpreter's own print() writes the words one by one, and those of two threads
# share a line.
PRINT = """
def print(*words, flush=True):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

"""


def tracked(run: str, kind: str, *others: str, driver: str = "", **more: str) -> str:
    """A source with an ack tracker of this kind, whose callbacks print `told` and the bookmarks."""
    own = f"def run(self):\n{indented(run)}\n    print('done', flush=True)\n    self.exiting.wait()"
    methods = "\n\n".join(
        [CALLBACKS.strip("\n"), own, *(textwrap.dedent(other).strip("\n") for other in others)]
    )
    return source(methods, driver=f'options("kind" "{kind}") {driver}', **more).replace(
        "import threading\n", f"import sys\nimport syslogng\nimport threading\n{PRINT}", 1
    )


def told(engine: Engine) -> list[list[str]]:
    """The bookmarks that each callback was given, in the order of the calls."""
    return [line.split()[1:] for line in engine.stdout.lines if line.startswith("told")]


def flat(lists: list[list[str]]) -> list[int]:
    """All bookmarks, in the order in which they were told."""
    return [int(each) for calls in lists for each in calls]


POST_20 = """
for number in range(20):
    message = LogMessage("m%d" % number)
    message.set_bookmark(number)
    self.post_message(message)
"""


class TestDelivered:
    """Delivery: the callbacks when all goes well."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_tracker(self, engine: StartEngine, kind: str) -> None:
        """Without it: a delivered message is not told, told twice, or told in the wrong shape."""
        running = engine(tracked(POST_20, kind))
        running.wait_print("done")
        running.wait_lines("out.log", 20)
        assert running.stop().delivered == 20
        calls = told(running)
        if kind == "consecutive":
            numbers = flat(calls)
            assert numbers == sorted(set(numbers)), "a prefix only grows"
            assert numbers[-1] == 19
            assert all(len(call) == 1 for call in calls)
        else:
            assert sorted(flat(calls)) == list(range(20))
        if kind == "batched":
            assert [len(call) for call in calls] == [7, 7, 6], "the rest comes at the end"

    def test_short_forms_and_threads(self, engine: StartEngine) -> None:
        """Without it: bookmarks of str, bytes, post_messages or other threads go astray."""
        conf = tracked(
            """
def post(first):
    for number in range(first, first + 50):
        self.post_message("m%d" % number, bookmark=number)
threads = [threading.Thread(target=post, args=(first,)) for first in (0, 100, 200)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
self.post_message(b"bytes", 300)
self.post_message(msg=LogMessage("message"), bookmark=301)
class Mine(LogMessage):
    pass
self.post_message(Mine("subclass", bookmark=5), bookmark=302)
self.post_messages([LogMessage("x", 303), "without", LogMessage("y", 304)])
self.post_message("None is none", bookmark=None)
while not self.try_post_message(LogMessage("z", 305)):  # False while the window is full
    assert self.wait_until_writable()
message = LogMessage("host", 306)
message["HOST"] = "other"
self.post_message(message)
for number in (0, ""):
    self.post_message("falsy", bookmark=repr(number))
""",
            "instant",
            driver="log-iw-size(20)",
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        expected = [*range(50), *range(100, 150), *range(200, 250), *range(300, 307)]
        numbers = [each for call in told(running) for each in call]
        assert sorted(map(str, expected)) == sorted(numbers[:-2])
        assert numbers[-2:] == ["0", "''"]
        for first in (0, 100, 200):
            own = [int(n) for n in numbers[:-2] if first <= int(n) < first + 50]
            assert own == list(range(first, first + 50)), "one file: delivered in the order of each thread"

    def test_messages_without_bookmark_count(self, engine: StartEngine) -> None:
        """Without it: a message without a bookmark breaks the order, or is told as something."""
        run = """
self.post_messages(["a", "b"])
self.post_message("c", bookmark=1)
self.post_messages(["d"] * 300)
self.post_message("e", bookmark=2)
self.post_messages(["f"] * 300)
"""
        running = engine(tracked(run, "consecutive"))
        running.wait_print("done")
        assert running.stop().delivered == 604
        assert told(running)[-1] == ["2"]
        assert set(flat(told(running))) <= {1, 2}

    @pytest.mark.parametrize("kind", KINDS)
    def test_post_buffer(self, engine: StartEngine, kind: str) -> None:
        """Without it: the bookmark of a buffer is told before all its lines are there, or never."""
        run = """
class Watched:
    def __init__(self, number, lines):
        self.number, self.lines = number, lines
    def __str__(self):
        with open("out.log", "rb") as file:
            there = file.read().count(b"line %d " % self.number)
        return str(self.number if there == self.lines else 10 * self.number + 1)
for number, lines in ((1, 5), (2, 30000), (3, 0), (4, 1)):
    data = b"".join(b"line %d %d\\n" % (number, line) for line in range(lines))
    self.post_buffer(data, bookmark=Watched(number, lines))
    self.post_message("between")
self.post_buffer(b"no bookmark\\n")
"""
        running = engine(tracked(run, kind, driver="log-iw-size(5000)"))
        running.wait_print("done")
        assert running.stop().delivered == 30000 + 5 + 1 + 4 + 1
        numbers = flat(told(running))
        if kind == "consecutive":
            assert numbers[-1] == 4
            assert set(numbers) <= {1, 2, 3, 4}
        else:
            assert sorted(numbers) == [1, 2, 3, 4]

    def test_the_batched_timer(self, engine: StartEngine) -> None:
        """Without it: a source that waits for its list before it goes on waits for ever."""
        run = """
for number in range(3):
    self.post_message("m", bookmark=number)
    while number not in self.told:
        time.sleep(0.01)
"""
        conf = tracked(run, "batched").replace("timeout=0, batch_size=7", "100, 1000")
        running = engine(conf)
        running.wait_print("done")
        assert told(running) == [["0"], ["1"], ["2"]]

    def test_callbacks_run_on_one_thread_of_the_source(self, engine: StartEngine) -> None:
        """Without it: a callback holds up a destination, and needs locks that nobody told its author
        about."""
        others = """
def many(self, bookmarks):
    assert threading.current_thread() is not threading.main_thread()
    if not hasattr(local, "count"):
        print("told", threading.current_thread().name.replace(" ", "_"), flush=True)
        local.count = 0
"""
        conf = tracked(POST_20, "instant", others).replace(
            "class Source(", "local = threading.local()\n\nclass Source(", 1
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert told(running) == [["acks_s_test#0"]]
        assert "have not ended" not in running.stderr.text

    def test_bookmarks_are_let_go(self, engine: StartEngine) -> None:
        """Without it: a source with a tracker keeps every bookmark that it ever posted."""
        run = """
import gc
class Mark:
    alive = 0
    def __init__(self, number):
        self.number = number
        Mark.alive += 1
    def __del__(self):
        Mark.alive -= 1
    def __str__(self):
        return str(self.number)
for number in range(5000):
    self.post_message("m", bookmark=Mark(number))
while Mark.alive:
    time.sleep(0.01)
"""
        for kind in ("instant", "consecutive"):
            running = engine(tracked(run, kind, "def many(self, bookmarks): pass"), name=f"{kind}.conf")
            running.wait_print("done")
            running.stop()


class TestDropped:
    """Messages that nobody will deliver any more are done with."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_queue_full(self, engine: StartEngine, kind: str) -> None:
        """Without it: a source on a path without flow control waits for ever for what was dropped."""
        run = (
            POST_20.replace("range(20)", "range(200)")
            + """
while sum(1 for each in self.told) == 0 or max(self.told) < 199:
    time.sleep(0.01)
"""
        )
        conf = gone(tracked(run, kind, driver="log-iw-size(10)")).replace("flags(flow-control);", "")
        conf = conf.replace("batch_size=7", "batch_size=5").replace(
            '("$MSG\\n")', '("$MSG\\n") log-fifo-size(5)'
        )
        running = engine(conf)
        running.wait_print("done")
        totals = running.stop()
        assert totals.dropped == 200
        numbers = flat(told(running))
        if kind == "consecutive":
            assert numbers == sorted(set(numbers))
            assert numbers[-1] == 199
        else:
            assert sorted(numbers) == list(range(200))


class TestAborted:
    """Messages that are given up at the stop."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_stop_with_a_stalled_destination(self, engine: StartEngine, kind: str) -> None:
        """Without it: what was given up at a stop is told as delivered, or an Instant tracker never hears of
        it."""
        running = engine(gone(tracked(POST_20, kind, head=GONE)))
        running.wait_print("done")
        assert running.stop().dropped == 20
        expected = list(range(20)) if kind == "instant" else []
        assert flat(told(running)) == expected

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_bookmark_never_passes_what_is_delivered(
        self, engine: StartEngine, tmp_path: Path, kind: str
    ) -> None:
        """Without it: a source that resumes from its bookmark after a stop has lost messages."""
        fifo = tmp_path / "out.log"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fcntl.fcntl(reader, F_SETPIPE_SZ, 4096)
            run = """
for number in range(100):
    self.post_message("%05d" % number + "x" * 94, bookmark=number)
"""
            running = engine(tracked(run, kind))
            running.wait_print("done")
            running.stop()
            text = os.read(reader, 1 << 20)
        finally:
            os.close(reader)
        numbers = flat(told(running))
        complete = text.count(b"\n")
        assert 0 < complete < 100
        if kind == "instant":
            assert numbers == list(range(100))
        elif kind == "consecutive":
            assert numbers[-1] == complete - 1
        else:
            assert numbers == list(range(complete))

    def test_a_gap_is_never_passed(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: messages delivered behind one that was given up carry the bookmark over it."""
        (tmp_path / "here").mkdir()
        run = """
for number, program in enumerate(["here", "here", "gone", "here", "here", "here"]):
    message = LogMessage("m%d" % number, number)
    message["PROGRAM"] = program
    self.post_message(message)
    self.close_batch()
    time.sleep(0.01)
"""
        conf = tracked(run, "consecutive").replace('"out.log"', '"$PROGRAM/out.log"')
        running = engine(conf)
        running.wait_print("done")
        running.wait_lines("here/out.log", 5)
        running.stop()
        assert flat(told(running))[-1] == 1


class TestCredit:
    """Credit: when a source may go on."""

    STUCK = """
def post(number, program):
    message = LogMessage("m%d" % number, number)
    message["PROGRAM"] = program
    self.post_message(message)
post(0, "gone")
self.close_batch()
time.sleep(0.1)
"""

    def test_consecutive_waits_behind_a_stuck_message(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: what waits to be told in order grows without bound behind one message that is stuck."""
        (tmp_path / "here").mkdir()
        run = (
            self.STUCK
            + """
for number in range(1, 10):
    post(number, "here")
print("writable", self.wait_until_writable(0.3), flush=True)
for number in range(10, 30):
    post(number, "here")
"""
        )
        conf = tracked(run, "consecutive", driver="log-iw-size(10)", head=GONE)
        running = engine(conf.replace('"out.log"', '"$PROGRAM/out.log"'))
        running.wait_print("writable False")
        running.wait_lines("here/out.log", 9)
        assert told(running) == []
        (tmp_path / "gone").mkdir()
        running.wait_print("done")
        running.wait_print("told 29")
        assert running.stop().delivered == 30

    def test_instant_goes_on(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: one stuck message stops a source that asked for no order."""
        (tmp_path / "here").mkdir()
        run = self.STUCK + 'for number in range(1, 100):\n    post(number, "here")'
        conf = tracked(run, "instant", driver="log-iw-size(10)", head=GONE)
        running = engine(conf.replace('"out.log"', '"$PROGRAM/out.log"'))
        running.wait_print("done")
        (tmp_path / "gone").mkdir()
        running.wait_print("told 0$")
        running.stop()
        assert sorted(flat(told(running))) == list(range(100))

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_callback_that_hangs_bounds_its_source(self, engine: StartEngine, kind: str) -> None:
        """Without it: what is to be told to a callback that hangs fills the memory."""
        run = """
count = 0
while self.wait_until_writable(1.0):
    count += self.try_post_message(LogMessage("m", bookmark=count))
    assert count < 5000, "nothing holds the source back"
print("posted", count, flush=True)
hang.set()
self.post_message("later", bookmark=count)
"""
        others = """
def many(self, bookmarks):
    hang.wait()
    if bookmarks[-1] % 100 == 0:
        print("told", bookmarks[-1])
"""
        conf = tracked(run, kind, others, driver="log-iw-size(100)").replace(
            "class Source(", "hang = threading.Event()\n\nclass Source(", 1
        )
        running = engine(conf)
        count = int(running.wait_print(r"posted (\d+)")[1])
        # Two windows, and what was being told.
        assert count <= 400
        running.wait_print("done")
        assert running.stop().delivered == count + 1

    def test_a_callback_may_post(self, engine: StartEngine) -> None:
        """Without it: a callback that posts waits for credit that only its own return would bring."""
        others = """
def many(self, bookmarks):
    self.told += bookmarks
    for bookmark in bookmarks:
        if bookmark < 2000:
            self.post_message("again", bookmark=bookmark + 10000)
"""
        run = """
for number in range(2000):
    self.post_message("first", bookmark=number)
while len(self.told) < 4000:
    time.sleep(0.01)
"""
        running = engine(tracked(run, "instant", others, driver="log-iw-size(10)"))
        running.wait_print("done")
        assert running.stop().delivered == 4000


class TestMisbehaviour:
    """Callbacks of every kind, and none of them harms anybody else."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_exceptions(self, engine: StartEngine, tmp_path: Path, kind: str) -> None:
        """Without it: an exception in a callback ends the callbacks, or nobody finds out where it was."""
        others = """
def many(self, bookmarks):
    print("told", *bookmarks, flush=True)
    raise [ValueError("mine"), SystemExit(3), KeyboardInterrupt()][bookmarks[0] % 3]  # the line
"""
        running = engine(
            tracked(POST_20 + "while not sum(1 for _ in ()): break", kind, others), "--stats-file", "stats"
        )
        running.wait_print("done")
        running.wait_lines("out.log", 20)
        running.stop()
        name = "BatchedAckTracker.batched_ack_callback" if kind == "batched" else "Bookmark.ack_callback"
        log = running.stderr.text
        assert f"source s_test#0 (class Source): {name}() raised an exception" in log
        assert "# the line" in log
        assert re.search(r"test\.conf.*line \d+, in many", log)
        calls = told(running)
        assert flat(calls)[-1] == 19, "the callbacks go on"
        stats = json.loads((tmp_path / "stats").read_text())
        assert stats["sources"][0]["exceptions"] == len(calls)

    def test_a_callback_that_hangs_holds_up_nothing_else(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: one bad callback stops other sources, destinations, or the stop."""
        others = """
def many(self, bookmarks):
    print("hangs", flush=True)
    while True:
        time.sleep(0.5)  # here
"""
        conf = tracked(POST_20, "consecutive", others) + textwrap.dedent("""
        python {
        class Other(LogSource):
            def run(self):
                for number in range(1000):
                    self.post_message("other")
                self.sleep(1000)
            def request_exit(self): pass
        };
        source s_other { python(class("Other") log-iw-size(10)); };
        log { source(s_other); destination { file("other.log" template("$MSG\\n")); }; flags(flow-control); };
        """)
        running = engine(conf)
        running.wait_print("hangs")
        running.wait_lines("other.log", 1000)
        running.wait_lines("out.log", 20)
        assert running.stop().delivered == 1020
        log = running.stderr.text
        assert "Bookmark.ack_callback() has not returned" in log
        assert "# here" in log

    def test_what_is_not_a_tracker(self, engine: StartEngine) -> None:
        """Without it: a source believes that it has a tracker, and is never told a thing."""
        cases = {
            "'ConsecutiveAckTracker'": "needs to be an AckTracker subtype, got str",
            "syslogng.InstantAckTracker": "needs to be an AckTracker subtype, got type",
            "Mine(1)": r"needs to be an AckTracker; `Mine` did not call its super\(\).__init__\(\)",
        }
        for number, (value, error) in enumerate(cases.items()):
            conf = (
                tracked("pass", "instant")
                .replace('trackers[options["kind"]]()', value)
                .replace(
                    "class Source(",
                    "class Mine(syslogng.InstantAckTracker):\n    def __init__(self, x): pass\n\nclass Source(",
                    1,
                )
            )
            running = engine(conf, started=False, name=f"{number}.conf")
            assert running.wait_exit() == 1
            assert running.stderr.find(f"ack_tracker of class `Source` {error}"), running.report()

    def test_a_property_that_raises(self, engine: StartEngine) -> None:
        """Without it: an ack_tracker that cannot be read is taken for none."""
        conf = source(
            """
@property
def ack_tracker(self):
    raise ValueError("not today")
def run(self): pass
def request_exit(self): pass
"""
        )
        running = engine(conf, started=False)
        assert running.wait_exit() == 1
        running.wait_log("ack_tracker of class `Source` cannot be read")
        running.wait_log("not today")

    def test_an_assignment_after_init_has_no_effect(self, engine: StartEngine) -> None:
        """Without it: a tracker that comes too late works for some messages and not for others."""
        run = """
self.ack_tracker = syslogng.InstantAckTracker(lambda bookmark: print("late", flush=True))
for number in range(5):
    self.post_message("m", bookmark=number)
"""
        running = engine(tracked(run, "consecutive"))
        running.wait_print("done")
        running.stop()
        assert flat(told(running))[-1] == 4
        assert "late" not in running.stdout.text
        # And a source without one in init() has none, whatever comes later.
        conf = source(
            """
def run(self):
    from syslogng import InstantAckTracker
    self.ack_tracker = InstantAckTracker(print)
    try:
        self.post_buffer(b"m", bookmark=1)
    except RuntimeError as error:
        print(error, flush=True)
def request_exit(self): pass
"""
        )
        engine(conf, name="none.conf").wait_print(
            re.escape("Bookmarks can not be used without creating an AckTracker instance (self.ack_tracker)")
        )


class TestReload:
    """Acknowledgements that come after their source is gone."""

    def test_late_acks_reach_the_old_source(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a reload loses the acknowledgements of what is still on its way."""
        others = """
generation = "one"

def many(self, bookmarks):
    print("told", self.generation, *bookmarks, flush=True)

def deinit(self):
    print("deinit", self.generation, flush=True)
"""
        conf = gone(tracked(POST_20, "consecutive", others, head=GONE, driver="log-iw-size(50)"))
        running = engine(conf)
        running.wait_print("done")
        (tmp_path / "test.conf").write_text(
            conf.replace('generation = "one"', 'generation = "two"')
            .replace('"gone/', '"here')
            .replace("range(20)", "range(100, 103)")
            .replace("log-iw-size(50)", "log-iw-size(60)")
        )
        running.send_signal(signal.SIGHUP)
        running.wait_log("inrush: reloaded")
        running.wait_print("deinit one")
        running.wait_print("told two 102")
        assert "told one" not in running.stdout.text
        (tmp_path / "gone").mkdir()
        running.wait_print("told one 19")
        running.stop()
        assert len(read_lines(tmp_path / "gone" / "out.log")) == 20

    def test_old_sources_are_let_go(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: every reload leaves a thread and an instance behind."""
        others = """
made = 0

def __init__(self):
    super().__init__()
    alive.add(self)

def deinit(self):
    pass
"""
        run = """
import gc
self.post_message("m", bookmark=0)
while not self.told:
    time.sleep(0.01)
for _ in range(1000):
    gc.collect()
    threads = [t.name for t in threading.enumerate() if t.name.startswith("acks")]
    if len(alive) == 1 and len(threads) == 1:
        break
    time.sleep(0.02)
print("alive", len(alive), len(threads), flush=True)
"""
        conf = tracked(run, "consecutive", others)
        conf = conf.replace("class Source(", "from kept import alive\n\nclass Source(", 1)
        (tmp_path / "kept.py").write_text("import weakref\nalive = weakref.WeakSet()\n")
        running = engine(conf, env={"PYTHONPATH": str(tmp_path)})
        for number in range(1, 5):
            running.wait_print(rf"(alive 1 1[\s\S]*){{{number}}}")
            (tmp_path / "test.conf").write_text(conf.replace('"m"', f'"m{number}"'))
            running.send_signal(signal.SIGHUP)
            running.wait_log(rf"(inrush: reloaded[\s\S]*){{{number}}}")


class Store(dict[str, Any]):
    """A mapping that counts what is written."""


class TestClasses:
    """The classes themselves, which work outside of an engine."""

    def test_they_are_made(self) -> None:
        """Without it: a module that makes its trackers cannot be imported or tested."""

        def callback(_bookmark: object) -> None:
            pass

        for tracker in (
            inrush.InstantAckTracker(callback),
            inrush.InstantAckTracker(ack_callback=callback),
            inrush.ConsecutiveAckTracker(callback),
            inrush.BatchedAckTracker(100, 5, callback),
            inrush.BatchedAckTracker(timeout=0, batch_size=1, batched_ack_callback=callback),
            inrush.PersistedBookmark({}),
        ):
            assert isinstance(tracker, inrush.AckTracker)

        class Mine(inrush.ConsecutiveAckTracker):
            def __init__(self, number: int) -> None:
                super().__init__(self.called)
                self.number = number

            def called(self, bookmark: object) -> None:
                pass

        assert Mine(5).number == 5
        with pytest.raises(TypeError):
            inrush.AckTracker()

    @pytest.mark.parametrize(
        ("name", "arguments", "error", "text"),
        [
            ("InstantAckTracker", (5,), TypeError, "ack_callback: expected a callable, got int"),
            ("InstantAckTracker", (), TypeError, "ack_callback"),
            ("ConsecutiveAckTracker", (None,), TypeError, "ack_callback: expected a callable, got NoneType"),
            (
                "BatchedAckTracker",
                (1, 1, "x"),
                TypeError,
                "batched_ack_callback: expected a callable, got str",
            ),
            ("BatchedAckTracker", (1, 0, print), ValueError, "batch_size: 0, expected at least 1"),
            ("BatchedAckTracker", (-1, 1, print), ValueError, "timeout: -1, expected 0 to 4294967295"),
            ("BatchedAckTracker", (1, 1 << 32, print), ValueError, "batch_size: 4294967296"),
            ("BatchedAckTracker", (1.5, 1, print), TypeError, "timeout: expected an int, got float"),
            (
                "PersistedBookmark",
                (5,),
                TypeError,
                "store: expected a Persist, the name of one, or a mapping, got int",
            ),
        ],
    )
    def test_wrong_arguments(
        self, name: str, arguments: tuple[object, ...], error: type[Exception], text: str
    ) -> None:
        """Without it: a mistake shows in the first callback, or never."""
        with pytest.raises(error, match=re.escape(text)):
            getattr(inrush, name)(*arguments)

    def test_a_tracker_and_its_owner_are_collected(self) -> None:
        """Without it: every source that was reloaded stays in memory, because its tracker points back to
        it."""

        class Owner:
            def __init__(self) -> None:
                self.trackers = (
                    inrush.InstantAckTracker(self.called),
                    inrush.BatchedAckTracker(0, 1, self.called),
                    inrush.PersistedBookmark(Store(owner=self)),
                )

            def called(self, bookmark: object) -> None:
                pass

        owner = weakref.ref(Owner())
        gc.collect()
        assert owner() is None

    def test_persisted_bookmark_value(self) -> None:
        """Without it: a source cannot find out where to go on."""
        store = Store()
        tracker = inrush.PersistedBookmark(store, "position", default=7)
        assert tracker.value == 7
        store["position"] = 12
        assert tracker.value == 12
        assert inrush.PersistedBookmark(store).value is None


class TestPersistedBookmark:
    """The bookmark in a store, in an engine."""

    CONF = """
store = {}

def init(self, options):
    self.exiting = threading.Event()
    self.ack_tracker = inrush.PersistedBookmark(self.store, "position", 0)
    return True

def request_exit(self):
    self.exiting.set()

def deinit(self):
    print("deinit", flush=True)

def run(self):
    for value in ((1, 2), 1.5, None.__class__, [1]):
        try:
            self.post_message("never", bookmark=value)
        except TypeError as error:
            print(error, flush=True)
    try:
        self.post_messages(["x", LogMessage("never", bookmark={})])
    except TypeError as error:
        print(error, flush=True)
    for value in ("text", b"bytes", True, 1 << 80, 5):
        self.post_message("m", bookmark=value)
    while self.ack_tracker.value != 5:
        time.sleep(0.01)
    print("stored", self.store, flush=True)
    self.exiting.wait()
"""

    def test_it_is_written_and_checked_at_the_post(self, engine: StartEngine) -> None:
        """Without it: a bookmark that cannot be kept fails when the message is delivered, and nobody can mend
        it any more."""
        running = engine(
            source(self.CONF).replace("import threading\n", "import inrush\nimport threading\n", 1)
        )
        running.wait_print(r"stored \{'position': 5\}")
        assert running.stop().delivered == 6
        text = "bookmark: a PersistedBookmark keeps str, int, bytes and bool, got"
        for given in ("tuple", "float", "type", "list"):
            assert f"post_message: {text} {given}" in running.stdout.text
        assert "element 1" in running.stdout.text

    def test_a_store_that_fails(self, engine: StartEngine) -> None:
        """Without it: a full disk under the store ends the source, or passes in silence."""
        conf = source(self.CONF.replace("store = {}", "store = Broken()"))
        conf = conf.replace("import threading\n", "import inrush\nimport threading\n", 1).replace(
            "class Source(",
            "class Broken(dict):\n    def __setitem__(self, key, value):\n        raise OSError('disk full')\n\nclass Source(",
            1,
        )
        running = engine(conf)
        running.wait_log(r"PersistedBookmark\.store\(\) raised an exception")
        running.wait_log("OSError: disk full")
        running.wait_lines("out.log", 6)


class TestExample:
    """The example that resumes."""

    def test_tail_goes_on_where_it_was(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: the documented way to lose nothing over a restart loses something, or starts over."""
        numbers = [b"line %d" % number for number in range(60)]
        path = tmp_path / "input.log"
        path.write_bytes(b"".join(line + b"\n" for line in numbers[:20]) + b"half of ")
        # The state file is in the test's own directory.
        state = ("--persist-file", str(tmp_path / "state"))
        running = engine(example("tail_source"), *state)
        running.wait_lines("tail.log", 20)
        running.stop()
        with path.open("ab") as file:
            file.write(b"a line\n" + b"".join(line + b"\n" for line in numbers[20:40]))
        running = engine(example("tail_source"), *state)
        running.wait_lines("tail.log", 41)
        # Rotated, and written to under its old name.
        path.rename(tmp_path / "input.log.1")
        path.write_bytes(b"".join(line + b"\n" for line in numbers[40:]))
        running.wait_lines("tail.log", 61)
        running.stop()
        expected = [*numbers[:20], b"half of a line", *numbers[20:]]
        assert read_lines(tmp_path / "tail.log") == expected
