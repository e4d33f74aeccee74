"""The directories in which a configuration's modules are looked for.

```
sys.path = the configuration's directory, python-path() in its order,       set_directories()
           PYTHONPATH, the standard library, site-packages                  as the interpreter made it
```

The interpreter itself puts a directory in front: that of the script `inrush`, or the current one for
`python -m inrush`. Both are taken out (`leave_start_directory`), so that a configuration finds the same
modules however the engine was started. Every engine imports this module at its start, so it does with what
the interpreter has loaded by then.
"""

from __future__ import annotations

import contextlib
import os
import sys

# The directories that the present configuration has put into `sys.path`, each with its reason.
_put: list[tuple[str, str]] = []


def leave_start_directory(*, is_module: bool) -> None:
    """Takes what the interpreter put in front of `sys.path` at its start out of it; `is_module` is for
    `python -m`."""
    if sys.flags.isolated or getattr(sys.flags, "safe_path", False) or not sys.path:
        return
    with contextlib.suppress(OSError):
        start = os.getcwd() if is_module else os.path.dirname(os.path.realpath(sys.argv[0]))
        if sys.path[0] in ("", start):
            del sys.path[0]


def set_directories(directories: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Puts `directories`, each with its reason, in front of `sys.path`, in the place of those before; returns
    these."""
    global _put
    before, _put = _put, list(directories)
    for directory, _ in before:
        with contextlib.suppress(ValueError):
            sys.path.remove(directory)
    sys.path[:0] = [directory for directory, _ in directories]
    forget_listings()
    return before


def forget_listings() -> None:
    """Makes the import system look again at the directories that it knows: what was written a moment ago is
    not in its listings.

    `importlib.invalidate_caches()` does so too, and from CPython 3.12 on imports `importlib.metadata` for it,
    which takes as long as the rest of the start.
    """
    for finder in list(sys.path_importer_cache.values()):
        forget = getattr(finder, "invalidate_caches", None)
        if forget is not None:
            forget()


def add_directories(directories: list[tuple[str, str]]) -> None:
    """Puts those of `directories` in front of `sys.path` that are not among the ones put there before."""
    new = [entry for entry in directories if entry not in _put]
    if new:
        set_directories(new + _put)


def own_directories() -> list[tuple[str, str]]:
    """The directories of the configuration, each with its reason."""
    return list(_put)
