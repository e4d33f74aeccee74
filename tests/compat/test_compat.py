"""The fixed cases through both engines: what `make compat` does without random ones."""

from __future__ import annotations

import pytest

from compat.case import families, read_differences, read_family
from compat.engine import INSTALL, Native
from compat.judge import judge, report


@pytest.mark.parametrize("family", [path.stem for path in families()])
def test_family(family: str) -> None:
    """Without it: a configuration means something else here than to the engine that its user knows."""
    [path] = [path for path in families() if path.stem == family]
    wrong = report(judge(read_family(path), read_differences()))
    assert not wrong, f"\n{wrong}\nmake compat CASES=... shows more: tests/compat/__init__.py"
    if Native.program() is None:
        pytest.skip(f"syslog-ng is not installed: only what is expected was compared. {INSTALL}")


def test_differences_have_cases() -> None:
    """Without it: the table of differences has some of cases that are gone."""
    known = {case.path for path in families() for case in read_family(path)}
    assert set(read_differences()) <= known
