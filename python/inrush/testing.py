"""Runs a source by itself, for tests: the real class on the real lane, without a configuration file and
without an engine.

    from inrush.testing import run

    def test_numbers():
        with run(Numbers, {"count": 3}, messages=3) as source:
            assert [message["MESSAGE"] for message in source.messages] == [b"0", b"1", b"2"]

Nothing here needs pytest; `inrush.pytest_plugin` has the fixture.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, NoReturn, TypeVar

from inrush import _native
from inrush.logs import SyslogNGInternalLogHandler
from inrush.typing import FlagWord

__all__ = ["LogLine", "Refused", "SourceUnderTest", "load", "posted", "run"]

_Source = type[_native.LogSource] | type[_native.LogFetcher]
_Error = TypeVar("_Error", bound=BaseException)
# How much of the log an AssertionError shows.
_LOG_LINES = 20
_LONGEST_LINE = 4000


class Refused(Exception):  # noqa: N818 - it says what happened, as the engine does
    """The source would not have been accepted: its class, its options, or what its `init()` said."""


class LogLine(NamedTuple):
    """A message of the engine's own, or one that went through `logging` or `Logger`."""

    level: str
    text: str


class SourceUnderTest:
    """One source: a LogSource, a LogFetcher, or one whose `run()` is a coroutine.

    `options` is what `init()` gets. `flags` has the words of flags(), `persist_name` is persist-name(), and
    `config` any further options of the driver as they stand in a configuration:
    `config="log-iw-size(10) stop-timeout(1)"`. `hold` keeps messages unacknowledged until the test decides.
    `persist` is what the store has at first, by the names of its `Persist`s; `after` is an earlier one whose
    store this one goes on with.

    It is a context manager: entering starts the source, leaving stops it, and raises the first exception of
    its callbacks that the test has not taken with `expect()`.
    """

    def __init__(
        self,
        source: _Source,
        options: Mapping[str, object] | None = None,
        *,
        flags: Iterable[FlagWord] = (),
        persist_name: str | None = None,
        config: str = "",
        hold: bool = False,
        persist: Mapping[str, Mapping[str, str | int | bytes]] | None = None,
        after: SourceUnderTest | None = None,
    ) -> None:
        __tracebackhide__ = True
        driver = "python-fetcher" if issubclass(source, _native.LogFetcher) else "python"
        parts = [f'class("{source.__name__}")']
        if words := " ".join(flags):
            parts.append(f"flags({words})")
        if persist_name is not None:
            parts.append(f"persist-name({_quoted(persist_name)})")
        statement = f"{driver}({' '.join(parts)} {config});"
        self.errors: list[BaseException] = []
        """The exceptions of its callbacks, first things first; `expect()` takes them off."""
        self._log: list[LogLine] = []
        self._handler: SyslogNGInternalLogHandler | None = None
        self._level = logging.WARNING
        self._stopped = False
        self._rig: _native._Rig
        before = None if after is None else after._rig
        try:
            self._rig = _native._Rig(source, statement, dict(options or {}), hold, self.errors, before)
        except RuntimeError as error:
            self._refuse(error)
        self.source: Any = self._rig.instance
        """The object of the class."""
        for name, values in (persist or {}).items():
            store = self.persist(name)
            for key, value in values.items():
                store[key] = value

    def _refuse(self, error: RuntimeError) -> NoReturn:
        __tracebackhide__ = True
        cause = self.errors[-1] if self.errors else None
        self.errors.clear()
        raise Refused(str(error)) from cause

    def start(self) -> None:
        """Calls `init()`, and starts the source's thread. Refused, from its exception if there was one, when
        it is not accepted."""
        __tracebackhide__ = True
        root = logging.getLogger()
        self._level = root.level
        self._handler = SyslogNGInternalLogHandler()
        root.addHandler(self._handler)
        root.setLevel(logging.DEBUG)
        try:
            self._rig.init()
        except RuntimeError as error:
            self.close()
            self._refuse(error)
        self._rig.start()

    def stop(self) -> None:
        """Stops the source as the engine does: `request_exit()`, the wait for its thread, `deinit()`.
        AssertionError when the thread has not ended after stop-timeout()."""
        __tracebackhide__ = True
        if self._stopped:
            return
        self._stopped = True
        if not self._rig.stop():
            raise self._failure("the source has not ended")

    def close(self) -> None:
        """Lets go of what this test took of the process; messages, log and store stay readable."""
        if self._handler is not None:
            root = logging.getLogger()
            root.removeHandler(self._handler)
            root.setLevel(self._level)
            self._handler = None
        self._rig.close()

    def _failure(self, what: str) -> AssertionError:
        """A failed assertion: the last lines of the log stand below it, for they say why, more often than
        not."""
        lines = [
            f"{level}: {_shortened(text)}" for level, text in self.log if level not in ("debug", "trace")
        ]
        if lines:
            what = "\n".join([f"{what}; the last of its log:", *lines[-_LOG_LINES:]])
        return AssertionError(what)

    def __enter__(self) -> SourceUnderTest:
        __tracebackhide__ = True
        if self._handler is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            self.stop()
        except AssertionError:
            # What the test itself says comes first.
            if error is None:
                raise
        finally:
            self.close()
        if error is None:
            self.raise_errors()

    def raise_errors(self) -> None:
        """Raises the first exception of the source that was not expected."""
        __tracebackhide__ = True
        if self.errors:
            raise self.errors.pop(0)

    def expect(self, kind: type[_Error]) -> _Error:
        """Takes off the first exception of this kind that a callback raised, and returns it. AssertionError
        when there is none."""
        __tracebackhide__ = True
        for index, error in enumerate(self.errors):
            if isinstance(error, kind):
                del self.errors[index]
                return error
        raise self._failure(f"no {kind.__name__} among the exceptions of the source: {self.errors}")

    # What arrives.

    @property
    def messages(self) -> list[_native.LogMessage]:
        """The messages that have arrived, in order, as the destinations see them: with what the source's
        options set."""
        return [self._rig.message(number) for number in range(len(self._rig))]

    @property
    def texts(self) -> list[bytes]:
        """The texts of what has arrived."""
        return [bytes(memoryview(message)) for message in self.messages]

    def __len__(self) -> int:
        return len(self._rig)

    def __bool__(self) -> bool:
        return True

    def wait_for(self, count: int, timeout: float = 10.0) -> list[_native.LogMessage]:
        """Waits until `count` messages have arrived, and returns all. AssertionError when they do not come in
        `timeout` seconds, or when the source ends before; an exception of the source that nobody expected is
        raised instead."""
        __tracebackhide__ = True
        if not self._rig.wait(count, timeout):
            self.raise_errors()
            why = f"in {timeout} s" if self.is_alive else "before the source ended"
            raise self._failure(f"{len(self)} of {count} messages have arrived {why}")
        return self.messages

    def wait_end(self, timeout: float = 10.0) -> list[_native.LogMessage]:
        """Waits until the source has ended by itself, and returns all messages. AssertionError when it does
        not."""
        __tracebackhide__ = True
        # More than there can be: only the end of the source ends it.
        self._rig.wait((1 << 63) - 1, timeout)
        self.raise_errors()
        if self.is_alive:
            raise self._failure(f"the source has not ended in {timeout} s")
        return self.messages

    @property
    def is_alive(self) -> bool:
        """True as long as the source's thread has not ended."""
        return self._rig.is_alive()

    @property
    def totals(self) -> dict[str, int]:
        """The engine's counts of a source: posted = delivered + dropped + in_flight, and refused."""
        return self._rig.totals()

    # Acknowledgements.

    def hold(self, held: bool = True) -> None:
        """Keeps messages that arrive from now on unacknowledged, or no more."""
        self._rig.set_holds(held)

    @property
    def held(self) -> list[int]:
        """The numbers of the messages about which the test has not decided, the first message being 0."""
        return [number for number in range(len(self._rig)) if self._rig.outcome(number) == "held"]

    def ack(self, *numbers: int) -> None:
        """Acknowledges these messages, or all that are held. ValueError for one that is not held."""
        self._decide(numbers, aborts=False)

    def abort(self, *numbers: int) -> None:
        """Gives these messages up, as a stop does with what it cannot deliver. ValueError for one that is not
        held."""
        self._decide(numbers, aborts=True)

    def _decide(self, numbers: Sequence[int], *, aborts: bool) -> None:
        for number in numbers or self.held:
            if not self._rig.decide(number, aborts):
                raise ValueError(f"message {number} is not held, but {self._rig.outcome(number)}")

    # Flow control.

    def suspend(self) -> None:
        """Takes away the source's credit but for one message: its next post is the last one before it has to
        wait, or to suspend."""
        self._rig.suspend()

    def wake_up(self) -> None:
        """Gives the credit back: waiting posts go on, and `wakeup()` is called."""
        self._rig.wake_up()

    @property
    def is_suspended(self) -> bool:
        """True when a post would have to wait."""
        return self._rig.is_suspended()

    # The surroundings.

    @property
    def log(self) -> list[LogLine]:
        """The lines that were logged: by the engine, and by the source through `logging` or `Logger`."""
        self._log.extend(LogLine(level, text) for level, text in self._rig.take_log())
        return list(self._log)

    @property
    def persist_name(self) -> str:
        """The name under which the source's state is kept."""
        # Asked of the base: the class may have an attribute of this name.
        base = _native.LogFetcher if isinstance(self.source, _native.LogFetcher) else _native.LogSource
        name: str = vars(base)["persist_name"].__get__(self.source)
        return name

    def persist(self, persist_name: str, defaults: Mapping[str, str | int | bytes] | None = None) -> Any:
        """The `Persist` of this name in the source's store: to be filled before the start, and read at any
        time."""
        return self._rig.persist(persist_name, None if defaults is None else dict(defaults))


