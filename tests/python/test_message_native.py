"""LogMessage from inside: where its bytes are, what its errors say, what runs while it is open, and parsing."""

from __future__ import annotations

import codecs
import copy
import ctypes
import gc
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrush import LogMessage, ParseOptions

UTC = timezone.utc


class Level(IntEnum):
    """An int by inheritance only."""

    HIGH = 3


class Flag(int):
    """An int by inheritance only."""


class Zone(tzinfo):
    """What a zone must have beside its offset."""

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None


class Named(LogMessage):
    """A subclass with arguments of its own, a dict and a slot."""

    __slots__ = ("__dict__", "extra")
    extra: object

    def __init__(self, host: str = "h", text: str = "t", extra: object = None, **more: object) -> None:
        init: Any = super().__init__
        init(text, bookmark=more.get("bookmark"))
        self["HOST"] = host
        self.extra = extra
        self.more = more


def address(view: Any) -> int:
    """Where the first byte of a read-only buffer is."""
    size = len(memoryview(view))
    pointer = ctypes.c_void_p()
    # PyObject_GetBuffer needs a Py_buffer; its first member is the address.
    raw = (ctypes.c_char * 256)()
    assert size
    assert ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(raw), 0) == 0
    ctypes.memmove(ctypes.byref(pointer), raw, ctypes.sizeof(pointer))
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(raw))
    assert pointer.value is not None
    return pointer.value


def parse(raw: str | bytes, *flags: str, **more: Any) -> LogMessage:
    """Parses with these flags, in UTC."""
    return LogMessage.parse(raw, make_options(flags=list(flags), time_zone="UTC", **more))


def make_options(**options: Any) -> ParseOptions:
    """The options of a source, made without one."""
    return ParseOptions.make(**options)


class TestZeroCopy:
    """Whose memory a message is."""

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


ERRORS: list[tuple[Any, type[Exception], str]] = [
    ((1,), ValueError, "'k': expected exactly str, bytes, int, .* got tuple"),
    ({}, ValueError, "'k': .* got dict"),
    (Level.HIGH, ValueError, "'k': .* got Level"),
    (Flag(1), ValueError, "'k': .* got Flag"),
    (type("S", (str,), {})("x"), ValueError, "'k': .* got S"),
    (type("B", (bytes,), {})(b"x"), ValueError, "'k': .* got B"),
    (type("F", (float,), {})(1), ValueError, "'k': .* got F"),
    (type("L", (list,), {})(), ValueError, "'k': .* got L"),
    (datetime(2026, 1, 1).date(), ValueError, "'k': .* got date"),
    (memoryview(b"x"), ValueError, "'k': .* got memoryview"),
    (["a", None], ValueError, "'k': element 1 of the list: expected str or bytes, got NoneType"),
    ([["a"]], ValueError, "'k': element 0 of the list: .* got list"),
    (2**63, OverflowError, r"'k': the int is too large, expected -2\*\*63 to 2\*\*63 - 1"),
    (-(10**10_000), OverflowError, "'k': the int is too large"),
    ("\ud800", UnicodeEncodeError, "surrogates"),
    (["\ud800"], UnicodeEncodeError, "surrogates"),
]


