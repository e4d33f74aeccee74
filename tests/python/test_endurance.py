"""Endurance: what only shows after many messages, with many threads, or at the end of a process.

`make test` runs a million messages of each kind; `make endurance` ten times as many. No clock decides;
figures are printed (`-s`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import textwrap
from pathlib import Path

import pytest

from harness import Engine, StartEngine, gone, read_lines, source, source_that
from probe import HEAD, PRELUDE, printed

SCALE = int(os.environ.get("INRUSH_ENDURANCE", "1"))
MILLION = 1_000_000 * SCALE
# What may differ between two looks at the memory of a process that does the same all the time: what the pool
# may keep at most (15 MiB of batches, 16 MiB of buffers).
RSS_BOUND = 32 << 20
# The same for the blocks of Python's own allocator: far less than one for each message.
BLOCKS_BOUND = 5_000


def wait_done(running: Engine) -> None:
    """Waits until the source has printed `done`: as often as there are millions."""
    for _ in range(SCALE):
        if running.stdout.find(r"(?m)^done$"):
            return
        with contextlib.suppress(AssertionError):
            running.wait_print(r"(?m)^done$")
    running.wait_print(r"(?m)^done$")


def check_numbers(path: Path, count: int) -> None:
    """Checks that a file has the numbers from 0 to `count`, each on a line of eight digits, all of them and
    in order."""
    step = 100_000
    with path.open("rb") as file:
        for first in range(0, count, step):
            numbers = range(first, min(first + step, count))
            expected = b"".join([b"%08d\n" % number for number in numbers])
            assert file.read(len(expected)) == expected, f"between {numbers.start} and {numbers.stop}"
        assert not file.read(1), "more than was posted"


def test_through_a_destination_that_stands_still_and_goes_on(engine: StartEngine) -> None:
    """Without it: what waits for a destination is lost, doubled or reordered, or stays in memory for ever."""
    body = f"""
    total, n = {MILLION}, 0
    def stall():
        "The file's directory goes away; posts until nothing moves any more."
        nonlocal n
        os.rename("gone", "away")
        while self.wait_until_writable(1.5):
            while self.try_post_message("%08d" % n): n += 1
        os.rename("away", "gone")
    def post_until(end):
        nonlocal n
        while n < end:
            self.post_message("%08d" % n)
            n += 1
    while self.try_post_message("%08d" % n): n += 1
    print("stalled", n, flush=True)
    os.mkdir("gone")
    post_until(total // 4)
    stall()
    post_until(total // 2)
    before = resident()
    stall()
    post_until(total)
    eventually(lambda: os.stat("gone/out.log").st_size == 9 * n)
    print("posted", n, flush=True)
    print("grown", resident() - before, flush=True)
    """
    running = engine(
        gone(source_that(PRELUDE + textwrap.dedent(body), driver="log-iw-size(50000)", head=HEAD))
    )
    running.wait_print("stalled 50000")
    wait_done(running)
    totals = running.stop()
    posted = running.stdout.find(r"posted (\d+)")
    assert posted
    # It writes to the file that was moved away until it looks, so more than a million may be posted.
    count = int(posted[1])
    assert totals.posted == totals.delivered == count >= MILLION
    check_numbers(running.directory / "gone" / "out.log", count)
    grown = running.stdout.find(r"grown (-?\d+)")
    assert grown
    assert int(grown[1]) < RSS_BOUND


@pytest.mark.parametrize(
    "post",
    [
        "self.post_message(LogMessage('%023d' % n))",
        "self.post_buffer(b'%023d\\n' % n)",
        # Buffers that hold far less than they might.
        """
        buffer = self.acquire_buffer(65536)
        with memoryview(buffer) as view: view[:24] = b'%023d\\n' % n
        self.post_buffer(buffer, length=24)""",
        "self.post_message('x' * 800 + str(n))",
        "message = LogMessage('%023d' % n); message['key'] = 'value'; self.post_message(message)",
        "self.post_message('%023d' % n); self.close_batch()",
    ],
    ids=["messages", "lines", "buffers", "views", "values", "batches"],
)
def test_a_stalled_destination_takes_what_was_promised(engine: StartEngine, post: str) -> None:
    """Without it: a destination that takes nothing fills the memory, although the bytes on their way are
    bounded."""
    indented = textwrap.indent(textwrap.dedent(post).strip("\n"), " " * 8)
    body = f"""
    n, before = 0, resident()
    while not self.is_suspended():
{indented}
        n += 1
    print("grown", resident() - before, flush=True)
    os.mkdir("gone")
    """
    options = "log-iw-size(1000000) max-inflight-bytes(16777216)"
    running = engine(gone(source_that(PRELUDE + textwrap.dedent(body), driver=options, head=HEAD)))
    grown = running.wait_print(r"grown (-?\d+)")
    running.wait_print("done")
    totals = running.stop()
    assert totals.posted == totals.delivered > 0
    assert int(grown[1]) < (16 << 20) + (64 << 20)


def test_ten_million_views_through_a_stalled_destination(engine: StartEngine) -> None:
    """Without it: what waits for a destination, or was delivered, stays in memory for ever."""
    body = """
    for n in range(0, 10_000_000, 10_000):
        if n == 2_000_000:
            before = resident()
        self.post_buffer(b"".join([b"%08d\\n" % number for number in range(n, n + 10_000)]))
        if n == 0:
            print("posting", flush=True)
    print("grown", resident() - before, flush=True)
    """
    running = engine(
        gone(source_that(PRELUDE + textwrap.dedent(body), driver="log-iw-size(50000)", head=HEAD))
    )
    running.wait_print("posting")
    running.wait_log("gone")
    running.make_gone()
    running.wait_print("done")
    totals = running.stop()
    assert totals.posted == totals.delivered == 10_000_000
    check_numbers(running.directory / "gone" / "out.log", 10_000_000)
    grown = running.stdout.find(r"grown (-?\d+)")
    assert grown
    assert int(grown[1]) < RSS_BOUND


# How often `count` messages are posted, each in another way.
WAYS = {
    "post_message": """
        for n in range(count): self.post_message("message %d" % n)""",
    "post_message_of_log_messages": """
        for n in range(count):
            message = LogMessage("message %d" % n)
            message["key"] = str(n)
            self.post_message(message)""",
    "post_message_long": """
        for n in range(count // 10): self.post_message("%d" % n + "x" * 2000)""",
    "post_messages": """
        for n in range(0, count, 1000): self.post_messages(["message %d" % m for m in range(n, n + 1000)])""",
    "post_buffer": """
        for n in range(0, count, 1000): self.post_buffer(b"".join([b"message %d\\n" % m for m in range(n, n + 1000)]))""",
    "post_buffer_of_acquired": """
        for n in range(0, count, 1000):
            buffer = self.acquire_buffer(65536)
            with memoryview(buffer) as view: view[:16000] = (b"x" * 15 + b"\\n") * 1000
            self.post_buffer(buffer, length=16000)""",
    "parse": """
        for n in range(count):
            self.post_message(LogMessage.parse("<165>1 2026-03-01T12:00:00Z h app %d ID [a@1 k='v'] - text" % n, self.parse_options))""",
    "post_buffer_parsed": """
        line = b'<165>1 2026-03-01T12:00:00Z h app 1 ID [a@1 k="v"] text\\n'
        for n in range(0, count, 1000): self.post_buffer(line * 1000, parse=True)""",
}


@pytest.mark.parametrize("way", WAYS)
def test_memory_is_flat(engine: StartEngine, way: str) -> None:
    """Without it: something of each message stays: an object, a reference, a batch."""
    body = f"""
    def post(count):{WAYS[way]}

    def look():
        "The memory in use once everything is delivered and let go of."
        eventually(lambda: self.wait_until_writable(0) and time.sleep(0.3) is None)
        gc.collect()
        return sys.getallocatedblocks(), resident()

    post(200_000)
    blocks, bytes_before = look()
    post({MILLION})
    eventually(lambda: look()[0] - blocks < {BLOCKS_BOUND})
    more_blocks, bytes_after = look()
    print(json.dumps([more_blocks - blocks, bytes_after - bytes_before]), flush=True)
    """
    conf = source_that(PRELUDE + textwrap.dedent(body), driver="log-iw-size(20000)")
    running = engine(conf.replace('"out.log"', '"/dev/null"'))
    wait_done(running)
    totals = running.stop()
    assert totals.posted == totals.delivered
    blocks, grown = printed(running.stdout.lines)
    print(f"{way}: {totals.posted} messages, {blocks} blocks and {grown} bytes more")
    assert blocks < BLOCKS_BOUND
    assert grown < RSS_BOUND


def test_one_message_into_an_idle_engine(engine: StartEngine) -> None:
    """Without it: a message waits for the next one to come."""
    body = """
    waits, size = [], 0
    for n in range(200):
        time.sleep(0.005)
        begun = time.perf_counter()
        self.post_message("%08d" % n)
        size += 9
        # Nothing else is posted: this ends only when the message arrives by itself. A loop that never sleeps would keep a core
        # from the threads that it waits for.
        while not os.path.exists("out.log") or os.stat("out.log").st_size < size: time.sleep(0.00002)
        waits.append(time.perf_counter() - begun)
    waits.sort()
    print(json.dumps([waits[100] * 1e6, waits[180] * 1e6, waits[-1] * 1e6]))
    """
    running = engine(source_that(PRELUDE + textwrap.dedent(body)))
    running.wait_print("done")
    assert running.stop().delivered == 200
    median, ninety, most = printed(running.stdout.lines)
    print(f"from the post to the file: median {median:.0f} µs, 90 % {ninety:.0f} µs, most {most:.0f} µs")


def test_sixteen_threads(engine: StartEngine) -> None:
    """Without it: messages of framework threads are lost, doubled or reordered when many of them wait for
    credit."""
    threads, each = 16, 50_000 * SCALE
    running = engine(
        source_that(
            f"""
def post(who):
    for n in range({each}):
        self.post_message(f"{{who}} {{n}}")
threads = [threading.Thread(target=post, args=(who,)) for who in range({threads})]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
            driver="log-iw-size(1000)",
        )
    )
    wait_done(running)
    totals = running.stop()
    assert totals.posted == totals.delivered == threads * each
    following = [0] * threads
    with (running.directory / "out.log").open("rb") as file:
        for line in file:
            who, number = map(int, line.split())
            assert number == following[who], f"thread {who}"
            following[who] += 1
    assert following == [each] * threads


@pytest.mark.parametrize("stands_still", [False, True])
@pytest.mark.parametrize("daemon", [False, True])
def test_exit_while_threads_post(engine: StartEngine, daemon: bool, stands_still: bool) -> None:
    """Without it: a thread of a framework that posts while the engine stops crashes it, hangs it, or loses
    messages uncounted."""
    conf = source(
        f"""
        def post(self, who):
            n = 0
            while True:
                try:
                    self.post_message(f"{{who}} {{n}} " + "x" * (n % 5 * 400))
                    n += 1
                except RuntimeError:
                    # A daemon goes on for as long as there is an interpreter; another one must end.
                    if not {daemon}:
                        return

        def run(self):
            for who in range(8):
                threading.Thread(target=self.post, args=(who,), daemon={daemon}).start()
            print("posting", flush=True)
            while not self.exit_requested:
                self.sleep(600)
        """,
        driver="log-iw-size(300)",
        head=HEAD,
    )
    running = engine(gone(conf) if stands_still else conf)
    running.wait_print("posting")
    if stands_still:
        running.wait_log("gone")
    else:
        out = running.directory / "out.log"
        running.wait_until(lambda: out.exists() and out.stat().st_size > 100_000, "some messages")
    running.send_signal(signal.SIGTERM)
    assert running.wait_exit() == 0, running.report()
    totals = running.totals()
    totals.check()
    assert totals.in_flight == 0
    lines = read_lines(running.directory / "out.log")
    assert totals.delivered == len(lines)
    following = [0] * 8
    for line in lines:
        who, number = map(int, line.split()[:2])
        assert number == following[who], f"thread {who}"
        following[who] += 1


def test_fork_in_a_source(engine: StartEngine) -> None:
    """Without it: a child process that a source forks takes the engine with it when it ends, or writes its
    messages twice."""
    body = """
    def ended(child):
        "How a child ended: -9 when it had to be killed."
        for _ in range(2000):
            if (found := os.waitpid(child, os.WNOHANG))[0]:
                return os.waitstatus_to_exitcode(found[1])
            time.sleep(0.01)
        os.kill(child, 9)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    import multiprocessing, signal, subprocess
    codes = []
    for n in range(20):
        self.post_message("%08d" % n)
        child = os.fork()
        if child == 0:
            gc.collect()
            os._exit(7)
        codes.append(ended(child))
    # What libraries do: a process of multiprocessing, stopped by a signal that is not meant for the engine.
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    process.start()
    process.terminate()
    process.join(20)
    codes.append(process.exitcode)
    codes.append(subprocess.run(["true"]).returncode)
    self.post_message("%08d" % 20)
    print(json.dumps(codes), flush=True)
    """
    running = engine(source_that(PRELUDE + textwrap.dedent(body)))
    running.wait_print("done")
    running.wait_lines("out.log", 21)
    totals = running.stop()
    assert totals.posted == totals.delivered == 21
    assert printed(running.stdout.lines) == [7] * 20 + [-signal.SIGTERM, 0]
    check_numbers(running.directory / "out.log", 21)
