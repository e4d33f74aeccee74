"""`python()` as a destination: what a class that derives from `LogDestination` gets, when, and what its results
mean; and that the engine goes on whatever it does."""

from __future__ import annotations

import re
import signal
import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

import inrush
import syslogng
from harness import EXAMPLES, Engine, StartEngine, Totals, indented
from harness import inrush as command

POST = "for number in range(COUNT):\n    self.post_message(f'{number}')"


def conf(
    body: str,
    *,
    options: str = "",
    post: str = POST,
    count: int = 10,
    version: str = "current",
    base: str = "LogDestination",
    more: str = "",
    path: str = "flags(flow-control);",
    driver: str = "",
) -> str:
    """A source that posts and a destination of a class whose methods are `body`; both can print."""
    return f"""@version: {version}
python {{
import threading, time
from syslogng import LogSource, LogMessage, LogDestination

COUNT = {count}

def say(*words):
    print(*words, flush=True)

class Source(LogSource):
    def run(self):
{indented(post, 8)}
        say("done")
        while not self.exit_requested:
            self.sleep(0.1)

class D({base}):
{indented(body)}
}};
source s_test {{ python(class("Source") {driver}); }};
destination d_test {{ python(class("D") time-reopen(0.05) {options}); }};
{more}
log {{ source(s_test); destination(d_test); {path} }};
"""


SEND = """
def send(self, msg):
    say("sent", msg["MESSAGE"].decode())
    return self.SUCCESS
"""


def sent(running: Engine) -> list[str]:
    """What was sent, in order."""
    return re.findall(r"(?m)^sent (.*)$", running.stdout.text)


def finished(running: Engine, count: int = 10) -> Totals:
    """Waits until so much was sent, and stops the engine."""
    running.wait_until(lambda: len(sent(running)) >= count, f"{count} messages")
    return running.stop()


def words(running: Engine) -> list[str]:
    """What the class has said of its life."""
    return [line for line in running.stdout.lines if not line.startswith("sent") and line != "done"]


def test_messages_arrive_in_order_and_the_life_of_the_object_is_that_of_native(engine: StartEngine) -> None:
    """Breaks without it: messages change places, or a class is called for what it is not ready for."""
    body = """
    def __init__(self):
        say("made", self.persist_name)
    def init(self, options):
        say("init", sorted(options.items()), self.persist_name, threading.current_thread() is threading.main_thread())
        return True
    def open(self):
        say("open", threading.current_thread().name)
        self.local = threading.local()
        self.local.it = "kept"
        return True
    def is_opened(self):
        return True
    def send(self, msg):
        say("sent", msg["MESSAGE"].decode(), self.local.it)
        return self.SUCCESS
    def flush(self):
        return self.SUCCESS
    def close(self):
        say("close")
    def deinit(self):
        say("deinit", threading.current_thread() is threading.main_thread())
    """
    count = 3000
    running = engine(conf(textwrap.dedent(body), options='options("a-b" "c" n 5)', count=count))
    totals = finished(running, count)
    assert sent(running) == [f"{number} kept" for number in range(count)]
    assert words(running) == [
        "made None",
        "init [('a_b', 'c'), ('n', 5)] python(D) True",
        "open destination d_test#0",
        "close",
        "deinit True",
    ]
    assert (totals.posted, totals.delivered, totals.dropped) == (count, count, 0)


RESULTS = """
tries = {}
def send(self, msg):
    text = msg["MESSAGE"].decode()
    tries = self.tries[text] = self.tries.get(text, 0) + 1
    say("sent", text)
    if text == "3":
        return RESULT
    return self.SUCCESS
def open(self):
    say("open")
def close(self):
    say("close")
"""
AGAIN = ["3"]


