"""`LogTemplate`: what a destination with the same text would write, from Python."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

import inrush
from harness import StartEngine
from syslogng import LTZ_LOCAL, LTZ_SEND, LogMessage, LogTemplate, LogTemplateException, LogTemplateOptions

OPTIONS = LogTemplateOptions()


def message() -> LogMessage:
    """A message with values of some types."""
    made = LogMessage("text")
    made["HOST"], made["n"], made["list"] = "h", 5, ["a", "b c"]
    made.set_pri(165)
    zone = datetime.timezone(datetime.timedelta(hours=-3))
    made.set_timestamp(datetime.datetime(2020, 2, 3, 4, 5, 6, tzinfo=zone))
    return made


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", b""),
        ("$HOST: $MSG", b"h: text"),
        ("${n}|${list}|${missing:-none}", b'5|a,"b c"|none'),
        ("$FACILITY.$LEVEL $PRI", b"local4.notice 165"),
        ("$S_ISODATE", b"2020-02-03T04:05:06-03:00"),
        ("$(format-json n=$n text=$MSG)", b'{"text":"text","n":5}'),
        # Of messages of this host alone, which those of Python are not.
        ("$SEQNUM", b""),
        ("\u20ac", "\u20ac".encode()),
    ],
)
def test_it_writes_what_a_destination_would(template: str, expected: bytes) -> None:
    """Breaks without it: a class formats other lines than file() with the same template."""
    made = LogTemplate(template, OPTIONS)
    assert made.format(message(), seqnum=7) == expected
    assert LogTemplate(template).format(message(), OPTIONS, LTZ_SEND, 7) == expected
    assert str(made) == template


def test_the_message_is_formatted_as_it_is_then() -> None:
    """Breaks without it: a change after the first call is not seen, or the call changes the message."""
    made, changed = LogTemplate("$MSG $x", OPTIONS), message()
    assert made.format(changed) == b"text "
    changed["x"], changed["MESSAGE"] = "y", "new"
    assert made.format(changed) == b"new y"
    assert changed["MESSAGE"] == b"new"


def test_what_is_wrong_is_said() -> None:
    """Breaks without it: a mistake formats nothing, and nobody knows why."""
    with pytest.raises(LogTemplateException, match=r"\$\(no-such\)"):
        LogTemplate("$(no-such)")
    with pytest.raises(LogTemplateException):
        LogTemplate("${open", OPTIONS)
    with pytest.raises(RuntimeError, match="no options"):
        LogTemplate("x").format(message())
    wrong: list[tuple[tuple[Any, ...], str]] = [
        ((b"x",), "template: expected str, got bytes"),
        (("x", 5), "options: expected LogTemplateOptions or None, got int"),
    ]
    for arguments, said in wrong:
        with pytest.raises(TypeError, match=said):
            LogTemplate(*arguments)
    made: Any = LogTemplate("x", OPTIONS)
    with pytest.raises(TypeError, match="msg: expected LogMessage, got str"):
        made.format("x")
    with pytest.raises(TypeError):
        made.format(message(), OPTIONS, "send")
    with pytest.raises(TypeError):
        made.format(message(), seqnum="1")
    with pytest.raises(ValueError, match="expected LTZ_LOCAL or LTZ_SEND"):
        made.format(message(), tz=2)
    assert (LTZ_LOCAL, LTZ_SEND) == (0, 1)
    assert issubclass(inrush.LogTemplateException, Exception)
    assert LogTemplateOptions(OPTIONS) is not None


def test_drivers_give_theirs_to_the_classes_and_messages_of_the_engine_are_formatted(
    engine: StartEngine,
) -> None:
    """Breaks without it: a class cannot write times in its destination's zone, or sees old values of a message."""
    running = engine("""@version: current
python {
from syslogng import LTZ_LOCAL, LogDestination, LogParser, LogSource, LogMessage, LogTemplate, LogTemplateOptions
import datetime

class Source(LogSource):
    def run(self):
        msg = LogMessage("text")
        msg.set_timestamp(datetime.datetime(2020, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc))
        self.post_message(msg)
        while not self.exit_requested:
            self.sleep(0.1)

class P(LogParser):
    def init(self, options):
        self.template = options["template"]
        return True
    def parse(self, msg):
        msg["x"] = "set"
        msg["made"] = self.template.format(msg)
        return True

class D(LogDestination):
    def init(self, options):
        self.template = LogTemplate("$S_ISODATE $made", LogTemplateOptions(self.template_options))
        return True
    def send(self, msg):
        print("sent", self.template.format(msg), self.template.format(msg, tz=LTZ_LOCAL), flush=True)
        return True
};
source s { python(class("Source")); };
parser p { python(class("P") options(template LogTemplate("$MSG $x $SOURCE"))); };
destination d { python(class("D") time-zone("+02:00") local-time-zone("-05:00")); };
log { source(s); parser(p); destination(d); flags(flow-control); };
""")
    running.wait_print(
        "sent b'2020-02-03T06:05:06\\+02:00 text set s' b'2020-02-02T23:05:06-05:00 text set s'"
    )
    running.stop()
