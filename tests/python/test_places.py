"""Errors in a configuration's Python code stand at the file, the line and the column that they are about."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from harness import StartEngine
from harness import inrush as command

# Positions within a line are known from CPython 3.11 on.
HAS_COLUMNS = sys.version_info >= (3, 11)
PATHS = "source s { python(class(Source)); };\nlog { source(s); destination { file(out.log); }; };\n"


def check(tmp_path: Path, text: str) -> str:
    """The words of `check` about a configuration that it does not accept."""
    (tmp_path / "test.conf").write_text(text)
    done = command("check", "-f", "test.conf", cwd=tmp_path)
    assert done.code == 1, done
    assert "panicked" not in done.stderr
    return done.stderr


class TestBlocks:
    """`python { }` blocks that do not compile, or raise."""

    @pytest.mark.parametrize(
        ("code", "said", "place"),
        [
            ("x = 1\ny = 1 +\n", "SyntaxError: invalid syntax", "4:8"),
            ("def f():\nx = 1\n", "IndentationError: expected an indented block", "4:1"),
            ("x = 1\n    y = 2\n", "IndentationError: unexpected indent", "4:5"),
            ("if 1:\n\tx = 1\n        y = 2\n", "TabError: inconsistent use of tabs", "5:9"),
            ("if 1:\n    x = 1\n  y = 2  \n", "IndentationError: unindent does not match", "5:3"),
            ("x = 1\n# é\ny = 'a\0' + 1\n", "Python code cannot have a NUL in it", "5:7"),
            ("x = 1\n\0", "Python code cannot have a NUL in it", "4:1"),
            ("x = foo(1,\ny = 2\n", "SyntaxError: '(' was never closed", "3:8"),
            ("s = 'ä' + )\n", "SyntaxError: unmatched ')'", "3:11"),
            ("class A:\n", "IndentationError: expected an indented block", "3:9"),
            (
                'def f():\n    return {"a": (1, 2}\n',
                "SyntaxError: closing parenthesis '}' does not match",
                "4:23",
            ),
            ("D = {\n1: 2,\n}\nx = {[}\n", "SyntaxError: closing parenthesis '}' does not match", "6:7"),
            ("return 1\n", "SyntaxError: 'return' outside function", "3:1"),
        ],
    )
    def test_code_that_does_not_compile(self, tmp_path: Path, code: str, said: str, place: str) -> None:
        """Without it: editors and scripts jump to the brace of the block, and one counts lines by hand."""
        shown = check(tmp_path, f"@version: current\npython {{\n{code}}};\n{PATHS}")
        assert f"error: {said}" in shown
        assert f"--> test.conf:{place}" in shown
        # The interpreter's own drawing of the place would be the second one.
        assert "Traceback" not in shown
        assert "File " not in shown

    def test_a_bracket_behind_a_wrong_indentation(self, tmp_path: Path) -> None:
        """Without it: the bracket that is not closed is told once the indentation is mended."""
        code = "from syslogng import LogSource\n\n   x = (1,\nclass S(LogSource): pass\n"
        shown = check(tmp_path, f"python {{\n{code}}};\n{PATHS}")
        assert "error: IndentationError: unexpected indent" in shown
        assert "--> test.conf:4:4" in shown
        assert re.search(r"4 \|    x = \(1,\n *\|    \^+-?\^*\n(.*\n)*.*this is not closed", shown), shown

    @pytest.mark.parametrize(
        ("code", "said", "place", "also"),
        [
            (
                "x = 1\nimport no_such_module\n",
                "ModuleNotFoundError: No module named",
                "4:1",
                "was looked for",
            ),
            ("x = {}\ny = x['url']\n", "KeyError: 'url'", "4:5", None),
            ("def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: ", "4:12", "line 5, in <module>"),
            ("import json\njson.loads('{')\n", "JSONDecodeError: ", "4:1", "decoder.py"),
            (
                "try:\n    {}['a']\nexcept KeyError:\n    raise OSError('b')\n",
                "OSError: b",
                "6:5",
                "KeyError: 'a'",
            ),
            ("raise SystemExit(3)\n", "SystemExit: 3", "3:1", None),
            ("raise ValueError('two\\nlines')\n", "ValueError: two", "3:1", None),
        ],
    )
    def test_code_that_raises(
        self, tmp_path: Path, code: str, said: str, place: str, also: str | None
    ) -> None:
        """Without it: the line that failed is in a note only."""
        shown = check(tmp_path, f"@version: current\npython {{\n{code}}};\n{PATHS}")
        assert f"error: this python block failed: {said}" in shown
        line, column = place.split(":")
        # Without positions of code it is the line from its first word on.
        assert f"--> test.conf:{line}:{column if HAS_COLUMNS else ''}" in shown
        if also is None:
            assert "Traceback" not in shown
        else:
            assert also in shown

    def test_code_on_the_line_of_its_brace(self, tmp_path: Path) -> None:
        """Without it: the blanks after the brace shift the column."""
        assert "--> test.conf:1:16" in check(tmp_path, f"python {{   x = )\n}};\n{PATHS}")
        assert "--> test.conf:1:1" in check(tmp_path, f"python {{   x = y\n}};\n{PATHS}")

    def test_the_block_in_an_included_file(self, tmp_path: Path) -> None:
        """Without it: the right line of the wrong file is shown."""
        (tmp_path / "code.conf").write_text("# first\npython {\nx = 1\ny = z\n};\n")
        shown = check(tmp_path, f'python {{ z = 2 }};\npython {{ del z }};\n@include "code.conf"\n{PATHS}')
        assert "NameError: name 'z' is not defined" in shown
        assert "code.conf:4:" in shown
        assert "included from test.conf:3" in shown

    @pytest.mark.parametrize(
        ("code", "said", "place"),
        [
            ('d = {"a": 1\nx = 2\n', "`{` was never closed", "3:5"),
            ("x = [1, {2\nd = 3\n", "`[` was never closed", "3:5"),
            ('text = """{\n', "the end of this text is missing", "3:8"),
            ("D = {\n1: 2,\n}\nx = {{1: 2}\n", "`{` was never closed", "6:5"),
        ],
    )
    def test_what_was_never_closed(self, tmp_path: Path, code: str, said: str, place: str) -> None:
        """Without it: the brace of the block is blamed for a bracket in its code."""
        shown = check(tmp_path, f"@version: current\npython {{\n{code}}};\n{PATHS}")
        assert f"error: {said}" in shown
        assert f"--> test.conf:{place}" in shown
        assert "so this block has no end" in shown


