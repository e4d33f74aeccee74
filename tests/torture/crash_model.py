"""The power goes under the disk buffer, on a model of a disk: a hundred thousand crashes a round."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from harness import ROOT
from torture.attack import Budget, Run, SkippedError, attack

CRASHES = 100_000
# Each program has a seed of its own, and a round has fewer programs than this.
SEEDS = 1_000_000
COMMAND = "cargo test --quiet --profile quick --no-default-features --lib disk::crash -- --ignored"


@attack(
    "crash-model",
    "what was committed to the disk buffer comes after any crash, in order, once, and nothing else does",
    short=Budget(count=0),
    long=Budget(count=10),
)
def crash_model(run: Run) -> None:
    """Programs of appends, commits and deliveries from a seed, the power gone at any call, also in the
    recovery. The short form is a test of Rust."""
    if shutil.which("cargo") is None:
        raise SkippedError("there is no cargo")
    for number in run.rounds():
        seed = run.seed + number * SEEDS
        environment = {**os.environ, "COUNT": str(CRASHES), "SEED": str(seed)}
        ended = subprocess.run(
            COMMAND.split(), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == 0, f"from seed {seed} on: {said[-4000:]}"
        assert re.search(r"test result: ok\. 1 passed", said), said[-4000:]
        run.add("crashes", CRASHES)
