"""The parsers alone, in Rust: one benchmark of `benches/parse.rs` in a process of its own, and criterion's
estimate of it."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

from perf.environment import ROOT
from perf.processes import RunError


@cache
def program() -> Path:
    """The benchmark, built."""
    command = ["cargo", "bench", "--quiet", "--no-default-features", "--bench", "parse", "--no-run"]
    done = subprocess.run(
        [*command, "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    for line in done.stdout.splitlines():
        made = json.loads(line)
        if made.get("executable") and made["target"]["name"] == "parse":
            return Path(made["executable"])
    raise RunError(f"{' '.join(command)} ended with {done.returncode} and built nothing")


def nanoseconds(parser: str, line: str, home: Path) -> float:
    """The time that a parser takes for a line: the median of criterion's samples."""
    name = f"parse/{parser}/{line}"
    # Short, because the two that are compared should be measured on the same machine, as it is within half a
    # second.
    times = [
        "--warm-up-time",
        "0.05",
        "--measurement-time",
        "0.15",
        "--sample-size",
        "10",
        "--nresamples",
        "1000",
    ]
    command = [str(program()), "--bench", "--noplot", *times, "--exact", name]
    env = {**os.environ, "CRITERION_HOME": str(home)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    estimates = home / name / "new" / "estimates.json"
    if done.returncode or not estimates.exists():
        raise RunError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    found: float = json.loads(estimates.read_text())["median"]["point_estimate"]
    return found
