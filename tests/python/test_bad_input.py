"""Bad input, and what it gets: never a crash, a hang, or a silent loss."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from harness import Delivered, StartEngine, inrush, numbered, read_lines, source, source_that

CALLBACKS = ["__init__(self)", "init(self, options)", "request_exit(self)", "deinit(self)"]
RAISED = {
    "Exception": "raise ValueError('on purpose')",
    "SystemExit": "raise SystemExit('on purpose')",
    "exit(0)": "exit(0)",
    "KeyboardInterrupt": "raise KeyboardInterrupt('on purpose')",
}


def refused(tmp_path: Path, conf: str) -> str:
    """The words of `inrush check` and `inrush run` about a file that neither accepts."""
    (tmp_path / "test.conf").write_text(conf)
    check = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert check.code == 1, check
    run = inrush("run", "-f", "test.conf", cwd=tmp_path)
    assert run.code == 1, run
    assert not (tmp_path / "out.log").exists()
    return check.stderr


class TestConfiguration:
    """Files that are refused, with the place and the reason."""

    @pytest.mark.parametrize("command", ["run", "check"])
    def test_no_such_file(self, tmp_path: Path, command: str) -> None:
        """Without it: an engine without a configuration seems to run."""
        done = inrush(command, "-f", "missing.conf", cwd=tmp_path)
        assert done.code == 1
        assert "missing.conf" in done.stderr
        assert "No such file" in done.stderr

    @pytest.mark.parametrize("command", ["run", "check"])
    def test_directory_and_binary_file(self, tmp_path: Path, command: str) -> None:
        """Without it: a wrong path crashes the parser."""
        assert inrush(command, "-f", tmp_path, cwd=tmp_path).code == 1
        (tmp_path / "binary").write_bytes(bytes(range(256)) * 100)
        assert inrush(command, "-f", "binary", cwd=tmp_path).code == 1

    @pytest.mark.parametrize(
        ("line", "word", "near"),
        [
            ("source s { pyton(class(X)); };", "pyton", "python"),
            ("sorce s { };", "sorce", "source"),
            ('destination d { file("x" templat("$MSG")); };', "templat", "template"),
            ("source s { python(clas(X)); };", "clas", "class"),
            ("source s { python(class(X) flags(no-prase)); };", "no-prase", "no-parse"),
            ("options { time-repoen(1); };", "time-repoen", "time-reopen"),
            ("log { source(missing); };", "missing", ""),
        ],
        ids=lambda value: None,
    )
    def test_unknown_word_is_shown_with_its_nearest(
        self, tmp_path: Path, line: str, word: str, near: str
    ) -> None:
        """Without it: the user has to find a typing error by eye."""
        said = refused(tmp_path, f"@version: current\n# a comment\n{line}\n")
        assert re.search(r"test\.conf:3\b", said), said
        assert line in said
        assert "^" in said
        assert word in said
        assert near in said

    def test_unknown_macro_is_said_with_its_nearest(self, tmp_path: Path) -> None:
        """Without it: a typing error in a macro is an empty text in every line, and nobody knows why.

        It is a warning, because the name may be that of a value which the source sets.
        """
        (tmp_path / "test.conf").write_text(source_that("pass").replace("$MSG", "$MSGHRD"))
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 0, done
        assert re.search(r"(?s)warning.*MSGHRD.*\^.*MSGHDR", done.stderr), done.stderr

    def test_unknown_log_flag_is_said(self, tmp_path: Path) -> None:
        """Without it: `flags(flow-controll)` means no flow control, in silence."""
        (tmp_path / "test.conf").write_text(
            source_that("pass").replace("flags(flow-control)", "flags(flow-controll)")
        )
        said = inrush("check", "-f", "test.conf", cwd=tmp_path).stderr
        assert "flow-controll" in said
        assert "flow-control" in said.replace("flow-controll", "")

    def test_all_errors_at_once(self, tmp_path: Path) -> None:
        """Without it: ten errors need ten attempts."""
        said = refused(tmp_path, "source a { pyton(); };\nsource b { fil(); };\nlog { source(nowhere); };\n")
        for place in (r"test\.conf:1\b", r"test\.conf:2\b", r"test\.conf:3\b"):
            assert re.search(place, said), said

    @pytest.mark.parametrize(
        "conf",
        [
            "source s {",
            "source s { python(",
            'source s { file("unterminated',
            "python {\nx = '''\n",
            "}",
            "source",
            "`",
            "@include",
        ],
    )
    def test_syntax_error(self, tmp_path: Path, conf: str) -> None:
        """Without it: half a file is accepted, or the parser never ends."""
        assert re.search(r"test\.conf:\d+", refused(tmp_path, conf))

    @pytest.mark.parametrize(
        ("item", "name"),
        [("parser { snmptrapd-parser(); };", "snmptrapd-parser"), ('filterx { set("x"); };', "filterx")],
    )
    def test_what_is_not_there_yet_is_refused_at_its_place(
        self, tmp_path: Path, item: str, name: str
    ) -> None:
        """Without it: a filter that does nothing lets everything through."""
        said = refused(tmp_path, source_that("pass", log=item).replace("};\nlog", "};\n\nlog"))
        assert re.search(r"test\.conf:\d+", said)
        assert f"`{name}` is not supported by this version of Inrush" in said

    def test_same_name_twice(self, tmp_path: Path) -> None:
        """Without it: one of two sources of the same name is forgotten."""
        assert "s_test" in refused(
            tmp_path, source_that("pass") + 'source s_test { python(class("Source")); };\n'
        )

    def test_same_persist_name_twice(self, tmp_path: Path) -> None:
        """Without it: two sources write their state over each other."""
        conf = source_that("pass") + 'log { source { python(class("Source")); }; };\n'
        (tmp_path / "test.conf").write_text(conf)
        done = inrush("run", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert "persist-name" in done.stderr


class TestPythonCode:
    """Python blocks and classes that cannot be used."""

    @pytest.mark.parametrize(
        ("code", "line", "words"),
        [
            ("x = 1\ny = = 2", 4, "SyntaxError|invalid syntax"),
            ("x = 1\n\nraise ValueError('on purpose')", 5, "on purpose"),
            ("import nowhere_to_be_found", 3, "nowhere_to_be_found"),
            ("def f():\n    return 1 / 0\nf()", 4, "ZeroDivisionError"),
            ("exit(3)", 3, "SystemExit"),
            ("raise KeyboardInterrupt", 3, "KeyboardInterrupt"),
        ],
        ids=["syntax", "raises", "import", "function", "exit", "interrupt"],
    )
    def test_error_in_a_block_names_the_files_own_line(
        self, tmp_path: Path, code: str, line: int, words: str
    ) -> None:
        """Without it: a traceback counts lines from the start of a block that nobody can find, or the process
        ends."""
        log = "log { source { internal(); }; destination { stdout(); }; };"
        said = refused(tmp_path, f"@version: current\npython {{\n{code}\n}};\n{log}\n")
        assert re.search(words, said), said
        assert re.search(rf'test\.conf(:|.*", line ){line}\b', said), said

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("Missing", "Missing"),
            ("nowhere_to_be_found.Class", "nowhere_to_be_found"),
            ("os.path.Missing", "Missing"),
            ("NotASource", "LogSource"),
            ("Shadowed", "LogSource"),
            ("an_object", "LogSource|class"),
            ("NoRun", "run"),
        ],
    )
    def test_class_that_cannot_be_used(self, tmp_path: Path, name: str, words: str) -> None:
        """Without it: the engine starts and the source never does."""
        said = refused(
            tmp_path,
            f"""@version: current
