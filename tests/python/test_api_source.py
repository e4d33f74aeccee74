"""LogSource inside the engine: its life cycle, its attributes and its options.

Each test is a configuration with a source that checks something and prints `done`. A failed assertion inside
the source shows as a traceback on stderr, with the line of the configuration.
"""

from __future__ import annotations

import signal

import pytest

from harness import GONE, Delivered, RunSource, StartEngine, gone, source, source_that


class TestLifeCycle:
    """The calls of a source: which, when, on which thread."""

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
        """Without it: a library that keeps its connection in a thread local makes a new one for each
        message."""
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
        print("run\\n", end="", flush=True)
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

    def test_all_threads_are_there_before_any_runs(self, engine: StartEngine) -> None:
        """Without it: a source that floods keeps the others from starting, for seconds."""
        names = ("A", "B", "C")
        sources = "\n".join(
            f'source {{ python(class("Source") persist-name("{name}")); }};' for name in names
        )
        body = """
        exiting = threading.Event()
        def run(self):
            threads = [thread for thread in threading.enumerate() if thread.name.startswith("source ")]
            print(f"{self.persist_name} {len(threads)}\\n", end="", flush=True)
            self.exiting.wait()
        def request_exit(self):
            self.exiting.set()
        """
        conf = source(body, driver='persist-name("D")')
        running = engine(conf.replace("log { source(s_test);", f"log {{ source(s_test); {sources}"))
        for name in (*names, "D"):
            running.wait_print(f"{name} 4")
        running.stop()

    @pytest.mark.parametrize("wait", ["self.sleep(0)", "self.sleep(-1)", "self.wait_until_writable(0)"])
    def test_a_wait_of_nothing_keeps_the_gil(self, engine: StartEngine, wait: str) -> None:
        """Without it: a loop that waits for nothing now and then keeps other threads from running, and the
        engine from stopping.

        Who lets go of the GIL and takes it again at once resets the clock by which the interpreter gives it
        to others.
        """
        run = f"""
        while self.try_post_message("x"):
            pass
        lock, woken = threading.Lock(), []
        lock.acquire()
        other = threading.Thread(target=lambda: (lock.acquire(), woken.append(True)))
        sys.setswitchinterval(1000)
        other.start()
        # Who has waited for the GIL since before the change would ask for it after 5 ms: now it can have it.
        time.sleep(0.1)
        lock.release()
        for _ in range(100_000):
            {wait}
        print("let go" if woken else "kept", flush=True)
        sys.setswitchinterval(0.005)
        other.join()
        """
        conf = source_that(run, driver="log-iw-size(10)", head=GONE)
        running = engine(gone(conf.replace("import threading\n", "import sys\nimport threading\n")))
        running.wait_print("kept|let go")
        running.make_gone()
        running.wait_print("done")
        running.stop()
        assert running.stdout.lines == ["kept", "done"]

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
        """Without it: sources that read flags or parse_options in init() see something else than
        elsewhere."""
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
        """Without it: a setting that had no effect elsewhere delays messages here."""
        conf = source_that(
            "pass",
            """
def __init__(self):
    self.auto_close_batches = False

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
        """Without it: a source that has a `sleep` or a `Buffer` of its own calls ours, or breaks the
        engine."""
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
        (running.directory / "test.conf").write_text(
            conf.replace("import threading", "import threading, os", 1)
        )
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
        (running.directory / "test.conf").write_text(
            conf.replace("import threading", "import threading, os", 1)
        )
        running.send_signal(signal.SIGHUP)
        running.wait_print(r"done[\s\S]*done")
        running.make_gone()
        lines = running.wait_lines("gone/out.log", 10)
        assert sorted(lines) == sorted([b"0", b"1", b"2", b"3", b"4"] * 2)
