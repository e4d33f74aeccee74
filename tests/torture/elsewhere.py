"""The attacks that are written as tests of their own, under the names by which `make torture` runs them all.

`make test` runs their short forms where they stand, so they have none here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness import ROOT
from torture.attack import Budget, Run, attack

NONE = Budget(count=0)
RELOADS = "tests/python/test_torture_reload.py"


def of_pytest(run: Run, path: str, *arguments: str) -> None:
    """Runs tests with as many rounds as the budget has, and shows what they print."""
    rounds = run.budget.count or run.attack.long.count
    env = {**os.environ, "INRUSH_TORTURE": str(rounds), "INRUSH_SEED": str(run.seed)}
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", path, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, check=False)
    assert done.returncode == 0, f"{path} failed, see above"
    run.done = rounds or 0


@attack(
    "reload",
    "under full load: nothing missing, nothing twice, no growth of memory, threads or descriptors",
    short=NONE,
    long=Budget(count=1000),
)
def reload(run: Run) -> None:
    """Reloads at random, of changed and unchanged, good and broken configurations."""
    of_pytest(run, RELOADS, "-k", "reload and not stop")


@attack(
    "stop",
    "under full load: everything posted before the stop is delivered; exit within the bound",
    short=NONE,
    long=Budget(count=500),
)
def stop(run: Run) -> None:
    """SIGTERM at random moments."""
    of_pytest(run, RELOADS, "-k", "stop")


if (ROOT / "tests" / "state.rs").exists():

    @attack(
        "state",
        "damaged at any byte: recognised, kept aside, reported; killed at any moment: never a wrong value",
        short=NONE,
        long=Budget(count=500),
    )
    def state(run: Run) -> None:
        """The state file alone, by the Rust tests of its own."""
        rounds = str(run.budget.count or run.attack.long.count)
        command = ["make", "--no-print-directory", "torture-state", f"ROUNDS={rounds}"]
        done = subprocess.run(command, cwd=Path(ROOT), check=False)
        assert done.returncode == 0, "make torture-state failed, see above"
        run.done = int(rounds)
