"""python-fetcher(): what each result of fetch() leads to, and the life of a fetcher.

A delay is never measured against an upper bound: a wait that would be wrong is an hour long, and the test
would never see its end.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from harness import GONE, Delivered, Engine, RunSource, StartEngine, gone, inrush, source

HOUR = "time-reopen(3600) fetch-no-data-delay(3600)"


def fetcher(body: str, *, driver: str = "", head: str = "", name: str = "python-fetcher") -> str:
    """A configuration with one fetcher `s_test` of class `Fetcher`, whose methods are `body`, into
    `out.log`."""
    return source(body, driver=driver, head=head, kind=name, base="LogFetcher", name="Fetcher")


def steps(*results: str, driver: str = "time-reopen(0.01) fetch-no-data-delay(0.01)", head: str = "") -> str:
    """A fetcher that says what is called, whose fetch() does one of `results` after the other, and then is
    `done`."""
    body = "\n".join(f"def step{number}(self):\n    {result}" for number, result in enumerate(results))
    return fetcher(
        body
        + f"""
step = 0

def open(self):
    print("open", flush=True)
    return True

def close(self):
    print("close", flush=True)

def fetch(self):
    step, self.step = self.step, self.step + 1
    if step == {len(results)}:
        print("done", flush=True)
    if step >= {len(results)}:
        self.sleep(3600)
        return (self.NO_DATA,)
    print("fetch", flush=True)
    return getattr(self, f"step{{step}}")()
