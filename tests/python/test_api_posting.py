"""Posting: what may be posted, from where, and what becomes of it."""

from __future__ import annotations

import signal

import pytest

from harness import Delivered, RunSource, StartEngine, numbered, read_lines, source, source_that


class TestPosting:
    """Posts: what may be posted, from where, and what becomes of it."""

    def test_order_of_one_thread(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: batches could overtake each other."""
        run_source(source_that("for n in range(50000):\n    self.post_message(LogMessage(str(n)))"))
        assert delivered() == numbered(50000)

    def test_stamps_of_a_loop(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: a message that follows a pause has the time stamp of the one before the pause, with
        which it shares a batch no more; or stamps go back."""
        run_source(
            source_that(
                """
import time
for _ in range(20):
    for n in range(2000 + _):
        self.post_message(LogMessage("x"))
    time.sleep(0.2)
    before = int(time.time() * 1000000)
    msg = LogMessage("made before")
    self.post_messages(["y", "y"])
    self.post_message(msg)
    self.post_message(LogMessage(str(before)))
"""
            ).replace("$MSG", "$R_UNIXTIME $R_USEC $MSG")
        )
        latest, paused = 0, 0
        for line in delivered():
            seconds, micros, text = line.split(b" ", 2)
            stamp = int(float(seconds)) * 1_000_000 + int(micros)
            if text == b"made before":
                made = stamp
                continue
            assert stamp >= latest, line
            latest = stamp
            if text.isdigit():
                paused += 1
                # The clock of the process is read to a few microseconds of the system's.
                assert min(made, stamp) >= int(text) - 1000, (made, line)
        assert paused == 20

    def test_keyword_and_result(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: `post_message(msg=...)` breaks, or its result is taken for a failure."""
        out = run_source(source_that('print(self.post_message(msg=LogMessage("x")), self.close_batch())'))
        assert out == ["None None", "done"]
        assert delivered() == [b"x"]

    def test_str_and_bytes_are_short_for_messages(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: the shortest and fastest way to post is missing."""
        run_source(source_that('self.post_message("text")\nself.post_message(b"bytes")'))
        assert delivered() == [b"text", b"bytes"]

    @pytest.mark.parametrize("text", ["x", "\u00e4", b"x", "x" * 5000, b"x" * 5000])
    def test_bare_texts_in_a_loop(
        self, run_source: RunSource, delivered: Delivered, text: str | bytes
    ) -> None:
        """Without it: a text that is posted without a message is lost, or out of order, where most of a loop
        goes another way than its first message."""
        texts = "text if n % 3 else LogMessage(text)"
        posts = f"for n in range(3000):\n    text = {text!r} + repr(n){'.encode()' if isinstance(text, bytes) else ''}"
        run_source(source_that(f"{posts}\n    self.post_message({texts})"))
        start = text if isinstance(text, bytes) else text.encode()
        assert delivered() == [start + b"%d" % n for n in range(3000)]

    @pytest.mark.parametrize(
        ("name", "prefix"),
        [("Inherits", ""), ("Overrides", "own "), ("OfBase", "base "), ("InInit", "init "), ("Guarded", "")],
    )
    def test_what_the_class_says_of_post_message_holds(
        self, run_source: RunSource, delivered: Delivered, name: str, prefix: str
    ) -> None:
        """Without it: the engine's short way to its own method goes past a method that the user put in its
        place: in the class, in a base, in the instance, before the start or while it runs."""
        conf = """
def run(self):
    for number in range(200):
        self.post_message(LogMessage(f"{type(self).__name__} {number}"))
    original = LogSource.post_message
    type(self).post_message = lambda self, message: original(self, "patched in run")
    self.post_message(LogMessage("lost"))
    self.post_message = lambda message: original(self, "of the instance")
    self.post_message(LogMessage("lost"))
    print("done", flush=True)
    self.exiting.wait()

exiting = threading.Event()

def request_exit(self):
    self.exiting.set()
"""
        more = """
class Inherits(Source):
    pass

class Overrides(Source):
    def post_message(self, message):
        super().post_message("own " + str(message["MESSAGE"], "ascii"))

class Base(Source):
    pass

Base.post_message = lambda self, message: LogSource.post_message(self, "base " + str(message["MESSAGE"], "ascii"))

class OfBase(Base):
    pass

class InInit(Source):
    def init(self, options):
        type(self).post_message = lambda self, message: LogSource.post_message(self, "init " + str(message["MESSAGE"], "ascii"))
        return True

class Meta(type):
    def __setattr__(self, name, value):
        if name == "post_message" and not callable(value):
            raise RuntimeError(name)
        super().__setattr__(name, value)

class Guarded(Source, metaclass=Meta):
    pass
};
"""
        text = source(conf).replace("\n};\nsource s_test", "\n" + more + "source s_test", 1)
        run_source(text.replace('class("Source")', f'class("{name}")'))
        expected = [f"{prefix}{name} {number}".encode() for number in range(200)]
        assert delivered() == [*expected, b"patched in run", b"of the instance"]

    @pytest.mark.parametrize("call", ["post_message({})", "try_post_message({})", "post_messages([{}])"])
    def test_wrong_type(self, run_source: RunSource, delivered: Delivered, call: str) -> None:
        """Without it: a wrong argument ends the source without saying which type it was, or is posted as its
        repr."""
        checks = "\n".join(
            f"try:\n    self.{call.format(wrong)}\nexcept TypeError as e:\n    assert {name!r} in str(e), e\nelse:\n    print('taken')"
            for wrong, name in [("1", "int"), ("None", "NoneType"), ("['x']", "list"), ("object()", "object")]
        )
        assert run_source(source_that(checks)) == ["done"]
        assert delivered() == []

    def test_posting_is_a_snapshot(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: what a source does to a message after posting it shows up in the file."""
        run_source(
            source_that(
                """
msg = LogMessage("first")
self.post_message(msg)
msg["MESSAGE"] = "second"
self.post_message(msg)
self.post_message(msg)
"""
            )
        )
        assert delivered() == [b"first", b"second", b"second"]

    def test_mutable_buffers_are_copied(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: bytes that change after the post change in the file."""
        run_source(
            source_that(
                """
buffer = bytearray(b"one " * 1000 + b"\\n")
for text in (b"two ", b"six "):
    assert self.post_buffer(buffer) == len(buffer)
    buffer[:-1] = text * 1000
assert self.post_buffer(memoryview(buffer).toreadonly()) == len(buffer)
buffer[:-1] = b"bad " * 1000
"""
            )
        )
        assert delivered() == [b"one " * 1000, b"two " * 1000, b"six " * 1000]

    def test_many_threads(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: messages from threads of a framework are refused, lost, doubled or reordered."""
        run_source(
            source_that(
                """
def post(who):
    for n in range(2000):
        self.post_message(LogMessage(f"{who} {n}"))
threads = [threading.Thread(target=post, args=(who,)) for who in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
            )
        )
        got = [tuple(map(int, line.split())) for line in delivered()]
        assert len(got) == 16000
        for who in range(8):
            assert [n for by, n in got if by == who] == list(range(2000))

    def test_from_many_threads_with_a_full_window(self, engine: StartEngine) -> None:
        """Without it: threads that wait for credit could pass each other's messages, or wait for ever."""
        conf = source_that(
            """
def post(who):
    for n in range(200):
        self.post_message(LogMessage(f"{who} {n}"))
threads = [threading.Thread(target=post, args=(who,)) for who in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
            driver="log-iw-size(3)",
        )
        running = engine(conf)
        running.wait_print("done")
        totals = running.stop()
        assert totals.posted == totals.delivered == 1600

    @pytest.mark.parametrize(
        ("where", "result"), [("__init__(self)", None), ("init(self, options)", True), ("deinit(self)", None)]
    )
    def test_posting_outside_of_run_is_a_runtime_error(
        self, engine: StartEngine, where: str, result: object
    ) -> None:
        """Without it: a message posted before the start, or after the end, is lost in silence or crashes the
        engine."""
        conf = source(
            f"""
            exiting = threading.Event()

            def {where}:
                for post in (self.post_message, self.try_post_message):
                    try:
                        post(LogMessage("never"))
                    except RuntimeError as error:
                        print("RuntimeError", error, flush=True)
                return {result}

            def run(self):
                self.post_message(LogMessage("x"))
                print("running", flush=True)
                self.exiting.wait()

            def request_exit(self):
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.wait_print("running")
        running.stop()
        assert len([line for line in running.stdout.lines if line.startswith("RuntimeError ")]) == 2
        assert read_lines(running.directory / "out.log") == [b"x"]

    def test_posting_after_request_exit_is_delivered(self, engine: StartEngine) -> None:
        """Without it: what a source still has in hand when it is asked to stop is lost."""
        conf = source(
            """
            exiting = threading.Event()

            def run(self):
                print("running", flush=True)
                self.exiting.wait()
                for n in range(1000):
                    self.post_message(LogMessage(str(n)))

            def request_exit(self):
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.wait_print("running")
        assert running.stop().delivered == 1000
        assert read_lines(running.directory / "out.log") == numbered(1000)

    def test_bookmark_without_tracker_is_a_runtime_error(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: a source that relies on acknowledgements never learns that it gets none."""
        out = run_source(
            source_that(
                """
for bookmark in (0, "", object()):
    try:
        self.post_message(LogMessage("never", bookmark))
    except RuntimeError as error:
        print("ack_tracker" in str(error))
self.post_message(LogMessage("x", None))
"""
            )
        )
        assert out == ["True", "True", "True", "done"]
        assert delivered() == [b"x"]

    def test_transport_name(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: $TRANSPORT does not say how a message came."""
        conf = source_that(
            """
self.post_message(LogMessage("a"))
self.set_transport_name("two")
self.post_message(LogMessage("b"))
try:
    self.set_transport_name(b"bytes")
except TypeError:
    print("TypeError")
""",
            'def init(self, options):\n    self.set_transport_name("one")\n    return True',
        ).replace("$MSG", "$TRANSPORT $MSG")
        assert run_source(conf) == ["TypeError", "done"]
        assert delivered() == [b"one a", b"two b"]

    def test_what_the_source_layer_does(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: HOST, PROGRAM, tags and SOURCE differ from what existing configurations expect."""
        conf = source_that(
            """
msg = LogMessage("x")
msg["HOST"] = "mine"
msg["PROGRAM"] = "mine"
self.post_message(msg)
""",
            driver='keep-hostname(yes) program-override("p") tags("t1", "t2") default-facility(local3) default-priority(err)',
        ).replace("$MSG", "$HOST $PROGRAM $SOURCE $FACILITY $LEVEL ${.t:-none} $TAGS $MSG")
        run_source(conf)
        (line,) = delivered()
        host, program, name, facility, level, nothing, tags, text = line.split(b" ")
        assert (host, program, name, nothing, text) == (b"mine", b"p", b"s_test", b"none", b"x")
        assert (facility, level) == (b"local3", b"err")
        assert {b"t1", b"t2", b".source.s_test"} <= set(tags.split(b","))

    def test_host_of_the_message_is_replaced_by_default(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: keep-hostname() is on for those who did not ask for it."""
        conf = source_that('msg = LogMessage("x")\nmsg["HOST"] = "mine"\nself.post_message(msg)')
        run_source(conf.replace("$MSG", "$HOST"))
        assert delivered() != [b"mine"]

    def test_auto_close_batches_off(self, engine: StartEngine) -> None:
        """Without it: messages wait for close_batch() for ever: no message may wait for another one to
        come."""
        conf = source_that(
            'self.post_message(LogMessage("first"))\nself.close_batch()\nself.post_message(LogMessage("second"))',
            "def init(self, options):\n    self.auto_close_batches = False\n    return True",
        )
        assert engine(conf).wait_lines("out.log", 2) == [b"first", b"second"]

    @pytest.mark.parametrize("end", ["time.sleep(600)", "self.exiting.wait()", "return"])
    def test_no_message_waits_for_another(self, engine: StartEngine, end: str) -> None:
        """Without it: the last message before a pause stays in an open batch."""
        conf = source(
            f"""
            exiting = threading.Event()

            def run(self):
                self.post_message(LogMessage("only"))
                {end}

            def request_exit(self):
                self.exiting.set()
            """,
            driver="stop-timeout(1)",
        )
        running = engine(conf)
        assert running.wait_lines("out.log", 1) == [b"only"]
        if end.startswith("time"):
            running.send_signal(signal.SIGTERM)
            running.wait_exit()
            running.totals().check()

    def test_parse(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: the source's options do not reach LogMessage.parse."""
        conf = source_that(
            """
self.post_message(LogMessage.parse("<165>1 2026-03-01T12:00:00Z h app 1 ID - text", self.parse_options))
self.post_message(LogMessage.parse(b"<13>Mar  1 12:00:00 h app[7]: old", self.parse_options))
for wrong in (1, None, bytearray(b"x")):
    try:
        LogMessage.parse(wrong, self.parse_options)
    except TypeError:
        print("TypeError")
assert LogMessage.parse("<165>1 2026-03-01T12:00:00-08:00 h - - - - x", self.parse_options).get_timestamp().hour == 12
""",
            driver="keep-hostname(yes)",
        ).replace("$MSG", "$PRI $HOST $PROGRAM $PID $MSG")
        assert run_source(conf) == ["TypeError"] * 3 + ["done"]
        assert delivered() == [b"165 h app 1 text", b"13 h app 7 old"]


class TestManyAtOnce:
    """post_messages, post_buffer, acquire_buffer."""

    def test_post_messages(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: mixed lists and generators are refused, or come in another order."""
        out = run_source(
            source_that(
                """
print(self.post_messages([LogMessage("a"), "b", b"c"]))
print(self.post_messages(str(n) for n in range(1000)))
print(self.post_messages([]))
"""
            )
        )
        assert out == ["3", "1000", "0", "done"]
        assert delivered() == [b"a", b"b", b"c", *(b"%d" % n for n in range(1000))]

    @pytest.mark.parametrize("window", [1, 100, 5000])
    def test_post_messages_of_long_lists(
        self, engine: StartEngine, delivered: Delivered, window: int
    ) -> None:
        """Without it: texts that are posted together come out of order, twice or not at all, where credit or
        a batch ends, or where one among them is no short text."""
        running = engine(
            source_that(
                """
given = []
for n in range(3000):
    text = f"{n} " + "x" * (n % 50)
    given.append({7: LogMessage(text), 11: text.encode(), 13: text + "é", 17: text * 99}.get(n % 20, text))
for most in (3000, 1000, 129, 64, 1):
    for start in range(0, 3000, most):
        part = given[start:start + most]
        assert self.post_messages(part) == len(part)
print(len(given))
""",
                driver=f"log-iw-size({window})",
            )
        )
        running.wait_print("done")
        stopped = running.stop()
        expected = []
        for n in range(3000):
            text = f"{n} " + "x" * (n % 50)
            expected.append({13: text + "é", 17: text * 99}.get(n % 20, text).encode())
        assert delivered() == expected * 5
        assert stopped.delivered == 15000

    def test_post_messages_beyond_the_window(self, engine: StartEngine) -> None:
        """Without it: a list longer than the window waits for ever."""
        running = engine(
            source_that("print(self.post_messages(map(str, range(1000))))", driver="log-iw-size(7)")
        )
        running.wait_print("done")
        assert running.stop().delivered == 1000

    def test_post_messages_with_a_wrong_element(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: nobody knows how much of a list was posted."""
        out = run_source(
            source_that(
                """
for wrong in (7, None):
    try:
        self.post_messages(["a", "b", wrong, "c"])
    except TypeError as error:
        print("2" in str(error), type(wrong).__name__ in str(error))
try:
    self.post_messages(5)
except TypeError:
    print("TypeError")
"""
            )
        )
        assert out == ["True True", "True True", "TypeError", "done"]
        assert delivered() == [b"a", b"b"] * 2

    def test_post_messages_from_an_iterator_that_raises(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: the iterator's own exception is swallowed, or what came before it is lost."""
        out = run_source(
            source_that(
                """
def some():
    yield "a"
    raise KeyError("mine")
try:
    self.post_messages(some())
except KeyError as error:
    print(error)
"""
            )
        )
        assert out == ["'mine'", "done"]
        assert delivered() == [b"a"]

    @pytest.mark.parametrize(
        ("call", "consumed", "lines"),
        [
            ("b'a\\nb\\n'", 4, [b"a", b"b"]),
            ("b'a\\nb'", 3, [b"a", b"b"]),
            ("b'a\\nb', partial=True", 2, [b"a"]),
            ("b'none', partial=True", 0, []),
            ("b''", 0, []),
            ("b'a\\n\\nb\\n'", 5, [b"a", b"b"]),
            ("b'a\\n\\nb\\n', keep_empty=True", 5, [b"a", b"", b"b"]),
            ("b'a;b;', b';'", 4, [b"a", b"b"]),
            ("b'a\\r\\nb\\r\\n', delimiter=b'\\r\\n'", 6, [b"a", b"b"]),
            ("b'a\\nb\\nrest', length=4", 4, [b"a", b"b"]),
            ("memoryview(b'xa\\nbx')[1:4]", 3, [b"a", b"b"]),
            ("b'a' * 100000 + b'\\n' + b'b' * 100000", 200001, [b"a" * 100000, b"b" * 100000]),
        ],
    )
    def test_post_buffer(
        self, run_source: RunSource, delivered: Delivered, call: str, consumed: int, lines: list[bytes]
    ) -> None:
        """Without it: a message is cut, joined, doubled or left out at the edge of a buffer."""
        assert run_source(source_that(f"print(self.post_buffer({call}))")) == [str(consumed), "done"]
        assert delivered() == lines

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            ("'text'", "TypeError"),
            ("1", "TypeError"),
            ("None", "TypeError"),
            ("b'x', ''", "TypeError"),
            ("b'x', b''", "ValueError"),
            ("b'x', length=-1", "(ValueError|OverflowError)"),
            ("b'x', length=2", "ValueError"),
            ("b'x', b'\\n', 1", "TypeError"),
        ],
    )
    def test_post_buffer_with_a_wrong_argument(self, engine: StartEngine, call: str, error: str) -> None:
        """Without it: an argument that makes no sense reads beyond a buffer, or posts nothing in silence."""
        running = engine(
            source_that(
                f"try:\n    self.post_buffer({call})\nexcept Exception as e:\n    print(type(e).__name__)"
            )
        )
        running.wait_print(rf"(?m)^{error}$")
        assert running.stop().posted == 0

    def test_post_buffer_parsed(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: `parse=True` ignores the source's options, or parses the buffer as one message."""
        conf = source_that(
            """
self.post_buffer(b"<13>1 2026-03-01T12:00:00Z h one - - - a\\n<14>1 2026-03-01T12:00:00Z h two - - - b", parse=True)
""",
            driver="keep-hostname(yes)",
        ).replace("$MSG", "$PRI $HOST $PROGRAM $MSG")
        run_source(conf)
        assert delivered() == [b"13 h one a", b"14 h two b"]

    def test_post_buffer_lets_go_of_its_buffer(self, run_source: RunSource) -> None:
        """Without it: every buffer that was posted is kept for ever."""
        out = run_source(
            source_that(
                """
import sys
datas = [b"%d" % n * 100000 + b"\\n" for n in range(50)]
count = sys.getrefcount(datas[0])
for data in datas: self.post_buffer(data)
del data
for _ in range(1000):
    if all(sys.getrefcount(datas[n]) == count for n in range(50)): break
    time.sleep(0.02)
print(sum(sys.getrefcount(datas[n]) != count for n in range(50)))
"""
            )
        )
        assert out == ["0", "done"]

    def test_acquired_buffer_from_a_socket(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: the way without a copy from the kernel to the destination does not work."""
        out = run_source(
            source_that(
                """
import socket
a, b = socket.socketpair()
a.sendall(b"one\\ntwo\\nthr")
buffer = self.acquire_buffer(4096)
print(len(buffer), memoryview(buffer).readonly)
n = b.recv_into(buffer)
print(n, self.post_buffer(buffer, length=n, partial=True), buffer.tail)
rest = buffer.tail
for use in (lambda: memoryview(buffer), lambda: self.post_buffer(buffer), lambda: b.recv_into(buffer)):
    try:
        use()
    except (ValueError, BufferError, TypeError):  # recv_into makes a TypeError of whatever it is
        print("sealed")
a.sendall(b"ee\\n")
buffer = self.acquire_buffer(4096)
view = memoryview(buffer)
view[:len(rest)] = rest
n = b.recv_into(view[len(rest):])
view.release()
self.post_buffer(buffer, length=len(rest) + n)
"""
            )
        )
        assert out == ["4096 False", "11 8 b'thr'", "sealed", "sealed", "sealed", "done"]
        assert delivered() == [b"one", b"two", b"three"]

    def test_a_view_that_is_still_open_cannot_change_what_was_posted(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: a view kept from before the post writes into messages on their way."""
        run_source(
            source_that(
                """
buffer = self.acquire_buffer(8)
view = memoryview(buffer)
view[:8] = b"before\\n\\n"
try:
    self.post_buffer(buffer, length=7)
except (BufferError, ValueError):
    view.release()
    self.post_buffer(buffer, length=7)
try:
    view[:6] = b"after!"
except ValueError:
    pass
"""
            )
        )
        assert delivered() == [b"before"]

    def test_buffers_that_are_dropped_come_back(self, run_source: RunSource) -> None:
        """Without it: each buffer that a source acquires and does not post costs its memory for ever."""
        out = run_source(
            source_that(
                """
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
for _ in range(100): memoryview(self.acquire_buffer(1 << 20))[::4096] = bytes(256)
before = resident()
for _ in range(2000): memoryview(self.acquire_buffer(1 << 20))[::4096] = bytes(256)
print(resident() - before < (64 << 20))
for wrong in (0, -1, "x", None):
    try:
        print(len(self.acquire_buffer(wrong)))
    except (ValueError, TypeError, OverflowError) as error:
        print(type(error).__name__)
"""
            )
        )
        assert out[0] == "True"
        assert len(out) == 6
