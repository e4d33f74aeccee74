"""Parsers in Python: what a user would write, one message at a time, and many at once, as only Inrush has it."""

from __future__ import annotations

from typing import Any

try:
    from syslogng import LogParser
except ImportError:
    # A class to derive from came with syslog-ng 4.
    LogParser = object  # type: ignore[misc, assignment]


def take_apart(message: Any) -> None:
    """Two of the nine columns of a request, without a comma in any of them."""
    columns = message["MESSAGE"].split(b",")
    message[".py.user"] = columns[1]
    message[".py.url"] = columns[3]


class One(LogParser):
    """The documentation's way: a call for each message."""

    def parse(self, message: Any) -> bool:
        """One message."""
        take_apart(message)
        return True


class Many(LogParser):
    """A call for all messages that came together."""

    def parse_batch(self, messages: list[Any]) -> None:
        """Those of one batch."""
        for message in messages:
            take_apart(message)
