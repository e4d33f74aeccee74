"""Makes `test.mmdb`, the database of addresses that the tests of geoip2() read: `python make.py`.

The format: a tree of nodes, each with two records of 24 bits (for a bit 0 or 1 of the address: another node, no
data, or data), 16 zero bytes, the data, and the metadata behind their marker.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

NETWORKS: dict[str, object] = {
    "81.2.69.0/24": {
        "country": {"iso_code": "GB", "names": {"de": "Vereinigtes Königreich", "en": "United Kingdom"}},
        "location": {"accuracy_radius": 10, "latitude": 51.5142, "longitude": -0.0931},
        "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "LND", "names": {"fr": "Londres"}}],
        "traits": {"is_anycast": False, "is_static": True, "shift": -5, "key": b"\x00\xff", "id": 1 << 100},
    },
    "2001:db8::/32": {"country": {"iso_code": "ZZ"}},
}


def encoded(value: object) -> bytes:
    """A value of the data section; a pair is an integer of that type, 6 or 9: of 32 or 64 bits."""

    def control(kind: int, size: int) -> bytes:
        head = bytes([(kind << 5) | min(size, 29)]) if kind < 8 else bytes([min(size, 29), kind - 7])
        return head + (bytes([size - 29]) if size >= 29 else b"")

    if isinstance(value, bool):
        return control(14, int(value))
    if isinstance(value, str):
        return control(2, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return control(3, 8) + struct.pack(">d", value)
    if isinstance(value, bytes):
        return control(4, len(value)) + value
    if isinstance(value, dict):
        items = (encoded(key) + encoded(of) for key, of in value.items())
        return control(7, len(value)) + b"".join(items)
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(encoded, value))
    if isinstance(value, tuple):
        kind, number = value
        size = 8 if kind == 9 else 4
        return control(kind, size) + int(number).to_bytes(size, "big")
    assert isinstance(value, int)
    if value < 0:
        return control(8, 4) + struct.pack(">i", value)
    size = (value.bit_length() + 7) // 8
    kind = 5 if size <= 2 else 6 if size <= 4 else 9 if size <= 8 else 10
    return control(kind, size) + value.to_bytes(size, "big")


def database(networks: dict[str, object]) -> bytes:
    """The database of these networks, IPv4 ones below ::/96."""
    nodes: list[list[int | None]] = [[None, None]]
    records: list[tuple[int, int, int]] = []
    data = b""
    for network, record in networks.items():
        of = ipaddress.ip_network(network)
        length = of.prefixlen + (96 if of.version == 4 else 0)
        bits = f"{int(of.network_address):0128b}"[:length]
        node = 0
        for bit in map(int, bits[:-1]):
            if nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
            following = nodes[node][bit]
            assert following is not None
            node = following
        records.append((node, int(bits[-1]), len(data)))
        data += encoded(record)
    for node, bit, offset in records:
        nodes[node][bit] = len(nodes) + 16 + offset
    filled = [len(nodes) if record is None else record for node in nodes for record in node]
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": (9, 1_700_000_000),
        "database_type": "Test-City",
        "description": {"en": "Addresses of tests"},
        "ip_version": 6,
        "languages": ["en", "de"],
        "node_count": (6, len(nodes)),
        "record_size": 24,
    }
    tree = b"".join(record.to_bytes(3, "big") for record in filled)
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encoded(metadata)


if __name__ == "__main__":
    (Path(__file__).parent / "test.mmdb").write_bytes(database(NETWORKS))
