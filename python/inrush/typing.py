"""The types for annotations of sources, fetchers and destinations.

```python
from inrush import LogFetcher, LogMessage
from inrush.typing import FetchResult

class Pages(LogFetcher):
    def fetch(self) -> FetchResult:
        return self.SUCCESS, LogMessage("page")
```

`FetchResult` is everything that `fetch()` may return. `Fetched` is what may stand beside SUCCESS, and
`Postable` what can be posted. `SendResult` is what `send()`, `send_batch()` and `flush()` of a destination may
return. `Flag` is a key of `self.flags`, and `FlagWord` a word of `flags()`.
"""

from collections.abc import Iterator
from typing import Literal, TypeAlias

from inrush._native import LogMessage
from inrush.results import LogDestinationResult, LogFetcherResult

__all__ = ["FetchResult", "Fetched", "Flag", "FlagWord", "Postable", "SendResult"]

Postable: TypeAlias = LogMessage | str | bytes

# A str is iterable, and no list of messages.
Fetched: TypeAlias = (
    LogMessage
    | list[LogMessage]
    | list[str]
    | list[bytes]
    | list[Postable]
    | tuple[Postable, ...]
    | Iterator[LogMessage]
    | Iterator[str]
    | Iterator[bytes]
    | Iterator[Postable]
)

_WithoutMessage: TypeAlias = Literal[
    LogFetcherResult.ERROR,
    LogFetcherResult.NOT_CONNECTED,
    LogFetcherResult.TRY_AGAIN,
    LogFetcherResult.NO_DATA,
]

FetchResult: TypeAlias = (
    tuple[Literal[LogFetcherResult.SUCCESS], Fetched]
    | tuple[_WithoutMessage]
    | tuple[_WithoutMessage, object]
    | tuple[int, LogMessage]
    | _WithoutMessage
)

# RETRY is no member of the enumeration.
SendResult: TypeAlias = LogDestinationResult | int | bool

FlagWord: TypeAlias = Literal[
    "parse",
    "no-parse",
    "check-hostname",
    "no-check-hostname",
    "syslog-protocol",
    "no-syslog-protocol",
    "assume-utf8",
    "no-assume-utf8",
    "validate-utf8",
    "no-validate-utf8",
    "sanitize-utf8",
    "no-sanitize-utf8",
    "multi-line",
    "no-multi-line",
    "store-legacy-msghdr",
    "no-store-legacy-msghdr",
    "store-raw-message",
    "no-store-raw-message",
    "expect-hostname",
    "no-expect-hostname",
    "guess-timezone",
    "no-guess-timezone",
    "header",
    "no-header",
    "rfc3164-fallback",
    "no-rfc3164-fallback",
    "piggyback-errors",
    "no-piggyback-errors",
    "check-program",
    "no-check-program",
    "no-hostname",
    "dont-store-legacy-msghdr",
]

Flag: TypeAlias = Literal[
    "parse",
    "check-hostname",
    "syslog-protocol",
    "assume-utf8",
    "validate-utf8",
    "sanitize-utf8",
    "multi-line",
    "store-legacy-msghdr",
    "store-raw-message",
    "expect-hostname",
    "guess-timezone",
    "header",
    "rfc3164-fallback",
]