@pytest.mark.parametrize(
    ("result", "times", "is_closed", "reason"),
    [
        ("self.SUCCESS", 1, False, None),
        ("True", 1, False, None),
        ("3", 1, False, None),
        ("self.DROP", 1, True, "returned DROP"),
        ("self.ERROR", 3, True, r"returned ERROR \(retries\(3\)\)"),
        ("False", 3, True, r"returned ERROR \(retries\(3\)\)"),
        ("None", 3, True, "returned None, which is no LogDestinationResult"),
        ("7", 3, True, "returned 7, which is no"),
        ("'SUCCESS'", 3, True, "returned 'SUCCESS', which is no"),
        ("self.EXPLICIT_ACK_MGMT", 3, True, "returned EXPLICIT_ACK_MGMT, for which there is no way"),
        ("1 / 0", 3, True, r"raised ZeroDivisionError: division by zero \(retries\(3\)\)"),
        ("exit(3)", 3, True, r"raised SystemExit: 3 \(retries"),
        ("(x for x in 'y')", 3, True, r"raised TypeError: send\(\) returned a generator"),
    ],
)
def test_each_result_has_its_meaning(
    engine: StartEngine, result: str, times: int, is_closed: bool, reason: str | None
) -> None:
    """Breaks without it: what was refused counts as delivered, what failed once is lost, one message that fails
    holds up all others."""
    running = engine(conf(RESULTS.replace("RESULT", result)))
    running.wait_until(lambda: sent(running)[-1:] == ["9"], "the last one")
    if reason is not None:
        running.wait_log(rf"1 messages are refused: send\(\) of class `D` {reason}.*; they are dropped")
    totals = running.stop()
    numbers = [str(number) for number in range(10)]
    assert sent(running) == numbers[:3] + AGAIN * times + numbers[4:]
    refused = reason is not None
    assert (totals.posted, totals.delivered, totals.dropped) == (10, 10 - refused, int(refused))
    assert words(running).count("open") == words(running).count("close")
    assert words(running).count("close") == 1 + (times if is_closed else 0)
    assert len(re.findall(r"open\(\) of class `D` returned None", running.stderr.text)) == 1
    if result == "1 / 0":
        assert len(re.findall(r"test\.conf\", line \d+, in send", running.stderr.text)) == 3


@pytest.mark.parametrize(
    ("result", "attempts"), [("self.NOT_CONNECTED", 7), ("self.RETRY", 7), ("self.ERROR", 7)]
)
def test_what_is_tried_again_arrives(engine: StartEngine, result: str, attempts: int) -> None:
    """Breaks without it: a far end that is away for a while costs messages."""
    body = RESULTS.replace("RESULT", f"{result} if tries < {attempts} else self.SUCCESS")
    running = engine(conf(body, options="retries(10)"))
    running.wait_until(lambda: sent(running)[-1:] == ["9"], "the last one")
    totals = running.stop()
    numbers = [str(number) for number in range(10)]
    assert sent(running) == numbers[:3] + AGAIN * attempts + numbers[4:]
    assert (totals.delivered, totals.dropped) == (10, 0)
    # RETRY is followed at once, three times.
    reopened = attempts - 1 if result != "self.RETRY" else 1
    assert words(running).count("close") == 1 + reopened


def test_what_is_queued_is_flushed_by_the_batch(engine: StartEngine) -> None:
    """Breaks without it: messages are acknowledged before they are flushed, or not flushed at all."""
    body = """
    failed = False
    def init(self, options):
        self.queue = []
        return True
    def open(self):
        self.queue.clear()
        return True
    def send(self, msg):
        self.queue.append(msg["MESSAGE"].decode())
        return self.QUEUED
    def flush(self):
        if not self.failed and "5" in self.queue:
            self.failed = True
            return self.ERROR
        if self.queue:
            say("sent", ",".join(self.queue))
            self.queue.clear()
        return self.SUCCESS
    """
    options = "batch-lines(4) batch-timeout(200)"
    running = engine(conf(textwrap.dedent(body), options=options))
    totals = finished(running, 3)
    assert sent(running) == ["0,1,2,3", "4,5,6,7", "8,9"]
    assert (totals.posted, totals.delivered, totals.dropped) == (10, 10, 0)


def test_a_batch_that_is_dropped_is_dropped_whole(engine: StartEngine) -> None:
    """Breaks without it: of messages that go together some are counted as delivered and some are not."""
    body = """
    def send(self, msg):
        say("sent", msg["MESSAGE"].decode())
        return self.DROP if msg["MESSAGE"] == b"2" else self.QUEUED
    """
    running = engine(conf(textwrap.dedent(body), options="batch-lines(5) batch-timeout(100)", count=5))
    running.wait_until(lambda: len(sent(running)) >= 5, "all of them")
    totals = running.stop()
    assert (totals.posted, totals.delivered, totals.dropped) == (5, 2, 3)


