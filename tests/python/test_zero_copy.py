"""The zero-copy contract, row by row: what is viewed where it is, and what is copied once.

Each row is proved by address and by what becomes of a change after the post. A source posts into a
destination that stands still, and then writes one byte to the address of what it posted: behind Python's back
where the object cannot change. If the engine views that address, the change is in the file; if it has copied,
it is not. Reference counts say how long the object is kept.
"""

from __future__ import annotations

import textwrap

import pytest

from harness import RunSource, StartEngine, source_that
from probe import PRELUDE, VIEW_FROM, printed, stalled

# How objects are kept: the count of references that the engine adds while a message waits.
KEEP = """
def post_message(given): self.post_message(given)
def draft(given): self.post_message(LogMessage(given))
def post_messages(given): self.post_messages(iter([given]))
def try_post_message(given): assert self.try_post_message(given)
def post_buffer(given): assert self.post_buffer(given) == len(memoryview(given))

class Row:
    "Something that was posted, and how many references to it the engine had."
    def __init__(self, name, owner):
        self.name, self.owner, self.before = name, owner, 0
    def kept(self):
        return sys.getrefcount(self.owner) - self.before

rows = []
def row(name, owner, post, given=None):
    "`owner` makes who has the bytes, `given` what is posted: the owner, or something over it."
    one = Row(name, owner())
    one.before = one.kept()
    post(one.owner if given is None else given(one.owner))
    one.waiting = one.kept()
    rows.append(one)
"""


def kept_and_changed(rows: str) -> str:
    """A source that posts `rows`, pokes into every owner, lets the destination go on, and prints what the
    engine kept of each row while it waited and after it was delivered. The order of the lines is the order of
    the rows."""
    return stalled(
        KEEP
        + textwrap.dedent(rows)
        + textwrap.dedent("""
        for one in rows: poke(one.owner)
        os.mkdir("gone")
        eventually(lambda: all(one.kept() == 0 for one in rows))
        print(json.dumps([[one.name, one.waiting, one.kept()] for one in rows]))
        """)
    )


