"""Runs a source outside of an engine, for the floor and for plain Python:
`python -m perf.host CLASS SPEC`."""

from __future__ import annotations

import importlib
import signal
import sys
import threading


def main(name: str, spec: str) -> None:
    """Does what an engine does with a source: makes it, initialises it, runs it on a thread, and tells it to
    end."""
    # Taken by the loop below: a handler that sets an event could interrupt the wait for it, which holds its
    # lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    module, _, attribute = name.rpartition(".")
    source = getattr(importlib.import_module(module), attribute)()
    source.init({"spec": spec})
    thread = threading.Thread(target=source.run, daemon=True)
    thread.start()
    while signal.sigtimedwait({signal.SIGTERM}, 0.2) is None:
        if not thread.is_alive():
            sys.exit(f"{name}.run() ended by itself")
    source.request_exit()
    thread.join(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
