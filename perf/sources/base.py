"""The base of every measured source: its orders, the clock around its work, and the wait for the end.

Its orders are a JSON file, named by the option `spec`, because an option of its own for each would be text in
one engine and typed in another. What it has to tell goes as lines of JSON into a FIFO that the harness reads.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from syslogng import LogSource


class Measured(LogSource):
    """A source that prepares, does its work between two looks at the clock, and stays until it is told to
    end."""

    pinned = True
    """The thread, when it is told to go on, does so on a processor that the harness chooses."""

    def init(self, options: dict[str, Any]) -> bool:
        """Reads the orders."""
        self.spec = json.loads(Path(options["spec"]).read_text())
        self.index = int(options.get("index", 0))
        self.exiting = threading.Event()
        return True

    def run(self) -> None:
        """Measures, once or at each order."""
        work = self.prepare()
        for order in self.orders():
            if order and self.pinned:
                # On the same processor as the run that this one is compared with: each has a speed of its
                # own.
                os.sched_setaffinity(0, {int(order)})
            begin, cpu = time.monotonic_ns(), time.process_time_ns()
            more = work()
            self.tell("done", **{"begin": begin, "end": time.monotonic_ns(), "cpu": cpu, **(more or {})})
        self.exiting.wait()

    def orders(self) -> Iterator[str]:
        """One, or as many as the harness gives by lines in a FIFO, with the processor to be on, until it
        gives an empty one."""
        if "orders" not in self.spec:
            yield ""
            return
        with Path(self.spec["orders"]).open() as orders:
            self.tell("prepared")
            while order := orders.readline().strip():
                yield order

    def prepare(self) -> Any:
        """Prepares what must be there before the clock starts; returns the work itself."""
        raise NotImplementedError

    def tell(self, event: str, **values: object) -> None:
        """One line for the harness."""
        line = json.dumps({"event": event, "pid": os.getpid(), **values}) + "\n"
        fifo = os.open(self.spec["report"], os.O_WRONLY)
        try:
            os.write(fifo, line.encode())
        finally:
            os.close(fifo)

    def request_exit(self) -> None:
        """Lets run() come back."""
        self.exiting.set()
