"""`credit-card-mask()` and `credit-card-hash()` of the library: no number of a card stays in a text."""

from __future__ import annotations

import hashlib

import pytest

from harness import StartEngine, source_that

# Numbers that issuers publish for tests, and what stays of them.
CARDS = {
    "4111111111111111": "411111******1111",
    "4111 1111 1111 1111": "4111 11******1111",
    "4111-1111-1111-1111": "4111-11******1111",
    "4222222222222": "422222******2222",
    "5555555555554444": "555555******4444",
    "2223003122003222": "222300******3222",
    "378282246310005": "378282******0005",
    "3782 822463 10005": "3782 82******0005",
    "30569309025904": "305693******5904",
    "3056 930902 5904": "3056 93******5904",
    "6011111111111117": "601111******1117",
    "3530111333300000": "353011******0000",
}
# Times, numbers of other lengths, and parts of longer ones.
OTHERS = ["1795951391410000", "41111111111111111", "411111111111111", "20261129113916", "x 4111 1111 1111"]
TEXTS = [f"paid with {card}, thanks" for card in [*CARDS, *OTHERS]] + ["4111111111111111 and 378282246310005"]


def written(engine: StartEngine, rewrite: str) -> list[str]:
    """The texts after a rewrite."""
    body = "".join(f"self.post_message({text!r})\n" for text in TEXTS)
    running = engine(source_that(body, head='@include "scl.conf"', log=f"rewrite {{ {rewrite} }};"))
    lines = [line.decode() for line in running.wait_lines("out.log", len(TEXTS))]
    assert running.stop().delivered == len(TEXTS)
    return lines


def test_numbers_are_masked(engine: StartEngine) -> None:
    """Breaks without it: a log keeps what nobody may keep, or loses other numbers."""
    expected = [f"paid with {masked}, thanks" for masked in CARDS.values()] + [
        f"paid with {one}, thanks" for one in OTHERS
    ]
    assert written(engine, "credit-card-mask();") == [*expected, "411111******1111 and 378282******0005"]


@pytest.mark.parametrize("value", ['value("MESSAGE")', ""])
def test_numbers_are_hashed(engine: StartEngine, value: str) -> None:
    """Breaks without it: two payments with one card cannot be told to be the same."""
    hashed = {card: hashlib.sha1(card.encode()).hexdigest()[:16] for card in CARDS}
    expected = [f"paid with {digest}, thanks" for digest in hashed.values()]
    assert written(engine, f"credit-card-hash({value});")[: len(CARDS)] == expected


def test_conditions_and_templates_are_those_of_subst(engine: StartEngine) -> None:
    """Breaks without it: options of a rewrite have no effect in its block."""
    lines = written(
        engine, 'credit-card-mask(template("[card]") condition(match("thanks" value("MESSAGE"))));'
    )
    assert lines[0] == "paid with [card], thanks"
    assert lines[-1] == TEXTS[-1]
