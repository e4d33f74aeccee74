"""The messages that are posted, made alike by the sources and by whoever checks what arrived.

Messages are numbered, of exactly the size that a case wants, and made before the clock starts. A run goes
through a cycle of them again and again, so that what arrived can be compared byte by byte with the cycle
repeated.
"""

from __future__ import annotations

FILLER = "the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs; "


def cycle_length(size: int) -> int:
    """The number of different messages of a size: at most a mebibyte of them, so that they stay in the
    cache."""
    return 1000 if size <= 1024 else 64


# Messages between two looks at the floor, where a loop is measured by it: some milliseconds, in which a
# machine's speed stays what it is.
PROBED = 50_000


def texts(size: int, tag: str = "") -> list[str]:
    """A cycle of messages of `size` bytes, each beginning with its tag and its number."""
    filler = FILLER * (size // len(FILLER) + 1)
    return [f"{tag}{number:06d} {filler}"[:size] for number in range(cycle_length(size))]


# The one line that stands for a format, numbered where a process id stands.
SYSLOG = {
    "rfc3164": "<34>Oct 11 22:14:15 mymachine su[{number}]: 'su root' failed for lonvick on /dev/pts/8",
    "rfc5424": "<165>1 2026-10-11T22:14:15.003Z mymachine.example.com evntslog {number} ID47 - "
    "An application event log entry",
    "rfc5424_sdata": "<165>1 2026-10-11T22:14:15.003Z mymachine.example.com evntslog {number} ID47 "
    '[event@32473 id="evt-0123456789" user="alice@example.com" action="login"]'
    '[origin@32473 address="192.0.2.17" outcome="success"] An application event log entry',
}
# What a parser makes of it, written with PARSED.
PARSED_TEMPLATE = "$HOST $PROGRAM $PID $PRI $MSG\\n"
PARSED = {
    "rfc3164": "mymachine su {number} 34 'su root' failed for lonvick on /dev/pts/8",
    "rfc5424": "mymachine.example.com evntslog {number} 165 An application event log entry",
}


def syslog_lines(form: str) -> list[str]:
    """A cycle of messages in a format, numbered from 1000 so that all have one length."""
    return [SYSLOG[form].format(number=number) for number in range(1000, 2000)]


def parsed_lines(form: str) -> list[str]:
    """The lines that PARSED_TEMPLATE writes for each of them."""
    return [PARSED[form].format(number=number) for number in range(1000, 2000)]


# The five parameters of the structured data, and what is written of them.
SDATA = (
    "event@32473.id",
    "event@32473.user",
    "event@32473.action",
    "origin@32473.address",
    "origin@32473.outcome",
)
SDATA_TEMPLATE = " ".join(f"${{.SDATA.{name}}}" for name in SDATA) + " $PID $MSG\\n"


def sdata_lines() -> list[str]:
    """The lines that SDATA_TEMPLATE writes for a cycle of `rfc5424_sdata`."""
    values = " ".join(VALUES.values())
    return [f"{values} {number} An application event log entry" for number in range(1000, 2000)]


# Five values, as a source that fetches events from somebody's service sets them.
VALUES = {
    ".event.id": "evt-0123456789",
    ".event.user": "alice@example.com",
    ".event.action": "login",
    ".event.address": "192.0.2.17",
    ".event.outcome": "success",
}
VALUES_TEMPLATE = " ".join(f"${{{name}}}" for name in VALUES) + " $MSG\\n"


def value_lines(size: int) -> list[str]:
    """The lines that VALUES_TEMPLATE writes for a cycle of messages."""
    return [" ".join([*VALUES.values(), text]) for text in texts(size)]
