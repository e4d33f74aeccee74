"""`Persist` and the state file: what is kept, what is refused, what survives."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inrush
import syslogng
from harness import StartEngine, indented, script, source, source_that
from harness import inrush as command

STATE = ("--persist-file", "inrush.state")
# Python's str may hold lone surrogates, as in the names of files.
TEXT = st.text(st.characters(exclude_categories=()))
VALUES = st.one_of(TEXT, st.integers(), st.integers(-(1 << 3000), 1 << 3000), st.binary(), st.booleans())


def init_and_run(init: str, run: str = "pass", **options: str) -> str:
    """A source whose init() makes `self.p` and goes on as given; run() prints `done` at its end."""
    method = f"def init(self, options):\n    from syslogng import Persist\n    self.p = Persist('store')\n{indented(init)}\n    return True"
    return source_that(run, method, **options)


def dump(directory: Path) -> Any:
    """The output of `inrush persist dump` for the test's state file."""
    done = command("persist", "dump", "inrush.state", cwd=directory)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


class TestMapping:
    """The mapping itself, as a program without an engine sees it."""

    @given(st.dictionaries(TEXT, VALUES))
    def test_values_come_back_with_their_types(self, values: dict[str, Any]) -> None:
        """Without it: a bookmark comes back as another value, or as one of another type."""
        store = inrush.Persist("round-trip")
        for key in store:
            del store[key]
        for key, value in values.items():
            store[key] = value
        again = inrush.Persist("round-trip")
        assert dict(again.items()) == values
        assert {key: type(again[key]) for key in again} == {key: type(value) for key, value in values.items()}
        assert len(again) == len(values)

    def test_defaults_are_set_where_nothing_is(self) -> None:
        """Without it: each start sets a source back to its beginning, or a new one finds nothing."""
        first = syslogng.Persist("defaults", {"position": 1})
        first["position"] = 5
        second = syslogng.Persist(persist_name="defaults", defaults={"position": 1, "other": b"x"})
        assert second["position"] == 5
        assert second["other"] == b"x"
        assert second.persist_name == "defaults"

    def test_names_do_not_mix(self) -> None:
        """Without it: a store shows the keys of all whose names begin like its own."""
        short, long = syslogng.Persist("mix"), syslogng.Persist("mixture")
        long["key"] = 1
        assert list(short) == []
        assert "key" not in short
        short["key"] = 2
        assert long["key"] == 1

    def test_mapping(self) -> None:
        """Without it: what works with a dict raises or does something else."""
        store = syslogng.Persist("mapping")
        assert store
        assert len(store) == 0
        assert store.get("k") is None
        assert store.get("k", default=3) == 3
        store["k"] = "v"
        store[b"bytes"] = 1
        assert "k" in store
        assert b"bytes" in store
        assert 7 not in store
        assert store.keys() == ["bytes", "k"] == list(store)
        assert store.items() == [("bytes", 1), ("k", "v")]
        assert dict(store.items()) == {"bytes": 1, "k": "v"}
        store.commit()
        del store["k"]
        with pytest.raises(KeyError, match="k"):
            store["k"]
        with pytest.raises(KeyError):
            del store["k"]
        assert "mapping" in repr(store)

    def test_wrong_use(self) -> None:
        """Without it: a wrong type is kept as something else, or ends the process."""
        store: Any = syslogng.Persist("wrong")
        for key in (1, None, ("a",), bytearray(b"x")):
            with pytest.raises(TypeError, match=type(key).__name__):
                store[key]
            with pytest.raises(TypeError):
                store[key] = 1
            with pytest.raises(TypeError):
                del store[key]
        for value in (None, 1.5, [], bytearray(b"x"), object()):
            with pytest.raises(TypeError, match="Value must be either string, integer or bytes"):
                store["k"] = value
        assert "k" not in store
        with pytest.raises(ValueError, match="##"):
            syslogng.Persist("a##b")
        wrong: Any = syslogng.Persist
        calls: list[tuple[Any, ...]] = [(), (1,), ("a", 5), ("a", {}, 1), ("a", {"k": 1.5}), ("a", {1: 1})]
        for arguments in calls:
            with pytest.raises(TypeError):
                wrong(*arguments)
        with pytest.raises(AttributeError):
            store.persist_name = "other"

    def test_subclass(self) -> None:
        """Without it: a class that gives its own name to Persist cannot be made."""

        class Mine(syslogng.Persist):
            def __init__(self, number: int) -> None:
                super().__init__(f"mine{number}", defaults={"n": number})

        assert Mine(4)["n"] == 4

        class Late(syslogng.Persist):
            def __init__(self) -> None:
                pass

        late: Any = Late()
        assert late.persist_name is None
        assert "Late" in repr(late)
        with pytest.raises(RuntimeError, match="__init__"):
            late["k"]


