"""Blocks of the configuration, on their way through a running engine."""

from __future__ import annotations

from pathlib import Path

from harness import StartEngine, example, read_lines


def test_the_example_runs_every_use_of_its_blocks(engine: StartEngine) -> None:
    """Without it: what a block makes of its arguments is read, but is not what runs."""
    running = engine(example("blocks"))

    def files(name: str) -> list[Path]:
        return sorted(running.directory.glob(f"{name}-????-??-??.log"))

    running.wait_until(lambda: bool(files("fast") and files("slow")), "a file of each clock")
    totals = running.stop()
    lines = [line for name in ("fast", "slow") for file in files(name) for line in read_lines(file)]
    assert totals.posted == totals.delivered == len(lines) >= 2
    fast, slow = read_lines(files("fast")[0])[0], read_lines(files("slow")[0])[0]
    assert {b".source.s_fast", b"fast"} <= set(fast.split()[1].split(b","))
    assert {b".source.s_slow", b"slow"} <= set(slow.split()[1].split(b","))


def test_an_error_of_python_in_a_block_names_the_line_of_the_block(engine: StartEngine) -> None:
    """Without it: a traceback names a line that the user's file does not have."""
    running = engine("""
block root faulty(name()) {
python {
from inrush import LogSource
class `name`(LogSource):
    def run(self):
        raise ValueError("of the block")
};
source s { python(class("`name`") restart(never)); };
};

faulty(name(Broken));
log { source(s); };
""")
    running.wait_log(r'test\.conf", line 7, in run')
