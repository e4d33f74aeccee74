"""Measuring in slices: all processes of a case live at the same time, and one after the other does its
messages.

What differs by a twentieth cannot be seen from one process after the other on a machine whose speed changes
by itself. Here the runs that are compared are a fraction of a second apart, in the order A B B A. A thread
that computes or consumes is on the same processor in both: on each for half of the slices. Servers are where
the scheduler puts them, because their clients need a processor, too. Before the slices that count, each
process does one that does not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from perf import kafka, kinds, rivals
from perf.arrival import PATIENCE, Result, check, integer, posting_result, send, wait_written
from perf.environment import Toolbox
from perf.kinds import Run
from perf.processes import RunError

R = TypeVar("R", bound=kinds.Sourced)


def measure_slices(runs: Sequence[Run], tools: Toolbox, slices: int) -> dict[str, list[Result]]:
    """A turn: so many slices of each run."""
    found: dict[str, list[Result]] = {run.key: [] for run in runs}
    with ExitStack() as stack:
        slicers = []
        for run in runs:
            with failing(run):
                here = stack.enter_context(rivals.place(tools))
                slicers.append(stack.enter_context(slicer_of(run, here, slices)))
        for number in range(slices):
            for slicer in slicers if number % 2 == 0 else reversed(slicers):
                with failing(slicer.run):
                    found[slicer.run.key].append(slicer.slice(number))
        for slicer in slicers:
            with failing(slicer.run):
                slicer.finish()
    return found


def slicer_of(run: Run, here: rivals.Place, slices: int) -> Slicer[Any]:
    """The slicer of a run of its kind."""
    match run:
        case kinds.Busy():
            return Waiting(run, here, slices)
        case kinds.Serving():
            return Serving(run, here, slices)
        case kinds.Posting():
            return Posting(run, here, slices)
    raise TypeError(f"{type(run).__name__} is no kind of run that can be cut")


class SliceError(Exception):
    """One of the runs has failed, and which."""

    def __init__(self, run: Run, problem: Exception) -> None:
        super().__init__(str(problem))
        self.run, self.problem = run, problem


@contextmanager
def failing(run: Run) -> Iterator[None]:
    """Names the run that fails here."""
    try:
        yield
    except Exception as problem:
        raise SliceError(run, problem) from problem


class Slicer(Generic[R]):
    """A process that does its count of messages whenever it is told to, and nothing between."""

    def __init__(self, run: R, here: rivals.Place, slices: int) -> None:
        self.run, self.here, self.slices = run, here, slices
        self.stack = ExitStack()

    def __enter__(self) -> Slicer[R]:
        """Starts it, and waits until it is as it is to be measured."""
        self.begin()
        self.slice(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()

    def begin(self) -> None:
        """Starts it."""
        raise NotImplementedError

    def slice(self, number: int) -> Result:
        """Once."""
        raise NotImplementedError

    def finish(self) -> None:
        """Ends it, when all its slices are done."""

    def fifo(self, path: Path) -> int:
        """A pipe that never ends."""
        os.mkfifo(path)
        fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.stack.callback(os.close, fifo)
        return fifo

    def order(self, number: int) -> None:
        """Tells the source to go on, on a processor."""
        # Each processor has a speed of its own: the same one for two slices, one in each order.
        processors = sorted(os.sched_getaffinity(0))
        os.write(self.orders, f"{processors[number // 2 % len(processors)]}\n".encode())

    def open_orders(self) -> dict[str, object]:
        """Opens the FIFO of orders; the part of the spec that names it."""
        path = self.here.directory / "orders"
        self.orders = self.fifo(path)
        return {"orders": str(path)}


class Waiting(Slicer[kinds.Busy]):
    """A thread that computes, in a process whose source waits for credit, or has nothing to do."""

    def begin(self) -> None:
        """Waits until the source waits."""
        self.fifo(self.here.file)  # Nobody reads it.
        rivals.start(self.run, self.here, 0, **self.open_orders())
        self.here.wait("prepared", 30)
        self.posted = 0
        if self.run.spec["beside"]:
            until = time.monotonic() + 30
            while (posted := self.waiting()) is None or posted != self.posted:
                if time.monotonic() > until:
                    raise RunError("the source posts, and does not come to wait for credit")
                self.posted = posted or 0
                time.sleep(0.1)

    def waiting(self) -> int | None:
        """The number of messages that the source has posted, when it waits for credit."""
        sources = rivals.ask(self.here.directory / "control", "stats")["sources"]
        assert isinstance(sources, list)
        return int(sources[0]["posted"]) if sources[0]["state"] == "waiting for credit" else None

    def slice(self, number: int) -> Result:
        """Computes; fails when the source did not wait from its beginning to its end."""
        self.order(number)
        done = self.here.wait("done", PATIENCE)
        if self.run.spec["beside"] and (self.waiting() != self.posted or done["posts"] != 0):
            raise RunError(f"the source did not wait for credit all the time: {done}")
        elapsed = integer(done["end"]) - integer(done["begin"])
        return {"seconds": elapsed / 1e9, "rate": self.run.count / elapsed * 1e9}


class Posting(Slicer[kinds.Posting]):
    """A source that posts, or a program that writes: what it writes is compared after each slice, and cut
    off."""

    def begin(self) -> None:
        """Waits until its messages are made."""
        self.process = rivals.start(self.run, self.here, 0, **self.open_orders())
        self.here.wait("prepared", 30)
        self.total = 0

    def slice(self, number: int) -> Result:
        """From the first post to the last byte in the file, or to the last message counted."""
        run, here = self.run, self.here
        cpu = self.process.cpu_ns()
        self.order(number)
        done = here.wait("done", PATIENCE)
        begin, posted = integer(done["begin"]), integer(done["end"])
        self.total += run.count
        if run.rival == "floor":
            end = posted
        elif run.nothing:
            end = max(posted, rivals.wait_counted(run, here, self.total))
        else:
            end = max(posted, wait_written(run, here))
        cpu = self.process.cpu_ns() - cpu
        size = run.count * run.line
        if run.rival != "floor" and not run.nothing:
            check(run, here)
            size = here.file.stat().st_size
            # Every writer appends.
            os.truncate(here.file, 0)
        found = posting_result(run, end - begin, size, cpu, self.process.memory_kib("VmHWM"))
        return {**found, "post_ns": (posted - begin) / run.count}

    def finish(self) -> None:
        """Ends it, and looks that it wrote nothing more."""
        if self.run.rival in rivals.ENGINES:
            rivals.wait_counted(self.run, self.here, self.total)
        os.write(self.orders, b"\n")
        self.process.stop()
        file = self.here.file
        if file.exists() and file.stat().st_size:
            raise RunError(f"{file.stat().st_size:,} bytes more than were sent")


class Serving(Slicer[kinds.Serving]):
    """A framework's server or consumer, which gets its messages from outside."""

    def begin(self) -> None:
        """Waits until it is ready."""
        orders = {} if self.run.load == "stream" else self.open_orders()
        more: dict[str, object] = {}
        if self.run.load == "kafka":
            more = kafka.topic(self.run, self.run.count * (self.slices + 1)) | orders
        self.process = rivals.start(self.run, self.here, 0, **more)
        self.port = 0
        if self.run.load == "kafka":
            self.here.wait("prepared", 30)
        else:
            self.port = integer(self.here.wait("ready", 30)["port"])
        if self.run.load == "flask":
            send(self.run, self.here, self.port, str(orders["orders"]))
        self.total = 0

    def slice(self, number: int) -> Result:
        """From the first byte, or the first look for messages, to the last message counted by the engine or
        by the framework."""
        run, here = self.run, self.here
        cpu = self.process.cpu_ns()
        sender = None
        if run.load == "stream":
            sender = send(run, here, self.port)
        else:
            self.order(number)
        done = here.wait("done", PATIENCE)
        begin, end = integer(done["begin"]), integer(done["end"])
        if run.load == "stream":
            begin = integer(here.wait("sent")["begin"])
        if done["messages"] != run.count:
            raise RunError(f"the source got {done['messages']} messages of {run.count}")
        self.total += run.count
        end = max(end, rivals.wait_counted(run, here, self.total))
        cpu = self.process.cpu_ns() - cpu
        if sender is not None:
            here.end(sender)
        size = run.count * run.line
        return posting_result(run, end - begin, size, cpu, self.process.memory_kib("VmHWM"))

    def finish(self) -> None:
        """Ends it as an engine is ended."""
        if self.run.load == "kafka":
            os.write(self.orders, b"\n")
        self.process.stop()
