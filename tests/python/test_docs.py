"""Documentation: what it shows is what the engine accepts, and what a type checker accepts at its
strictest."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness import EXAMPLES, PATIENCE, ROOT, inrush, ran

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^python \{\n(.*?)^\};?$", re.MULTILINE | re.DOTALL)
STATEMENT = re.compile(
    r"^(?:source|destination|options|log|filter|parser|rewrite|block|application) .*\{|^python \{|^template \w",
    re.MULTILINE,
)
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "examples/README.md",
    "perf/method.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")),
]
LANGUAGE = sorted(
    path for part in ("language", "drivers", "parsers") for path in (ROOT / "docs" / part).glob("*.md")
)
DECISIONS = sorted(
    path for path in (ROOT / "docs/decisions").glob("*.md") if path.stem not in ("README", "TEMPLATE")
)
STUBS = sorted(path for suffix in ("py", "pyi") for path in (ROOT / "python").rglob(f"*.{suffix}"))
# Published elsewhere long ago, and shown as it is: its functions have no annotations.
UNTYPED = "documentation_sample"


def blocks(path: Path, *languages: str) -> Iterator[str]:
    """The code blocks of a file."""
    for indent, language, text in BLOCK.findall(path.read_text()):
        if language in languages:
            yield textwrap.dedent(text) if indent else text


def configurations() -> Iterator[tuple[str, str]]:
    """The samples of configurations, whole ones and statements alone, each with a name."""
    for page in PAGES:
        for number, text in enumerate(blocks(ROOT / page, "")):
            if STATEMENT.search(text):
                yield f"{page.replace('/', '-')}-{number}", text


def python_samples() -> Iterator[tuple[str, str]]:
    """Every sample of Python: of the pages, of docstrings, and of the python blocks of configurations; each
    with a name."""
    for path in [*(ROOT / page for page in PAGES), *STUBS]:
        for number, text in enumerate(blocks(path, "python")):
            yield f"{path.relative_to(ROOT)}_{number}", text
    confs = [*configurations(), *((path.stem, path.read_text()) for path in sorted(EXAMPLES.glob("*.conf")))]
    for name, text in confs:
        for number, code in enumerate(PYTHON.findall(text)):
            yield f"{name}_block_{number}", code


def parts_of_a_path(text: str) -> Iterator[str]:
    """A log path for each statement of a sample that has none."""
    own = "source { internal(); };"
    for name in re.findall(r"^source (\w+)", text, re.MULTILINE):
        yield f"source({name}); destination {{ stdout(); }};"
    for name in re.findall(r"^destination (\w+)", text, re.MULTILINE):
        yield f"{own} destination({name});"
    for kind, name in re.findall(r"^(filter|parser|rewrite) (\w+)", text, re.MULTILINE):
        yield f"{own} {kind}({name}); destination {{ stdout(); }};"
    for name in re.findall(r"^template (\w+)", text, re.MULTILINE):
        yield f"{own} destination {{ stdout(template({name})); }};"


CONFIGURATIONS = dict(configurations())
SAMPLES = {re.sub(r"\W", "_", name): text for name, text in python_samples()}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations_are_accepted(tmp_path: Path, name: str) -> None:
    """Without it: the first thing that a new user copies does not load."""
    text = CONFIGURATIONS[name]
    # A statement alone belongs to the class that is shown before it.
    page = ROOT / PAGES[[page.replace("/", "-") for page in PAGES].index(name.rpartition("-")[0])]
    if "python {" not in text:
        for named in re.findall(r'class\("(\w+)"\)', text):
            code = next(
                code for code in blocks(page, "python") if re.search(rf"^class {named}\b", code, re.MULTILINE)
            )
            text = f"python {{\n{code}}};\n{text}"
    # Files that an option names are the blocks of the page that are written in their language.
    for file in re.findall(r'\bdatabase\("([\w.-]+\.mmdb)"\)', text):
        shutil.copy(ROOT / "tests/data/geoip/test.mmdb", tmp_path / file)
    for option, end, language in (
        ("database", ".csv", "csv"),
        ("filters", "", "filters"),
        ("file", ".xml", "xml"),
    ):
        for file in re.findall(rf'\b{option}\("([\w.]+{end})"\)', text):
            (tmp_path / file).write_text(next(blocks(page, language)))
    if not re.search(r"^log\b", text, re.MULTILINE):
        text += "".join(f"log {{ {item} }};\n" for item in parts_of_a_path(text))
    (tmp_path / "test.conf").write_text(text)
    done = inrush("check", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert not re.search(r"^error: |[1-9] errors?\b", done.stderr, re.MULTILINE)


def test_there_are_samples() -> None:
    """Without it: a page is written another way, and nothing of it is looked at."""
    assert len(CONFIGURATIONS) >= 4
    assert len(SAMPLES) >= 20
    assert {
        "docs_python_api_md_0",
        "docs_testing_md_0",
        "python_inrush_typing_py_0",
        "quickstart_block_0",
    } <= SAMPLES.keys()
    assert any(name.startswith("README_md_") for name in SAMPLES)


@pytest.mark.parametrize("page", LANGUAGE, ids=lambda page: page.stem)
def test_options_have_their_examples(page: Path) -> None:
    """Without it: a reference lists an option that nobody has ever seen written."""
    samples = "\n".join(blocks(page, "")).replace("_", "-")
    for row in re.findall(r"^\| (`.*?) \|", page.read_text(), re.MULTILINE):
        for name in re.findall(r"`([a-z][a-z-]+)\(", row):
            assert re.search(rf"\b{name}\s*\(", samples), name


def test_every_option_has_its_place_in_the_reference() -> None:
    """Without it: an option is built, and nobody knows of it but those who built it."""
    tables = [path.read_text() for path in (ROOT / "src").rglob("*.rs")]
    options = {name for text in tables for name in re.findall(r"""\(\s*"([a-z-]+)",\s*Kind::""", text)}
    assert len(options) > 80
    known = set(re.findall(r"`([a-z-]+)[`(]", "\n".join(page.read_text() for page in LANGUAGE)))
    assert not options - known


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed for this interpreter")
@pytest.mark.timeout(600)
def test_samples_are_typed(tmp_path: Path) -> None:
    """Without it: what is copied from the guide is full of errors in an editor, and the stubs say no to what
    works."""
    for name, text in SAMPLES.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "mypy.ini").write_text(
        f"""[mypy]
strict = true
[mypy-kafka.*]
ignore_missing_imports = true
[mypy-{UNTYPED}_block_0]
disallow_untyped_defs = false
disallow_untyped_calls = false
# What Twisted's own classes have is only partly annotated.
[mypy-twisted_source_block_0]
disallow_untyped_calls = false
"""
    )
    checked = (sys.executable, "-m", "mypy", "--config-file", "mypy.ini", ".")
    done = ran(*checked, cwd=tmp_path, patience=10 * PATIENCE)
    assert done.code == 0, done.stdout + done.stderr


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as renderers make them."""
    titles = re.findall(
        r"^#+ (.*)$",
        re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL),
        re.MULTILINE,
    )
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Without it: a file was moved and the pages still point to where it was."""
    for target, _, heading in re.findall(r"\]\(([^)#:]*)(#([^)]*))?\)", (ROOT / page).read_text()):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        if heading:
            assert heading in headings(path), f"{target}#{heading}"


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decisions_are_short_and_found(path: Path) -> None:
    """Without it: a decision grows into a history, its number is anybody's, or nobody finds it."""
    text = path.read_text()
    parts = re.findall(r"^\*\*(\w+)\.\*\* ", text, re.MULTILINE)
    assert parts == [part for part in ("Question", "Answer", "Number", "Rejected", "Status") if part in parts]
    assert {"Question", "Answer", "Status"} <= set(parts)
    assert sum(map(bool, text.splitlines())) <= 15
    assert re.search(r"\*\*Status\.\*\* (Holds since|Replaced by) ", text)
    if "Number" in parts:
        number = text.partition("**Number.**")[2].partition("\n\n")[0]
        machines = re.findall(
            r"^- \*\*([^*]+)\*\*: ", (DECISIONS[0].parent / "README.md").read_text(), re.MULTILINE
        )
        measured = re.search(rf"(?:{'|'.join(map(re.escape, machines))}),\s[0-9a-f]{{7}}\b", number)
        assert measured, "no machine and commit"
    assert f"({path.name})" in (path.parent / "README.md").read_text()


