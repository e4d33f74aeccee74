"""Plain Python without an engine: a queue with a thread that writes, and `logging` with both."""

from __future__ import annotations

import logging
import logging.handlers
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perf.sources.base import Measured
from perf.sources.texts import texts


class Queue(Measured):
    """queue.Queue and a thread that writes each line to a file with Python's own buffer."""

    def prepare(self) -> Callable[[], None]:
        """The thread."""
        messages = texts(self.spec["size"])
        rounds = self.spec["count"] // len(messages)
        lines: queue.Queue[Any] = queue.Queue(self.spec["window"])

        def write() -> None:
            with Path(self.spec["path"]).open("a") as file:
                while (text := lines.get()) is not None:
                    file.write(text + "\n")

        writer = threading.Thread(target=write, daemon=True)
        writer.start()

        def work() -> None:
            for _ in range(rounds):
                for text in messages:
                    lines.put(text)
            lines.put(None)
            writer.join()

        return work


class Logging(Measured):
    """logging with QueueHandler, QueueListener and FileHandler."""

    def prepare(self) -> Callable[[], None]:
        """The handlers."""
        messages = texts(self.spec["size"])
        rounds = self.spec["count"] // len(messages)
        records: queue.Queue[Any] = queue.Queue(self.spec["window"])
        logger = logging.getLogger("perf")
        logger.setLevel(logging.INFO)
        logger.propagate = False

        class Waiting(logging.handlers.QueueHandler):
            """Waits for room, as a source with flow control does; the standard one would lose the record."""

            def enqueue(self, record: logging.LogRecord) -> None:
                records.put(record)

        logger.addHandler(Waiting(records))
        file = logging.FileHandler(self.spec["path"])
        file.setFormatter(logging.Formatter("%(message)s"))
        listener = logging.handlers.QueueListener(records, file)
        listener.start()

        def work() -> None:
            for _ in range(rounds):
                for text in messages:
                    logger.info(text)
            listener.stop()

        return work


class Direct(Measured):
    """write(2) for each message, paced as `loops.Paced`: what the watcher itself costs."""

    def prepare(self) -> Callable[[], None]:
        """The file."""
        import os
        from time import monotonic_ns, sleep

        count, rate = self.spec["count"], self.spec["rate"]
        group = max(1, rate // 1000)
        filler = texts(self.spec["size"])[0][20:]
        file = os.open(self.spec["path"], os.O_WRONLY | os.O_APPEND)

        def work() -> None:
            due = monotonic_ns()
            for _ in range(count // group):
                due += 1_000_000_000 * group // rate
                wait = due - monotonic_ns()
                if wait > 0:
                    sleep(wait / 1e9)
                for _ in range(group):
                    os.write(file, f"{monotonic_ns():019d} {filler}\n".encode())

        return work