class TestViewed:
    """Rows of the contract that keep the object and view it."""

    def test_immutable_objects(self, run_source: RunSource, engine: StartEngine) -> None:
        """Without it: long texts are copied, kept for ever, or let go of while they are still to be
        written."""
        running = engine(
            kept_and_changed(f"""
            size = {VIEW_FROM}
            posts = [post_message, draft, post_messages, try_post_message]
            for post in posts:
                row(f"bytes {{post.__name__}}", lambda: fresh(size), post)
                row(f"str {{post.__name__}}", lambda: "x" * size, post)
                row(f"str beyond ASCII {{post.__name__}}", lambda: "xé€😀" * size, post)
            class Text(str): pass
            row("subclass of str", lambda: Text("x" * size), post_message)
            row("view", lambda: fresh(size), draft, memoryview)
            row("view of a view", lambda: fresh(2 * size), draft, lambda owner: memoryview(memoryview(owner))[:size])
            row("post_buffer", lambda: fresh(size), post_buffer)
            row("post_buffer of a view", lambda: fresh(2 * size), post_buffer, lambda owner: memoryview(owner)[:size])
            """)
        )
        running.wait_print("done")
        running.stop()
        rows = printed(running.stdout.lines)
        lines = (running.directory / "gone" / "out.log").read_bytes().splitlines()
        assert len(rows) == len(lines) == 17
        for (name, kept, left), line in zip(rows, lines, strict=True):
            assert kept == 1, f"{name}: kept {kept} times while it waits"
            assert left == 0, f"{name}: kept {left} times after it was delivered"
            assert line[:1] == b"!", f"{name}: what is delivered is not at the owner's address"

    def test_a_long_text_inside_a_parsed_message(self, engine: StartEngine) -> None:
        """Without it: parsing copies what it parses."""
        running = engine(
            kept_and_changed("""
            header = b"<13>1 2026-03-01T12:00:00Z host program 1 ID - "
            def parsed(given): self.post_message(LogMessage.parse(given, self.parse_options))
            def split(given): self.post_buffer(given, parse=True)
            poke_at = len(header)
            row("LogMessage.parse", lambda: header + fresh(3000), parsed)
            row("post_buffer", lambda: header + fresh(3000), split)
            """).replace("poke(one.owner)", "poke(one.owner, poke_at)")
        )
        running.wait_print("done")
        running.stop()
        rows = printed(running.stdout.lines)
        assert rows == [["LogMessage.parse", 1, 0], ["post_buffer", 1, 0]]
        text = b"!" + b"x" * 2999
        assert (running.directory / "gone" / "out.log").read_bytes().splitlines() == [text, text]

    def test_one_owner_many_views(self, engine: StartEngine) -> None:
        """Without it: a buffer of many messages is copied for them, or kept once for each."""
        conf = stalled("""
        count, line = 100_000, b"x" * 699 + b"\\n"
        warm = bytes(line) * count
        data = bytes(line) * count
        assert len(data) > 64 << 20
        references = sys.getrefcount(data)
        del warm
        before = resident()
        assert self.post_buffer(data) == len(data)
        grown = resident() - before
        kept = sys.getrefcount(data) - references
        # The first byte of the first line, and of the last one.
        poke(data)
        poke(data, len(data) - len(line))
        os.mkdir("gone")
        eventually(lambda: sys.getrefcount(data) == references)
        print(json.dumps([kept, sys.getrefcount(data) - references, grown]))
        """)
        running = engine(conf)
        running.wait_print("done")
        assert running.stop().delivered == 100_000
        kept, left, grown = printed(running.stdout.lines)
        assert (kept, left) == (1, 0)
        assert grown < 20 << 20
        lines = (running.directory / "gone" / "out.log").read_bytes().splitlines()
        assert lines == [b"!" + b"x" * 698, *[b"x" * 699] * 99_998, b"!" + b"x" * 698]

    def test_an_object_is_let_go_of_under_the_gil(self, engine: StartEngine) -> None:
        """Without it: finalizers run on threads that Python does not know, before the delivery, or never; or
        one that posts again dead-locks."""
        conf = stalled(
            """
            finalized = []
            class Text(str):
                def __del__(this):
                    finalized.append((os.path.exists("gone"), threading.current_thread().name))
                    self.post_message("finalized")
            for _ in range(50):
                self.post_message(Text("x" * 2000))
            gc.collect()
            print(json.dumps([len(finalized)]), flush=True)
            os.mkdir("gone")
            eventually(lambda: len(finalized) == 50)
            print(json.dumps([len(finalized), all(gone for gone, _ in finalized)]), flush=True)
            """
        )
        running = engine(conf)
        running.wait_print("done")
        assert running.stop().delivered == 100
        assert running.stdout.lines == ["[0]", "[50, true]", "done"]