def test_contributing_names_what_is_there() -> None:
    """Without it: the walks and the reading order lead to files and names that were moved."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for path in re.findall(r"`((?:src|tests|perf|docs|benches)/[\w/.]*\w)`", text):
        assert (ROOT / path).exists() or "NAME" in path or path.startswith("perf/.build"), path
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.rs"))
    for path in re.findall(r"`(docs/[\w/.-]+)`", sources):
        assert (ROOT / path).exists(), path
    words = text.partition("## Words")[2].partition("\n## ")[0]
    for name in re.findall(r"^\| \*\*.*?\(`(\w+)`\) \|", words, re.MULTILINE):
        assert re.search(rf"\b(?:struct|enum|trait) {name}\b", sources), name


def test_comments_open_with_nouns_and_verbs() -> None:
    """Without it: comments become riddles again: what, who, how and whether in the place of the thing itself."""
    opening = re.compile(r"^(?!\s*//[/!]).*\n\s*//[/!] (.*)", re.MULTILINE)
    asked = re.compile(r"(?:What|Who|Whose|Whom|How|Whether|Which|Where|When|Why)(?:ever)?\b")
    lines = [
        line for path in (ROOT / "src").rglob("*.rs") for line in opening.findall("\n" + path.read_text())
    ]
    assert len(lines) > 4000
    questions = [line for line in lines if asked.match(line)]
    assert len(questions) * 25 <= len(lines), questions


def test_make_help_knows_the_targets_of_the_readme() -> None:
    """Without it: the README names commands that are not there."""
    makefile = (ROOT / "Makefile").read_text()
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"`?make ([a-z-]+)", (ROOT / page).read_text()):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_few_items_are_public() -> None:
    """Without it: what users of the crate may lean on grows with what the rooms need from each other."""
    item = re.compile(
        r"^\s*pub (?:const fn|unsafe fn|fn|struct|enum|trait|const|static|type|mod|use)\b", re.MULTILINE
    )
    texts = [path.read_text() for path in (ROOT / "src").rglob("*.rs")]
    lines, items = sum(text.count("\n") for text in texts), sum(len(item.findall(text)) for text in texts)
    assert lines > 50_000
    assert items > 500, "the pattern finds them"
    assert items * 1000 <= lines * 22, f"{items} public items in {lines} lines"
