"""Import facts of small sources, one kind of construct each."""

from __future__ import annotations

import textwrap

import pytest

from hermpkg_build.core.import_facts import (
    DynamicImport,
    Import,
    ImportContext,
    ImportFacts,
    ImportForm,
    SourceUse,
)
from hermpkg_build.source.imports import analyse_source

TOP = ImportContext.TOP_LEVEL
FUNCTION, TRY, CONDITIONAL = ImportContext.FUNCTION, ImportContext.TRY, ImportContext.CONDITIONAL
TYPING = ImportContext.TYPE_CHECKING


def analyse(source: str) -> ImportFacts:
    return analyse_source(textwrap.dedent(source).encode())


def modules(source: str) -> list[str]:
    return ["." * i.level + i.module for i in analyse(source).imports]


def contexts(source: str) -> dict[str, ImportContext]:
    return {i.module: i.context for i in analyse(source).imports}


def test_an_import_statement_gives_one_import_a_module() -> None:
    assert analyse("import a.b as c, d\n").imports == (
        Import("a.b", 0, (), ImportForm.IMPORT, TOP, 1, 1),
        Import("d", 0, (), ImportForm.IMPORT, TOP, 1, 1),
    )


def test_a_from_import_gives_its_names() -> None:
    source = "from ..a.b import (  # why\n    c as d,\n    e,\n)\nfrom . import *\n"
    assert analyse(source).imports == (
        Import("a.b", 2, ("c", "e"), ImportForm.FROM, TOP, 1, 1),
        Import("", 1, ("*",), ImportForm.FROM, TOP, 5, 1),
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from.a import(b)", [".a"]),
        ("from ... import x", ["..."]),
        ("from .\\\n . a \\\n import b", ["..a"]),
        ("import a; from b import c; x = 1; import d", ["a", "b", "d"]),
        ("if x: import a", ["a"]),
        ("class A: import a; import b", ["a", "b"]),
        ("\fimport a\n\f  \fimport b", ["a", "b"]),
        ("import a\rimport b\r\nimport c", ["a", "b", "c"]),
        ("import ａｂ", ["ab"]),
        ("import é", ["é"]),
        ("from a . b import c", ["a.b"]),
        ("from a.  import_b import c", ["a.import_b"]),
        ("from a import*", ["a"]),
        ("'''\nimport a\n'''\nimport b", ["b"]),
        ("x = 'it''s'; y = '''\nimport a\n'''; import b", ["b"]),
        ("# '''\nimport a\n# '''", ["a"]),
        ("x = 'a\\\nimport b'\nimport c", ["c"]),
        ("x = r'\\''\nimport a\n'''\nimport b'''", ["a"]),
        ("f'''{x}\nimport a'''\nimport b", ["b"]),
        ("f'{d['''\nimport a\n''']}'\nimport b", ["b"]),
        ("f'{d['x']} {e['''y''']}'\nimport b", ["b"]),
        ("def f(): yield from a\nraise x from y", []),
        ("x = (yield\nfrom_import)", []),
        ("important = 1\nre_import = import_ = 2", []),
        ("if x:\n  \\\n    import a\n  import b", ["a", "b"]),
    ],
)
def test_statements_are_found_wherever_they_can_stand(source: str, expected: list[str]) -> None:
    assert modules(source) == expected


def test_places_count_characters_from_one() -> None:
    (found,) = analyse_source("\ufeffx = 'äöü'; import a".encode()).imports
    assert (found.line, found.column) == (1, 12)


def test_contexts_of_blocks() -> None:
    assert contexts(
        """
        class A:
            import in_class
            def f(self, x=__import__("in_default")):
                import in_method
        for x in y:
            import in_for
        while x:
            import in_while
        match x:
            case 1:
                import in_case
        with x:
            import in_with
        with suppress(ImportError):
            import in_suppress
        try:
            import in_try
        except (KeyError, ImportError):
            import in_except
        else:
            import in_else
        finally:
            import in_finally
        try:
            import in_other_try
        except KeyError:
            pass
        """
    ) == {
        "in_class": TOP,
        "in_default": TOP,
        "in_method": FUNCTION,
        "in_for": CONDITIONAL,
        "in_while": CONDITIONAL,
        "in_case": CONDITIONAL,
        "in_with": TOP,
        "in_suppress": TRY,
        "in_try": TRY,
        "in_except": CONDITIONAL,
        "in_else": CONDITIONAL,
        "in_finally": TOP,
        "in_other_try": TOP,
    }