class TestWriting:
    """What is stored, and what is refused in which words."""

    @pytest.mark.parametrize(("value", "error", "text"), ERRORS, ids=range(len(ERRORS)))
    def test_errors_name_key_type_and_expectation(
        self, value: Any, error: type[Exception], text: str
    ) -> None:
        """Without it: nobody knows which of twenty assignments was wrong, or a refused value is half stored."""
        message = LogMessage("x")
        message["k"] = "before"
        with pytest.raises(error, match=text):
            message["k"] = value
        assert message["k"] == b"before"
        with pytest.raises(error):
            message["MESSAGE"] = value
        assert message["MESSAGE"] == b"x"

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.1, "0.1"),
            (2.0, "2.0"),
            (1e-7, "1e-7"),
            (1e300, "1e300"),
            (float("inf"), "inf"),
            (float("-inf"), "-inf"),
            (float("nan"), "nan"),
            (["a b", "c"], '"a b",c'),
            (['say "x"', b"", b"\0"], '"say \\"x\\"","","\0"'),
            (datetime(2026, 3, 4, 5, 6, 7, 123999, UTC), "1772600767.123"),
            (datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), "-0.001"),
            (datetime(2026, 3, 4, 5, 6, 7, 0, timezone(timedelta(hours=-8))), "1772629567.000"),
            (datetime(2026, 3, 4, 5, 6, 7, 0, timezone(timedelta(hours=-3, minutes=-30))), "1772613367.000"),
        ],
        ids=repr,
    )
    def test_text(self, value: Any, text: str) -> None:
        """Without it: templates and destinations show another form than the documented one."""
        message = LogMessage()
        message["k"] = value
        assert message.get_as_str("k") == text

    def test_nan_comes_back(self) -> None:
        """Without it: what is no number comes back as text."""
        message = LogMessage()
        message["k"] = float("nan")
        assert message["k"] != message["k"]
        assert isinstance(message["k"], float)

    def test_datetime_of_a_subclass(self) -> None:
        """Without it: the datetimes of pandas, pendulum and freezegun are refused."""

        class Mine(datetime):
            pass

        message = LogMessage()
        message["k"] = Mine(2026, 1, 1)
        assert message["k"] == datetime(2026, 1, 1)

    def test_same_name_is_replaced_in_its_place(self) -> None:
        """Without it: a name stands in a message twice, and readers see the old or the new one."""
        message = LogMessage()
        for name in ("a", "b", "a", b"b", "HOST", "FULLHOST", ".SDATA.i.p", ".SDATA.i.p"):
            message[name] = name if isinstance(name, str) else name.decode()
        assert message.items() == [
            (b"a", b"a"),
            (b"b", b"b"),
            (b"HOST", b"FULLHOST"),
            (b".SDATA.i.p", b".SDATA.i.p"),
        ]

    @pytest.mark.parametrize("value", [5, True, None, 1.5, [b"x"], "s", b"\0"])
    def test_message_of_any_type(self, value: Any) -> None:
        """Without it: MESSAGE takes fewer types than other names."""
        message = LogMessage("x")
        message["MSG"] = value
        assert message["MESSAGE"] == (value.encode() if isinstance(value, str) else value)
        assert list(message.keys()).count(b"MESSAGE") == 1
        del message["MSGONLY"]
        assert message.get("MESSAGE") is None
        assert list(message.keys()).count(b"MESSAGE") == 0
        assert len(message) == 0

    def test_a_message_has_a_largest_size(self) -> None:
        """Without it: the counts of a batch wrap."""
        large = b"x" * (1 << 28)
        message = LogMessage(large)
        with pytest.raises(ValueError, match="'k': the message would be longer than 268435456 bytes"):
            message["k"] = "v"
        for wrong in (large + b"x", memoryview(large + b"x"), memoryview(large + b"xx")[::1]):
            with pytest.raises(ValueError, match=r"message: .* expected at most 268435456"):
                LogMessage(wrong)

    def test_empty_name(self) -> None:
        """Without it: a value without a name is stored."""
        with pytest.raises(ValueError, match="empty"):
            LogMessage()[""] = 1
        with pytest.raises(KeyError):
            LogMessage()[""]


