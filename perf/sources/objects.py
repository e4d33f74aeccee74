"""Destinations in Python: they keep what they get, and compare it behind the last message.

Keeping it is what the least destination does that does something. The comparison is behind the clock, and a
message that is another one ends the run.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from perf.sources.texts import texts

try:
    from syslogng import LogDestination
except ImportError:
    # A class to derive from came with syslog-ng 4.
    LogDestination = object  # type: ignore[misc, assignment]


class One(LogDestination):
    """Gets message by message."""

    def init(self, options: dict[str, Any]) -> bool:
        """Reads the orders."""
        self.spec = json.loads(Path(options["spec"]).read_text())
        self.messages: list[Any] = []
        return True

    def send(self, msg: Any) -> Any:
        """Keeps its text."""
        self.messages.append(msg["MESSAGE"])
        if len(self.messages) >= self.spec["count"]:
            self.complete()
        return self.SUCCESS

    def complete(self) -> None:
        """Tells that everything is there, when it is what was sent."""
        end, cycle = time.monotonic_ns(), texts(self.spec["size"])
        found = [text if isinstance(text, str) else text.decode() for text in self.messages]
        if found != cycle * (self.spec["count"] // len(cycle)):
            os._exit(3)  # An engine would take an exception for a failure that passes.
        self.messages.clear()
        line = json.dumps({"event": "received", "end": end}) + "\n"
        with Path(self.spec["report"]).open("w") as fifo:
            fifo.write(line)


class Queued(One):
    """Gets message by message, and is told when a batch is complete."""

    def send(self, msg: Any) -> Any:
        """Keeps its text, which is delivered with the batch."""
        super().send(msg)
        return self.QUEUED

    def flush(self) -> Any:
        """Delivers the batch."""
        return self.SUCCESS


class Batches(One):
    """Gets lists."""

    def send_batch(self, messages: list[Any]) -> Any:
        """Keeps their texts."""
        self.messages += [msg["MESSAGE"] for msg in messages]
        if len(self.messages) >= self.spec["count"]:
            self.complete()
        return self.SUCCESS
