"""Attacks on the real engine: what must hold whatever happens around it."""

from torture import (
    buffers,
    callbacks,
    destination,
    elsewhere,
    http,
    kill,
    network_source,
    state_disk,
    stop_full,
    threads,
)
from torture.attack import Attack

__all__ = [
    "Attack",
    "buffers",
    "callbacks",
    "destination",
    "elsewhere",
    "http",
    "kill",
    "network_source",
    "state_disk",
    "stop_full",
    "threads",
]
