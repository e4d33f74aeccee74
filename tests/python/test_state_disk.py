"""The state file on a disk that is full, or that fails: what was committed stays, and the engine goes on."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import Engine, StartEngine, inrush, read_lines, source

STATE = ("--persist-file", "inrush.state")
# Posts numbers, each with itself as its bookmark, and commits one of its own after each.
BODY = """
def init(self, options):
    import inrush
    self.ack_tracker = inrush.PersistedBookmark("marks", "position", 0)
    self.store = inrush.Persist("store", {"number": 0})
    return True

def run(self):
    number = self.ack_tracker.value
    print("from", number, self.store["number"], flush=True)
    refused = False
    while not self.exit_requested:
        number += 1
        self.post_message(str(number), bookmark=number)
        try:
            self.store["filler"] = str(number) * 500
            self.store["number"] = number
            print("committing", number, flush=True)
            self.store.commit()
            if refused:
                print("again", number, flush=True)
            refused = False
            print("committed", number, flush=True)
        except OSError as error:
            if not refused:
                print("refused", type(error).__name__, error, flush=True)
            refused = True
        self.sleep(0.005)

def request_exit(self):
    pass
"""
# Fails to wait for the disk while there is a file of the name that it is told; while there is one of that
# name and `.slow` it waits, and says in one of that name and `.held` that it does.
BROKEN_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int sync_of(const char *name, int fd) {
    const char *broken = getenv("BROKEN_DISK");
    if (access(broken, F_OK) == 0) { errno = EIO; return -1; }
    char slow[4096], held[4096];
    snprintf(slow, sizeof slow, "%s.slow", broken);
    snprintf(held, sizeof held, "%s.held", broken);
    while (access(slow, F_OK) == 0) {
        int noted = open(held, O_WRONLY | O_CREAT, 0600);
        if (noted >= 0) close(noted);
        usleep(1000);
    }
    int (*own)(int) = (int (*)(int)) dlsym(RTLD_NEXT, name);
    return own(fd);
}
int fsync(int fd) { return sync_of("fsync", fd); }
int fdatasync(int fd) { return sync_of("fdatasync", fd); }
"""


def dump(directory: Path, name: str = "inrush.state") -> Any:
    """The content of a state file."""
    done = inrush("persist", "dump", name, cwd=directory)
    assert (done.code, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def committed(running: Engine) -> int:
    """The last number that the source was told is on the disk."""
    numbers = [int(line.split()[1]) for line in running.stdout.lines if line.startswith("committed ")]
    return numbers[-1] if numbers else 0


def wait_first_commits(running: Engine) -> None:
    """Waits until there are numbers of the source's and a bookmark in the file: they come in commits of their
    own."""
    running.wait_print("committed 5")
    state = running.directory / "inrush.state"
    running.wait_until(lambda: b"marks" in state.read_bytes(), "a bookmark in the state file")


def check_goes_on(running: Engine) -> None:
    """The engine delivers, says what is wrong, and has lost nothing that was committed."""
    running.wait_log(
        r"error: cannot write the state file \S+inrush\.state: .*values wait, and it is tried again"
    )
    lines = len(read_lines(running.directory / "out.log"))
    running.wait_lines("out.log", lines + 50)
    shutil.copy(running.directory / "inrush.state", running.directory / "copy")
    found = dump(running.directory, "copy")
    assert found["store"]["number"] >= committed(running) > 0
    assert 0 < found["marks"]["position"] <= len(read_lines(running.directory / "out.log"))


def check_all_there(running: Engine) -> None:
    """After a stop: every number is delivered once, and bookmarked."""
    lines = read_lines(running.directory / "out.log")
    assert lines == [b"%d" % number for number in range(1, len(lines) + 1)]
    assert dump(running.directory)["marks"]["position"] == len(lines)


def limit(running: Engine, size: int) -> None:
    """Limits how large a file of the engine's may become: a full disk, without the need to fill one."""
    _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, hard))


