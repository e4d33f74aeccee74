"""Inrush: the engine that runs Python log sources written for syslog-ng and AxoSyslog.

A source imports its classes from `syslogng`, as it always did, or from here: they are the same objects.
Everything that carries messages is native (`inrush._native`); this package adds the enumerations, the bridge
from `logging`, and the names that come in a later version.
"""

from inrush import early as _early  # noqa: F401  # isort: skip  # before anything that takes time
from inrush import event_loop as _event_loop
from inrush._native import (
    LTZ_LOCAL,
    LTZ_SEND,
    AckTracker,
    BatchedAckTracker,
    Buffer,
    ConsecutiveAckTracker,
    InstantAckTracker,
    LogDestination,
    LogFetcher,
    Logger,
    LogMessage,
    LogParser,
    LogSource,
    LogTemplate,
    LogTemplateException,
    LogTemplateOptions,
    ParseOptions,
    Persist,
    PersistedBookmark,
    build_info,
    register_config_generator,
)
from inrush.later import get_installation_path_for
from inrush.results import LogDestinationResult, LogFetcherResult

# An addition of the Python half: a user's own attribute or method of the name wins.
LogSource.post = _event_loop.post  # type: ignore[method-assign]

__version__: str = build_info()["version"]

__all__ = [
    "LTZ_LOCAL",
    "LTZ_SEND",
    "AckTracker",
    "BatchedAckTracker",
    "Buffer",
    "ConsecutiveAckTracker",
    "InstantAckTracker",
    "LogDestination",
    "LogDestinationResult",
    "LogFetcher",
    "LogFetcherResult",
    "LogMessage",
    "LogParser",
    "LogSource",
    "LogTemplate",
    "LogTemplateException",
    "LogTemplateOptions",
    "Logger",
    "ParseOptions",
    "Persist",
    "PersistedBookmark",
    "__version__",
    "build_info",
    "get_installation_path_for",
    "register_config_generator",
]
