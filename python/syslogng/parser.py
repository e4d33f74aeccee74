"""Parsers written in Python."""

from inrush import LogParser

__all__ = ["LogParser"]
