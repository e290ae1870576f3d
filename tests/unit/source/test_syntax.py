"""The full parse, and when it can be left out."""

from __future__ import annotations

import ast
import os
import py_compile
import warnings
from pathlib import Path

import pytest

from hermpkg_build.source.syntax import check_syntax, has_current_bytecode


def test_valid_sources_have_no_problem_and_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_syntax(b"from __future__ import annotations\nx = '\\d'; assert (x, 1); 1 is 1") is None


def test_a_problem_says_where_it_is() -> None:
    problem = check_syntax(b"import a\nimport b c\n")
    assert problem
    assert (problem.message, problem.line, problem.column, problem.text) == (
        "invalid syntax",
        2,
        10,
        "import b c",
    )


@pytest.mark.parametrize("data", [b"a\0b", b"# coding: nonsense\n", b"(" * 10_000, b"-" * 1_000_000 + b"1"])
def test_what_the_parser_gives_up_on_is_a_problem(data: bytes) -> None:
    assert check_syntax(data)


@pytest.mark.parametrize(
    "source",
    [
        b"return 1\n",
        b"yield 1\n",
        b"await x\n",
        b"break\n",
        b"def f(a, a): pass\n",
        b"def f():\n    x = 1\n    global x\n",
        b"nonlocal x\n",
        b"from __future__ import nothing\n",
        b"x = '\\d'\n",
        b"\xef\xbb\xbfimport a\r\n",
        b"# coding: latin-1\nx = '\xe9'\n",
        b"x = " + b"(" * 90 + b"1" + b")" * 90,
        b"import a b\n",
        b"x = \xe9\n",
        b"x = '\xc3\xa9'\n",
        b"\n# coding: nonsense\n",
        b"#\r# coding: nonsense\r",
        b"# coding: nonsense",
        b"#\n#\n# coding: nonsense\n",
        b" x = 1\n",
        b"\\\n x = 1\n",
        b"\x0cx = 1\n",
        b"from __future__ import _\n",
        b"x = 1\nfrom __future__ import _\n",
        b"x <> 1\n",
        b"from __future__ import barry_as_FLUFL\nx <> 1\n",
        b"",
    ],
)
def test_the_verdict_is_that_of_a_syntax_tree(source: bytes) -> None:
    """Whatever is found out without one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except (SyntaxError, ValueError):
            assert check_syntax(source)
        else:
            assert check_syntax(source) is None


def test_no_tree_is_made_of_what_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermpkg_build.source.syntax.parse_module", None)
    assert check_syntax(b"import a\n") is None


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_bytes(b"import a\n")
    return path


def is_current(path: Path) -> bool:
    return has_current_bytecode(str(path), path.read_bytes())


@pytest.mark.parametrize("mode", py_compile.PycInvalidationMode)
def test_bytecode_of_the_same_source_is_current(source: Path, mode: py_compile.PycInvalidationMode) -> None:
    assert not is_current(source)
    py_compile.compile(str(source), invalidation_mode=mode)
    assert is_current(source)
    source.write_bytes(b"import a b\n")
    assert not is_current(source)


def test_bytecode_of_another_time_is_not_current(source: Path) -> None:
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    os.utime(source, (1, 1))
    assert not is_current(source)


def test_damaged_bytecode_is_not_current(source: Path) -> None:
    compiled = py_compile.compile(str(source))
    assert compiled
    for damaged in (b"", b"\0" * 16, Path(compiled).read_bytes()[:10]):
        Path(compiled).write_bytes(damaged)
        assert not is_current(source)