class TestNames:
    """Structured data, headers, macros."""

    def test_structured_data(self) -> None:
        """Without it: parameters end up in the wrong element, or escapes are missing."""
        message = LogMessage("x")
        message[".SDATA.a@1.x"] = "1"
        message["between"] = "t"
        message[".SDATA.dotted.id.y"] = 'q"\\]'
        message[".SDATA.a@1.z"] = 2
        assert message["SDATA"] == b'[a@1 x="1" z="2"][dotted.id y="q\\"\\\\\\]"]'
        assert message[".SDATA.a@1.z"] == 2
        assert message[".SDATA.dotted.id.y"] == b'q"\\]'
        del message[".SDATA.a@1.x"]
        assert message["SDATA"] == b'[a@1 z="2"][dotted.id y="q\\"\\\\\\]"]'
        del message[".SDATA.a@1.z"]
        assert message["SDATA"] == b'[dotted.id y="q\\"\\\\\\]"]'
        with pytest.raises(KeyError):
            del message[".SDATA.a@1.z"]

    @given(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 9) | st.none()),
            max_size=30,
        )
    )
    def test_structured_data_is_a_dict(self, steps: list[tuple[str, str, int | None]]) -> None:
        """Set and unset in any order, it is a dictionary, and each element stands once."""
        message, model = LogMessage(), dict[str, int]()
        for element, param, value in steps:
            name = f".SDATA.{element}.{param}"
            if value is not None:
                message[name] = model[name] = value
            elif name in model:
                del message[name], model[name]
        assert {name.decode(): value for name, value in message.items()} == model
        sdata = message.get_as_str("SDATA")
        assert sdata is not None
        for element in "abc":
            assert sdata.count(f"[{element} ") == any(name.startswith(f".SDATA.{element}") for name in model)

    @pytest.mark.parametrize("name", ["HOST", "PROGRAM", "PID"])
    def test_received_header_ends_with_what_it_says(self, name: str) -> None:
        """Without it: MSGHDR contradicts PROGRAM."""
        message = parse("<34>Oct 11 22:14:15 host su[42]: text")
        assert message["MSGHDR"] == message["LEGACY_MSGHDR"] == b"su[42]: "
        message[name] = "new"
        assert "LEGACY_MSGHDR" not in message
        assert message["MSGHDR"] == {"HOST": b"su[42]: ", "PROGRAM": b"new[42]: ", "PID": b"su[new]: "}[name]

    MACROS: tuple[tuple[str, object], ...] = (
        ("PRI", 165),
        ("FACILITY", b"local4"),
        ("FACILITY_NUM", 20),
        ("SEVERITY", b"notice"),
        ("LEVEL", b"notice"),
        ("PRIORITY", b"notice"),
        ("LEVEL_NUM", 5),
        ("TAG", b"a5"),
        ("TAGS", []),
        ("DATE", b"Mar  4 05:06:07"),
        ("FULLDATE", b"2026 Mar  4 05:06:07"),
        ("ISODATE", b"2026-03-04T05:06:07-08:00"),
        ("S_ISODATE", b"2026-03-04T05:06:07-08:00"),
        ("STAMP", b"Mar  4 05:06:07"),
        ("YEAR", 2026),
        ("MONTH", 3),
        ("DAY", 4),
        ("HOUR", 5),
        ("HOUR12", 5),
        ("AMPM", b"AM"),
        ("MIN", 6),
        ("SEC", 7),
        ("MSEC", 12),
        ("USEC", 12345),
        ("TZ", b"-08:00"),
        ("WEEK_DAY_NAME", b"Wednesday"),
        ("MONTH_NAME", b"March"),
        ("MONTH_ABBREV", b"Mar"),
        ("YEAR_DAY", 63),
        ("ISOWEEK", 10),
        ("RAWMSG_SIZE", 77),
        ("SOURCEIP", b"2001:db8::1"),
        ("SOURCEPORT", 514),
        ("SDATA", b""),
    )

    @pytest.mark.parametrize(("name", "value"), MACROS)
    def test_macro(self, name: str, value: object) -> None:
        """Without it: what Python reads is not what a template writes; or a write to a macro shows."""
        message = LogMessage("x")
        message.set_pri(165)
        message.set_timestamp(datetime(2026, 3, 4, 5, 6, 7, 12345, timezone(timedelta(hours=-8))))
        message.set_recvd_rawmsg_size(77)
        assert message.set_source_ipaddress("2001:DB8:0::1", 514)
        for _ in range(2):
            assert message[name] == value
            assert message.get(name) == value
            assert name in message
            message[name] = "something else"
        assert list(message.keys()).count(name.encode()) == 1
        assert len(message) == 1
        with pytest.raises(KeyError):
            del message[name]

    def test_every_macro_has_a_value(self) -> None:
        """Without it: a name of keys() is missing, or msg[key] raises."""
        message = LogMessage()
        keys = message.keys()
        assert len(keys) == len(set(keys)) > 150
        for key in keys:
            message[key]
            assert message.get_as_str(key) is not None

    def test_times_of_now_and_receipt(self) -> None:
        """Without it: R_ and C_ show the time that the message says."""
        message = LogMessage()
        message.set_timestamp(datetime(1999, 1, 1))
        for name in ("R_YEAR", "C_YEAR", "P_YEAR"):
            year = message[name]
            assert isinstance(year, int)
            assert year >= 2026
        assert message["S_YEAR"] == 1999

    def test_iteration_stays_unsupported(self) -> None:
        """Without it: `for k in msg` asks for msg[0], or walks something nobody defined."""
        for message in (LogMessage("x"), Named()):
            with pytest.raises(TypeError, match="not iterable"):
                iter(message)  # type: ignore[call-overload]


