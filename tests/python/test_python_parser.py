"""`python()` as a parser: what a class that derives from `LogParser` gets and may change, on which thread, and that
nothing it does costs more than its own messages."""

from __future__ import annotations

import json
import re
import signal
import textwrap
from pathlib import Path

import pytest

import inrush
import syslogng
from harness import EXAMPLES, Engine, StartEngine, Totals, indented
from harness import inrush as command

POST = "for number in range(COUNT):\n    self.post_message(f'{number}')"

PARSE = """
def parse(self, msg):
    msg["n"] = int(msg["MESSAGE"])
    return True
"""


def conf(
    body: str,
    *,
    options: str = "",
    post: str = POST,
    count: int = 10,
    version: str = "current",
    base: str = "LogParser",
    more: str = "",
    path: str = "parser(p_test);",
    template: str = "$MSG|$n",
    driver: str = "",
) -> str:
    """A source that posts and a parser of a class whose methods are `body`; both can print."""
    return f"""@version: {version}
python {{
import os, threading, time
from syslogng import LogSource, LogMessage, LogParser

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

class P({base}):
{indented(body)}
}};
source s_test {{ python(class("Source") {driver}); }};
parser p_test {{ python(class("P") {options}); }};
destination d_test {{ file("out.log" template("{template}\\n")); }};
{more}
log {{ source(s_test); {path} destination(d_test); flags(flow-control); }};
"""


def lines(running: Engine, count: int, name: str = "out.log") -> list[str]:
    """The lines of a file, once there are so many."""
    return [line.decode() for line in running.wait_lines(name, count)]


def parsers(running: Engine) -> dict[str, tuple[int, int, dict[str, int]]]:
    """What `inrush ctl stats` says of each parser."""
    done = command("ctl", "--control", "control", "stats", "--json", cwd=running.directory)
    assert done.code == 0, done.stderr
    rows = json.loads(done.stdout)["parsers"]
    return {row["id"]: (row["processed"], row["discarded"], row["reasons"]) for row in rows}


def outcome(totals: Totals) -> tuple[int, int, int]:
    """What was posted, delivered and filtered; nothing was dropped, and nothing is left."""
    assert (totals.dropped, totals.in_flight, totals.rejected) == (0, 0, 0)
    return totals.posted, totals.delivered, totals.filtered


def reload(running: Engine, text: str, said: str = "reloaded;") -> None:
    """Has the engine run another configuration."""
    before = running.stderr.text.count(said)
    (running.directory / "test.conf").write_text(text)
    running.send_signal(signal.SIGHUP)
    running.wait_until(lambda: running.stderr.text.count(said) > before, said)


