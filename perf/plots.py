"""The plots, as SVG: on white, so that they are readable on light and dark pages."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Results = dict[str, dict[str, Any]]
# Told apart by people who do not see red and green, too.
COLOURS = {
    "inrush": "#0b5fa5",
    "inrush 2": "#7ab6e8",
    "syslog-ng": "#d9730d",
    "syslog-ng 2": "#f3b27a",
    "queue": "#7a6ea8",
    "logging": "#b9b0d8",
    "limit": "#8a8a8a",
    "limit 2": "#bdbdbd",
}
SIZES = (23, 256, 1024, 16384)
SIZE_NAMES = ("23 B", "256 B", "1 KiB", "16 KiB")
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


class Measured:
    """A median with its quartiles."""

    def __init__(self, values: Sequence[float]) -> None:
        several = values if len(values) > 1 else [*values] * 2
        self.low, self.median, self.high = statistics.quantiles(several, n=4, method="inclusive")


def draw(found: Results, directory: Path) -> list[tuple[str, str]]:
    """Draws all plots for which there is something; returns file names and titles."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {
            "svg.hashsalt": "inrush",
            "svg.fonttype": "path",
            "font.family": "DejaVu Sans",
            "font.size": 11,
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
        }
    )
    import matplotlib.pyplot as plt

    directory.mkdir(parents=True, exist_ok=True)
    all_plots: list[tuple[str, str, Callable[[Results], Any]]] = [
        ("loop.svg", "Messages a second to a file, by size and rival", loop),
        ("floor.svg", "Time a message against the floor", floor),
        ("buffers.svg", "Lists, buffers and streams: bytes a second", buffers),
        ("latency.svg", "Latency from the post to the bytes in the file", latency),
        ("memory.svg", "Memory, idle and with a stalled destination", memory),
        ("flat.svg", "Time a message over the number of messages and the window", flat),
    ]
    drawn = []
    for name, title, plot in all_plots:
        figure = plot(found)
        if figure is None:
            (directory / name).unlink(missing_ok=True)
            continue
        figure.savefig(directory / name, metadata={"Date": None})
        plt.close(figure)
        drawn.append((name, title))
    return drawn


def values(found: Results, case: str, key: str, field: str, scale: float = 1) -> Measured | None:
    """The values of one run."""
    rounds = found.get(case, {}).get("rounds", {}).get(key, [])
    known = [one[field] / scale for one in rounds if field in one]
    return Measured(known) if known else None


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained")
    return figure, axes


def _bars(
    axes: Any, place: float, width: float, one: Measured, colour: str, label: str | None, text: str = ""
) -> None:
    """One bar with its whiskers."""
    axes.bar(place, one.median, width * 0.92, color=colour, label=label)
    spread = [[one.median - one.low], [one.high - one.median]]
    axes.errorbar(place, one.median, yerr=spread, fmt="none", ecolor="#222222", elinewidth=1, capsize=2)
    if text:
        axes.annotate(
            text,
            (place, one.high),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color="#222222",
        )


def _short(value: float) -> str:
    """A number for a label."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def _grouped(
    axes: Any,
    groups: Sequence[str],
    series: Sequence[tuple[str, str, Sequence[Measured | None]]],
    *,
    text: bool = True,
) -> None:
    """Bars in groups, one of each series, those that are missing left out."""
    width = 0.84 / len(series)
    for number, (label, colour, ones) in enumerate(series):
        shown = False
        for group, one in enumerate(ones):
            if one is not None:
                place = group + (number - (len(series) - 1) / 2) * width
                _bars(
                    axes,
                    place,
                    width,
                    one,
                    COLOURS[colour],
                    None if shown else label,
                    _short(one.median) if text else "",
                )
                shown = True
    axes.set_xticks(range(len(groups)), groups)
    axes.grid(visible=False, axis="x")


def _log(axes: Any, label: str) -> None:
    """A logarithmic axis with numbers that people read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    heights, highest = [bar.get_height() for bar in axes.patches], axes.dataLim.y1
    heights = heights or [axes.dataLim.y0]
    axes.set_yscale("log")
    if min(heights) > 0:
        # From a power of ten on, with room for the numbers above the bars.
        axes.set_ylim(10.0 ** math.floor(math.log10(min(heights) * 0.999)), highest * 1.6)
    axes.yaxis.set_major_locator(LogLocator(10))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(label)


