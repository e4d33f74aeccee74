"""Attacks on the real engine: what must hold whatever happens around it."""

from torture import (
    buffers,
    callbacks,
    crash_model,
    destination,
    elsewhere,
    file_source,
    http,
    kafka,
    kill,
    network_destination,
    network_source,
    python_destination,
    python_function,
    python_parser,
    state_disk,
    stop_full,
    threads,
)
from torture.attack import Attack

__all__ = [
    "Attack",
    "buffers",
    "callbacks",
    "crash_model",
    "destination",
    "elsewhere",
    "file_source",
    "http",
    "kafka",
    "kill",
    "network_destination",
    "network_source",
    "python_destination",
    "python_function",
    "python_parser",
    "state_disk",
    "stop_full",
    "threads",
]
