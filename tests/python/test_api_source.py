"""LogSource inside the engine: its life cycle, the rules of posting, and flow control.

Each test is a configuration with a source that checks something and prints `done`. A failed assertion inside the source shows
as a traceback on stderr, with the line of the configuration.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from conftest import StartEngine
from harness import read_lines, source

RunSource = Callable[..., list[str]]
Delivered = Callable[[], list[bytes]]

# What a source with nothing else to say uses to wait for its end.
EXIT = """
def request_exit(self):
    self.exiting.set()
"""
# A destination that cannot write until somebody makes the directory, and a window of ten messages.
GONE = "options { time-reopen(1); };"


def methods(*parts: str) -> str:
    """Bodies of methods, put together."""
    return "\n".join(part.strip("\n") for part in parts)


def gone(conf: str) -> str:
    """The same configuration with a destination whose directory is missing."""
    assert '"out.log"' in conf
    return conf.replace('"out.log"', '"gone/out.log"')


def source_that(run: str, *others: str, **options: str) -> str:
    """A source whose run() does something, prints `done` and waits for its end."""
    body = "\n".join("    " + line for line in run.strip("\n").split("\n"))
    init = "exiting = threading.Event()\n"
    return source(
        methods(
            init,
            f"def run(self):\n{body}\n    print('done', flush=True)\n    self.exiting.wait()",
            EXIT,
            *others,
        ),
        **options,
    )


class TestLifeCycle:
    """Who calls what, when, on which thread."""

    def test_order_and_threads(self, engine: StartEngine) -> None:
        """Without it: init() could run on a worker's thread, or deinit() while run() still runs."""
        conf = source(
            """
            exiting = threading.Event()

            def say(self, what):
                main = threading.current_thread() is threading.main_thread()
                print(what, "main" if main else "own", flush=True)

            def __init__(self):
                self.say("__init__")

            def init(self, options):
                self.say("init")
                return True

            def run(self):
                self.say("run")
                self.exiting.wait()
                self.say("returned")

            def request_exit(self):
                self.say("request_exit")
                self.exiting.set()

            def deinit(self):
                self.say("deinit")

            def finalize(self):
                self.say("finalize")

            @staticmethod
            def generate_persist_name(options):
                print("generate_persist_name", flush=True)
                return "x"
            """
        )
        running = engine(conf)
        running.wait_print("run own")
        running.stop()
        assert running.stdout.lines == [
            "__init__ main",
            "generate_persist_name",
            "init main",
            "run own",
            "request_exit main",
            "returned own",
            "deinit main",
            "finalize main",
        ]

    def test_thread_has_a_telling_name_and_is_a_python_thread(self, run_source: RunSource) -> None:
        """Without it: tracebacks and debuggers show threads that nobody can tell apart."""
        out = run_source(
            source_that(
                "print(threading.current_thread().name, threading.current_thread() in threading.enumerate())"
            )
        )
        name, listed = out[0].rsplit(" ", 1)
        assert "s_test" in name
        assert listed == "True"

    def test_thread_locals_live_as_long_as_run(self, run_source: RunSource) -> None:
        """Without it: a library that keeps its connection in a thread local makes a new one for each message."""
        out = run_source(
            source_that(
                """
                local = threading.local()
                local.value = 1
                for _ in range(100):
                    self.post_message(LogMessage("x"))
                print(local.value)
                """
            )
        )
        assert out == ["1", "done"]

    def test_all_drivers_are_initialised_before_any_runs(self, engine: StartEngine) -> None:
        """Without it: a source posts into paths of which some sources refused the configuration."""
        conf = """@version: current
python {
import threading
from syslogng import LogSource
class Base(LogSource):
    exiting = threading.Event()
    def init(self, options):
        print("init", flush=True)
        return True
    def run(self):
        print("run", flush=True)
        self.exiting.wait()
    def request_exit(self):
        self.exiting.set()
class A(Base): pass
class B(Base): pass
class C(Base): pass
};
log { source { python(class("A")); }; source { python(class("B")); }; source { python(class("C")); }; };
"""
        running = engine(conf)
        running.wait_print(r"(run[\s\S]*){3}")
        running.stop()
        assert running.stdout.lines == ["init"] * 3 + ["run"] * 3

    @pytest.mark.parametrize("name", ["run", "request_exit", "generate_persist_name"])
    def test_callbacks_are_taken_before_init(self, engine: StartEngine, name: str) -> None:
        """Without it: `self.request_exit = asyncio.Event()` in init() takes the callback away."""
        conf = source(
            f"""
            exiting = threading.Event()

            def init(self, options):
                self.{name} = "mine"
                return True

            def run(self):
                print("seen", self.{name} == "mine", flush=True)
                self.exiting.wait()

            def request_exit(self):
                print("asked", flush=True)
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.wait_print("seen True")
        running.stop()
        assert running.stdout.lines == ["seen True", "asked"]

    def test_init_and_deinit_are_looked_up_when_called(self, engine: StartEngine) -> None:
        """Without it: a source that chooses its deinit() in init() gets the other one."""
        conf = source(
            """
            exiting = threading.Event()

            def __init__(self):
                self.init = lambda options: bool(print("own init")) or True
                self.deinit = lambda: print("own deinit")

            def init(self, options):
                print("class init")

            def deinit(self):
                print("class deinit")

            def run(self):
                self.exiting.wait()

            def request_exit(self):
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.stop()
        assert running.stdout.lines == ["own init", "own deinit"]

    def test_attributes_before_in_and_after_init(self, run_source: RunSource) -> None:
        """Without it: sources that read flags or parse_options in init() see something else than elsewhere."""
        conf = source_that(
            "print('run', self.flags['parse'], type(self.parse_options).__name__, self.persist_name)",
            """
def __init__(self):
    print('__init__', self.flags, self.parse_options, self.persist_name, self.auto_close_batches)

def init(self, options):
    print('init', self.flags['parse'], self.parse_options, self.persist_name, self.auto_close_batches)
    return True
""",
            driver="persist-name(mine) flags(no-parse)",
        )
        assert run_source(conf) == [
            "__init__ {} None None True",
            "init False None python-source.mine True",
            "run False ParseOptions python-source.mine",
            "done",
        ]

    def test_auto_close_batches_set_before_init_is_lost(self, run_source: RunSource) -> None:
        """Without it: a class attribute that had no effect elsewhere delays messages here."""
        conf = source_that(
            "pass",
            """
auto_close_batches = False

def init(self, options):
    print(self.auto_close_batches)
    try:
        self.auto_close_batches = "yes"
    except TypeError:
        print("TypeError")
    self.auto_close_batches = False
    print(self.auto_close_batches)
    return True
""",
        )
        assert run_source(conf) == ["True", "TypeError", "False", "done"]

    def test_persist_name_is_read_only_unless_shadowed(self, run_source: RunSource) -> None:
        """Without it: sources that fall back to a name of their own take the wrong branch."""
        conf = source_that(
            """
            try:
                self.persist_name = "x"
            except AttributeError:
                print("AttributeError", self.persist_name)
            class Shadow(LogSource):
                persist_name = None
            shadow = Shadow()
            shadow.persist_name = "own"
            print(shadow.persist_name)
            """.replace("\n            ", "\n")
        )
        assert run_source(conf) == ["AttributeError python-source(Source)", "own", "done"]

    @pytest.mark.parametrize(
        ("method", "driver", "name"),
        [
            ("", "", "python-source(Source)"),
            ("", "persist-name(box)", "python-source.box"),
            (
                '@staticmethod\ndef generate_persist_name(options):\n    return "n" + options["k"]',
                "",
                "python-source.n1",
            ),
            (
                '@staticmethod\ndef generate_persist_name(options):\n    return b"bytes"',
                "",
                "python-source.bytes",
            ),
            (
                "@staticmethod\ndef generate_persist_name(options):\n    raise ValueError(1)",
                "",
                "python-source(Source)",
            ),
            (
                '@staticmethod\ndef generate_persist_name(options):\n    return "n"',
                "persist-name(box)",
                "python-source.box",
            ),
        ],
        ids=["default", "option", "generated", "bytes", "raises", "option-wins"],
    )
    def test_persist_name(self, run_source: RunSource, method: str, driver: str, name: str) -> None:
        """Without it: state is looked for under another name than it was kept under."""
        conf = source_that("print(self.persist_name)", method, driver=f'options("k" "1") {driver}')
        assert run_source(conf) == [name, "done"]

    def test_constructor_without_super(self, run_source: RunSource) -> None:
        """Without it: the many sources that forget super().__init__() break."""
        conf = source_that(
            "self.post_message(LogMessage(self.text))", "def __init__(self):\n    self.text = 'x'"
        )
        assert run_source(conf) == ["done"]

    def test_names_of_the_users_do_not_clash(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: a source that has a `sleep` or a `Buffer` of its own calls ours, or breaks the engine."""
        conf = source_that(
            """
            for name in ("exit", "logs", "keys", "close", "sleep", "exit_requested", "is_suspended", "post_messages"):
                setattr(self, name, name)
                assert getattr(self, name) == name
            self.post_message(LogMessage("posted"))
            """
        )
        assert run_source(conf) == ["done"]
        assert delivered() == [b"posted"]

    def test_options(self, run_source: RunSource) -> None:
        """Without it: a number becomes text, a hyphen stays in a key, or the first of two values wins."""
        conf = source_that(
            "pass",
            """
def init(self, options):
    for key in sorted(options):
        print(key, repr(options[key]))
    options["kept"] = "no"
    return True
""",
            driver="""options(api-token "t", n 11, "f" 1.5, yes yes, "off" off, T True, word 5s, size 2k, hex 0x10,
                      "arrow" => "a", list ["a" "b"], twice 1) options("twice" 2)""",
        )
        assert run_source(conf) == [
            "T True",
            "api_token 't'",
            "arrow 'a'",
            "f 1.5",
            "hex 16",
            "list ['a', 'b']",
            "n 11",
            "off False",
            "size 2000",
            "twice 2",
            "word '5s'",
            "yes True",
            "done",
        ]

    def test_flags_default(self, run_source: RunSource) -> None:
        """Without it: sources that look at a flag find it missing, or inverted."""
        assert run_source(
            source_that("print(sorted(k for k, v in self.flags.items() if v), len(self.flags))")
        ) == [
            str(
                sorted(
                    [
                        "expect-hostname",
                        "header",
                        "multi-line",
                        "parse",
                        "rfc3164-fallback",
                        "store-legacy-msghdr",
                        "syslog-protocol",
                    ]
                )
            )
            + " 13",
            "done",
        ]

    def test_reload_makes_a_new_object_and_a_new_module(self, engine: StartEngine) -> None:
        """Without it: globals of the old configuration leak into the new one, or the old source goes on."""
        conf = source(
            """
            def init(self, options):
                self.exiting = threading.Event()
                global count
                count = globals().get("count", 0) + 1
                print("count", count, flush=True)
                return True

            def run(self):
                print("run", flush=True)
                self.exiting.wait()

            def request_exit(self):
                self.exiting.set()

            def deinit(self):
                print("deinit", flush=True)
            """
        )
        running = engine(conf)
        running.wait_print("run")
        running.send_signal(signal.SIGHUP)
        running.wait_print(r"run[\s\S]*run")
        running.stop()
        assert running.stdout.lines == ["count 1", "run", "deinit", "count 1", "run", "deinit"]

    def test_reload_with_an_error_keeps_the_old_configuration(self, engine: StartEngine) -> None:
        """Without it: one typing error and a SIGHUP end the collecting of logs."""
        running = engine(source_that("pass"))
        running.wait_print("done")
        (running.directory / "test.conf").write_text("source s { nonsense(); };\n")
        running.send_signal(signal.SIGHUP)
        running.wait_log("nonsense")
        assert running.process.poll() is None
        running.stop()

    def test_messages_in_flight_survive_a_reload(self, engine: StartEngine) -> None:
        """Without it: what was posted before a reload and not written yet is lost."""
        conf = gone(source_that("for n in range(5):\n    self.post_message(LogMessage(str(n)))", head=GONE))
        running = engine(conf)
        running.wait_print("done")
        running.send_signal(signal.SIGHUP)
        running.wait_print(r"done[\s\S]*done")
        (running.directory / "gone").mkdir()
        lines = running.wait_lines("gone/out.log", 10)
        assert sorted(lines) == sorted([b"0", b"1", b"2", b"3", b"4"] * 2)


class TestPosting:
    """What may be posted, from where, and what becomes of it."""

    def test_order_of_one_thread(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: batches could overtake each other."""
        run_source(source_that("for n in range(50000):\n    self.post_message(LogMessage(str(n)))"))
        assert delivered() == [b"%d" % n for n in range(50000)]

    def test_keyword_and_result(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: `post_message(msg=...)` breaks, or its result is taken for a failure."""
        out = run_source(source_that('print(self.post_message(msg=LogMessage("x")), self.close_batch())'))
        assert out == ["None None", "done"]
        assert delivered() == [b"x"]

    def test_str_and_bytes_are_short_for_messages(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: the shortest and fastest way to post is missing."""
        run_source(source_that('self.post_message("text")\nself.post_message(b"bytes")'))
        assert delivered() == [b"text", b"bytes"]

    @pytest.mark.parametrize("call", ["post_message({})", "try_post_message({})", "post_messages([{}])"])
    def test_wrong_type(self, run_source: RunSource, delivered: Delivered, call: str) -> None:
        """Without it: a wrong argument ends the source without saying which type it was, or is posted as its repr."""
        checks = "\n".join(
            f"try:\n    self.{call.format(wrong)}\nexcept TypeError as e:\n    assert {name!r} in str(e), e\nelse:\n    print('taken')"
            for wrong, name in [("1", "int"), ("None", "NoneType"), ("['x']", "list"), ("object()", "object")]
        )
        assert run_source(source_that(checks)) == ["done"]
        assert delivered() == []

    def test_posting_is_a_snapshot(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: what a source does to a message after posting it shows up in the file."""
        run_source(
            source_that(
                """
msg = LogMessage("first")
self.post_message(msg)
msg["MESSAGE"] = "second"
self.post_message(msg)
self.post_message(msg)
"""
            )
        )
        assert delivered() == [b"first", b"second", b"second"]

    def test_mutable_buffers_are_copied(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: bytes that change after the post change in the file."""
        run_source(
            source_that(
                """
buffer = bytearray(b"one " * 1000 + b"\\n")
for text in (b"two ", b"six "):
    assert self.post_buffer(buffer) == len(buffer)
    buffer[:-1] = text * 1000
assert self.post_buffer(memoryview(buffer).toreadonly()) == len(buffer)
buffer[:-1] = b"bad " * 1000
"""
            )
        )
        assert delivered() == [b"one " * 1000, b"two " * 1000, b"six " * 1000]

    def test_many_threads(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: messages from threads of a framework are refused, lost, doubled or reordered."""
        run_source(
            source_that(
                """
def post(who):
    for n in range(2000):
        self.post_message(LogMessage(f"{who} {n}"))
threads = [threading.Thread(target=post, args=(who,)) for who in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
            )
        )
        got = [tuple(map(int, line.split())) for line in delivered()]
        assert len(got) == 16000
        for who in range(8):
            assert [n for by, n in got if by == who] == list(range(2000))

    def test_from_many_threads_with_a_full_window(self, engine: StartEngine) -> None:
        """Without it: threads that wait for credit could pass each other's messages, or wait for ever."""
        conf = source_that(
            """
def post(who):
    for n in range(200):
        self.post_message(LogMessage(f"{who} {n}"))
threads = [threading.Thread(target=post, args=(who,)) for who in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
            driver="log-iw-size(3)",
        )
        running = engine(conf)
        running.wait_print("done")
        totals = running.stop()
        assert totals.posted == totals.delivered == 1600

    @pytest.mark.parametrize("where", ["__init__(self)", "init(self, options)", "deinit(self)"])
    def test_posting_outside_of_run_is_a_runtime_error(self, engine: StartEngine, where: str) -> None:
        """Without it: a message posted before the start, or after the end, is lost in silence or crashes the engine."""
        conf = source(
            f"""
            exiting = threading.Event()

            def {where}:
                for post in (self.post_message, self.try_post_message):
                    try:
                        post(LogMessage("never"))
                    except RuntimeError as error:
                        print("RuntimeError", error, flush=True)
                return True

            def run(self):
                self.post_message(LogMessage("x"))
                print("running", flush=True)
                self.exiting.wait()

            def request_exit(self):
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.wait_print("running")
        running.stop()
        assert len([line for line in running.stdout.lines if line.startswith("RuntimeError ")]) == 2
        assert read_lines(running.directory / "out.log") == [b"x"]

    def test_posting_after_request_exit_is_delivered(self, engine: StartEngine) -> None:
        """Without it: what a source still has in hand when it is asked to stop is lost."""
        conf = source(
            """
            exiting = threading.Event()

            def run(self):
                print("running", flush=True)
                self.exiting.wait()
                for n in range(1000):
                    self.post_message(LogMessage(str(n)))

            def request_exit(self):
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.wait_print("running")
        assert running.stop().delivered == 1000
        assert read_lines(running.directory / "out.log") == [b"%d" % n for n in range(1000)]

    def test_bookmark_without_tracker_is_a_runtime_error(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: a source that relies on acknowledgements never learns that it gets none."""
        out = run_source(
            source_that(
                """
for bookmark in (0, "", object()):
    try:
        self.post_message(LogMessage("never", bookmark))
    except RuntimeError as error:
        print("ack_tracker" in str(error))
self.post_message(LogMessage("x", None))
"""
            )
        )
        assert out == ["True", "True", "True", "done"]
        assert delivered() == [b"x"]

    def test_transport_name(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: $TRANSPORT does not say how a message came."""
        conf = source_that(
            """
self.post_message(LogMessage("a"))
self.set_transport_name("two")
self.post_message(LogMessage("b"))
try:
    self.set_transport_name(b"bytes")
except TypeError:
    print("TypeError")
""",
            'def init(self, options):\n    self.set_transport_name("one")\n    return True',
        ).replace("$MSG", "$TRANSPORT $MSG")
        assert run_source(conf) == ["TypeError", "done"]
        assert delivered() == [b"one a", b"two b"]

    def test_what_the_source_layer_does(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: HOST, PROGRAM, tags and SOURCE differ from what existing configurations expect."""
        conf = source_that(
            """
msg = LogMessage("x")
msg["HOST"] = "mine"
msg["PROGRAM"] = "mine"
self.post_message(msg)
""",
            driver='keep-hostname(yes) program-override("p") tags("t1", "t2") default-facility(local3) default-priority(err)',
        ).replace("$MSG", "$HOST $PROGRAM $SOURCE $FACILITY $LEVEL ${.t:-none} $TAGS $MSG")
        run_source(conf)
        (line,) = delivered()
        host, program, name, facility, level, nothing, tags, text = line.split(b" ")
        assert (host, program, name, nothing, text) == (b"mine", b"p", b"s_test", b"none", b"x")
        assert (facility, level) == (b"local3", b"err")
        assert {b"t1", b"t2", b".source.s_test"} <= set(tags.split(b","))

    def test_host_of_the_message_is_replaced_by_default(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: keep-hostname() is on for those who did not ask for it."""
        conf = source_that('msg = LogMessage("x")\nmsg["HOST"] = "mine"\nself.post_message(msg)')
        run_source(conf.replace("$MSG", "$HOST"))
        assert delivered() != [b"mine"]

    def test_auto_close_batches_off(self, engine: StartEngine) -> None:
        """Without it: messages wait for close_batch() for ever: no message may wait for another one to come."""
        conf = source_that(
            'self.post_message(LogMessage("first"))\nself.close_batch()\nself.post_message(LogMessage("second"))',
            "def init(self, options):\n    self.auto_close_batches = False\n    return True",
        )
        assert engine(conf).wait_lines("out.log", 2) == [b"first", b"second"]

    @pytest.mark.parametrize("end", ["time.sleep(600)", "self.exiting.wait()", "return"])
    def test_no_message_waits_for_another(self, engine: StartEngine, end: str) -> None:
        """Without it: the last message before a pause stays in an open batch."""
        conf = source(
            f"""
            exiting = threading.Event()

            def run(self):
                self.post_message(LogMessage("only"))
                {end}

            def request_exit(self):
                self.exiting.set()
            """,
            driver="stop-timeout(1)",
        )
        running = engine(conf)
        assert running.wait_lines("out.log", 1) == [b"only"]
        if end.startswith("time"):
            running.send_signal(signal.SIGTERM)
            running.wait_exit()
            running.totals().check()

    def test_parse(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: the source's options do not reach LogMessage.parse."""
        conf = source_that(
            """
self.post_message(LogMessage.parse("<165>1 2026-03-01T12:00:00Z h app 1 ID - text", self.parse_options))
self.post_message(LogMessage.parse(b"<13>Mar  1 12:00:00 h app[7]: old", self.parse_options))
for wrong in (1, None, bytearray(b"x")):
    try:
        LogMessage.parse(wrong, self.parse_options)
    except TypeError:
        print("TypeError")
assert LogMessage.parse("<165>1 2026-03-01T12:00:00-08:00 h - - - - x", self.parse_options).get_timestamp().hour == 12
""",
            driver="keep-hostname(yes)",
        ).replace("$MSG", "$PRI $HOST $PROGRAM $PID $MSG")
        assert run_source(conf) == ["TypeError"] * 3 + ["done"]
        assert delivered() == [b"165 h app 1 text", b"13 h app 7 old"]


class TestManyAtOnce:
    """post_messages, post_buffer, acquire_buffer."""

    def test_post_messages(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: mixed lists and generators are refused, or come in another order."""
        out = run_source(
            source_that(
                """
print(self.post_messages([LogMessage("a"), "b", b"c"]))
print(self.post_messages(str(n) for n in range(1000)))
print(self.post_messages([]))
"""
            )
        )
        assert out == ["3", "1000", "0", "done"]
        assert delivered() == [b"a", b"b", b"c", *(b"%d" % n for n in range(1000))]

    def test_post_messages_beyond_the_window(self, engine: StartEngine) -> None:
        """Without it: a list longer than the window waits for ever."""
        running = engine(
            source_that("print(self.post_messages(map(str, range(1000))))", driver="log-iw-size(7)")
        )
        running.wait_print("done")
        assert running.stop().delivered == 1000

    def test_post_messages_with_a_wrong_element(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: nobody knows how much of a list was posted."""
        out = run_source(
            source_that(
                """
for wrong in (7, None):
    try:
        self.post_messages(["a", "b", wrong, "c"])
    except TypeError as error:
        print("2" in str(error), type(wrong).__name__ in str(error))
try:
    self.post_messages(5)
except TypeError:
    print("TypeError")
"""
            )
        )
        assert out == ["True True", "True True", "TypeError", "done"]
        assert delivered() == [b"a", b"b"] * 2

    def test_post_messages_from_an_iterator_that_raises(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: the iterator's own exception is swallowed, or what came before it is lost."""
        out = run_source(
            source_that(
                """
def some():
    yield "a"
    raise KeyError("mine")
try:
    self.post_messages(some())
except KeyError as error:
    print(error)
"""
            )
        )
        assert out == ["'mine'", "done"]
        assert delivered() == [b"a"]

    @pytest.mark.parametrize(
        ("call", "consumed", "lines"),
        [
            ("b'a\\nb\\n'", 4, [b"a", b"b"]),
            ("b'a\\nb'", 3, [b"a", b"b"]),
            ("b'a\\nb', partial=True", 2, [b"a"]),
            ("b'none', partial=True", 0, []),
            ("b''", 0, []),
            ("b'a\\n\\nb\\n'", 5, [b"a", b"b"]),
            ("b'a\\n\\nb\\n', keep_empty=True", 5, [b"a", b"", b"b"]),
            ("b'a;b;', b';'", 4, [b"a", b"b"]),
            ("b'a\\r\\nb\\r\\n', delimiter=b'\\r\\n'", 6, [b"a", b"b"]),
            ("b'a\\nb\\nrest', length=4", 4, [b"a", b"b"]),
            ("memoryview(b'xa\\nbx')[1:4]", 3, [b"a", b"b"]),
            ("b'a' * 100000 + b'\\n' + b'b' * 100000", 200001, [b"a" * 100000, b"b" * 100000]),
        ],
    )
    def test_post_buffer(
        self, run_source: RunSource, delivered: Delivered, call: str, consumed: int, lines: list[bytes]
    ) -> None:
        """Without it: a message is cut, joined, doubled or left out at the edge of a buffer."""
        assert run_source(source_that(f"print(self.post_buffer({call}))")) == [str(consumed), "done"]
        assert delivered() == lines

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            ("'text'", "TypeError"),
            ("1", "TypeError"),
            ("None", "TypeError"),
            ("b'x', ''", "TypeError"),
            ("b'x', b''", "ValueError"),
            ("b'x', length=-1", "(ValueError|OverflowError)"),
            ("b'x', length=2", "ValueError"),
            ("b'x', b'\\n', 1", "TypeError"),
        ],
    )
    def test_post_buffer_with_a_wrong_argument(self, engine: StartEngine, call: str, error: str) -> None:
        """Without it: an argument that makes no sense reads beyond a buffer, or posts nothing in silence."""
        running = engine(
            source_that(
                f"try:\n    self.post_buffer({call})\nexcept Exception as e:\n    print(type(e).__name__)"
            )
        )
        running.wait_print(rf"^{error}$")
        assert running.stop().posted == 0

    def test_post_buffer_parsed(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: `parse=True` ignores the source's options, or parses the buffer as one message."""
        conf = source_that(
            """
self.post_buffer(b"<13>1 2026-03-01T12:00:00Z h one - - - a\\n<14>1 2026-03-01T12:00:00Z h two - - - b", parse=True)
""",
            driver="keep-hostname(yes)",
        ).replace("$MSG", "$PRI $HOST $PROGRAM $MSG")
        run_source(conf)
        assert delivered() == [b"13 h one a", b"14 h two b"]

    def test_post_buffer_lets_go_of_its_buffer(self, run_source: RunSource) -> None:
        """Without it: every buffer that was posted is kept for ever."""
        out = run_source(
            source_that(
                """
import gc, weakref
class Owner(bytes): pass
owners = [Owner(b"x" * 100000 + b"\\n") for _ in range(50)]
alive = [weakref.ref(owner) for owner in owners]
for owner in owners: self.post_buffer(owner)
del owners, owner
for _ in range(1000):
    gc.collect()
    if not any(ref() for ref in alive): break
    time.sleep(0.02)
print(sum(ref() is not None for ref in alive))
"""
            )
        )
        assert out == ["0", "done"]

    def test_acquired_buffer_from_a_socket(self, run_source: RunSource, delivered: Delivered) -> None:
        """Without it: the way without a copy from the kernel to the destination does not work."""
        out = run_source(
            source_that(
                """
import socket
a, b = socket.socketpair()
a.sendall(b"one\\ntwo\\nthr")
buffer = self.acquire_buffer(4096)
print(len(buffer), memoryview(buffer).readonly)
n = b.recv_into(buffer)
print(n, self.post_buffer(buffer, length=n, partial=True), buffer.tail)
rest = buffer.tail
for use in (lambda: memoryview(buffer), lambda: self.post_buffer(buffer), lambda: b.recv_into(buffer)):
    try:
        use()
    except (ValueError, BufferError):
        print("sealed")
a.sendall(b"ee\\n")
buffer = self.acquire_buffer(4096)
view = memoryview(buffer)
view[:len(rest)] = rest
n = b.recv_into(view[len(rest):])
view.release()
self.post_buffer(buffer, length=len(rest) + n)
"""
            )
        )
        assert out == ["4096 False", "11 8 b'thr'", "sealed", "sealed", "sealed", "done"]
        assert delivered() == [b"one", b"two", b"three"]

    def test_a_view_that_is_still_open_cannot_change_what_was_posted(
        self, run_source: RunSource, delivered: Delivered
    ) -> None:
        """Without it: a view kept from before the post writes into messages on their way."""
        run_source(
            source_that(
                """
buffer = self.acquire_buffer(8)
view = memoryview(buffer)
view[:8] = b"before\\n\\n"
try:
    self.post_buffer(buffer, length=7)
except (BufferError, ValueError):
    view.release()
    self.post_buffer(buffer, length=7)
try:
    view[:6] = b"after!"
except ValueError:
    pass
"""
            )
        )
        assert delivered() == [b"before"]

    def test_buffers_that_are_dropped_come_back(self, run_source: RunSource) -> None:
        """Without it: each buffer that a source acquires and does not post costs its memory for ever."""
        out = run_source(
            source_that(
                """
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
for _ in range(100): memoryview(self.acquire_buffer(1 << 20))[::4096] = bytes(256)
before = resident()
for _ in range(2000): memoryview(self.acquire_buffer(1 << 20))[::4096] = bytes(256)
print(resident() - before < (64 << 20))
for wrong in (0, -1, "x", None):
    try:
        print(len(self.acquire_buffer(wrong)))
    except (ValueError, TypeError, OverflowError) as error:
        print(type(error).__name__)
"""
            )
        )
        assert out[0] == "True"
        assert len(out) == 6


class TestFlowControl:
    """Credit: who waits, who is told, who wakes up."""

    def test_post_waits_for_the_destination_and_loses_nothing(self, engine: StartEngine) -> None:
        """Without it: a destination that stands still fills the memory, or drops messages."""
        conf = source_that(
            "for n in range(1000):\n    self.post_message(LogMessage(str(n)))\n    print(n, flush=True)",
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        running.wait_print("^8$|\n8$|\n8\n")
        assert not running.stdout.find("(?m)^10$")
        (running.directory / "gone").mkdir()
        assert running.wait_lines("gone/out.log", 1000) == [b"%d" % n for n in range(1000)]
        assert running.stop().delivered == 1000

    def test_waiting_posts_let_other_threads_run(self, engine: StartEngine) -> None:
        """Without it: one source without credit stops every Python thread of the process."""
        conf = source(
            """
            def run(self):
                threading.Thread(target=self.tick, daemon=True).start()
                for n in range(100):
                    self.post_message(LogMessage(str(n)))

            def tick(self):
                for n in range(20):
                    time.sleep(0.01)
                print("ticked", flush=True)

            def request_exit(self):
                pass
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("ticked")
        (running.directory / "gone").mkdir()
        running.wait_lines("gone/out.log", 100)

    def test_suspend_and_wakeup(self, engine: StartEngine) -> None:
        """Without it: a source with suspend() is blocked instead of told, or told twice, or never woken."""
        conf = source(
            """
            def init(self, options):
                self.ready = threading.Event()
                self.ready.set()
                self.exiting = False
                self.suspensions = 0
                return True

            def run(self):
                self.thread = threading.current_thread()
                for n in range(1000):
                    self.ready.wait()
                    if self.exiting:
                        return
                    self.post_message(LogMessage(str(n)))
                print("done", flush=True)

            def suspend(self):
                assert threading.current_thread() is self.thread
                assert self.ready.is_set()
                self.ready.clear()
                self.suspensions += 1
                if self.suspensions == 1:
                    print("suspended", self.is_suspended(), flush=True)

            def wakeup(self):
                self.ready.set()

            def request_exit(self):
                self.exiting = True
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("suspended True")
        assert not running.stdout.find("done")
        (running.directory / "gone").mkdir()
        running.wait_print("done")
        assert running.wait_lines("gone/out.log", 1000) == [b"%d" % n for n in range(1000)]

    def test_posting_while_suspended_loses_nothing(self, engine: StartEngine) -> None:
        """Without it: a source that ignores suspend() loses messages and never knows."""
        conf = source_that(
            "for n in range(100):\n    self.post_message(LogMessage(str(n)))",
            "def suspend(self):\n    pass\n\ndef wakeup(self):\n    pass",
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        (running.directory / "gone").mkdir()
        assert running.wait_lines("gone/out.log", 100) == [b"%d" % n for n in range(100)]

    def test_suspend_without_wakeup_is_refused(self, engine: StartEngine) -> None:
        """Without it: a source suspends itself and sleeps for ever."""
        running = engine(source_that("pass", "def suspend(self):\n    pass"), started=False)
        assert running.wait_exit() != 0
        assert running.stderr.find("wakeup")

    def test_try_post_message_and_waiting(self, engine: StartEngine) -> None:
        """Without it: event loops cannot post without blocking."""
        conf = source_that(
            """
assert not self.is_suspended()
assert self.wait_until_writable(0) and self.wait_until_writable(timeout=600) and self.wait_until_writable()
taken = 0
while self.try_post_message(str(taken)): taken += 1
print("taken", taken, self.is_suspended(), self.wait_until_writable(0.01), flush=True)
while taken < 100:
    if self.try_post_message(LogMessage(str(taken))): taken += 1
    else: self.wait_until_writable(1)
""",
            "def suspend(self):\n    print('suspend() was called')\n\ndef wakeup(self):\n    pass",
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("taken 10 True False")
        (running.directory / "gone").mkdir()
        running.wait_print("done")
        assert running.wait_lines("gone/out.log", 100) == [b"%d" % n for n in range(100)]
        assert not running.stdout.find(r"suspend\(\) was called")

    @pytest.mark.parametrize(
        "wait", ["self.sleep(600)", "self.wait_until_writable(600)", "self.wait_until_writable()"]
    )
    def test_exit_ends_every_wait(self, engine: StartEngine, wait: str) -> None:
        """Without it: a sleeping source holds up the stop until its time is over."""
        conf = source(
            f"""
            def run(self):
                while self.try_post_message("x"):
                    pass
                print("waiting", self.exit_requested, flush=True)
                result = {wait}
                print("woken", result, self.exit_requested, flush=True)
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_print("waiting False")
        running.send_signal(signal.SIGTERM)
        running.wait_print("woken False True")
        (running.directory / "gone").mkdir()
        running.wait_exit()
        running.totals().check()

    def test_sleep_whole(self, run_source: RunSource) -> None:
        """Without it: a source cannot tell a pause from a request to exit."""
        assert run_source(source_that("print(self.sleep(0.01), self.sleep(0), self.exit_requested)")) == [
            "True True False",
            "done",
        ]

    def test_without_request_exit(self, engine: StartEngine) -> None:
        """Without it: a source that uses exit_requested must still define a callback that does nothing."""
        conf = source(
            """
            def run(self):
                print("run", flush=True)
                while not self.exit_requested:
                    self.sleep(600)
                print("seen", flush=True)
            """
        )
        running = engine(conf)
        running.wait_print("run")
        running.stop()
        assert running.stdout.lines == ["run", "seen"]

    def test_stop_while_a_post_waits(self, engine: StartEngine) -> None:
        """Without it: a source that waits for credit can never be stopped, or the message it waits with is lost uncounted."""
        conf = source(
            """
            stopping = False

            def run(self):
                n = 0
                while not self.stopping:
                    self.post_message(LogMessage(str(n)))
                    n += 1

            def request_exit(self):
                self.stopping = True
            """,
            driver="log-iw-size(10)",
            head=GONE,
        )
        running = engine(gone(conf))
        running.wait_log("gone")
        running.send_signal(signal.SIGTERM)
        running.wait_exit()
        running.totals().check()