python {{
import syslogng
class LogSource: pass
class NotASource: pass
class Shadowed(LogSource):
    def run(self): pass
class NoRun(syslogng.LogSource): pass
an_object = 5
}};
log {{
    source {{
        python(class("{name}"));
    }};
}};
""",
        )
        assert re.search(words, said), said
        assert re.search(r"test\.conf:13\b", said), said
        assert f'python(class("{name}"));' in said

    def test_class_is_missing_from_the_options(self, tmp_path: Path) -> None:
        """Without it: python() without class() does something unknown."""
        assert "class" in refused(tmp_path, "log { source { python(options(a b)); }; };\n")

    @pytest.mark.parametrize("result", ["False", "None", "0", "''"])
    def test_init_that_returns_false(self, tmp_path: Path, result: str) -> None:
        """Without it: a source that refused its options runs with them."""
        conf = source_that("print('run')", f"def init(self, options):\n    return {result}")
        (tmp_path / "test.conf").write_text(conf)
        done = inrush("run", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        said = "returned false: it refuses these options"
        if result != "False":
            said = f"returned {result}" + (": end it" if result == "None" else ", which is false: end it")
        assert f"init() of class `Source` {said}" in done.stderr
        assert re.search(r"test\.conf:\d+:\d+", done.stderr)
        assert done.stdout == ""

    def test_options_of_an_undefined_macro_name(self, tmp_path: Path) -> None:
        """Without it: an undeclared backtick name shifts the options by one, in silence."""
        conf = source_that("pass", driver='options("k" `never_defined`)')
        (tmp_path / "test.conf").write_text(conf)
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert re.search(r"test\.conf:\d+", done.stderr)


class TestCallbacks:
    """Exceptions of every kind, in every callback."""

    @pytest.mark.parametrize("raised", RAISED)
    @pytest.mark.parametrize("callback", CALLBACKS[:2])
    def test_before_the_start(self, tmp_path: Path, callback: str, raised: str) -> None:
        """Without it: exit(0) in a constructor ends the engine with success."""
        conf = source_that("print('run')", f"def {callback}:\n    {RAISED[raised]}")
        (tmp_path / "test.conf").write_text(conf)
        done = inrush("run", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert done.stdout == ""
        assert re.search(r"(?s)Traceback.*test\.conf", done.stderr), done.stderr
        assert RAISED[raised] in done.stderr

    @pytest.mark.parametrize("raised", RAISED)
    @pytest.mark.parametrize("callback", CALLBACKS[2:])
    def test_at_the_end(self, engine: StartEngine, callback: str, raised: str) -> None:
        """Without it: an exception in request_exit() or deinit() leaves an engine that cannot be stopped."""
        conf = source(
            f"""
            def run(self):
                self.post_message(LogMessage("x"))
                print("running", flush=True)
                while not self.exit_requested:
                    self.sleep(600)

            def {callback}:
                {RAISED[raised]}
            """
        )
        running = engine(conf)
        running.wait_print("running")
        running.stop()
        assert running.stderr.find(rf"(?s)Traceback.*test\.conf.*{re.escape(RAISED[raised])}")
        assert read_lines(running.directory / "out.log") == [b"x"]

    @pytest.mark.parametrize("raised", RAISED)
    def test_in_run(self, engine: StartEngine, raised: str) -> None:
        """Without it: a source dies of one exception and stays dead, or ends the engine with it."""
        conf = source_that(
            f"""
