"""The collectors: each file of this folder is one, and has it as `COLLECTOR`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from worst_day.collector import Collector


@cache
def collectors() -> dict[str, Collector]:
    """All of them by their names, Inrush first, whether they are installed or not."""
    modules = [import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)]
    found: list[Collector] = [module.COLLECTOR for module in modules]
    return {each.name: each for each in sorted(found, key=lambda each: (each.name != "inrush", each.name))}