class TestLife:
    """From the constructor to `deinit()`."""

    def test_life_of_the_object(self, engine: StartEngine) -> None:
        """Breaks without it: messages change places, or a class is called on a thread that it does not expect."""
        body = """
        def __init__(self):
            say("made", is_main())
        def init(self, options):
            say("init", sorted(options.items()), is_main())
            self.local = threading.local()
            return True
        def parse(self, msg):
            if not hasattr(self.local, "thread"):
                self.local.thread = threading.current_thread().name
                say("first on", self.local.thread)
            msg["n"] = self.local.thread
            return True
        def deinit(self):
            say("deinit", is_main(), self.local.thread)
        """
        text = conf(textwrap.dedent(body), options='options("a-b" "c" n 5) loaders("json")', count=3000)
        text = text.replace(
            "def say(", "is_main = lambda: threading.current_thread() is threading.main_thread()\n\ndef say("
        )
        running = engine(text)
        assert lines(running, 3000) == [f"{number}|parsers" for number in range(3000)]
        assert outcome(running.stop()) == (3000, 3000, 0)
        assert [line for line in running.stdout.lines if line != "done"] == [
            "made True",
            "init [('a_b', 'c'), ('n', 5)] True",
            "first on parsers",
            "deinit False parsers",
        ]

    def test_each_reference_has_an_object_of_its_own_and_all_share_a_thread(
        self, engine: StartEngine
    ) -> None:
        """Breaks without it: what one path keeps in a parser shows in another, or two threads run Python at once."""
        body = """
        seen = 0
        def parse(self, msg):
            self.seen += 1
            msg["n"] = f"{self.seen} {threading.get_ident()}"
            return True
        """
        more = (
            'source s_more { python(class("Source") persist-name("more")); };\n'
            'destination d_more { file("more.log" template("$MSG|$n\\n")); };\n'
            "log { source(s_more); parser(p_test); destination(d_more); flags(flow-control); };"
        )
        running = engine(conf(textwrap.dedent(body), more=more), "--control", "control")
        found = [lines(running, 10), lines(running, 10, "more.log")]
        assert [[line.split()[0] for line in each] for each in found] == [
            [f"{number}|{number + 1}" for number in range(10)]
        ] * 2
        assert len({line.split()[1] for each in found for line in each}) == 1
        assert parsers(running) == {"p_test#0": (20, 0, {})}
        assert outcome(running.stop()) == (20, 20, 0)

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (
                "def parse(self, msg): pass\ndef init(self, options): return False",
                "init() of class `P` returned false",
            ),
            ("def parse(self, msg): pass\ndef init(self, options): 1 / 0", "ZeroDivisionError"),
            ("def __init__(self): 1 / 0\ndef parse(self, msg): pass", "the constructor of class `P` failed"),
            ("def prase(self, msg): pass", "class `P` has no method parse()"),
            ("parse = 5", "parse of class `P` cannot be called: it is int"),
            ("def parse(self, msg): yield msg", "parse() of class `P` is a generator function"),
            ("async def parse(self, msg): pass", "parse() of class `P` is a coroutine function"),
            (
                "def parse_batch(self, messages): yield True",
                "parse_batch() of class `P` is a generator function",
            ),
        ],
    )
    def test_a_class_that_cannot_parse_refuses_the_configuration(
        self, engine: StartEngine, body: str, said: str
    ) -> None:
        """Breaks without it: an engine starts with a parser that drops all, or does nothing."""
        running = engine(conf(body), started=False)
        assert running.wait_exit() == 1
        assert said in running.stderr.text
        assert re.search(r"test\.conf:\d+", running.stderr.text)

    def test_other_classes_and_names_are_refused_by_name(self, tmp_path: Path) -> None:
        """Breaks without it: a wrong name is found when messages come, or not at all."""
        for change, said in [
            ('class("P")', "does not derive from LogParser"),
            ('class("Q")', "no class `Q` in the python blocks"),
            ("options(a 1)", "python() needs the name of a class"),
            ('class("P") batch-lines(1)', "`batch-lines`"),
        ]:
            text = conf(PARSE, base="object").replace('python(class("P") )', f"python({change})")
            (tmp_path / "test.conf").write_text(text)
            done = command("check", "-f", tmp_path / "test.conf", cwd=tmp_path)
            assert done.code == 1
            assert said in done.stdout + done.stderr, change

    def test_before_version_4_it_need_not_derive_and_values_are_bytes(self, engine: StartEngine) -> None:
        """Breaks without it: a parser of an old configuration does not run, or reads what it did not then."""
        body = """
        def parse(self, msg):
            say(msg["MESSAGE"], msg["missing"])
            msg["n"] = "x"
            try:
                msg["o"] = 5
            except ValueError as error:
                say(error)
            return True
        """
        running = engine(conf(textwrap.dedent(body), version="3.38", base="object", count=1))
        assert lines(running, 1) == ["0|x"]
        running.stop()
        assert "class `P` does not derive from LogParser" in running.stderr.text
        assert "b'0' b''\n'o': before @version: 4.0 values are str or bytes, got int" in running.stdout.text

    def test_offline_it_can_be_derived_from_and_called(self) -> None:
        """Breaks without it: the tests of somebody's parser need an engine."""

        class Mine(syslogng.LogParser):
            def parse(self, msg: syslogng.LogMessage) -> bool:
                msg["n"] = len(msg.get_as_str("MESSAGE", "") or "")
                return True

        message = syslogng.LogMessage("four")
        assert Mine("any", argument=1).init({})
        assert Mine().parse(message)
        assert message["n"] == 4
        assert inrush.LogParser is syslogng.LogParser
        with pytest.raises(NotImplementedError, match=r"must define parse\(\) or parse_batch\(\)"):
            syslogng.LogParser().parse(message)


