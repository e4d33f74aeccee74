"""The figures that Inrush is to reach, as data: which runs of which cases are compared, and with what bound.

What is compared are runs of the same turn: a figure is the median of its ratios, one from each turn
(`estimate`). Where a turn is measured in slices, its ratio is the median of theirs: slices share their
processes and what is peculiar to them, turns do not.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perf.cases import PARSER_LINES
from perf.estimate import Estimate, estimate
from perf.sources.records import RECORDS
from perf.steps import CHANGES, FILTERS

Results = Mapping[str, Mapping[str, Any]]
# The values of a run in a turn: of its slices, one after the other, or of a run that is too short to be
# measured once.
Turn = Sequence[float]
NG = ("syslog-ng", "syslog-ng window 100,000")


@dataclass(frozen=True)
class Value:
    """One field of one run."""

    case: str
    run: str
    field: str = "rate"

    def of(self, results: Results) -> float | None:
        """Its median, when it was measured."""
        rounds = self.rounds(results)
        return statistics.median(rounds) if rounds else None

    def turns(self, results: Results) -> list[Turn]:
        """The values of each turn, in the order in which they were measured; nothing when a run has
        failed."""
        found = results.get(self.case)
        if found is None or self.run in found["failures"]:
            return []
        values = [float(one[self.field]) for one in found["rounds"].get(self.run, []) if self.field in one]
        each = found["runs"].get(self.run, {}).get("per_turn", 1)
        return [values[start : start + each] for start in range(0, len(values), each)]

    def rounds(self, results: Results) -> list[float]:
        """The median of each turn."""
        return [statistics.median(turn) for turn in self.turns(results)]


@dataclass(frozen=True)
class Pair:
    """One of ours, and those it is compared with: the best of them, as `best` says."""

    ours: Value
    theirs: tuple[Value, ...] = ()
    best: Callable[[Sequence[float]], float] = max

    def rounds(self, results: Results) -> list[float]:
        """Ours by theirs, or ours alone, turn by turn: each beside the run of its own turn, against the one
        that is best by its median."""
        if not self.theirs:
            return self.ours.rounds(results)
        ours = self.ours.turns(results)
        known = [(value.of(results), value.turns(results)) for value in self.theirs]
        medians = [median for median, _ in known if median is not None]
        if not ours or len(medians) < len(known):
            return []
        chosen = self.best(medians)
        return ratios(ours, next(turns for median, turns in known if median == chosen))

    def estimate(self, results: Results) -> Estimate | None:
        """Their median and its interval, when both were measured."""
        rounds = self.rounds(results)
        return estimate(rounds) if rounds else None

    def ratio(self, results: Results) -> float | None:
        """Their median, when both were measured."""
        found = self.estimate(results)
        return None if found is None else found.value


def ratios(ours: Sequence[Turn], theirs: Sequence[Turn]) -> list[float]:
    """One for each turn; of a turn that was interrupted there is one run too many."""
    return [ratio(mine, its) for mine, its in zip(ours, theirs)]  # noqa: B905 - an interrupted turn


def ratio(ours: Turn, theirs: Turn) -> float:
    """Of a turn: the median of the ratios of neighbours, or of the medians where one was measured more often
    than the other."""
    if len(ours) != len(theirs):
        return statistics.median(ours) / statistics.median(theirs)
    return statistics.median(mine / its for mine, its in zip(ours, theirs, strict=True))


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    title: str
    bound: float
    pairs: tuple[Pair, ...]
    unit: str = "×"
    """×, %, GB/s, M/s, µs, MiB"""
    at_most: bool = False
    spread: bool = False
    """The figure is the largest of `ours` by the smallest."""
    note: str = ""
    precision: float = 0.1
    """The most width of the interval, as a part of the median, when it is near the bound."""

    costs: bool = False
    """The processor time of both stands beside it."""

    @property
    def cases(self) -> set[str]:
        """The cases that it comes from."""
        return {value.case for pair in self.pairs for value in (pair.ours, *pair.theirs)}

    def estimate(self, results: Results) -> Estimate | None:
        """Of the worst of the pairs; None when one of them was not measured."""
        if self.spread:
            series = [(pair.ours.of(results), pair.ours.turns(results)) for pair in self.pairs]
            known = [(median, turns) for median, turns in series if median is not None]
            if len(known) < len(series):
                return None
            (_, largest), (_, smallest) = (choose(known, key=lambda one: one[0]) for choose in (max, min))
            return estimate(ratios(largest, smallest))
        found = [pair.estimate(results) for pair in self.pairs]
        estimates = [one for one in found if one is not None]
        if len(estimates) != len(found):
            return None
        worst = max if self.at_most else min
        return worst(estimates, key=lambda one: one.value)

    def measured(self, results: Results) -> float | None:
        """The median; None when something was not measured."""
        found = self.estimate(results)
        return None if found is None else found.value

    def miss(self, results: Results) -> float:
        """By which part of the bound it misses; 0 when it is met or not measured."""
        value = self.measured(results)
        return 0 if value is None or self.met(results) else abs(value / self.bound - 1)

    def met(self, results: Results) -> bool | None:
        """True when the bound is kept."""
        value = self.measured(results)
        return None if value is None else self.holds(value)

    def holds(self, value: float) -> bool:
        """True when a value keeps the bound."""
        return value <= self.bound if self.at_most else value >= self.bound

    def shown(self, value: float) -> str:
        """A value in the figure's unit."""
        if self.unit == "%":
            return f"{value * 100:.1f} %"
        scale = {"GB/s": 1e9, "M/s": 1e6}.get(self.unit, 1)
        digits = 0 if value / scale >= 100 else 2
        return f"{value / scale:,.{digits}f} {self.unit}"


