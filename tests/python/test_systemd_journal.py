"""`systemd-journal()` on a real engine: with a stand-in for `journalctl`, which can fail, and with the real one."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Engine, StartEngine, inrush
from test_file_source import STATE, append, ctl, ctl_source, following, kill, texts

JOURNALCTL = shutil.which("journalctl")
# Debian's package systemd-journal-remote; `tools/peers` unpacks it.
REMOTE = Path(__file__).parents[2] / "target" / "peers" / "systemd-journal-remote"

# A program that follows the file `journal`, whose entries are separated by empty lines, and knows the options that it is
# given. A line `!CODE` in it is run.
STAND_IN = """#!{python}
import os, sys, time

if "--version" in sys.argv:
    print(open("version").read() if os.path.exists("version") else "systemd 252 (252.1)")
    sys.exit()
with open("calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
args = [arg for arg in sys.argv[1:] if arg.startswith("-")]
cursor = next((arg.partition("=")[2] for arg in args if arg.startswith("--cursor=")), None)
journal = open("journal", "rb")

def entries(data):
    return [b"__CURSOR=" + entry for entry in data.split(b"__CURSOR=")[1:]]

def run(entry):
    while b"\\n!" in entry:
        before, _, rest = entry.partition(b"\\n!")
        code, _, after = rest.partition(b"\\n")
        exec(code.decode())
        entry = before + b"\\n" + after
    return entry

if "--lines=1" in args:
    for entry in entries(journal.read())[-1:]:
        sys.stdout.buffer.write(entry)
    sys.exit()
begun, data = cursor is None, b""
while True:
    new = journal.read()
    if not new:
        if os.getppid() == 1:
            sys.exit()
        time.sleep(0.02)
        continue
    for entry in entries(new):
        own = entry.split(b"\\n")[0].partition(b"=")[2].decode()
        begun = begun or own >= cursor
        if begun:
            sys.stdout.buffer.write(run(entry))
            sys.stdout.buffer.flush()
"""


def entry(number: int, *fields: str | bytes) -> bytes:
    """An entry of the journal whose cursor has this number."""
    begin = f"__CURSOR=s=1;i={number:04};b=f00\n__REALTIME_TIMESTAMP={1700000000000000 + number}\n"
    lines = [field.encode() if isinstance(field, str) else field for field in fields]
    return begin.encode() + b"".join(line + b"\n" for line in lines) + b"\n"


def text(number: int, *fields: str | bytes) -> bytes:
    """An entry whose MESSAGE is its number."""
    return entry(number, f"MESSAGE=m{number}", *fields)


def binary(name: str, data: bytes) -> bytes:
    """A field whose value is not a line."""
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data


def journal(options: str = "", template: str = "$MSG", path: str = "out.log") -> str:
    """The configuration of a source of the journal."""
    return following(f"systemd-journal({options})", template, path)


@pytest.fixture
def stand_in(tmp_path: Path) -> dict[str, str]:
    """An environment whose `journalctl` is the stand-in, on an empty journal."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "journalctl"
    program.write_text(STAND_IN.replace("{python}", sys.executable))
    program.chmod(0o755)
    (tmp_path / "journal").touch()
    return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture
def start(engine: StartEngine, tmp_path: Path, stand_in: dict[str, str]) -> Callable[..., Engine]:
    """Starts an engine with the stand-in."""

    def run(conf: str, *arguments: str) -> Engine:
        return engine(conf, *(arguments or STATE), env=stand_in)

    return run


def machine() -> list[str]:
    """The field with the number of this machine, where it has one."""
    path = Path("/etc/machine-id")
    number = path.read_text().strip() if path.exists() else ""
    return [f"_MACHINE_ID={number}"] if len(number) == 32 else []


def calls(directory: Path) -> str:
    """The arguments that the stand-in was called with so far, a line each."""
    path = directory / "calls"
    return path.read_text() if path.exists() else ""


def stored(running: Engine) -> str | None:
    """The number of the entry whose cursor the state file has, as far as one can read it while the engine runs."""
    data = (running.directory / "state").read_bytes()
    at = data.rfind(b"s=1;i=")
    return data[at + 6 : at + 10].decode() if at >= 0 else None


class TestEntries:
    """What an entry becomes."""

    def test_fields_are_values_and_parts_of_the_message(
        self, start: Callable[..., Engine], tmp_path: Path
    ) -> None:
        """Breaks without it: HOST, PROGRAM, PID, priority or time are not those of the entry."""
        fields = (
            "_HOSTNAME=web",
            "SYSLOG_IDENTIFIER=cron",
            "_COMM=crond",
            "_PID=77",
            "PRIORITY=3",
            "SYSLOG_FACILITY=9",
        )
        append(tmp_path / "journal", text(1, *fields) + entry(2, "_COMM=x", "MESSAGE=plain"))
        template = "$HOST|$PROGRAM|$PID|$PRI|$ISODATE|$MSG|${.journald.SYSLOG_IDENTIFIER}|${.journald.__CURSOR}|$TRANSPORT|$MSGHDR"
        running = start(journal('keep-hostname(yes) time-zone("+02:00")', template))
        first, second = texts(running, 2)
        assert first == "web|cron|77|75|2023-11-15T00:13:20+02:00|m1|cron||local+journal|cron[77]: "
        assert second.split("|")[1:4] == ["x", "", "133"], "without a priority: local0.notice"
        assert running.stop().posted == 2

    def test_options_of_entries(self, start: Callable[..., Engine], tmp_path: Path) -> None:
        """Breaks without it: an option changes nothing; a large field takes memory, or is cut in silence."""
        append(
            tmp_path / "journal", text(1, "_HOSTNAME=web", "LARGE=" + "x" * 1000, binary("DATA", b"a\nb\0c"))
        )
        options = (
            'prefix("j.") max-field-size(10) default-facility(mail) default-level(err) program-override("p") '
            'host-override("h") tags("t")'
        )
        running = start(
            journal(options, "$HOST|$PROGRAM|$PRI|${j.LARGE}|$(indent-multi-line ${j.DATA})|$TAGS")
        )
        assert texts(running, 2)[0] == "h|p|19|xxxxxxxxxx|a"
        running.wait_log(r"longer than max-field-size\(\)")
        running.stop()
        always = "--output=export --all --quiet --no-pager --merge --follow --no-tail --namespace=* --"
        assert calls(tmp_path).strip() == " ".join([always, *machine()])

    def test_structured_data(self, start: Callable[..., Engine], tmp_path: Path) -> None:
        """Breaks without it: a prefix of structured data makes values that no receiver sees."""
        append(tmp_path / "journal", text(1, "A=x"))
        running = start(journal('prefix(".SDATA.journal@1.")', "$SDATA|${.SDATA.journal@1.A}"))
        sdata, value = texts(running, 1)[0].split("|")
        assert (sdata.startswith('[journal@1 MESSAGE="m1" A="x"]'), value) == (True, "x")
        running.stop()

    def test_what_is_asked_of_the_program(self, start: Callable[..., Engine], tmp_path: Path) -> None:
        """Breaks without it: other entries are read than those that were asked for."""
        options = 'namespace("web") match-boot(yes) matches("_UID" => "0" "PRIORITY" => 3)'
        running = start(journal(options))
        running.wait_until(lambda: calls(tmp_path).endswith("\n"), "a call")
        running.stop()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        call = calls(tmp_path).split(" --namespace")[1]
        assert call.split() == ["=web", "--", "_UID=0", "PRIORITY=3", f"_BOOT_ID={boot}", *machine()]


class TestPosition:
    """How far it was read, over restarts and reloads."""

    def test_a_restart_goes_on_where_it_was(self, start: Callable[..., Engine], tmp_path: Path) -> None:
        """Breaks without it: each start reads all entries again, or skips those of the time between."""
        append(tmp_path / "journal", text(1) + text(2))
        running = start(journal())
        texts(running, 2)
        running.stop()
        append(tmp_path / "journal", text(3))
        running = start(journal())
        assert texts(running, 3) == ["m1", "m2", "m3"]
        assert running.stop().posted == 1

    def test_a_kill_repeats_what_was_not_acknowledged(
        self, start: Callable[..., Engine], tmp_path: Path
    ) -> None:
        """Breaks without it: entries that wait for a destination are gone with the process."""
        append(tmp_path / "journal", b"".join(text(number) for number in range(100)))
        running = start(journal("log-iw-size(10)", path="gone/out.log"))
        running.wait_log("gone")
        kill(running)
        (tmp_path / "gone").mkdir()
        running = start(journal("log-iw-size(10)", path="gone/out.log"))
        assert texts(running, 100, "gone/out.log") == [f"m{number}" for number in range(100)]
        running.wait_until(lambda: stored(running) == "0099", "the position is on the disk")
        running.stop()

    def test_only_new_entries(self, start: Callable[..., Engine], tmp_path: Path) -> None:
        """Breaks without it: `read-old-records(no)` reads all, or misses what comes while it looks for the end."""
        append(tmp_path / "journal", text(1) + text(2))
        running = start(journal("read-old-records(no)"))
        running.wait_until(lambda: "--cursor" in calls(tmp_path), "it follows")
        append(tmp_path / "journal", text(3))
        assert texts(running, 1) == ["m3"]
        running.stop()
        append(tmp_path / "journal", text(4))
        running = start(journal("read-old-records(no)"))
        assert texts(running, 2)[1] == "m4", "a restart goes on, whatever is old"
        running.stop()

    @pytest.mark.parametrize(
        ("options", "then"), [("", ["m3", "m4"]), ("read-old-records-on-error(no)", ["m4"])]
    )
    def test_a_position_that_is_gone(
        self, start: Callable[..., Engine], tmp_path: Path, options: str, then: list[str]
    ) -> None:
        """Breaks without it: entries that the journal has lost are lost in silence, or the source stands still."""
        append(tmp_path / "journal", text(1) + text(2))
        running = start(journal(options))
        texts(running, 2)
        running.stop()
        (tmp_path / "journal").write_bytes(text(3))
        running = start(journal(options))
        running.wait_log("has not the entry any more that was read last")
        if options:
            running.wait_until(lambda: "0003" in calls(tmp_path), "it follows")
        append(tmp_path / "journal", text(4))
        assert texts(running, 2 + len(then))[2:] == then
        running.stop()

    def test_a_reload_keeps_it_or_goes_on(self, start: Callable[..., Engine], tmp_path: Path) -> None:
        """Breaks without it: a reload reads entries twice, or skips those that wait for a destination."""
        append(tmp_path / "journal", text(1) + text(2))
        running = start(journal(path="gone/out.log"))
        running.wait_log("gone")
        ctl(running, "reload")
        assert calls(tmp_path).count("\n") == 1, "the program goes on"
        (tmp_path / "test.conf").write_text(journal("log-iw-size(500)", path="gone/out.log"))
        ctl(running, "reload")
        append(tmp_path / "journal", text(3))
        (tmp_path / "gone").mkdir()
        assert texts(running, 3, "gone/out.log") == ["m1", "m2", "m3"]
        running.stop()

    def test_two_of_one_namespace(
        self, start: Callable[..., Engine], stand_in: dict[str, str], tmp_path: Path
    ) -> None:
        """Breaks without it: two sources move one position."""
        (tmp_path / "two.conf").write_text(following("systemd-journal(); systemd-journal(prefix(x))"))
        refused = inrush("run", "-f", "two.conf", cwd=tmp_path, env=stand_in)
        assert refused.code == 1
        assert "two sources have the persist name `systemd-journal(*)`" in refused.stderr
        append(tmp_path / "journal", text(1))
        running = start(following('systemd-journal(); systemd-journal(persist-name("second"))'))
        assert texts(running, 2) == ["m1", "m1"]
        running.stop()


class TestTrouble:
    """A program that fails, and one that is none."""

    def test_without_the_program_the_configuration_is_refused(self, tmp_path: Path) -> None:
        """Breaks without it: a source that can never read anything is started, and nobody is told."""
        (tmp_path / "test.conf").write_text(journal())
        (tmp_path / "empty").mkdir()
        refused = inrush("run", "-f", "test.conf", cwd=tmp_path, env={"PATH": str(tmp_path / "empty")})
        assert refused.code == 1
        assert "`journalctl` cannot be run: there is none in the PATH" in refused.stderr
        assert "part of systemd" in refused.stderr

    @pytest.mark.parametrize(
        ("version", "options", "said"),
        [
            ("systemd 239 (239-1)", "", None),
            ("systemd 239 (239-1)", 'namespace("x")', "systemd 239 has no namespaces"),
            ("busybox", "", "it is none of systemd's; it says: busybox"),
        ],
    )
    def test_versions(
        self,
        engine: StartEngine,
        stand_in: dict[str, str],
        tmp_path: Path,
        version: str,
        options: str,
        said: str | None,
    ) -> None:
        """Breaks without it: an old systemd is asked for namespaces, and refuses each time."""
        (tmp_path / "version").write_text(version)
        append(tmp_path / "journal", text(1))
        if said is None:
            running = engine(journal(options), *STATE, env=stand_in)
            texts(running, 1)
            assert "--namespace" not in calls(tmp_path)
            running.stop()
            return
        (tmp_path / "test.conf").write_text(journal(options))
        refused = inrush("run", "-f", "test.conf", cwd=tmp_path, env=stand_in)
        assert refused.code == 1
        assert said in refused.stderr

    def test_a_program_that_dies_is_started_again(self, start: Callable[..., Engine], tmp_path: Path) -> None:
        """Breaks without it: the journal is silent once the program has died; entries come twice, or are lost."""
        die = "!os.path.exists('repaired') or (sys.stderr.write('no disk'), sys.stderr.flush(), os._exit(3))"
        append(tmp_path / "journal", text(1) + text(2, die))
        running = start(journal())
        running.wait_log("journalctl says: no disk")
        running.wait_log(
            r"the journal cannot be read, and is tried again: journalctl has ended: exit status: 3"
        )
        (tmp_path / "repaired").touch()
        assert texts(running, 2) == ["m1", "m2"]
        assert ctl_source(running)["restarts"] >= 1
        running.stop()

    @pytest.mark.parametrize("what", [b"Hint: you are not root\n", b"MESSAGE=x\n\n", b"A\n" + b"\xff" * 9])
    def test_what_is_no_export(self, start: Callable[..., Engine], tmp_path: Path, what: bytes) -> None:
        """Breaks without it: what is not in the format becomes messages, or ends the engine."""
        append(tmp_path / "journal", text(1) + b"__CURSOR=s=1;i=0002;b=\n" + what)
        running = start(journal())
        running.wait_log("something that is not in the export format of the journal")
        assert texts(running, 1) == ["m1"]
        (tmp_path / "journal").write_bytes(text(1) + text(2))
        assert texts(running, 2) == ["m1", "m2"]
        running.stop()


@pytest.fixture
def real(tmp_path: Path) -> Callable[[bytes], dict[str, str]]:
    """Writes journal files of entries in the export format, and gives an environment whose `journalctl` reads them."""
    if JOURNALCTL is None or not REMOTE.exists():
        pytest.skip("no journalctl, or no systemd-journal-remote (tools/peers)")
    (tmp_path / "bin").mkdir()
    (tmp_path / "files").mkdir()
    program = tmp_path / "bin" / "journalctl"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || set -- --directory="{tmp_path}/files" "$@"\nexec {JOURNALCTL} "$@"\n'
    )
    program.chmod(0o755)

    def write(entries: bytes) -> dict[str, str]:
        command = [str(REMOTE), "--output", str(tmp_path / "files" / "test.journal"), "-"]
        subprocess.run(command, input=entries, check=True, capture_output=True)
        return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    return write


