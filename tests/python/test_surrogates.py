"""Texts with a lone surrogate, as every file name has that is not UTF-8: nothing that the engine says loses
its other characters."""

from __future__ import annotations

import json

import pytest

from harness import StartEngine, inrush, source, source_that

NAME = 'os.fsdecode(b"caf\\xe9.log")'
HEAD = "python {\nimport os\n};"


@pytest.mark.parametrize(
    ("methods", "method"),
    [
        ("def run(self):\n    raise ValueError('no such log: ' + NAME)", "run"),
        (
            "def run(self):\n    print('done', flush=True)\n    self.sleep(1000)\n"
            "def request_exit(self):\n    raise ValueError('no such log: ' + NAME)",
            "request_exit",
        ),
        (
            "def init(self, options):\n    from syslogng import InstantAckTracker\n"
            "    self.ack_tracker = InstantAckTracker(self.acked)\n    return True\n"
            "def acked(self, bookmark):\n    raise ValueError('no such log: ' + NAME)\n"
            "def run(self):\n    self.post_message('m', bookmark=1)",
            "Bookmark.ack_callback",
        ),
    ],
)
def test_exceptions(engine: StartEngine, methods: str, method: str) -> None:
    """Without it: class, place and text of an exception are lost for one odd character."""
    conf = source(methods.replace("NAME", NAME), head=HEAD, driver="restart(never)")
    running = engine(conf, "--control", "ctl")
    if method == "request_exit":
        running.wait_print("done")
        running.stop()
    running.wait_log(
        rf"error: source s_test#0 \(class Source\): {method}\(\) raised an exception\n"
        r"    Traceback(?s:.*)test\.conf\", line \d+, in \w+\n(?s:.*)ValueError: no such log: caf\\udce9\.log"
    )
    if method != "request_exit":
        asked = inrush("ctl", "sources", "--json", "--control", "ctl", cwd=running.directory)
        found = json.loads(asked.stdout)["sources"][0]
        assert found["last_error"] == rf"{method}(): ValueError: no such log: caf\udce9.log"


@pytest.mark.parametrize("place", ["constructor", "init", "block"])
def test_diagnostics(engine: StartEngine, place: str) -> None:
    """Without it: a configuration is refused without a reason."""
    raising = f"raise ValueError('no such log: ' + {NAME})"
    methods = {
        "constructor": f"def __init__(self): {raising}\ndef run(self): pass",
        "init": f"def init(self, options): {raising}\ndef run(self): pass",
        "block": "def run(self): pass",
    }[place]
    head = f"python {{\nimport os\n{raising}\n}};" if place == "block" else HEAD
    running = engine(source(methods, head=head), started=False)
    assert running.wait_exit() == 1
    said = r"ValueError: no such log: caf\\udce9\.log"
    # What a block raises is shown at its own line.
    assert running.stderr.find(
        rf"{said}\n     --> \S*test\.conf:4:1" if place == "block" else rf"line \d+(?s:.*){said}"
    )


def test_the_log(engine: StartEngine) -> None:
    """Without it: a file name in a record becomes three question marks, and cannot be found."""
    run = f"""
    import logging
    from syslogng import Logger
    Logger().error("one " + {NAME})
    logging.getLogger("lib").error("two %s", {NAME})
    thread = threading.Thread(target=time.sleep, args=(1000,), name="three " + {NAME}, daemon=True)
    thread.start()
    """
    running = engine(source_that(run, head=HEAD), "-v")
    running.wait_print("done")
    running.stop()
    for text in ("one", "python-lib: two", "threads that have not ended: three"):
        assert running.stderr.find(rf"{text} caf\\udce9\.log"), running.report()


def test_a_fetcher(engine: StartEngine) -> None:
    """Without it: the reason that a fetcher gives for an ERROR is not what it said."""
    conf = f"""@version: current
python {{
import os
from syslogng import LogFetcher
class Source(LogFetcher):
    def fetch(self):
        return self.ERROR, "no such log: " + {NAME}
}};
source s_test {{ python-fetcher(class("Source")); }};
log {{ source(s_test); destination {{ file("out.log"); }}; }};
"""
    running = engine(conf)
    running.wait_log(r"fetch\(\) returned ERROR: no such log: caf\\udce9\.log")
