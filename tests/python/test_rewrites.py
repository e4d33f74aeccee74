"""Rewrites from end to end: what a Python source sets is changed on its way, and written."""

from __future__ import annotations

import signal

from harness import StartEngine

CONF = """@version: current
python {
import threading
from syslogng import LogMessage, LogSource

class Source(LogSource):
    def init(self, options):
        self.exiting = threading.Event()
        return True

    def run(self):
        number = 0
        while not self.exiting.wait(0.001):
            msg = LogMessage("text %d" % number)
            msg["PROGRAM"] = "prog"
            msg["number"] = number
            msg["user"] = "root"
            self.post_message(msg)
            number += 1

    def request_exit(self):
        self.exiting.set()
};
source s { python(class("Source") tags("own")); };
rewrite r {
    subst("text" "TEXT" condition(program("prog" type(string))));
    rename("user" ".auth.user");
    set("$(+ $number 1)" value("next"));
    clear-tag("own"); set-tag("REPLACED"); set-severity("err");
};
log {
    source(s);
    log { rewrite(r); destination { file("changed.log" template("$MSG|${.auth.user}$user|$next|$TAGS|$LEVEL\\n")); }; };
    log { destination { file("plain.log" template("$MSG|${.auth.user}$user|$next|$LEVEL\\n")); }; };
    flags(flow-control);
};
"""


def test_what_python_sets_is_rewritten_on_its_way(engine: StartEngine) -> None:
    """Without it: a value of Python is lost in a rewrite, another branch has what this one changed, or a reload
    goes on with the rewrites of before."""
    running = engine(CONF.replace("REPLACED", "before"))
    running.wait_lines("changed.log", 20)
    path = running.directory / "test.conf"
    path.write_text(CONF.replace("REPLACED", "after"))
    running.send_signal(signal.SIGHUP)
    running.wait_until(
        lambda: b"|.source.s,after|" in (running.directory / "changed.log").read_bytes(), "the new tag"
    )
    totals = running.stop()
    changed = (running.directory / "changed.log").read_text().splitlines()
    plain = (running.directory / "plain.log").read_text().splitlines()
    assert totals.posted == len(changed) == len(plain)
    for change, same in zip(changed, plain, strict=True):
        text, user, following, tags, level = change.split("|")
        number = int(text.removeprefix("TEXT "))
        assert (user, following, level) == ("root", str(number + 1), "err")
        assert tags in (".source.s,before", ".source.s,after")
        assert same == f"text {number}|root||notice"
