"""`$(python module.function argument …)`: what a function of the user's gets and may return, on which thread, wherever a
template stands, and that nothing it does costs more than its own text."""

from __future__ import annotations

import json
import re
import signal
import textwrap
from pathlib import Path

import pytest

from harness import Engine, StartEngine, indented
from harness import inrush as command

POST = "for number in range(COUNT):\n    self.post_message(f'{number}')"


def conf(
    functions: str,
    template: str,
    *,
    post: str = POST,
    count: int = 10,
    version: str = "current",
    more: str = "",
    path: str = "",
    destination: str = 'file("out.log" template("{template}\\n"))',
) -> str:
    """A source that posts, the functions of a block, and a destination with a template."""
    return f"""@version: {version}
python {{
import os, threading, time
from syslogng import LogSource, LogMessage

COUNT = {count}
KEPT = []

def say(*words):
    print(*words, flush=True)

class Source(LogSource):
    def run(self):
        global SOURCE
        SOURCE = self
{indented(post, 8)}
        say("done")
        while not self.exit_requested:
            self.sleep(0.1)

{textwrap.dedent(functions)}
}};
source s_test {{ python(class("Source")); }};
destination d_test {{ {destination.replace("{template}", template)}; }};
{more}
log {{ source(s_test); {path} destination(d_test); flags(flow-control); }};
"""


def lines(running: Engine, count: int, name: str = "out.log") -> list[str]:
    """The lines of a file, once there are so many."""
    return [line.decode() for line in running.wait_lines(name, count)]