self.count = getattr(self, "count", 0) + 1
self.post_message(LogMessage(f"run {{self.count}}"))
if self.count < 3:
    {RAISED[raised]}
""",
            driver="restart-backoff(0.01 0.02)",
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert read_lines(running.directory / "out.log") == [b"run 1", b"run 2", b"run 3"]
        assert running.stderr.find(r"(?s)Traceback.*test\.conf")

    def test_in_run_without_restart(self, engine: StartEngine) -> None:
        """Without it: `restart(never)` is ignored."""
        running = engine(
            source_that("print('once', flush=True)\nraise ValueError('on purpose')", driver="restart(never)")
        )
        running.wait_log("on purpose")
        running.stop()
        assert running.stdout.lines == ["once"]

    def test_in_generate_persist_name(self, engine: StartEngine) -> None:
        """Without it: an exception there refuses a configuration that runs elsewhere."""
        conf = source_that(
            "print(self.persist_name)",
            "@staticmethod\ndef generate_persist_name(options):\n    raise ValueError('on purpose')",
        )
        running = engine(conf)
        running.wait_print(r"python-source\(Source\)")
        running.wait_log("on purpose")

    @pytest.mark.parametrize("raised", RAISED)
    def test_in_suspend_and_wakeup(self, engine: StartEngine, delivered: Delivered, raised: str) -> None:
        """Without it: an exception in suspend() comes out of post_message(), or one in wakeup() ends a
        worker."""
        conf = source_that(
            "for n in range(100):\n    self.post_message(LogMessage(str(n)))",
            f"def suspend(self):\n    {RAISED[raised]}\n\ndef wakeup(self):\n    {RAISED[raised]}",
            driver="log-iw-size(10)",
        )
        running = engine(conf)
        running.wait_print("done")
        running.stop()
        assert delivered() == numbered(100)

    def test_run_that_returns_at_once(self, engine: StartEngine, delivered: Delivered) -> None:
        """Without it: a source that has nothing to do is started again and again, or its messages are
        lost."""
        conf = source(
            """
            def run(self):
                print("run", flush=True)
                self.post_message(LogMessage("x"))

            def request_exit(self):
                print("asked", flush=True)
            """
        )
        running = engine(conf)
        running.wait_lines("out.log", 1)
        running.stop()
        assert running.stdout.lines == ["run"]
        assert delivered() == [b"x"]


class TestMessages:
    """Messages of unusual sizes and contents."""

    @pytest.mark.parametrize(
        "size", [0, 1, 255, 256, 4095, 4096, 65535, 65536, 65537, 1 << 20, (1 << 24) + 1]
    )
    @pytest.mark.parametrize("kind", ["bytes", "str"])
    def test_any_size(self, engine: StartEngine, size: int, kind: str) -> None:
        """Without it: a message larger than a block is cut, or one of no bytes is left out."""
        text = {"bytes": f"b'x' * {size}", "str": f"'x' * {size}"}[kind]
        running = engine(source_that(f"self.post_message(LogMessage({text}))\nself.post_message({text})"))
        running.wait_print("done")
        assert running.stop().delivered == 2
        assert (running.directory / "out.log").read_bytes() == (b"x" * size + b"\n") * 2

    def test_any_bytes(self, engine: StartEngine) -> None:
        """Without it: NULs end a message early, or bytes that are no UTF-8 are replaced on their way."""
        running = engine(
            source_that("self.post_message(LogMessage(bytes(range(256)) * 3))\nself.post_message(b'\\0')")
        )
        running.wait_print("done")
        running.stop()
        assert (running.directory / "out.log").read_bytes() == bytes(range(256)) * 3 + b"\n\0\n"

    def test_path_from_a_message_stays_in_its_directory(self, engine: StartEngine) -> None:
        """Without it: a sender of logs writes to any file of the machine."""
        conf = source_that(
            """
