"""Buffers that are changed, resized, let go of, sliced and kept after they were posted, also when the
interpreter ends."""

from __future__ import annotations

import json

from torture.attack import Budget, Run, attack, resident, until
from torture.pieces import Pieces

# What a message's text is, told by its number alone, in the source and in the check of what arrived.
TEXT = """
def text(n):
    size = (0, 3, 40, 700, 800, 5000, 70_000)[n * 7919 % 101 % 7] if n % 101 else n * 31 % 200_000
    return b"s %d " % n + bytes([97 + n % 26]) * size
"""

CONF = """@version: current
options {{ time-reopen(0.2); }};
python {{
import array, atexit, gc, json, mmap, os, random, sys, threading, time
from syslogng import LogMessage, LogSource
try:
    import numpy
except ImportError:
    numpy = None
{text}

def posts(source, chance, kept):
    "The ways to post one text, each as a function of it that spoils afterwards what it can."
    def spoil_later(owner):
        "The source keeps it, and changes it at some time before it lets go."
        kept.append(owner)
        while len(kept) > 50:
            spoil(kept.pop(chance.randrange(len(kept))))

    def spoil(owner):
        if isinstance(owner, bytearray):
            try:
                owner[:] = b"!" * (len(owner) * chance.randrange(3) // 2)
            except BufferError:
                owner[:] = b"!" * len(owner)
        elif isinstance(owner, array.array):
            for n in range(0, len(owner), 7): owner[n] = 33
        elif isinstance(owner, mmap.mmap):
            owner[:] = b"!" * len(owner)
            owner.close()
        elif numpy is not None and isinstance(owner, numpy.ndarray):
            if owner.flags.writeable: owner[:] = 33

    def of_bytes(data): source.post_message(data)
    def of_str(data): source.post_message(data.decode())
    def of_message(data):
        message = LogMessage(data)
        source.post_message(message)
        message["MESSAGE"] = "spoiled"
        spoil_later(message)
    def of_view_of_bytes(data): source.post_message(LogMessage(memoryview(data)))
    def of_slice(data): source.post_message(LogMessage(memoryview(b"<" + data + b">")[1:-1]))
    def of_buffer(data, owner, view=None):
        with memoryview(owner if view is None else view) as view:
            source.post_buffer(view, keep_empty=True)
        spoil_later(owner)
        if chance.random() < 0.5: spoil(owner)
    def of_bytearray(data): of_buffer(data, bytearray(data))
    def of_read_only_view_of_bytearray(data):
        owner = bytearray(data)
        with memoryview(owner) as view, view.toreadonly() as frozen:
            source.post_buffer(frozen)
        spoil(owner)
    def of_slice_of_bytearray(data):
        owner = bytearray(b"##" + data + b"##")
        with memoryview(owner) as view, view[2:-2] as part:
            source.post_buffer(part)
        del owner[:2]
        spoil_later(owner)
    def of_array(data): of_buffer(data, array.array("B", data))
    def of_mmap(data):
        owner = mmap.mmap(-1, len(data))
        owner[:] = data
        with memoryview(owner) as view, view.toreadonly() as frozen:
            source.post_buffer(frozen)
        spoil(owner)
    def of_steps(data):
        "Every other byte of a buffer: what is not in one piece cannot be viewed."
        twice = bytes(byte for byte in data for _ in range(2)) if len(data) < 1000 else None
        source.post_buffer(data if twice is None else memoryview(twice)[::2])
    def of_engine_buffer(data):
        buffer = source.acquire_buffer(len(data) + chance.randrange(100))
        with memoryview(buffer) as view:
            view[: len(data)] = data
        source.post_buffer(buffer, length=len(data))
        try:
            memoryview(buffer)
        except BufferError:
            pass
        else:
            raise SystemError("a sealed buffer can be written to")
        spoil_later(buffer)
    def of_engine_buffer_still_viewed(data):
        buffer = source.acquire_buffer(len(data))
        view = memoryview(buffer)
        view[:] = data
        try:
            source.post_buffer(buffer)
        except (BufferError, ValueError):
            view.release()
            source.post_buffer(buffer)
        else:
            raise SystemError("a buffer was posted that can still be written to")
    def of_unposted(data):
        buffer = source.acquire_buffer(len(data))
        spoil_later(memoryview(buffer))
        del buffer
        source.post_message(data)
    def of_refused(data):
        for wrong in (memoryview(b"x" * 4).cast("I"), object(), 7, [b"x"]):
            try:
                LogMessage(wrong) if not isinstance(wrong, memoryview) else source.post_buffer(object())
            except TypeError:
                pass
        source.post_message(data)
    ways = [of_bytes, of_str, of_message, of_view_of_bytes, of_slice, of_bytearray, of_read_only_view_of_bytearray,
            of_slice_of_bytearray, of_array, of_mmap, of_steps, of_engine_buffer, of_engine_buffer_still_viewed, of_unposted,
            of_refused]
    if numpy is not None:
        def of_numpy(data): of_buffer(data, numpy.frombuffer(data, dtype=numpy.uint8).copy())
        def of_numpy_read_only(data):
            owner = numpy.frombuffer(data, dtype=numpy.uint8).copy()
            frozen = owner.view()
            frozen.flags.writeable = False
            of_buffer(data, owner, frozen)
        def of_numpy_over_bytes(data): of_buffer(data, numpy.frombuffer(data, dtype=numpy.uint8))
        ways += [of_numpy, of_numpy_read_only, of_numpy_over_bytes]
    return ways

def unchecked():
    "How many bytes were written that nobody has checked yet: who checks sets the pace, or the disk fills up."
    size = 0
    for entry in os.scandir("d"):
        try:
            size += entry.stat().st_size
        except FileNotFoundError:
            pass
    return size

class Source(LogSource):
    def init(self, options):
        self.seed = options["seed"]
        return True

    def run(self):
        n, paced, kept, chance, looks = 0, 0, [], random.Random(self.seed), {{}}
        ways = posts(self, chance, kept)
        while not self.exit_requested:
            if n and n % 20_000 == 0:
                self.look(n)
            if n >= paced:
                paced = n + 1000
                if unchecked() > {most}:
                    # Slowly, and not never: that the path was rotated shows when a line comes.
                    paced = n + 1
                    self.sleep(0.05)
            way = chance.choice(ways)
            looks[way.__name__] = looks.get(way.__name__, 0) + 1
            way(text(n))
            n += 1
            if chance.random() < 0.02:
                # Many at once, most of what a long run posts.
                batch = [text(m) for m in range(n, n + 200)]
                if chance.random() < 0.5:
                    self.post_messages(batch)
                else:
                    self.post_buffer(bytearray(b"\\n".join(batch)))
                n += 200
        # What is left is freed when the interpreter ends, some of it while the engine still writes it.
        global last
        last = [kept, ways, self, LogMessage(text(0)), self.acquire_buffer(1000)]
        last.append(memoryview(last[-2]))
        atexit.register(lambda: last[0].clear())
        with open("ways.json", "w") as file:
            json.dump(looks, file)

    def look(self, n):
        gc.collect()
        print("look", n, sys.getallocatedblocks(), flush=True)
}};
source s_test {{ python(class("Source") options(seed({seed})) log-iw-size({window})); }};
log {{ source(s_test); destination {{ file("d/out.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""
# What the pools may keep, the source's own fifty buffers, and the window.
MEMORY = 250 << 10
BLOCKS = 5_000
# What may wait on the disk to be checked.
UNCHECKED = 500 << 20


@attack(
    "buffers",
    "the contract of the design; no crash; no leak",
    short=Budget(count=40_000),
    long=Budget(count=10_000_000),
)
def buffers(run: Run) -> None:
    """One engine; a round is a message."""
    space: dict[str, object] = {}
    exec(TEXT, space)  # the same text for both sides
    text = space["text"]
    assert callable(text)

    def check(source: str, number: int, rest: bytes) -> None:
        expected = text(number)
        assert b"%s %d %s" % (source.encode(), number, rest) == expected, (
            f"message {number} is not what was posted"
        )

    directory = run.directory / "d"
    directory.mkdir()
    window = run.random.choice([100, 1000, 5000])
    engine = run.engine(
        CONF.format(seed=run.random.randrange(1 << 30), window=window, text=TEXT, most=UNCHECKED)
    )
    pieces = Pieces(directory / "out.log", check)
    until(pieces.is_written, "the first line", engine)
    while not run.is_over():
        pieces.rotate()
        until(pieces.is_written, "a line", engine)
        pieces.collect()
        run.done = pieces.lines
        run.most("memory", resident(engine) / 1024, "MiB")
        assert resident(engine) < MEMORY, "memory that grows"
        run.show()
    totals = engine.stop()
    assert not engine.stderr.find("Traceback"), engine.report()
    pieces.collect(at_the_end=True)
    run.done = pieces.lines
    assert totals.posted == totals.delivered == pieces.lines, (totals, pieces.lines)
    looks = [list(map(int, line.split()[1:])) for line in engine.stdout.lines if line.startswith("look")]
    # The first looks see what is made once; the blocks of one look and another differ by what is kept at that
    # moment.
    blocks = [row[1] for row in looks[1:]]
    if len(blocks) >= 2:
        run.figures["blocks more at the end"] = blocks[-1] - blocks[0]
        assert blocks[-1] - blocks[0] < BLOCKS, f"objects that are never freed: {looks}"
    ways = json.loads((run.directory / "ways.json").read_text())
    run.figures["ways"] = len(ways)
