"""Imports: what can be imported from where, inside and outside of the engine."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
import types
from enum import IntEnum
from typing import Any

import pytest

import _syslogng
import inrush
import syslogng
from harness import PATIENCE, RunSource, source_that

TOP = {
    "BatchedAckTracker",
    "ConsecutiveAckTracker",
    "InstantAckTracker",
    "LTZ_LOCAL",
    "LTZ_SEND",
    "LogDestination",
    "LogFetcher",
    "LogMessage",
    "LogParser",
    "LogSource",
    "LogTemplate",
    "LogTemplateException",
    "LogTemplateOptions",
    "Logger",
    "Persist",
    "get_installation_path_for",
    "register_config_generator",
}
SUBMODULES = {
    "confgen": {"register_config_generator"},
    "dest": {"LogDestination", "LogDestinationResult"},
    "logger": {"Logger", "SyslogNGInternalLogHandler", "setup_logging"},
    "message": {"LogMessage"},
    "parser": {"LogParser"},
    "persist": {"Persist"},
    "reloc": {"get_installation_path_for"},
    "source": {
        "BatchedAckTracker",
        "ConsecutiveAckTracker",
        "InstantAckTracker",
        "LogFetcher",
        "LogFetcherResult",
        "LogSource",
    },
    "template": {"LTZ_LOCAL", "LTZ_SEND", "LogTemplate", "LogTemplateException", "LogTemplateOptions"},
}


def public(module: types.ModuleType) -> set[str]:
    """The public names of a module, other modules apart."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }


class TestNames:
    """Every name in its place, and only there."""

    def test_top_level_names(self) -> None:
        """Without it: `from syslogng import X` fails, or finds what is not there elsewhere."""
        assert public(syslogng) == TOP
        assert set(syslogng.__all__) == TOP

    @pytest.mark.parametrize("name", SUBMODULES)
    def test_submodules(self, name: str) -> None:
        """Without it: `from syslogng.source import LogFetcherResult` fails."""
        module = importlib.import_module(f"syslogng.{name}")
        assert SUBMODULES[name] <= public(module)
        for each in SUBMODULES[name] & TOP:
            assert getattr(module, each) is getattr(syslogng, each)

    def test_one_object_under_all_names(self) -> None:
        """Without it: isinstance() says no to a class that was imported from the other package."""
        for name in TOP:
            assert getattr(syslogng, name) is getattr(inrush, name) is getattr(_syslogng, name)
        assert _syslogng.LogFetcherResult is inrush.LogFetcherResult
        assert _syslogng.LogDestinationResult is inrush.LogDestinationResult

    def test_debugger_module(self) -> None:
        """Without it: code that imports it for its side effects fails."""
        importlib.import_module("_syslogngdbg")

    def test_types_say_what_they_are(self) -> None:
        """Without it: tracebacks and repr() show names that nobody can import."""
        for name in ("LogMessage", "LogSource", "LogFetcher", "Logger", "Buffer", "ParseOptions"):
            kind = getattr(inrush, name)
            assert kind.__name__ == name
            assert getattr(importlib.import_module(kind.__module__), name) is kind

    def test_build_info(self) -> None:
        """Without it: a report of a bug cannot say which build it is about."""
        info = inrush.build_info()
        assert info["version"] == inrush.__version__
        assert {"version", "profile", "target", "rustc", "pyo3", "allocator"} <= set(info)
        assert all(isinstance(value, str) for value in info.values())


class TestResults:
    """The enumerations and their numbers, which existing code uses as plain ints."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [("ERROR", 0), ("NOT_CONNECTED", 1), ("SUCCESS", 2), ("TRY_AGAIN", 3), ("NO_DATA", 4)],
    )
    def test_fetcher(self, name: str, value: int) -> None:
        """Without it: a fetcher's SUCCESS could mean ERROR."""
        assert getattr(inrush.LogFetcherResult, name) == value
        assert getattr(inrush.LogFetcher, name) == value
        assert getattr(inrush.LogFetcher, f"FETCH_{name}") == value

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DROP", 0),
            ("ERROR", 1),
            ("EXPLICIT_ACK_MGMT", 2),
            ("SUCCESS", 3),
            ("QUEUED", 4),
            ("NOT_CONNECTED", 5),
        ],
    )
    def test_destination(self, name: str, value: int) -> None:
        """Without it: a destination's QUEUED could mean SUCCESS."""
        assert getattr(inrush.LogDestinationResult, name) == value
        assert getattr(inrush.LogDestination, name) == value

    def test_they_are_ints(self) -> None:
        """Without it: comparing with a number fails."""
        assert issubclass(inrush.LogFetcherResult, IntEnum)
        assert issubclass(inrush.LogDestinationResult, IntEnum)
        assert (inrush.LogDestination.RETRY, inrush.LogDestination.MAX) == (6, 7)
        assert (inrush.LTZ_LOCAL, inrush.LTZ_SEND) == (0, 1)


class TestLater:
    """Names that come in a later version: there to be imported, loud when used."""

    def test_functions_say_so(self) -> None:
        """Without it: a path that is nobody's is taken for the installation's."""
        with pytest.raises(NotImplementedError, match="later"):
            syslogng.get_installation_path_for("${prefix}")

    def test_template_exception_can_be_caught(self) -> None:
        """Without it: `except LogTemplateException` is a NameError in the handler."""
        with pytest.raises(syslogng.LogTemplateException):
            raise syslogng.LogTemplateException("x")


