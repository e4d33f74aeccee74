"""The fixture `inrush_source` for pytest, which finds it by itself where Inrush is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from inrush.testing import SourceUnderTest


@pytest.fixture
def inrush_source() -> Iterator[Callable[..., SourceUnderTest]]:
    """Starts a source: `inrush_source(MySource, {"port": 0})`, with the arguments of
    `inrush.testing.SourceUnderTest`.

    It is stopped when the test ends; an exception of its callbacks that the test has not taken with
    `expect()` fails the test.
    """
    with ExitStack() as stack:

        def start(*arguments: Any, **keywords: Any) -> SourceUnderTest:
            __tracebackhide__ = True
            return stack.enter_context(SourceUnderTest(*arguments, **keywords))

        yield start