class TestResults:
    """What becomes of the messages."""

    RESULTS = """
    def parse(self, msg):
        n = int(msg["MESSAGE"])
        msg["n"] = n
        if n == 9:
            raise SystemExit(3)
        if n == 8:
            raise ValueError("eight")
        return [True, False, None, 1, 0, "x", "", []][n]
    """

    def test_what_is_false_and_what_raises_does_not_go_on_and_is_counted(self, engine: StartEngine) -> None:
        """Breaks without it: a message is lost without a count, or goes on although its parser refused it."""
        more = (
            'destination d_rest { file("rest.log" template("$MSG|$n\\n")); };\n'
            "log { source(s_test); destination(d_rest); flags(flow-control); };"
        )
        running = engine(conf(textwrap.dedent(self.RESULTS), more=more), "--control", "control")
        # The other path sees none of the changes.
        assert lines(running, 10, "rest.log") == [f"{n}|" for n in range(10)]
        assert lines(running, 3) == ["0|0", "3|3", "5|5"]
        running.wait_until(lambda: parsers(running)["p_test#0"][0] == 10, "all of them")
        assert parsers(running) == {"p_test#0": (10, 7, {"false result": 5, "exception": 2})}
        assert outcome(running.stop()) == (10, 10, 0)
        assert lines(running, 3) == ["0|0", "3|3", "5|5"]

    def test_a_parser_that_refuses_all_has_them_filtered(self, engine: StartEngine) -> None:
        """Breaks without it: the sum is wrong where nothing comes out of a parser."""
        body = """
        def parse(self, msg):
            n = int(msg["MESSAGE"])
            if n % 2:
                raise ValueError(f"odd {n}")
        """
        running = engine(conf(textwrap.dedent(body)), "--control", "control")
        running.wait_until(lambda: parsers(running).get("p_test#0", (0,))[0] == 10, "all of them")
        assert parsers(running) == {"p_test#0": (10, 10, {"false result": 5, "exception": 5})}
        assert outcome(running.stop()) == (10, 0, 10)
        said = r"parser p_test: python\(\) \(class P\): parse\(\) raised an exception\n(.*\n)+?.*ValueError: odd 1"
        assert re.search(said, running.stderr.text)
        assert running.stderr.text.count("raised an exception") == 1
        assert not (running.directory / "out.log").exists()

    def test_another_parser_gets_what_the_first_has_refused_as_it_was(self, engine: StartEngine) -> None:
        """Breaks without it: a message comes to a branch with what a refused attempt has set."""
        body = """
        def parse(self, msg):
            msg["n"] = "python"
            msg["MESSAGE"] = b"changed " + msg["MESSAGE"]
            return msg["MESSAGE"] != b"changed 1"
        """
        path = 'junction { channel { parser(p_test); flags(final); }; channel { rewrite { set("other" value("m")); }; }; };'
        running = engine(conf(textwrap.dedent(body), path=path, template="$MSG|$n|$m", count=3))
        assert lines(running, 3) == ["changed 0|python|", "1||other", "changed 2|python|"]
        assert outcome(running.stop()) == (3, 3, 0)