class TestEngine:
    """In an engine."""

    def test_state_survives_a_restart_and_a_reload(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a source begins anew after each restart or reload."""
        conf = init_and_run(
            """
            self.p["starts"] = self.p.get("starts", 0) + 1
            print("starts", self.p["starts"], flush=True)
            """
        )
        first = engine(conf, *STATE)
        first.wait_print(r"starts 1\n")
        (tmp_path / "test.conf").write_text(
            conf.replace("python(class", 'python(options("changed" "yes") class')
        )
        first.send_signal(signal.SIGHUP)
        first.wait_log("inrush: reloaded")
        first.wait_print(r"starts 2\b")
        first.stop()
        second = engine(conf, *STATE)
        second.wait_print(r"starts 3\b")
        second.stop()
        assert dump(tmp_path) == {"store": {"starts": 3}}
        assert (tmp_path / "inrush.state").stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.glob("inrush.state*")) == [tmp_path / "inrush.state"]

    def test_killed_after_commit(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: what commit() called saved is lost with the process."""
        values = {"text": "äöü", "number": -5, "large": 1 << 100, "raw": b"\x00\xff", "flag": True}
        running = engine(init_and_run(f"self.p.__init__('store', {values!r})\nself.p.commit()"), *STATE)
        running.process.kill()
        running.process.wait()
        running.stopped = True
        shown = {**values, "raw": {"bytes": "00ff"}, "large": {"int": str(1 << 100)}}
        assert dump(tmp_path) == {"store": shown}
        again = init_and_run("print(sorted(self.p.items()), flush=True)")
        running = engine(again, *STATE)
        running.wait_print(r"done")
        assert repr(sorted(values.items())) in running.stdout.text

    def test_a_thread_that_saves_at_every_message(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: the last values before a stop are lost, or a stop does not wait for them."""
        run = """
        for number in range(20_000):
            self.p["position"] = number
        """
        running = engine(init_and_run("", run), *STATE)
        running.wait_print("done")
        running.stop()
        assert dump(tmp_path) == {"store": {"position": 19_999}}

    def test_not_while_the_configuration_is_read(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a Persist of a module belongs to no engine, and nothing that it keeps is saved."""
        (tmp_path / "own.py").write_text("import syslogng\np = syslogng.Persist('module')\n")
        blocks = ("import syslogng\nsyslogng.Persist('block')", "import own")
        for block in blocks:
            conf = f"@version: current\npython {{\n{block}\n}};\n"
            (tmp_path / "test.conf").write_text(conf + "log { source { internal(); }; };\n")
            env = {"PYTHONPATH": str(tmp_path)}
            for arguments in (("check", "-f", "test.conf"), ("run", "-f", "test.conf", *STATE)):
                done = command(*arguments, cwd=tmp_path, env=env)
                assert done.code == 1
                assert "RuntimeError: persist_state is not yet available" in done.stderr

    def test_without_a_file(self, engine: StartEngine) -> None:
        """Without it: a user believes that the state is kept."""
        running = engine(
            init_and_run("self.p['k'] = 1\ntype(self.p)('other')['k'] = 2\nprint(self.p['k'], flush=True)")
        )
        running.wait_log(r'Persist\("store"\): the engine runs without --persist-file')
        running.wait_print("1")
        running.stop()
        assert running.stderr.text.count("without --persist-file") == 1

    def test_two_engines(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: two engines overwrite each other's state."""
        conf = init_and_run("self.p['k'] = 1\nself.p.commit()")
        first = engine(conf, *STATE)
        for arguments in (("run", "-f", "test.conf", *STATE), ("persist", "dump", "inrush.state")):
            done = command(*arguments, cwd=tmp_path)
            assert done.code == 1
            assert f"inrush.state is in use by process {first.process.pid}" in done.stderr
        first.stop()
        assert dump(tmp_path) == {"store": {"k": 1}}

    def test_damaged(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a damaged file stops the engine, is lost, or gives wrong values."""
        conf = init_and_run("print(self.p.items(), flush=True)\nself.p['k'] = 'value'")
        engine(conf, *STATE).stop()
        path = tmp_path / "inrush.state"
        content = path.read_bytes()
        damaged = content.replace(b"value", b"vaLue")
        assert damaged != content
        path.write_bytes(damaged)
        refused = command("persist", "list", "inrush.state", cwd=tmp_path)
        assert refused.code == 1
        assert "is damaged" in refused.stderr
        assert path.read_bytes() == damaged
        running = engine(conf, *STATE)
        kept = running.wait_log(r"state file \S+inrush.state is damaged: .*; it was kept as (\S+), and")[1]
        running.wait_print(r"\[\]")
        running.stop()
        assert Path(kept).read_bytes() == damaged
        assert dump(tmp_path) == {"store": {"k": "value"}}

    def test_the_disk_refuses(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: a source goes on for days without anything being saved."""
        (tmp_path / "place").mkdir()
        run = """
        self.p['one'] = 1
        self.p.commit()
        print('ready', flush=True)
        while 'place' in os.listdir('.'):
            time.sleep(0.01)
        for what in (lambda: self.p.commit(), lambda: self.p.__setitem__('three', 3)):
            try:
                self.p.__setitem__('two', 2)
                what()
            except OSError as error:
                print(type(error).__name__, error, flush=True)
        print('refused', flush=True)
        while 'place' not in os.listdir('.'):
            time.sleep(0.01)
        while True:
            try:
                self.p.commit()
                break
            except OSError:
                time.sleep(0.01)
        """
        conf = init_and_run("", run).replace("import threading", "import os, threading")
        running = engine(conf, "--persist-file", "place/state")
        running.wait_print("ready")
        (tmp_path / "place").rename(tmp_path / "away")
        running.wait_print("refused")
        assert running.stdout.text.count("FileNotFoundError") == 2, running.report()
        assert "place/state" in running.stdout.text
        running.wait_log(r"cannot write the state file \S+place/state: .*tried again")
        (tmp_path / "away").rename(tmp_path / "place")
        running.wait_print("done")
        running.wait_log("is written again")
        running.stop()

    def test_a_fork_neither_writes_nor_keeps_the_file(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: after a kill no engine can start as long as a worker of multiprocessing lives."""
        run = """
        import os
        child = os.fork()
        if child == 0:
            try:
                self.p['child'] = 1
            except OSError as error:
                os.write(1, f'refused: {error}\\n'.encode())
            time.sleep(600)
            os._exit(0)
        self.p['parent'] = 1
        self.p.commit()
        print('child', child, flush=True)
        """
        running = engine(init_and_run("", run), *STATE)
        child = int(running.wait_print(r"child (\d+)")[1])
        try:
            running.wait_print("refused: .*fork")
            running.process.kill()
            running.process.wait()
            running.stopped = True
            assert dump(tmp_path) == {"store": {"parent": 1}}
            again = engine(init_and_run("print(self.p.keys(), flush=True)"), *STATE)
            again.wait_print(r"\['parent'\]")
        finally:
            os.kill(child, signal.SIGKILL)

    def test_bookmarks_in_it(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: what was delivered is posted again after a restart."""
        body = """
        exiting = threading.Event()

        def init(self, options):
            import inrush
            self.ack_tracker = inrush.PersistedBookmark("store", "position", 0)
            return True

        def run(self):
            start = self.ack_tracker.value
            print("from", start, flush=True)
            for number in range(start + 1, start + 101):
                self.post_message(LogMessage(str(number)), bookmark=number)
            print("done", flush=True)
            self.exiting.wait()

        def request_exit(self):
            self.exiting.set()
        """
        conf = source(textwrap.dedent(body))
        for start in (0, 100):
            running = engine(conf, *STATE)
            running.wait_print(rf"from {start}\b")
            running.wait_lines("out.log", start + 100)
            running.stop()
        assert dump(tmp_path) == {"store": {"position": 200}}


class TestCommand:
    """`inrush persist`."""

    def test_list_and_what_is_not_there(self, engine: StartEngine, tmp_path: Path) -> None:
        """Without it: an operator cannot see what is kept without stopping at a traceback."""
        engine(init_and_run("self.p['a'] = 1\nself.p['b'] = 2"), *STATE).stop()
        done = command("persist", "list", "inrush.state", cwd=tmp_path)
        assert (done.code, done.stdout) == (0, "store\t2\n")
        (tmp_path / "text").write_text("text")
        for name in ("missing", "text", "."):
            done = command("persist", "dump", name, cwd=tmp_path)
            assert done.code == 1
            assert f"inrush persist: the state file {name}" in done.stderr


def test_in_a_script() -> None:
    """Without it: the module of a source cannot be tried without an engine."""
    code = "import syslogng; p = syslogng.Persist('x', {'k': 1}); p['k'] += 1; p.commit(); print(p['k'])"
    done = script(code, "-W", "error")
    assert (done.stdout, done.stderr) == ("2\n", "")
