"""LogMessage from inside: whose memory it is, how it is made, and what it leaves behind."""

from __future__ import annotations

import ctypes
import gc
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from harness import together
from inrush import LogMessage, ParseOptions
from messages import Named, address, parse, resident


class TestZeroCopy:
    """The memory of a message, and its owner."""

    @pytest.mark.parametrize("size", [1, 10_000])
    def test_bytes_and_views_of_them_are_kept(self, size: int) -> None:
        """Without it: a copy is made where the contract says that there is none."""
        owner = b"x" * size + b"the end"
        nested = memoryview(memoryview(owner)[1:])[1:]
        views: list[tuple[Any, int]] = [(owner, 0), (memoryview(owner), 0), (nested, 2)]
        for given_, offset in views:
            message = LogMessage(given_)
            assert address(message) == address(owner) + offset
            assert message["MESSAGE"] == bytes(given_)

    def test_whole_bytes_come_back_as_the_object(self) -> None:
        """Without it: reading a large text costs a copy each time."""
        owner = b"x" * 100_000
        message = LogMessage(owner)
        assert message["MESSAGE"] is owner
        assert message.get("MSG") is owner
        message["MESSAGE"] = "other"
        assert message["MESSAGE"] == b"other"

    def test_view_of_a_view_of_a_message_is_no_copy(self) -> None:
        """Without it: passing a text from message to message copies it."""
        first = LogMessage(b"x" * 5000)
        second = LogMessage(memoryview(first)[10:])
        assert address(second) == address(first) + 10

    @pytest.mark.parametrize("step", [2, -1])
    def test_view_with_gaps_is_copied_in_its_order(self, step: int) -> None:
        """Without it: the bytes between those of the view become part of the message."""
        owner = bytes(range(100))
        message = LogMessage(memoryview(owner)[::step])
        assert message["MESSAGE"] == owner[::step]

    def test_view_of_other_items_is_its_bytes(self) -> None:
        """Without it: the length is counted in items and the end is lost."""
        owner = bytes(range(64))
        assert LogMessage(memoryview(owner).cast("I"))["MESSAGE"] == owner

    def test_keeps_the_object_alive_and_lets_it_go(self) -> None:
        """Without it: use after free, or a leak."""
        owner = bytes(bytearray(b"y" * 4096))
        before = sys.getrefcount(owner)
        message = LogMessage(owner)
        assert sys.getrefcount(owner) == before + 1
        view = memoryview(message)
        message["MESSAGE"] = 5
        assert sys.getrefcount(owner) >= before + 1
        view.release()
        assert sys.getrefcount(owner) == before

    def test_released_view_says_so(self) -> None:
        """Without it: the error is about a wrong type, and nobody finds out."""
        view = memoryview(b"x")
        view.release()
        with pytest.raises(ValueError, match="released"):
            LogMessage(view)

    def test_writable_buffer_is_never_given(self) -> None:
        """Without it: somebody writes into a str."""
        with pytest.raises(TypeError):
            memoryview(LogMessage("abc"))[0] = 1
        with pytest.raises((TypeError, BufferError)):
            (ctypes.c_char * 3).from_buffer(LogMessage("abc"))

    @pytest.mark.parametrize("value", ["t\u20acxt" * 500, b"bytes", 5, None, [b"a", "b c"]])
    def test_view_lives_longer_than_everything(self, value: Any) -> None:
        """Without it: the view of a text that is not a kept object dangles."""
        message = LogMessage("first")
        message["MESSAGE"] = value
        text = message.get_as_str("MESSAGE")
        assert text is not None
        view = memoryview(message)[0:]
        del message["MESSAGE"], message, value
        gc.collect()
        [LogMessage(str(number) * 500) for number in range(1000)]
        assert view.tobytes() == text.encode()

    def test_view_of_part_of_a_parsed_message(self) -> None:
        """Without it: memoryview() shows the header, or costs a copy."""
        raw = b"<34>Oct 11 22:14:15 host su[1]: " + b"z" * 3000
        message = parse(raw)
        assert bytes(memoryview(message)) == b"z" * 3000
        assert address(message) == address(raw) + len(raw) - 3000