class TestBatch:
    """`send_batch(messages)`."""

    BODY = """
    def send_batch(self, messages):
        texts = [msg["MESSAGE"].decode() for msg in messages]
        say("sent", ",".join(texts))
        return RESULT
    """

    def test_it_gets_as_many_as_a_batch_has(self, engine: StartEngine) -> None:
        """Breaks without it: lists are longer than what the far end takes, or messages change places."""
        body = textwrap.dedent(self.BODY).replace("RESULT", "self.SUCCESS")
        running = engine(conf(body, options="batch-lines(50)", count=1000))
        running.wait_until(lambda: ",".join(sent(running)).count(",") == 999, "all of them")
        totals = running.stop()
        assert ",".join(sent(running)).split(",") == [str(number) for number in range(1000)]
        assert max(line.count(",") + 1 for line in sent(running)) <= 50
        assert (totals.posted, totals.delivered) == (1000, 1000)

    def test_without_batch_lines_it_gets_all_that_wait(self, engine: StartEngine) -> None:
        """Breaks without it: the batch form is called for each message by itself."""
        body = "first = True\n" + textwrap.dedent(self.BODY).replace("RESULT", "self.slow()")
        body += "def slow(self):\n    if self.first:\n        time.sleep(0.5)\n    self.first = False\n    return True\n"
        running = engine(conf(body, count=500))
        running.wait_until(lambda: ",".join(sent(running)).count(",") == 499, "all of them")
        assert len(sent(running)) < 100
        assert running.stop().delivered == 500

    def test_each_message_may_have_its_own_result(self, engine: StartEngine) -> None:
        """Breaks without it: what was refused of a batch counts as delivered, or what was taken is sent twice."""
        result = "[self.of(text) for text in texts]"
        body = "tries = 0\n" + textwrap.dedent(self.BODY).replace("RESULT", result)
        body += """
def of(self, text):
    if text == "3":
        return self.DROP
    if text == "5":
        self.tries += 1
        return self.tries > 1
    return self.SUCCESS
"""
        running = engine(conf(body, options="batch-lines(10) batch-timeout(200)"))
        totals = finished(running, 2)
        assert sent(running) == ["0,1,2,3,4,5,6,7,8,9", "5"]
        assert (totals.posted, totals.delivered, totals.dropped) == (10, 9, 1)

    @pytest.mark.parametrize(
        ("result", "reason"),
        [
            ("[True]", "1 results for 10 messages"),
            ("[self.QUEUED] * 10", r"<LogDestinationResult.QUEUED: 4> for message 0"),
            ("None", "None, which is no LogDestinationResult"),
        ],
    )
    def test_wrong_results_are_errors(self, engine: StartEngine, result: str, reason: str) -> None:
        """Breaks without it: a list that does not fit acknowledges messages that nobody spoke of."""
        body = textwrap.dedent(self.BODY).replace("RESULT", result)
        running = engine(conf(body, options="batch-lines(10) batch-timeout(200) retries(1)"))
        running.wait_log(rf"send_batch\(\) of class `D` returned {reason}")
        totals = running.stop()
        assert (totals.posted, totals.delivered, totals.dropped) == (10, 0, 10)


