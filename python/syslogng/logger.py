"""Messages of the engine's own, and the bridge from `logging` to them."""

from inrush import Logger
from inrush.logs import SyslogNGInternalLogHandler, setup_logging

__all__ = ["Logger", "SyslogNGInternalLogHandler", "setup_logging"]
