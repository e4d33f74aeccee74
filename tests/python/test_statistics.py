"""Statistics of sources and destinations, as JSON, as tables and for Prometheus."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from typing import Any

import pytest

from harness import Engine, StartEngine, gone, source, source_that
from harness import inrush as command

COLUMNS = 100
# A destination that cannot write is tried again soon.
SOON = "options { time-reopen(0.05); };"


def start(engine: StartEngine, conf: str, *arguments: str) -> Engine:
    """An engine that can be asked."""
    return engine(conf, "--control", "control", *arguments)


def ctl(running: Engine, *words: str) -> str:
    """The output of `inrush ctl`, which must succeed."""
    done = command("ctl", "--control", "control", *words, cwd=running.directory)
    assert (done.code, done.stderr) == (0, ""), (done, running.report())
    return done.stdout


def stats(running: Engine) -> Any:
    """The statistics as JSON."""
    return json.loads(ctl(running, "stats", "--json"))


def of_source(running: Engine) -> Any:
    """Those of the only source."""
    (found,) = stats(running)["sources"]
    return found


def of_destination(running: Engine) -> Any:
    """Those of the only destination."""
    (found,) = stats(running)["destinations"]
    return found


def rows(text: str) -> dict[str, str]:
    """The cells of all tables by their headings; of tables with one row each."""
    cells: dict[str, str] = {}
    for table in text.split("\n\n"):
        lines = table.splitlines()
        if not re.match(r"SOURCE|DESTINATION", lines[0]):
            continue
        headings = re.split(r"\s{2,}", lines[0])
        kind = "" if headings[0] == "SOURCE" else "TO "
        cells |= dict(
            zip((kind + heading for heading in headings), re.split(r"\s{2,}", lines[1]), strict=True)
        )
    return cells


def metrics(running: Engine) -> dict[str, float]:
    """The metrics of destinations, by name."""
    found = running.wait_log(r"metrics at (http://\S+)")
    with urllib.request.urlopen(found[1], timeout=40) as answer:
        text = answer.read().decode()
    return {
        name: float(value)
        for name, value in re.findall(r"(?m)^(inrush_destination_\w+)\{[^}]*\} (\S+)$", text)
    }


class TestDestinations:
    """Retries of a destination."""

    def test_retries_and_errors(self, engine: StartEngine) -> None:
        """Without it: nobody sees that a destination has been trying for hours, or that it has recovered."""
        conf = gone(source_that("for n in range(30): self.post_message(str(n))", head=SOON))
        running = start(engine, conf, "--metrics", "0")
        running.wait_until(lambda: of_destination(running)["retries"] >= 3, "retries")
        found = of_destination(running)
        # Each attempt failed up to here: the first, and those after it.
        assert found["errors"] in (found["retries"], found["retries"] + 1)
        assert (found["in_flight"], found["delivered"], found["suspended"]) == (30, 0, True)
        shown = metrics(running)
        assert shown["inrush_destination_retries_total"] >= found["retries"]
        assert shown["inrush_destination_errors_total"] >= found["errors"]
        assert shown["inrush_destination_queued"] == 30
        running.make_gone()
        running.wait_lines("gone/out.log", 30)
        running.wait_until(lambda: of_destination(running)["delivered"] == 30, "the count")
        found = of_destination(running)
        # The last attempt was none that failed.
        assert found["errors"] == found["retries"]
        cells = rows(ctl(running, "stats"))
        assert int(cells["TO RETRIES"]) == found["retries"]
        assert int(cells["TO ERRORS"]) == found["errors"]
        assert (cells["TO RECEIVED"], cells["TO WRITTEN"], cells["TO QUEUED"]) == ("30", "30", "0")
        assert cells["TO STATE"] == "writing"
        assert metrics(running)["inrush_destination_written_total"] == 30


class TestTables:
    """`inrush ctl stats` and `inrush ctl sources`."""

    def test_every_number_of_a_source_is_shown(self, engine: StartEngine) -> None:
        """Without it: what is wrong with a source is only in a form for programs."""
        conf = gone(
            source_that(
                """
                self.runs = getattr(self, "runs", 0) + 1
                if self.runs == 1: raise ValueError("no luck " * 30)
                for n in range(100): self.post_message(str(n))
                """,
                driver="log-iw-size(10) restart-backoff(0.01 0.01)",
                head=SOON,
            )
        )
        running = start(engine, conf)
        running.wait_until(lambda: of_source(running)["blocked_seconds"] > 0.01, "a wait")
        found = of_source(running)
        text = ctl(running, "stats")
        cells = rows(text)
        for heading, name in [
            ("POSTED", "posted"),
            ("DELIVERED", "delivered"),
            ("IN FLIGHT", "in_flight"),
            ("SUSPENSIONS", "suspensions"),
            ("EXCEPTIONS", "exceptions"),
            ("RESTARTS", "restarts"),
            ("REFUSED", "refused"),
            ("STATE", "state"),
        ]:
            assert cells[heading] == str(found[name]), (heading, text)
        assert (found["exceptions"], found["restarts"], found["posted"]) == (1, 1, 10)
        assert cells["CREDIT"] == "0 of 10"
        for heading in ("BLOCKED", "OLDEST", "GIL IN POSTS"):
            assert re.fullmatch(r"[\d.]+ (ms|s|min \d+ s)", cells[heading]), (heading, text)
        assert cells["DROPPED"] == "0"
        assert "REASON" not in cells
        assert cells["LAST ERROR"].startswith("run(): ValueError: no luck")
        short = ctl(running, "sources")
        for line in (*text.splitlines(), *short.splitlines()):
            assert len(line) <= COLUMNS, line
        # All of it, in lines that fit.
        assert " ".join(("no luck " * 30).split()) in " ".join(short.split())
        running.make_gone()

    def test_drops_by_reason(self, engine: StartEngine) -> None:
        """Without it: nobody sees why messages were dropped."""
        conf = gone(source_that("for n in range(100): self.post_message(str(n))", head=SOON))
        conf = conf.replace("; flags(flow-control);", ";").replace(
            'template("$MSG\\n")', 'template("$MSG\\n") log-fifo-size(7)'
        )
        # What comes before the destination finds out that it cannot write is not dropped: so one is sent
        # ahead.
        conf = conf.replace(
            "for n in range(100)",
            "self.post_message('first')\n"
            "        import pathlib\n"
            "        while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
            "        for n in range(100)",
        )
        running = start(engine, conf)
        running.wait_until(lambda: of_destination(running)["suspended"] is True, "trouble")
        (running.directory / "go").touch()
        running.wait_print("done")
        running.wait_until(lambda: of_destination(running)["dropped"] == 94, "all but a queue dropped")
        running.make_gone()
        running.wait_until(lambda: of_source(running)["in_flight"] == 0, "the outcome")
        reasons = ("stopped", "fault", "unwritable_path", "removed", "refused")
        assert of_source(running)["dropped"] == {"queue_full": 94, **dict.fromkeys(reasons, 0)}
        text = ctl(running, "stats")
        assert re.search(r"(?m)^s_test#0 +94  queue_full$", text), text
        assert "stopped" not in text


class TestBlocked:
    """`blocked_seconds`"""

    def test_a_suspended_source_is_not_blocked_after_its_end(self, engine: StartEngine) -> None:
        """Without it: a source that is gone counts as blocked until the engine ends."""
        body = """
        def init(self, options):
            self.may = threading.Event()
            self.may.set()
            return True

        def run(self):
            while not self.exit_requested:
                if self.may.wait(0.02):
                    self.post_message("x")

        def suspend(self):
            self.may.clear()

        def wakeup(self):
            self.may.set()

        def request_exit(self):
            pass
        """
        conf = gone(source(body, driver="log-iw-size(10)", head=SOON))
        running = start(engine, conf)
        running.wait_until(lambda: of_source(running)["blocked_seconds"] > 0.05, "a suspension")
        # Without its log path the source goes; what it posted stays with its destination.
        other = "log { source { internal(); }; flags(flow-control); };"
        (running.directory / "test.conf").write_text(conf[: conf.index("log {")] + other)
        assert "stopped s_test#0" in ctl(running, "reload")

        def gone_source() -> Any:
            [found] = [one for one in stats(running)["sources"] if one["id"] == "s_test#0"]
            return found

        found = gone_source()
        assert (found["state"], found["in_flight"]) == ("ended", 10)
        time.sleep(0.1)
        assert gone_source()["blocked_seconds"] == found["blocked_seconds"]
        running.make_gone()


BOOKMARKS = """
def init(self, options):
    import inrush
    self.ack_tracker = inrush.InstantAckTracker(lambda bookmark: None)
    return True

