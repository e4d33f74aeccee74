"""Sources and fetchers written in Python, and ack trackers."""

from inrush import (
    BatchedAckTracker,
    ConsecutiveAckTracker,
    InstantAckTracker,
    LogFetcher,
    LogFetcherResult,
    LogSource,
)

__all__ = [
    "BatchedAckTracker",
    "ConsecutiveAckTracker",
    "InstantAckTracker",
    "LogFetcher",
    "LogFetcherResult",
    "LogSource",
]