class TestMessages:
    """What can be read and changed."""

    def test_values_are_changed_and_read_as_they_were_changed(self, engine: StartEngine) -> None:
        """Breaks without it: a parser does not see what it has set, or a destination does not."""
        body = """
        def parse(self, msg):
            assert "x" not in msg
            msg["x"] = 5
            assert msg["x"] == 5 and "x" in msg and msg.get_as_str("x") == "5"
            msg["x"] = [b"a", "b c"]
            assert msg["x"] == [b"a", b"b c"]
            msg["gone"] = 1
            del msg["gone"]
            assert "gone" not in msg and msg.get("gone", 7) == 7
            try:
                del msg["gone"]
            except KeyError:
                msg["k"] = True
            msg["HOST"] = "elsewhere"
            msg["PROGRAM"] = "prog"
            msg[".SDATA.a@1.b"] = "c"
            msg["MESSAGE"] = "new " + msg.get_as_str("MESSAGE")
            assert msg["MSG"] == b"new 0" and bytes(memoryview(msg)) == b"new 0"
            msg.set_pri(165)
            assert msg.get_pri() == 165 and msg["PRI"] == 165
            import datetime
            at = datetime.datetime(2020, 2, 3, 4, 5, 6, 789000, datetime.timezone(datetime.timedelta(hours=-3)))
            msg.set_timestamp(at)
            assert msg.get_timestamp() == at.replace(tzinfo=None)
            assert msg["S_ISODATE"] == b"2020-02-03T04:05:06-03:00"
            assert msg.set_source_ipaddress("192.0.2.7", 514) and not msg.set_source_ipaddress("what")
            assert msg["SOURCEIP"] == b"192.0.2.7", msg["SOURCEIP"]
            msg.set_recvd_rawmsg_size(77)
            assert msg["RAWMSG_SIZE"] == 77, msg["RAWMSG_SIZE"]
            assert msg["TAGS"] == [b".source.s_test"]
            assert dict(msg.items())[b"x"] == [b"a", b"b c"] and b"gone" not in msg.keys()
            msg["late"] = "y"
            assert dict(msg.items())[b"late"] == b"y" and "late" in repr(msg)
            msg["PRI"] = "1"
            assert msg.get_pri() == 165
            for key, value, error in [("o", object(), ValueError), ("", 1, ValueError), (5, 1, TypeError)]:
                try:
                    msg[key] = value
                except error:
                    continue
                raise AssertionError(key)
            return True
        """
        template = "$MSG|$x|$gone|$k|$HOST|$PROGRAM|${.SDATA.a@1.b}|$PRI|$S_ISODATE|$SOURCEIP|$SOURCEPORT|$RAWMSG_SIZE|$late|$TAGS"
        running = engine(conf(textwrap.dedent(body), template=template, count=1))
        assert lines(running, 1) == [
            'new 0|a,"b c"||true|elsewhere|prog|c|165|2020-02-03T04:05:06-03:00|192.0.2.7|514|77|y|.source.s_test'
        ], running.report()
        assert outcome(running.stop()) == (1, 1, 0)

    def test_what_a_step_before_has_set_is_read_unset_and_set(self, engine: StartEngine) -> None:
        """Breaks without it: a parser reads the message as it was posted, or cannot take a value away."""
        body = """
        def parse(self, msg):
            say(msg["n"], msg["m"])
            del msg["m"]
            msg["n"] = msg["n"].decode() + "!"
            return True
        """
        path = 'rewrite { set("set $MSG" value("n")); set("m" value("m")); }; parser(p_test);'
        running = engine(conf(textwrap.dedent(body), path=path, template="$MSG|$n|$m", count=2))
        assert lines(running, 2) == ["0|set 0!|", "1|set 1!|"]
        assert "b'set 0' b'm'" in running.stdout.text
        running.stop()

    def test_one_that_is_kept_stays_as_it_was_and_cannot_be_changed(self, engine: StartEngine) -> None:
        """Breaks without it: a kept message shows another one, keeps its batch, or changes one that has gone on."""
        body = """
        def parse(self, msg):
            if msg["MESSAGE"] != b"3":
                msg["n"] = int(msg["MESSAGE"])
            KEPT.append(msg)
            if len(KEPT) == COUNT:
                say([(m["MESSAGE"], m.get("n"), m["HOST"] != b"") for m in KEPT[:-1]])
                for change in ("m['x'] = 1", "m['MESSAGE'] = 'y'", "m.set_pri(1)", "m.__delitem__('n')",
                               "m.set_source_ipaddress('::1')", "m.__init__('z')"):
                    try:
                        exec(change, {"m": KEPT[0]})
                        say("changed", change)
                    except TypeError as error:
                        say("refused", error)
            return True
        """
        running = engine(conf(textwrap.dedent(body)))
        assert lines(running, 10) == [f"{n}|{n if n != 3 else ''}" for n in range(10)]
        seen = [(b"%d" % n, n if n != 3 else None, True) for n in range(9)]
        running.wait_print(re.escape(str(seen)))
        assert running.stdout.text.count("refused Log message is read only") == 6
        assert outcome(running.stop()) == (10, 10, 0)

    @pytest.mark.parametrize("change", ["pass", "msg['n'] = 1"])
    def test_one_that_is_kept_keeps_no_batch(self, engine: StartEngine, change: str) -> None:
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
        body = f"def parse(self, msg):\n    {change}\n    KEPT.append(msg)\n    return True"
        running = engine(conf(body, post=textwrap.dedent(post), template="$n"))
        running.wait_print("free True")
        assert outcome(running.stop()) == (1, 1, 0)

    def test_a_message_that_grows_beyond_its_bounds_is_told(self, engine: StartEngine) -> None:
        """Breaks without it: a parser takes all memory, or a message is dropped by a fault of the engine."""
        body = """
        def parse(self, msg):
            msg["n"] = "first"
            try:
                for number in range(100_000):
                    msg[f"x{number}"] = ""
            except ValueError as error:
                say(error)
            for _ in range(100_000):
                msg["n"] = "same"
            return True
        """
        running = engine(conf(textwrap.dedent(body), count=1))
        assert lines(running, 1) == ["0|same"]
        running.wait_print("the message would have more than 65535 values")
        assert outcome(running.stop()) == (1, 1, 0)


