"""LogMessage, in this process: what is written, and what comes back."""

from __future__ import annotations

import array
import gc
import pickle
import string
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import together
from inrush import LogMessage, ParseOptions
from messages import resident

INT64 = st.integers(-(2**63), 2**63 - 1)
# Names that are neither macros nor aliases: everything under a prefix of one's own.
NAMES = st.text(string.ascii_letters + string.digits + "_.-", min_size=1).map(lambda name: f".t.{name}x")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Small(IntEnum):
    """An int by inheritance only."""

    ONE = 1


class Text(str):
    """A str by inheritance only."""

    __slots__ = ()


class TestConstructor:
    """The arguments of LogMessage()."""

    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("text", b"text"),
            ("gr\u00fc\u00df \u20ac \U0001f600", "gr\u00fc\u00df \u20ac \U0001f600".encode()),
            (b"bytes", b"bytes"),
            (b"", b""),
            ("", b""),
            (b"a\0b\0", b"a\0b\0"),
            ("a\0b", b"a\0b"),
            (b"\xff\xfe not utf-8", b"\xff\xfe not utf-8"),
            (memoryview(b"view"), b"view"),
            (memoryview(b"0123456789")[2:5], b"234"),
            (b"x" * 1_000_000, b"x" * 1_000_000),
            ("\u20ac" * 1_000_000, "\u20ac".encode() * 1_000_000),
        ],
        ids=lambda value: f"{type(value).__name__}-{len(value)}",
    )
    def test_text_is_kept_byte_for_byte(self, given: Any, stored: bytes) -> None:
        """Without it: NULs could cut a message, or bytes that are no UTF-8 be replaced."""
        assert LogMessage(given)["MESSAGE"] == stored
        assert LogMessage(message=given)["MESSAGE"] == stored

    def test_none_means_no_text(self) -> None:
        """Without it: a message without text and one with an empty text are the same."""
        for message in (LogMessage(), LogMessage(None)):
            with pytest.raises(KeyError):
                message["MESSAGE"]
            assert message.get("MESSAGE") is None

    @pytest.mark.parametrize(
        "wrong", [bytearray(b"x"), 1, 1.5, ["x"], {}, object(), memoryview(bytearray(b"x"))]
    )
    def test_wrong_type_is_named(self, wrong: Any) -> None:
        """Without it: a buffer that may still change is taken, or the error does not say what was given."""
        with pytest.raises(TypeError, match=type(wrong).__name__):
            LogMessage(wrong)

    def test_read_only_view_of_what_still_changes_is_copied(self) -> None:
        """Without it: a message changes after it was made, because only the view was read-only."""
        owner = bytearray(b"before" * 100)
        message = LogMessage(memoryview(owner).toreadonly())
        owner[:] = b"after!" * 100
        assert message["MESSAGE"] == b"before" * 100

    def test_lone_surrogate(self) -> None:
        """Without it: text that has no UTF-8 form is stored as something else in silence."""
        with pytest.raises(UnicodeEncodeError):
            LogMessage("\ud800")

    def test_initial_state(self) -> None:
        """Without it: every message starts with another priority or time than documented."""
        message = LogMessage("x")
        assert message.get_pri() == 13
        assert abs(message.get_timestamp() - datetime.now()) < timedelta(minutes=5)
        assert isinstance(message["MESSAGE"], bytes)

    def test_bookmark(self) -> None:
        """Without it: a bookmark given by position, by keyword or later is refused, lost, or another object
        than was given."""

        class Bookmark:
            """Something that a weak reference may be to."""

        def later(bookmark: Bookmark) -> LogMessage:
            message = LogMessage("x")
            message.set_bookmark(bookmark)
            return message

        ways: list[Callable[[Bookmark], LogMessage]] = [
            lambda bookmark: LogMessage("x", bookmark),
            lambda bookmark: LogMessage("x", bookmark=bookmark),
            later,
        ]
        for way in ways:
            bookmark = Bookmark()
            kept = weakref.ref(bookmark)
            message = way(bookmark)
            del bookmark
            gc.collect()
            assert kept() is not None
            message.set_bookmark(None)
            gc.collect()
            assert kept() is None

    def test_subclass(self) -> None:
        """Without it: sources that derive a message class of their own break, or lose what they put on it."""

        class Mine(LogMessage):
            def __init__(self, message: str) -> None:
                self.extra = 7

        message = Mine("x")
        message["k"] = "v"
        assert (message.extra, message["MESSAGE"], message["k"]) == (7, b"x", b"v")
        assert isinstance(message, LogMessage)


