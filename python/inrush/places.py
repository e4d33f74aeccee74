"""The places of classes and methods in the user's files, for what the engine says of them."""

from __future__ import annotations

import inspect
import linecache
import re
import sys
from types import CodeType

_Place = tuple[str, int]


def of_method(method: object) -> _Place | None:
    """The file and line of a method's or function's `def`."""
    if isinstance(method, property):
        method = method.fget
    function = inspect.unwrap(getattr(method, "__func__", method))  # type: ignore[arg-type]
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return None
    linecache.checkcache(code.co_filename)
    # The first line of a decorated function is that of its first decorator.
    for number in range(code.co_firstlineno, code.co_firstlineno + 50):
        if re.match(
            rf"\s*(async\s+)?def\s+{re.escape(code.co_name)}\b", linecache.getline(code.co_filename, number)
        ):
            return code.co_filename, number
    return code.co_filename, code.co_firstlineno


def of_class(cls: type) -> _Place | None:
    """The file and line of a class; None for one that is not written in Python."""
    members = list(vars(cls).values())
    methods = [place for place in map(of_method, members) if place is not None]
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None) or next((file for file, _ in methods), None)
    if not isinstance(file, str):
        return None
    first = vars(cls).get("__firstlineno__")
    if isinstance(first, int):
        return file, first
    statement = re.compile(rf"\s*class\s+{re.escape(cls.__name__)}\b")
    below = min((line for method_file, line in methods if method_file == file), default=None)
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    # From its first method upwards: there may be another class of the name.
    before = range(len(lines) if below is None else min(below, len(lines)), 0, -1)
    found = next((number for number in before if statement.match(lines[number - 1])), below)
    return None if found is None else (file, found)
