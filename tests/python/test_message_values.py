"""LogMessage from inside: values and names, what its errors say, and what runs while it is open."""

from __future__ import annotations

import codecs
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrush import LogMessage
from messages import UTC, Flag, Level, Named, Zone, parse

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
    """Writing: what is stored, and what is refused in which words."""

    @pytest.mark.parametrize(("value", "error", "text"), ERRORS, ids=range(len(ERRORS)))
    def test_errors_name_key_type_and_expectation(
        self, value: Any, error: type[Exception], text: str
    ) -> None:
        """Without it: nobody knows which of twenty assignments was wrong, or a refused value is half
        stored."""
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
            (['say "x"', b"", b"\0"], '\'say "x"\',"",\0'),
            (["one\ntwo", "it's"], '"one\\ntwo","it\'s"'),
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
            return codecs.CodecInfo(codecs.utf_8_encode, decode) if name == "inrushodd" else None

        # A name of letters alone: what becomes of a hyphen on the way to `find` differs between the versions
        # of Python.
        codecs.register(find)
        try:
            assert message.get_as_str("MESSAGE", encoding="inrushodd") == "x!"
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
