"""From one configuration to the next: what is kept, what is replaced, and what a bad one does."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness import GONE, Engine, Result, StartEngine, read_lines
from harness import inrush as command

# A class whose instances say who they are, count for themselves, and post until they are told to end.
CLASS = """
import threading, time
from syslogng import LogMessage, LogSource

class Counting(LogSource):
    made = 0

    def init(self, options):
        type(self).made += 1
        self.name = options.get("name", "?")
        self.pause = float(options.get("pause", 0.001))
        self.n = 0
        print("init", self.name, flush=True)
        return options.get("init", True)

    def run(self):
        print("run", self.name, id(self), threading.get_ident(), flush=True)
        while not self.exit_requested:
            self.post_message(f"{self.name} {self.n} {id(self):x} {threading.get_ident():x}")
            self.n += 1
            if self.pause and not self.sleep(self.pause):
                break
        print("posted", self.name, self.n, flush=True)

    def request_exit(self):
        print("request_exit", self.name, flush=True)

    def deinit(self):
        print("deinit", self.name, flush=True)
"""


def conf(*statements: str, blocks: str = CLASS, options: str = "") -> str:
    """A configuration with the class and these statements."""
    return "\n".join(["@version: current", f"options {{ {options} }};", f"python {{{blocks}}};", *statements])


def counting(name: str, *, to: str = "out", driver: str = "", **options: object) -> str:
    """A source of that class, and the path to a destination."""
    given = " ".join(f'"{key}" => {json.dumps(value)}' for key, value in {"name": name, **options}.items())
    given = given.replace("false", "no").replace("true", "yes")
    return (
        f'source {name} {{ python(class("Counting") persist-name("{name}") options({given}) {driver}); }};\n'
        f"log {{ source({name}); destination({to}); flags(flow-control); }};"
    )


def file(name: str = "out", path: str = "out.log", more: str = "") -> str:
    """A file destination that writes the message alone."""
    return f'destination {name} {{ file("{path}" template("$MSG\\n") {more}); }};'


def ctl(running: Engine, *words: str) -> Result:
    """`inrush ctl` on the socket of an engine."""
    return command("ctl", "--control", "control", *words, cwd=running.directory)


def stats(running: Engine) -> Any:
    """The statistics, which always add up."""
    found = json.loads(ctl(running, "stats", "--json").stdout)
    assert found["posted"] == found["delivered"] + found["dropped"] + found["in_flight"], found
    return found


def source_stats(running: Engine, name: str) -> Any:
    """The statistics of one source."""
    (found,) = [one for one in stats(running)["sources"] if one["id"] == f"{name}#0"]
    return found


def reload(running: Engine, text: str) -> str:
    """Reloads with another text; what it did, without the word that it did."""
    (running.directory / "test.conf").write_text(text)
    done = ctl(running, "reload")
    assert (done.code, done.stderr) == (0, ""), (done, running.report())
    assert done.stdout.startswith("reloaded\n")
    return done.stdout.removeprefix("reloaded\n")


def refused(running: Engine, text: str) -> str:
    """Reloads with a text that must not be accepted; why."""
    (running.directory / "test.conf").write_text(text)
    done = ctl(running, "reload")
    assert (done.code, done.stdout) == (1, ""), (done, running.report())
    return done.stderr


def start(engine: StartEngine, text: str, **options: Any) -> Engine:
    """An engine with a control socket."""
    return engine(text, "--control", "control", **options)


def messages(directory: Path, *names: str) -> dict[str, list[tuple[int, str, str]]]:
    """The messages of each source, in the order in which they stand in these files: number, object,
    thread."""
    found: dict[str, list[tuple[int, str, str]]] = {}
    for name in names:
        for line in read_lines(directory / name):
            source, number, instance, thread = line.decode().split()
            found.setdefault(source, []).append((int(number), instance, thread))
    return found


def more(running: Engine, name: str, count: int = 20) -> None:
    """Waits until a source has posted more than it has now."""
    before = source_stats(running, name)["posted"]
    running.wait_until(lambda: source_stats(running, name)["posted"] >= before + count, f"more of {name}")


class TestKept:
    """Drivers that did not change, and notice nothing."""

    def test_an_unchanged_source_goes_on_while_another_is_replaced(self, engine: StartEngine) -> None:
        """Without it: every reload stops and starts every source, and its state and time are lost."""
        running = start(engine, conf(counting("keep"), counting("change", mark=1), file()))
        more(running, "keep")
        more(running, "change")
        said = reload(running, conf("# moved", counting("change", mark=2), counting("keep"), file()))
        assert said == "sources: kept keep#0; replaced change#0\ndestinations: kept out#0\n"
        more(running, "keep")
        more(running, "change")
        running.stop()
        # Its instance, its own counter and its thread are the same, from the first message to the last.
        found = messages(running.directory, "out.log")
        assert [number for number, _, _ in found["keep"]] == list(range(len(found["keep"])))
        assert len({(instance, thread) for _, instance, thread in found["keep"]}) == 1
        assert Counter(running.stdout.lines)["init keep"] == 1
        # The other one was started again; each of its lives is whole and in order.
        assert Counter(running.stdout.lines)["init change"] == 2
        numbers = [number for number, _, _ in found["change"]]
        again = numbers.index(0, 1)
        assert numbers == [*range(again), *range(len(numbers) - again)]
        ended = [int(line.split()[2]) for line in running.stdout.lines if line.startswith("posted change")]
        assert ended == [again, len(numbers) - again], "all that it posted before it was stopped arrived"
        # Nobody asked the kept one to end before the end.
        lines = running.stdout.lines
        assert lines.index("deinit change") < lines.index("request_exit keep")
        assert running.stderr.find(r"inrush: reloaded; sources: kept keep#0; replaced change#0; destinations")

    def test_nothing_changed(self, engine: StartEngine) -> None:
        """Without it: a SIGHUP that only rotates files stops the sources."""
        running = start(engine, conf(counting("keep"), file()))
        more(running, "keep")
        (running.directory / "out.log").rename(running.directory / "out.log.1")
        running.send_signal(signal.SIGHUP)
        running.wait_log("inrush: reloaded; sources: kept keep#0; destinations: kept out#0")
        running.wait_lines("out.log", 20)
        running.stop()
        found = messages(running.directory, "out.log.1", "out.log")["keep"]
        assert [number for number, _, _ in found] == list(range(len(found)))
        assert Counter(running.stdout.lines)["init keep"] == 1

    def test_statistics_go_on(self, engine: StartEngine) -> None:
        """Without it: a reload sets the counters back, of what is kept or of what is replaced."""
        running = start(engine, conf(counting("keep"), counting("change", mark=1), file()))
        more(running, "keep")
        more(running, "change")
        before = {name: source_stats(running, name)["posted"] for name in ("keep", "change")}
        reload(running, conf(counting("keep"), counting("change", mark=2), file()))
        for name, count in before.items():
            assert source_stats(running, name)["posted"] >= count
        more(running, "change")
        reload(running, conf(counting("keep"), file()))
        # What was removed is still counted.
        assert source_stats(running, "change")["posted"] > before["change"]
        assert source_stats(running, "change")["state"] == "ended"
        totals = running.stop()
        assert totals.posted == totals.delivered == len(read_lines(running.directory / "out.log"))

    def test_blocks_that_changed_replace_their_sources_and_no_others(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Without it: sources run code that the configuration does not have any more, or all are stopped for
        it."""
        (tmp_path / "mine.py").write_text(CLASS)
        imported = counting("imported").replace('"Counting"', '"mine.Counting"')
        text = conf(imported, counting("inline"), file())
        running = start(engine, text)
        more(running, "imported")
        more(running, "inline")
        changed = text.replace("python {", "python {\nprint('block', flush=True)", 1)
        said = reload(running, changed)
        assert said.startswith("sources: kept imported#0; replaced inline#0\n")
        # A block at another place is the same block; it is run anew all the same.
        said = reload(running, changed.replace("python {", "\n\npython {", 1))
        assert said.startswith("sources: kept imported#0, inline#0\n")
        assert Counter(running.stdout.lines)["block"] == 2
        running.stop()
        found = messages(running.directory, "out.log")["imported"]
        assert [number for number, _, _ in found] == list(range(len(found)))

    def test_a_source_that_has_ended_is_started_again(self, engine: StartEngine) -> None:
        """Without it: a reload does not bring back a source whose run() has returned."""
        block = CLASS.replace("while not self.exit_requested:", "for _ in range(3):")
        running = start(engine, conf(counting("once"), file(), blocks=block))
        running.wait_print("posted once 3")
        running.wait_until(lambda: source_stats(running, "once")["state"] == "ended", "the end of the source")
        said = reload(running, conf(counting("once"), file(), blocks=block))
        assert said.startswith("sources: replaced once#0\n")
        running.wait_print(r"posted once 3[\s\S]*posted once 3")
        running.wait_lines("out.log", 6)

    def test_global_options_concern_those_that_they_concern(self, engine: StartEngine) -> None:
        """Without it: a source goes on by options that are not those of the file."""
        running = start(engine, conf(counting("one"), file(), "log { source { internal(); }; };"))
        said = reload(
            running,
            conf(counting("one"), file(), "log { source { internal(); }; };", options="keep-hostname(yes);"),
        )
        assert "replaced one#0" in said
        assert "kept out#0" in said
        said = reload(
            running,
            conf(
                counting("one"),
                file(),
                "log { source { internal(); }; };",
                options="keep-hostname(yes); perm(0644);",
            ),
        )
        assert "kept one#0" in said
        assert "replaced out#0" in said