def loop(found: Results) -> Any:
    """The loop to a file, by size and rival."""
    series: list[tuple[str, str, list[Measured | None]]] = [
        (label, colour, [values(found, f"loop_file_{size}", key, "rate") for size in SIZES])
        for key, label, colour in (
            ("inrush", "Inrush", "inrush"),
            ("syslog-ng", "syslog-ng", "syslog-ng"),
            ("syslog-ng window 100,000", "syslog-ng, window 100,000", "syslog-ng 2"),
            ("queue", "queue.Queue and a thread", "queue"),
            ("logging", "logging with a queue", "logging"),
        )
    ]
    series = [one for one in series if any(one[2])]
    if not series:
        return None
    figure, axes = _figure(10, 4.8)
    _grouped(axes, SIZE_NAMES, series)
    _log(axes, "messages a second (log scale)")
    axes.set_xlabel("size of a message")
    axes.set_title("The documentation's loop to a file: median and quartiles", loc="left", fontsize=12)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9.5)
    return figure


def floor(found: Results) -> Any:
    """Nanoseconds a message of the loop, to nothing, beside the floor."""
    series: list[tuple[str, str, list[Measured | None]]] = [
        (label, colour, [values(found, f"{case}_{size}", key, "ns") for size in SIZES])
        for case, key, label, colour in (
            ("loop_nothing", "floor", "the floor: a C type that does nothing", "limit"),
            ("loop_nothing", "inrush", "Inrush, to nothing", "inrush"),
            ("loop_file", "inrush", "Inrush, to a file", "inrush 2"),
            ("loop_nothing", "syslog-ng", "syslog-ng, to nothing", "syslog-ng"),
            ("loop_file", "syslog-ng", "syslog-ng, to a file", "syslog-ng 2"),
        )
    ]
    series = [one for one in series if any(one[2])]
    if not series:
        return None
    figure, axes = _figure(10, 4.8)
    _grouped(axes, SIZE_NAMES, series)
    _log(axes, "ns a message (log scale)")
    axes.set_xlabel("size of a message")
    axes.set_title("Time a message, less is better: median and quartiles", loc="left", fontsize=12)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9.5)
    return figure


def buffers(found: Results) -> Any:
    """Bytes a second of what takes many lines in one call."""
    groups = (
        (
            "post_messages\n256 B, to a file",
            "post_messages_file_256",
            "inrush lists of 1,000",
            ("write", "raw write"),
        ),
        ("post_buffer\n24 B, to nothing", "post_buffer_nothing_24", "inrush", None),
        ("post_buffer\n24 B, to a file", "post_buffer_file_24", "inrush", ("write", "raw write")),
        ("post_buffer\n256 B, to nothing", "post_buffer_nothing_256", "inrush", None),
        ("post_buffer\n256 B, to a file", "post_buffer_file_256", "inrush", ("write", "raw write")),
        ("TCP, recv_into\n256 B, to a file", "stream_file_256", "inrush", ("receive", "C loop")),
    )
    present = [group for group in groups if values(found, group[1], group[2], "bytes_per_second")]
    if not present:
        return None
    figure, axes = _figure(10, 4.8)
    names: set[str] = set()
    for place, (_, case, key, limit) in enumerate(present):
        bars = [("Inrush", "inrush", key)]
        if limit:
            bars.append((limit[1], "limit" if limit[0] == "write" else "limit 2", limit[0]))
        if case == "stream_file_256":
            bars.append(("syslog-ng's source in C", "syslog-ng", "syslog-ng C source"))
        width = 0.27
        for number, (label, colour, run) in enumerate(bars):
            one = values(found, case, run, "bytes_per_second", 1e9)
            if one is None:
                continue
            at = place + (number - (len(bars) - 1) / 2) * width
            _bars(
                axes, at, width, one, COLOURS[colour], None if label in names else label, f"{one.median:.3g}"
            )
            names.add(label)
    axes.set_xticks(range(len(present)), [group[0] for group in present], fontsize=9.5)
    axes.set_ylabel("GB a second")
    axes.set_title("Many lines in one call: median and quartiles", loc="left", fontsize=12)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9.5)
    return figure


