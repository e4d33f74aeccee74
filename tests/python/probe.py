"""A source's look at its own process: addresses, memory, and bytes changed behind Python's back."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

from harness import GONE, ROOT, gone, source_that

HEAD = GONE.replace("1", "0.1")
# A text of this many bytes is viewed.
VIEW_FROM = int(
    re.findall(r"VIEW_FROM: usize = (\d+)", (ROOT / "src" / "python" / "message" / "draft.rs").read_text())[0]
)

# What such a source begins with.
PRELUDE = """
import ctypes, gc, json, os, sys

class View(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("object", ctypes.py_object), ("size", ctypes.c_ssize_t),
                ("rest", ctypes.c_char * 128)]

def address(owner):
    "Where the bytes of an object are: the UTF-8 of a str."
    if isinstance(owner, str):
        text = ctypes.pythonapi.PyUnicode_AsUTF8
        text.argtypes, text.restype = [ctypes.py_object], ctypes.c_void_p
        return text(owner)
    view = View()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(owner), ctypes.byref(view), 0)
    start = view.start
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(view))
    return start

def poke(owner, offset=0):
    "Writes a byte into an object, whether it allows that or not."
    ctypes.memset(address(owner) + offset, ord("!"), 1)

def eventually(condition):
    for _ in range(2000):
        if condition():
            return True
        time.sleep(0.01)
    return False

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

def fresh(size):
    "A bytes that nobody else has."
    return bytes(bytearray(b"x") * size)
"""


def stalled(body: str, *others: str, window: int = 200_000) -> str:
    """A source that posts into a destination whose directory is missing until it makes it."""
    text = textwrap.dedent(PRELUDE) + textwrap.dedent(body)
    driver = f"log-iw-size({window}) max-inflight-bytes(1073741824)"
    return gone(source_that(text, *others, driver=driver, head=HEAD))


def printed(running_out: list[str]) -> Any:
    """The JSON that the source printed."""
    return json.loads(running_out[0])
