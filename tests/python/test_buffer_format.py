"""The format of the disk buffer, read by a second witness: `tools/buffer.py`, which knows its description alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import ROOT

SAMPLE = ROOT / "tests/data/buffer"
EXPECTED = (SAMPLE / "expected.tsv").read_text()


def listed(directory: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit status and output of the reader."""
    command = [sys.executable, str(ROOT / "tools/buffer.py"), str(directory), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.buffer"))


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "buffer"))


def test_a_second_reader_finds_the_same_entries() -> None:
    """Breaks without it: the description of the format is not what the engine writes."""
    assert listed(SAMPLE) == (0, EXPECTED, "")
    assert listed(SAMPLE, "d_sample#0") == (0, EXPECTED, "")
    assert listed(SAMPLE, "another") == (0, "", "")


def test_it_is_within_a_hundred_lines() -> None:
    """Breaks without it: the second reader grows into a second implementation, with faults of its own."""
    assert len((ROOT / "tools/buffer.py").read_text().splitlines()) <= 100


def test_a_damaged_body_is_a_loss_by_number(sample: Path) -> None:
    """Breaks without it: the second witness believes a wrong entry."""
    lines = EXPECTED.splitlines(keepends=True)
    number, _, body = next(line.split("\t") for line in lines if line.startswith("7\t"))
    path = segments(sample)[0]
    content = bytearray(path.read_bytes())
    content[content.index(bytes.fromhex(body)) + 3] ^= 1
    path.write_bytes(content)
    left = "".join(line for line in lines if not line.startswith(f"{number}\t"))
    assert listed(sample) == (1, left, "messages 7 to 13 are lost\n")


def test_one_of_two_heads_is_enough(sample: Path) -> None:
    """Breaks without it: the description says of one page what holds for two."""
    for path in segments(sample):
        content = bytearray(path.read_bytes())
        content[:4096] = bytes(4096)
        path.write_bytes(content)
    assert listed(sample) == (0, EXPECTED, "")


def test_a_later_version_is_refused(sample: Path) -> None:
    """Breaks without it: what a later version wrote is read as if it were of this one."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from buffer import crc32c  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    content = bytearray(segments(sample)[0].read_bytes())
    for page in (0, 4096):
        content[page + 16] = 2
        content[page + 4092 : page + 4096] = crc32c(bytes(content[page : page + 4092])).to_bytes(4, "little")
    segments(sample)[0].write_bytes(content)
    assert listed(sample) == (1, "", "version 2 of the format is not known here\n")
