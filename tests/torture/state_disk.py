"""A state file whose disk refuses: no space left, a write or a wait for the disk that fails, and SIGKILL
while it does."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness import Engine
from torture.attack import Budget, Run, SkippedError, attack, until
from torture.kill import BOOKMARK, CONF, Reader
from torture.small_disk import fill, small_disk

# Between the engine and the C library: what it does to the state file fails while a file of a name is there.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(int file, const char *what) {
    char link[64], path[4096], flag[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, "/disk/state")) return 0;
    snprintf(flag, sizeof flag, "%s/%s", getenv("TORTURE_FAILS"), what);
    return access(flag, F_OK) == 0;
}
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
int fsync(int file) { if (fails(file, "sync")) { errno = EIO; return -1; } return REAL(fsync)(file); }
int fdatasync(int file) { if (fails(file, "sync")) { errno = EIO; return -1; } return REAL(fdatasync)(file); }
ssize_t pwrite64(int file, const void *bytes, size_t count, off_t at) {
    if (fails(file, "write")) {
        /* Half of it is there before the disk says no. */
        static __thread int halved;
        if (count > 1 && !halved) { halved = 1; return REAL(pwrite64)(file, bytes, count / 2, at); }
        halved = 0;
        errno = EIO;
        return -1;
    }
    return REAL(pwrite64)(file, bytes, count, at);
}
"""
# A message of the engine's about each trouble.
SAID = {"full": "No space left on device", "sync": "Input/output error", "write": "Input/output error"}
WINDOW = 200


def shim(directory: Path) -> Path:
    """Builds the shim."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SkippedError("no C compiler")
    source, built = directory / "shim.c", directory / "shim.so"
    source.write_text(SHIM)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(built), str(source), "-ldl"], check=True, timeout=120
    )
    return built


@attack(
    "state-disk",
    "the engine goes on and says so; no message missing, whatever ends it; it is written again as soon as it can be",
    short=Budget(count=6),
    long=Budget(count=300),
)
def state_disk(run: Run) -> None:
    """Life after life of one engine with one state file, whose disk refuses at some moment."""
    disk, flags = run.directory / "disk", run.directory / "fails"
    flags.mkdir()
    built = shim(run.directory)
    reader = Reader(run.directory / "out.log")
    with small_disk(disk, 1 << 10) as missing:
        kinds = ["sync", "write"]
        if missing:
            run.figures["without a full disk"] = missing
        else:
            kinds.append("full")
        for number in run.rounds():
            kind = kinds[number % len(kinds)]
            ends = run.random.choice(["it recovers", "SIGKILL", "SIGTERM"])
            one(run, kind, ends, reader, ("env", f"LD_PRELOAD={built}", f"TORTURE_FAILS={flags}"))
            run.add(f"{kind}, {ends}")
            run.figures["messages"], run.figures["torn lines"] = reader.following, reader.torn
            run.most("most repeated after SIGKILL", reader.repeated)


def one(run: Run, kind: str, ends: str, reader: Reader, prefix: tuple[str, ...]) -> None:
    """One life: it runs, the disk refuses, and then it recovers, or the engine ends."""
    conf = CONF.format(window=WINDOW, most=60, slow=True, saving=BOOKMARK)
    engine = run.engine(conf, "--persist-file", "disk/state", prefix=prefix, started=False)
    resumed = int(engine.wait_print(r"resumes at (\d+)")[1])
    engine.wait_started()
    assert "damaged" not in engine.stderr.text, engine.report()
    out = reader.path
    until(lambda: out.exists() and out.stat().st_size > 1000, "the first lines", engine)
    time.sleep(run.random.uniform(0, 0.1))
    trouble = refuse(run, kind)
    engine.wait_log(rf"cannot write the state file .*disk/state.*{SAID[kind]}")
    # It delivers all the same.
    size = out.stat().st_size
    until(lambda: out.stat().st_size > size + 10_000, "lines while the state cannot be saved", engine)
    if ends == "it recovers":
        trouble.unlink()
        recovered = time.monotonic()
        engine.wait_log(r"the state file .* is written again")
        run.most("slowest recovery", time.monotonic() - recovered, "s")
        time.sleep(run.random.uniform(0, 0.2))
    end(run, engine, ends)
    # What is delivered while the disk refuses comes again after a crash, however much it is; otherwise a
    # window at most.
    lines = reader.life(resumed, WINDOW if ends == "it recovers" else 1 << 60)
    assert lines > 0
    if kind != "full" and ends != "it recovers":
        refused_start(run, conf, prefix)
    trouble.unlink(missing_ok=True)
    if ends == "SIGTERM":
        totals = engine.totals()
        totals.check()
        assert totals.posted == totals.delivered == lines, (totals, lines)
        assert "values are not saved" in engine.stderr.text, engine.report()
    run.close()


def refused_start(run: Run, conf: str, prefix: tuple[str, ...]) -> None:
    """A state file that cannot be written at the start is an error that names it, and is left as it is."""
    path = run.directory / "disk" / "state"
    before = path.read_bytes()
    engine = run.engine(conf, "--persist-file", "disk/state", prefix=prefix, started=False)
    assert engine.wait_exit() == 1, engine.report()
    assert engine.stderr.find(r"the state file .*disk/state: cannot write: Input/output error"), (
        engine.report()
    )
    # An unfinished commit may be cut off, and a witness written again: all that was committed is there.
    assert path.read_bytes()[: 1 << 12] == before[: 1 << 12]


def refuse(run: Run, kind: str) -> Path:
    """Makes the disk refuse; what is returned is to be removed again."""
    if kind == "full":
        return fill(run.directory / "disk")
    flag = run.directory / "fails" / kind
    flag.touch()
    return flag


def end(run: Run, engine: Engine, ends: str) -> None:
    """Ends an engine whose disk refuses, or does no more."""
    begun = time.monotonic()
    engine.send_signal(signal.SIGKILL if ends != "SIGTERM" else signal.SIGTERM)
    code = engine.wait_exit()
    if ends == "SIGTERM":
        run.most("slowest exit", time.monotonic() - begun, "s")
        assert code == 0, engine.report()