""",
        driver=driver,
        head=head,
    )


CALLED = {
    "fetch": ["open", "fetch", "done", "close"],
    "reopen": ["open", "fetch", "open", "done", "close"],
    "close and reopen": ["open", "fetch", "close", "open", "done", "close"],
}


class TestResults:
    """Each result, and what comes next."""

    @pytest.mark.parametrize(
        ("result", "then", "texts"),
        [
            ("(LogFetcher.SUCCESS, LogMessage('x'))", "fetch", ["x"]),
            ("(LogFetcher.FETCH_SUCCESS, LogMessage('x'))", "fetch", ["x"]),
            ("(2, LogMessage('x'))", "fetch", ["x"]),
            ("(self.SUCCESS, type('Own', (LogMessage,), {})('x'))", "fetch", ["x"]),
            (
                "__import__('collections').namedtuple('R', 'a b')(2, LogMessage('x'))",
                "fetch",
                ["x"],
            ),
            ("(self.TRY_AGAIN,)", "fetch", []),
            ("(self.TRY_AGAIN, 'why')", "fetch", []),
            ("(3, None)", "fetch", []),
            ("(self.NO_DATA,)", "fetch", []),
            ("(self.NO_DATA, 'nothing there')", "fetch", []),
            ("(4, None)", "fetch", []),
            ("(self.NO_DATA, 0)", "fetch", []),
            ("(self.NO_DATA, 0.01)", "fetch", []),
            ("(self.NOT_CONNECTED,)", "reopen", []),
            ("(self.NOT_CONNECTED, 'why')", "reopen", []),
            ("(1, None)", "reopen", []),
            ("(True,)", "reopen", []),
            ("(self.ERROR,)", "close and reopen", []),
            ("(self.ERROR, 'the reason')", "close and reopen", []),
            ("(0, None)", "close and reopen", []),
            ("(False,)", "close and reopen", []),
            # Without the tuple.
            ("self.NO_DATA", "fetch", []),
            ("LogFetcher.FETCH_TRY_AGAIN", "fetch", []),
            ("self.NOT_CONNECTED", "reopen", []),
            ("self.ERROR", "close and reopen", []),
        ],
    )
    def test_result(
        self, run_source: RunSource, delivered: Delivered, result: str, then: str, texts: list[str]
    ) -> None:
        """Without it: a fetcher that runs elsewhere is closed, busy, or asleep here."""
        assert run_source(steps(f"return {result}")) == CALLED[then]
        assert delivered() == [text.encode() for text in texts]

    @pytest.mark.parametrize(
        ("result", "said"),
        [
            ("return None", "got NoneType"),
            ("return self.SUCCESS", "got SUCCESS without a message"),
            ("return 4", "got int"),
            ("return False", "got bool"),
            ("return [self.SUCCESS, LogMessage('x')]", "got list"),
            ("return ()", "got a tuple of 0 elements"),
            ("return (self.ERROR, 'cannot read %s', 'x')", "got a tuple of 3 elements"),
            ("return (self.SUCCESS, LogMessage('x'), 1)", "got a tuple of 3 elements"),
            ("return ('SUCCESS', LogMessage('x'))", "got a tuple that begins with str"),
            ("return (2.0, LogMessage('x'))", "got a tuple that begins with float"),
            ("return (5, LogMessage('x'))", "got the result 5"),
            ("return (-1,)", "got the result -1"),
            ("return (1 << 80, LogMessage('x'))", "got the result"),
            ("return (self.SUCCESS,)", "got SUCCESS without a message"),
            ("return (self.SUCCESS, None)", "got SUCCESS with NoneType"),
            ("return (self.SUCCESS, 'x')", "got SUCCESS with str"),
            ("return (self.SUCCESS, b'x')", "got SUCCESS with bytes"),
            ("return (self.SUCCESS, {'a': LogMessage('x')})", "got SUCCESS with dict"),
            ("return (self.SUCCESS, 7)", "got SUCCESS with int"),
        ],
    )
    def test_what_is_no_result_is_an_error(self, engine: StartEngine, result: str, said: str) -> None:
        """Without it: a comma in the wrong place ends the fetcher, or the engine, or is never seen."""
        running = engine(steps(result))
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == CALLED["close and reopen"]
        assert running.stderr.find(
            r"source s_test#0 \(class Fetcher\): fetch\(\) must return a tuple, such as "
            r"\(self.SUCCESS, message\) or \(self.NO_DATA,\), " + re.escape(said)
        )

    @pytest.mark.parametrize(
        "raised", ["ValueError('the reason')", "SystemExit(3)", "KeyboardInterrupt('the reason')"]
    )
    def test_an_exception_is_an_error_with_its_traceback(self, engine: StartEngine, raised: str) -> None:
        """Without it: exit() in a fetcher ends the engine, or nobody learns where it failed."""
        running = engine(steps(f"raise {raised}"), "--stats-file", "stats.json")
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == CALLED["close and reopen"]
        assert running.stderr.find(r"fetch\(\) raised an exception\n    Traceback")
        assert running.stderr.find(r'test\.conf", line \d+, in step0')
        stats = (running.directory / "stats.json").read_text()
        assert '"exceptions":1' in stats.replace(" ", "")

    def test_error_and_its_reason_are_logged(self, engine: StartEngine) -> None:
        """Without it: a fetcher that fails every second looks like one with nothing to do."""
        running = engine(steps("return (self.ERROR, 'the reason')", "return (self.NOT_CONNECTED,)"))
        running.wait_print("done")
        running.wait_log(r"(?i)error.*fetch\(\) returned ERROR: the reason")
        running.stop()

    def test_bookmark_without_tracker_is_an_error(self, engine: StartEngine, delivered: Delivered) -> None:
        """Without it: a message is taken, and its bookmark is lost in silence."""
        running = engine(steps("return (self.SUCCESS, LogMessage('x', bookmark=1))"))
        running.wait_print("done")
        totals = running.stop()
        assert running.stdout.lines == CALLED["close and reopen"]
        assert running.stderr.find("Bookmarks can not be used without creating an AckTracker instance")
        assert (totals.posted, delivered()) == (0, [])


def waits(
    result: str, seconds: float, then: str = "(self.TRY_AGAIN,)", *, driver: str, head: str = ""
) -> str:
    """A fetcher whose first fetch() gives `result`, and that prints whether the second one comes so much
    later."""
    return steps(
        f"self.since = time.monotonic(); return {result}",
        f"print(time.monotonic() - self.since >= {seconds}); return {then}",
        driver=driver,
        head=head,
    )


class TestDelays:
    """Delays: which wait is which; the others are an hour long."""

    def test_no_data_waits_fetch_no_data_delay(self, run_source: RunSource) -> None:
        """Without it: a fetcher polls its server in a busy loop, or once a minute."""
        conf = waits(
            "(self.NO_DATA,)",
            0.2,
            "(self.NO_DATA,)",
            driver="fetch-no-data-delay(0.2) time-reopen(3600)",
            head="options { time-reopen(3600); };",
        )
        assert run_source(conf) == ["open", "fetch", "fetch", "True", "done", "close"]

    def test_no_data_delay_is_the_global_time_reopen_by_default(self, run_source: RunSource) -> None:
        """Without it: a fetcher without the option waits another time than elsewhere."""
        head = "options { time-reopen(1); };"
        conf = waits("(self.NO_DATA,)", 1, driver="time-reopen(3600)", head=head)
        assert run_source(conf) == ["open", "fetch", "fetch", "True", "done", "close"]

    def test_a_fetcher_may_name_its_own_wait(self, run_source: RunSource) -> None:
        """Without it: a server's Retry-After cannot be followed."""
        conf = waits("(self.NO_DATA, 0.2)", 0.2, "(self.NO_DATA, 0)", driver=HOUR)
        assert run_source(conf) == ["open", "fetch", "fetch", "True", "done", "close"]

    @pytest.mark.parametrize("wish", ["-1", "float('nan')", "float('inf')", "1e400"])
    def test_a_wait_that_is_none_is_said(self, engine: StartEngine, wish: str) -> None:
        """Without it: a negative time is a busy loop, or a panic."""
        running = engine(steps(f"return (self.NO_DATA, {wish})", driver="fetch-no-data-delay(0.01)"))
        running.wait_print("done")
        running.stop()
        assert running.stderr.find("NO_DATA with .*, which is no time in seconds; waiting 0.01 s")

    @pytest.mark.parametrize("result", ["ERROR", "NOT_CONNECTED"])
    def test_time_reopen_of_the_fetcher_is_honoured(self, run_source: RunSource, result: str) -> None:
        """Without it: the value that is written is ignored, as it is elsewhere."""
        conf = waits(
            f"(self.{result},)",
            0.2,
            driver="time-reopen(0.2) fetch-no-data-delay(3600)",
            head="options { time-reopen(3600); };",
        )
        assert "True" in run_source(conf)

    def test_time_reopen_is_a_second_by_default(self, run_source: RunSource) -> None:
        """Without it: the global value, a minute, is waited after each error."""
        head = "options { time-reopen(3600); };"
        conf = waits("(self.ERROR,)", 1, driver="fetch-no-data-delay(3600)", head=head)
        assert "True" in run_source(conf)

    def test_try_again_and_success_do_not_wait(self, engine: StartEngine) -> None:
        """Without it: each message costs a delay."""
        conf = steps(
            *["return (self.TRY_AGAIN,)", "return (self.SUCCESS, LogMessage('x'))"] * 20, driver=HOUR
        )
        running = engine(conf)
        running.wait_print("done")
        assert running.stop().delivered == 20

    @pytest.mark.parametrize("result", ["ERROR", "NOT_CONNECTED", "NO_DATA"])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["stop", "reload"])
    def test_every_wait_ends_with_exit(self, engine: StartEngine, result: str, number: int) -> None:
        """Without it: stop and reload wait an hour, or give the fetcher up."""
        conf = steps(f"return (self.{result},)", driver=f"{HOUR} stop-timeout(3600)")
        running = engine(conf)
        running.wait_print("fetch")
        if number == signal.SIGHUP:
            # What did not change is not stopped.
            (running.directory / "test.conf").write_text(
                conf.replace("stop-timeout(3600)", "stop-timeout(3601)")
            )
            running.send_signal(number)
            running.wait_print(r"(fetch[\s\S]*){2}")
        running.stop()

    def test_the_wait_for_open_ends_with_exit(self, engine: StartEngine) -> None:
        """Without it: a server that is down holds up the stop."""
        conf = fetcher(
            """
            def open(self):
                print("open", flush=True)
            def fetch(self):
                print("fetch", flush=True)
            """,
            driver=f"{HOUR} stop-timeout(3600)",
        )
        running = engine(conf)
        running.wait_print("open")
        running.stop()
        assert running.stdout.lines == ["open"]