class TestCopied:
    """Rows of the contract that copy once."""

    def test_short_texts(self, engine: StartEngine) -> None:
        """Without it: every short message costs a reference, a release under the GIL, and the memory of its
        object."""
        running = engine(
            kept_and_changed(f"""
            # A text of one character may be an object that the interpreter shares.
            for size in (2, 23, {VIEW_FROM - 1}):
                for post in (post_message, draft, post_messages, try_post_message):
                    row(f"bytes {{size}} {{post.__name__}}", lambda: fresh(size), post)
                    row(f"str {{size}} {{post.__name__}}", lambda: "".join(["x"] * size), post)
            row("view", lambda: fresh(100), draft, memoryview)
            """)
        )
        running.wait_print("done")
        running.stop()
        rows = printed(running.stdout.lines)
        lines = (running.directory / "gone" / "out.log").read_bytes().splitlines()
        assert len(rows) == len(lines) == 25
        for (name, kept, left), line in zip(rows, lines, strict=True):
            assert (kept, left) == (0, 0), f"{name}: kept"
            assert line[:1] == b"x", f"{name}: changed after the post"

    def test_bytes_that_may_change(self, engine: StartEngine) -> None:
        """Without it: what a program does to its buffer after the post shows up in the file."""
        conf = stalled("""
        import array, mmap
        size, rows = 4096, []
        def row(name, owner, post, given=None):
            post(owner if given is None else given(owner))
            rows.append(name)
            # As the program itself would, and then whatever is left.
            try: owner[0] = owner[1] = ord("?")
            except TypeError: pass
            poke(owner, 2)
        def post_buffer(given): self.post_buffer(given)
        def draft(given): self.post_message(LogMessage(given))
        def filled(owner):
            memoryview(owner).cast("B")[:] = b"x" * size
            return owner
        with open("mapped", "wb") as file: file.write(b"x" * size)
        file = open("mapped", "r+b")
        mapped = mmap.mmap(file.fileno(), size)
        class Sub(bytes): pass
        row("bytearray", bytearray(b"x" * size), post_buffer)
        row("view of a bytearray", bytearray(b"x" * size), post_buffer, memoryview)
        row("read-only view of a bytearray", bytearray(b"x" * size), post_buffer, lambda o: memoryview(o).toreadonly())
        row("read-only view of a bytearray", bytearray(b"x" * size), draft, lambda o: memoryview(o).toreadonly())
        row("array", array.array("B", b"x" * size), post_buffer)
        row("array of longer items", array.array("I", b"x" * size), post_buffer)
        row("read-only view of an array", array.array("B", b"x" * size), draft, lambda o: memoryview(o).toreadonly())
        row("ctypes", filled((ctypes.c_ubyte * size)()), post_buffer)
        row("anonymous mmap", filled(mmap.mmap(-1, size)), post_buffer)
        readonly = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        self.post_buffer(readonly)
        draft(readonly)
        rows += ["read-only mmap", "read-only mmap"]
        mapped[0:3] = b"???"
        row("subclass of bytes", Sub(b"x" * size), post_buffer)
        row("subclass of bytes", Sub(b"x" * size), draft)
        row("every second byte", fresh(2 * size), draft, lambda o: memoryview(o)[::2])
        os.mkdir("gone")
        print(json.dumps(rows))
        """)
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        rows = printed(running.stdout.lines)
        lines = (running.directory / "gone" / "out.log").read_bytes().splitlines()
        assert len(rows) == len(lines)
        for name, line in zip(rows, lines, strict=True):
            assert line == b"x" * 4096, f"{name}: changed after the post"

    def test_a_buffer_that_may_change_is_copied_once(self, engine: StartEngine) -> None:
        """Without it: a second copy is made for each message, or for all of them."""
        conf = stalled("""
        data = bytearray(b"x" * 670 + b"\\n") * 100_000
        before = resident()
        self.post_buffer(data)
        print(json.dumps((resident() - before) / len(data)))
        os.mkdir("gone")
        """)
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert 0.9 < printed(running.stdout.lines) < 1.3

    @pytest.mark.parametrize(
        "given", ["bytearray(b'x')", "memoryview(bytearray(b'x'))", "__import__('array').array('B', b'x')"]
    )
    def test_a_message_of_a_writable_buffer_is_refused(self, run_source: RunSource, given: str) -> None:
        """Without it: a buffer that is read into again and again looks as if it could be posted as it is."""
        out = run_source(
            source_that(f"""
            try: LogMessage({given})
            except TypeError: print("TypeError")
            try: self.post_message({given})
            except TypeError: print("TypeError")
            """)
        )
        assert out == ["TypeError", "TypeError", "done"]


