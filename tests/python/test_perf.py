"""The harness of `make perf`: what it accepts as measured, what it refuses, and that its pages say what the
results say."""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from perf import (
    cases,
    datagrams,
    environment,
    estimate,
    figures,
    kafka,
    kinds,
    loops,
    measure,
    processors,
    report,
    rivals,
    run,
    slices,
    tables,
    verify,
)
from perf.processes import Process, RunError

K = TypeVar("K", bound=kinds.Kind)
ENVIRONMENT = {
    "date": "2026-11-22 10:00 UTC",
    "commit": "abc",
    "cpu": "a CPU",
    "cores": "2",
    "interpreter": "CPython 3.11.2 (/x)",
}
LINES = [f"{number:03d} some text" for number in range(10)]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs in C, for this interpreter."""
    if not Path(environment.include_directory(), "Python.h").exists():
        minor = sys.version_info[1]
        pytest.skip(f"the floor needs Python.h: apt install libpython3.{minor}-dev")
    build = tmp_path_factory.mktemp("native")
    environment.compile_programs(Path(sys.executable), build)
    return build


@pytest.fixture
def tools(programs: Path) -> Iterator[environment.Toolbox]:
    """The tools without syslog-ng, working in a directory whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory() as work:
        yield environment.Toolbox(Path(sys.executable), programs, Path(work))


def written(path: Path, lines: list[str], end: str = "\n") -> Path:
    """A file with these lines."""
    path.write_text("\n".join(lines) + end)
    return path


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (
            LINES[:7] + LINES[8:] + LINES,
            r"19 lines of 20, 1 missing; .*line 8 is b'008 some text', expected b'007",
        ),
        (LINES + LINES + LINES[:1], r"21 lines of 20, 1 too many"),
        (
            [LINES[1], LINES[0], *LINES[2:], *LINES],
            r"20 lines of 20; .*line 1 is .*2 lines in the wrong place",
        ),
        (LINES + [*LINES[:9], "009 some tixt"], r"line 20 is b'009 some tixt'.*1 lines that were never sent"),
    ],
    ids=["missing", "too many", "order", "bytes"],
)
def test_wrong_content_is_refused_by_name(tmp_path: Path, lines: list[str], complaint: str) -> None:
    """Without it: a rival, or Inrush, that loses, repeats, swaps or damages messages gets a figure for it."""
    good = written(tmp_path / "good", LINES * 2)
    verify.repeated(good, LINES, 20)
    with pytest.raises(verify.WrongContentError, match=complaint):
        verify.repeated(written(tmp_path / "bad", lines), LINES, 20)

    date = "Nov 22 10:00:00 host "
    verify.prefixed(written(tmp_path / "good", [date + line for line in LINES * 2]), LINES, 20)
    with pytest.raises(verify.WrongContentError, match=complaint):
        verify.prefixed(written(tmp_path / "bad", [date + line for line in lines]), LINES, 20)


def test_torn_line_is_refused(tmp_path: Path) -> None:
    """Without it: a last line that was not written to its end counts."""
    with pytest.raises(verify.WrongContentError, match="the last line has no end"):
        verify.repeated(written(tmp_path / "torn", LINES * 2, end=""), LINES, 20)


def test_default_template_needs_date_and_host(tmp_path: Path) -> None:
    """Without it: an engine that writes less than the default template is measured as if it wrote it."""
    with pytest.raises(verify.WrongContentError, match="no date and host"):
        verify.prefixed(written(tmp_path / "file", LINES), LINES, 10)


def test_latency_counts_only_what_is_right(tmp_path: Path) -> None:
    """Without it: latency is reported of lines that are damaged, lost or out of order."""
    good = [f"{number:019d} filler" for number in range(10)]
    verify.stamped(written(tmp_path / "file", good), "filler", 10)
    for lines, complaint in (
        (good[:9], "9 lines of 10"),
        ([*good[:3], good[4], good[3], *good[5:]], "line 5 is"),
        ([*good[:9], good[9] + "x"], "line 10 is"),
    ):
        with pytest.raises(verify.WrongContentError, match=complaint):
            verify.stamped(written(tmp_path / "file", lines), "filler", 10)


def test_order_is_checked_for_each_poster(tmp_path: Path) -> None:
    """Without it: several threads could overtake themselves unseen."""
    cycles = [[f"{poster} {number}" for number in range(3)] for poster in range(2)]
    path = tmp_path / "file"
    verify.interleaved(written(path, ["1 0", "0 0", "0 1", "1 1", "1 2", "0 2"]), cycles, 6)
    for lines, complaint in (
        (["0 0", "0 2", "0 1", "1 0", "1 1", "1 2"], "message 2 of poster 0 is b'0 2', expected b'0 1'"),
        (["0 0", "0 1", "0 2", "1 0", "1 1"], "poster 1: 2 messages of 3"),
        (["0 0", "7 7"], "line 2 is of no poster"),
    ):
        with pytest.raises(verify.WrongContentError, match=complaint):
            verify.interleaved(written(path, lines), cycles, 6)