WRITTEN: list[tuple[Any, Any]] = [
    ("text", b"text"),
    ("\u20ac", "\u20ac".encode()),
    (b"\xff\0\xfe", b"\xff\0\xfe"),
    ("a\0b", b"a\0b"),
    ("", b""),
    (0, 0),
    (-(2**63), -(2**63)),
    (2**63 - 1, 2**63 - 1),
    (True, True),
    (False, False),
    (1.5, 1.5),
    (-0.25, -0.25),
    (None, None),
    ([], []),
    (["a", b"b"], [b"a", b"b"]),
    (
        ["with, comma", 'and "quotes"', "and 'these'", " spaces ", ""],
        [b"with, comma", b'and "quotes"', b"and 'these'", b" spaces ", b""],
    ),
]


class TestValues:
    """The table of types, written and read back."""

    @pytest.mark.parametrize(("written", "read"), WRITTEN, ids=lambda value: repr(value)[:30])
    def test_type_and_value_come_back(self, written: Any, read: Any) -> None:
        """Without it: a number becomes text, True becomes 1, a list becomes one string."""
        message = LogMessage("x")
        message[".t.k"] = written
        got = message[".t.k"]
        assert got == read
        assert type(got) is type(read)
        assert message.get(".t.k") == read

    @pytest.mark.parametrize(
        ("written", "text"),
        [
            ("text", "text"),
            (5, "5"),
            (-7, "-7"),
            (True, "true"),
            (False, "false"),
            (None, ""),
            (["a", "b"], "a,b"),
        ],
    )
    def test_stored_text(self, written: Any, text: str) -> None:
        """Without it: templates print something else than the documented form."""
        message = LogMessage("x")
        message[".t.k"] = written
        assert message.get_as_str(".t.k") == text

    @given(name=NAMES, value=INT64)
    def test_any_int(self, name: str, value: int) -> None:
        """Every int of 64 bits comes back as it is."""
        message = LogMessage("x")
        message[name] = value
        assert message[name] == value

    @given(name=NAMES, value=st.floats(allow_nan=False))
    def test_any_float(self, name: str, value: float) -> None:
        """Every float comes back exactly: not cut to six decimals."""
        message = LogMessage("x")
        message[name] = value
        got = message[name]
        assert isinstance(got, float)
        assert got == value

    @given(name=NAMES, value=st.binary())
    def test_any_bytes(self, name: str, value: bytes) -> None:
        """All bytes come back as they are, NUL among them."""
        message = LogMessage("x")
        message[name] = value
        assert message[name] == value

    @given(name=NAMES, value=TEXT)
    def test_any_text(self, name: str, value: str) -> None:
        """All text comes back as UTF-8, and by get_as_str as itself."""
        message = LogMessage("x")
        message[name] = value
        assert message[name] == value.encode()
        assert message.get_as_str(name) == value

    @given(name=NAMES, value=st.lists(st.binary() | TEXT))
    def test_any_list(self, name: str, value: list[str | bytes]) -> None:
        """Every list comes back with the same elements: quoting takes none apart and joins none."""
        message = LogMessage("x")
        message[name] = value
        assert message[name] == [item.encode() if isinstance(item, str) else item for item in value]

    @given(value=st.binary() | TEXT)
    def test_any_message(self, value: str | bytes) -> None:
        """The text of a message is what was given, byte for byte."""
        assert LogMessage(value)["MESSAGE"] == (value.encode() if isinstance(value, str) else value)

    @given(st.dictionaries(NAMES, INT64 | TEXT | st.booleans() | st.none()))
    def test_many_values_side_by_side(self, values: dict[str, Any]) -> None:
        """Values do not overwrite each other, also when they are overwritten themselves."""
        message = LogMessage("x")
        for _ in range(2):
            for name, value in values.items():
                message[name] = "something quite different in length"
                message[name] = value
        for name, value in values.items():
            assert message[name] == (value.encode() if isinstance(value, str) else value)
        assert message["MESSAGE"] == b"x"

    @pytest.mark.parametrize(
        "written",
        [
            datetime(2026, 7, 1, 12, 30, 15, 678000),
            datetime(2026, 1, 1, 0, 0, 0, 1000),
            datetime(1999, 12, 31, 23, 59, 59),
        ],
    )
    def test_datetime(self, written: datetime) -> None:
        """Without it: a naive time is taken for UTC, or loses its milliseconds."""
        message = LogMessage("x")
        message[".t.k"] = written
        assert message[".t.k"] == written
        message[".t.k"] = written.astimezone(timezone(timedelta(hours=-5)))
        assert message[".t.k"] == written

    @pytest.mark.parametrize(
        "wrong",
        [
            (1, 2),
            {"a": 1},
            {1},
            Decimal(1),
            Small.ONE,
            Text("x"),
            object(),
            OrderedDict(),
            1j,
            bytearray(b"x"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_unsupported_type_names_key_and_type(self, wrong: Any) -> None:
        """Without it: a value is stored as its repr, or nobody knows which of twenty assignments was
        wrong."""
        message = LogMessage("x")
        with pytest.raises(ValueError, match=rf"(?s)(?=.*\.t\.key)(?=.*{type(wrong).__name__})"):
            message[".t.key"] = wrong
        assert message.get(".t.key") is None

    def test_list_with_a_wrong_element(self) -> None:
        """Without it: numbers in a list turn into text in silence."""
        wrong: Any = ["a", 1]
        with pytest.raises(ValueError, match=r"\.t\.key"):
            LogMessage("x")[".t.key"] = wrong

    @pytest.mark.parametrize("wrong", [2**63, -(2**63) - 1, 10**30])
    def test_int_beyond_64_bits(self, wrong: int) -> None:
        """Without it: a large number wraps round."""
        with pytest.raises(OverflowError, match=r"\.t\.key"):
            LogMessage("x")[".t.key"] = wrong

    def test_surrogates_in_a_value(self) -> None:
        """Without it: the ValueError that existing code catches does not come."""
        with pytest.raises(UnicodeEncodeError):
            LogMessage("x")[".t.key"] = "\udcff"


class TestKeys:
    """The names of values."""

    @pytest.mark.parametrize("key", [1, None, 1.5, ("a",), Text("MESSAGE"), bytearray(b"MESSAGE")], ids=repr)
    def test_key_must_be_exactly_str_or_bytes(self, key: Any) -> None:
        """Without it: msg[0] or msg[None] could mean something."""
        message = LogMessage("x")
        with pytest.raises(TypeError, match="key is not a string object"):
            message[key]
        with pytest.raises(TypeError, match="key is not a string object"):
            message[key] = "v"
        with pytest.raises(TypeError, match="key is not a string object"):
            message.get(key)

    def test_str_and_bytes_name_the_same(self) -> None:
        """Without it: a value written with one kind of key is missing under the other."""
        message = LogMessage("x")
        message["a.b"] = 1
        assert message[b"a.b"] == 1
        message[b"a.b"] = 2
        assert message["a.b"] == 2

    @pytest.mark.parametrize("alias", ["MSG", "MSGONLY"])
    def test_aliases(self, alias: str) -> None:
        """Without it: $MSG and msg["MESSAGE"] drift apart."""
        message = LogMessage("one")
        assert message[alias] == b"one"
        message[alias] = "two"
        assert message["MESSAGE"] == b"two"

    def test_fullhost(self) -> None:
        """Without it: HOST written under its other name is lost."""
        message = LogMessage("x")
        message["FULLHOST"] = "h"
        assert message["HOST"] == b"h"

    def test_missing(self) -> None:
        """Without it: a missing name reads as empty, and code that catches KeyError never runs."""
        message = LogMessage("x")
        with pytest.raises(KeyError, match=r"\.t\.missing"):
            message[".t.missing"]
        assert message.get(".t.missing") is None
        assert message.get(".t.missing", 5) == 5
        assert message.get(key=".t.missing", default="d") == "d"

    def test_keys_lists_values_then_macros(self) -> None:
        """Without it: code that copies all values misses some, or meets them in another order."""
        message = LogMessage("x")
        message[".t.b"] = 1
        message[".t.a"] = None
        keys = message.keys()
        assert all(type(key) is bytes for key in keys)
        own = [key for key in keys if key in (b"MESSAGE", b".t.a", b".t.b")]
        assert own == [b"MESSAGE", b".t.b", b".t.a"]
        assert keys.index(b".t.a") < keys.index(b"ISODATE")
        assert {b"DATE", b"ISODATE", b"PRI"} <= set(keys)

    def test_macros_can_be_read_and_writes_to_them_do_not_show(self) -> None:
        """Without it: a source that sets DATE changes what the message's own time says."""
        message = LogMessage("x")
        message.set_pri(165)
        message["PRI"] = "7"
        assert message["PRI"] in (165, b"165")

    def test_get_as_str(self) -> None:
        """Without it: sources that want text get bytes, or a decode error is swallowed."""
        message = LogMessage(b"gr\xfc\xdf")
        with pytest.raises(UnicodeDecodeError):
            message.get_as_str("MESSAGE")
        assert message.get_as_str("MESSAGE", encoding="latin-1") == "gr\u00fc\u00df"
        assert message.get_as_str("MESSAGE", None, "utf-8", "replace") == "gr\ufffd\ufffd"
        assert message.get_as_str("MESSAGE", errors="ignore", repr="anything") == "gr"
        assert message.get_as_str(".t.missing") is None
        assert message.get_as_str(".t.missing", "d") == "d"

    def test_get_as_str_checks_its_default_when_it_is_used(self) -> None:
        """Without it: a default of another type reaches code that expects text."""
        message: Any = LogMessage("x")
        assert message.get_as_str("MESSAGE", 5) == "x"
        with pytest.raises(TypeError):
            message.get_as_str(".t.missing", 5)


class TestTime:
    """set_timestamp and get_timestamp."""

    MOMENT = datetime(2026, 3, 4, 5, 6, 7, 123456)

    @pytest.mark.parametrize(
        "zone",
        [
            timezone.utc,
            timezone(timedelta(hours=5, minutes=30)),
            timezone(timedelta(hours=-8)),
            timezone(timedelta(hours=-3, minutes=-30)),
            timezone(timedelta(hours=14)),
            ZoneInfo("America/New_York"),
            ZoneInfo("Asia/Kathmandu"),
        ],
        ids=str,
    )
    def test_wall_clock_of_the_messages_own_zone(self, zone: tzinfo) -> None:
        """Without it: negative offsets come out a day wrong."""
        message = LogMessage("x")
        message.set_timestamp(self.MOMENT.replace(tzinfo=zone))
        got = message.get_timestamp()
        assert got == self.MOMENT
        assert got.tzinfo is None

    def test_naive_is_local_time(self) -> None:
        """Without it: a naive time moves by the offset of the machine."""
        message = LogMessage("x")
        message.set_timestamp(self.MOMENT)
        assert message.get_timestamp() == self.MOMENT

    @given(
        moment=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)),
        minutes=st.integers(-14 * 60, 14 * 60),
    )
    def test_any_time_exact_to_the_microsecond(self, moment: datetime, minutes: int) -> None:
        """The microseconds are those that were given, whatever the offset."""
        message = LogMessage("x")
        message.set_timestamp(moment.replace(tzinfo=timezone(timedelta(minutes=minutes))))
        assert message.get_timestamp() == moment

    def test_offset_counts_for_equality(self) -> None:
        """Without it: a wrong sign of the offset would not show in the wall clock."""
        minus, plus, utc = LogMessage("x"), LogMessage("x"), LogMessage("x")
        utc.set_timestamp(datetime(2026, 1, 1, 12, tzinfo=timezone.utc))
        minus.set_timestamp(datetime(2026, 1, 1, 4, tzinfo=timezone(timedelta(hours=-8))))
        plus.set_timestamp(datetime(2026, 1, 1, 20, tzinfo=timezone(timedelta(hours=8))))
        unix = {message.get_as_str("UNIXTIME") for message in (minus, plus, utc)}
        assert len(unix) == 1

    @pytest.mark.parametrize("wrong", [None, 0, 1.5, "2026-01-01", object()])
    def test_anything_but_a_datetime_is_a_value_error(self, wrong: Any) -> None:
        """Without it: the error that existing code catches is another one."""
        with pytest.raises(ValueError, match=type(wrong).__name__):
            LogMessage("x").set_timestamp(wrong)


class TestOtherMethods:
    """Priority, address, size, parse."""

    @pytest.mark.parametrize("pri", [0, 13, 191, 1000])
    def test_pri(self, pri: int) -> None:
        """Without it: a priority is clipped or lost."""
        message = LogMessage("x")
        message.set_pri(pri)
        assert message.get_pri() == pri

    @pytest.mark.parametrize(
        ("ip", "taken"),
        [
            ("127.0.0.1", True),
            (b"10.0.0.1", True),
            ("::1", True),
            ("2001:db8::1", True),
            ("nonsense", False),
            ("", False),
            (None, False),
        ],
    )
    def test_source_address(self, ip: Any, taken: bool) -> None:
        """Without it: an address that cannot be read is an exception, or stored."""
        message = LogMessage("x")
        assert message.set_source_ipaddress(ip) is taken
        assert message.set_source_ipaddress(ip, 514) is taken
        assert message.set_source_ipaddress(ip=ip, port=514) is taken

    def test_source_address_is_readable(self) -> None:
        """Without it: SOURCEIP says something else than what was set."""
        message = LogMessage("x")
        message.set_source_ipaddress("192.0.2.7", 4711)
        assert message.get_as_str("SOURCEIP") == "192.0.2.7"

    @pytest.mark.parametrize("call", ["set_pri", "set_recvd_rawmsg_size"])
    @pytest.mark.parametrize("wrong", ["1", None, 1.5, -1])
    def test_numbers_only(self, call: str, wrong: Any) -> None:
        """Without it: a wrong type is taken for zero."""
        with pytest.raises((TypeError, OverflowError, ValueError)):
            getattr(LogMessage("x"), call)(wrong)

    def test_recvd_rawmsg_size(self) -> None:
        """Without it: the method is missing where sources call it, or RAWMSG_SIZE says something else than
        was set."""
        message = LogMessage("x")
        message.set_recvd_rawmsg_size(100)
        assert message.get_as_str("RAWMSG_SIZE") == "100"

    @pytest.mark.parametrize("wrong", [1, {}, "x"])
    def test_parse_wants_the_sources_parse_options(self, wrong: Any) -> None:
        """Without it: a source that passes something else is parsed with unknown options."""
        with pytest.raises(TypeError):
            LogMessage.parse("<13>x", wrong)

    def test_parse_options_are_made_by_the_engine_only(self) -> None:
        """Without it: an empty handle could be passed to parse()."""
        make: Any = ParseOptions
        with pytest.raises(TypeError):
            make()


class TestExtras:
    """Additions of Inrush."""

    def test_in(self) -> None:
        """Without it: `"k" in msg` walks through numbers and fails."""
        message = LogMessage("x")
        message[".t.k"] = None
        assert ".t.k" in message
        assert b".t.k" in message
        assert ".t.other" not in message

    def test_del(self) -> None:
        """Without it: a value cannot be taken back, or deleting a missing one hides a typing error."""
        message = LogMessage("x")
        message[".t.k"] = 1
        del message[".t.k"]
        assert ".t.k" not in message
        assert b".t.k" not in list(message.keys())
        with pytest.raises(KeyError):
            del message[".t.k"]

    def test_len_and_items(self) -> None:
        """Without it: there is no way to see what is set without the macros."""
        message = LogMessage("x")
        message[".t.k"] = 5
        assert len(message) == len(message.items())
        items = dict(message.items())
        assert items[b".t.k"] == 5
        assert items[b"MESSAGE"] == b"x"
        assert b"ISODATE" not in items

    def test_message_is_always_true(self) -> None:
        """Without it: `if msg:` in existing code fails for a message without values, because len() is 0."""
        assert LogMessage()

    def test_equality_by_content(self) -> None:
        """Without it: tests of sources cannot compare what was posted."""
        moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
        one, two = LogMessage("x"), LogMessage(b"x")
        for message in (one, two):
            message.set_timestamp(moment)
            message[".t.k"] = 1
        assert one == two
        two[".t.k"] = "1"
        assert one != two
        assert one != "x"

    def test_repr_shows_the_text(self) -> None:
        """Without it: a log of messages is a list of addresses."""
        assert "hello" in repr(LogMessage("hello"))
        assert "LogMessage" in repr(LogMessage(b"\xff"))

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle(self, protocol: int) -> None:
        """Without it: messages cannot cross to another process of the user's."""
        message = LogMessage(b"x\0\xff")
        message.set_pri(165)
        message.set_timestamp(datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-8))))
        for number, (written, _) in enumerate(WRITTEN):
            message[f".t.{number}"] = written
        copy = pickle.loads(pickle.dumps(message, protocol))
        assert copy == message
        assert copy.items() == message.items()
        assert copy.get_timestamp() == message.get_timestamp()
        assert copy.get_pri() == 165

    def test_memoryview_is_a_read_only_view_of_the_text(self) -> None:
        """Without it: reading a large text costs a copy, or a reader can change a message."""
        with memoryview(LogMessage(b"text\0")) as view:
            assert view.readonly
            assert view.format == "B"
            assert bytes(view) == b"text\0"

    def test_memoryview_outlives_its_message_and_its_changes(self) -> None:
        """Without it: a view reads freed memory, or sees another text than the one it was made of."""
        message = LogMessage("first text " * 100)
        view = memoryview(message)
        message["MESSAGE"] = "second " * 10_000
        del message
        gc.collect()
        assert bytes(view) == b"first text " * 100

    def test_memoryview_without_text(self) -> None:
        """Without it: a message without text has no defined view."""
        assert bytes(memoryview(LogMessage())) == b""

    @pytest.mark.parametrize("size", [0, 1, 100, 1_000_000])
    def test_view_of_long_bytes_is_the_object_itself(self, size: int) -> None:
        """The text is what was given, whatever its size, also when the giver has let go of it."""
        message = LogMessage(bytes([size % 251]) * size)
        gc.collect()
        assert bytes(memoryview(message)) == bytes([size % 251]) * size


