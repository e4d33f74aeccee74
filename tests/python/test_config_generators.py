"""Generators of configuration: commands, and functions of Python."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import syslogng
from harness import StartEngine, inrush, ran
from inrush import testing as inrush_testing

PATHS = 'log { source(s); destination { file("out.log" template("$MSG $TAGS\\n")); }; };\n'
CONFIGURATION = """
python {
from syslogng import LogMessage, LogSource, register_config_generator

class Hello(LogSource):
    def run(self):
        self.post_message(LogMessage("hello"))

def door(arguments):
    tags = arguments.get("tag_name", '"none"')
    return f'python(class("Hello") persist-name({tags}) tags({tags}));'

register_config_generator("source", "door", door)
register_config_generator(context="root", name="whole-path", config_generator=lambda arguments: f'''
source s_{arguments["name"]} {{ door(tag-name({arguments["name"]})); }};
log {{ source(s_{arguments["name"]}); destination {{ file("{arguments["name"]}.log" template("$TAGS\\\\n")); }}; }};
''')
};
"""


def test_functions_of_python_make_configuration(engine: StartEngine) -> None:
    """Without it: a driver of a library that is written as a generator does not run."""
    running = engine(
        CONFIGURATION + 'source s { door(tag-name("a b")); };\n' + PATHS + "whole-path(name(other));\n"
    )
    assert b'"a b"' in running.wait_lines("out.log", 1)[0]
    assert b"other" in running.wait_lines("other.log", 1)[0].split(b",")
    running.stop()


def test_blocks_run_once_although_the_file_is_read_twice(tmp_path: Path) -> None:
    """Without it: what the code of a configuration does once is done twice."""
    count = 'python {\nwith open("ran", "a") as file:\n    file.write("x")\n};\n'
    (tmp_path / "test.conf").write_text(count + CONFIGURATION + "source s { door(); };\n" + PATHS)
    done = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert (done.code, done.stdout) == (0, "ok: 1 source, 1 destination, 1 path\n"), done.stderr
    assert (tmp_path / "ran").read_text() == "x"


def test_a_configuration_from_a_pipe_may_have_generators(tmp_path: Path) -> None:
    """Without it: the second reading of a pipe finds nothing."""
    (tmp_path / "test.conf").write_text(CONFIGURATION + "source s { door(); };\n" + PATHS)
    check = f"cat test.conf | {sys.executable} -m inrush check -f /dev/stdin"
    done = ran("/bin/sh", "-c", check, cwd=tmp_path)
    assert done.code == 0, done.stderr


def test_a_generator_that_raises_is_shown_with_its_traceback(tmp_path: Path) -> None:
    """Without it: the error of a generator does not say where it is used, or where it went wrong."""
    (tmp_path / "test.conf").write_text(
        """python {
from syslogng import register_config_generator
def door(arguments):
    raise ValueError(f"no door in {arguments}")
register_config_generator("source", "door", door)
register_config_generator("source", "number", lambda arguments: 5)
};
source s { door(a-b("c")); };
source t { number(); };
log { source(s); };
"""
    )
    done = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 1
    assert "the generator `door` fails: ValueError: no door in {'a_b': '\"c\"'}" in done.stderr
    assert "test.conf:8:12" in done.stderr
    assert 'test.conf", line 4, in door' in done.stderr
    assert "str or bytes expected of a generator, got int" in done.stderr


def test_classes_beside_generators_can_be_tested(tmp_path: Path) -> None:
    """Without it: the classes of a configuration that generates a part of itself cannot be loaded in a test."""
    (tmp_path / "test.conf").write_text(CONFIGURATION + "source s { door(); };\n" + PATHS)
    loaded = inrush_testing.load(tmp_path / "test.conf")
    assert issubclass(loaded.Hello, syslogng.LogSource)
    (tmp_path / "test.conf").write_text(CONFIGURATION + "source s { doors(); };\n" + PATHS)
    with pytest.raises(RuntimeError, match="did you mean `door`"):
        inrush_testing.load(tmp_path / "test.conf")


def test_an_unknown_word_stays_one(tmp_path: Path) -> None:
    """Without it: with a generator in the file, a misspelt word is not told any more, or not with its nearest."""
    (tmp_path / "test.conf").write_text(CONFIGURATION + "source s { doors(); internl(); };\n" + PATHS)
    done = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.count("error: ") == 2
    assert "did you mean `door`?" in done.stderr
    assert "did you mean `internal`?" in done.stderr


def test_a_reload_takes_the_generators_of_the_new_blocks(engine: StartEngine) -> None:
    """Without it: a generator that the file no longer has goes on to be used after a reload."""
    running = engine(CONFIGURATION + "source s { door(); };\n" + PATHS)
    running.wait_lines("out.log", 1)
    path = running.directory / "test.conf"
    path.write_text(path.read_text().replace("tags({tags})", 'tags("new")'))
    running.send_signal(signal.SIGHUP)
    running.wait_log("inrush: reloaded")
    assert b"new" in running.wait_lines("out.log", 2)[1]
    path.write_text("python { x = 1 };\nsource s { door(); };\n" + PATHS)
    running.send_signal(signal.SIGHUP)
    running.wait_log("unknown source driver `door`")
    running.stop()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("sauce", "x", print), "ValueError: .*sauce"),
        (("source", "x", "text"), "TypeError: .*callable expected, got str"),
    ],
)
def test_what_cannot_be_registered_is_refused(arguments: tuple[str, str, object], error: str) -> None:
    """Without it: a generator that can never be used is taken."""
    register: Any = syslogng.register_config_generator
    with pytest.raises((ValueError, TypeError)) as raised:
        register(*arguments)
    kind, _, text = error.partition(": ")
    assert type(raised.value).__name__ == kind
    raised.match(text)


def test_commands_make_configuration(engine: StartEngine) -> None:
    """Without it: `@module confgen` is read and its command never runs."""
    made = r"example-msg-generator(num(1) template(\"$confgen_text$n\"));"
    running = engine(
        f"""@module confgen context(source) name(lines) exec('for n in a b; do echo "{made}"; done')
source s {{ lines(text(line-)); }};
log {{ source(s); destination {{ file("out.log" template("$MSG\n")); }}; }};
"""
    )
    assert sorted(running.wait_lines("out.log", 2)) == [b"line-a", b"line-b"]
    running.stop()
