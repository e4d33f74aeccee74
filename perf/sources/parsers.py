"""Parsers in Python: what a user would write, one message at a time, and many at once, as only Inrush has it."""

from __future__ import annotations

from syslogng import LogMessage, LogParser


def take_apart(message: LogMessage) -> None:
    """Two of the nine columns of a request, without a comma in any of them."""
    columns = message.get_as_str("MESSAGE", "").split(",")
    message[".py.user"] = columns[1]
    message[".py.url"] = columns[3]


class One(LogParser):
    """The documentation's way: a call for each message."""

    def parse(self, message: LogMessage) -> bool:
        """One message."""
        take_apart(message)
        return True


class Many(LogParser):
    """A call for all messages that came together."""

    def parse_batch(self, messages: list[LogMessage]) -> None:
        """Those of one batch."""
        for message in messages:
            take_apart(message)