def run(self):
    print("done", flush=True)
    while not self.exit_requested:
        self.sleep(0.05)

def request_exit(self):
    pass
"""
UNHELD = "has an ack tracker, and this log path no flags"


class TestBookmarksWithoutFlowControl:
    """An ack tracker on a path where an acknowledgement does not mean delivered."""

    def test_it_is_said_once_with_both_places(self, engine: StartEngine) -> None:
        """Without it: a user believes that nothing is lost, and finds out when a disk is full."""
        conf = source(BOOKMARKS).replace("flags(flow-control);", "")
        running = start(engine, conf)
        lines = conf.splitlines()
        at = 1 + next(number for number, line in enumerate(lines) if line.startswith("source"))
        path = 1 + next(number for number, line in enumerate(lines) if line.startswith("log"))
        found = running.wait_log(rf"source s_test#0 \(class Source\), at \S*test\.conf:{at}, {UNHELD}.*")
        assert re.search(rf"test\.conf:{path}:\d+", running.stderr.text), running.report()
        assert "`" in found[0]
        assert "add flags(flow-control)" in running.stderr.text
        ctl(running, "reload")
        ctl(running, "reload")
        assert running.stderr.text.count(UNHELD) == 1

    @pytest.mark.parametrize(
        "conf",
        [
            source(BOOKMARKS),
            source(BOOKMARKS, head="options { log-flow-control(yes); };").replace("flags(flow-control);", ""),
            source_that("pass").replace("flags(flow-control);", ""),
        ],
        ids=["flow-control", "log-flow-control", "no-tracker"],
    )
    def test_it_is_not_said_of_others(self, engine: StartEngine, conf: str) -> None:
        """Without it: nobody reads the warning any more."""
        running = start(engine, conf)
        running.wait_print("done")
        running.stop()
        assert UNHELD not in running.stderr.text

    def test_it_is_said_when_a_reload_takes_flow_control_away(self, engine: StartEngine) -> None:
        """Without it: a slip in a later edit is as silent as before."""
        running = start(engine, source(BOOKMARKS))
        running.wait_print("done")
        (running.directory / "test.conf").write_text(source(BOOKMARKS).replace("flags(flow-control);", ""))
        assert "kept s_test#0" in ctl(running, "reload")
        assert running.stderr.text.count(UNHELD) == 1


class TestSupervision:
    """Sources that fail, and when they are called again."""

    def test_pauses_grow_and_are_counted(self, engine: StartEngine) -> None:
        """Without it: a source that fails at once keeps the machine busy, or nobody sees that it fails."""
        conf = source_that(
            """
            self.runs = getattr(self, "runs", 0) + 1
            if self.runs < 5: raise ValueError(f"the {self.runs}.")
            """,
            driver="restart-backoff(0.2 0.8)",
        )
        running = start(engine, conf)
        running.wait_print("done")
        pauses = [float(pause) for pause in re.findall(r"called again in ([\d.]+) s", running.stderr.text)]
        assert len(pauses) == 4
        for pause, expected in zip(pauses, [0.2, 0.4, 0.8, 0.8], strict=True):
            # Jitter of a quarter, and rounded to tenths.
            assert 0.75 * expected - 0.051 <= pause <= 1.25 * expected + 0.051, pauses
        found = of_source(running)
        assert (found["exceptions"], found["restarts"], found["state"]) == (4, 4, "running")
        assert found["last_error"] == "run(): ValueError: the 4."

    def test_a_source_that_is_not_called_again(self, engine: StartEngine) -> None:
        """Without it: the end of a source that failed for good is a line in an old log."""
        conf = source_that("raise ValueError('the last')", driver="restart(never)")
        running = start(engine, conf)
        running.wait_until(lambda: of_source(running)["state"] == "ended", "its end")
        found = of_source(running)
        assert (found["exceptions"], found["restarts"]) == (1, 0)
        assert found["last_error"] == "run(): ValueError: the last"


GENERATES = """
@staticmethod
def generate_persist_name(options):
    return options["name"]

