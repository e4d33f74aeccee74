"""What the documentation shows is what the engine accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import ROOT, inrush

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", "docs/configuration.md", "docs/python-api.md", "docs/testing.md"]


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    return [text for kind, text in BLOCK.findall((ROOT / page).read_text()) if kind == language]


@pytest.mark.parametrize("page", PAGES[:2])
def test_configurations_are_accepted(tmp_path: Path, page: str) -> None:
    """Without it: the first thing that a new user copies does not load."""
    confs = [text for text in blocks(page, "") if "log {" in text]
    assert confs
    for text in confs:
        (tmp_path / "test.conf").write_text(text)
        done = inrush("check", "-f", "test.conf", cwd=tmp_path)
        assert done.code == 0, done.stderr


def test_python_compiles() -> None:
    """Without it: the code of the guide has a typing error."""
    codes = blocks("docs/python-api.md", "python")
    assert codes
    for text in codes:
        compile(text, "docs/python-api.md", "exec")


@pytest.mark.parametrize(
    "page", [*PAGES, "docs/reliability.md", "docs/operation.md", "CONTRIBUTING.md", "examples/README.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    """Without it: a file was moved and the pages still point to where it was."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target


def test_make_help_knows_the_targets_of_the_readme() -> None:
    """Without it: the README names commands that are not there."""
    makefile = (ROOT / "Makefile").read_text()
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"`?make ([a-z-]+)", (ROOT / page).read_text()):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