class TestTime:
    """Moments and offsets."""

    def test_offset_from_code(self) -> None:
        """Without it: a tzinfo of the user's own is not asked, or its days are dropped."""

        class Odd(Zone):
            def __init__(self, offset: timedelta | None) -> None:
                self.offset = offset

            def utcoffset(self, moment: datetime | None) -> timedelta | None:
                return self.offset

        message = LogMessage()
        message.set_timestamp(datetime(2026, 1, 1, tzinfo=Odd(timedelta(hours=-23, minutes=-59))))
        assert message.get_as_str("ISODATE") == "2026-01-01T00:00:00-23:59"
        message.set_timestamp(datetime(2026, 1, 1, tzinfo=Odd(None)))
        assert message.get_timestamp() == datetime(2026, 1, 1)

    def test_error_of_a_tzinfo_is_the_callers(self) -> None:
        """Without it: a broken tzinfo gives a wrong time in silence; or the message is left open."""

        class Broken(Zone):
            def utcoffset(self, moment: datetime | None) -> timedelta:
                raise LookupError("no zone")

        message = LogMessage()
        before = message.get_timestamp()
        moment = datetime(2026, 1, 1, tzinfo=Broken())
        with pytest.raises(LookupError):
            message.set_timestamp(moment)
        with pytest.raises(LookupError):
            message["k"] = moment
        assert message.get_timestamp() == before
        assert "k" not in message

    @pytest.mark.parametrize("moment", [datetime.min, datetime.max])
    def test_ends_of_the_calendar(self, moment: datetime) -> None:
        """Without it: the first and the last day are errors."""
        message = LogMessage()
        message.set_timestamp(moment.replace(tzinfo=UTC))
        assert message.get_timestamp() == moment

    def test_in_a_zone_with_summer_time(self) -> None:
        """Naive times in winter, in summer, and in the hour that comes twice."""
        code = """
from datetime import datetime
from inrush import LogMessage
def unix(*parts, fold=0):
    moment = datetime(*parts, fold=fold)
    message = LogMessage()
    message.set_timestamp(moment)
    message["k"] = moment
    assert message.get_timestamp() == moment == message["k"], moment
    assert message.get_as_str("UNIXTIME") == str(int(moment.timestamp())), moment
    assert message.get_as_str("k") == f"{int(moment.timestamp())}.000", moment
    return message
unix(2026, 1, 1, 12); unix(2026, 7, 1, 12); unix(1975, 7, 1); unix(2150, 1, 1)
unix(2026, 10, 25, 2, 30); unix(2026, 10, 25, 2, 30, fold=1)
assert unix(2026, 7, 1, 12).get_timestamp().fold == 1
assert unix(2026, 1, 1, 12).get_timestamp().fold == 0
"""
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env={"TZ": "Europe/Berlin", "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 0, run.stderr


class TestReentrancy:
    """Python code that runs in the middle of a method may use the message."""

    def test_dropped_objects_may_look_at_the_message(self) -> None:
        """Without it: a destructor finds the message locked, or half changed."""
        message = LogMessage("x")
        seen: list[object] = []

        class Last(str):
            def __del__(self) -> None:
                seen.append(message.get("MESSAGE"))

        class Mark:
            def __del__(self) -> None:
                message["k"] = len(seen)
                seen.append(message["k"])

        again: Any = message.__init__  # type: ignore[misc]
        again(Last("gone"), Mark())
        message.set_bookmark(None)
        message["MESSAGE"] = "new"
        assert seen == [0, b"new"]

    def test_codec_may_use_the_message(self) -> None:
        """Without it: get_as_str() with a codec in Python dead-locks or panics."""
        message = LogMessage("x")

        def decode(data: Any, errors: str = "strict") -> tuple[str, int]:
            message["during"] = "decoded"
            return bytes(data).decode("utf-8", errors) + "!", len(data)

        def find(name: str) -> codecs.CodecInfo | None:
            return codecs.CodecInfo(codecs.utf_8_encode, decode) if name == "inrush_odd" else None

        codecs.register(find)
        try:
            assert message.get_as_str("MESSAGE", encoding="inrush-odd") == "x!"
        finally:
            codecs.unregister(find)
        assert message["during"] == b"decoded"

    def test_tzinfo_may_use_the_message(self) -> None:
        """Without it: a tzinfo in Python finds the message locked."""
        message = LogMessage("x")

        class Curious(Zone):
            def utcoffset(self, moment: datetime | None) -> timedelta:
                message["asked"] = True
                return timedelta(0)

        message.set_timestamp(datetime(2026, 1, 1, tzinfo=Curious()))
        assert message["asked"] is True
        message["k"] = datetime(2026, 1, 1, tzinfo=Curious())

    def test_numbers_may_use_the_message(self) -> None:
        """Without it: an __index__ in Python finds the message locked."""
        message = LogMessage("x")

        class Number:
            def __index__(self) -> int:
                return message.get_pri() + 1

        number: Any = Number()
        message.set_pri(number)
        assert message.get_pri() == 14

    def test_comparing_with_itself(self) -> None:
        """Without it: a message is open twice."""
        message = LogMessage("x")
        message["k"] = float("nan")
        itself = message
        assert message == itself
        assert (message != itself) is False


class TestWhole:
    """Equality, hash, repr, copies and pickles."""

    def test_hash_is_the_objects(self) -> None:
        """Without it: messages kept in a set are refused, or found under another one's key."""
        one, two = LogMessage("x"), LogMessage("x")
        two.set_timestamp(one.get_timestamp())
        assert len({one, two}) == 2
        assert {one: 1}[one] == 1

    @pytest.mark.parametrize("change", ["pri", "time", "text", "type", "more", "element"])
    def test_each_part_counts_for_equality(self, change: str) -> None:
        """Without it: two messages that differ are equal to a test."""
        one, two = (
            parse('<13>1 2026-01-01T00:00:00Z - - - - [a b="1"] x', "no-piggyback-errors") for _ in range(2)
        )
        assert one == two
        if change == "pri":
            two.set_pri(14)
        elif change == "time":
            two.set_timestamp(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
        elif change == "text":
            two["MESSAGE"] = "y"
        elif change == "type":
            two[".SDATA.a.b"] = 1
        elif change == "more":
            two["k"] = ""
        else:
            del two[".SDATA.a.b"]
            two[".SDATA.c.b"] = "1"
        assert one != two
        assert (one == two) is False

    def test_order_of_setting_does_not_count(self) -> None:
        """Without it: equal values are unequal messages."""
        one = LogMessage("x")
        two = copy.copy(one)
        one["a"], one["b"] = 1, 2
        two["b"], two["a"] = 2, 1
        assert one == two
        assert one.__eq__(5) is NotImplemented

    def test_repr(self) -> None:
        """Without it: a list of messages in a traceback says nothing, or is a page long."""
        message = Named("h", "it's\n" + "x" * 1000)
        text = repr(message)
        assert text.startswith("<Named 'it\\'s\\nxxx")
        assert "pri=13 time=20" in text
        assert text.endswith("HOST='h'>")
        assert len(text) < 400
        assert repr(LogMessage()).startswith("<LogMessage without text pri=13")

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle_of_a_subclass(self, protocol: int) -> None:
        """Without it: what a subclass adds, in a dict or a slot, is lost on the way, or __init__ runs again."""
        message = Named("there", "text", extra=[1], bookmark=("offset", 5))
        message[".SDATA.a.b"] = 1
        message.set_source_ipaddress("127.0.0.1", 5)
        message.set_recvd_rawmsg_size(9)
        again = pickle.loads(pickle.dumps(message, protocol))
        assert type(again) is Named
        assert again == message
        assert (again.extra, again.more) == ([1], {"bookmark": ("offset", 5)})
        assert again.items() == message.items()
        assert [again[name] for name in ("SOURCEIP", "SOURCEPORT", "RAWMSG_SIZE", "R_ISODATE")] == [
            b"127.0.0.1",
            5,
            9,
            message["R_ISODATE"],
        ]

    def test_pickle_of_a_parsed_message(self) -> None:
        """Without it: empty elements, names with points and parts of the raw input are lost."""
        raw = '<34>1 2026-01-01T00:00:00.5Z h p 1 id [empty][a b.c="1" b.c="2"] text'
        message = parse(raw, "store-raw-message")
        for again in (pickle.loads(pickle.dumps(message)), copy.copy(message), copy.deepcopy(message)):
            assert again == message
            assert again["SDATA"] == b'[empty][a b.c="1" b.c="2"]'
            assert again["RAWMSG"] == raw.encode()

    def test_a_subclass_may_have_its_own_state(self) -> None:
        """Without it: overriding __getstate__ has no effect."""
        message = Own("x")
        message.cache = object()
        again = pickle.loads(pickle.dumps(message))
        assert again["MESSAGE"] == b"x"
        assert again.cache is None

    @pytest.mark.parametrize(
        "state",
        [
            None,
            5,
            (1,),
            ((), None),
            ((2,), None),
            ((1, None, [], 0, 0, 0, 0, 0), None),
            ((1, None, [(2, b"p", 0, b"v")], 0, 0, 0, 0, 0, None), None),
            ((1, None, [(0, b"p", 99, b"v")], 0, 0, 0, 0, 0, None), None),
            ((1, (0, "str"), [], 0, 0, 0, 0, 0, None), None),
        ],
    )
    def test_state_of_something_else(self, state: Any) -> None:
        """Without it: a damaged pickle makes a damaged message."""
        message = LogMessage("x")
        restore: Any = message.__getattribute__("__setstate__")
        with pytest.raises(ValueError, match="not the pickle of a LogMessage"):
            restore(state)
        assert message["MESSAGE"] == b"x"


class Own(LogMessage):
    """A subclass that leaves something out of its pickles."""

    cache: object = None

    def __getstate__(self) -> Any:
        base: Any = super()
        state, _ = base.__getstate__()
        return state, None


class TestOtherMethods:
    """Numbers, addresses, defaults."""

    @pytest.mark.parametrize(
        ("call", "value", "error", "text"),
        [
            ("set_pri", "1", TypeError, "pri: expected an int, got str"),
            ("set_pri", 1.0, TypeError, "pri: expected an int, got float"),
            ("set_pri", -1, OverflowError, "pri: -1, expected 0 to 65535"),
            ("set_pri", 65536, OverflowError, "pri: 65536, expected 0 to 65535"),
            ("set_pri", 2**70, OverflowError, "int"),
            ("set_recvd_rawmsg_size", None, TypeError, "rawmsg_size: expected an int, got NoneType"),
            ("set_recvd_rawmsg_size", 2**32, OverflowError, "expected 0 to 4294967295"),
            ("set_source_ipaddress", 5, TypeError, "ip: expected str, bytes or None, got int"),
            ("set_timestamp", "now", ValueError, "timestamp: expected a datetime, got str"),
            ("set_timestamp", datetime(2026, 1, 1).date(), ValueError, "got date"),
            ("get", 5, TypeError, "key is not a string object: expected exactly str or bytes, got int"),
        ],
    )
    def test_errors(self, call: str, value: Any, error: type[Exception], text: str) -> None:
        """Without it: a wrong argument is taken for something, or its error says nothing."""
        with pytest.raises(error, match=text):
            getattr(LogMessage("x"), call)(value)

    def test_ports(self) -> None:
        """Without it: the port of an earlier call stays."""
        message = LogMessage()
        assert message.set_source_ipaddress("10.0.0.1", 5)
        assert message.set_source_ipaddress("10.0.0.2")
        assert (message["SOURCEIP"], message["SOURCEPORT"]) == (b"10.0.0.2", 0)
        with pytest.raises(OverflowError, match="port: 65536"):
            message.set_source_ipaddress("10.0.0.1", 65536)
        assert not message.set_source_ipaddress(b"\xff")
        assert not message.set_source_ipaddress("10.0.0.1 ")
        assert message["SOURCEIP"] == b"10.0.0.2"

    def test_default_of_get_as_str(self) -> None:
        """Without it: the error does not say what is wrong with the default."""
        message: Any = LogMessage("x")
        with pytest.raises(TypeError, match="default: expected str or None, got int"):
            message.get_as_str("k", 5)
        with pytest.raises(LookupError):
            message.get_as_str("MESSAGE", encoding="no-such-codec")
        with pytest.raises(UnicodeDecodeError):
            LogMessage(b"\xff").get_as_str("MESSAGE")


class TestParse:
    """LogMessage.parse and its options."""

    def test_rfc5424(self) -> None:
        """Without it: a field of RFC 5424 is lost or in the wrong place."""
        message = parse(
            '<165>1 2003-10-11T22:14:15.003-07:00 host app 42 ID47 [a@1 b="\\"c\\"" d="e"][f] \ufefftext\0end'
        )
        assert message.items() == [
            (b"MESSAGE", b"text\0end"),
            (b"HOST", b"host"),
            (b"PROGRAM", b"app"),
            (b"PID", b"42"),
            (b"MSGID", b"ID47"),
            (b".SDATA.a@1.b", b'"c"'),
            (b".SDATA.a@1.d", b"e"),
            (b"MSGFORMAT", b"rfc5424"),
        ]
        assert message.get_pri() == 165
        assert message["ISODATE"] == b"2003-10-11T22:14:15-07:00"
        assert message.get_timestamp() == datetime(2003, 10, 11, 22, 14, 15, 3000)
        assert message["SDATA"] == b'[a@1 b="\\"c\\"" d="e"][f]'

    def test_rfc3164(self) -> None:
        """Without it: the header of BSD syslog stays in the text."""
        message = parse(b"<34>Oct 11 22:14:15 host su[42]: text\n")
        assert (message["MESSAGE"], message["PROGRAM"], message["PID"]) == (b"text", b"su", b"42")
        assert (message["LEGACY_MSGHDR"], message["MSGFORMAT"]) == (b"su[42]: ", b"rfc3164")

    def test_changing_a_parsed_message(self) -> None:
        """Without it: values that are parts of the input change or dangle when the text is replaced."""
        message = parse(b"<34>1 - host app 42 - - text")
        message["MESSAGE"] = "other"
        message["k"] = 1
        assert message["HOST"] == b"host"
        del message["MESSAGE"]
        gc.collect()
        assert (message["PROGRAM"], message["PID"], message["k"]) == (b"app", b"42", 1)

    def test_flags(self) -> None:
        """Without it: a flag has no effect on parse()."""
        assert parse("<34>x: y", "no-parse")["MESSAGE"] == b"<34>x: y"
        assert parse("<34>x: y", format="raw")["MESSAGE"] == b"<34>x: y"
        assert parse("<34>x: a\nb", "no-multi-line")["MESSAGE"] == b"a b"
        assert parse(b"<34>x: \xff", "sanitize-utf8")["MESSAGE"] == b"\\xff"
        assert parse(b"<34>x: \xff")["MESSAGE"] == b"\xff"
        assert parse("<34>x: y", "store-raw-message")["RAWMSG"] == b"<34>x: y"
        assert "LEGACY_MSGHDR" not in parse("<34>x: y", "dont-store-legacy-msghdr")

    def test_defaults(self) -> None:
        """Without it: default-facility() and the like have no effect on parse()."""
        options = {"default_facility": "local3", "default_priority": "err", "sdata_prefix": "sd."}
        assert parse("x: y", **options).get_pri() == 19 * 8 + 3
        assert parse('<34>1 - - - - - [a b="c"]', **options)["sd.a.b"] == b"c"
        zoned = LogMessage.parse("<34>Oct 11 22:14:15 h p: t", make_options(time_zone="+05:30"))
        assert zoned["TZ"] == b"+05:30"

    def test_what_does_not_parse_says_so(self) -> None:
        """Without it: a malformed message is lost, or an exception ends the source."""
        message = parse("<34>1 nonsense")
        text = message.get_as_str("MESSAGE")
        assert text is not None
        assert "bad timestamp" in text or "incomplete" in text
        assert text.endswith("<34>1 nonsense")
        assert (message.get_pri(), message["MSGFORMAT"]) == (43, b"syslog:error")
        assert parse("<34>1 nonsense", "no-piggyback-errors")["MESSAGE"] == b"<34>1 nonsense"

    @given(
        st.binary(max_size=200)
        | st.text(max_size=200).map(lambda text: f"<34>1 - - - - - [{text}] {text}".encode())
    )
    def test_anything_parses_to_a_message(self, raw: bytes) -> None:
        """Whatever comes, there is a message, and reading all of it is no error."""
        for flags in ((), ("sanitize-utf8", "no-multi-line", "store-raw-message")):
            message = parse(raw, *flags)
            assert dict(message.items()).keys() <= set(message.keys())
            assert pickle.loads(pickle.dumps(message)) == message

    def test_base_type_even_from_a_subclass(self) -> None:
        """Without it: parse() makes objects whose __init__ never ran."""
        assert type(Named.parse("x", make_options())) is LogMessage

    @pytest.mark.parametrize(
        ("raw", "text"),
        [(5, "raw_msg: expected str or bytes, got int"), (bytearray(b"x"), "bytearray"), (None, "NoneType")],
    )
    def test_raw_of_another_type(self, raw: Any, text: str) -> None:
        """Without it: a buffer that may still change is parsed."""
        with pytest.raises(TypeError, match=text):
            LogMessage.parse(raw, make_options())

    def test_options_of_another_type(self) -> None:
        """Without it: a dict of flags is taken for options that have no effect."""
        wrong: Any = {"parse": True}
        with pytest.raises(
            TypeError, match="parse_options: expected the parse_options of a source, got dict"
        ):
            LogMessage.parse("x", wrong)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"flags": ["no-such"]}, "flags: unknown flag `no-such`"),
            ({"format": "json"}, "format: expected 'syslog' or 'raw', got 'json'"),
            ({"time_zone": "Middle/Earth"}, "time_zone: .* got 'Middle/Earth'"),
            ({"default_facility": "nobody"}, "default_facility: .* got 'nobody'"),
            ({"default_priority": "high"}, "default_priority: .* got 'high'"),
        ],
    )
    def test_options_that_are_none(self, options: Any, text: str) -> None:
        """Without it: a misspelt option is ignored."""
        with pytest.raises(ValueError, match=text):
            make_options(**options)


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
        options = make_options()
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

        threads = [threading.Thread(target=run, args=(work(),)) for work in (write, read, write, read)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed


def resident() -> int:
    """The memory of this process that is in use, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
