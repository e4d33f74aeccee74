"""Common to the tests of LogMessage: odd types to give it, where its bytes are, and parsing without a
source."""

from __future__ import annotations

import ctypes
from datetime import datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from pathlib import Path
from typing import Any

from inrush import LogMessage, ParseOptions
from inrush.typing import FlagWord

UTC = timezone.utc


class Level(IntEnum):
    """An int by inheritance only."""

    HIGH = 3


class Flag(int):
    """An int by inheritance only."""


class Zone(tzinfo):
    """The rest of a zone beside its offset."""

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None


class Named(LogMessage):
    """A subclass with arguments of its own, a dict and a slot."""

    __slots__ = ("__dict__", "extra")
    extra: object

    def __init__(self, host: str = "h", text: str = "t", extra: object = None, **more: object) -> None:
        super().__init__(text, bookmark=more.get("bookmark"))
        self["HOST"] = host
        self.extra = extra
        self.more = more


def address(view: Any) -> int:
    """The address of the first byte of a read-only buffer."""
    size = len(memoryview(view))
    pointer = ctypes.c_void_p()
    # PyObject_GetBuffer needs a Py_buffer; its first member is the address.
    raw = (ctypes.c_char * 256)()
    assert size
    assert ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(raw), 0) == 0
    ctypes.memmove(ctypes.byref(pointer), raw, ctypes.sizeof(pointer))
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(raw))
    assert pointer.value is not None
    return pointer.value


def parse(raw: str | bytes, *flags: FlagWord, **more: Any) -> LogMessage:
    """Parses with these flags, in UTC."""
    return LogMessage.parse(raw, ParseOptions.make(flags=list(flags), time_zone="UTC", **more))


def resident() -> int:
    """The memory of this process that is in use, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