def over(
    case: str, *theirs: str, ours: str = "inrush", field: str = "rate", best: Callable[..., float] = max
) -> Pair:
    """A pair within one case."""
    return Pair(Value(case, ours, field), tuple(Value(case, run, field) for run in theirs), best)


BOTH = "the better window of syslog-ng's two"


def rate_of(
    title: str, case: str, bound: float, limit: str = "", part: float = 0, cost: float = 0
) -> list[Figure]:
    """The rate by syslog-ng's, by that of a limit, and the processor time by the limit's, where they have
    bounds."""
    found = [Figure(f"{title}, by syslog-ng", bound, (over(case, "syslog-ng"),))] if bound else []
    if part:
        pairs = (over(case, limit, field="bytes_per_second"),)
        found.append(Figure(f"{title}: bytes a second by {LIMITS[limit]}", part, pairs, unit="%"))
    if cost:
        pairs = (over(case, limit, field="cpu"),)
        found.append(Figure(f"{title}: processor time a byte by {LIMITS[limit]}", cost, pairs, at_most=True))
    return found


# By the key of a run, as the title of a figure has it.
LIMITS = {
    "receive": "a C loop of recv and write",
    "copy": "a C loop of read and write",
    "send": "a C loop that sends the same",
    "post": "a plain client over one connection",
    "rustls": "rustls alone",
    "librdkafka": "librdkafka's own producer",
}
NETWORK = (
    *rate_of("`network()`, TCP, 256 B, to a file", "network_file_256", 5, "receive", 0.6, 1.5),
    *rate_of(
        "`network()`, eight TCP connections, 256 B, to a file",
        "network_eight_file_256",
        5,
        "receive",
        0.6,
        1.5,
    ),
    *rate_of("`syslog()`, TCP, RFC 5424, to a file with the default template", "syslog_default_file", 6),
    *rate_of("UDP, 256 B, to a file, at a loss of 0.01 %", "udp_file_256", 3),
    *rate_of("`file()` as source to a file, 256 B", "follow_file_256", 5, "copy", 0.6),
    *rate_of("the loop to `network()`, TCP, 256 B", "loop_tcp_256", 8, "send", 0.6, 1.5),
    *rate_of("the loop to `network()`, TLS, 256 B", "loop_tls_256", 4, "rustls", 0.7),
    *rate_of("the loop to `http()`, requests of 1,000 lines of 256 B", "loop_http_256", 5, "post", 0.6),
    *rate_of("the loop to `kafka()`, 100 B", "loop_kafka_100", 0, "librdkafka", 0.9),
    *rate_of("the loop to `kafka()`, 1,000 B", "loop_kafka_1000", 0, "librdkafka", 0.9),
    Figure(
        "the loop to `python()`, one by one, by syslog-ng",
        2,
        (over("loop_python_256", "syslog-ng"),),
    ),
    Figure(
        "the loop to `python()`, `send_batch`, by syslog-ng",
        8,
        (over("loop_python_256", "syslog-ng", "syslog-ng flush", ours="inrush send_batch"),),
        note="the better of its two: one by one, and with `flush`",
    ),
    Figure(
        "2,000 TCP connections, each of which sends a line: peak memory",
        60,
        (over("connections_2000", field="peak_mib"),),
        "MiB",
        at_most=True,
    ),
    Figure(
        "2,000 TCP connections, each of which sends a line: median latency",
        200,
        (over("connections_2000", field="p50"),),
        "µs",
        at_most=True,
    ),
    *rate_of("a collector of RFC 5424 with structured data and JSON", "collector_file", 6),
)

