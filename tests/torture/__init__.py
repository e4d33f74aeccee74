"""Attacks on the real engine: what must hold whatever happens around it."""

from torture import buffers, callbacks, destination, stop_full, threads

__all__ = ["buffers", "callbacks", "destination", "stop_full", "threads"]