class TestMessages:
    """What the object gets."""

    def test_values_have_their_types_and_nothing_can_be_set(self, engine: StartEngine) -> None:
        """Breaks without it: a destination reads something else than a file would get, or changes what others
        read."""
        post = """
msg = LogMessage("text")
for key, value in {"n": 5, "on": True, ".a.b": "x", "HOST": "h1", "PROGRAM": "prog", ".SDATA.id.p": "v"}.items():
    msg[key] = value
msg.set_pri(165)
self.post_message(msg)
"""
        body = """
        def send(self, msg):
            say(msg["MESSAGE"], msg["n"], msg["on"], msg[".a.b"], msg["HOST"], msg["PROGRAM"], msg[".SDATA.id.p"])
            say(msg["FACILITY"], msg["SEQNUM"], msg["SOURCE"], msg["TAGS"], int(self.seqnum), msg.get_pri())
            say(sorted(key for key in msg.keys() if key.islower() or key[:1] == b"."), "n" in msg, "m" in msg)
            say(msg.get("none", 7), msg.get_as_str("n"), len(msg.items()), memoryview(msg).tobytes())
            for change in ("msg['x'] = 1", "msg['MESSAGE'] = 'y'", "msg.set_pri(1)", "msg.__delitem__('n')",
                           "msg.set_source_ipaddress('::1')", "msg.set_recvd_rawmsg_size(1)", "msg.__init__('x')"):
                try:
                    exec(change)
                    say("changed", change)
                except TypeError as error:
                    assert "read only" in str(error), error
            try:
                msg["none"]
            except KeyError:
                say("KeyError", msg["MESSAGE"])
            say("sent", 1)
            return True
        """
        running = engine(
            conf(textwrap.dedent(body), post=post, driver="keep-hostname(yes) tags(one)", count=1)
        )
        totals = finished(running, 1)
        assert words(running) == [
            "b'text' 5 True b'x' b'h1' b'prog' b'v'",
            "b'local4' b'' b's_test' [b'one', b'.source.s_test'] 0 165",
            "[b'.SDATA.id.p', b'.a.b', b'n', b'on'] True False",
            "7 5 8 b'text'",
            "KeyError b'text'",
        ]
        assert totals.delivered == 1

    def test_before_version_4_all_values_are_bytes(self, engine: StartEngine) -> None:
        """Breaks without it: classes that were written for old configurations get what they cannot handle."""
        post = 'msg = LogMessage("text")\nmsg["n"] = 5\nself.post_message(msg)'
        body = """
        def send(self, msg):
            say("sent", msg["n"], msg["none"], msg.get("none"), msg["FACILITY"])
            return True
        """
        running = engine(conf(textwrap.dedent(body), post=post, version="3.38"))
        totals = finished(running, 1)
        assert sent(running) == ["b'5' b'' b'' b'user'"]
        assert totals.delivered == 1

    def test_one_that_is_kept_stays_as_it_was(self, engine: StartEngine) -> None:
        """Breaks without it: a message that a class keeps becomes another one, or keeps the memory of a batch."""
        body = """
        kept = []
        def send(self, msg):
            self.kept.append(msg)
            if len(self.kept) == COUNT:
                texts = [(m["MESSAGE"], m["n"], m["HOST"] != b"") for m in self.kept]
                assert texts == [(b"%d" % i, i, True) for i in range(COUNT)], texts[:3]
                assert self.kept[7].items() == self.kept[7].items()
                assert self.kept[7] != self.kept[8] and "MESSAGE='7'" not in repr(self.kept[7])
                say("sent", 1)
            return self.SUCCESS
        """
        post = "for i in range(COUNT):\n    msg = LogMessage(f'{i}')\n    msg['n'] = i\n    self.post_message(msg)"
        running = engine(conf(textwrap.dedent(body), post=post, count=5000))
        assert finished(running, 1).delivered == 5000

    def test_value_pairs_are_dicts(self, engine: StartEngine) -> None:
        """Breaks without it: a class that wants a dict gets a message, or values without their types."""
        post = 'msg = LogMessage("text")\nmsg["my.n"] = 5\nmsg["my.l"] = ["a", "b"]\nself.post_message(msg)'
        body = """
        def send(self, msg):
            say("sent", sorted(msg.items()), type(msg).__name__)
            msg["own"] = 1
            return True
        """
        pairs = 'value-pairs(key("my.*" rekey(shift(3))) pair("text" "$MSG/$FACILITY") pair("i" int("7")))'
        running = engine(conf(textwrap.dedent(body), post=post, options=pairs))
        totals = finished(running, 1)
        assert sent(running) == ["[('i', 7), ('l', [b'a', b'b']), ('n', 5), ('text', b'text/user')] dict"]
        assert totals.delivered == 1

    def test_a_value_that_is_not_of_its_type_costs_what_on_error_says(self, engine: StartEngine) -> None:
        """Breaks without it: a class gets a text where it relies on a number."""
        pairs = 'value-pairs(pair("text" "$MSG") pair("n" int("$MSG")))'
        body = 'def send(self, msg):\n    say("sent", sorted(msg.items()))\n    return True'
        post = "for text in ('1', 'x', '2'):\n    self.post_message(text)"
        for on_error, expected, dropped in (
            ("", ["[('n', 1), ('text', b'1')]", "[('n', 2), ('text', b'2')]"], 1),
            ("drop-property", ["[('n', 1), ('text', b'1')]", "[('text', b'x')]"], 0),
            ("fallback-to-string", ["[('n', 1), ('text', b'1')]", "[('n', b'x'), ('text', b'x')]"], 0),
        ):
            option = f"on-error({on_error})" if on_error else ""
            running = engine(conf(body, post=post, options=f"{pairs} {option}"))
            totals = finished(running, 3 - dropped)
            assert sent(running)[: len(expected)] == expected
            assert (totals.posted, totals.delivered, totals.dropped) == (3, 3 - dropped, dropped)


