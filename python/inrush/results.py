"""Results of the callbacks of fetchers and destinations, by name."""

from enum import IntEnum


class LogFetcherResult(IntEnum):
    """A result of `LogFetcher.fetch()`; each name also with the prefix `FETCH_`."""

    ERROR = 0
    NOT_CONNECTED = 1
    SUCCESS = 2
    TRY_AGAIN = 3
    NO_DATA = 4

    FETCH_ERROR = ERROR
    FETCH_NOT_CONNECTED = NOT_CONNECTED
    FETCH_SUCCESS = SUCCESS
    FETCH_TRY_AGAIN = TRY_AGAIN
    FETCH_NO_DATA = NO_DATA


class LogDestinationResult(IntEnum):
    """A result of `LogDestination.send()` and `flush()`."""

    DROP = 0
    ERROR = 1
    EXPLICIT_ACK_MGMT = 2
    SUCCESS = 3
    QUEUED = 4
    NOT_CONNECTED = 5
