"""The names that a source imports, for the objects that do nothing."""

from __future__ import annotations

from perf_floor import LogMessage, LogSource

__all__ = ["LogMessage", "LogSource"]