def test_what_is_refused_goes_to_on_reject(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: what a class gives up is lost although somebody wants it."""
    more = 'destination d_refused { file("refused.log" template("${.reject.reason}: $MSG\\n")); };'
    body = """
    def send(self, msg):
        say("sent", msg["MESSAGE"].decode())
        return self.DROP if msg["MESSAGE"] in (b"2", b"7") else self.SUCCESS
    """
    running = engine(conf(textwrap.dedent(body), options="on-reject(destination(d_refused))", more=more))
    running.wait_until(lambda: len(sent(running)) >= 10, "all of them")
    running.wait_lines("refused.log", 2)
    totals = running.stop()
    reason = "send() of class `D` returned DROP"
    assert (tmp_path / "refused.log").read_text().splitlines() == [f"{reason}: 2", f"{reason}: 7"]
    assert (totals.posted, totals.delivered, totals.rejected, totals.dropped) == (10, 8, 2, 0)


def test_bookmarks_are_acknowledged_after_success_only(engine: StartEngine) -> None:
    """Breaks without it: a source that goes on behind what was acknowledged loses what was in the object's hands."""
    post = """
self.exit = threading.Event()
for number in range(COUNT):
    self.post_message(LogMessage(f"{number}"), bookmark=number)
"""
    body = """
    acked, sent = [], []
    def send(self, msg):
        number = int(msg["MESSAGE"])
        assert not [bookmark for bookmark in ACKED if bookmark >= number], (ACKED, number)
        say("sent", number)
        if number == 5 and 5 not in self.sent:
            self.sent.append(5)
            return self.NOT_CONNECTED
        return True
    """
    text = conf(textwrap.dedent(body), post=post).replace(
        "class Source(LogSource):",
        "ACKED = []\nfrom syslogng import InstantAckTracker\n\nclass Source(LogSource):\n"
        "    def init(self, options):\n        self.ack_tracker = InstantAckTracker(ack_callback=ACKED.append)\n"
        "        return True\n",
    )
    running = engine(text)
    totals = finished(running, 11)
    assert sent(running) == ["0", "1", "2", "3", "4", "5", "5", "6", "7", "8", "9"]
    assert totals.delivered == 10


def test_written_bytes_are_in_the_statistics(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: nobody sees how much a destination of Python has written."""
    body = 'def send(self, msg):\n    self.stats_written_bytes_add(100)\n    say("sent", 1)\n    return True'
    running = engine(conf(body), "--control", str(tmp_path / "control"))
    running.wait_until(lambda: len(sent(running)) >= 10, "all of them")

    def stats() -> str:
        return command("ctl", "--control", tmp_path / "control", "stats", "--json", cwd=tmp_path).stdout

    running.wait_until(lambda: re.search(r'"bytes": ?1000\b', stats()) is not None, "the bytes")
    running.stop()


class TestReload:
    """The object over a reload."""

    BODY = (
        SEND
        + """
def init(self, options):
    say("init", options.get("n"))
    return True
def close(self):
    say("close")
def deinit(self):
    say("deinit")
"""
    )

    def test_it_is_kept_and_replaced_as_its_options_are(self, engine: StartEngine) -> None:
        """Breaks without it: a reload that changes nothing reconnects, or one that changes something does not."""
        text = conf(self.BODY, options="options(n 1)")
        running = engine(text)
        running.wait_until(lambda: len(sent(running)) == 10, "all of them")
        running.send_signal(signal.SIGHUP)
        running.wait_log("inrush: reloaded")
        assert words(running) == ["init 1"]
        (running.directory / "test.conf").write_text(text.replace("n 1", "n 2"))
        running.send_signal(signal.SIGHUP)
        running.wait_print("deinit")
        assert words(running) == ["init 1", "init 2", "close", "deinit"]
        # Other code, same options.
        (running.directory / "test.conf").write_text(
            text.replace("n 1", "n 2").replace('"deinit"', '"ended"')
        )
        running.send_signal(signal.SIGHUP)
        running.wait_until(lambda: words(running).count("deinit") == 2, "the second one's end")
        totals = running.stop()
        assert words(running)[4:] == ["init 2", "close", "deinit", "close", "ended"]
        assert totals.posted == totals.delivered

    def test_what_waits_goes_to_its_successor(self, engine: StartEngine) -> None:
        """Breaks without it: messages that wait for a far end are lost at a reload, or come in another order."""
        body = """
        def send(self, msg):
            if RESULT != self.SUCCESS:
                return RESULT
            say("sent", msg["MESSAGE"].decode())
            return self.SUCCESS
        """
        text = conf(textwrap.dedent(body), count=2000)
        running = engine(text.replace("RESULT", "self.NOT_CONNECTED"))
        running.wait_log("returned NOT_CONNECTED; it is tried again")
        (running.directory / "test.conf").write_text(text.replace("RESULT", "self.SUCCESS"))
        running.send_signal(signal.SIGHUP)
        running.wait_until(lambda: len(sent(running)) >= 2000, "all of them")
        numbers = sent(running)[:2000]
        assert numbers == [str(number) for number in range(2000)]
        totals = running.stop()
        assert totals.posted == totals.delivered

    def test_one_that_refuses_leaves_the_old_one(self, engine: StartEngine) -> None:
        """Breaks without it: a reload with options that a class refuses ends what runs."""
        body = self.BODY.replace("return True\ndef close", 'return options.get("n") != 3\ndef close')
        text = conf(body, options="options(n 1)")
        running = engine(text)
        (running.directory / "test.conf").write_text(text.replace("n 1", "n 3"))
        running.send_signal(signal.SIGHUP)
        running.wait_log(r"init\(\) of class `D` returned false: it refuses these options")
        running.wait_log("back to the old one")
        running.wait_until(lambda: len(sent(running)) >= 10, "all of them")
        totals = running.stop()
        assert words(running) == ["init 1", "init 3", "close", "deinit"]
        assert totals.posted == totals.delivered


class TestTrouble:
    """Objects that do what they must not."""

    def test_one_that_hangs_is_named_and_bounded_at_the_stop(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Breaks without it: one call holds up the stop for ever, and nobody knows which."""
        body = 'def send(self, msg):\n    say("hangs")\n    threading.Event().wait()'
        running = engine(conf(body), "--control", str(tmp_path / "control"))
        running.wait_print("hangs")
        running.wait_log(
            r"destination d_test#0: send\(\) of class `D` has not returned for 5 s\. It stands here:\n(.*\n)*.*in send"
        )
        shown = command("ctl", "--control", tmp_path / "control", "stats", "--json", cwd=tmp_path).stdout
        assert "has not returned" in shown
        running.send_signal(signal.SIGTERM)
        assert running.wait_exit() in (0, 1)
        assert re.search(r"destination d_test#0 \(class D\): send\(\) has not returned", running.stderr.text)
        totals = running.totals()
        totals.check()
        assert (totals.posted, totals.delivered) == (10, 0)

    def test_posts_of_its_thread_are_taken_or_refused_at_once(self, engine: StartEngine) -> None:
        """Breaks without it: a destination that posts into its own source waits for itself for ever."""
        body = """
        refused = 0
        def send(self, msg):
            text = msg["MESSAGE"].decode()
            if text.isdigit():
                for _ in range(20):
                    try:
                        SOURCE.post_message("from " + text)
                    except RuntimeError as error:
                        self.refused += 1
                        say("refused", error)
            say("sent", text)
            return True
        """
        text = conf(
            textwrap.dedent(body), post="global SOURCE\nSOURCE = self\n" + POST, driver="log-iw-size(5)"
        )
        running = engine(text)
        running.wait_print("refused post_message: source s_test#0 is out of credit")
        running.wait_until(lambda: "9" in sent(running), "the last one")
        totals = running.stop()
        assert totals.posted == totals.delivered > 10

    def test_open_that_fails_is_tried_again(self, engine: StartEngine) -> None:
        """Breaks without it: a destination whose server comes late never sends, or sends before it is open."""
        body = (
            SEND
            + """
tries = 0
def open(self):
    self.tries += 1
    if self.tries == 1:
        return False
    if self.tries == 2:
        raise OSError("nobody there")
    self.opened = self.tries > 3
    return True
def is_opened(self):
    return self.opened
"""
        )
        running = engine(conf(body))
        totals = finished(running)
        assert "OSError: nobody there" in running.stderr.text
        assert sent(running) == [str(number) for number in range(10)]
        assert (totals.posted, totals.delivered, totals.dropped) == (10, 10, 0)

    def test_a_fork_ends_where_it_comes_back(self, engine: StartEngine) -> None:
        """Breaks without it: there are two engines with one set of files."""
        body = """
        def send(self, msg):
            import os
            child = os.fork()
            if child:
                assert os.waitpid(child, 0)[1] == 0
                say("sent", msg["MESSAGE"].decode())
            return True
        """
        running = engine(conf(textwrap.dedent(body)))
        assert finished(running).delivered == 10
        assert len(sent(running)) == 10


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        ("pass", "", "class `D` has no method send()"),
        ("def send(self, msg):\n    yield 1", "", "send() of class `D` is a generator function"),
        ("async def send(self, msg):\n    pass", "", "send() of class `D` is a coroutine function"),
        ("send = 5", "", "send of class `D` cannot be called: it is int"),
        (SEND, "workers(2)", "`workers`"),
        (SEND, "batch_bytes(5)", "`batch_bytes`"),
        (SEND, "value-pairs(scope(nope))", "no scope is called `nope`"),
        (SEND, "retries(0)", "0"),
        (SEND + "def __init__(self):\n    1 / 0\n", "", "the constructor of class `D` failed"),
    ],
)
def test_wrong_destinations_are_refused_at_their_places(
    tmp_path: Path, body: str, options: str, expected: str
) -> None:
    """Breaks without it: a destination that can never work starts, and keeps or loses what comes to it."""
    (tmp_path / "test.conf").write_text(conf(body, options=options))
    done = command("check", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 1
    assert expected in done.stderr
    assert "test.conf:" in done.stderr


def test_classes_that_are_no_destinations_are_refused(tmp_path: Path) -> None:
    """Breaks without it: a typing mistake in a class's name or base is found when messages are lost."""
    for base, name, expected in (
        ("object", "D", "class `D` does not derive from LogDestination"),
        ("LogDestination", "E", "no class `E` in the python blocks"),
        ("LogDestination", "Source", "class `Source` does not derive from LogDestination"),
    ):
        text = conf(SEND, base=base).replace(
            'destination d_test { python(class("D")', f'destination d_test {{ python(class("{name}")'
        )
        (tmp_path / "test.conf").write_text(text)
        done = command("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 1
        assert expected in done.stderr
    (tmp_path / "test.conf").write_text(conf(SEND, base="object", version="3.38"))
    done = command("check", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "does not derive from LogDestination" in done.stderr


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    """Breaks without it: two objects keep their state under one name."""
    more = "destination d_other {{ python(class(D) {}); }}; log {{ source(s_test); destination(d_other); }};"
    for options, code in (("", 1), ('persist-name("other")', 0)):
        (tmp_path / "test.conf").write_text(conf(SEND, more=more.format(options)))
        done = command("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == code, done.stderr
        assert ("two destinations have the persist name `python(D)`" in done.stderr) == bool(code)


def test_the_example_writes_rows(engine: StartEngine, tmp_path: Path) -> None:
    """Breaks without it: the example does not run, or loses what it reads."""
    running = engine((EXAMPLES / "python_destination.conf").read_text())

    def rows() -> list[tuple[str]]:
        if not (tmp_path / "logs.sqlite").exists():
            return []
        with closing(sqlite3.connect(tmp_path / "logs.sqlite", timeout=30)) as database:
            tables = database.execute("SELECT name FROM sqlite_master").fetchall()
            return database.execute("SELECT text FROM logs").fetchall() if tables else []

    running.wait_until(lambda: len(rows()) == 1000, "all rows")
    assert set(rows()) == {("an example",)}
    assert running.stop().delivered == 1000


def test_it_works_by_hand() -> None:
    """Breaks without it: a class cannot be tested without an engine."""

    class Mine(syslogng.LogDestination):
        def send(self, msg: inrush.LogMessage) -> int:
            self.stats_written_bytes_add(1)
            return self.SUCCESS if msg["MESSAGE"] else self.RETRY

    mine = Mine()
    assert mine.init({}) is mine.open() is mine.is_opened() is mine.flush() is True
    assert mine.send(inrush.LogMessage("x")) == inrush.LogDestinationResult.SUCCESS
    assert mine.send(inrush.LogMessage("")) == 6
    assert not mine.persist_name
    assert (int(mine.seqnum), str(mine.seqnum), [5][mine.seqnum]) == (0, "0", 5)
    mine.close()
    mine.deinit()
    with pytest.raises(NotImplementedError, match="must define send"):
        syslogng.LogDestination().send(inrush.LogMessage("x"))
