"""The short forms of the attacks: each for a few seconds, with the same chance every time."""

from __future__ import annotations

from pathlib import Path

import pytest

import torture
from torture.attack import ATTACKS, SkippedError, run_one

SHORT = [attack for attack in ATTACKS.values() if attack.short.count != 0]


@pytest.mark.parametrize("attack", SHORT, ids=[attack.name for attack in SHORT])
def test_attack(attack: torture.Attack, tmp_path: Path) -> None:
    """Without it: the engine loses what it promises in the worst of cases; what must hold is said by each
    attack."""
    try:
        run_one(attack, tmp_path / "run", seed=1, budget=attack.short)
    except SkippedError as reason:
        pytest.skip(str(reason))
