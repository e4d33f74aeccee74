"""State that outlives the process."""

from inrush import Persist

__all__ = ["Persist"]