class TestFull:
    """There is no room for another commit."""

    def test_it_goes_on_when_there_is_room_again(self, engine: StartEngine) -> None:
        """Without it: a full disk stops the source, or tears the file that everything depends on."""
        running = engine(source(BODY), *STATE)
        wait_first_commits(running)
        state = running.directory / "inrush.state"
        # Room for a part of a commit.
        limit(running, state.stat().st_size + 700)
        found = running.wait_print(r"refused OSError (.*)")
        assert "inrush.state" in found[1]
        assert "File too large" in found[1]
        check_goes_on(running)
        limit(running, resource.RLIM_INFINITY)
        running.wait_log(r"notice: the state file \S+inrush\.state is written again")
        running.wait_print("again")
        running.stop()
        check_all_there(running)

    def test_a_stop_says_what_is_not_saved(self, engine: StartEngine) -> None:
        """Without it: after a stop with a full disk somebody believes that all is well."""
        running = engine(source(BODY), *STATE)
        wait_first_commits(running)
        limit(running, (running.directory / "inrush.state").stat().st_size + 700)
        running.wait_print("refused OSError")
        check_goes_on(running)
        running.stop()
        running.wait_log(r"error: the state file \S+inrush\.state: .*values are not saved")
        found = dump(running.directory)
        assert found["store"]["number"] >= committed(running)
        before = len(read_lines(running.directory / "out.log"))
        again = engine(source(BODY), *STATE)
        again.wait_print(rf"from {found['marks']['position']} ")
        again.wait_lines("out.log", before + 1)
        again.stop()
        # What was delivered and not bookmarked comes once more, and nothing is missing.
        numbers = {int(line) for line in read_lines(running.directory / "out.log")}
        assert numbers == set(range(1, max(numbers) + 1))


@pytest.fixture(scope="module")
def broken_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose fsync() and fdatasync() fail on demand."""
    directory = tmp_path_factory.mktemp("disk")
    (directory / "disk.c").write_text(BROKEN_DISK)
    library = directory / "disk.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", str(library), str(directory / "disk.c"), "-ldl"], check=True
    )
    return library


class TestBroken:
    """The disk takes what is written, and then says that it has not."""

    def environment(self, library: Path, tmp_path: Path) -> dict[str, str]:
        """The environment that makes an engine believe so."""
        return {"LD_PRELOAD": str(library), "BROKEN_DISK": str(tmp_path / "broken")}

    def test_it_goes_on_when_the_disk_does(
        self, engine: StartEngine, broken_disk: Path, tmp_path: Path
    ) -> None:
        """Without it: what a failed fsync() lost is believed to be on the disk when the next one succeeds."""
        running = engine(source(BODY), *STATE, env=self.environment(broken_disk, tmp_path))
        wait_first_commits(running)
        before = (tmp_path / "inrush.state").stat().st_ino
        (tmp_path / "broken").touch()
        found = running.wait_print(r"refused OSError (.*)")
        assert "inrush.state" in found[1]
        assert "Input/output error" in found[1]
        check_goes_on(running)
        (tmp_path / "broken").unlink()
        running.wait_print("again")
        # Written anew: nobody knows what became of the pages of the old one.
        assert (tmp_path / "inrush.state").stat().st_ino != before
        running.stop()
        check_all_there(running)

    def test_a_commit_waits_for_the_disk(
        self, engine: StartEngine, broken_disk: Path, tmp_path: Path
    ) -> None:
        """Without it: commit() comes back when the system has the values, and a loss of power takes them."""
        # Little, so that the file is not written anew for long, which waits for the disk in another way.
        body = BODY.replace('self.store["filler"] = str(number) * 500', "pass")
        running = engine(source(body), *STATE, env=self.environment(broken_disk, tmp_path))
        wait_first_commits(running)
        slow, held = tmp_path / "broken.slow", tmp_path / "broken.held"
        slow.touch()
        # Everything else of a commit can be done without the disk; this is the only way to see that it waits.
        running.wait_until(held.exists, "a commit that waits for the disk")
        assert (tmp_path / "inrush.state").stat().st_size < 128 * 1024, "only writing it anew waits"
        before = committed(running)
        running.wait_print(rf"(?m)^committing {before + 1}$")
        running.wait_lines("out.log", before + 1)
        assert committed(running) == before
        slow.unlink()
        running.wait_print(rf"(?m)^committed {before + 1}$")
        running.stop()
        check_all_there(running)

    def test_killed_while_it_is_broken(self, engine: StartEngine, broken_disk: Path, tmp_path: Path) -> None:
        """Without it: a crash on a failing disk costs what was committed before it failed."""
        running = engine(source(BODY), *STATE, env=self.environment(broken_disk, tmp_path))
        wait_first_commits(running)
        (tmp_path / "broken").touch()
        running.wait_print("refused OSError")
        check_goes_on(running)
        kept = committed(running)
        running.process.kill()
        running.wait_exit()
        (tmp_path / "broken").unlink()
        again = engine(source(BODY), *STATE, env=self.environment(broken_disk, tmp_path))
        found = again.wait_print(r"from (\d+) (\d+)")
        assert int(found[2]) >= kept
        again.wait_print("committed")
        again.stop()
        numbers = {int(line) for line in read_lines(tmp_path / "out.log")}
        assert numbers == set(range(1, max(numbers) + 1))