class TestConstructor:
    """Both ways of making one: the type itself, and subclasses."""

    @pytest.mark.parametrize("cls", [LogMessage, type("Sub", (LogMessage,), {})])
    def test_both_ways_behave_alike(self, cls: Any) -> None:
        """Without it: a subclass without a line of its own takes or refuses other arguments."""
        mark = object()
        for message in (cls("x", mark), cls("x", bookmark=mark), cls(message="x", bookmark=mark)):
            assert message["MESSAGE"] == b"x"
        assert "MESSAGE" not in cls()
        assert "MESSAGE" not in cls(None, None)
        for wrong in (bytearray(b"x"), 5, [b"x"]):
            with pytest.raises(TypeError, match=f"message: expected .* got {type(wrong).__name__}"):
                cls(wrong)
        wrong_calls: list[tuple[Any, Any]] = [
            ((1, 2, 3), {}),
            (("x",), {"nothing": 1}),
            (("x",), {"message": "y"}),
        ]
        for arguments, keywords in wrong_calls:
            with pytest.raises(TypeError):
                cls(*arguments, **keywords)
        with pytest.raises(UnicodeEncodeError):
            cls("\udc80")

    def test_subclass_with_other_arguments(self) -> None:
        """Without it: a class whose own __init__ takes three things cannot be made."""
        message = Named("there", "text", extra=7, key="word")
        assert (message["HOST"], message["MESSAGE"], message.extra) == (b"there", b"text", 7)
        assert message.more == {"key": "word"}

    def test_init_again_replaces(self) -> None:
        """Without it: super().__init__(None) leaves the text that __new__ took."""
        message = LogMessage("one")
        again: Any = message.__init__  # type: ignore[misc]
        again("two")
        assert message["MESSAGE"] == b"two"
        again()
        assert "MESSAGE" not in message


class TestMemory:
    """Nothing stays behind."""

    def test_a_million_reads_and_writes(self) -> None:
        """Without it: a leak of a few bytes a call ends a collector after days."""
        message = LogMessage(b"x" * 2000)
        moment = datetime(2026, 1, 1)
        values: list[Any] = ["t", b"b", 5, 1.5, True, None, ["a", "b"], moment]

        def use(count: int) -> None:
            for number in range(count):
                message["k"] = values[number % 8]
                message["k"]
                message.get("MESSAGE")
                message.get_as_str("k")

        use(50_000)
        before = resident()
        use(1_000_000)
        assert resident() - before < 8 * 1024 * 1024

    def test_whole_operations(self) -> None:
        """Without it: keys(), items(), pickles, views or errors leave something behind."""
        options = ParseOptions.make()
        refused: list[Any] = [object(), 2**64]

        def use(count: int) -> None:
            for number in range(count):
                message = LogMessage.parse(b'<34>1 - h p 1 - [a b="\\""] text', options)
                message["MESSAGE"] = str(number)
                message.keys()
                message.items()
                message.set_bookmark([number])
                assert pickle.loads(pickle.dumps(message)) == message
                memoryview(message)
                for wrong in refused:
                    with pytest.raises((ValueError, OverflowError)):
                        message["k"] = wrong

        use(2000)
        before = resident()
        use(20_000)
        assert resident() - before < 8 * 1024 * 1024

    def test_bookmark_is_let_go(self) -> None:
        """Without it: every bookmark ever set stays."""

        class Mark:
            pass

        mark = Mark()
        gone = weakref.ref(mark)
        message = LogMessage("x", mark)
        del mark
        assert gone() is not None
        message.set_bookmark(0)
        assert gone() is None

    def test_threads_that_read_while_others_write(self) -> None:
        """Without it: a reader meets a value that is half replaced."""
        message = LogMessage("start")
        failed: list[BaseException] = []

        def run(work: Iterator[None]) -> None:
            try:
                for _ in work:
                    pass
            except BaseException as error:
                failed.append(error)

        def write() -> Iterator[None]:
            for number in range(20_000):
                message["MESSAGE"] = message["k"] = bytes([65 + number % 26]) * 2000
                yield

        def read() -> Iterator[None]:
            for _ in range(20_000):
                for text in (message["MESSAGE"], bytes(memoryview(message)), message.get("k", b"x")):
                    assert isinstance(text, bytes)
                    assert text == b"start" or len(set(text)) == 1
                message.keys()
                yield

        together(threading.Thread(target=run, args=(work(),)) for work in (write, read, write, read))
        assert not failed
