"""The parsers of the library for what devices and programs write, with lines from their own documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness import StartEngine, source_that

Found = dict[str, Any]


def parsed(
    engine: StartEngine, parser: str, lines: list[str], prefix: str, program: str = "", also: str = ""
) -> list[Found]:
    """The values that a parser has found in each line, or nothing where it refuses the line."""
    body = "".join(
        f"message = LogMessage({line!r})\nmessage['PROGRAM'] = {program!r}\nself.post_message(message)\n"
        for line in lines
    )
    log = f'if {{ parser {{ {parser}; }}; rewrite {{ set-tag("parsed"); }}; }};'
    values = f"$(format-json --leave-initial-dot --key {prefix}* refused=$(if tags(parsed) no yes) {also})"
    conf = source_that(body, head='@include "scl.conf"', log=log)
    running = engine(conf.replace('template("$MSG\\n")', f'template("{values}\\n")'))
    found = [json.loads(line) for line in running.wait_lines("out.log", len(lines))]
    assert running.stop().delivered == len(lines)
    return [{} if one.pop("refused") == "yes" else one for one in found]


def below(found: Found, prefix: str) -> Found:
    """The values behind a prefix, whose dots are levels."""
    [name] = [part for part in prefix.split(".") if part]
    inner: Found = found[f".{name}"] if f".{name}" in found else found[name]
    return inner


IPTABLES = [
    "[UFW BLOCK] IN=eth0 OUT= MAC=00:16:3e:a1:b2:c3:00:16:3e:d4:e5:f6:08:00 SRC=192.0.2.7 DST=198.51.100.1 LEN=60"
    " TOS=0x00 PREC=0x00 TTL=57 ID=24095 DF PROTO=TCP SPT=55422 DPT=22 WINDOW=29200 RES=0x00 SYN URGP=0",
    "[94212.118] drop: IN= OUT=wlan0 SRC=10.0.0.2 DST=10.0.0.255 LEN=78 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=UDP"
    " SPT=137 DPT=137 LEN=58",
]


@pytest.mark.parametrize(
    ("parser", "program"),
    [("iptables-parser()", "anything"), ("app-parser(topic(syslog))", "kernel")],
)
def test_iptables(engine: StartEngine, parser: str, program: str) -> None:
    """Breaks without it: the ports of a packet are not found, or an empty interface takes what follows it."""
    lines = [*IPTABLES, "usb 1-1: new high-speed USB device"]
    first, second, other = parsed(engine, parser, lines, ".iptables.", program)
    found = below(first, ".iptables.")
    expected = {
        "IN": "eth0",
        "OUT": "",
        "MAC": "00:16:3e:a1:b2:c3:00:16:3e:d4:e5:f6:08:00",
        "SRC": "192.0.2.7",
        "DST": "198.51.100.1",
        "LEN": "60",
        "TOS": "0x00",
        "PREC": "0x00",
        "TTL": "57",
        "ID": "24095",
        "PROTO": "TCP",
        "SPT": "55422",
        "DPT": "22",
        "WINDOW": "29200",
        "RES": "0x00",
        "URGP": "0",
    }
    assert found == expected
    assert below(second, ".iptables.") | {"PROTO": "UDP", "SPT": "137", "IN": "", "OUT": "wlan0"} == below(
        second, ".iptables."
    )
    assert other == {}
