"""`python -m torture [ATTACK …] [--time SECONDS] [--count ROUNDS] [--seed N]`: the long forms of the
attacks."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import traceback
from pathlib import Path

import torture
from torture.attack import ATTACKS, Budget, SkippedError, run_one


def main() -> int:
    """Runs the attacks that the command line names, or all of them."""
    parser = argparse.ArgumentParser(prog="torture", description=torture.__doc__)
    parser.add_argument(
        "attacks", nargs="*", metavar="ATTACK", help=f"of {', '.join(ATTACKS)}; all without one"
    )
    parser.add_argument("--time", type=float, help="seconds of each attack")
    parser.add_argument("--count", type=int, help="rounds of each attack")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="chance, given again")
    parser.add_argument("--short", action="store_true", help="the form that `make test` runs")
    given = parser.parse_args()
    unknown = [name for name in given.attacks if name not in ATTACKS]
    if unknown:
        parser.error(f"no attack {', '.join(unknown)}; there are {', '.join(ATTACKS)}")
    broken = 0
    for name in given.attacks or ATTACKS:
        attack = ATTACKS[name]
        budget = attack.short if given.short else attack.long
        if given.time is not None or given.count is not None:
            budget = Budget(given.count, given.time)
        directory = Path(tempfile.mkdtemp(prefix=f"torture-{name}-"))
        print(f"{name}: {attack.must_hold}; seed {given.seed}", flush=True)
        try:
            run_one(attack, directory, given.seed, budget, progress=sys.stderr.isatty())
        except SkippedError:
            pass
        except Exception:
            traceback.print_exc()
            print(f"{name}: what is left of it is in {directory}", flush=True)
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
