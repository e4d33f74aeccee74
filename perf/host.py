"""Runs a source outside of an engine, for the floor and for plain Python: `python -m perf.host CLASS SPEC`."""

from __future__ import annotations

import importlib
import signal
import sys
import threading


def main(name: str, spec: str) -> None:
    """Does what an engine does with a source: makes it, initialises it, runs it on a thread, and tells it to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    module, _, attribute = name.rpartition(".")
    source = getattr(importlib.import_module(module), attribute)()
    source.init({"spec": spec})
    thread = threading.Thread(target=source.run, daemon=True)
    thread.start()
    while not ended.wait(0.2) and thread.is_alive():
        pass
    source.request_exit()
    thread.join(1)
    if not ended.is_set():
        sys.exit(f"{name}.run() ended by itself")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
