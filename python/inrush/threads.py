"""Threads that the engine has started without `threading`, and what that module is told of them.

The engine does so where somebody has patched `threading`, as `monkey.patch_all()` of gevent and
`monkey_patch()` of eventlet do. The thread has a loop of its own there, as every thread that those libraries
did not start.
"""

import sys
import threading
from contextlib import suppress


def enter(name: str) -> None:
    """Gives the calling thread its name."""
    threading.current_thread().name = name


def leave() -> None:
    """Forgets the calling thread, which is about to end. Until Python 3.13 `threading` would keep it for
    good."""
    with suppress(Exception):
        threads: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
        threads.pop(threading.get_ident(), None)


def prepare() -> None:
    """Has gevent read its settings now, on one thread, before several threads make their first hubs at the
    same time.

    It imports modules for them, under locks of imports that it has patched, and these need a hub: two threads
    at once can wait for each other for ever.
    """
    gevent = sys.modules.get("gevent")
    if gevent is not None:
        gevent.get_hub()