for program in ("../climbed", "/etc/absolute", "..", ".", "a/../../../climbed", "", "plain"):
    msg = LogMessage("x")
    msg["PROGRAM"] = program
    self.post_message(msg)
"""
        ).replace('"out.log"', '"logs/sub/$PROGRAM.log" create-dirs(yes)')
        running = engine(conf)
        running.wait_print("done")
        running.wait_lines("logs/sub/plain.log", 1)
        running.stop()
        inside = running.directory / "logs" / "sub"
        outside = [
            path
            for path in running.directory.rglob("*.log*")
            if path.is_file() and inside not in path.parents
        ]
        assert outside == []
        assert not Path("/etc/absolute.log").exists()


class TestStop:
    """Sources that do not want to end."""

    @pytest.mark.parametrize("wait", ["time.sleep(600)", "threading.Event().wait()", "while True: pass"])
    def test_source_that_ignores_request_exit(self, engine: StartEngine, wait: str) -> None:
        """Without it: one careless source makes the engine unstoppable, and nobody learns where it stands."""
        conf = source(
            f"""
            def run(self):
                self.post_message(LogMessage("x"))
                print("running", flush=True)
                self.stuck_here()

            def stuck_here(self):
                {wait}

            def request_exit(self):
                pass
            """,
            driver="stop-timeout(1)",
        )
        running = engine(conf)
        running.wait_print("running")
        running.send_signal(signal.SIGTERM)
        running.wait_exit()
        running.totals().check()
        assert running.stderr.find("stuck_here"), running.report()
        assert running.stderr.find("Source")
        assert read_lines(running.directory / "out.log") == [b"x"]

    def test_threads_that_post_while_the_engine_stops(self, engine: StartEngine) -> None:
        """Without it: a library's thread that still posts crashes the process at its end."""
        conf = source(
            """
            exiting = threading.Event()

            def run(self):
                for _ in range(4):
                    threading.Thread(target=self.post, daemon=True).start()
                self.exiting.wait()

            def post(self):
                while True:
                    try:
                        self.post_message(LogMessage("x"))
                    except RuntimeError:
                        time.sleep(0.001)

            def request_exit(self):
                self.exiting.set()
            """
        )
        running = engine(conf)
        running.wait_lines("out.log", 1000)
        totals = running.stop()
        assert totals.delivered == len(read_lines(running.directory / "out.log"))

    def test_stop_right_after_the_start(self, engine: StartEngine) -> None:
        """Without it: a signal during the start is lost, or finds things half made."""
        running = engine(source_that("pass"), started=False)
        running.wait_log(".")
        running.send_signal(signal.SIGTERM)
        assert running.wait_exit() in (0, -signal.SIGTERM)
