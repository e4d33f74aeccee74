"""The messages of the day: a line of RFC 3164 with its sender, its number, a checksum and some text.

    <13>Nov 29 12:00:00 day worst: SENDER NUMBER CHECKSUM TEXT

Collectors that read the header deliver what stands behind `worst: `, others the whole line. Both are known byte by
byte, so a line that was cut, joined or changed is found, wherever that happened.
"""

from __future__ import annotations

import re
import zlib

HEADER = b"<13>Nov 29 12:00:00 day worst: "
NUMBERED = re.compile(rb"(?:worst: )?[ ]?(\w+) (\d+) [0-9a-f]{8} ")
# Lengths differ, so that a piece of one message is never the whole of another.
SHORTEST, LONGEST = 60, 400


def text(sender: str, number: int) -> bytes:
    """The text of a message, as it has to arrive."""
    length = SHORTEST + number * 37 % (LONGEST - SHORTEST)
    filler = (b"abcdefghijklmnopqrstuvwxyz" * (LONGEST // 26 + 2))[number % 26 :][:length]
    start = b"%s %d" % (sender.encode(), number)
    return b"%s %08x %s" % (start, zlib.crc32(start + filler), filler)


def line(sender: str, number: int) -> bytes:
    """A message as it is sent, without its line feed."""
    return HEADER + text(sender, number)


def number_of(sender: str, received: bytes) -> int | None:
    """The number of a received line, or None where it is no message of this sender, whole and unchanged."""
    found = NUMBERED.search(received)
    if found is None:
        return None
    number = int(found[2])
    # Some collectors keep the space that stands between the header and the text.
    whole = text(sender, number)
    return number if received in (whole, b" " + whole, HEADER + whole) else None
