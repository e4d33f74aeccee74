"""Messages."""

from inrush import LogMessage

__all__ = ["LogMessage"]
