"""Late parsing: LogMessage.parse makes the same for a reader, at the post, and on the worker's thread."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrush import LogMessage, LogSource
from inrush.testing import posted, run
from messages import Named

TEXTS: list[str | bytes] = [
    "<165>1 2026-10-11T22:14:15.003Z mymachine.example.com evntslog 1234 ID47 - An application event log entry",
    '<34>1 2026-10-11T22:14:15.003+02:00 h p 1 - [a b="\\"" c="\\\\"][d] text',
    "<34>1 2026-10-11T22:14:15Z h p - - [x@1 " + " ".join(f'n{n}="{n}"' for n in range(40)) + "] many",
    "<34>1 2026-10-11T22:14:15Z - - - - - ",
    "<34>1 oops",
    "<34>Oct 11 22:14:15 mymachine su[4321]: 'su root' failed for lonvick on /dev/pts/8",
    "<13>Nov  2 06:25:01 host7 cron: (root) CMD\n",
    b"<38>2026-10-11T22:14:15.003+02:00 mymachine sshd[981]: one\ntwo \xff\xfe",
    b'<34>1 2026-10-11T22:14:15Z h\xff p 1 - [a b="\xfe"] \xef\xbb\xbftext',
    "<189>29: *Jan 12 12:00:00: %SYS-5-CONFIG_I: Configured",
    "<4>x y",
    "no priority",
    "",
    "\u00e9t\u00e9",
    "<34>1 2026-10-11T22:14:15Z h p 1 - - " + "long " * 200,
]
FLAGS: list[tuple[str, ...]] = [
    (),
    ("syslog-protocol", "no-multi-line", "sanitize-utf8", "store-raw-message"),
    ("no-piggyback-errors", "check-hostname", "dont-store-legacy-msghdr"),
    ("no-hostname", "check-program"),
    ("no-parse",),
]
CONFIGS = [
    "",
    "keep-hostname(yes)",
    "keep-hostname(no) chain-hostnames(yes)",
    'host-override("fixed") program-override("other")',
    "keep-timestamp(no) use-syslogng-pid(yes)",
    'default-facility("local3") default-priority("crit") time-zone("+02:00")',
    'sdata-prefix("a.rather.long.prefix.") keep-hostname(yes)',
]
ROUNDS = 40


def content(message: LogMessage) -> tuple[str, bytes, str | None]:
    """All that a message says, but for when it came: two messages do not come at the same time."""
    shown = repr(message)
    if abs(message.get_timestamp() - datetime.now()) < timedelta(hours=1):
        shown = re.sub(r" time=\S+", "", shown, count=1)
    return shown, bytes(memoryview(message)), message.get_as_str("MSGFORMAT")


class Idle(LogSource):
    """Has its options, and nothing to do."""

    def run(self) -> None:
        """Ends at once."""


class Both(LogSource):
    """Posts each text as nobody has looked at it, and once after a look."""

    def run(self) -> None:
        for _ in range(ROUNDS):
            for text in TEXTS:
                self.post_message(LogMessage.parse(text, self.parse_options))
        for text in TEXTS:
            message = LogMessage.parse(text, self.parse_options)
            message.keys()
            self.post_message(message)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("flags", FLAGS)
def test_same_as_for_a_reader(flags: tuple[str, ...], config: str) -> None:
    """Without it: a message changes when the worker parses it: a field, its priority, its time, or its
    place."""
    source = run(Both, flags=flags, config=config)
    arrived = [content(message) for message in source.messages]
    expected = arrived[-len(TEXTS) :]
    assert len(arrived) == (ROUNDS + 1) * len(TEXTS)
    for round_ in range(ROUNDS):
        assert arrived[round_ * len(TEXTS) :][: len(TEXTS)] == expected
    totals = source.totals
    assert totals["posted"] == totals["delivered"] + totals["dropped"] + totals["in_flight"] == len(arrived)


def test_changes_after_the_post_are_not_seen() -> None:
    """Without it: a message that is posted and then read, changed or posted again touches what is on its
    way."""

    class Again(LogSource):
        def run(self) -> None:
            for number in range(200):
                message = LogMessage.parse(f"<34>Oct 11 22:14:15 h p[{number}]: text", self.parse_options)
                self.post_message(message)
                self.post_message(message)
                message["MESSAGE"] = "changed"
                self.post_message(message)

    texts = [(message.get_as_str("PID"), message.get_as_str("MSG")) for message in run(Again).messages]
    expected = [(str(number), text) for number in range(200) for text in ("text", "text", "changed")]
    assert texts == expected


def test_options_of_another_source() -> None:
    """Without it: a message is parsed as the source says that it is posted by, and not as it was made."""

    class Foreign(LogSource):
        other: Any = None

        def run(self) -> None:
            for _ in range(100):
                self.post_message(LogMessage.parse("<34>Oct 11 22:14:15 h p: text", self.parse_options))
                self.post_message(LogMessage.parse("<34>Oct 11 22:14:15 h p: text", self.other))

    options = run(Idle, flags=["no-parse"]).source.parse_options
    source = run(type("Both", (Foreign,), {"other": options}))
    texts = [bytes(memoryview(message)) for message in source.messages]
    assert texts == [b"text", b"<34>Oct 11 22:14:15 h p: text"] * 100


@given(st.lists(st.one_of(st.binary(max_size=100), st.sampled_from(TEXTS)), max_size=60))
def test_any_text(texts: list[str | bytes]) -> None:
    """Without it: on some text the worker and a reader disagree, or the worker fails."""

    class Quiet(LogSource):
        """Posts what it is told to."""

    source = Quiet()
    for text in texts:
        source.post_message(LogMessage.parse(text, source.parse_options))
    for text in texts:
        message = LogMessage.parse(text, source.parse_options)
        message.keys()
        source.post_message(message)
    arrived = [content(message) for message in posted(source, clear=True)]
    assert arrived[: len(texts)] == arrived[len(texts) :]


def test_call() -> None:
    """Without it: the hand-made entry takes other arguments than the stub says, or is no function of the
    class."""
    options: Any = None
    for message in (
        LogMessage.parse("<11>x", options),
        LogMessage.parse(raw_msg="<11>x", parse_options=options),
        LogMessage.parse("<11>x", parse_options=options),
        LogMessage("other").parse("<11>x", options),
        Named.parse("<11>x", options),
    ):
        assert type(message) is LogMessage
        assert message.get_pri() == 11
    for arguments, named, complaint in (
        ((), {}, "missing 1 required positional argument: 'raw_msg'"),
        (("x",), {}, "missing 1 required positional argument: 'parse_options'"),
        (("x", None, None), {}, "takes 2 positional arguments but 3 were given"),
        (("x", None), {"raw_msg": "y"}, "multiple values for argument 'raw_msg'"),
        (("x",), {"options": None}, "unexpected keyword argument 'options'"),
        ((13, None), {}, "raw_msg: expected str or bytes, got int"),
        (("x", 13), {}, "parse_options: expected the parse_options of a source, got int"),
    ):
        with pytest.raises(TypeError, match=complaint):
            LogMessage.parse(*arguments, **named)
    assert LogMessage.parse.__doc__
    assert "RFC 5424" in LogMessage.parse.__doc__
