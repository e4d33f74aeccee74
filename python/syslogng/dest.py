"""Destinations written in Python."""

from inrush import LogDestination, LogDestinationResult

__all__ = ["LogDestination", "LogDestinationResult"]
