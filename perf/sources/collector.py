"""A collector's path: RFC 5424 with structured data and a document as text, what is found in it, and the line of
JSON that is written."""

from __future__ import annotations

import json

STEPS = """
if (program("checkout")) {
    parser { json-parser(prefix(".app.")); };
    rewrite {
        set-tag("paid");
        set("$HOST/$PROGRAM" value("service.name"));
        set("${.app.user}" value("service.user"));
    };
};
"""
# By name: both engines write the pairs in the reverse order of their names.
PAIRS = {
    "address": "${.SDATA.origin@32473.address}",
    "event": "${.SDATA.event@32473.id}",
    "host": "$HOST",
    "level": "$LEVEL",
    "order": "${.app.order}",
    "path": "${.app.path}",
    "service": "${service.name}",
    "tagged": "$(if tags(paid) yes no)",
    "time": "$ISODATE",
    "user": "${service.user}",
}
TEMPLATE = "$(format-json " + " ".join(f"{name}={value}" for name, value in PAIRS.items()) + ")\\n"
HOST = "mymachine.example.com"
NUMBERS = range(1000, 2000)


def message(number: int) -> str:
    """What a service sends."""
    document = {
        "level": "info",
        "user": "alice@example.com",
        "order": f"A-{number}",
        "status": 200,
        "duration": 0.125,
        "path": f"/cart/{number}/checkout",
        "message": "the cart was paid, and the order is on its way to the warehouse",
    }
    return (
        f"<165>1 2026-10-11T22:14:15.003Z {HOST} checkout {number} ID47 "
        '[event@32473 id="evt-0123456789" user="alice@example.com" action="login"]'
        f'[origin@32473 address="192.0.2.17" outcome="success"] {json.dumps(document, separators=(",", ":"))}'
    )


def line(number: int) -> str:
    """What the collector writes of it."""
    values = {
        "address": "192.0.2.17",
        "event": "evt-0123456789",
        "host": HOST,
        "level": "notice",
        "order": f"A-{number}",
        "path": f"/cart/{number}/checkout",
        "service": f"{HOST}/checkout",
        "tagged": "yes",
        "time": "2026-10-11T22:14:15+00:00",
        "user": "alice@example.com",
    }
    return json.dumps(dict(reversed(values.items())), separators=(",", ":"))


def messages() -> list[str]:
    """A cycle of messages, numbered from 1000 so that all have one length."""
    return [message(number) for number in NUMBERS]


def lines() -> list[str]:
    """The line that is written of each."""
    return [line(number) for number in NUMBERS]