class TestBatches:
    """`parse_batch()`."""

    def test_messages_come_as_lists_and_go_on_by_their_results(self, engine: StartEngine) -> None:
        """Breaks without it: results are given to other messages, or the lists have one message each."""
        body = """
        def parse(self, msg):
            raise AssertionError("parse_batch() comes first")
        def parse_batch(self, messages):
            assert isinstance(messages, list)
            for message in messages:
                message["n"] = len(messages)
            return (int(message["MESSAGE"]) % 3 for message in messages)
        """
        count = 30_000
        running = engine(conf(textwrap.dedent(body), count=count, template="$MSG $n"), "--control", "control")
        found = [line.split() for line in lines(running, count * 2 // 3)]
        assert [int(number) for number, _ in found] == [number for number in range(count) if number % 3]
        assert max(int(length) for _, length in found) > 1
        assert parsers(running) == {"p_test#0": (count, count // 3, {"false result": count // 3})}
        assert outcome(running.stop()) == (count, count * 2 // 3, count // 3)

    def test_none_lets_all_go_on(self, engine: StartEngine) -> None:
        """Breaks without it: a parser that only adds values needs a list of True."""
        running = engine(conf("def parse_batch(self, messages):\n    for m in messages: m['n'] = 1"))
        assert lines(running, 10) == [f"{n}|1" for n in range(10)]
        assert outcome(running.stop()) == (10, 10, 0)

    @pytest.mark.parametrize(
        ("result", "said"),
        [
            (
                "5",
                r"TypeError: parse_batch\(\) of class `P` returned int, expected None or a list of \d+ results",
            ),
            ("True", "returned bool"),
            ("'x' * len(messages)", "returned str"),
            ("[True] * (len(messages) + 1)", r"ValueError: .* returned more than \d+ results"),
            ("[True] * (len(messages) - 1)", r"returned \d+ results, expected None or a list of"),
            ("iter(int, 1)", r"returned more than \d+ results"),
            ("[Bad()] * len(messages)", "no truth"),
            ("1 / 0", "ZeroDivisionError"),
        ],
    )
    def test_another_result_costs_the_batch_and_is_told(
        self, engine: StartEngine, result: str, said: str
    ) -> None:
        """Breaks without it: messages go on that nobody has passed, or nobody learns why they do not."""
        body = f"def parse_batch(self, messages):\n    for m in messages: m['n'] = 1\n    return {result}"
        text = conf(body).replace(
            "KEPT = []", "class Bad:\n    def __bool__(self):\n        raise ValueError('no truth')\n"
        )
        running = engine(text, "--control", "control")
        running.wait_until(lambda: parsers(running).get("p_test#0", (0,))[0] == 10, "all of them")
        assert parsers(running) == {"p_test#0": (10, 10, {"exception": 10})}
        assert outcome(running.stop()) == (10, 0, 10)
        assert re.search(said, running.stderr.text)

    def test_messages_that_are_kept_stay_as_they_were(self, engine: StartEngine) -> None:
        """Breaks without it: a list that somebody keeps shows other messages, or lets them be changed."""
        body = """
        def parse_batch(self, messages):
            KEPT.extend(messages)
            for message in messages:
                message["n"] = message["MESSAGE"] + b"!"
            if KEPT[0] not in messages:
                try:
                    KEPT[0]["n"] = "other"
                except TypeError:
                    say("refused")
            if len(KEPT) == COUNT:
                say("all", all(m["n"] == m["MESSAGE"] + b"!" == b"%d!" % i for i, m in enumerate(KEPT)))
        """
        post = POST + "\n    if number == 5:\n        while not KEPT: time.sleep(0.01)"
        running = engine(conf(textwrap.dedent(body), post=post))
        running.wait_print("all True")
        assert "refused" in running.stdout.text
        assert outcome(running.stop()) == (10, 10, 0)


class TestTrouble:
    """Parsers that hang, fork, post."""

    HANGS = 'def parse(self, msg):\n    say("hangs")\n    threading.Event().wait()'

    def test_one_that_hangs_is_named_and_bounded_at_the_stop(self, engine: StartEngine) -> None:
        """Breaks without it: one call holds up the stop for ever, and nobody knows which."""
        running = engine(conf(self.HANGS))
        running.wait_print("hangs")
        running.wait_log(
            r"parser p_test: python\(\): parse\(\) of class `P` has not returned for 5 s\. It stands here:\n(.*\n)*.*in parse"
        )
        running.send_signal(signal.SIGTERM)
        assert running.wait_exit() in (0, 1)
        assert re.search(
            r"parser p_test: python\(\) \(class P\): parse\(\) has not returned", running.stderr.text
        )
        totals = running.totals()
        totals.check()
        assert (totals.posted, totals.delivered) == (10, 0)

    def test_one_that_hangs_holds_up_no_other_source_and_no_reload(self, engine: StartEngine) -> None:
        """Breaks without it: a reload waits for a parser for ever, or other sources stand still with it."""
        body = 'def parse(self, msg):\n    say("hangs")\n    while not os.path.exists("go"): time.sleep(0.01)\n    return True'
        more = (
            'source s_more { python(class("Source") persist-name("more")); };\n'
            'destination d_more { file("more.log" template("$MSG\\n")); };\n'
            "log { source(s_more); destination(d_more); flags(flow-control); };"
        )
        text = conf(body, more=more)
        running = engine(text)
        running.wait_print("hangs")
        assert lines(running, 10, "more.log") == [str(n) for n in range(10)]
        reload(running, text.replace('class("P") ', 'class("P") options(n 1) '))
        (running.directory / "go").touch()
        # What was posted goes by the old paths; of the new ones the kept source has sent nothing.
        assert lines(running, 10) == [f"{n}|" for n in range(10)]
        totals = running.stop()
        assert totals.delivered == totals.posted

    def test_a_fork_ends_where_it_comes_back(self, engine: StartEngine) -> None:
        """Breaks without it: the child of a parser goes on as a second engine."""
        body = """
        def parse(self, msg):
            child = os.fork()
            if child == 0:
                return True
            msg["n"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return True
        """
        running = engine(conf(textwrap.dedent(body), count=3))
        assert lines(running, 3) == ["0|0", "1|0", "2|0"]
        assert outcome(running.stop()) == (3, 3, 0)

    def test_posts_from_parse_are_taken_or_refused_at_once(self, engine: StartEngine) -> None:
        """Breaks without it: a parser that posts into its own source waits for itself for ever."""
        # The first message is alone: of the five that the window has, four are free for its parser.
        post = """
        self.post_message("0")
        PARSED.wait(60)
        for number in range(1, COUNT):
            self.post_message(f"{number}")
        """
        body = """
        PARSED = threading.Event()

        def parse(self, msg):
            text = msg["MESSAGE"].decode()
            if text.isdigit():
                for _ in range(20):
                    try:
                        SOURCE.post_message("from " + text)
                    except RuntimeError as error:
                        say("refused", error)
                self.PARSED.set()
            return True
        """
        post = textwrap.dedent(post).replace("PARSED", "P.PARSED")
        running = engine(conf(textwrap.dedent(body), post=post, driver="log-iw-size(5)"))
        running.wait_print("refused post_message: source s_test#0 is out of credit")
        running.wait_print("done")
        running.wait_until(
            lambda: any(line.startswith(b"9|") for line in running.wait_lines("out.log", 1)), "the last"
        )
        posted, delivered, filtered = outcome(running.stop())
        assert posted == delivered >= 14
        assert filtered == 0

    def test_a_full_window_and_the_interpreter_do_not_wait_for_each_other(self, engine: StartEngine) -> None:
        """Breaks without it: sources that hold the interpreter and wait for credit stop their parser for ever."""
        post = """
        def post(name):
            for number in range(COUNT):
                self.post_message(f"{name} {number}")
        threads = [threading.Thread(target=post, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """
        body = "def parse(self, msg):\n    msg['n'] = sum(range(50))\n    return True"
        running = engine(
            conf(body, post=textwrap.dedent(post), count=5000, driver="log-iw-size(7)", template="$MSG")
        )
        found = lines(running, 20_000)
        for name in "abcd":
            assert [line for line in found if line[0] == name] == [f"{name} {n}" for n in range(5000)]
        assert outcome(running.stop()) == (20_000, 20_000, 0)

    def test_messages_about_messages_do_not_go_round(self, engine: StartEngine) -> None:
        """Breaks without it: a parser that raises at internal() makes a message of each of its messages."""
        more = "log { source { internal(); }; parser(p_test); destination(d_test); };"
        running = engine(
            conf("def parse(self, msg):\n    raise ValueError('no')", more=more), "--control", "control"
        )
        running.wait_until(lambda: parsers(running).get("p_test#0", (0,))[0] >= 11, "all of them")
        running.stop()
        # Once for each reference.
        assert 1 <= running.stderr.text.count("raised an exception") <= 2


class TestReload:
    """New objects come before old ones go."""

    LIFE = """
    def init(self, options):
        self.name = options["name"]
        say("init", self.name)
        return self.name != "bad"
    def parse(self, msg):
        msg["n"] = self.name
        return True
    def deinit(self):
        say("deinit", self.name, threading.current_thread() is threading.main_thread())
    """
    LOOP = """
    number = 0
    while not self.exit_requested:
        self.post_message(str(number))
        number += 1
        if number % 50 == 0:
            time.sleep(0.001)
    """

    def text(self, name: str, *, path: str = "parser(p_test);", driver: str = "") -> str:
        """A parser of that name."""
        body, post = textwrap.dedent(self.LIFE), textwrap.dedent(self.LOOP)
        return conf(body, options=f'options(name "{name}")', post=post, path=path, driver=driver)

    def test_under_load_nothing_is_lost_and_each_object_has_its_life(self, engine: StartEngine) -> None:
        """Breaks without it: a reload loses messages, or an object is called before its init() or after its deinit()."""
        running = engine(self.text("0"))
        lines(running, 100)
        for name in "1234":
            reload(running, self.text(name))
            running.wait_until(lambda name=name: f"|{name}" in last(running), "the new one")  # type: ignore[misc]
        posted, delivered, filtered = outcome(running.stop())
        assert posted == delivered
        assert filtered == 0
        found = [line.split("|") for line in lines(running, posted)]
        # The source is the same: its numbers go on.
        assert [int(number) for number, _ in found] == list(range(posted))
        names = [name for _, name in found]
        assert names == sorted(names)
        assert set(names) == set("01234")
        words = [line for line in running.stdout.lines if "init" in line]
        assert words[0] == "init 0"
        for name in "1234":
            before = str(int(name) - 1)
            assert words.index(f"init {name}") < words.index(f"deinit {before} False")
        assert words.count("deinit 4 False") == 1
        assert len(words) == 10

    def test_a_refused_one_leaves_the_old_one_at_work(self, engine: StartEngine) -> None:
        """Breaks without it: a reload that fails takes the parser away, or loses messages."""
        running = engine(self.text("0"))
        lines(running, 100)
        # With another source, which is stopped, and made anew on the way back.
        changed = self.text("bad", driver="tags(t)")
        reload(running, changed, "does not start; back to the old one")
        had = len(lines(running, 1))
        lines(running, had + 100)
        totals = running.stop()
        assert totals.posted == totals.delivered
        assert totals.dropped == 0
        assert {line.split("|")[1] for line in lines(running, 1)} == {"0"}
        words = [line for line in running.stdout.lines if "init" in line]
        assert words == ["init 0", "init bad", "deinit 0 False"]

    def test_a_source_changes_its_worker_with_its_need(self, engine: StartEngine) -> None:
        """Breaks without it: a source without a parser waits for Python, or one with a parser runs where none may."""
        with_parser = self.text("0")
        without = self.text("0", path="")
        running = engine(without)
        lines(running, 100)
        for text, end in [(with_parser, "|0"), (without, "|"), (with_parser, "|0")]:
            reload(running, text)
            running.wait_until(lambda end=end: last(running).endswith(end), "the change")  # type: ignore[misc]
        totals = running.stop()
        assert totals.posted == totals.delivered
        assert totals.dropped == 0
        # Each time a new source, whose messages come behind those of the one before.
        numbers = [int(line.split("|")[0]) for line in lines(running, totals.posted)]
        starts = [index for index, number in enumerate(numbers) if number == 0]
        assert len(starts) == 4
        for start, after in zip(starts, [*starts[1:], len(numbers)], strict=True):
            assert numbers[start:after] == list(range(after - start))

    def test_stop_under_load(self, engine: StartEngine) -> None:
        """Breaks without it: what was posted at the stop is lost behind the parser."""
        running = engine(self.text("0"))
        lines(running, 1000)
        posted, delivered, _ = outcome(running.stop())
        assert posted == delivered == len(lines(running, posted))


def last(running: Engine) -> str:
    """The last line of the file."""
    return running.wait_lines("out.log", 1)[-1].decode()


def test_the_example(engine: StartEngine) -> None:
    """Breaks without it: the example shows what does not work."""
    running = engine((EXAMPLES / "python_parser.conf").read_text())
    assert sorted(lines(running, 2, "orders.log")) == ["1|12.50|EUR|eu", "2|3.00|USD|us"]
    assert sorted(lines(running, 2, "other.log")) == ["3;1.00;XX", "no order"]
    assert outcome(running.stop()) == (4, 4, 0)
