"""The sample of the documentation, unchanged: what every user tries first."""

from __future__ import annotations

import signal

from harness import StartEngine, example, read_lines


def test_sample_runs_unchanged(engine: StartEngine) -> None:
    """Without it: the promise that existing sources run as they are has no witness."""
    running = engine(example("documentation_sample"))
    running.wait_lines("out.log", 10_000)
    totals = running.stop(signal.SIGINT)

    lines = read_lines(running.directory / "out.log")
    assert set(lines) == {b"this is a log message"}
    assert (running.directory / "out.log").read_bytes().endswith(b"\n")
    assert totals.posted == totals.delivered == len(lines)
    assert totals.dropped == totals.in_flight == 0


def test_callbacks_come_in_the_documented_order(engine: StartEngine) -> None:
    """Without it: options could reach init() late or mistyped, or deinit() come before run() ended."""
    running = engine(example("documentation_sample"))
    running.wait_lines("out.log", 1)
    running.stop()
    assert running.stdout.lines == [
        "init",
        "{'option1': 'value1', 'option2': 'value2'}",
        "run",
        "exit",
        "deinit",
    ]
