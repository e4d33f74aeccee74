"""The bridge from Python's `logging` to the engine's internal() messages."""

import logging
import sys

from inrush import _native
from inrush._native import Logger


class _Text:
    """A record that is formatted when somebody asks for its text: the engine does, for what it shows."""

    __slots__ = ("_handler", "_record")

    def __init__(self, handler: logging.Handler, record: logging.LogRecord) -> None:
        self._handler, self._record = handler, record

    def __str__(self) -> str:
        return self._handler.format(self._record)


class SyslogNGInternalLogHandler(logging.Handler):
    """Hands every record to the engine as `python-<logger name>: <message>`.

    ERROR and above become errors, then warnings, info and debug; anything below DEBUG becomes trace. In a
    process that has no engine they go to stderr, from WARNING on, as they do where nothing is set up.
    """

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._internal = Logger()
        self.setFormatter(logging.Formatter("python-%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Hands one record over at the level that fits it; it is formatted if that level is shown."""
        text = _Text(self, record)
        try:
            if not _native._has_log():
                # Never through Logger(), which hands it to the root logger there, and so to this handler.
                if record.levelno >= logging.WARNING and sys.stderr is not None:
                    sys.stderr.write(f"{text}\n")
                return
            if record.levelno >= logging.ERROR:
                self._internal.error(text)
            elif record.levelno >= logging.WARNING:
                self._internal.warning(text)
            elif record.levelno >= logging.INFO:
                self._internal.info(text)
            elif record.levelno >= logging.DEBUG:
                self._internal.debug(text)
            else:
                self._internal.trace(text)
        except Exception:
            self.handleError(record)


def setup_logging() -> None:
    """Sends everything that reaches the root logger to the engine. Doing it again changes nothing.

    The root logger lets everything through: what is shown is decided by the engine's own level.
    """
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    if not any(isinstance(handler, SyslogNGInternalLogHandler) for handler in root.handlers):
        root.addHandler(SyslogNGInternalLogHandler())
