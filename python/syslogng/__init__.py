"""The package that sources written for syslog-ng and AxoSyslog import.

The objects are Inrush's own, the same as in `inrush`; this package gives them the names and places that
existing code knows.
"""

from syslogng.confgen import register_config_generator
from syslogng.dest import LogDestination
from syslogng.logger import Logger
from syslogng.message import LogMessage
from syslogng.parser import LogParser
from syslogng.persist import Persist
from syslogng.reloc import get_installation_path_for
from syslogng.source import (
    BatchedAckTracker,
    ConsecutiveAckTracker,
    InstantAckTracker,
    LogFetcher,
    LogSource,
)
from syslogng.template import LTZ_LOCAL, LTZ_SEND, LogTemplate, LogTemplateException, LogTemplateOptions

__all__ = [
    "LTZ_LOCAL",
    "LTZ_SEND",
    "BatchedAckTracker",
    "ConsecutiveAckTracker",
    "InstantAckTracker",
    "LogDestination",
    "LogFetcher",
    "LogMessage",
    "LogParser",
    "LogSource",
    "LogTemplate",
    "LogTemplateException",
    "LogTemplateOptions",
    "Logger",
    "Persist",
    "get_installation_path_for",
    "register_config_generator",
]