@pytest.mark.parametrize(
    ("test", "body", "otherwise"),
    [
        ("TYPE_CHECKING", TYPING, TOP),
        ("typing.TYPE_CHECKING", TYPING, TOP),
        ("(TC)", TYPING, TOP),
        ("not TYPE_CHECKING", TOP, TYPING),
        ("not (t.TYPE_CHECKING)", TOP, TYPING),
        ("TYPE_CHECKING or x", CONDITIONAL, CONDITIONAL),
        ("x", CONDITIONAL, CONDITIONAL),
    ],
)
def test_type_checking(test: str, body: ImportContext, otherwise: ImportContext) -> None:
    source = f"from typing import TYPE_CHECKING as TC\nif {test}:\n import a\nelse:\n import b\n"
    found = contexts(source)
    assert (found["a"], found["b"]) == (body, otherwise)


def test_elif_takes_the_tests_before_it_into_account() -> None:
    source = (
        "if TYPE_CHECKING:\n import a\nelif x:\n import b\nelif not TYPE_CHECKING:\n import c\nelse: import d"
    )
    found = contexts(source)
    assert found == {"a": TYPING, "b": CONDITIONAL, "c": CONDITIONAL, "d": CONDITIONAL | TYPING}


def test_lines_within_brackets_are_no_blocks() -> None:
    source = """
    def f():
        x = [a
    for a in b
    if a]
        import c
    y = (1
    if x else
    2)
    import d
    """
    assert contexts(source) == {"c": FUNCTION, "d": TOP}


@pytest.mark.parametrize(
    ("call", "module", "level", "names"),
    [
        ("__import__('a.b')", "a.b", 0, ()),
        ("__import__(name='a' '.b', level=1)", "a.b", 1, ()),
        ("__import__('a', globals(), locals(), ['b', 'c'], 0)", "a", 0, ("b", "c")),
        ("importlib.import_module('a' + '.b')", "a.b", 0, ()),
        ("importlib.import_module(\n    f'a'  # why\n)", "a", 0, ()),
        ("il.import_module('.b', 'a')", "b", 1, ("a",)),
        ("il.import_module('..b', package='a.c')", "b", 2, ("a.c",)),
        ("load('.b', __package__)", "b", 1, ()),
        ("load('.b', __name__)", "b", 1, ()),
        ("load('\\x61')", "a", 0, ()),
    ],
)
def test_calls_with_constants(call: str, module: str, level: int, names: tuple[str, ...]) -> None:
    source = f"import importlib as il\nfrom importlib import import_module as load\nx = {call}\n"
    found = analyse(source).imports[-1]
    assert (found.module, found.level, found.names, found.line, found.column) == (module, level, names, 3, 5)


@pytest.mark.parametrize(
    "call",
    ["__import__(x)", "importlib.import_module(f'a{x}')", "importlib.import_module('.a')", "__import__(*x)"],
)
def test_other_calls_are_dynamic(call: str) -> None:
    assert analyse(f"def f(): {call}").dynamic == (DynamicImport(call, FUNCTION, 1, 10),)


def test_the_text_of_a_dynamic_import_is_short_and_of_one_line() -> None:
    (found,) = analyse(f"__import__(x,\n     {'y' * 100})").dynamic
    assert found.text == f"__import__(x, {'y' * 100}"[:80]


def test_calls_within_formatted_strings_and_lambdas() -> None:
    source = (
        "f'{__import__(\"a\")}' f\"{x:{__import__('b')}}\"\nf = lambda x=__import__('c'): __import__('d')"
    )
    assert contexts(source) == {"a": TOP, "b": TOP, "c": TOP, "d": FUNCTION}


@pytest.mark.parametrize(
    "source",
    ["x.__import__('a')", "def __import__(a): 0", "'__import__(\"a\")'", "# __import__('a')", "load('a')"],
)
def test_what_only_looks_like_a_call(source: str) -> None:
    facts = analyse(source)
    assert (facts.imports, facts.dynamic) == ((), ())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", None),
        ("__all__ = ['a', 'b' 'c',]", ("a", "bc")),
        ("__all__ = 'a', 'b'", ("a", "b")),
        ("__all__: list[str] = ['a'] + ('b',)", ("a", "b")),
        ("__all__ = []\n__all__ += ['a']\n__all__.extend(('b',))\n__all__.append('a')", ("a", "b")),
        ("if x:\n  __all__ = ['a']\nelse:\n  __all__ = ['b']", ("a", "b")),
        ("if TYPE_CHECKING:\n  __all__ = ['a']", None),
        ("def f():\n  __all__ = ['a']\nclass A:\n  __all__ = ['b']", None),
        ("__all__ = other.__all__ + ['a']", None),
        ("__all__ = ['a']\n__all__ += other.__all__", None),
        ("__all__ = [x]\n__all__ = ['a']", ("a",)),
        ("__all__ = ('a')", None),
        ("__all__ += ['a']", None),
        ("f(\n__all__ = ['a']\n)", None),
    ],
)
def test_exports(source: str, expected: tuple[str, ...] | None) -> None:
    assert analyse(source).exports == expected


