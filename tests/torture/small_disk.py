"""A small file system of its own, which can be filled up."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(directory: Path, kib: int) -> Iterator[str | None]:
    """Mounts a tmpfs of `kib` KiB at `directory`; yields why not, where that is not permitted."""
    directory.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={kib}k", "inrush-torture", str(directory)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        yield f"no small disk: {done.stderr.strip()}"
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Fills the file system that `directory` is on; what is returned is to be removed again."""
    junk = directory / "junk"
    # A file that is open unbuffered takes all that there is, to the last page.
    with junk.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"j" * size):
                    pass
            except OSError:
                continue
    return junk
