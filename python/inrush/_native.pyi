"""The native half of Inrush: what the Rust engine gives to Python."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar, final, overload

from typing_extensions import Buffer as _ReadableBuffer
from typing_extensions import Self

from inrush.results import LogDestinationResult, LogFetcherResult
from inrush.typing import FetchResult, Flag, FlagWord, Postable, SendResult

_T = TypeVar("_T")
_Name: TypeAlias = str | bytes
_Read: TypeAlias = bytes | int | float | bool | list[bytes] | datetime | None
_Written: TypeAlias = (
    str | bytes | int | float | bool | list[str] | list[bytes] | list[str | bytes] | datetime | None
)
_Kept: TypeAlias = Any  # str, int, bytes or bool; Any, so that a program need not ask which

__all__ = [
    "LTZ_LOCAL",
    "LTZ_SEND",
    "AckTracker",
    "BatchedAckTracker",
    "Buffer",
    "ConsecutiveAckTracker",
    "InstantAckTracker",
    "LogDestination",
    "LogFetcher",
    "LogMessage",
    "LogParser",
    "LogSource",
    "LogTemplate",
    "LogTemplateException",
    "LogTemplateOptions",
    "Logger",
    "ParseOptions",
    "Persist",
    "PersistedBookmark",
    "SequenceNumber",
    "build_info",
    "main",
]

def main(argv: Sequence[str], /) -> int:
    """Runs the command line `argv` (its first element is the program's name) and returns the exit code."""

def build_info() -> dict[str, str]:
    """The build of this engine: `version`, `profile`, `target`, `rustc`, `pyo3`, `allocator`."""

def register_config_generator(
    context: str, name: str, config_generator: Callable[[dict[str, str]], str | bytes]
) -> None:
    """Has `config_generator` called where `name` is used in `context` (`source`, `root`, ...) of a configuration.

    It gets the arguments as they are written, with their quotes, by their names with `_` for `-`, and returns
    the text that is read in the place of the use.
    """

@final
class ParseOptions:
    """The options by which a source's messages are parsed: its flags(), format(), time-zone() and defaults.
    Opaque.

    A source finds its own in `self.parse_options`; outside the engine, `ParseOptions.make()` makes one.
    """

    @staticmethod
    def make(
        flags: Sequence[FlagWord] = (),
        format: str = "syslog",  # noqa: A002 - the name is part of the API
        time_zone: str | None = None,
        default_facility: str | None = None,
        default_priority: str | None = None,
        sdata_prefix: str | None = None,
    ) -> ParseOptions:
        """Makes options as a configuration would, for use outside the engine.

        `flags` has the words of flags(), such as "no-parse". `format` is "syslog" or "raw". `time_zone` is
        the zone of stamps without an offset: "Europe/Budapest", "+02:00", or a rule as in the variable TZ.
        `default_facility` and `default_priority` are the names of those of a message without a priority.
        `sdata_prefix` is what the names of structured data begin with, ".SDATA." when it is None. ValueError
        for a word that none of them knows.
        """

@final
class Buffer:
    """Writable memory of the engine's, from `LogSource.acquire_buffer()`.

    Fill it through the buffer protocol (`socket.recv_into`, `file.readinto`, `memoryview`), then hand it over
    whole with `LogSource.post_buffer(buffer, length=n)`: the messages are views of it, and it comes back to
    the engine when they were delivered. Handing it over seals it: its bytes cannot be had any more
    (BufferError), nor posted again (ValueError).
    """

    @property
    def tail(self) -> bytes:
        """The bytes that the last `post_buffer(..., partial=True)` of this buffer did not consume; empty
        before it."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Persist:
    """Values by name that outlive the process: a mapping from `str` to `str`, `int`, `bytes` and `bool`.

    All that have the same name are the same store. An assignment is seen at once, and on the disk within
    moments (`--persist-file`); `commit()` waits for that. Make it in `init()` or later: while the
    configuration is read, there is no state yet, and it is a RuntimeError. An engine without
    `--persist-file`, and a program without an engine, keep it in memory.

    OSError: the disk refuses what was assigned before; the assignment was not made.
    """

    def __new__(cls, *args: object, **kwargs: object) -> Self: ...
    def __init__(self, persist_name: str, defaults: Mapping[str, _Kept] | None = None) -> None: ...
    @property
    def persist_name(self) -> str:
        """The name of the store."""

    def __getitem__(self, key: str | bytes, /) -> _Kept: ...
    def __setitem__(self, key: str | bytes, value: _Kept, /) -> None: ...
    def __delitem__(self, key: str | bytes, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool:
        """Always true, also when it is empty."""

    @overload
    def get(self, key: str | bytes, default: None = None) -> _Kept | None: ...
    @overload
    def get(self, key: str | bytes, default: _T) -> _Kept | _T: ...
    def keys(self) -> list[str]:
        """The keys, in order."""

    def items(self) -> list[tuple[str, _Kept]]:
        """Keys and values, as they were at one moment."""

    def commit(self) -> None:
        """Waits until everything that was assigned before is on the disk."""

class Logger:
    """Writes messages of the engine's own, which go to stderr and to internal() sources. Any object is taken,
    through `str()`."""

    def __new__(cls) -> Self: ...
    def error(self, message: object, /) -> None:
        """Writes `message` as an error."""

    def warning(self, message: object, /) -> None:
        """Writes `message` as a warning."""

    def info(self, message: object, /) -> None:
        """Writes `message` as information."""

    def debug(self, message: object, /) -> None:
        """Writes `message` when debug messages are wanted (`-d`)."""

    def trace(self, message: object, /) -> None:
        """Writes `message` when trace messages are wanted (`-t`)."""

class LogMessage:
    """A log message: a text, a time, a priority, and values by name.

    `message` is `str` (kept as UTF-8), `bytes` or another read-only buffer (kept as it is), or None for a
    message without text. `bookmark` is any object that tells its source where the message came from; None
    means that there is none.

    Posting takes the message as it is at that moment: changing or posting it again afterwards is allowed, and
    does not touch what was posted.
    """

    def __new__(cls, *arguments: object, **keywords: object) -> Self: ...
    def __init__(self, message: str | _ReadableBuffer | None = None, bookmark: object = None) -> None: ...
    def __getitem__(self, key: _Name, /) -> _Read:
        """The value of `key`, typed: text comes as bytes. KeyError when there is none, TypeError when `key`
        is neither str nor bytes."""

    def __setitem__(self, key: _Name, value: _Written, /) -> None:
        """Sets `key`. ValueError for a type that a message cannot hold, OverflowError for an int beyond 64
        bits; both name the key."""

    def __delitem__(self, key: _Name, /) -> None:
        """Unsets `key`. KeyError when it is not set."""

    def __contains__(self, key: object, /) -> bool:
        """True when `msg[key]` has a value."""

    def __len__(self) -> int:
        """The number of values that are set, the text among them; macros do not count."""

    def __bool__(self) -> bool:
        """True, also for a message in which nothing is set."""

    def __eq__(self, other: object, /) -> bool:
        """True when both have the same values with the same types, the same time and the same priority."""

    def __hash__(self) -> int:
        """That of the object's identity: equal messages have different hashes, and one keeps its hash when it
        is changed."""

    def __ne__(self, other: object, /) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview:
        """A read-only view of the text, without a copy. It stays as it is when the message is changed
        later."""

    def __reduce__(self) -> tuple[Any, ...]: ...
    def keys(self) -> list[bytes]:
        """The names of the values that are set, in order, then the names of all macros."""

    def items(self) -> list[tuple[bytes, _Read]]:
        """The names and values that are set, in order; macros are not among them."""

    @overload
    def get(self, key: _Name) -> _Read: ...
    @overload
    def get(self, key: _Name, default: _T) -> _Read | _T:
        """The value of `key`, typed as in `msg[key]`, or `default`."""

    @overload
    def get_as_str(
        self,
        key: _Name,
        default: None = None,
        encoding: str = "utf-8",
        errors: str = "strict",
        repr: str = "internal",
    ) -> str | None: ...
    @overload
    def get_as_str(
        self,
        key: _Name,
        default: str,
        encoding: str = "utf-8",
        errors: str = "strict",
        repr: str = "internal",
    ) -> str:
        """The text of `key` whatever its type, decoded, or `default` (str or None). `repr` is accepted and
        has no effect."""

    def set_pri(self, pri: int) -> None:
        """Sets the priority: facility * 8 + severity."""

    def get_pri(self) -> int:
        """The priority: facility * 8 + severity; 13 (user.notice) in a new message."""

    def set_timestamp(self, timestamp: datetime) -> None:
        """Sets the time of the message, exact to the microsecond. A naive datetime is local time."""

    def get_timestamp(self) -> datetime:
        """The time of the message: a naive datetime, the wall clock in the message's own offset from UTC."""

    def set_bookmark(self, bookmark: object) -> None:
        """Sets where the message came from; None unsets it."""

    def set_source_ipaddress(self, ip: str | bytes | None, port: int = 0) -> bool:
        """Sets the sender's address (SOURCEIP, SOURCEPORT). False, and nothing changes, when `ip` is not an
        IPv4 or IPv6 address."""

    def set_recvd_rawmsg_size(self, rawmsg_size: int) -> None:
        """Sets the size that the message had on its way in (RAWMSG_SIZE)."""

    @staticmethod
    def parse(raw_msg: str | bytes, parse_options: ParseOptions) -> LogMessage:
        """Parses a syslog message (RFC 5424 or RFC 3164) as the source's flags(), format() and time-zone()
        say.

        `parse_options` is the source's own `self.parse_options`. What cannot be parsed becomes the text of a
        message that says so; it raises nothing.
        """

class AckTracker:
    """The base of what a source may set as `self.ack_tracker`, in `__init__` or in `init()`, to be told what
    was delivered.

    Every callback runs on one thread of the source's own. What it raises is logged and counted, and changes
    nothing.
    """

class InstantAckTracker(AckTracker):
    """Calls `ack_callback(bookmark)` for each message as it is acknowledged, in any order, given up ones
    included."""

    def __new__(cls, *_arguments: object, **_keywords: object) -> Self: ...
    def __init__(self, ack_callback: Callable[[Any], object]) -> None: ...

class ConsecutiveAckTracker(AckTracker):
    """Calls `ack_callback(bookmark)` with the bookmark of the last message up to which everything was
    delivered.

    In the order of posting, and never past a message that was given up at a stop. Credit comes back in that
    order too.
    """

    def __new__(cls, *_arguments: object, **_keywords: object) -> Self: ...
    def __init__(self, ack_callback: Callable[[Any], object]) -> None: ...

class BatchedAckTracker(AckTracker):
    """Calls `batched_ack_callback(bookmarks)` with a list when `batch_size` messages were acknowledged, or
    `timeout` milliseconds after the list before (0: never), and with the rest at the end. What was given up
    is in no list.
    """

    def __new__(cls, *_arguments: object, **_keywords: object) -> Self: ...
    def __init__(
        self, timeout: int, batch_size: int, batched_ack_callback: Callable[[list[Any]], object]
    ) -> None: ...

class PersistedBookmark(ConsecutiveAckTracker):
    """A `ConsecutiveAckTracker` that writes the bookmark into `store` under `key`.

    `store` is a `Persist`, the name of one, or another mapping. Bookmarks are str, int, bytes or bool;
    another one is a TypeError where it is posted. `value` is what was written last, by this process or one
    before it, or `default`: the place to go on from.
    """

    def __new__(cls, *_arguments: object, **_keywords: object) -> Self: ...
    def __init__(
        self, store: Persist | str | MutableMapping[str, Any], key: str = "bookmark", default: Any = None
    ) -> None: ...
    @property
    def value(self) -> Any:
        """The bookmark that was written last; `default` when there is none."""

class LogSource:
    """The base of sources: derive from it, define `run()`, and name the class in `python(class(...))`.

    The engine makes the object without arguments, calls `init(options)`, then `run()` on a thread of its own,
    `request_exit()` from the main thread when it wants to stop, and `deinit()` after `run()` came back. A
    `run()` that looks at `exit_requested`, or that sleeps with `sleep()`, needs no `request_exit()`.

    Everything from `post_messages` to `sleep` is Inrush's own. A class may use these names for itself: the
    engine never calls them through the object.
    """

    def __new__(cls, *args: object, **kwargs: object) -> Self: ...
    def __init__(self, *args: object, **kwargs: object) -> None: ...

    auto_close_batches: bool
    """Each post is handed over at once. True before `init()`; set it to False in `init()` and call
    `close_batch()`."""

    flags: dict[Flag, bool]
    """The words of flags() as a dict of bool; `{}` before `init()`."""

    parse_options: ParseOptions
    """The second argument of `LogMessage.parse`; None before `run()`."""

    @property
    def persist_name(self) -> str:
        """The name under which the state of this source is kept; None before `init()`."""

    def init(self, options: dict[str, Any]) -> bool:
        """Called once before `run()`, on the main thread; a false result refuses the configuration. This one
        returns True."""

    def run(self) -> Coroutine[Any, Any, object] | None:
        """The source itself, on its own thread. Must be defined. With `async def` the engine hosts an asyncio
        event loop there; exit cancels it, unless `request_exit()` is defined."""

    def request_exit(self) -> Coroutine[Any, Any, object] | None:
        """Called from the main thread while `run()` runs; `run()` must return soon. A coroutine runs on the
        event loop of `run()`."""

    def deinit(self) -> None:
        """Called on the main thread after `run()` returned. This one does nothing."""

    def post_message(self, msg: Postable, bookmark: object = None) -> None:
        """Posts one message. A `str` or `bytes` is short for `LogMessage` of it.

        Without credit it waits, with the GIL released, until the destinations have taken enough; in a class
        that defines `suspend()` and `wakeup()` it calls `suspend()` instead and returns. Any thread may post;
        what one thread posts stays in order. `bookmark` is short for `set_bookmark()` before the post.
        RuntimeError where the engine cannot take messages: before it started and after it stopped; and for a
        message with a bookmark in a source without an `ack_tracker`.
        """

    def close_batch(self) -> None:
        """Hands over what this thread has posted so far."""

    def set_transport_name(self, name: str) -> None:
        """Sets TRANSPORT of every message posted from now on."""

    def post_messages(self, messages: Iterable[Postable]) -> int:
        """Posts all of `messages` in one call, in order, and returns how many.

        Waits for credit part-way, with the GIL released. A wrong type is a TypeError that names its index:
        what came before it is posted, nothing after it is.
        """

    def post_buffer(
        self,
        buffer: Buffer | _ReadableBuffer,
        delimiter: bytes = b"\n",
        *,
        length: int | None = None,
        parse: bool = False,
        keep_empty: bool = False,
        partial: bool = False,
        bookmark: object = None,
    ) -> int:
        """Posts each piece of `buffer` between delimiters as a message, and returns the number of bytes
        consumed.

        `length`: how many bytes of the buffer count (all). `parse`: parse each piece as syslog with the
        source's options. `keep_empty`: empty pieces are messages too. `partial`: the piece after the last
        delimiter is not posted; it starts where the result says, and for a `Buffer` it is its `tail`.
        Otherwise it is posted like the others. `bookmark`: stands for all pieces together, and is told to the
        `ack_tracker` when the last of them was acknowledged.
        """

    def acquire_buffer(self, size: int) -> Buffer:
        """A writable buffer of `size` bytes for `recv_into` and `readinto`, to be handed over with
        `post_buffer`."""

    def try_post_message(self, msg: Postable) -> bool:
        """Posts one message if there is credit for it; False, and nothing is taken, if not. Never waits,
        never calls `suspend()`."""

    async def post(self, msg: Postable, bookmark: object = None) -> None:
        """Posts one message from a coroutine: `await self.post(msg)` waits for credit without blocking the
        event loop.

        `bookmark` is short for `set_bookmark()` before the post. What one coroutine posts stays in order. The
        message is taken when the call comes back; one that is cancelled has not posted it.
        """

    def is_suspended(self) -> bool:
        """True when the source is out of credit: a post would wait."""

    def wait_until_writable(self, timeout: float | None = None) -> bool:
        """Waits until there is credit, at most `timeout` seconds, with the GIL released; whether there is.
        Exit ends the wait."""

    exit_requested: bool
    """True when the engine wants `run()` to return. Made by the engine; a class may have an attribute of its
    own of this name."""

    def sleep(self, seconds: float) -> bool:
        """Sleeps, with the GIL released, and wakes up at once when exit is requested. True when it slept the
        whole time.

        `sleep(0)` only looks whether exit is requested, and keeps the GIL: the interpreter gives it to
        waiting threads by itself.
        """

class LogFetcher:
    """The base of fetchers: derive from it, define `fetch()`, and name the class in
    `python-fetcher(class(...))`.

    The engine makes the object without arguments and calls `init(options)`; then, on a thread of its own,
    `open()`, and `fetch()` again and again while there is credit; `request_exit()` from the main thread when
    it wants to stop, `close()` on the fetcher's thread, and `deinit()`.

    `sleep` and `exit_requested` are Inrush's own. A class may use these names for itself.
    """

    ERROR: ClassVar[Literal[LogFetcherResult.ERROR]]
    NOT_CONNECTED: ClassVar[Literal[LogFetcherResult.NOT_CONNECTED]]
    SUCCESS: ClassVar[Literal[LogFetcherResult.SUCCESS]]
    TRY_AGAIN: ClassVar[Literal[LogFetcherResult.TRY_AGAIN]]
    NO_DATA: ClassVar[Literal[LogFetcherResult.NO_DATA]]
    FETCH_ERROR: ClassVar[Literal[LogFetcherResult.ERROR]]
    FETCH_NOT_CONNECTED: ClassVar[Literal[LogFetcherResult.NOT_CONNECTED]]
    FETCH_SUCCESS: ClassVar[Literal[LogFetcherResult.SUCCESS]]
    FETCH_TRY_AGAIN: ClassVar[Literal[LogFetcherResult.TRY_AGAIN]]
    FETCH_NO_DATA: ClassVar[Literal[LogFetcherResult.NO_DATA]]

    def __new__(cls, *args: object, **kwargs: object) -> Self: ...
    def __init__(self, *args: object, **kwargs: object) -> None: ...

    flags: dict[Flag, bool]
    """The words of flags() as a dict of bool; `{}` before `init()`."""

    parse_options: ParseOptions
    """The second argument of `LogMessage.parse`; None before `open()`."""

    @property
    def persist_name(self) -> str:
        """The name under which the state of this fetcher is kept; None before `init()`."""

    def init(self, options: dict[str, Any]) -> bool:
        """Called once, on the main thread; a false result refuses the configuration. This one returns
        True."""

    def open(self) -> bool:
        """Called before the first `fetch()`, and after ERROR and NOT_CONNECTED. A false result (None is one)
        or an exception: it is called again after time-reopen(). This one returns True."""

    def fetch(self) -> FetchResult:
        """Must be defined. Returns a tuple: `(SUCCESS, message)`, or `(SUCCESS, messages)` with a list or an
        iterator of them; `(NO_DATA,)` to be asked again after fetch-no-data-delay(), `(NO_DATA, seconds)` for
        a wait of its own; `(TRY_AGAIN,)` to be asked again at once; `(NOT_CONNECTED,)` for `open()` after
        time-reopen(), `(ERROR,)` for `close()` before that.

        What stands in the second place of the others is ignored; without it, the tuple may be left
        out: `return self.NO_DATA`. Anything else, and an exception, is logged and is an ERROR."""

    def close(self) -> None:
        """Called after an ERROR, and at the end. This one does nothing."""

    def request_exit(self) -> None:
        """Called from the main thread when the fetcher is to end; a `fetch()` that waits must return soon.
        This one does nothing."""

    def deinit(self) -> None:
        """Called on the main thread after the fetcher has ended. This one does nothing."""

    def set_transport_name(self, name: str) -> None:
        """Sets TRANSPORT of every message fetched from now on."""

    exit_requested: bool
    """True when the fetcher is to end. Made by the engine; a class may have an attribute of its own of this
    name."""

    def sleep(self, seconds: float) -> bool:
        """Sleeps, with the GIL released, and wakes up at once when exit is requested. True when it slept the
        whole time.

        `sleep(0)` only looks whether exit is requested, and keeps the GIL: the interpreter gives it to
        waiting threads by itself.
        """

def _post_step(source: LogSource, message: Postable, may_pause: bool) -> int: ...
def _when_writable(source: LogSource, wake: Callable[[], object]) -> None: ...
def _has_log() -> bool: ...
def _posted(source: LogSource, clear: bool) -> tuple[int, list[LogMessage]]: ...
def _blocks(path: Path) -> ModuleType: ...

@final
class _Rig:
    def __new__(
        cls,
        klass: type[LogSource] | type[LogFetcher],
        statement: str,
        options: dict[str, object],
        holds: bool,
        errors: list[BaseException],
        before: _Rig | None,
        /,
    ) -> Self: ...
    @property
    def instance(self) -> Any: ...
    def __len__(self) -> int: ...
    def init(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> bool: ...
    def close(self) -> None: ...
    def is_alive(self) -> bool: ...
    def wait(self, count: int, seconds: float) -> bool: ...
    def message(self, number: int) -> LogMessage: ...
    def outcome(self, number: int) -> str: ...
    def decide(self, number: int, aborts: bool) -> bool: ...
    def persist(self, name: str, defaults: dict[str, str | int | bytes] | None) -> Any: ...
    def set_holds(self, holds: bool) -> None: ...
    def suspend(self) -> None: ...
    def wake_up(self) -> None: ...
    def is_suspended(self) -> bool: ...
    def take_log(self) -> list[tuple[str, str]]: ...
    def totals(self) -> dict[str, int]: ...

@final
class SequenceNumber:
    """A number that counts on: `int()`, `str()` and an index give it as it is then."""

    def __int__(self) -> int: ...
    def __index__(self) -> int: ...

class LogDestination:
    """The base of destinations: derive from it, define `send()`, and name the class in
    `destination { python(class(...)); }`.

    The engine makes the object without arguments and calls `init(options)`; then, on a thread of its own, `open()`,
    `send()` for each message, `flush()` where something is queued, `close()`; at last `deinit()` on the main
    thread.

    A class that defines `send_batch(self, messages)` gets lists instead, of up to batch-lines() messages, or of all
    that wait. It returns one result for all of them, or a list with SUCCESS, ERROR or DROP for each. That is
    Inrush's own.

    A message can be read during the call. One that is kept longer stays as it was. It cannot be changed.
    """

    DROP: ClassVar[Literal[LogDestinationResult.DROP]]
    ERROR: ClassVar[Literal[LogDestinationResult.ERROR]]
    EXPLICIT_ACK_MGMT: ClassVar[Literal[LogDestinationResult.EXPLICIT_ACK_MGMT]]
    SUCCESS: ClassVar[Literal[LogDestinationResult.SUCCESS]]
    QUEUED: ClassVar[Literal[LogDestinationResult.QUEUED]]
    NOT_CONNECTED: ClassVar[Literal[LogDestinationResult.NOT_CONNECTED]]
    RETRY: ClassVar[int]
    MAX: ClassVar[int]

    def __new__(cls, *args: object, **kwargs: object) -> Self: ...
    def __init__(self, *args: object, **kwargs: object) -> None: ...
    @property
    def persist_name(self) -> str:
        """The name under which the state of this destination is kept; None before `init()`."""

    @property
    def template_options(self) -> LogTemplateOptions:
        """The options of its templates, for `LogTemplate`; None before `init()`."""

    @property
    def seqnum(self) -> SequenceNumber:
        """The number of the message that is sent, among those of this host (SEQNUM)."""

    def init(self, options: dict[str, Any]) -> bool:
        """Called once, on the main thread; a false result refuses the configuration. This one returns True."""

    def open(self) -> bool | None:
        """Called at the start, and again after a failure. A false result but None, or an exception: it is called
        again after time-reopen(). This one returns True."""

    def is_opened(self) -> bool:
        """Called before each `send()`: false is as NOT_CONNECTED, once `open()` has been called. This one returns
        True."""

    def send(self, msg: Any) -> SendResult:
        """Must be defined, or `send_batch()`. `msg` is a `LogMessage`, or a dict with value-pairs().

        SUCCESS or True: it has arrived, and with it what was queued before. QUEUED: `flush()` says what becomes of
        it. DROP: it is given up. ERROR or False, anything else, and an exception: it is tried again after
        time-reopen(), retries() times in all. NOT_CONNECTED: it is kept, and tried again after time-reopen().
        RETRY: it is tried again at once, three times, then as NOT_CONNECTED.
        """

    def flush(self) -> SendResult:
        """Called when a batch is full, or no more messages wait. Its result is that of what was queued. This one
        returns True."""

    def close(self) -> None:
        """Called after a failure, and at the end. This one does nothing."""

    def deinit(self) -> None:
        """Called on the main thread when the destination has ended. This one does nothing."""

    def stats_written_bytes_add(self, count: int) -> None:
        """Counts `count` bytes as written, for the statistics."""

class LogParser:
    """The base of parsers: derive from it, define `parse()`, and name the class in `parser { python(class(...)); }`.

    The engine makes an object for each reference to the parser, without arguments, and calls `init(options)` on the
    main thread; then, on the one thread for all parsers, `parse()` for each message; at last `deinit()`.

    A class that defines `parse_batch(self, messages)` gets lists instead, of all messages that came together. It
    returns None when all of them go on, or what is true or false for each. That is Inrush's own.

    A message can be read and changed during the call. One that is kept longer stays as it was at the end of it, and
    cannot be changed any more.
    """

    def __new__(cls, *args: object, **kwargs: object) -> Self: ...
    def __init__(self, *args: object, **kwargs: object) -> None: ...
    def init(self, options: dict[str, Any]) -> bool:
        """Called once, on the main thread; a false result refuses the configuration. This one returns True."""

    def parse(self, msg: LogMessage) -> bool:
        """Must be defined, or `parse_batch()`.

        A true result: the message goes on, with all that was set. A false result, None, or an exception: it does not,
        and other paths see nothing of what was set.
        """

    def deinit(self) -> None:
        """Called on the thread of `parse()` when the parser has seen its last message. This one does nothing."""

LTZ_LOCAL: Final = 0
LTZ_SEND: Final = 1

class LogTemplateException(Exception):  # noqa: N818 - the name is part of the API
    """A template's text is wrong."""

@final
class LogTemplateOptions:
    """The options of templates: those of a destination (`self.template_options`), or the defaults."""

    def __new__(cls, template_options: LogTemplateOptions | None = None, /) -> Self: ...

class LogTemplate:
    """A template, compiled once: `LogTemplate("$DATE $HOST $MSG", LogTemplateOptions())`.

    LogTemplateException: the text is wrong. It knows no templates of the configuration.
    """

    def __new__(cls, template: str, options: LogTemplateOptions | None = None, /) -> Self: ...
    def format(
        self, msg: LogMessage, options: LogTemplateOptions | None = None, tz: int = 1, seqnum: int = 0
    ) -> bytes:
        """Formats `msg`: what a destination with this template would write.

        `options` come before those that the template was made with. RuntimeError: there are neither. `tz` is LTZ_SEND
        or LTZ_LOCAL, `seqnum` what $SEQNUM gives, which messages of this host alone have.
        """