class TestOpenAndClose:
    """The connection of a fetcher."""

    @pytest.mark.parametrize(
        "failure", ["return False", "return None", "pass", "return 0", "raise OSError(5)"]
    )
    def test_open_that_fails_is_called_again(self, engine: StartEngine, failure: str) -> None:
        """Without it: fetch() is called without a connection, or never again."""
        conf = fetcher(
            f"""
            opened = 0

            def open(self):
                print("open", flush=True)
                self.opened += 1
                if self.opened < 3:
                    {failure}
                else:
                    return "yes"

            def close(self):
                print("close", flush=True)

            def fetch(self):
                print("done", flush=True)
                self.sleep(3600)
                return (self.NO_DATA,)
            """,
            driver="time-reopen(0.01)",
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == ["open", "open", "open", "done", "close"]
        assert running.stderr.find(r"open\(\) (returned (False|None|0)\b|raised an exception)")

    @pytest.mark.parametrize(
        ("result", "said"),
        [
            ("None", "returned None: end it with `return True` ("),
            ("0", "returned 0, which is false: end it with `return True` ("),
            ("False", "returned False ("),
        ],
    )
    def test_open_that_does_not_return_true(self, engine: StartEngine, result: str, said: str) -> None:
        """Without it: an open() without its `return True` looks like a server that is down."""
        conf = fetcher(
            f"def open(self):\n    print('done', flush=True)\n    return {result}\ndef fetch(self): pass"
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        line = 1 + conf.splitlines().index("    def open(self):")
        assert f"open() {said}{running.directory}/test.conf:{line})" in running.stderr.text

    def test_close_that_raises_is_reported_and_ends_nothing(self, engine: StartEngine) -> None:
        """Without it: an error while closing keeps the fetcher from opening again."""
        conf = fetcher(
            """
            fetched = 0
            def close(self):
                raise OSError("cannot close")
            def fetch(self):
                self.fetched += 1
                if self.fetched == 1:
                    return (self.ERROR,)
                print("done", flush=True)
                self.sleep(3600)
                return (self.NO_DATA,)
            """,
            driver="time-reopen(0.01)",
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert running.stderr.find(r"close\(\) raised an exception\n[\s\S]*cannot close")


class TestBatches:
    """Many messages from one call."""

    @pytest.mark.parametrize(
        "messages",
        [
            "[LogMessage('a'), LogMessage('b'), LogMessage('c')]",
            "(LogMessage('a'), LogMessage('b'), LogMessage('c'))",
            "['a', b'b', LogMessage('c')]",
            "iter([LogMessage('a'), LogMessage('b'), LogMessage('c')])",
            "(LogMessage(text) for text in 'abc')",
            "map(LogMessage, 'abc')",
        ],
    )
    def test_list_or_iterator(self, run_source: RunSource, delivered: Delivered, messages: str) -> None:
        """Without it: a page of messages needs a call for each."""
        assert run_source(steps(f"return (self.SUCCESS, {messages})")) == CALLED["fetch"]
        assert delivered() == [b"a", b"b", b"c"]

    def test_empty_list(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: an empty page is an error, and the connection is closed."""
        assert run_source(steps("return (self.SUCCESS, [])")) == CALLED["fetch"]
        assert delivered() == []

    @pytest.mark.parametrize("kind", ["list", "iter"])
    def test_wrong_element_is_an_error_with_its_index(
        self, engine: StartEngine, delivered: Delivered, kind: str
    ) -> None:
        """Without it: nobody learns which message of a page was lost, or the ones before it are, too."""
        running = engine(steps(f"return (self.SUCCESS, {kind}(['a', 'b', 7, 'd']))"))
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == CALLED["close and reopen"]
        assert running.stderr.find(r"\(element 2\).*LogMessage expected.*int")
        assert delivered() == [b"a", b"b"]

    def test_exception_of_an_iterator_is_an_error(self, engine: StartEngine, delivered: Delivered) -> None:
        """Without it: what it gave before is lost, or the traceback is."""
        running = engine(steps("return (self.SUCCESS, (str(8 // n) for n in (2, 1, 0)))"))
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == CALLED["close and reopen"]
        assert running.stderr.find("ZeroDivisionError")
        assert delivered() == [b"4", b"8"]

    def test_iterator_is_asked_only_when_there_is_credit(self, engine: StartEngine) -> None:
        """Without it: a page of a million messages is read into memory while the destination stands still."""
        conf = fetcher(
            """
            def fetch(self):
                return (self.SUCCESS, self.page())

            def page(self):
                for number in range(1000):
                    print("made", number, flush=True)
                    yield LogMessage(str(number))
                print("done", flush=True)
                self.sleep(3600)
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        running.wait_print("made 9")
        assert not running.stdout.find("made 10")
        running.deliver_numbers(1000)

    def test_endless_iterator_ends_with_exit_and_runs_its_finally(self, engine: StartEngine) -> None:
        """Without it: one generator that never ends keeps the engine from stopping."""
        conf = fetcher(
            """
            def fetch(self):
                return (self.SUCCESS, self.page())

            def page(self):
                try:
                    while True:
                        yield "x"
                        print("made", flush=True)
                finally:
                    print("finally", threading.current_thread().name, flush=True)
            """,
            driver="stop-timeout(3600)",
        )
        running = engine(conf)
        running.wait_print("made")
        totals = running.stop()
        assert running.stdout.lines[-1] == "finally source s_test#0"
        assert totals.posted == totals.delivered == running.stdout.lines.count("made") + 1


class TestFlowControl:
    """fetch() and the credit of its source."""

    def test_fetch_is_not_called_without_credit(self, engine: StartEngine) -> None:
        """Without it: messages are fetched that nobody can take, and lost when the engine stops."""
        conf = fetcher(
            """
            number = 0
            def fetch(self):
                print("fetch", self.number, self.exit_requested, flush=True)
                self.number += 1
                return (self.SUCCESS, LogMessage(str(self.number - 1)))
            """,
            driver="log-iw-size(10) stop-timeout(3600)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("fetch 9")
        running.wait_log("gone")
        assert not running.stdout.find("fetch 10")
        running.make_gone()
        running.wait_print("fetch 500")
        totals = running.stop()
        assert totals.posted == totals.delivered == len(running.stdout.lines)

    def test_exit_while_out_of_credit(self, engine: StartEngine) -> None:
        """Without it: the stop waits for a destination that cannot write."""
        conf = fetcher(
            """
            number = 0
            def fetch(self):
                self.number += 1
                print("fetch", self.number, flush=True)
                return (self.SUCCESS, LogMessage("x"))
            def close(self):
                print("close", flush=True)
            """,
            driver="log-iw-size(10) stop-timeout(3600)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("fetch 10")
        running.send_signal(signal.SIGTERM)
        running.wait_print("close")
        assert running.wait_exit() == 0
        totals = running.totals()
        totals.check()
        assert totals.posted == 10


class TestLifeCycle:
    """The calls of a fetcher: which, when, on which thread."""

    def test_order_and_threads(self, engine: StartEngine) -> None:
        """Without it: open() runs on the main thread and holds up the start of all others."""
        conf = fetcher(
            """
            exiting = threading.Event()

            def say(self, what):
                main = threading.current_thread() is threading.main_thread()
                print(what, "main" if main else threading.current_thread().name, flush=True)

            def __init__(self):
                self.say("__init__")

            def init(self, options):
                self.say("init")
                return True

            def open(self):
                self.say("open")
                return True

            def fetch(self):
                self.say("fetch")
                self.exiting.wait()
                return (self.NO_DATA,)

            def close(self):
                self.say("close")

            def request_exit(self):
                self.say("request_exit")
                self.exiting.set()

            def deinit(self):
                self.say("deinit")

            @staticmethod
            def generate_persist_name(options):
                print("generate_persist_name", flush=True)
                return "x"
            """
        )
        running = engine(conf)
        running.wait_print("fetch")
        running.stop()
        own = "source s_test#0"
        assert running.stdout.lines == [
            "__init__ main",
            "generate_persist_name",
            "init main",
            f"open {own}",
            f"fetch {own}",
            "request_exit main",
            f"close {own}",
            "deinit main",
        ]

    @pytest.mark.parametrize("name", ["fetch", "open", "close", "request_exit", "generate_persist_name"])
    def test_callbacks_are_taken_before_init(self, engine: StartEngine, name: str) -> None:
        """Without it: `self.close = False` in init() takes the callback away."""
        conf = fetcher(
            f"""
            exiting = threading.Event()

            def init(self, options):
                self.{name} = "mine"
                return True

            def open(self):
                print("open", flush=True)
                return True

            def fetch(self):
                print("fetch", self.{name} == "mine", flush=True)
                self.exiting.wait()
                return (self.NO_DATA,)

            def close(self):
                print("close", flush=True)

            def request_exit(self):
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.wait_print("fetch")
        running.stop()
        assert running.stdout.lines == ["open", "fetch True", "close"]

    def test_only_fetch_is_needed(self, engine: StartEngine) -> None:
        """Without it: the smallest fetcher there is gets refused."""
        running = engine(
            fetcher(
                "def fetch(self):\n    return (self.SUCCESS, LogMessage('x'))", driver="stop-timeout(3600)"
            )
        )
        running.wait_lines("out.log", 100)
        totals = running.stop()
        assert totals.posted == totals.delivered

    @pytest.mark.parametrize(
        ("method", "driver", "name"),
        [
            ("", "", "python-fetcher(Fetcher)"),
            ("", "persist-name(box)", "python-fetcher.box"),
            (
                '@staticmethod\ndef generate_persist_name(options):\n    return "n" + options["k"]',
                "",
                "python-fetcher.n1",
            ),
        ],
        ids=["default", "option", "generated"],
    )
    def test_persist_name(self, run_source: RunSource, method: str, driver: str, name: str) -> None:
        """Without it: `try: self.persist_name` in init() takes its except branch, and raises there."""
        body = f"""
{method}
def init(self, options):
    print(self.persist_name, self.flags["parse"], self.parse_options, options["k"])
    try:
        self.persist_name = "x"
    except AttributeError:
        print("AttributeError")
    return True

def fetch(self):
    print(type(self.parse_options).__name__)
    print("done", flush=True)
    self.sleep(3600)
    return (self.NO_DATA,)
"""
        assert run_source(fetcher(body, driver=f'options("k" "1") flags(no-parse) {driver}')) == [
            f"{name} False None 1",
            "AttributeError",
            "ParseOptions",
            "done",
        ]

    def test_a_fetcher_in_python_is_run_as_one(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: a class in the wrong driver is refused, although there is no doubt what it is."""
        body = """
fetched = 0
def fetch(self):
    self.fetched += 1
    if self.fetched < 3:
        return (self.SUCCESS, LogMessage(f"{self.persist_name} {self.fetched}"))
    print("done", flush=True)
    self.sleep(3600)
    return (self.NO_DATA,)
"""
        assert run_source(fetcher(body, name="python")) == ["done"]
        assert delivered() == [b"python-fetcher(Fetcher) 1", b"python-fetcher(Fetcher) 2"]

    def test_users_names_do_not_clash(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: a fetcher with attributes called `sleep` or `exit_requested` breaks the engine."""
        body = """
fetched = 0
def init(self, options):
    for name in ("exit", "logs", "keys", "sleep", "exit_requested", "post_message", "run", "open", "close"):
        setattr(self, name, name)
        assert getattr(self, name) == name
    return True
def fetch(self):
    self.fetched += 1
    if self.fetched == 1:
        return (self.SUCCESS, LogMessage("x"))
    if self.fetched == 2:
        print("done", flush=True)
    return (self.NO_DATA, 0.01)
"""
        assert run_source(fetcher(body)) == ["done"]
        assert delivered() == [b"x"]

    def test_set_transport_name_and_source_options(self, engine: StartEngine) -> None:
        """Without it: the options that all sources have do nothing for fetchers."""
        body = """
fetched = 0
def __init__(self):
    self.set_transport_name("poll")
def fetch(self):
    self.fetched += 1
    if self.fetched == 1:
        return (self.SUCCESS, LogMessage("x"))
    return (self.NO_DATA, 3600)
"""
        conf = fetcher(body, driver='tags("t") program-override("p") default-facility(local3)')
        conf = conf.replace("$MSG\\n", "$TRANSPORT $PROGRAM $FACILITY $TAGS $SOURCE\\n")
        running = engine(conf)
        assert running.wait_lines("out.log", 1) == [b"poll p local3 t,.source.s_test s_test"]

    def test_fetch_that_does_not_return_is_reported_and_left(self, engine: StartEngine) -> None:
        """Without it: a fetch() that hangs holds up the stop for ever, and nobody learns where."""
        conf = fetcher(
            """
            def fetch(self):
                print("fetch", flush=True)
                time.sleep(3600)
            """,
            driver="stop-timeout(0.2)",
        )
        running = engine(conf)
        running.wait_print("fetch")
        running.send_signal(signal.SIGTERM)
        assert running.wait_exit() == 0
        assert running.stderr.find(
            r"fetch\(\) has not returned 0.2 s after request_exit\(\)[\s\S]*time\.sleep\(3600\)"
        )

    def test_request_exit_that_raises(self, engine: StartEngine) -> None:
        """Without it: exit(0) in request_exit() ends the engine before everything is written."""
        conf = fetcher(
            """
            def fetch(self):
                return (self.SUCCESS, LogMessage("x"))
            def request_exit(self):
                exit(0)
            """
        )
        running: Engine = engine(conf)
        running.wait_lines("out.log", 10)
        totals = running.stop()
        assert running.stderr.find(r"request_exit\(\) raised an exception\n[\s\S]*SystemExit")
        assert totals.posted == totals.delivered


class TestRefused:
    """Classes that are not accepted, with the place and the reason."""

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("class Fetcher(LogFetcher): pass", r"no method fetch\(\)"),
            ("class Fetcher: pass", "does not derive from LogFetcher"),
            (
                "class LogFetcher: pass\nclass Fetcher(LogFetcher): pass",
                "its base is `_syslogng_main.LogFetcher`, which has taken that name",
            ),
            (
                "from syslogng import LogSource\nclass Fetcher(LogSource):\n    def run(self): pass",
                "is a LogSource, not a LogFetcher",
            ),
            (
                "class Fetcher(LogFetcher):\n    async def fetch(self): pass",
                r"fetch\(\) of class `Fetcher` is a coroutine function",
            ),
        ],
        ids=["no-fetch", "no-base", "shadowed", "source", "async"],
    )
    def test_class(self, engine: StartEngine, code: str, said: str) -> None:
        """Without it: the mistake is found when the first message should come."""
        conf = re.sub(r"class Fetcher\(LogFetcher\):\n    pass\n", lambda _: f"{code}\n", fetcher("pass"))
        running = engine(conf, started=False)
        assert running.wait_exit() == 1
        assert running.stderr.find(said)
        assert running.stderr.find(r"test\.conf:\d+:\d+")

    @pytest.mark.parametrize("result", ["False", "None", "0", "''"])
    def test_init_that_is_false(self, engine: StartEngine, result: str) -> None:
        """Without it: a fetcher that refused its options runs with them."""
        body = f"def init(self, options):\n    return {result}\ndef fetch(self):\n    pass"
        running = engine(fetcher(body), started=False)
        assert running.wait_exit() == 1
        assert running.stderr.find("init.*Fetcher.*(false|None: end it with)")

    def test_two_of_one_class_need_names(self, engine: StartEngine) -> None:
        """Without it: two fetchers keep their positions under one name."""
        conf = fetcher("def fetch(self):\n    return (self.NO_DATA,)")
        conf = conf.replace("source s_test {", 'source s_test { python-fetcher(class("Fetcher"));')
        running = engine(conf, started=False)
        assert running.wait_exit() == 1
        assert running.stderr.find(r"persist name `python-fetcher\(Fetcher\)`")

    def test_check_resolves_the_class(self, tmp_path: Path) -> None:
        """Without it: `inrush check` accepts what `inrush run` refuses."""
        (tmp_path / "check.conf").write_text(fetcher("pass"))
        done = inrush("check", "-f", "check.conf", cwd=tmp_path)
        assert done.code == 1
        assert "fetch()" in done.stderr