def test_datagrams_are_counted_by_their_gaps(tmp_path: Path) -> None:
    """Without it: an engine that loses datagrams itself, doubles or swaps them, has a rate at which none is
    lost."""
    path = tmp_path / "file"
    assert verify.gapped(written(path, LINES * 2), LINES, 20) == 0
    assert verify.gapped(written(path, [*LINES[1:], *LINES[:4], *LINES[6:9]]), LINES, 20) == 4
    assert verify.gapped(written(path, LINES), LINES, 20) == 10
    for lines, complaint in (
        ([*LINES, LINES[9], *LINES[1:]], "not in order, or doubled"),
        ([LINES[1], LINES[0], *LINES[2:], *LINES], "not in order, or doubled"),
        ([*LINES, "010 some text"], "line 11 was never sent"),
    ):
        with pytest.raises(verify.WrongContentError, match=complaint):
            verify.gapped(written(path, lines), LINES, 20)


def test_lines_of_many_connections_are_all_there(tmp_path: Path) -> None:
    """Without it: a connection whose line was lost, doubled or damaged has a latency."""
    path, good = tmp_path / "file", [f"{number:019d} filler" for number in (3, 1, 2)]
    verify.scattered(written(path, good), "filler", 3)
    for lines, complaint in (
        (good[:2], "2 lines of 3"),
        ([*good[:2], good[0]], "line 3 is"),
        ([*good[:2], good[2] + "x"], "line 3 is"),
    ):
        with pytest.raises(verify.WrongContentError, match=complaint):
            verify.scattered(written(path, lines), "filler", 3)


@pytest.mark.parametrize("case", ["loop_tcp_256", "loop_http_256", "loop_python_256"])
def test_a_far_end_refuses_what_was_not_sent(tools: environment.Toolbox, case: str) -> None:
    """Without it: whatever arrives at a server is as good as what was sent."""
    one = one_run(kinds.Sending, case, "inrush")
    # The source posts another size than the far end expects; an object in the engine knows only the spec.
    wrong = one.spec if one.server != "object" else {**one.spec, "record": "kv"}
    other = replace(one, spec=wrong, cycles=lambda: [list(reversed(loops.plain(255)[0]))])
    with pytest.raises(RunError, match=r"ended with|is not what was sent"):
        measure.measure(other, tools)


