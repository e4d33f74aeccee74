"""LogMessage as a whole: equality, hash, repr, copies and pickles."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from inrush import LogMessage
from messages import Named, parse


class TestWhole:
    """Equality, hash, repr, copies and pickles."""

    def test_hash_is_the_objects(self) -> None:
        """Without it: messages kept in a set are refused, or found under another one's key."""
        one, two = LogMessage("x"), LogMessage("x")
        two.set_timestamp(one.get_timestamp())
        assert len({one, two}) == 2
        assert {one: 1}[one] == 1

    @pytest.mark.parametrize("change", ["pri", "time", "text", "type", "more", "element"])
    def test_each_part_counts_for_equality(self, change: str) -> None:
        """Without it: two messages that differ are equal to a test."""
        one, two = (
            parse('<13>1 2026-01-01T00:00:00Z - - - - [a b="1"] x', "no-piggyback-errors") for _ in range(2)
        )
        assert one == two
        if change == "pri":
            two.set_pri(14)
        elif change == "time":
            two.set_timestamp(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
        elif change == "text":
            two["MESSAGE"] = "y"
        elif change == "type":
            two[".SDATA.a.b"] = 1
        elif change == "more":
            two["k"] = ""
        else:
            del two[".SDATA.a.b"]
            two[".SDATA.c.b"] = "1"
        assert one != two
        assert (one == two) is False

    def test_order_of_setting_does_not_count(self) -> None:
        """Without it: equal values are unequal messages."""
        one = LogMessage("x")
        two = copy.copy(one)
        one["a"], one["b"] = 1, 2
        two["b"], two["a"] = 2, 1
        assert one == two
        assert one.__eq__(5) is NotImplemented

    def test_repr(self) -> None:
        """Without it: a list of messages in a traceback says nothing, or is a page long."""
        message = Named("h", "it's\n" + "x" * 1000)
        text = repr(message)
        assert text.startswith("<Named 'it\\'s\\nxxx")
        assert "pri=13 time=20" in text
        assert text.endswith("HOST='h'>")
        assert len(text) < 400
        assert repr(LogMessage()).startswith("<LogMessage without text pri=13")

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle_of_a_subclass(self, protocol: int) -> None:
        """Without it: what a subclass adds, in a dict or a slot, is lost on the way, or __init__ runs
        again."""
        message = Named("there", "text", extra=[1], bookmark=("offset", 5))
        message[".SDATA.a.b"] = 1
        message.set_source_ipaddress("127.0.0.1", 5)
        message.set_recvd_rawmsg_size(9)
        again = pickle.loads(pickle.dumps(message, protocol))
        assert type(again) is Named
        assert again == message
        assert (again.extra, again.more) == ([1], {"bookmark": ("offset", 5)})
        assert again.items() == message.items()
        assert [again[name] for name in ("SOURCEIP", "SOURCEPORT", "RAWMSG_SIZE", "R_ISODATE")] == [
            b"127.0.0.1",
            5,
            9,
            message["R_ISODATE"],
        ]

    def test_pickle_of_a_parsed_message(self) -> None:
        """Without it: empty elements, names with points and parts of the raw input are lost."""
        raw = '<34>1 2026-01-01T00:00:00.5Z h p 1 id [empty][a b.c="1" b.c="2"] text'
        message = parse(raw, "store-raw-message")
        for again in (pickle.loads(pickle.dumps(message)), copy.copy(message), copy.deepcopy(message)):
            assert again == message
            assert again["SDATA"] == b'[empty][a b.c="1" b.c="2"]'
            assert again["RAWMSG"] == raw.encode()

    def test_a_subclass_may_have_its_own_state(self) -> None:
        """Without it: overriding __getstate__ has no effect."""
        message = Own("x")
        message.cache = object()
        again = pickle.loads(pickle.dumps(message))
        assert again["MESSAGE"] == b"x"
        assert again.cache is None

    @pytest.mark.parametrize(
        "state",
        [
            None,
            5,
            (1,),
            ((), None),
            ((2,), None),
            ((1, None, [], 0, 0, 0, 0, 0), None),
            ((1, None, [(2, b"p", 0, b"v")], 0, 0, 0, 0, 0, None), None),
            ((1, None, [(0, b"p", 99, b"v")], 0, 0, 0, 0, 0, None), None),
            ((1, (0, "str"), [], 0, 0, 0, 0, 0, None), None),
        ],
    )
    def test_state_of_something_else(self, state: Any) -> None:
        """Without it: a damaged pickle makes a damaged message."""
        message = LogMessage("x")
        restore: Any = message.__getattribute__("__setstate__")
        with pytest.raises(ValueError, match="not the pickle of a LogMessage"):
            restore(state)
        assert message["MESSAGE"] == b"x"


class Own(LogMessage):
    """A subclass that leaves something out of its pickles."""

    cache: object = None

    def __getstate__(self) -> Any:
        base: Any = super()
        state, _ = base.__getstate__()
        return state, None
