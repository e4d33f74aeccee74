"""`inrush check`: it tells everything that is wrong with a configuration at once, and says what a right one
consists of."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Result
from harness import inrush as command

CODE = """python {
from syslogng import LogMessage, LogSource
class Source(LogSource):
    def run(self):
        self.post_message(LogMessage("x"))
};
"""


def check(tmp_path: Path, text: str) -> Result:
    """The result of `check` for a configuration."""
    (tmp_path / "test.conf").write_text(text)
    done = command("check", "-f", "test.conf", cwd=tmp_path)
    assert "Traceback" not in done.stderr
    return done


class TestRight:
    """A configuration that can be used."""

    @pytest.mark.parametrize(
        ("text", "summary"),
        [
            (
                CODE + 'log { source { python(class("Source")); }; destination { stdout(); }; };',
                "1 source, 1 destination, 1 path",
            ),
            (
                CODE
                + """
source s { python(class("Source")); internal(); };
destination d { file("a.log"); file("b.log"); };
destination e { stdout(); };
log { source(s); destination(d); log { destination(e); log { destination { file("c.log"); }; }; }; };
log { source(s); source { internal(); }; destination(e); };
""",
                "3 sources, 4 destinations, 4 paths",
            ),
        ],
        ids=["one", "many"],
    )
    def test_it_says_what_there_is(self, tmp_path: Path, text: str, summary: str) -> None:
        """Without it: silence, and nobody knows whether all of the files were read."""
        done = check(tmp_path, f"@version: current\n{text}")
        assert (done.code, done.stdout, done.stderr) == (0, f"ok: {summary}\n", "")

    def test_warnings_are_counted(self, tmp_path: Path) -> None:
        """Without it: one warning among many lines is not seen."""
        text = f"@version: 3.38\noptions {{ flush-lines(1); }};\n{CODE}"
        text += 'log { source { python(class("Source")); }; destination { stdout(); }; };\n'
        done = check(tmp_path, text)
        assert (done.code, done.stdout) == (0, "ok: 1 source, 1 destination, 1 path\n")
        assert done.stderr.count("warning: ") == 2
        assert done.stderr.endswith("\n2 warnings\n")


class TestWrong:
    """A configuration with several mistakes."""

    def test_classes_are_looked_up_beside_other_errors(self, tmp_path: Path) -> None:
        """Without it: a wrong name hides a wrong class until it is mended."""
        text = (
            CODE
            + """
source s { python(class("Sauce") log-iw-sise(1)); python(class("nowhere.Source")); };
destination d { file("a.log" perm(999)); };
log { source(s); source(t); destination(d); flags(flow-controll); };
log { source { python(class("Source")); python(class("Event")); }; destination { stdout(); }; };
"""
        )
        done = check(tmp_path, text)
        assert (done.code, done.stdout) == (1, "")
        for said in (
            "unknown option `log-iw-sise`",
            "unknown flag `flow-controll`",
            "no source is called `t`",
            "no class `Sauce` in the python blocks",
            "cannot import `nowhere`, where class `Source` should be",
            "no class `Event` in the python blocks",
        ):
            assert done.stderr.count(said) == 1, said
        assert "no class `Source`" not in done.stderr
        assert done.stderr.endswith(f"\n{done.stderr.count('error: ')} errors, 1 warning\n")
        # In the order of their places.
        places = [int(line.split(":")[1]) for line in done.stderr.splitlines() if line.startswith(" --> ")]
        assert places == sorted(places)

    def test_a_block_that_fails_is_told_beside_other_errors(self, tmp_path: Path) -> None:
        """Without it: the mistake in the code comes to light when the file's are mended."""
        done = check(
            tmp_path, "python {\nx = y\n};\nsource s { python(class(Source)); };\nlog { source(t); };\n"
        )
        assert "NameError: name 'y' is not defined" in done.stderr
        assert "no source is called `t`" in done.stderr
        # Nobody knows whether the block has it.
        assert "no class" not in done.stderr
        assert done.stderr.endswith("\n2 errors\n")

    @pytest.mark.parametrize(
        "missing",
        ['@include "nowhere.conf"\n', "python {\nx = {\n};\n", "sauce {\npython {\nx = 1\n};\n"],
        ids=["include", "block", "statement"],
    )
    def test_what_may_be_missing_is_not_missed(self, tmp_path: Path, missing: str) -> None:
        """Without it: one mistake is told as two, of which the second one is none."""
        done = check(tmp_path, f"{missing}source s {{ python(class(Source)); }};\n")
        assert done.code == 1
        assert "no class" not in done.stderr

    def test_all_errors_are_counted(self, tmp_path: Path) -> None:
        """Without it: the count says how many are shown."""
        done = check(tmp_path, "x;\n" * 150 + "options { threaded(no); };\n")
        assert "there are 130 more errors" in done.stderr
        assert done.stderr.endswith("\n150 errors, 1 warning\n")

    def test_a_file_that_is_not_there_is_one_error(self, tmp_path: Path) -> None:
        """Without it: the words of the system alone, without a count."""
        done = command("check", "-f", "nowhere.conf", cwd=tmp_path)
        assert (done.code, done.stdout) == (1, "")
        assert "cannot read `nowhere.conf`" in done.stderr
        assert done.stderr.endswith("\n1 error\n")

    def test_errors_found_when_everything_is_read_hide_no_class(self, tmp_path: Path) -> None:
        """Without it: a user that is not known hides a class that is not there."""
        text = f"""{CODE}
source s {{ python(class("Sauce")); }};
log {{ source(s); destination {{ file("a.log" owner("no-such-user-here")); }}; }};
"""
        done = check(tmp_path, text)
        assert "no-such-user-here" in done.stderr
        assert "no class `Sauce`" in done.stderr
        assert done.stderr.endswith("\n2 errors\n")

    def test_two_sources_of_one_socket_are_refused(self, tmp_path: Path) -> None:
        """Without it: the second source takes the socket from the first, which is deaf from then on."""
        done = check(
            tmp_path,
            """@version: current
source a { unix-stream("log.sock"); };
source b { unix-dgram("./log.sock"); };
log { source(a); source(b); };
""",
        )
        assert done.code == 1
        assert "two sources make the socket ./log.sock: each needs one of its own" in done.stderr
        assert "test.conf:3" in done.stderr
        assert "the other one" in done.stderr
