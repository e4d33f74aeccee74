"""Texts for parsers, and what is found in them: made alike by the sources and by whoever checks what arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Record(NamedTuple):
    """A text with its number, what a parser makes of it, and the template that writes that."""

    title: str
    # The parser's statement.
    parser: str
    text: Callable[[int], str]
    template: str
    line: Callable[[int], str]


def firewall(number: int) -> str:
    """What a firewall sends, in pairs."""
    return (
        f'date=2026-10-11 time=22:14:15 devname="fw-{number}" level=notice srcip=192.0.2.17 srcport={number} '
        f'dstip=198.51.100.4 dstport=443 action=accept policyid=12 service="HTTPS" sentbyte=1024 msg="a session ended"'
    )


RECORDS = {
    "kv": Record(
        "`kv-parser` of 13 pairs",
        'kv-parser(prefix(".fw."));',
        firewall,
        "${.fw.devname} ${.fw.srcip} ${.fw.srcport} ${.fw.action} ${.fw.msg}\\n",
        lambda number: f"fw-{number} 192.0.2.17 {number} accept a session ended",
    ),
}
NUMBERS = range(1000, 2000)


def record_texts(name: str) -> list[str]:
    """A cycle of texts, numbered from 1000 so that all have one length."""
    return [RECORDS[name].text(number) for number in NUMBERS]


def record_lines(name: str) -> list[str]:
    """The lines that the template writes for each of them."""
    return [RECORDS[name].line(number) for number in NUMBERS]