class TestClasses:
    """Classes that are not what `class()` needs."""

    def test_the_class_that_was_found_is_named(self, tmp_path: Path) -> None:
        """Without it: a class that has taken the name of the source is looked for in the whole program."""
        (tmp_path / "own.py").write_text("import sys\n\nclass Source:\n    def run(self): pass\n")
        shown = check(tmp_path, f"python {{\nfrom own import Source\n}};\n{PATHS}")
        assert "class `Source` does not derive from LogSource" in shown
        assert f"it is `own.Source` at {tmp_path}/own.py:3" in shown
        shown = check(tmp_path, f"python {{\nfrom enum import Enum as Source\n}};\n{PATHS}")
        assert "it is `enum.Enum` at " in shown
        shown = check(tmp_path, f"python {{\nSource = dict\n}};\n{PATHS}")
        assert "it is `builtins.dict`" in shown

    def test_the_class_of_a_block_is_shown(self, tmp_path: Path) -> None:
        """Without it: of two classes in two blocks one looks at the wrong one."""
        text = "python {\nclass Source:\n    x = 1\n    @property\n    def run(self): pass\n};\n"
        shown = check(tmp_path, text + PATHS)
        assert "--> test.conf:7:25" in shown
        assert "class Source:" in shown


INIT = """python {{
from syslogng import LogSource
class Source(LogSource):
    def init(self, options):
        return {result}
    def run(self):
        pass
}};
"""


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("None", "init() of class `Source` returned None: end it with `return True`"),
        ("0", "init() of class `Source` returned 0, which is false: end it with `return True`"),
        ("''", "init() of class `Source` returned '', which is false: end it with `return True`"),
        ("False", "init() of class `Source` returned false: it refuses these options"),
    ],
)
def test_init_that_does_not_return_true(engine: StartEngine, result: str, said: str) -> None:
    """Without it: who forgot `return True` reads that the options are refused, and looks at them."""
    running = engine(INIT.format(result=result) + PATHS, started=False)
    assert running.wait_exit() == 1
    assert said in running.stderr.text
    # The method, and the source that names its class.
    assert "test.conf:4:5" in running.stderr.text
    assert "def init(self, options):" in running.stderr.text
    assert "source s { python(class(Source)); };" in running.stderr.text
    assert "Traceback" not in running.stderr.text


def test_init_of_a_module_that_does_not_return_true(engine: StartEngine, tmp_path: Path) -> None:
    """Without it: the place of the method is told for code in blocks only."""
    code = "import functools\n" + INIT.format(result=None).replace("python {", "").replace("};\n", "")
    (tmp_path / "own.py").write_text(code)
    running = engine(PATHS.replace("class(Source)", "class(own.Source)"), started=False)
    assert running.wait_exit() == 1
    assert "init() of class `own.Source` returned None: end it with `return True`" in running.stderr.text
    assert f"it is defined at {tmp_path}/own.py:5" in running.stderr.text