def test_rates_are_narrowed_down(tools: environment.Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it: the rate of datagrams is the last one that was tried, or one that loses some."""
    tried: list[float] = []

    def trial(*words: Any) -> datagrams.Trial:
        tried.append(words[-1])
        lost = 0 if words[-1] < 300_000 else 50
        return datagrams.Trial(100_000, words[-1], lost, 1)

    monkeypatch.setattr(datagrams, "trial", trial)
    paced = one_run(kinds.Datagrams, "udp_file_256", "inrush")
    for first in (1000, 100_000, 290_000, 2_000_000):
        found = datagrams.highest(replace(paced, count=first), Any, 0, Any)  # type: ignore[arg-type]
        assert found.passes
        assert 300_000 / datagrams.NARROW <= found.rate < 300_000


def short(name: str, *keys: str) -> kinds.Case:
    """A case with few messages, and these of its runs."""
    case = next(case for case in cases.all_cases() if case.name == name)
    runs = [one.scaled(0.0) for one in case.runs if one.key in keys]
    assert [one.key for one in runs] == list(keys)
    return replace(case, runs=tuple(runs))


def of_kind(kind: type[K], one: kinds.Run) -> K:
    """The run, which is of this kind."""
    assert isinstance(one, kind)
    return one


def one_run(kind: type[K], name: str, key: str) -> K:
    """One run of a case, of a kind, with few messages."""
    return of_kind(kind, short(name, key).runs[0])


def in_turn(name: str, *keys: str) -> kinds.Case:
    """The same, one process after the other."""
    return replace(short(name, *keys), slices=0)


def test_a_case_is_measured_and_rendered(tools: environment.Toolbox, tmp_path: Path) -> None:
    """Without it: nothing shows that a run, its result and its page fit together."""
    keys = ("floor", "write", "inrush", "queue", "logging")
    results = tmp_path / "results"
    results.mkdir()
    plan = run.Plan(tools, [short("loop_file_23", *keys)], rounds=2, results=results)
    plan.measure()
    assert plan.failures == []
    found = report.load(results)["loop_file_23"]
    for key in keys:
        rounds = found["rounds"][key]
        assert len(rounds) >= 2
        for one in rounds:
            assert one["count"] == 1000
            assert one["ns"] == pytest.approx(1e9 / one["rate"], rel=1e-4)
            assert one["cpu"] > 0
            assert one["peak_mib"] > 0
    page = report.theme_page("loop", "The loop", [found])
    for row in (
        "**Inrush**",
        "_the floor_",
        "queue.Queue and a thread",
        "logging with a queue",
        "_raw write_",
    ):
        assert f"| {row} | " in page
    for key in ("commit", "cpu", "kernel", "rustc", "interpreter", "inrush"):
        assert f"| {key} | {found['environment'][key]} |" in page


@pytest.mark.parametrize(
    ("case", "key"),
    [
        ("loop_nothing_256", "inrush"),
        ("loop_default_23", "inrush"),
        ("post_messages_file_23", "inrush lists of 100"),
        ("post_buffer_file_24", "inrush"),
        ("stream_file_256", "inrush"),
        ("stream_file_256", "receive"),
        ("parse_rfc5424_nothing", "inrush"),
        ("parse_rfc3164_nothing", "inrush"),
        ("values_file_23", "inrush"),
        ("threads_file_23", "inrush 4 threads"),
        ("sources_file_23", "inrush 8 sources"),
        ("framework_flask", "inrush"),
        ("framework_twisted", "framework"),
        ("framework_twisted", "inrush"),
        ("latency_1000", "inrush"),
        ("start_first", "inrush"),
        ("network_file_256", "inrush"),
        ("network_eight_file_256", "receive"),
        ("network_eight_file_256", "inrush"),
        ("syslog_default_file", "inrush"),
        ("collector_file", "inrush"),
        ("udp_file_256", "inrush"),
        ("follow_file_256", "copy"),
        ("follow_file_256", "inrush"),
        ("loop_tcp_256", "send"),
        ("loop_tcp_256", "inrush"),
        ("loop_http_256", "post"),
        ("loop_http_256", "inrush"),
        ("loop_python_256", "inrush"),
        ("loop_python_256", "inrush send_batch"),
        ("connections_2000", "inrush"),
    ],
)
def test_what_inrush_delivers_passes(tools: environment.Toolbox, case: str, key: str) -> None:
    """Without it: a case is found broken only when all of them are measured."""
    only = one_run(kinds.Sourced, case, key)
    if isinstance(only, kinds.Latency):
        only = replace(only, count=50)
    assert isinstance(only, kinds.Run)
    result = measure.measure(only, tools)
    assert all(value >= 0 for value in result.values()), result
    if isinstance(only, kinds.Posting) and only.nothing:
        # Once more with a file, as the warm-up does, so that the content is looked at.
        measure.measure(only, tools, warm_up=True)


def test_a_run_that_loses_messages_fails(tools: environment.Toolbox) -> None:
    """Without it: the engine's word is taken for what stands in the file."""
    one = one_run(kinds.Posting, "loop_file_23", "inrush")
    other = replace(one, cycles=lambda: [list(reversed(loops.plain(23)[0]))])
    with pytest.raises(
        verify.WrongContentError, match=r"1,000 lines of 1,000; .*1,000 lines in the wrong place"
    ):
        measure.measure(other, tools)


def test_a_source_that_raises_is_told(tools: environment.Toolbox) -> None:
    """Without it: a rival that cannot run at all holds up the measurement for minutes, and nobody knows
    why."""
    one = replace(one_run(kinds.Posting, "loop_file_23", "floor"), spec={})
    with pytest.raises(RunError, match=r"(?s)ended with 1.*KeyError: 'size'"):
        measure.measure(one, tools)
    assert list(tools.work.iterdir()) == []


def test_no_process_is_left(tools: environment.Toolbox) -> None:
    """Without it: an interrupted measurement leaves engines behind, which disturb the next."""
    started: list[Process] = []

    def interrupted() -> None:
        with rivals.place(tools) as here:
            started.append(rivals.start(one_run(kinds.Idle, "memory_idle", "inrush"), here))
            started.append(here.start("sleep", ["sleep", "1000"]))
            here.wait("done", 30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for process in started:
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


def test_noisy_rounds_are_repeated_and_all_kept(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: somebody could choose the round that he likes, or end when he likes the figure."""
    series: list[tuple[list[float], float, int]] = [
        # One round is far from the others: of ten, one on each side lies outside of the interval.
        ([100.0] * 5 + [160.0] + [100.0] * 4, 90, 10),
        # Near the bound and apart: as many as there may be.
        ([140, 160] * 20, 100, run.MOST),
        # Near the bound, but always the same.
        ([149.0] * 40, 100, run.ROUNDS),
    ]
    for number, (ours, floor, expected) in enumerate(series):
        times = {"inrush": iter([1.0, *ours]), "floor": iter([1.0, *[floor] * 40])}

        def measured(one: kinds.Run, *_: object, times: Any = times, **__: object) -> dict[str, float]:
            return {"ns": next(times[one.rival])}

        monkeypatch.setattr(run, "measure", measured)
        results = tmp_path / str(number)
        results.mkdir()
        run.Plan(tools, [in_turn("loop_nothing_23", "floor", "inrush")], results=results).measure()
        rounds = report.load(results)["loop_nothing_23"]["rounds"]
        assert [one["ns"] for one in rounds["inrush"]] == ours[:expected]
        assert len(rounds["floor"]) == expected


def test_time_ends_the_repetition(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: one figure that never becomes certain keeps the whole from ending."""
    ours, now = iter([1.0, *[140.0, 160.0] * 20]), iter(range(0, 100_000, 4))
    monkeypatch.setattr(
        run, "measure", lambda one, *_, **__: {"ns": 100.0 if one.rival == "floor" else next(ours)}
    )
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    run.Plan(tools, [in_turn("loop_nothing_23", "floor", "inrush")], results=tmp_path).measure()
    rounds = report.load(tmp_path)["loop_nothing_23"]["rounds"]["inrush"]
    assert run.ROUNDS <= len(rounds) < run.MOST


def test_every_other_turn_goes_backwards(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: on a machine that gets slower from minute to minute, the first rival of a turn wins."""
    seen: list[str] = []

    def measured(one: kinds.Run, *_: object, **__: object) -> dict[str, float]:
        seen.append(one.key)
        return {"ns": 100.0 + len(seen)}

    monkeypatch.setattr(run, "measure", measured)
    keys = ["floor", "inrush", "syslog-ng"]
    case = in_turn("loop_nothing_23", *keys)
    ng = environment.SyslogNg("syslog-ng", Path("/x"), "3")
    run.Plan(replace(tools, syslog_ngs=(ng,)), [case], rounds=3, results=tmp_path).measure()
    assert seen == keys + keys + keys[::-1] + keys


def test_short_runs_make_one_round_together(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: one run of five milliseconds is compared with one of five seconds."""
    case = short("flat_count", "inrush 10^5", "inrush 10^8")
    order = iter([0.0, 0.0, 1.0, 2.0, 9.0, 1.5, 1.0, 2.0, 3.0, 1.0, 1.0, 8.0, 3.0, 3.0])
    monkeypatch.setattr(run, "measure", lambda *_, **__: {"post_by_floor": next(order)})
    run.Plan(tools, [case], rounds=2, results=tmp_path).measure()
    found = report.load(tmp_path)
    assert figures.Value("flat_count", "inrush 10^5", "post_by_floor").rounds(found) == [1.5, 3.0]
    assert figures.Value("flat_count", "inrush 10^8", "post_by_floor").rounds(found) == [2.0, 3.0]
    assert len(found["flat_count"]["rounds"]["inrush 10^5"]) == 10


def test_slices_make_one_value_of_a_turn() -> None:
    """Without it: ten slices of one pair of processes are ten witnesses, and what is peculiar to the pair is
    taken for certain."""
    ours = [[2.0, 4.0, 9.0], [3.0, 3.0, 3.0]]
    found = {"loop_nothing_23": result("loop_nothing_23", {"inrush": [], "floor": []})}
    case = found["loop_nothing_23"]
    for key, turns in (("inrush", ours), ("floor", [[1.0, 4.0, 3.0], [1.0, 2.0, 3.0]])):
        case["rounds"][key] = [{"ns": value} for turn in turns for value in turn]
        case["runs"][key]["per_turn"] = 3
    figure = next(one for one in figures.FIGURES if one.pairs[0].ours.case == "loop_nothing_23")
    # The ratios of the slices are 2, 1, 3 and 3, 1.5, 1.
    assert figure.pairs[0].rounds(found) == [2.0, 1.5]
    one = figure.estimate(found)
    assert one is not None
    assert (one.value, one.count, one.smallest, one.largest) == (1.75, 2, 1.5, 2.0)
    assert run.described(short("loop_nothing_23", "inrush"))["inrush"]["per_turn"] == loops.SLICES
    # Where one is measured more often than the other, no slice has a neighbour.
    assert figures.ratios(ours, [[2.0], [1.0]]) == [2.0, 3.0]


def test_the_interval_encloses_the_median() -> None:
    """Without it: an interval stands on the page that is not what it says."""
    assert [estimate.enclosing(count) for count in (5, 6, 8, 9, 12, 15, 30)] == [0, 1, 1, 2, 3, 4, 10]
    one = estimate.estimate([9.0, 1.0, 5.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0])
    assert (one.value, one.low, one.high, one.smallest, one.largest, one.count) == (5, 2, 8, 1, 9, 9)
    assert math.isinf(estimate.estimate([1.0] * 5).width)
    chance = random.Random(1)
    for count in (6, 9, 15, 24):
        draws = [
            estimate.estimate([chance.choice((1, 1.7)) * chance.gauss(1, 0.02) for _ in range(count)])
            for _ in range(2000)
        ]
        # The true median of this mixture lies in the gap between its halves.
        assert sum(one.low <= 1.35 <= one.high for one in draws) >= 0.94 * len(draws)


def test_when_a_figure_is_certain() -> None:
    """Without it: rounds are repeated without need, or not where a bound is near."""
    narrow = estimate.estimate([1.0, 1.01, 1.02, 1.03, 1.04, 1.05])
    wide = estimate.estimate([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    assert narrow.certain(1.02, 0.1)
    assert not narrow.certain(1.02, 0.04)
    assert narrow.certain(1.2, 0.04)
    assert not wide.certain(1.3, 0.1)
    assert not wide.certain(1.9, 0.1)
    assert wide.certain(2.1, 0.1)
    assert wide.certain(0.4, 0.1)
    assert not estimate.estimate([1.0] * 5).certain(100, 0.1)
    assert wide.decides(0.9)
    assert not wide.decides(1.1)


def test_pairs_see_through_a_machine_of_two_speeds() -> None:
    """Without it: nothing shows why a figure is a median of ratios, and not a ratio of medians."""
    chance = random.Random(3)

    def turns(count: int) -> tuple[list[float], list[float]]:
        """Two runs of 0.4 s each, 0.2 s between, on a machine that changes its speed about every 1.5 s; ours
        takes 1.4 times theirs."""
        state, left = 1.0, 0.0
        ours: list[float] = []
        theirs: list[float] = []
        for turn in range(count):
            for mine in (True, False) if turn % 2 == 0 else (False, True):
                work, spent = 0.4, 0.0
                while work > 0:
                    if left <= 0:
                        state, left = (1.7 if state == 1.0 else 1.0), chance.expovariate(1 / 1.5)
                    part = min(left, work)
                    work, left, spent = work - part, left - part, spent + part / state
                left -= 0.2
                (ours if mine else theirs).append(0.4 / spent * (1.4 if mine else 1) * chance.gauss(1, 0.02))
        return ours, theirs

    paired, medians = [], []
    for _ in range(600):
        ours, theirs = turns(12)
        paired.append(statistics.median(figures.ratios([[one] for one in ours], [[one] for one in theirs])))
        medians.append(statistics.median(ours) / statistics.median(theirs))
    assert statistics.median(paired) == pytest.approx(1.4, rel=0.01)
    wrong = [statistics.median(abs(value / 1.4 - 1) for value in values) for values in (paired, medians)]
    assert wrong[0] < 0.6 * wrong[1]


def test_slices_are_interleaved(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: computing beside a source is compared with a machine of another second, or the source does
    not even wait."""
    case = next(case for case in cases.all_cases() if case.name == "busy_thread")
    case = replace(case, runs=tuple(replace(one, count=20_000) for one in case.runs), slices=3)
    run.Plan(tools, [case], rounds=2, results=tmp_path).measure()
    found = report.load(tmp_path)["busy_thread"]
    assert found["failures"] == {}
    for rounds in found["rounds"].values():
        assert len(rounds) == 6
        assert all(one["rate"] > 0 for one in rounds)
    # A source that has room again was not waiting all the time.
    beside = of_kind(kinds.Busy, case.runs[1])
    with rivals.place(tools) as here, slices.Waiting(beside, here, 2) as slicer:
        slicer.slice(0)
        monkeypatch.setattr(slices.Waiting, "waiting", lambda _: None)
        with pytest.raises(RunError, match="did not wait for credit all the time"):
            slicer.slice(1)


def test_each_slice_is_compared(tools: environment.Toolbox, tmp_path: Path) -> None:
    """Without it: what is lost or swapped in a slice gets a figure, and what is written twice is cut off
    unseen."""
    case = replace(short("loop_file_23", "write", "inrush"), slices=3)
    good = of_kind(kinds.Posting, case.runs[1])
    bad = replace(good, cycles=lambda: [list(reversed(loops.plain(23)[0]))])
    plan = run.Plan(tools, [replace(case, runs=(case.runs[0], bad))], rounds=2, results=tmp_path)
    kept: dict[str, list[dict[str, float]]] = {"write": [], "inrush": []}
    failures: dict[str, str] = {}
    plan._turn(plan.cases[0], 0, kept, failures)
    assert "1,000 lines in the wrong place" in failures["inrush"]
    # The other one is measured all the same, in a turn without the one that fails.
    assert list(failures) == ["inrush"]
    assert len(kept["write"]) == 3
    assert kept["inrush"] == []

    with rivals.place(tools) as here, slices.Posting(good, here, 1) as slicer:
        slicer.slice(0)
        with here.file.open("a") as file:
            file.write("more\n")
        with pytest.raises(RunError, match="5 bytes more than were sent"):
            slicer.finish()


@pytest.mark.parametrize("name", ["framework_flask", "framework_twisted", "framework_kafka"])
def test_frameworks_serve_slice_after_slice(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Without it: what a framework gets in a slice is lost, counted twice, or counted to the next one."""
    case = replace(short(name, "inrush", "framework"), slices=2)
    if not all(map(environment.installed, case.needs)):
        pytest.skip(f"{', '.join(case.needs)} not installed")
    run.Plan(tools, [case], rounds=1, results=tmp_path).measure()
    found = report.load(tmp_path)[name]
    assert found["failures"] == {}
    for rounds in found["rounds"].values():
        assert [one["count"] for one in rounds] == [case.runs[0].count] * 2
        assert all(one["ns"] > 0 and one["cpu"] > 0 for one in rounds)
    # The engine's count is of all slices: when it has one message too many, the next slice is refused.
    counted = rivals.counted
    monkeypatch.setattr(rivals, "counted", lambda *given: (counted(*given)[0] + 1, 0))
    try:
        with pytest.raises(RunError, match="counts"), rivals.place(tools) as here:
            slices.Serving(of_kind(kinds.Serving, case.runs[0]), here, 2).__enter__()
    finally:
        kafka.BROKER.stop()


def test_interrupted_rounds_are_taken_up(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: Ctrl-C after twenty minutes throws twenty minutes away."""
    given: list[float] = [1.0, 10.0, 11.0]

    def broken_off(*_: object, **__: object) -> dict[str, float]:
        if not given:
            raise KeyboardInterrupt
        return {"ns": given.pop(0)}

    monkeypatch.setattr(run, "measure", broken_off)
    case = in_turn("loop_file_23", "inrush")
    with pytest.raises(KeyboardInterrupt):
        run.Plan(tools, [case], rounds=4, results=tmp_path).measure()
    assert report.load(tmp_path) == {}
    given += [1.0, 12.0, 13.0]
    run.Plan(tools, [case], rounds=4, results=tmp_path, resume=True).measure()
    rounds = report.load(tmp_path)["loop_file_23"]["rounds"]["inrush"]
    assert [one["ns"] for one in rounds] == [10, 11, 12, 13]
    given.clear()
    run.Plan(tools, [case], rounds=4, results=tmp_path, resume=True).measure()


def test_slices_of_different_turns_are_not_compared(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: after a failure and Ctrl-C, the first slices of one run stand beside the last ones of
    another."""
    case = replace(short("loop_file_23", "write", "inrush"), slices=2)
    turns = 0

    def sliced(runs: list[kinds.Run], *_: object) -> dict[str, list[dict[str, float]]]:
        nonlocal turns
        turns += 1
        if turns == 2 and len(runs) == 2:
            raise slices.SliceError(runs[0], RunError("a failure"))
        if turns == 4:
            raise KeyboardInterrupt
        return {one.key: [{"ns": float(turns)}] * 2 for one in runs}

    monkeypatch.setattr(run, "measure", lambda *_, **__: {"ns": 1.0})
    monkeypatch.setattr(run, "measure_slices", sliced)
    with pytest.raises(KeyboardInterrupt):
        run.Plan(tools, [case], rounds=3, results=tmp_path).measure()
    run.Plan(tools, [case], rounds=3, results=tmp_path, resume=True).measure()
    rounds = report.load(tmp_path)["loop_file_23"]["rounds"]
    assert [one["ns"] for one in rounds["write"]] == [5, 5, 6, 6, 7, 7]
    assert rounds["write"] == rounds["inrush"]


def result(name: str, rounds: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """The result of a case, as it stands in a file."""
    case = next(case for case in cases.all_cases() if case.name == name)
    runs = {key: one | {"per_turn": 1} for key, one in run.described(case).items() if key in rounds}
    return {
        "case": name,
        "theme": case.theme,
        "title": case.title,
        "metric": case.metric,
        "environment": ENVIRONMENT,
        "seconds": 1,
        "runs": runs,
        "failures": {},
        "absent": ["syslog-ng is not there: apt install it"],
        "rounds": rounds,
    }


def loop_result(ours: float, theirs: float) -> dict[str, dict[str, Any]]:
    """The loop to a file with two rivals' rates."""
    rounds = {
        key: [
            {"rate": rate, "ns": 1e9 / rate, "cpu": 1.0, "peak_mib": peak}
            for rate in (value * 0.9, value, value * 1.5)
        ]
        for key, value, peak in (
            ("inrush", ours, 30.0),
            ("syslog-ng", theirs, 20.0),
            ("syslog-ng window 100,000", theirs / 2, 40.0),
        )
    }
    return {"loop_file_23": result("loop_file_23", rounds)}


def test_figures_are_computed(tmp_path: Path) -> None:
    """Without it: `met` could stand beside a figure that is missed."""
    figure = next(one for one in figures.FIGURES if one.pairs[0].ours.case == "loop_file_23")
    assert figure.measured(loop_result(8e6, 1e6)) == pytest.approx(8)
    assert figure.met(loop_result(8e6, 1e6)) is True
    assert figure.met(loop_result(7.9e6, 1e6)) is False
    assert figure.met({}) is None
    for found, word in ((loop_result(8e6, 1e6), "met"), (loop_result(5e6, 1e6), "**missed** by 37.5%")):
        (row,) = [
            line for line in tables.figures_table(found).splitlines() if line.startswith(f"| {figure.title} ")
        ]
        assert row.endswith(f"| {word}, not certain |")
    assert "not measured" in tables.figures_table(loop_result(1, 1))


def test_every_figure_names_a_run_that_exists() -> None:
    """Without it: a renamed case leaves its figure `not measured` for ever."""
    known = {(case.name, one.key) for case in cases.all_cases() for one in case.runs}
    for figure in figures.FIGURES:
        for pair in figure.pairs:
            for value in (pair.ours, *pair.theirs):
                assert (value.case, value.run) in known, figure.title


def test_pages_tell_where_a_rival_wins() -> None:
    """Without it: only what Inrush wins would be found easily."""
    case = loop_result(1e6, 2e6)["loop_file_23"]
    text = tables.rivals_win([case])
    assert "| syslog-ng | time a message, ns | 500 | 1,000 |" in text
    assert "| 1 of 1 throughput cases | syslog-ng | peak memory in MiB | 20 to 20 | 30 to 30 |" in text
    assert "window 100,000" not in text


def test_front_page_from_results(tmp_path: Path) -> None:
    """Without it: the page that everybody reads is written by hand somewhere."""
    found = loop_result(8e6, 1e6)
    page = report.front_page(
        found, ["loop_file_23"], [("loop.svg", "A plot")], "# Findings\n\nThe kernel is slow.\n", {}
    )
    for part in (
        "1. Each rival",
        "Not measured: syslog-ng is not there",
        "The kernel is slow.",
        "plots/loop.svg",
        "| cpu | a CPU |",
    ):
        assert part in page, part
    assert page.count("# Findings") == 1


def test_figures_are_kept_for_each_processor(tmp_path: Path) -> None:
    """Without it: a run on another machine takes away what was known of this one, or stands under its
    name."""
    figure = next(one for one in figures.FIGURES if one.pairs[0].ours.case == "loop_file_23")
    processors.record(loop_result(8e6, 1e6), tmp_path)
    other = loop_result(5e6, 1e6)
    other["loop_file_23"]["environment"] = {**ENVIRONMENT, "cpu": "Another CPU, L2 2048K a core"}
    known = processors.record(other, tmp_path)
    assert list(known) == ["a CPU", "Another CPU, L2 2048K a core"]
    assert known == processors.load(tmp_path)
    text = processors.table(known)
    assert f"| {figure.title} | 8.00 ×, met | 5.00 ×, **missed** |" in text.splitlines()
    assert "a CPU: 1 of 1 met (" in text
    assert "Another CPU, L2 2048K a core: 0 of 1 met (" in text
    # A figure of two cases, of which each was measured on another processor, is of neither.
    threads = next(one for one in figures.FIGURES if len(one.cases) > 1)
    assert processors._place(threads, dict.fromkeys(list(threads.cases)[:1], other["loop_file_23"])) is None
    mixed = {name: loop_result(1, 1)["loop_file_23"] for name in threads.cases}
    mixed[min(threads.cases)] = other["loop_file_23"]
    assert processors._place(threads, mixed) is None


def test_missed_figures_need_a_finding() -> None:
    """Without it: a figure is missed, and nobody says why."""
    found = loop_result(5e6, 1e6)
    figure = next(one for one in figures.FIGURES if one.pairs[0].ours.case == "loop_file_23")
    text = report.findings_part("# Findings\n\nIn general.\n", found)
    assert (
        f"### {figure.title}\n\n_5.00 ×, at least 8 ×: missed by 37.5%._\n\n**No finding written.**" in text
    )
    assert text.count("No finding written") == 1
    assert "In general." in text
    written_by_hand = f"# Findings\n\nIn general.\n\n## {figure.title}\n\nThe kernel.\n"
    text = report.findings_part(written_by_hand, found)
    assert "missed by 37.5%._\n\nThe kernel." in text
    assert "No finding written" not in text
    assert report.findings_part("", loop_result(8e6, 1e6)) == "## Findings"


def test_findings_are_about_figures() -> None:
    """Without it: a section stays under a heading that no figure has, and its figure is said to have none."""
    _, sections = report.written_findings((environment.HERE / "findings.md").read_text())
    assert set(sections) <= {figure.title for figure in figures.FIGURES}


def test_processor_time_stands_beside_the_frameworks() -> None:
    """Without it: what Inrush adds on its own threads is not seen, as the framework's own thread does not
    wait for them."""
    rounds = {
        key: [{"ns": ns, "cpu": cpu}] * 6
        for key, ns, cpu in (("inrush", 104.0, 5.5), ("framework", 100.0, 5.0))
    }
    text = tables.figures_table({"framework_flask": result("framework_flask", rounds)})
    assert "| at most 1.05 × | 1.04 ×; processor time 5.5 µs by 5 µs | 1.04 × to 1.04 × |" in text


def test_figures_have_their_rounds() -> None:
    """Without it: a ratio of medians hides how far apart its rounds were."""
    figure = next(one for one in figures.FIGURES if one.pairs[0].ours.case == "loop_file_23")
    found = loop_result(8e6, 1e6)
    rounds = found["loop_file_23"]["rounds"]
    rounds["inrush"][0]["rate"], rounds["syslog-ng"][0]["rate"] = 9e6, 0.5e6
    one = figure.estimate(found)
    assert one is not None
    assert (one.value, one.smallest, one.largest, one.count) == (8.0, 8.0, 18.0, 3)
    assert "| 8.00 × | too few turns | 3: 8.00 × to 18.00 × | met, not certain |" in tables.figures_table(
        found
    )


def test_a_failure_of_any_kind_leaves_the_others(
    tools: environment.Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it: one rival's surprise after twenty minutes throws twenty minutes away."""

    def measured(one: kinds.Run, *_: object, **__: object) -> dict[str, float]:
        if one.rival == "floor":
            raise OSError(28, "No space left on device")
        return {"ns": 100.0}

    monkeypatch.setattr(run, "measure", measured)
    two = [in_turn("loop_file_23", "floor", "inrush"), in_turn("loop_file_256", "inrush")]
    plan = run.Plan(tools, two, rounds=3, results=tmp_path)
    plan.measure()
    (failure,) = plan.failures
    assert failure == "loop_file_23: floor: OSError: [Errno 28] No space left on device"
    found = report.load(tmp_path)
    assert len(found["loop_file_23"]["rounds"]["inrush"]) == 3
    assert found["loop_file_23"]["failures"]["floor"].startswith("OSError")
    assert len(found["loop_file_256"]["rounds"]["inrush"]) == 3
    # What failed is measured again, what did not is not.
    monkeypatch.setattr(run, "measure", lambda *_, **__: {"ns": 50.0})
    run.Plan(tools, two, rounds=3, results=tmp_path, resume=True).measure()
    found = report.load(tmp_path)
    assert found["loop_file_23"]["failures"] == {}
    assert found["loop_file_256"]["rounds"]["inrush"][0]["ns"] == 100


def test_readme_section_is_replaced_between_its_marks() -> None:
    """Without it: the README's figures drift from the measured ones, or rendering eats the rest of the
    file."""
    text = report.section(loop_result(8e6, 1e6))
    assert "8.00 million messages/s | 1.00 million messages/s | 8.0 × |" in text
    readme = f"# A\n\n{report.BEGIN}\nold\n{report.END}\n\n## B\n"
    new = report.with_section(readme, text)
    assert new == f"# A\n\n{report.BEGIN}\n{text}\n{report.END}\n\n## B\n"
    assert report.with_section(new, text) == new
    with pytest.raises(SystemExit, match="no place"):
        report.with_section("# A\n", text)


def test_committed_pages_are_those_of_the_committed_results() -> None:
    """Without it: results and pages of different measurements stand beside each other."""
    found = report.load(environment.HERE / "results")
    if not found:
        pytest.skip("nothing is measured yet")
    readme = (environment.ROOT / "README.md").read_text()
    assert report.with_section(readme, report.section(found)) == readme
    page = (environment.HERE / "README.md").read_text()
    assert tables.figures_table(found) in page
    assert processors.table(processors.load(environment.HERE / "results" / "processors")) in page
    assert json.dumps(found)


def test_cases_are_well_formed() -> None:
    """Without it: a count that is no multiple of its cycle is found when it is measured."""
    names = [case.name for case in cases.all_cases()]
    assert len(names) == len(set(names))
    for case in cases.all_cases():
        assert case.theme in report.THEMES
        assert case.metric in run.STEADY
        assert case.metric in tables.COLUMNS
        keys = [one.key for one in case.runs]
        assert len(keys) == len(set(keys)), case.name
        for one in case.runs:
            assert isinstance(one, kinds.Run)
            assert one.rival in tables.LABELS, one.rival
            assert one.count % one.unit == 0, (case.name, one.key)
            if isinstance(one, kinds.Posting):
                cycles = one.cycles()
                assert one.count % sum(map(len, cycles)) == 0, (case.name, one.key)
                assert len({len(line) for cycle in cycles for line in cycle}) == 1, (case.name, one.key)
