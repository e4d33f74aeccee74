"""The faults: each is done to a day, the same way for every collector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from torture.small_disk import fill, small_disk
from worst_day.collector import NotHereError
from worst_day.day import SENDER, Day
from worst_day.messages import text

# A sector of a disk, which is overwritten.
DAMAGE = b"\xff" * 512
# The disk of the buffer where it is to become full: more than the buffer may take.
DISK_KIB = 128 << 10


@dataclass(frozen=True)
class Fault:
    """Something that happens to a collector."""

    name: str
    title: str
    how: str
    """For the page."""
    body: Callable[[Day], None]
    is_on_small_disk: bool = False
    holds_back: bool = False
    """The destination takes nothing for a while: it counts how much the collector takes all the same."""
    times: int = 1
    """So many times the messages of other faults."""


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, title: str, how: str, *, on_small_disk: bool = False, holds_back: bool = False, times: int = 1
) -> Callable[[Callable[[Day], None]], Callable[[Day], None]]:
    """Registers a function as a fault."""

    def register(body: Callable[[Day], None]) -> Callable[[Day], None]:
        FAULTS[name] = Fault(name, title, how, body, on_small_disk, holds_back, times)
        return body

    return register


@contextmanager
def spool_disk(fault: Fault, spool: Path) -> Iterator[None]:
    """The disk of the buffer: a small one for a fault that needs it."""
    with small_disk(spool, DISK_KIB) if fault.is_on_small_disk else nullcontext() as problem:
        if problem is not None:
            raise NotHereError(problem)
        yield


def rounds_under_load(day: Day, strike: Callable[[], None]) -> None:
    """Strikes in the middle of the load, again and again."""
    step = day.scale.count // (day.scale.rounds + 1)
    for number in range(day.scale.rounds):
        # All of the round may be sent; it is struck when a third of it is acknowledged.
        day.sender.allow((number + 1) * step)
        until = time.monotonic() + day.scale.quiet
        while day.sender.acknowledged < number * step + step // 3 and time.monotonic() < until:
            time.sleep(0.002)
        strike()
        # Something new, in case that all before is acknowledged already.
        day.sender.allow((number + 1) * step + step // 3)
        day.fresh()


def with_destination_gone(day: Day) -> None:
    """A third of the messages arrives, then the destination closes and is away."""
    day.load(day.scale.count // 3)
    day.arrived()
    day.receiver.go_away()


@fault(
    "kill",
    "SIGKILL under load",
    "The collector is killed while messages flow through it, and started again at once; {rounds} times.",
)
def kill(day: Day) -> None:
    """Kills it again and again."""

    def strike() -> None:
        day.kill()
        day.over()
        day.start()

    day.start()
    rounds_under_load(day, strike)


@fault(
    "kill-away",
    "SIGKILL with the destination away",
    "A third of the messages is delivered, then the destination closes. The collector gets the next third, and is killed "
    "and started again {rounds} times meanwhile; then the destination is back, and the rest is sent.",
    holds_back=True,
)
def kill_away(day: Day) -> None:
    """Kills it again and again while nothing can be delivered."""
    day.start()
    with_destination_gone(day)
    first, step = day.scale.count // 3, day.scale.count // 3 // day.scale.rounds
    for number in range(day.scale.rounds):
        day.sender.allow(first + (number + 1) * step)
        day.load(first + number * step + step // 2)
        day.kill()
        day.start()
    day.load(first + day.scale.rounds * step)
    day.over()
    day.receiver.come()


@fault(
    "stop",
    "Stop with the destination away",
    "A third of the messages is delivered, then the destination closes. The collector gets the next third, as far as it takes "
    "it, is stopped by SIGTERM and started again; then the destination is back, and the rest is sent.",
    holds_back=True,
)
def stop(day: Day) -> None:
    """Stops it with messages that it cannot deliver."""
    day.start()
    with_destination_gone(day)
    day.load(day.scale.count * 2 // 3)
    day.stop()
    day.start()
    day.over()
    day.receiver.come()


@fault(
    "disk-full",
    "The disk of the buffer is full",
    "The buffer lies on a file system of 128 MiB, and may take 64 of them. A third of the messages is delivered, then the "
    "destination closes. When the next sixth is sent, a file of somebody else takes all that is left of the disk, and the rest is "
    "sent, as far as the collector takes it. {blocked:g} s later that file is removed, and the destination is back.",
    on_small_disk=True,
    holds_back=True,
)
def disk_full(day: Day) -> None:
    """Fills the disk under it."""
    day.start()
    with_destination_gone(day)
    day.load(day.scale.count // 2)
    junk = fill(day.place.spool)
    day.load(day.most)
    time.sleep(day.scale.blocked)
    junk.unlink()
    day.over()
    day.receiver.come()


@fault(
    "reload",
    "Reload under load",
    "The collector is made to read its configuration again while messages flow through it; {rounds} times.",
)
def reload(day: Day) -> None:
    """Reloads it again and again."""

    def strike() -> None:
        day.over()
        day.reload()

    day.start()
    rounds_under_load(day, strike)


@fault(
    "damaged",
    "A damaged buffer",
    "As with the stop; while the collector is stopped, a sector of 512 bytes of its buffer is overwritten, that with the middle "
    "one of the messages that are not delivered. Some messages are lost by it: the question is how many, and whether it is said.",
)
def damaged(day: Day) -> None:
    """Overwrites a part of what it has kept."""
    day.start()
    with_destination_gone(day)
    day.load(day.scale.count * 2 // 3)
    day.stop()
    overwrite(day, (day.scale.count // 3 + day.sender.acknowledged) // 2)
    day.start()
    day.over()
    day.receiver.come()
    day.load(day.most)
    day.arrived(day.scale.blocked)
    day.notes["said"] = day.said()


def overwrite(day: Day, number: int) -> None:
    """Damages the buffer at one message."""
    files = day.collector.buffer_files(day.place)
    if not files:
        raise NotHereError("it has no file with messages")
    found = [(path, path.read_bytes().rfind(text(SENDER, number)[:24])) for path in files]
    # A buffer that does not keep the text as it is, is hit in the middle.
    path, at = next((each for each in found if each[1] >= 0), (files[0], files[0].stat().st_size // 2))
    with path.open("r+b") as file:
        file.seek(at // len(DAMAGE) * len(DAMAGE))
        file.write(DAMAGE)


@fault(
    "stalled",
    "A destination that accepts and reads nothing",
    "After a tenth of the messages the destination stops to read, keeps its connections open, and reads on after {stall:g} s at the "
    "earliest, which stand for an hour: nothing that ends a connection after a longer time is seen. {count:,} messages are sent: "
    "the system takes almost 3 MB of them from the collector before that notices anything.",
    holds_back=True,
    times=6,
)
def stalled(day: Day) -> None:
    """Stalls the destination for a while."""
    day.start()
    day.load(day.scale.count // 10)
    day.receiver.stall()
    began = time.monotonic()
    day.load(day.most)
    time.sleep(max(0.0, day.scale.stall - (time.monotonic() - began)))
    day.over()
    day.receiver.go_on()