def test_uses_of_the_place_on_disk() -> None:
    source = """
    import importlib.resources as r, inspect as i, pkgutil
    from importlib import resources
    x = __file__, "__file__", y.__file__
    i.getsource(x); pkgutil.get_data(a, b)
    __path__ = f(__path__)
    """
    assert analyse(source).uses == (
        SourceUse("importlib.resources", 2, 1),
        SourceUse("importlib.resources", 3, 1),
        SourceUse("__file__", 4, 5),
        SourceUse("inspect.getsource", 5, 1),
        SourceUse("pkgutil.get_data", 5, 17),
        SourceUse("__path__", 6, 1),
        SourceUse("__path__", 6, 14),
    )


def test_uses_of_the_place_of_imported_modules() -> None:
    source = """
    import a.b, c.d as e
    from f.g import h as i, j
    from . import k
    x = a.b.__file__, e.__path__[0], i.__file__, (j).__file__, k.__file__
    y = x.__file__, self.a.__file__, f(a).__file__, "a.__file__"
    z = dirname(a . __file__)
    """
    assert analyse(source).uses == (
        SourceUse("a.b.__file__", 5, 5),
        SourceUse("c.d.__path__", 5, 19),
        SourceUse("f.g.h.__file__", 5, 34),
        SourceUse("__file__", 5, 60),
        SourceUse("a.__file__", 7, 13),
    )


@pytest.mark.parametrize(
    ("data", "module"),
    [
        (b"# coding: latin-1\nimport \xe9", "é"),
        (b"#!/usr/bin/python\n# -*- coding: cp1252 -*-\nimport \xe9", "é"),
        (b"\xef\xbb\xbfimport a", "a"),
        (b"\xef\xbb\xbf# coding: utf-8\nimport a", "a"),
        (b"# \xe9 in a comment alone\nimport a", "a"),
        (b"x = 1\n# coding: nonsense\nimport a", "a"),
    ],
)
def test_encodings(data: bytes, module: str) -> None:
    facts = analyse_source(data)
    assert facts.syntax_problem is None
    assert [i.module for i in facts.imports] == [module]


@pytest.mark.parametrize(
    ("data", "message", "line", "column"),
    [
        (b"import a\0", "source code cannot contain null bytes", 0, 0),
        (b"# coding: nonsense\n", "unknown encoding: nonsense", 0, 0),
        (b"# coding: ascii\n# \xe9\n", "not ascii", 0, 0),
        (b"\xef\xbb\xbf# coding: latin-1\n", "encoding problem: latin-1 with a byte order mark", 0, 0),
        (b"x = '\xe9'\n", "not utf-8", 1, 6),
        (b"import a\n'''b\nimport c\n", "unterminated triple-quoted string literal", 2, 1),
    ],
)
def test_sources_that_cannot_be_read(data: bytes, message: str, line: int, column: int) -> None:
    facts = analyse_source(data)
    problem = facts.syntax_problem
    assert problem
    assert problem.message.startswith(message)
    assert (problem.line, problem.column) == (line, column)
    assert facts == ImportFacts(syntax_problem=problem)


@pytest.mark.parametrize("piece", ["f'{", "(", "x if y else (", "[lambda: "])
def test_nesting_without_end_is_a_problem_not_a_crash(piece: str) -> None:
    assert analyse(f"__all__ = {piece * 10_000}").syntax_problem


def test_an_indentation_may_be_joined_by_backslashes() -> None:
    assert contexts("if x:\n  import a\n\\\n  import b\n  \\\nimport c\n\\\nimport d") == {
        "a": CONDITIONAL,
        "b": CONDITIONAL,
        "c": CONDITIONAL,
        "d": TOP,
    }


@pytest.mark.parametrize(
    "source", ["from a import ()", "import", "import ;", "from", "from . import", "import a as"]
)
def test_invalid_statements_do_not_raise(source: str) -> None:
    assert analyse(source).syntax_problem is None


def test_odd_sources_take_linear_time() -> None:
    # Every line could be the start of a block or the middle of a bracket: without memory this is quadratic.
    table = "x = {\n" + "'a': __file__ if b\nelse c,\n" * 20_000 + "}\n"
    assert len(analyse(table).uses) == 20_000
    function = "def f():\n" + "    if x:\n        import a\n" * 20_000
    assert len(analyse(function).imports) == 20_000