class TestMemory:
    """Nothing is kept, nothing is torn."""

    def test_array_as_message_is_refused(self) -> None:
        """Without it: a message changes when the array that it came from does."""
        numbers = array.array("B", b"text")
        with pytest.raises(TypeError):
            LogMessage(numbers)

    def test_a_million_messages_leave_nothing_behind(self) -> None:
        """Without it: a leak of a few bytes a message ends a collector after days."""

        def make(count: int) -> None:
            for number in range(count):
                message = LogMessage(b"x" * 200)
                message[".t.k"] = number
                message[".t.l"] = ["a", "b"]
                memoryview(message).release()

        make(100_000)
        before = resident()
        make(1_000_000)
        assert resident() - before < 20 * 1024 * 1024

    def test_messages_used_by_many_threads(self) -> None:
        """Without it: two threads that change one message could tear it."""
        message = LogMessage("x")
        until = time.monotonic() + 0.5
        failed: list[BaseException] = []

        def use(name: str) -> None:
            try:
                while time.monotonic() < until:
                    message[name] = name * 50
                    assert message[name] == name.encode() * 50
                    message["MESSAGE"] = name * 1000
                    assert len(memoryview(message)) % 1000 == 0
            except BaseException as error:
                failed.append(error)

        together(threading.Thread(target=use, args=(name,)) for name in "abcd")
        assert not failed