class TestOffline:
    """The same classes in a process without an engine, such as this one."""

    def test_import_leaves_logging_alone(self) -> None:
        """Without it: a script that imports a source module gets another root logger."""
        code = "import logging, syslogng; print(logging.getLogger().handlers, logging.getLogger().level)"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, f"[] {logging.WARNING}\n", "")

    def test_source_made_by_hand(self) -> None:
        """Without it: a module that also runs as a script fails at its first line."""

        class Mine(syslogng.LogSource):
            def __init__(self, number: int = 5) -> None:
                self.number = number

        mine: Any = Mine()
        assert isinstance(Mine(), inrush.LogSource)
        assert mine.number == 5
        assert Mine(number=7).number == 7
        assert mine.init({}) is True
        assert mine.deinit() is None
        assert mine.flags == {}
        assert mine.parse_options is None
        assert mine.persist_name is None
        assert mine.exit_requested is False
        mine.set_transport_name("x")
        for call in (mine.run, mine.request_exit):
            with pytest.raises(NotImplementedError):
                call()

    def test_multiple_inheritance(self) -> None:
        """Without it: sources with a mix-in of their own cannot be defined."""

        class Mixin:
            def hello(self) -> str:
                return "hello"

        class Mine(Mixin, syslogng.LogSource):
            pass

        assert Mine().hello() == "hello"

    def test_logger(self) -> None:
        """Without it: `Logger().error(exception)` raises inside of an exception handler."""
        logger = syslogng.Logger()
        for call in (logger.error, logger.warning, logger.info, logger.debug, logger.trace):
            assert call("text") is None
            assert call(ValueError("any object")) is None
        wrong: Any = logger
        with pytest.raises(TypeError):
            wrong.error("text", "more")
        with pytest.raises(TypeError):
            wrong.error()
        for name in ("warn", "critical", "exception", "log"):
            assert not hasattr(logger, name)

    def test_interpreter_ends_with_messages_alive(self) -> None:
        """Without it: a script crashes at its end, when the objects are taken down in any order."""
        code = (
            "import sys, inrush\n"
            "class S(inrush.LogSource): pass\n"
            "sys.kept = [inrush.LogMessage('x' * n) for n in range(1000)] + [S()]\n"
            "sys.view = memoryview(sys.kept[999])\n"
            "cycle = S(); cycle.me = cycle; cycle.message = inrush.LogMessage('x')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")

    def test_cycles_through_a_source_are_collected(self) -> None:
        """Without it: a source that refers to itself is never freed after a reload."""
        import gc
        import weakref

        class Mine(syslogng.LogSource):
            me: object

        mine = Mine()
        mine.me = mine
        gone = weakref.ref(mine)
        del mine
        gc.collect()
        assert gone() is None


class TestInside:
    """The same names in the engine's process."""

    def test_logging_goes_to_the_engine(self, run_source: RunSource) -> None:
        """Without it: what sources log is lost, or has no name on it."""
        conf = source_that(
            """
import logging
root = logging.getLogger()
print(root.level, [type(h).__name__ for h in root.handlers])
logging.basicConfig(level=logging.ERROR)
print([type(h).__name__ for h in root.handlers])
logging.getLogger("mine.sub").error("percent %d", 7)
logging.getLogger("mine").warning("text")
import sys
sys.stderr.flush()
"""
        )
        assert run_source(conf) == [
            "10 ['SyslogNGInternalLogHandler']",
            "['SyslogNGInternalLogHandler']",
            "done",
        ]

    def test_what_is_not_shown_is_not_formatted(self, run_source: RunSource) -> None:
        """Without it: a library that logs at debug level for each of its messages pays for texts that nobody
        sees."""
        conf = source_that(
            """
import logging
class Told:
    times = 0
    def __str__(self):
        Told.times += 1
        return "told"
for level in (logging.DEBUG, logging.INFO, logging.ERROR):
    logging.getLogger("mine").log(level, "%s", Told())
    print(Told.times)
"""
        )
        assert run_source(conf) == ["0", "0", "1", "done"]

    def test_words_of_logging(self, engine: Any) -> None:
        """Without it: an operator cannot find out which logger of which library said it."""
        running = engine(
            source_that(
                'import logging\nlogging.getLogger("mine.sub").error("percent %d", 7)\nlogging.error("root")'
            )
        )
        running.wait_log(r"python-mine\.sub: percent 7")
        running.wait_log(r"python-root: root")

    @pytest.mark.parametrize("name", ["Parser", "Destination"])
    def test_a_later_class_beside_a_source_does_no_harm(self, run_source: RunSource, name: str) -> None:
        """Without it: a module with more in it than sources cannot be used at all."""
        base = {"Parser": "LogParser", "Destination": "LogDestination"}[name]
        conf = source_that("print('running')").replace(
            "class Source(", f"from syslogng import {base}\nclass {name}({base}): pass\n\nclass Source("
        )
        assert run_source(conf) == ["running", "done"]

    def test_module_of_the_inline_code(self, run_source: RunSource) -> None:
        """Without it: code that looks itself up in sys.modules fails."""
        conf = source_that(
            "import sys\nprint(type(self).__module__, '_syslogng_main' in sys.modules, len(sys.argv))"
        )
        assert run_source(conf) == ["_syslogng_main True 1", "done"]


def test_a_start_imports_no_more_than_it_needs(run_source: RunSource) -> None:
    """An engine without anything to do would take 3.4 MiB for OpenSSL alone, and twice as long to start."""
    # With `logging`, which the engine needs, and which brings `pathlib` along on CPython 3.15.
    bare = [sys.executable, "-c", "import sys, logging; print(*sys.modules)"]
    before = subprocess.run(bare, capture_output=True, text=True, check=True).stdout.split()
    printed = run_source(source_that("import sys; print(*sys.modules)"))
    heavy = {
        "_hashlib",
        "_ssl",
        "ast",
        "asyncio",
        "hashlib",
        "inspect",
        "pathlib",
        "subprocess",
        "sysconfig",
        "typing",
    }
    assert heavy & set(printed[0].split()) - set(before) == set()
