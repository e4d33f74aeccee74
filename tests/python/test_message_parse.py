"""LogMessage from inside: time, numbers, addresses, and LogMessage.parse."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrush import LogMessage, ParseOptions
from messages import UTC, Named, Zone, parse


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
            (b"MSGFORMAT", b"syslog:rfc5424"),
        ]
        assert message.get_pri() == 165
        assert message["ISODATE"] == b"2003-10-11T22:14:15-07:00"
        assert message.get_timestamp() == datetime(2003, 10, 11, 22, 14, 15, 3000)
        assert message["SDATA"] == b'[a@1 b="\\"c\\"" d="e"][f]'

    def test_rfc3164(self) -> None:
        """Without it: the header of BSD syslog stays in the text."""
        message = parse(b"<34>Oct 11 22:14:15 host su[42]: text\n")
        assert (message["MESSAGE"], message["PROGRAM"], message["PID"]) == (b"text", b"su", b"42")
        assert (message["LEGACY_MSGHDR"], message["MSGFORMAT"]) == (b"su[42]: ", b"syslog:rfc3164")

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
        zoned = LogMessage.parse("<34>Oct 11 22:14:15 h p: t", ParseOptions.make(time_zone="+05:30"))
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
        """There is a message whatever comes, and reading all of it is no error."""
        for flags in ((), ("sanitize-utf8", "no-multi-line", "store-raw-message")):
            message = parse(raw, *flags)
            assert dict(message.items()).keys() <= set(message.keys())
            assert pickle.loads(pickle.dumps(message)) == message

    def test_base_type_even_from_a_subclass(self) -> None:
        """Without it: parse() makes objects whose __init__ never ran."""
        assert type(Named.parse("x", ParseOptions.make())) is LogMessage

    @pytest.mark.parametrize(
        ("raw", "text"),
        [(5, "raw_msg: expected str or bytes, got int"), (bytearray(b"x"), "bytearray"), (None, "NoneType")],
    )
    def test_raw_of_another_type(self, raw: Any, text: str) -> None:
        """Without it: a buffer that may still change is parsed."""
        with pytest.raises(TypeError, match=text):
            LogMessage.parse(raw, ParseOptions.make())

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
            ParseOptions.make(**options)
