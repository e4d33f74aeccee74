"""The kinds of runs that a case is made of: what each is told, and nothing of how it is measured (`measure`,
`slices`).

```text
 Kind ─┬─ Parser                 a parser alone, without a process of its own
       └─ Sourced ─┬─ Posting ─┬─            messages a second
                   │           ├─ Serving    the same, sent from outside
                   │           ├─ Following  the same, from a file
                   │           └─ Sending    the same, to a server outside
                   ├─ Datagrams  messages a second at which hardly one is lost
                   ├─ Crowd      memory of many connections, and the latency of what they send
                   ├─ Latency    from the post to the bytes in the file
                   ├─ Stalled    memory behind a destination that takes nothing
                   ├─ Idle       memory with nothing to do
                   ├─ Start      from the start of the process to the first message
                   └─ Busy       a thread that only computes, beside a source
```
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, TypeVar

Cycles = Callable[[], list[list[str]]]
K = TypeVar("K", bound="Kind")

MSG = "$MSG\\n"
DEFAULT_FORMAT = ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Each kind of run has this: one rival in one case."""

    rival: str
    """The key of `tables.LABELS`: inrush, syslog-ng, floor, queue, logging, write, receive, framework, …"""
    count: int = 1
    """Messages, all posters together."""
    variant: str = ""
    """The difference to another run of the same rival in its case."""
    unit: int = 1
    """The count is a multiple of it."""
    alone: bool = False
    """Measured once in a turn, for itself, where the others are measured in slices."""
    per_turn: int = 1
    """Measurements in a turn, where its runs are much shorter than the others'; their median is the
    turn's."""

    by_count: ClassVar[bool] = False
    """A trial with fewer messages is possible."""
    fifo: ClassVar[bool] = False
    """Its destination is a FIFO that nobody reads."""

    @property
    def key(self) -> str:
        """Its name within the case."""
        return f"{self.rival} {self.variant}".strip()

    def scaled(self: K, factor: float) -> K:
        """The same with another number of messages, which stays a multiple of the unit."""
        return replace(self, count=max(1, round(self.count * factor / self.unit)) * self.unit)


@dataclass(frozen=True, kw_only=True)
class Parser(Kind):
    """A parser in Rust with the line that the variant names."""


@dataclass(frozen=True, kw_only=True)
class Sourced(Kind):
    """A process with a source in it."""

    source: str
    """A Python class by its full name, or a driver of syslog-ng's own, written out."""
    spec: dict[str, object] = field(default_factory=dict)
    """The orders of the class."""
    cycles: Cycles = list
    """The texts of each poster in order, as they must arrive."""
    template: str = MSG
    """Of the file; DEFAULT_FORMAT for the default one."""
    nothing: bool = False
    """A log path without a destination."""
    driver: str = ""
    """More options of the source's driver."""
    steps: str = ""
    """The steps of the log path between the source and the destination, written out."""
    sources: int = 1
    modules: tuple[str, ...] = ()
    """The modules that a syslog-ng must have for it."""
    unit: int = 1000

    @property
    def native(self) -> bool:
        """True for a source that is one of an engine's own drivers, and not a Python class."""
        return "(" in self.source


@dataclass(frozen=True, kw_only=True)
class Posting(Sourced):
    """A source that posts as fast as it can. Its warm-up writes a file all the same, so that the content is
    checked."""

    line: int = 0
    """Bytes of a message that count for bytes a second: with its newline where one is written."""
    check_template: str = MSG
    """Of the file that the warm-up writes when the run itself writes none."""

    by_count: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Serving(Posting):
    """A source that gets its messages from outside."""

    load: Literal["stream", "flask", "kafka"]
    """The sender; of a stream there is a connection for each cycle."""
    sent: Cycles | None = None
    """The bytes that a stream's connections send for each message, where they are not the line that arrives."""


@dataclass(frozen=True, kw_only=True)
class Following(Posting):
    """A source that reads a file, `in.log` of its directory, which comes into its place with all lines in it."""


@dataclass(frozen=True, kw_only=True)
class Sending(Posting):
    """A source whose messages go to a server outside, which compares them."""

    destination: str
    """The driver, written out, with {port} and {directory}."""
    server: Literal["stream", "tls", "http", "kafka", "object"]
    """The far end; `object` is one in Python within the engine."""


@dataclass(frozen=True, kw_only=True)
class Datagrams(Sourced):
    """A source of datagrams: the rate at which at most LOSS of them are lost. The count is the rate to begin
    with."""

    line: int = 0
    """Bytes of a message."""

    by_count: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Crowd(Sourced):
    """A source with as many connections as messages: all are idle, then each sends a line."""


@dataclass(frozen=True, kw_only=True)
class Latency(Sourced):
    """A source that posts so many a second."""

    by_count: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Stalled(Sourced):
    """A source that posts to a destination that takes nothing."""

    fifo: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Idle(Sourced):
    """A source that does nothing."""


@dataclass(frozen=True, kw_only=True)
class Start(Sourced):
    """A source that posts one message at once."""


@dataclass(frozen=True, kw_only=True)
class Busy(Sourced):
    """A thread that computes, alone or beside a source that waits for credit (`beside` in its spec)."""

    fifo: ClassVar[bool] = True


Run = (
    Parser
    | Posting
    | Serving
    | Following
    | Sending
    | Datagrams
    | Crowd
    | Latency
    | Stalled
    | Idle
    | Start
    | Busy
)
"""All kinds: where they are told apart, the type checker says which one is forgotten."""


@dataclass(frozen=True)
class Case:
    """Runs that are compared with each other."""

    name: str
    theme: str
    title: str
    runs: tuple[Run, ...]
    metric: str = "ns"
    """The first column of its table: ns, bytes, latency, memory, start, rate, parser, flat."""
    needs: tuple[str, ...] = ()
    """Modules that must be there."""
    slices: int = 0
    """In a turn all processes live at the same time, and one after the other does its count of messages, so
    many times each; 0: one process after the other, and so are those that are `alone`."""
    turns: int = 0
    """The fewest turns, where more are needed than elsewhere."""