class TestDestinations:
    """Destinations that come and go under sources that run."""

    def test_a_destination_is_replaced_under_load(self, engine: StartEngine) -> None:
        """Without it: messages are lost, doubled or out of order when a destination changes."""
        running = start(engine, conf(counting("s", pause=0), file()))
        versions = [
            file(path="out.log", more="perm(0644)"),
            file(path="other.log"),
            file(path="out.log"),
            file(path="./out.log", more="fsync(no) time-reopen(3)"),
            file(path="out.log")
            + "\n"
            + file("second", "second.log")
            + "log { source(s); destination(second); };",
            file(path="out.log"),
        ]
        for version in versions:
            more(running, "s", 2000)
            assert "kept s#0" in reload(running, conf(counting("s", pause=0), version))
        more(running, "s", 2000)
        totals = running.stop()
        assert (totals.delivered, totals.dropped) == (totals.posted, 0)
        both = messages(running.directory, "out.log", "other.log")["s"]
        assert sorted(number for number, _, _ in both) == list(range(totals.posted))
        for name in ("out.log", "other.log", "second.log"):
            numbers = [number for number, _, _ in messages(running.directory, name)["s"]]
            assert numbers == sorted(set(numbers)), f"the order in {name}"

    def test_a_file_is_written_by_one_destination_after_the_other(self, engine: StartEngine) -> None:
        """Without it: the new destination writes to a file before what the old one still has for it."""
        first = conf(counting("s"), file(path="gone/out.log"), options="time-reopen(1);")
        running = start(engine, first)
        running.wait_log("cannot write")
        more(running, "s")
        said = reload(running, first.replace("time-reopen(1)", "time-reopen(2)"))
        assert said == "sources: kept s#0\ndestinations: replaced out#0\n"
        more(running, "s")
        running.make_gone()
        running.send_signal(signal.SIGHUP)
        running.wait_lines("gone/out.log", 60)
        totals = running.stop()
        numbers = [number for number, _, _ in messages(running.directory, "gone/out.log")["s"]]
        assert numbers == list(range(totals.posted))

    def test_a_removed_destination_writes_what_it_has(self, engine: StartEngine) -> None:
        """Without it: what was on its way to a destination is lost with it."""
        both = conf(counting("s", to="away"), file("away", "gone/away.log"), options=GONE[10:-2])
        running = start(engine, both)
        running.wait_log("cannot write")
        more(running, "s")
        said = reload(running, conf(counting("s"), file()))
        assert said == "sources: kept s#0\ndestinations: started out#0; stopped away#0\n"
        running.wait_lines("out.log", 5)
        running.make_gone()
        running.send_signal(signal.SIGHUP)
        running.wait_lines("gone/away.log", 20)
        totals = running.stop()
        found = messages(running.directory, "gone/away.log", "out.log")["s"]
        assert [number for number, _, _ in found] == list(range(totals.posted))

    def test_a_source_without_credit_is_kept(self, engine: StartEngine) -> None:
        """Without it: a reload while a source waits for credit stops it, or leaves it waiting for ever."""
        stalled = conf(
            counting("s", pause=0, driver="log-iw-size(10)"),
            file(path="gone/out.log"),
            options="time-reopen(1);",
        )
        running = start(engine, stalled)
        running.wait_until(lambda: source_stats(running, "s")["state"] == "waiting for credit", "no credit")
        assert "kept s#0" in reload(running, stalled)
        assert source_stats(running, "s")["state"] == "waiting for credit"
        # A destination that can write; it takes over what the old one still holds.
        assert "kept s#0" in reload(running, stalled.replace("gone/out.log", "out.log"))
        running.wait_lines("out.log", 1000)
        running.wait_log("10 messages that wait go to the destination that takes its place")
        totals = running.stop()
        assert not (running.directory / "gone").exists()
        found = messages(running.directory, "out.log")["s"]
        assert [number for number, _, _ in found] == list(range(totals.posted))

    def test_a_suspended_source_is_kept(self, engine: StartEngine) -> None:
        """Without it: a source that waits for wakeup() is never woken after a reload."""
        block = (
            CLASS
            + """
class Suspending(Counting):
    def init(self, options):
        self.may = threading.Event()
        self.may.set()
        return super().init(options)
    def run(self):
        while not self.exit_requested:
            if self.may.wait(0.05):
                self.post_message(f"{self.name} {self.n} {id(self):x} 0")
                self.n += 1
    def suspend(self):
        self.may.clear()
    def wakeup(self):
        self.may.set()
"""
        )
        text = conf(
            counting("s", driver="log-iw-size(10)").replace('"Counting"', '"Suspending"'),
            file(path="gone/out.log"),
            blocks=block,
            options="time-reopen(1);",
        )
        running = start(engine, text)
        running.wait_until(lambda: source_stats(running, "s")["posted"] == 10, "a full window")
        assert "kept s#0" in reload(running, text)
        running.make_gone()
        running.send_signal(signal.SIGHUP)
        running.wait_lines("gone/out.log", 100)
        totals = running.stop()
        found = messages(running.directory, "gone/out.log")["s"]
        assert [number for number, _, _ in found] == list(range(totals.posted))

    def test_what_a_removed_destination_holds_is_not_acknowledged(self, engine: StartEngine) -> None:
        """Without it: a bookmark moves on over messages that were never written."""
        block = (
            CLASS
            + """
from syslogng import ConsecutiveAckTracker
class Bookmarked(Counting):
    def init(self, options):
        self.ack_tracker = ConsecutiveAckTracker(ack_callback=self.acked)
        return super().init(options)
    def acked(self, bookmark):
        print("acked", bookmark, flush=True)
    def run(self):
        for n in range(8):
            self.post_message(f"{self.name} {n} 0 0", bookmark=n)
        print("all", flush=True)
        while self.sleep(3600):
            pass
"""
        )
        text = conf(
            counting("s").replace('"Counting"', '"Bookmarked"'),
            file(path="gone/out.log"),
            blocks=block,
            options="time-reopen(1);",
        )
        running = start(engine, text)
        running.wait_print("(?m)^all$")
        running.wait_log("cannot write")
        other = text.replace("gone/out.log", "out.log").replace("destination out ", "destination other ")
        other = other.replace("destination(out)", "destination(other)")
        assert "stopped out#0" in reload(running, other)
        assert source_stats(running, "s")["in_flight"] == 8
        # It comes back, and takes over what it had.
        assert "kept s#0" in reload(running, text)
        assert source_stats(running, "s")["in_flight"] == 8
        assert "acked" not in running.stdout.text
        running.make_gone()
        running.send_signal(signal.SIGHUP)
        running.wait_print("(?m)^acked 7$")
        assert len(read_lines(running.directory / "gone" / "out.log")) == 8


