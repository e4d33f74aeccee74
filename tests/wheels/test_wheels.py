"""The wheels of `make wheels`: what is in them, and that the first ten minutes of a user go well with one.

`INRUSH_WHEELS` names the directory (`make test-wheels`, `make test-wheel`).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEELS = sorted((ROOT / os.environ.get("INRUSH_WHEELS", "dist")).glob("*.whl"))
LARGEST = 16_000_000
PATIENCE = 120.0

if not WHEELS:
    pytest.fail("no wheels: run `make test-wheel` or `make test-wheels`", pytrace=False)

each_wheel = pytest.mark.parametrize("wheel", WHEELS, ids=[wheel.name.split("-")[2] for wheel in WHEELS])


def output(*command: str | Path) -> str:
    """The output of `command`."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


def engine_of(wheel: Path, tmp_path: Path) -> Path:
    """The engine, taken out of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if re.fullmatch(r"inrush/_native.*\.so", name)]
        return Path(archive.extract(name, tmp_path))


def interpreter_of(wheel: Path) -> str:
    """The interpreter that a wheel is for; the test is left out where this machine has none."""
    minor = re.fullmatch(r"cp3(\d+)", wheel.name.split("-")[2])
    assert minor
    for python in output(ROOT / "tools/pythons", "all").split():
        if output(python, "-c", "import sys; print(sys.version_info[1])").strip() == minor[1]:
            return python
    pytest.skip(f"this machine has no CPython 3.{minor[1]}")


def ten_lines() -> str:
    """README's configuration."""
    _, _, text = (ROOT / "README.md").read_text().partition("## Ten lines\n\n```\n")
    conf, fence, _ = text.partition("```\n")
    assert fence
    assert 8 <= len(conf.splitlines()) <= 12
    return conf


@each_wheel
def test_name_and_size(wheel: Path) -> None:
    """Without it: other Linuxes refuse the wheel, or it takes minutes to load."""
    assert re.fullmatch(r"inrush-[\d.]+-(cp3\d+)-\1-manylinux_2_28_\w+\.whl", wheel.name)
    assert wheel.stat().st_size <= LARGEST


@each_wheel
def test_stripped_with_its_symbols_beside_it(wheel: Path, tmp_path: Path) -> None:
    """Without it: each installation has 20 MB of symbols, or nobody can read a core dump of a user's."""
    engine = engine_of(wheel, tmp_path)
    debug = wheel.parent / "symbols" / f"{engine.name}.debug"
    sections = output("readelf", "--sections", "--wide", engine)
    assert not re.search(r"\.(z?debug_\w+|symtab)\b", sections)
    link = tmp_path / "link"
    output("objcopy", "--dump-section", f".gnu_debuglink={link}", engine, tmp_path / "copy")
    # The name, zeros up to a multiple of four, and the checksum of the file, by which a debugger knows it.
    assert link.read_bytes().partition(b"\0")[0].decode() == debug.name
    assert int.from_bytes(link.read_bytes()[-4:], sys.byteorder) == zlib.crc32(debug.read_bytes())
    kept = output("readelf", "--sections", "--wide", debug)
    assert ".debug_line" in kept
    assert ".symtab" in kept


@each_wheel
def test_installs_without_a_compiler_and_delivers(wheel: Path, tmp_path: Path) -> None:
    """Without it: what README begins with fails on a server, which has no compiler, no index and no
    checkout."""
    environment = tmp_path / "environment"
    output(interpreter_of(wheel), "-m", "venv", environment)
    # Nothing but this environment: no cargo, no cc, no other Python.
    clean = {"PATH": str(environment / "bin"), "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    started = time.monotonic()
    subprocess.run(
        ["pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", wheel],
        env=clean,
        cwd=tmp_path,
        check=True,
        timeout=PATIENCE,
        executable=environment / "bin/pip",
    )
    installed = time.monotonic()
    (tmp_path / "hello.conf").write_text(ten_lines())
    command = environment / "bin/inrush"
    with subprocess.Popen(
        [command, "run", "-f", "hello.conf"], env=clean, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as running:
        out = tmp_path / "hello.log"
        while running.poll() is None and time.monotonic() < installed + PATIENCE:
            if out.exists() and out.read_bytes().startswith(b"hello\n"):
                break
            time.sleep(0.01)
        delivered = time.monotonic()
        running.send_signal(signal.SIGTERM)
        _, log = running.communicate(timeout=PATIENCE)
    assert out.exists(), log
    assert set(out.read_text().splitlines()) == {"hello"}
    assert running.returncode == 0, log
    times = f"installed in {installed - started:.1f} s, first message after {delivered - installed:.1f} s"
    print(f"\n{wheel.name}: {times}")