BOOT = "0123456789abcdef0123456789abcdef"


def real_entry(number: int, *fields: str | bytes, boot: str = BOOT) -> bytes:
    """An entry as systemd-journal-remote takes it."""
    every = (f"MESSAGE=m{number}", *machine(), *fields)
    lines = [field.encode() if isinstance(field, str) else field for field in every]
    begin = f"__REALTIME_TIMESTAMP={1700000000000000 + number}\n__MONOTONIC_TIMESTAMP={number + 1}\n_BOOT_ID={boot}\n"
    return begin.encode() + b"".join(line + b"\n" for line in lines) + b"\n"


class TestRealJournal:
    """Files that systemd wrote, and its own `journalctl`."""

    def test_a_journal_is_read_and_read_on(
        self, engine: StartEngine, tmp_path: Path, real: Callable[[bytes], dict[str, str]]
    ) -> None:
        """Breaks without it: what systemd writes is not what is read here; large and binary fields are cut or torn."""
        fields = (
            "_HOSTNAME=web",
            "SYSLOG_IDENTIFIER=cron",
            "PRIORITY=3",
            binary("DATA", b"a\nb"),
            "LONG=" + "y" * 70_000,
        )
        # Of two boots: the program would follow the last one alone.
        boots = ["f" * 32, BOOT]
        env = real(b"".join(real_entry(number, *fields, boot=boots[number // 500]) for number in range(1000)))
        template = "$MSG $PROGRAM $LEVEL $ISODATE $(length ${.journald.LONG}) $(length ${.journald.DATA})"
        conf = journal('keep-hostname(yes) time-zone("UTC") max-field-size(80000)', template)
        running = engine(conf, *STATE, env=env)
        lines = texts(running, 1000)
        assert lines == [f"m{number} cron err 2023-11-14T22:13:20+00:00 70000 3" for number in range(1000)]
        running.stop()
        real(real_entry(1000, *fields))
        running = engine(conf, *STATE, env=env)
        assert texts(running, 1001)[1000].startswith("m1000 ")
        assert running.stop().posted == 1

    def test_matches_and_the_end(
        self, engine: StartEngine, tmp_path: Path, real: Callable[[bytes], dict[str, str]]
    ) -> None:
        """Breaks without it: the arguments are not those that the real program takes."""
        others = real_entry(3, "PRIORITY=3", "_MACHINE_ID=" + "e" * 32).replace(b"m3", b"of another machine")
        others = others.replace("\n".join([*machine(), ""]).encode(), b"", 1)
        env = real(
            b"".join(real_entry(number, f"PRIORITY={number}") for number in range(8))
            + others * bool(machine())
        )
        running = engine(journal('matches("PRIORITY" => 3 "PRIORITY" => 5)'), *STATE, env=env)
        assert texts(running, 2) == ["m3", "m5"]
        running.stop()
        running = engine(journal('read-old-records(no) persist-name("end")'), *STATE, env=env)
        running.wait_until(lambda: b"systemd-journal(end)" in (tmp_path / "state").read_bytes(), "a place")
        assert running.stop().posted == 0