def run(
    source: _Source,
    options: Mapping[str, object] | None = None,
    *,
    messages: int | None = None,
    timeout: float = 10.0,
    **more: Any,
) -> SourceUnderTest:
    """Runs a source until `messages` have arrived, or, without a number, until it has ended by itself; then
    stops it.

    AssertionError when that does not happen within `timeout` seconds. An exception in a callback is raised.
    `more` is what `SourceUnderTest` takes.
    """
    __tracebackhide__ = True
    under_test = SourceUnderTest(source, options, **more)
    with under_test:
        if messages is None:
            under_test.wait_end(timeout)
        else:
            under_test.wait_for(messages, timeout)
    return under_test


def load(path: str | Path) -> ModuleType:
    """Runs the `python { }` blocks of a configuration, and returns the module that they make: its attributes
    are the classes."""
    __tracebackhide__ = True
    module: ModuleType = _native._blocks(Path(path))
    return module


def posted(source: _native.LogSource, *, clear: bool = False) -> list[_native.LogMessage]:
    """The messages that a source made by hand, outside of an engine and of `SourceUnderTest`, has posted: the
    newest 100,000."""
    _, messages = _native._posted(source, clear)
    return messages


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} …"


def _quoted(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("`", "``")):
        text = text.replace(plain, escaped)
    return f'"{text}"'