def latency(found: Results) -> Any:
    """Percentiles at both rates."""
    present = [rate for rate in (1000, 100_000) if values(found, f"latency_{rate}", "inrush", "p50")]
    if not present:
        return None
    figure, every = _figure(10, 4.6, 2)
    for axes, rate in zip(every, (1000, 100_000), strict=True):
        for key, label, colour, marker in (
            ("inrush", "Inrush", "inrush", "o"),
            ("syslog-ng", "syslog-ng", "syslog-ng", "s"),
            ("syslog-ng window 100,000", "syslog-ng, window 100,000", "syslog-ng 2", "D"),
            ("plain write", "write(2) for each message", "limit", "^"),
        ):
            ones = [values(found, f"latency_{rate}", key, name) for name in PERCENTILES]
            known = [one for one in ones if one is not None]
            if len(known) < len(PERCENTILES):
                continue
            middle = [one.median for one in known]
            spread = [[one.median - one.low for one in known], [one.high - one.median for one in known]]
            axes.errorbar(
                range(len(PERCENTILES)),
                middle,
                yerr=spread,
                color=COLOURS[colour],
                marker=marker,
                markersize=5,
                linewidth=1.8,
                elinewidth=1,
                capsize=3,
                label=label if axes is every[0] else None,
            )
        axes.set_xticks(range(len(PERCENTILES)), ["median", "90 %", "99 %", "99.9 %", "worst"])
        _log(axes, "µs from post to file (log scale)" if axes is every[0] else "")
        axes.margins(x=0.08)
        axes.set_title(f"{rate:,} messages a second", loc="left", fontsize=12)
    # The same scale for both, so that they can be compared.
    limits = [axes.get_ylim() for axes in every if axes.lines or axes.containers]
    for axes in every:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9.5)
    return figure


def memory(found: Results) -> Any:
    """Resident memory."""
    groups = (
        ("idle", "memory_idle", "rss_mib", ("inrush", None, "syslog-ng", None)),
        (
            "stalled destination,\n16 KiB messages",
            "memory_stalled_16384",
            "peak_mib",
            ("inrush", "inrush window 1,000,000", "syslog-ng", "syslog-ng window 100,000"),
        ),
        (
            "stalled destination,\n256-byte messages",
            "memory_stalled_256",
            "peak_mib",
            ("inrush", "inrush window 1,000,000", "syslog-ng", "syslog-ng window 100,000"),
        ),
        (
            "the loop to a file,\n23-byte messages",
            "loop_file_23",
            "peak_mib",
            ("inrush", "inrush window 1,000,000", "syslog-ng", "syslog-ng window 100,000"),
        ),
    )
    labels = ("Inrush", "Inrush, window 1,000,000", "syslog-ng", "syslog-ng, window 100,000")
    colours = ("inrush", "inrush 2", "syslog-ng", "syslog-ng 2")
    series: list[tuple[str, str, list[Measured | None]]] = [
        (
            label,
            colour,
            [
                None if keys[i] is None else values(found, case, str(keys[i]), field)
                for _, case, field, keys in groups
            ],
        )
        for i, (label, colour) in enumerate(zip(labels, colours, strict=True))
    ]
    if not any(any(one[2]) for one in series):
        return None
    figure, axes = _figure(10, 4.6)
    _grouped(axes, [group[0] for group in groups], series)
    _log(axes, "MiB (log scale)")
    axes.set_title("Resident memory, less is better: median and quartiles", loc="left", fontsize=12)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9.5)
    return figure


def flat(found: Results) -> Any:
    """Time a message over the number of messages and over the window."""
    parts = (
        ("flat_count", "messages", [(f"inrush 10^{power}", 10.0**power) for power in (5, 6, 7, 8)]),
        (
            "flat_window",
            "window, log-iw-size()",
            [(f"inrush window {size:,}", float(size)) for size in (1000, 10_000, 100_000, 1_000_000)],
        ),
    )
    if not any(values(found, name, key, "post_by_floor") for name, _, points in parts for key, _ in points):
        return None
    figure, every = _figure(10, 4.2, 2)
    highest = 0.0
    for axes, (name, label, points) in zip(every, parts, strict=True):
        known = [(x, one) for key, x in points if (one := values(found, name, key, "post_by_floor"))]
        if known:
            middle = [one.median for _, one in known]
            axes.axhspan(min(middle), min(middle) * 1.1, color="#dbe9f5", label="within 10 %", linewidth=0)
            spread = [[one.median - one.low for _, one in known], [one.high - one.median for _, one in known]]
            axes.errorbar(
                [x for x, _ in known],
                middle,
                yerr=spread,
                color=COLOURS["inrush"],
                marker="o",
                capsize=3,
                linewidth=1.8,
            )
            highest = max(highest, *(one.high for _, one in known))
            axes.legend(loc="lower right", frameon=False)
        axes.set_xscale("log")
        axes.set_xlabel(f"{label} (log scale)")
        axes.set_ylabel("time a message, by the floor's" if axes is every[0] else "")
    for axes in every:
        axes.set_ylim(0, highest * 1.15)
    figure.suptitle(
        "The loop to nothing, 23 bytes: time a message by the floor's, measured in the same thread",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    return figure