class TestEngineBuffers:
    """The row from the kernel to the destination: `acquire_buffer`."""

    def test_sealed_viewed_recycled(self, engine: StartEngine) -> None:
        """Without it: the engine's own buffers are copied, can be written to while they are written out, or
        are not used again."""
        conf = stalled("""
        size = 8192
        def used(buffer):
            "What every way to use the buffer comes to."
            ways = [lambda: memoryview(buffer), lambda: self.post_buffer(buffer), lambda: self.post_buffer(buffer, length=0),
                    lambda: file.readinto(buffer), lambda: (ctypes.c_char * size).from_buffer(buffer), lambda: bytes(buffer)]
            results = set()
            for way in ways:
                try:
                    way()
                    results.add("used")
                except (ValueError, BufferError):
                    results.add("refused")
                except TypeError as error:
                    # This is what C code makes of a BufferError.
                    assert "read-write bytes-like object, not inrush.Buffer" in str(error), error
            return sorted(results)
        with open("input", "wb") as file: file.write(b"a\\n" + b"x" * 5000 + b"\\nrest")
        file = open("input", "rb", buffering=0)
        buffer = self.acquire_buffer(size)
        start = address(buffer)
        count = file.readinto(buffer)
        consumed = self.post_buffer(buffer, length=count, partial=True)
        ctypes.memset(start + 2, ord("!"), 1)
        before = used(buffer)
        while_it_waits = [address(self.acquire_buffer(size)) for _ in range(3)]
        os.mkdir("gone")
        other = lambda: address(self.acquire_buffer(size))
        recycled = eventually(lambda: start in [address(one) for one in [self.acquire_buffer(size) for _ in range(4)]])
        print(json.dumps([count, consumed, buffer.tail.decode(), before, start in while_it_waits, recycled, used(buffer), len(buffer)]))
        """)
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        expected = [5007, 5003, "rest", ["refused"], False, True, ["refused"], 8192]
        assert printed(running.stdout.lines) == expected
        lines = (running.directory / "gone" / "out.log").read_bytes().splitlines()
        assert lines == [b"a", b"!" + b"x" * 4999]

    def test_dropped_unposted(self, run_source: RunSource) -> None:
        """Without it: a buffer that was acquired and not used is lost to the pool."""
        out = run_source(
            source_that(
                PRELUDE
                + textwrap.dedent("""
                buffer = self.acquire_buffer(12345)
                first = address(buffer)
                other = address(self.acquire_buffer(12345))
                del buffer
                print(first != other, first in [address(one) for one in [self.acquire_buffer(12345) for _ in range(2)]])
                """)
            )
        )
        assert out == ["True True", "done"]

    def test_views_that_are_alive_keep_it_from_being_posted(self, engine: StartEngine) -> None:
        """Without it: a view that was made before the post writes into messages on their way."""
        conf = stalled("""
        buffer = self.acquire_buffer(4096)
        views = [memoryview(buffer), (ctypes.c_char * 4096).from_buffer(buffer), memoryview(memoryview(buffer))[5:]]
        views[0][:] = b"x" * 4095 + b"\\n"
        refused = []
        while views:
            try:
                self.post_buffer(buffer)
            except BufferError as error:
                refused.append(str(error).split(": ")[1])
            views.pop()
            gc.collect()
        self.post_buffer(buffer)
        os.mkdir("gone")
        print(json.dumps(refused))
        """)
        running = engine(conf)
        running.wait_print("done")
        assert running.stop().posted == 1
        refused = printed(running.stdout.lines)
        assert len(refused) == 3
        assert all("alive" in text for text in refused)
        assert (running.directory / "gone" / "out.log").read_bytes() == b"x" * 4095 + b"\n"


class TestRead:
    """The other direction: `memoryview(msg)`."""

    def test_a_view_of_a_message_is_the_text_itself(self, run_source: RunSource) -> None:
        """Without it: looking at a message costs a copy, or the view shows what the message became later."""
        out = run_source(
            source_that(
                PRELUDE
                + textwrap.dedent("""
                for text in (fresh(5000), "x" * 5000, fresh(30)):
                    message = LogMessage(text)
                    view = memoryview(message)
                    same = address(view) == address(text)
                    message["MESSAGE"] = "other"
                    self.post_message(message)
                    del message
                    gc.collect()
                    print(same, view.readonly, view == (text.encode() if isinstance(text, str) else text))
                """)
            )
        )
        assert out == ["True True True"] * 3 + ["done"]