def functions(running: Engine) -> dict[str, tuple[int, int]]:
    """What `inrush ctl stats` says of each function: its calls, and those that failed."""
    done = command("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    assert done.code == 0, done.stderr
    return {row["name"]: (row["called"], row["failed"]) for row in json.loads(done.stdout)["functions"]}


def reload(running: Engine, text: str, said: str = "reloaded;") -> None:
    """Has the engine run another configuration."""
    before = running.stderr.text.count(said)
    (running.directory / "test.conf").write_text(text)
    running.send_signal(signal.SIGHUP)
    running.wait_until(lambda: running.stderr.text.count(said) > before, said)


class TestCalls:
    """What a function is given and what it may return."""

    def test_it_gets_the_message_and_the_texts_of_its_arguments(self, engine: StartEngine) -> None:
        """Breaks without it: a function reads another message, or other arguments, than its template says."""
        code = """
        def f(msg, *arguments):
            try:
                msg["x"] = "y"
            except TypeError as error:
                assert "read only" in str(error)
                return repr((msg["MESSAGE"], msg["n"], "x" in msg, *arguments))
        """
        path = 'rewrite { set("value $MSG" value("n")); };'
        text = conf(code, "$(python f) $(python f a 'b c' $MSG-$n ${nope} $(+ 1 $MSG))", path=path, count=2)
        running = engine(text)
        assert lines(running, 2) == [
            f"(b'{n}', b'value {n}', False) "
            f"(b'{n}', b'value {n}', False, b'a', b'b c', b'{n}-value {n}', b'', b'{n + 1}')"
            for n in range(2)
        ]
        assert running.stop().delivered == 2

    def test_results_are_values_with_their_types(self, engine: StartEngine) -> None:
        """Breaks without it: a number is a string in JSON, or a result of a wrong type ends the destination."""
        code = """
        import datetime, enum
        E = enum.IntEnum("E", "one")
        RESULTS = [
            "\\xfc", b"b\\xff", 5, 2.5, True, None, ["a", b"b c"],
            datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
            E.one, {}, object(), 2**70, [5], (), "\\ud800",
        ]
        def f(msg):
            return RESULTS[int(msg["MESSAGE"])]
        """
        template = "$(python f)|$(format-json x=$(python f))|$(length $(python f))"
        found = b"\n".join(engine(conf(code, template, count=15)).wait_lines("out.log", 15))
        error = b'<error>|{"x":"<error>"}|7'
        assert found.split(b"\n") == [
            '\xfc|{"x":"\xfc"}|2'.encode(),
            b'b\xff|{"x":"b\\\\xff"}|2',
            b'5|{"x":5}|1',
            b'2.5|{"x":2.5}|3',
            b'true|{"x":true}|4',
            b'|{"x":null}|0',
            b'a,"b c"|{"x":["a","b c"]}|7',
            b'1577836800.000|{"x":"1577836800.000"}|14',
            *[error] * 7,
        ]

    def test_before_version_4_a_result_is_a_text(self, engine: StartEngine) -> None:
        """Breaks without it: an old configuration writes other JSON than it did."""
        code = 'def f(msg): return 5 if msg["nope"] == b"" else "no"'
        running = engine(conf(code, "$(python f) $(format-json x=$(python f))", version="3.38", count=1))
        assert lines(running, 1) == ['5 {"x":"5"}']

    def test_what_it_raises_is_counted_and_said_once(self, engine: StartEngine) -> None:
        """Breaks without it: a broken function is silent, or fills the log with a traceback for each message."""
        code = """
        def f(msg):
            if msg["MESSAGE"] == b"9":
                return "nine"
            if msg["MESSAGE"] == b"8":
                raise SystemExit(3)
            raise ValueError("not this one")

        def g(msg):
            return (yield)
        """
        running = engine(conf(code, "$MSG $(python f) $(python g)"), "--control", "control")
        assert lines(running, 10) == [f"{n} <error> <error>" for n in range(9)] + ["9 nine <error>"]
        assert functions(running) == {"f": (10, 9), "g": (10, 10)}
        table = command("ctl", "--control", "control", "stats", cwd=running.directory).stdout
        assert re.search(r"FUNCTION +CALLED +FAILED\nf +10 +9\ng +10 +10\n", table), table
        assert running.stop().delivered == 10
        text = running.stderr.text
        assert text.count("a call has failed") == 2
        assert re.search(r"\$\(python f\): a call has failed.*\n(.*\n)*?.*ValueError: not this one", text)
        assert "test.conf" in text
        assert re.search(r"g\(\) returned a generator", text)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("nope", "there is no function `nope`"),
            ("no_such.f", "cannot import `no_such`"),
            ("os.nope", "there is no function `os.nope`"),
            ("COUNT", "`COUNT` is no function, but int"),
        ],
    )
    def test_one_that_is_not_there_is_a_warning_at_its_place(
        self, engine: StartEngine, tmp_path: Path, name: str, said: str
    ) -> None:
        """Breaks without it: a misspelt name is found in what was written, or keeps the engine from its start."""
        text = conf("def f(msg): return 'x'", f"$(python f) $(python {name} a)", count=1)
        (tmp_path / "test.conf").write_text(text)
        done = command("check", "-f", tmp_path / "test.conf", cwd=tmp_path)
        assert done.code == 0
        assert said in done.stderr + done.stdout
        assert re.search(r"test\.conf:\d+:\d+", done.stderr + done.stdout)
        running = engine(text)
        assert lines(running, 1) == ["x <error>"]
        assert said in running.stderr.text

    @pytest.mark.parametrize(
        ("template", "said"),
        [
            ("$(python)", "`python` takes the name of a function"),
            ("$(python $MSG)", "the name of a function is a text, the same for all messages"),
            ("$(python f ${)", ""),
        ],
    )
    def test_a_call_that_cannot_be_meant_is_refused(self, tmp_path: Path, template: str, said: str) -> None:
        """Breaks without it: a template that can never work is accepted."""
        (tmp_path / "test.conf").write_text(conf("def f(msg): return ''", template))
        done = command("check", "-f", tmp_path / "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert said in done.stderr + done.stdout

    def test_modules_are_imported(self, engine: StartEngine, tmp_path: Path) -> None:
        """Breaks without it: a function has to stand in the configuration."""
        text = conf("", "$(python mine.shout $MSG) $(python _syslogng_main.os.getcwd)", count=1)
        text = text.replace("import os,", "from mine import shout\nimport os,")
        (tmp_path / "mine.py").write_text("def shout(msg, text):\n    return text.decode() + '!'\n")
        running = engine(text)
        assert lines(running, 1) == ["0! <error>"]


class TestMessages:
    """The message is a view for the length of the call."""

    def test_one_that_is_kept_stays_as_it_was(self, engine: StartEngine) -> None:
        """Breaks without it: a kept message shows another one, or memory that is gone."""
        code = """
        def f(msg):
            KEPT.append(msg)
            if len(KEPT) == COUNT:
                say([(m["MESSAGE"], m.get_as_str("n"), m["HOST"] != b"", "x" in m) for m in KEPT[:-1]])
                for change in ("m['x'] = 1", "del m['n']", "m.set_pri(1)"):
                    try:
                        exec(change, {"m": KEPT[0]})
                        say("changed", change)
                    except TypeError as error:
                        say("refused", error)
            return b"kept"
        """
        path = 'rewrite { set("value $MSG" value("n")); };'
        running = engine(conf(code, "$MSG $(python f)", path=path, count=3000))
        assert lines(running, 3000) == [f"{n} kept" for n in range(3000)]
        seen = [(b"%d" % n, f"value {n}", True, False) for n in range(2999)]
        running.wait_print(re.escape(str(seen)))
        assert running.stdout.text.count("refused Log message is read only") == 3
        assert running.stop().delivered == 3000

    def test_one_that_is_kept_keeps_no_batch(self, engine: StartEngine) -> None:
        """Breaks without it: one kept message keeps the memory of all that came with it."""
        post = """
        import sys
        text = b"x" * 100_000
        before = sys.getrefcount(text)
        self.post_message(LogMessage(text))
        while sys.getrefcount(text) > before or not KEPT:
            time.sleep(0.01)
        say("free", KEPT[0]["MESSAGE"] == text)
        """
        code = "def f(msg):\n    KEPT.append(msg)\n    return ''"
        running = engine(conf(code, "$(python f)", post=textwrap.dedent(post)))
        running.wait_print("free True")
        assert running.stop().delivered == 1

    def test_a_kept_one_can_be_posted_and_one_of_the_call_too(self, engine: StartEngine) -> None:
        """Breaks without it: a function cannot hand a message on, or its destination waits for itself."""
        code = """
        def f(msg):
            if msg["MESSAGE"].startswith(b"0"):
                SOURCE.post_message(LogMessage("1 " + msg.get_as_str("MESSAGE")))
                SOURCE.post_message(msg)if msg.get_as_str("MESSAGE") == "0" and not KEPT else None
                KEPT.append(1)
            return "x"
        """
        running = engine(conf(code, "$MSG $(python f)", count=1))
        assert sorted(lines(running, 4)) == ["0 x", "0 x", "1 0 x", "1 0 x"]


class TestPlaces:
    """Wherever a template may stand."""

    CODE = """
    def even(msg):
        return "yes" if int(msg["MESSAGE"]) % 2 == 0 else "no"

    def thread(msg):
        if not hasattr(LOCAL, "name"):
            LOCAL.name = threading.current_thread().name
            say("first on", LOCAL.name)
        return LOCAL.name

    LOCAL = threading.local()
    """

    @pytest.mark.parametrize(
        "path",
        [
            'filter { "$(python even)" eq "yes" };',
            'if ("$(python even)" eq "yes") { } else { filter { level(emerg) and not level(emerg..debug) }; };',
            'filter { match("yes" template("$(python even)")) };',
            "filter(f_named);",
            'rewrite { set("$(python even)" value("e")); }; filter { "$e" eq "yes" };',
            'rewrite { set("yes" value("e") condition("$(python even)" eq "yes")); }; filter { "$e" eq "yes" };',
            'parser { kv-parser(template("e=$(python even)")); }; filter { "$e" eq "yes" };',
            'parser { kv-parser(template(t_even)); }; filter { "$e" eq "yes" };',
            'rewrite { set("$(if (\'$(python even)\' eq \'yes\') yes no)" value("e")); }; filter { "$e" eq "yes" };',
            'rewrite { set("t_even" value("name")); set("$(template $name)" value("e")); }; filter { "$e" eq "e=yes" };',
            'rewrite { set("$(map $(python even) a,b)" value("e")); }; filter { "$e" eq "yes,yes" };',
        ],
    )
    def test_steps_call_it_on_the_one_thread_of_the_host(self, engine: StartEngine, path: str) -> None:
        """Breaks without it: a step of a path cannot call Python, or the workers of all sources take turns in it."""
        more = (
            'filter f_named { "$(python even)" eq "yes" };\n'
            'template t_even "e=$(python even)";\n'
            'source s_plain { python(class("Source") persist-name("plain")); };\n'
            'destination d_plain { file("plain.log" template("$MSG\\n")); };\n'
            "log { source(s_plain); destination(d_plain); flags(flow-control); };"
        )
        code = (
            self.CODE.replace('return "yes" if', 'THREADS.add(threading.get_ident()); return "yes" if')
            + "\n    THREADS = set()"
        )
        post = POST + "\nsay('threads', len(THREADS))"
        running = engine(conf(code, "$MSG", more=more, path=path, count=100, post=post))
        assert lines(running, 50) == [f"{n}" for n in range(0, 100, 2)]
        assert lines(running, 100, "plain.log") == [f"{n}" for n in range(100)]
        totals = running.stop()
        assert (totals.posted, totals.delivered, totals.filtered) == (200, 150, 50)

    def test_a_destination_calls_it_on_its_own_thread_that_keeps_its_locals(
        self, engine: StartEngine
    ) -> None:
        """Breaks without it: a destination attaches for each message, or loses what Python keeps for its thread."""
        running = engine(conf(self.CODE, "$(python thread)", count=3000))
        assert set(lines(running, 3000)) == {"to:d_test#0"}
        assert running.stop().delivered == 3000
        assert running.stdout.text.count("first on") == 1

    def test_names_of_files(self, engine: StartEngine) -> None:
        """Breaks without it: the file of a message cannot be told by a function."""
        destination = 'file("$(python even)/$(python even $MSG).log" template("$MSG\\n") create-dirs(yes))'
        code = self.CODE.replace("even(msg)", "even(msg, *_)")
        running = engine(conf(code, "", destination=destination))
        assert lines(running, 5, "yes/yes.log") == ["0", "2", "4", "6", "8"]
        assert lines(running, 5, "no/no.log") == ["1", "3", "5", "7", "9"]
        assert running.stop().delivered == 10

    def test_dicts_of_a_destination_in_python(self, engine: StartEngine) -> None:
        """Breaks without it: `value-pairs()` cannot call a function where the destination is Python's itself."""
        code = """
        from syslogng import LogDestination
        def double(msg, text):
            return 2 * int(text)
        class D(LogDestination):
            def send(self, msg):
                say("sent", msg)
                return True
        """
        pairs = 'value-pairs(pair("d" "$(python double $MSG)"))'
        running = engine(conf(code, "", destination=f'python(class("D") {pairs})', count=3))
        for n in range(3):
            running.wait_print(re.escape(f"sent {{'d': {2 * n}}}"))
        assert running.stop().delivered == 3


class TestLife:
    """Over reloads, and at the end."""

    def test_a_reload_calls_the_function_of_the_new_configuration(self, engine: StartEngine) -> None:
        """Breaks without it: a file that stays open is written with what the old configuration had."""
        post = """
        for number in range(1000):
            self.post_message(f"{number}")
            while number % 10 == 9 and len(KEPT) < number / 10 and not self.exit_requested:
                self.sleep(0.01)
        """
        code = "BY = 'one'\ndef f(msg): return BY\n"
        template = "$(python f) $MSG"
        post = "while not self.exit_requested:\n    self.post_message('x')\n    self.sleep(0.01)"
        running = engine(conf(code, template, post=post), "--control", "control")
        lines(running, 3)
        for by in ("two", "two", "three"):
            reload(running, conf(code.replace("one", by), template, post=post))
            running.wait_until(
                lambda by=by: f"{by} x" in (running.directory / "out.log").read_text(),  # type: ignore[misc]
                f"a line by {by}",
            )
        found = [line.split()[0] for line in lines(running, 3)]
        assert list(dict.fromkeys(found)) == ["one", "two", "three"], "none of an old one behind a new one"
        called, failed = functions(running)["f"]
        assert called >= len(found)
        assert failed == 0
        totals = running.stop()
        assert totals.posted == totals.delivered

    def test_what_a_function_knows_outlives_a_reload_that_does_not_change_it(
        self, engine: StartEngine
    ) -> None:
        """Breaks without it: the destination that stays and the steps that are made anew call two functions."""
        code = "import itertools\nNEXT = itertools.count()\ndef f(msg): return next(NEXT)\n"
        post = "while not self.exit_requested:\n    self.post_message('x')\n    self.sleep(0.01)"
        text = conf(code, "$n $(python f)", post=post, path='rewrite { set("$(python f)" value("n")); };')
        running = engine(text)
        lines(running, 3)
        reload(running, text.replace('value("n")', 'value("n") condition(level(debug..emerg))'))
        lines(running, (running.directory / "out.log").read_text().count("\n") + 10)
        totals = running.stop()
        numbers = [int(word) for line in lines(running, 1) for word in line.split()]
        assert sorted(numbers) == list(range(2 * totals.delivered))

    def test_a_source_whose_path_begins_to_call_is_replaced(self, engine: StartEngine) -> None:
        """Breaks without it: after a reload a worker that must never wait calls Python."""
        code = "def f(msg): return threading.current_thread().name"
        post = "while not self.exit_requested:\n    self.post_message('x')\n    self.sleep(0.01)"
        plain = conf(code, "$n", post=post, path='rewrite { set("none" value("n")); };')
        calls = plain.replace('set("none"', 'set("$(python f)"')
        running = engine(plain)
        for text, seen in [(calls, r"worker:\d+\n"), (plain, "none\n"), (calls, r"worker:\d+\n")]:
            before = (
                (running.directory / "out.log").stat().st_size
                if (running.directory / "out.log").exists()
                else 0
            )
            reload(running, text)
            running.wait_until(
                lambda before=before, seen=seen: (  # type: ignore[misc]
                    re.search(seen, (running.directory / "out.log").read_text()[before:]) is not None
                ),
                seen,
            )
        totals = running.stop()
        assert totals.posted == totals.delivered

    @pytest.mark.parametrize("where", ["destination", "step"])
    def test_one_that_hangs_is_named_and_does_not_hold_up_the_stop(
        self, engine: StartEngine, where: str
    ) -> None:
        """Breaks without it: nobody learns what an engine waits for, or it never stops."""
        code = """
        def f(msg):
            if msg["MESSAGE"] == b"3":
                say("hangs")
                while True:
                    time.sleep(0.01)
            return ""
        """
        path = 'rewrite { set("$(python f)" value("n")); };' if where == "step" else ""
        template = "$MSG" if where == "step" else "$MSG$(python f)"
        running = engine(conf(code, template, path=path, count=5))
        running.wait_print("hangs")
        running.wait_print("done")
        running.wait_log(r"\$\(python f\): a call has not returned for 5 s\. It stands here:\n(.*\n)*.*in f")
        running.send_signal(signal.SIGTERM)
        assert running.wait_exit() in (0, 1)
        text = running.stderr.text
        assert re.search(r"\$\(python f\): a call has not returned; going on without it", text), text
        assert re.search(r"line \d+, in f", text)
