"""Hypothesis over the Python API, on the way that messages really take."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inrush import ParseOptions
from inrush.testing import SourceUnderTest, posted, run
from inrush.typing import FlagWord
from syslogng import LogFetcher, LogMessage, LogSource

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# Names of a user's own: no macros, no names that the engine knows, no structured data.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda name: f".user.{name}")
VALUES = st.one_of(
    st.binary(),
    TEXT.map(str.encode),
    INT64,
    st.booleans(),
    st.floats(allow_nan=False),
    st.none(),
    st.lists(TEXT.map(str.encode)),
)
OPTIONS = st.dictionaries(
    st.from_regex(r"\A[a-z_][a-z0-9_]{0,20}\Z"),
    st.one_of(TEXT, INT64, st.booleans(), st.floats(allow_nan=False), st.lists(TEXT)),
)


class Nothing(LogSource):
    """Posts what it is told to."""


class Optioned(LogSource):
    """Keeps its options."""

    def init(self, options: dict[str, Any]) -> bool:
        self.options = options
        return True

    def run(self) -> None:
        """Has nothing to do."""


class Parsing(LogSource):
    """Parses and posts what its class is given."""

    raw: bytes = b""

    def run(self) -> None:
        self.post_message(LogMessage.parse(self.raw, self.parse_options))
        self.post_buffer(self.raw, b"\0", parse=True, keep_empty=True)


@given(st.binary(), st.dictionaries(NAMES, VALUES, max_size=20))
def test_typed_values_round_trip_through_the_engine(text: bytes, values: dict[str, Any]) -> None:
    """Without it: a value changes its type or its text between the post and the destination."""
    source = Nothing()
    message = LogMessage(text)
    for name, value in values.items():
        message[name] = value
    source.post_message(message)
    [arrived] = posted(source, clear=True)
    assert arrived["MESSAGE"] == text
    for name, value in values.items():
        assert (type(arrived[name]), arrived[name]) == (type(value), value)
    assert message.get_timestamp() == arrived.get_timestamp()


@given(st.lists(st.one_of(st.binary(), TEXT), max_size=300))
def test_posts_arrive_in_order_and_whole(texts: list[bytes | str]) -> None:
    """Without it: a text is cut, or two change places, at some length."""
    source = Nothing()
    assert source.post_messages(texts) == len(texts)
    expected = [text.encode() if isinstance(text, str) else text for text in texts]
    assert [bytes(memoryview(message)) for message in posted(source, clear=True)] == expected


@given(OPTIONS)
def test_options_arrive_as_they_are(options: dict[str, Any]) -> None:
    """Without it: an option changes its type on its way to init()."""
    seen = run(Optioned, options).source.options
    assert seen == options
    assert [type(seen[key]) for key in options] == [type(value) for value in options.values()]


@given(
    st.one_of(
        st.binary(),
        st.builds(bytes.__add__, st.sampled_from([b"<13>", b"<34>1 ", b"<13>Jan  1 00:00:00 "]), st.binary()),
    )
)
def test_parse_never_raises_in_a_source(raw: bytes) -> None:
    """Without it: one bad packet ends run()."""
    source = run(type("P", (Parsing,), {"raw": raw}))
    assert len(source) == 1 + len(raw.split(b"\0")) - (raw.endswith(b"\0") or not raw)


@given(
    st.binary(), st.sampled_from(["syslog", "raw"]), st.sets(st.sampled_from(["no-parse", "check-hostname"]))
)
def test_parse_never_raises_by_itself(raw: bytes, form: str, flags: set[FlagWord]) -> None:
    """Without it: some format or flag has an input on which it fails."""
    assert isinstance(LogMessage.parse(raw, ParseOptions.make(flags=sorted(flags), format=form)), LogMessage)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner), st.tuples(inner, inner), st.dictionaries(st.text(), inner)
    ),
    max_leaves=5,
)


@given(st.lists(ANYTHING, min_size=1, max_size=5))
def test_whatever_fetch_returns_ends_nothing(results: list[Any]) -> None:
    """Without it: some result of fetch() ends the fetcher's thread."""

    class Fetches(LogFetcher):
        def init(self, options: dict[str, Any]) -> bool:
            self.left = list(results)
            return True

        def fetch(self) -> Any:
            if not self.left:
                return self.SUCCESS, LogMessage("last")
            result = self.left.pop(0)
            # Its own waits would take as long as they say.
            return (4, 0) if isinstance(result, tuple) and result[:1] == (4,) else result

    with SourceUnderTest(Fetches, config="time-reopen(0) fetch-no-data-delay(0)") as source:
        while not any(bytes(memoryview(message)) == b"last" for message in source.messages):
            # Results that are none are told as TypeErrors, and no other errors come of them.
            while source.errors:
                source.expect(TypeError)
            with suppress(TypeError):
                source.wait_for(len(source) + 1)
        while source.errors:
            source.expect(TypeError)
