#!/usr/bin/env python3
"""Reads disk buffers: `tools/buffer.py DIRECTORY [NAME]` prints number, rows and bytes (hexadecimal) of each
entry that is not delivered.

A second reader of the format, by its description alone (docs/buffer-format.md). What is lost goes to standard
error, and makes the exit status 1. It only reads, and knows no locks.
"""

import struct
import sys
from pathlib import Path

PAGE, RECORDS, HEAD, ENTRY, PROGRESS = 4096, 8192, 48, 1, 2
TABLE = list(range(256))
for _ in range(8):
    TABLE = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in TABLE]


def crc32c(data: bytes, check: int = 0) -> int:
    check ^= 0xFFFFFFFF
    for value in data:
        check = check >> 8 ^ TABLE[(check ^ value) & 0xFF]
    return check ^ 0xFFFFFFFF


def segment_head(data: bytes) -> tuple | None:
    """Name, id, serial and first number: from whichever page is right."""
    for page in (data[:PAGE], data[PAGE:RECORDS]):
        if page[:16] == b"INRUSH BUFFER\0\0\0" and crc32c(page[:-4]).to_bytes(4, "little") == page[-4:]:
            version, length, identity, serial, first = struct.unpack_from("<IIQQQ", page, 16)
            if version != 1:
                sys.exit(f"version {version} of the format is not known here")
            return page[64 : 64 + length].decode(), identity, serial, first
    return None


def records(data: bytes, identity: int, serial: int, number: int):
    """Kind, first number, durable, rows and body of each record; the body is None where it is damaged."""
    seed, at = crc32c(struct.pack("<QQ", identity, serial)), RECORDS
    while at + HEAD <= len(data):
        head = data[at : at + HEAD]
        check, body_check, first, durable, _, length, rows, kind = struct.unpack("<IIQQQIIQ", head)
        if 1 <= kind <= 4 and first >= number and crc32c(struct.pack("<Q", at) + head[4:], seed) == check:
            body = data[at + HEAD : at + HEAD + length]
            yield kind, first, durable, rows, body if crc32c(body) == body_check else None
            at += HEAD + (length + 7) // 8 * 8
            number = first + rows
        else:  # Zeros, and whatever is no head.
            at += 8


def read(segments: list) -> tuple[list, list]:
    """The entries of a buffer that are not delivered, and the ranges that are lost."""
    segments.sort(key=lambda segment: segment[2])
    entries, lost, done = [], [], [(0, segments[0][3])]
    for place, (_, identity, serial, first, data) in enumerate(segments):
        found = list(records(data, identity, serial, first))
        is_last = place + 1 == len(segments)
        # The successor says how far this one counts; in the last one what is missing above was never committed.
        end = max([first, *(record[2] for record in found)]) if is_last else segments[place + 1][3]
        number = first
        for kind, first, _, rows, body in found:
            if kind == PROGRESS and body:
                numbers = struct.unpack(f"<{len(body) // 8}Q", body)
                done = [(0, numbers[0]), *zip(numbers[1::2], numbers[2::2], strict=True)]
            if first > number or (kind == ENTRY and body is None):
                if is_last and first + rows > end:
                    break
                lost.append((number, first if body is not None else first + rows))
            if kind == ENTRY and body is not None and (is_last or first < end):
                entries.append((first, first + rows, body))
            number = first + rows
        if number < end:
            lost.append((number, end))

    def is_open(one: tuple) -> bool:
        number = one[0]
        for start, end in done:
            number = end if start <= number < end else number
        return number < one[1]

    return [one for one in entries if is_open(one)], [one for one in lost if is_open(one)]


def main(directory: str, wanted: str | None = None) -> None:
    buffers: dict = {}
    for data in (path.read_bytes() for path in Path(directory).glob("inrush-*.buffer")):
        if (head := segment_head(data)) and wanted in (None, head[0]):
            buffers.setdefault(head[:2], []).append((*head, data))
    results = [read(segments) for segments in buffers.values()]
    for entries, lost in results:
        for first, end, body in entries:
            print(first, end - first, body.hex(), sep="\t")
        for first, end in lost:
            print(f"messages {first} to {end - 1} are lost", file=sys.stderr)
    sys.exit(any(lost for _, lost in results))


if __name__ == "__main__":
    main(*sys.argv[1:3])
