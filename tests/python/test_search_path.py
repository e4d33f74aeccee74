"""The search path: where the modules of a configuration are looked for, and what is said when one is not
there."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from harness import Engine, StartEngine, ran
from harness import inrush as command
from inrush.testing import load, run

MODULE = """
from syslogng import LogMessage, LogSource
class Source(LogSource):
    def run(self):
        self.post_message(LogMessage({text!r}))
        print("done", flush=True)
        while self.sleep(3600):
            pass
"""


def conf(name: str = "own.Source", *, head: str = "", options: str = "") -> str:
    """A configuration that names a class of a module."""
    return f"""@version: current
options {{ {head} }};
source s {{ python(class("{name}") {options}); }};
log {{ source(s); destination {{ file("out.log" template("$MSG\\n")); }}; flags(flow-control); }};
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """The directory of the configuration, which is not the current one."""
    directory = tmp_path / "etc"
    directory.mkdir()
    return directory


def module(path: Path, text: str = "x") -> None:
    """A module with a source that posts `text`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MODULE.format(text=text))


class TestBeside:
    """The directory of the configuration comes first, however the engine is started."""

    @pytest.mark.parametrize("as_module", [True, False], ids=["module", "script"])
    def test_check_finds_it(self, tmp_path: Path, etc: Path, as_module: bool) -> None:
        """Without it: `inrush` does not find what `python -m inrush` finds, from one directory and not from
        another."""
        module(etc / "own.py")
        # Neither the current directory nor that of the script is searched.
        module(tmp_path / "other.py")
        (etc / "test.conf").write_text(conf())
        (etc / "other.conf").write_text(conf("other.Source"))
        started = [sys.executable, "-m", "inrush"] if as_module else [Path(sys.executable).parent / "inrush"]
        for name, code in [("test.conf", 0), ("other.conf", 1)]:
            done = ran(*started, "check", "-f", etc / name, cwd=tmp_path)
            assert done.code == code, done.stderr

    def test_run_finds_it_before_all_others(self, engine: StartEngine, tmp_path: Path, etc: Path) -> None:
        """Without it: a module of the same name that is installed somewhere is run instead."""
        module(etc / "own.py", "beside")
        module(tmp_path / "elsewhere" / "own.py", "elsewhere")
        env = {"PYTHONPATH": str(tmp_path / "elsewhere")}
        running = engine(conf(), name="etc/test.conf", env=env)
        assert running.wait_lines("out.log", 1) == [b"beside"]

    def test_pythonpath_is_still_searched(self, engine: StartEngine, tmp_path: Path, etc: Path) -> None:
        """Without it: what a service file says is of no use."""
        module(tmp_path / "elsewhere" / "own.py", "elsewhere")
        running = engine(conf(), name="etc/test.conf", env={"PYTHONPATH": str(tmp_path / "elsewhere")})
        assert running.wait_lines("out.log", 1) == [b"elsewhere"]

    def test_blocks_and_loaders_search_there(self, tmp_path: Path, etc: Path) -> None:
        """Without it: a class is found, and what a block or loaders() imports is not."""
        module(etc / "own.py")
        (etc / "loaded.py").write_text("print('loaded')")
        block = "python {\nimport own\nSource = own.Source\n};\n"
        (etc / "test.conf").write_text(block + conf("Source", options="loaders(loaded)"))
        done = command("check", "-f", "etc/test.conf", cwd=tmp_path)
        assert (done.code, "loaded" in done.stdout) == (0, True), done.stderr

    def test_blocks_of_a_test_search_there(self, etc: Path) -> None:
        """Without it: a configuration that the engine takes cannot be tested."""
        (etc / "only_for_this_test.py").write_text(MODULE.format(text="tested"))
        (etc / "test.conf").write_text("python {\nfrom only_for_this_test import Source\n};\n")
        assert run(load(etc / "test.conf").Source, messages=1).texts == [b"tested"]


class TestPythonPath:
    """`python-path()`"""

    def test_directories_are_searched_in_their_order(
        self, engine: StartEngine, tmp_path: Path, etc: Path
    ) -> None:
        """Without it: modules have to lie beside the configuration."""
        for directory in ("etc/lib", "etc/later", "absolute"):
            module(tmp_path / directory / "own.py", directory)
        module(tmp_path / "absolute" / "other.py", "other")
        head = f'python-path("lib", "later"); python-path("{tmp_path}/absolute");'
        running = engine(conf(head=head), name="etc/test.conf")
        assert running.wait_lines("out.log", 1) == [b"etc/lib"]
        (etc / "other.conf").write_text(conf("other.Source", head=head))
        assert command("check", "-f", "etc/other.conf", cwd=tmp_path).code == 0

    def test_a_directory_that_is_not_there_is_a_warning_at_its_place(self, tmp_path: Path, etc: Path) -> None:
        """Without it: a misspelt directory is seen only by what is not found in it."""
        module(etc / "own.py")
        (etc / "file").touch()
        (etc / "test.conf").write_text(conf(head='python-path("lib" "file");'))
        done = command("check", "-f", "etc/test.conf", cwd=tmp_path)
        assert done.code == 0
        assert f"warning: `{etc}/lib` does not exist: no module will be found there" in done.stderr
        assert "test.conf:2:23" in done.stderr
        assert f"warning: `{etc}/file` is no directory" in done.stderr

    def test_a_reload_searches_the_new_directories(self, engine: StartEngine, etc: Path) -> None:
        """Without it: python-path() takes effect at the next start only, or a refused one does."""
        module(etc / "one" / "own.py", "one")
        module(etc / "two" / "own.py", "two")
        module(etc / "two" / "more.py", "more")

        def reload(running: Engine, text: str) -> None:
            (etc / "test.conf").write_text(text)
            running.send_signal(signal.SIGHUP)

        running = engine(conf(head='python-path("one");'), name="etc/test.conf")
        assert running.wait_lines("out.log", 1) == [b"one"]
        # Refused, so the directories are the old ones: `more` is only in the new ones.
        reload(running, conf("more.Sauce", head='python-path("two");'))
        running.wait_log("module `more` has no class `Sauce`")
        reload(running, conf("more.Source", head='python-path("one");'))
        running.wait_log("cannot import `more`")
        reload(running, conf("more.Source", head='python-path("two");'))
        assert running.wait_lines("out.log", 2)[1:] == [b"more"]
        # The imported module stays, unless it is wanted anew.
        reload(running, conf(head='python-path("two");'))
        assert running.wait_lines("out.log", 3)[2:] == [b"one"]
        reload(running, conf(head='python-path("two"); python-reload-modules(yes);'))
        running.wait_lines("out.log", 3)
        reload(running, conf(head='python-path("one"); python-reload-modules(yes);', options="tags(x)"))
        assert running.wait_lines("out.log", 4)[3:] == [b"one"]
        reload(running, conf(head='python-path("two"); python-reload-modules(yes);'))
        running.wait_log("imported anew: own")
        assert running.wait_lines("out.log", 5)[4:] == [b"two"]

    def test_modules_from_there_are_imported_anew(self, engine: StartEngine, etc: Path) -> None:
        """Without it: python-reload-modules(yes) does not see what lies beside the configuration."""
        module(etc / "lib" / "own.py", "before")
        running = engine(conf(head='python-path("lib"); python-reload-modules(yes);'), name="etc/test.conf")
        assert running.wait_lines("out.log", 1) == [b"before"]
        module(etc / "lib" / "own.py", "after")
        running.send_signal(signal.SIGHUP)
        assert running.wait_lines("out.log", 2)[1:] == [b"after"]


class TestNotFound:
    """An import error says where it looked, and what lies near."""

    def said(self, tmp_path: Path, text: str) -> str:
        """The words of `check` about a configuration."""
        (tmp_path / "etc" / "test.conf").write_text(text)
        done = command("check", "-f", "etc/test.conf", cwd=tmp_path)
        assert done.code == 1
        return done.stderr

    def test_where_it_looked(self, tmp_path: Path, etc: Path) -> None:
        """Without it: nobody knows which directories count."""
        said = self.said(tmp_path, conf(head='python-path("lib");'))
        assert "cannot import `own`, where class `Source` should be" in said
        assert "test.conf:3:25" in said
        assert "`own` was looked for in" in said
        assert f"{etc} (the configuration's directory)" in said
        assert f"{etc}/lib (python-path(), does not exist)" in said
        assert "site-packages" in said
        # The interpreter's own words add nothing.
        assert "Traceback" not in said

    @pytest.mark.parametrize(
        ("file", "name", "hint"),
        [
            ("etc/own-source.py", "own_source", "a module's name has no `-`"),
            ("etc/Own.py", "own", "the name is another one: rename it to `own.py`"),
            ("etc/lib/own.py", "own", 'options { python-path("'),
            ("own.py", "own", 'options { python-path("'),
            ("etc/ownsource.py", "ownsauce", "did you mean `ownsource`"),
            ("etc/pack/__init__.py", "pack.own", "package pack"),
        ],
    )
    def test_what_lies_near(self, tmp_path: Path, etc: Path, file: str, name: str, hint: str) -> None:
        """Without it: a file with a dash in its name is looked at for an hour."""
        module(tmp_path / file)
        said = self.said(tmp_path, conf(f"{name}.Source"))
        assert hint in said
        assert str((tmp_path / file).parent) in said

    def test_a_module_that_is_missing_in_another_one(self, tmp_path: Path, etc: Path) -> None:
        """Without it: the module that is there is blamed for the one that is not."""
        (etc / "own.py").write_text("import missing_one\n")
        said = self.said(tmp_path, conf())
        assert 'own.py", line 1, in <module>' in said
        assert "`missing_one` was looked for in" in said

    def test_loaders_and_blocks_say_it_too(self, tmp_path: Path, etc: Path) -> None:
        """Without it: the same mistake has good words in one place, and none in another."""
        module(etc / "own.py")
        (etc / "test.conf").write_text(conf(options="loaders(missing_one)"))
        done = command("check", "-f", "etc/test.conf", cwd=tmp_path)
        assert "loaders(): cannot import `missing_one`" in done.stderr
        assert "test.conf:3:47" in done.stderr
        assert "`missing_one` was looked for in" in done.stderr
        said = self.said(tmp_path, "python {\nx = 1\nimport missing_two\n};\n" + conf())
        assert "ModuleNotFoundError: No module named 'missing_two'" in said
        assert "test.conf:3:1" in said
        assert "`missing_two` was looked for in" in said

    def test_a_class_that_a_module_does_not_have(self, tmp_path: Path, etc: Path) -> None:
        """Without it: one looks into a file that is not the one that was imported."""
        module(etc / "own.py")
        said = self.said(tmp_path, conf("own.Sauce"))
        assert "module `own` has no class `Sauce`" in said
        assert f"the module is {etc}/own.py" in said
        assert "it defines `Source`" in said
        # Imported long before, so the one beside the configuration is never read.
        module(etc / "os.py")
        said = self.said(tmp_path, conf("os.Source"))
        assert f"`{etc}/os.py` has the name of another module, which was imported before it" in said