FIGURES = (
    Figure(
        "the loop to nothing, 23 B: time by the floor's",
        1.5,
        (over("loop_nothing_23", "floor", field="ns"),),
        at_most=True,
        note="1.25 is the aim",
    ),
    Figure("the loop to nothing, 23 B: rate by syslog-ng's", 6, (over("loop_nothing_23", *NG),), note=BOTH),
    Figure("the loop to nothing, 16 KiB `str`", 10, (over("loop_nothing_16384", *NG),), note=BOTH),
    Figure(
        "the loop to nothing, 16 KiB `bytes`",
        10,
        (over("loop_nothing_16384", "syslog-ng bytes", ours="inrush bytes"),),
    ),
    Figure("the loop to a file, `$MSG\\n`, 23 B, by syslog-ng's", 8, (over("loop_file_23", *NG),), note=BOTH),
    Figure("the same with the default template", 6, (over("loop_default_23", *NG),), note=BOTH),
    *(
        Figure(
            f"the loop to a file, {what}, {name}: bytes a second by raw write's or the floor's",
            0.85,
            (over(f"loop_{kind}_{size}", "write", "floor", field="bytes_per_second", best=min),),
            unit="%",
            note="whichever is lower",
        )
        for kind, what in (("file", "`$MSG\\n`"), ("default", "default template"))
        for size, name in ((1024, "1 KiB"), (16384, "16 KiB"))
    ),
    Figure(
        "`post_messages`, 1000 `str` of 23 B, to a file, by syslog-ng's loop",
        20,
        (over("post_messages_file_23", *NG, ours="inrush lists of 1,000"),),
        note=BOTH,
    ),
    Figure(
        "`post_buffer`, 256-byte lines, to nothing",
        5e9,
        (over("post_buffer_nothing_256", field="bytes_per_second"),),
        unit="GB/s",
    ),
    Figure(
        "`post_buffer`, 24-byte lines, to nothing: lines", 50e6, (over("post_buffer_nothing_24"),), unit="M/s"
    ),
    Figure(
        "`post_buffer`, 256-byte lines, to a file, by raw write",
        0.85,
        (over("post_buffer_file_256", "write", field="bytes_per_second"),),
        unit="%",
    ),
    Figure(
        "`acquire_buffer` and `recv_into` from TCP to a file, by a C loop",
        0.85,
        (over("stream_file_256", "receive", field="bytes_per_second"),),
        unit="%",
    ),
    Figure(
        "the same Python source, by syslog-ng's own source in C",
        3,
        (over("stream_file_256", "syslog-ng C source"),),
    ),
    *(
        Figure(f"parse and post, {form}, by syslog-ng", 4, (over(f"parse_{name}_nothing", *NG),), note=BOTH)
        for form, name in (("RFC 5424", "rfc5424"), ("RFC 3164", "rfc3164"))
    ),
    *(
        Figure(
            f"the loop through a filter to a file, 256 B, {title}, by syslog-ng",
            8,
            (over(f"loop_{name}_file_256", *NG),),
            note=BOTH,
        )
        for name, (title, _) in FILTERS.items()
    ),
    *(
        Figure(
            f"the loop to a file, 256 B, {change().title}, by syslog-ng",
            6,
            (over(f"loop_{name}_file_256", *NG),),
            note=BOTH,
        )
        for name, change in CHANGES.items()
    ),
    *(
        Figure(
            f"the loop through a parser to a file, {record.title}, by syslog-ng",
            record.bound,
            (over(f"loop_{name}_parser_file", *NG),),
            note=BOTH,
        )
        for name, record in RECORDS.items()
    ),
    Figure(
        "RFC 5424 with structured data, five of its values in a template, by syslog-ng",
        7,
        (over("parse_sdata_file", *NG),),
        note=BOTH,
    ),
    *NETWORK,
    Figure(
        "the Rust parser alone, by syslog_loose",
        3,
        tuple(over("parser_alone", f"syslog_loose {line}", ours=f"inrush {line}") for line in PARSER_LINES),
        note="the worst of six messages",
    ),
    Figure(
        "2 and 4 posting threads, by one",
        0.9,
        tuple(
            over("threads_file_23", "inrush 1 thread", ours=f"inrush {number} threads") for number in (2, 4)
        ),
        unit="%",
        note="the worse",
    ),
    Figure(
        "a busy thread beside a source that waits for credit, by its speed alone",
        0.95,
        (over("busy_thread", "inrush alone", ours="inrush beside a waiting source"),),
        unit="%",
        precision=0.05,
    ),
    *(
        Figure(
            f"{name} through Inrush: time by {name}'s own",
            1.05,
            (over(f"framework_{name.lower()}", "framework", field="ns"),),
            at_most=True,
            precision=0.05,
            costs=True,
        )
        for name in ("Flask", "Twisted", "Kafka")
    ),
    Figure(
        "latency at 1,000 a second: median", 100, (over("latency_1000", field="p50"),), "µs", at_most=True
    ),
    Figure(
        "latency at 1,000 a second: 99th percentile",
        1000,
        (over("latency_1000", field="p99"),),
        "µs",
        at_most=True,
    ),
    Figure("idle memory", 40, (over("memory_idle", field="rss_mib"),), "MiB", at_most=True),
    Figure(
        "memory with a stalled destination",
        128,
        tuple(
            over(f"memory_stalled_{size}", ours=run, field="peak_mib")
            for size in (16384, 256)
            for run in ("inrush", "inrush window 1,000,000")
        ),
        "MiB",
        at_most=True,
        note="`max-inflight-bytes()`, which is 64 MiB, and 64 MiB; the worst of both sizes and both windows",
    ),
    Figure(
        "cost per message from 10^5 to 10^8 messages: largest by smallest",
        1.1,
        tuple(over("flat_count", ours=f"inrush 10^{power}", field="post_by_floor") for power in (5, 6, 7, 8)),
        at_most=True,
        spread=True,
        precision=0.05,
    ),
    Figure(
        "cost per message from a window of 1,000 to 1,000,000: largest by smallest",
        1.1,
        tuple(
            over("flat_window", ours=f"inrush window {size:,}", field="post_by_floor")
            for size in (1000, 10_000, 100_000, 1_000_000)
        ),
        at_most=True,
        spread=True,
        precision=0.05,
    ),
)


def unsettled(results: Results) -> dict[str, Estimate]:
    """The figures of these results that more rounds would make more certain, by their titles."""
    found = {}
    for figure in FIGURES:
        one = figure.estimate(results) if figure.cases <= set(results) else None
        if one is not None and not one.certain(figure.bound, figure.precision):
            found[figure.title] = one
    return found