class TestBad:
    """A configuration that is wrong changes nothing."""

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (lambda text: text + "sauce s { };", "did you mean `source`"),
            (lambda text: text.replace('class("Counting")', 'class("Sauce")', 1), "Sauce"),
            (lambda text: text.replace("python {", "python {\n1/0", 1), "ZeroDivisionError"),
            (lambda text: text.replace("perm(0600)", 'owner("no-such-user")'), "no-such-user"),
            (lambda text: text.replace('persist-name("b")', 'persist-name("a")'), "persist name"),
            (lambda text: text.replace('"mark" => 1', '"mark" => 1 "init" => no', 1), "init()"),
        ],
        ids=["syntax", "class", "block", "owner", "clash", "init"],
    )
    def test_a_bad_configuration_leaves_the_old_one(self, engine: StartEngine, wrong: Any, said: str) -> None:
        """Without it: an error in a file stops what ran well, or half of the new one runs."""
        text = conf(counting("a", mark=0), counting("b", mark=1), file(more="perm(0600)"))
        running = start(engine, text)
        more(running, "a")
        more(running, "b")
        assert said in refused(running, wrong(text))
        more(running, "a")
        more(running, "b")
        assert Counter(running.stdout.lines)["init a"] == 1
        # Accepted again, nothing has changed: what was never stopped is still the same.
        assert "kept a#0" in reload(running, text)
        totals = running.stop()
        assert (totals.delivered, totals.dropped) == (totals.posted, 0)
        found = messages(running.directory, "out.log")["a"]
        assert [number for number, _, _ in found] == list(range(len(found)))
        assert len({(instance, thread) for _, instance, thread in found}) == 1

    def test_the_module_of_the_blocks_is_the_old_one_after_a_refusal(self, engine: StartEngine) -> None:
        """Without it: sources that import `_syslogng_main` get the names of a configuration that does not
        run."""
        block = CLASS.replace('print("posted"', 'import _syslogng_main as m; print("mark", m.mark, "posted"')
        text = conf(counting("s"), file(), blocks="mark = 1\n" + block)
        running = start(engine, text)
        refused(running, text.replace("mark = 1", "mark = 2\nraise ValueError('no')"))
        refused(running, text.replace("mark = 1", "mark = 3").replace('"name"', '"init" => no "name"', 1))
        running.stop()
        assert running.stdout.find("mark 1 posted"), running.report()

    def test_a_refusing_init_brings_back_only_what_was_stopped(self, engine: StartEngine) -> None:
        """Without it: a reload whose last source refuses stops those before it for good."""
        text = conf(counting("kept"), counting("changed", mark=1), counting("gone"), file())
        running = start(engine, text)
        for name in ("kept", "changed", "gone"):
            more(running, name)
        next_one = conf(
            counting("kept"),
            counting("changed", mark=2),
            counting("new", init=False),
            file(more="perm(0644)"),
        )
        assert "init() of class `Counting` returned false" in refused(running, next_one)
        for name in ("kept", "changed", "gone"):
            more(running, name)
        assert [one["id"] for one in stats(running)["sources"]] == ["kept#0", "changed#0", "gone#0"]
        totals = running.stop()
        lines = Counter(running.stdout.lines)
        # Once at the start, once for the new configuration, once on the way back.
        assert (lines["init kept"], lines["init changed"], lines["init gone"]) == (1, 3, 2)
        assert lines["deinit changed"] == 3
        assert (totals.delivered, totals.dropped) == (totals.posted, 0)
        assert totals.posted == len(read_lines(running.directory / "out.log"))

    def test_a_source_that_does_not_come_back_does_not_stop_the_rest(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Without it: one source that starts only once takes all others with it when a reload fails."""
        block = CLASS.replace(
            'return options.get("init", True)',
            """if self.name == "once":
            open("once", "x").close()
        return options.get("init", True)""",
        )
        text = conf(counting("kept"), counting("once"), file(), blocks=block)
        running = start(engine, text)
        more(running, "once")
        said = refused(running, conf(counting("kept"), counting("new", init=False), file(), blocks=block))
        assert "a source does not start" in said
        more(running, "kept")
        assert source_stats(running, "once")["state"] == "ended"
        assert Counter(running.stdout.lines)["init kept"] == 1


class TestStuck:
    """A source that does not end when it is asked."""

    def test_a_stuck_source_is_reported_and_does_not_hold_up_the_others(self, engine: StartEngine) -> None:
        """Without it: one careless source stops every reload, and with it every other source."""
        block = (
            CLASS
            + """
class Stuck(Counting):
    def run(self):
        self.post_message(f"{self.name} 0 0 0")
        print("stuck", flush=True)
        while not __import__("pathlib").Path("go").exists():
            time.sleep(0.01)
        try:
            self.post_message("late")
        except RuntimeError as error:
            print("refused", error, flush=True)
"""
        )
        stuck = counting("stuck", driver="stop-timeout(0.3)").replace('"Counting"', '"Stuck"')
        running = start(engine, conf(counting("kept"), stuck, file(), blocks=block))
        running.wait_print("stuck")
        said = reload(running, conf(counting("kept"), counting("new"), file(), blocks=block))
        assert said.startswith("sources: kept kept#0; started new#0; stopped stuck#0\n")
        assert running.stderr.find(
            r"(?s)stuck#0 .*has not returned 0\.3 s after request_exit.*time\.sleep\(0\.01\)"
        )
        more(running, "kept")
        more(running, "new")
        assert source_stats(running, "stuck")["state"] == "stopping"
        (running.directory / "go").touch()
        running.wait_print("refused .*has stopped")
        totals = running.stop()
        assert (totals.delivered, totals.dropped) == (totals.posted, 0)


HELPER = "def word():\n    return '{word}'\n"
MODULE = CLASS.replace("import threading", "import threading, helper", 1).replace(
    'f"{self.name} {self.n}', 'f"{self.name}-{helper.word()} {self.n}'
)


class TestModules:
    """`python-reload-modules(yes)`."""

    def write(self, directory: Path, module: str = MODULE, word: str = "one") -> None:
        """The module of a class, and the one that it imports."""
        (directory / "mine.py").write_text(module)
        (directory / "helper.py").write_text(HELPER.format(word=word))
        (directory / "apart.py").write_text(CLASS)

    def text(self, option: str) -> str:
        """A source of each module, and one of the blocks."""
        mine = counting("mine").replace('"Counting"', '"mine.Counting"')
        apart = counting("apart").replace('"Counting"', '"apart.Counting"')
        option = f"python-reload-modules({option});" if option else ""
        return conf(mine, apart, counting("inline"), file(), options=option)

    def wait_word(self, running: Engine, word: str) -> None:
        """Waits for a message that has a word of the helper's."""
        path, wanted = running.directory / "out.log", f"mine-{word} ".encode()
        running.wait_until(
            lambda: any(line.startswith(wanted) for line in read_lines(path)), f"a message with {word}"
        )

    @pytest.mark.parametrize("option", ["", "no"])
    def test_modules_stay_unless_asked_for(self, engine: StartEngine, tmp_path: Path, option: str) -> None:
        """Without it: a SIGHUP for log rotation runs half-edited files."""
        self.write(tmp_path)
        running = start(engine, self.text(option))
        self.wait_word(running, "one")
        self.write(tmp_path, word="two")
        said = reload(running, self.text(option))
        assert said.startswith("sources: kept mine#0, apart#0, inline#0\n")
        more(running, "mine")
        assert b"mine-two" not in (tmp_path / "out.log").read_bytes()

    def test_what_changed_is_imported_anew_with_what_uses_it(
        self, engine: StartEngine, tmp_path: Path
    ) -> None:
        """Without it: new code takes a restart of the engine, or only half of it is taken."""
        self.write(tmp_path)
        running = start(engine, self.text("yes"))
        self.wait_word(running, "one")
        assert reload(running, self.text("yes")).startswith("sources: kept mine#0, apart#0, inline#0\n")
        # Of the same size and within the same second, so that a cached byte code would look fresh.
        self.write(tmp_path, word="two")
        said = reload(running, self.text("yes"))
        assert said.startswith("sources: kept apart#0, inline#0; replaced mine#0\n")
        self.wait_word(running, "two")
        assert running.stderr.find("modules that are imported anew: helper, mine")
        self.write(tmp_path, MODULE.replace("-{helper.word()}", "-{helper.word()}ly"), word="two")
        assert "replaced mine#0" in reload(running, self.text("yes"))
        self.wait_word(running, "twoly")
        # A file that was only written again has not changed.
        self.write(tmp_path, MODULE.replace("-{helper.word()}", "-{helper.word()}ly"), word="two")
        assert reload(running, self.text("yes")).startswith("sources: kept mine#0, apart#0, inline#0\n")

    @pytest.mark.parametrize("wrong", ["syntax", "raises", "init"])
    def test_a_module_that_fails_leaves_all_as_it_was(
        self, engine: StartEngine, tmp_path: Path, wrong: str
    ) -> None:
        """Without it: a typing error in a module stops a source, or leaves half of the old modules."""
        self.write(tmp_path)
        running = start(engine, self.text("yes"))
        self.wait_word(running, "one")
        self.write(tmp_path, word="two")
        text = self.text("yes")
        if wrong == "syntax":
            (tmp_path / "mine.py").write_text("class (:\n")
        elif wrong == "raises":
            (tmp_path / "mine.py").write_text(MODULE + "\nraise RuntimeError('half-way')\n")
        else:
            text = text.replace('"name" => "mine"', '"name" => "mine" "init" => no')
        said = refused(running, text)
        assert {"syntax": "SyntaxError", "raises": "half-way", "init": "returned false"}[wrong] in said
        more(running, "mine")
        more(running, "apart")
        assert b"mine-two" not in (tmp_path / "out.log").read_bytes()
        assert Counter(running.stdout.lines)["init apart"] == 1
        self.write(tmp_path, word="two")
        assert "replaced mine#0" in reload(running, self.text("yes"))
        self.wait_word(running, "two")

    def test_a_block_that_imports_a_changed_module(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a class of the configuration goes on with the old helper."""
        (tmp_path / "helper.py").write_text(HELPER.format(word="one"))
        block = "from helper import word\n" + CLASS.replace(
            'f"{self.name} {self.n}', 'f"{self.name}-{word()} {self.n}'
        )
        text = conf(counting("mine"), file(), blocks=block, options="python-reload-modules(yes);")
        running = start(engine, text)
        self.wait_word(running, "one")
        (tmp_path / "helper.py").write_text(HELPER.format(word="two"))
        assert "replaced mine#0" in reload(running, text)
        self.wait_word(running, "two")

    def test_a_package_and_what_is_imported_later(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: modules of a package, or those that run() imports, stay old."""
        package = tmp_path / "pack"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "mine.py").write_text(
            MODULE.replace("import threading, helper", "import threading").replace(
                "while not", "from .sub import helper\n        while not", 1
            )
        )
        (package / "sub").mkdir()
        (package / "sub" / "__init__.py").write_text("")
        (package / "sub" / "helper.py").write_text(HELPER.format(word="one"))
        text = conf(
            counting("mine").replace('"Counting"', '"pack.mine.Counting"'),
            file(),
            options="python-reload-modules(yes);",
        )
        running = start(engine, text)
        self.wait_word(running, "one")
        assert "kept mine#0" in reload(running, text)
        time.sleep(0.02)  # File systems have time stamps of a few milliseconds.
        (package / "sub" / "helper.py").write_text(HELPER.format(word="two"))
        assert "replaced mine#0" in reload(running, text)
        self.wait_word(running, "two")


def test_descriptions_of_many_drivers_are_whole(engine: StartEngine) -> None:
    """Without it: the answer to a reload leaves out what it did."""
    names = [f"s{number}" for number in range(40)]
    text = conf(*[counting(name, pause=0.05) for name in names], file())
    running = start(engine, text)
    said = reload(running, text.replace('"name" => "s7"', '"name" => "s7" "mark" => 1'))
    kept = re.search(r"sources: kept (.*); replaced s7#0\n", said)
    assert kept
    assert kept[1].split(", ") == [f"{name}#0" for name in names if name != "s7"]