def run(self):
    pass

def request_exit(self):
    pass
"""


def named(*drivers: str) -> tuple[str, list[int]]:
    """A configuration with these drivers, a statement each, and their lines."""
    text = source(GENERATES)
    text = text[: text.index("source s_test")]
    fetcher = "class Fetcher(LogFetcher):\n    def fetch(self):\n        return (self.NO_DATA,)\n"
    text = text.replace("import LogMessage, LogSource", "import LogFetcher, LogMessage, LogSource")
    text = text.replace("};\n", fetcher + "};\n", 1)
    lines = []
    for number, driver in enumerate(drivers):
        lines.append(text.count("\n") + 1)
        text += f"source s_{number} {{ {driver}; }};\n"
    text += 'log { source(s_0); source(s_1); destination { file("out.log"); }; };\n'
    return text, lines


class TestPersistNames:
    """Two drivers that would keep their state in one place."""

    @pytest.mark.parametrize(
        ("first", "second", "name"),
        [
            (
                'python(class("Source") options("name" "a") persist-name("p"))',
                'python(class("Source") options("name" "b") persist-name("p"))',
                "python-source.p",
            ),
            (
                'python(class("Source") options("name" "a"))',
                'python(class("Source") options("name" "a"))',
                "python-source.a",
            ),
            (
                'python(class("Source") options("name" "a"))',
                'python(class("Source") options("name" "b") persist-name("a"))',
                "python-source.a",
            ),
            (
                'python-fetcher(class("Fetcher"))',
                'python-fetcher(class("Fetcher"))',
                "python-fetcher(Fetcher)",
            ),
            (
                'python-fetcher(class("Fetcher") persist-name("p"))',
                'python(class("Fetcher") persist-name("p"))',
                "python-fetcher.p",
            ),
        ],
        ids=["given", "generated", "given-and-generated", "fetchers", "fetcher-in-python"],
    )
    def test_clashes_name_both_places(self, engine: StartEngine, first: str, second: str, name: str) -> None:
        """Without it: two sources overwrite each other's place, and each loses or repeats messages."""
        text, (one, other) = named(first, second)
        running = engine(text, started=False)
        assert running.wait_exit() == 1
        assert f"two sources have the persist name `{name}`" in running.stderr.text
        assert re.search(rf"test\.conf:{other}:\d+", running.stderr.text), running.report()
        assert re.search(rf"the other is at \S*test\.conf:{one}\b", running.stderr.text), running.report()

    def test_others_may_share_a_name(self, engine: StartEngine) -> None:
        """Without it: a source and a fetcher of one name refuse each other."""
        text, _ = named(
            'python(class("Source") options("name" "a") persist-name("p"))',
            'python-fetcher(class("Fetcher") persist-name("p"))',
        )
        engine(text).stop()
