"""The recogniser in C says of a source that it is valid only where every Python's parser accepts it."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import pytest

from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.source import scanner
from hermpkg_build.source.scanner import is_certainly_valid
from hermpkg_build.source.syntax import check_syntax

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def at_work() -> None:
    """An extension without the recogniser is no reason to skip: make builds it anew."""
    choice = scanner.choose()
    assert "older sources" not in choice.told, choice.told
    if choice.extension is None:
        pytest.skip(f"sources are read {choice.told}")


def parses(data: bytes) -> bool:
    """Whether Python's parser makes a tree of it."""
    try:
        parse_module(data)
    except (SyntaxError, ValueError):
        return False
    return True


VALID = [
    "",
    "# c",
    "a",
    "\n\n  # c\n\t\na = 1 \\\n + 2",
    "a = b, *c = d[1:2, ::3, e:] = [f, *g] if h else not i < j is not k not in l",
    "a: b[c] = 0x1F + 1_0.5e-3j ** -d @ e // ~f << 2 or g and .5",
    "a.b += yield\ndel c, d.e, f[0]\nglobal g, h\nnonlocal i",
    "lambda: 1\nlambda a, /, b=1, *c, d, **e: (yield f)",
    "def f(a: b = 1, /, c: d = 2, *, e, **f: g,) -> h: return",
    "def f(*, a): return *b, c",
    "class A(b, *c, metaclass=d, **e):\n  '''f'''\n  g = 1; h = 2;",
    "@a.b(c for d in e if f)\n@g\nasync def h():\n    await i\n    async with j as k, l: pass",
    "async def f():\n async for a, *b in c: [d async for e in f if g if h]",
    "try: pass\nexcept (A, b.C) as d: raise\nexcept: raise e from f\nelse: pass\nfinally: pass",
    "try: pass\nfinally:\n  pass\n# at the edge\n  # and not\n",
    "if (a := b): pass\nelif c: ...\nelse:\n  while d: break\n  else: continue",
    "for a, in b, *c: assert d, e",
    "with a as (b, c), d: pass\nwith (e): pass",
    "import a.b as c, d\nfrom . import e\nfrom ...f.g import (h as i, j,)\nfrom .... import *",
    "from __future__ import annotations",
    "{}\n{1: 2, **a}\n{1, *a}\n{a: b for c in d}\n{a for b in c}\n()\n(a,)\n[]",
    "a(b)(c)[d].e(*f, g=1, *h, **i)\nj(k := 1)",
    "b'a' rb'\\d' BR''\nu'a' 'é' \"\\x41\\u00e9\\n\\\\\" r'\\\\' '''a\n'''",
    "f'{a!r:>{b}}{c=}{{}}{d[\"e\"]}{f(g, h=1)!s}' rf'{i:.2f}' F'''\n{j}'''",
    "match = case = type = _ = 1\nmatch(case)\nprint(type)",
]


@pytest.mark.parametrize("source", VALID)
def test_what_is_usual_is_known_to_be_valid(source: str) -> None:
    assert is_certainly_valid(source.encode())
    assert parses(source.encode())


INVALID = [
    "a b", "a = ", "a +", "(", ")", "(]", "a = = b", "1 = a", "a() = 1", "f'{a}' = 1", "a + b = 1",
    "a = b + c = d", "(*a)", "(*a) = 1", "del a()", "a, b += 1", "(a, b): c", "a() += 1", "None = 1",
    "a.None", "not = 1", "f(a=1, b)", "f(**a, b)", "f(**a, *b)", "f(a for b in c, d)", "f(d, a for b in c)",
    "f(a.b=1)", "f((a)=1)", "f(True=1)", "class A(b for c in d): pass", "class A: b c",
    "def f(a=1, b): pass", "def f(*): pass", "def f(*, **a): pass", "def f(**a, b): pass", "def f(/): pass",
    "def f(a, /, /): pass", "def f(*a, /): pass", "def f(*a, *b): pass", "def f(*a=1): pass",
    "def f(a.b): pass", "lambda a: b: c", "lambda *: 1", "{1: 2, 3}", "{1, 2: 3}", "{**a for b in c}",
    "{*a: 1}", "[*a for b in c]", "{a := 1: 2}", "a[]", "a[,]", "[a for b c]", "[for a in b]", "a if b",
    "a if b else", "a not b", "a is is b", "a < > b", "a <> b", "if a:\npass", "if a:\n  b\n c", "  a",
    "if a: if b: c", "if a:", "else: a", "try: a", "try: a\nelse: b", "try: a\nexcept: b\nelse c",
    "while: a", "for a.b() in c: d", "for a in: b", "with: a", "with a as b(): c", "@a\nb", "@a def f(): b",
    "async a", "async def f: b", "import", "import a.", "import a as b.c", "from a import",
    "from a import (b", "from a import ()", "from a import b,", "from import a", "from .a.b c import d",
    "import *", "'a", "'''a", "'a\nb'", "b'é'", "'a' b'b'", "ub'a'", "'\\x4'", "'\\u12'", "f'{a'", "f'{}'",
    "f'}'", "f'{a!x}'", "f'{a b}'", "f'{a:{b}'", "0777", "1__0", "1_", "0x", "1e", "0b2", "1.a", "a\\ b",
    "a = 1 \\", "a $ b", "a ? b", "return = 1", "global a.b", "assert", "raise from a", "yield = 1",
    "a; ; b", "pass pass", "print 'a'", "a\0b", "if a:\n\tb\n        c", "x = (\n", "def f():\n",
    "class A:\n  # only a comment\n", "exec 'a'", "a: b: c",
    *(f"if a:\n{' ' * width}b\n{' ' * (width + 1)}c" for width in (1, 999, 1_000, 1_001, 10_001, 65_536)),
]  # fmt: skip


@pytest.mark.parametrize("source", INVALID)
def test_what_no_parser_accepts_is_not_said_to_be_valid(source: str) -> None:
    assert not is_certainly_valid(source.encode())
    assert not parses(source.encode())
    assert check_syntax(source.encode()) is not None


OTHERS = [
    "match a:\n  case 1: pass",
    "é = 1",
    "# coding: latin-1\na",
    "\ufeffa",
    "a\r\nb",
    "if a:\n\tb",
    "'\\d'",
    "1if a else b",
    "from __future__ import barry_as_FLUFL",
    "with (a as b, c as d): pass",
    "f'{lambda: 1}'",
    "f'{a:{b=}}'",
    "f'{a=:{b=!r}}'",
    "(" * 60 + ")" * 60,
    "a = " + "b + " * 300 + "c",
]


@pytest.mark.parametrize("source", OTHERS)
def test_what_is_rare_is_left_to_the_parser(source: str) -> None:
    assert not is_certainly_valid(source.encode())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 reads more f-strings")
@pytest.mark.parametrize("source", ["f'{a['b']}'", "f'{a\n}'", "f'''{a # b\n}'''", "f'{\"\\n\"}'"])
def test_what_only_newer_pythons_can_parse_is_not_said_to_be_valid(source: str) -> None:
    assert not is_certainly_valid(source.encode())
    assert not parses(source.encode())


def _deepest() -> list[str]:
    operand = "not not not a == ~~~a ** b ** -c ** "
    return [
        "a = " + f"{operand}(" * 48 + "1" + ")" * 48,
        "a = " + "b if not not not a == ~~~a ** b else " * 49 + "c",
        "a = " + "lambda: " * 49 + "c",
        "if a: b\n" + "elif c: d\n" * 46,
        "".join(" " * at + "def f():\n" for at in range(39)) + " " * 39 + "pass",
        *("a = " + f"b {operator} " * 200 + "c" for operator in ("+", "<", "and")),
        "a" + ".b" * 199,
        "a" + "(b)" * 199,
        "a = " * 200 + "1",
        "[a " + "for b in c " * 199 + "]",
        "a = " + "9" * 300,
    ]


@pytest.mark.parametrize("source", _deepest())
def test_what_is_as_deep_or_long_as_it_may_be_is_valid(source: str) -> None:
    assert is_certainly_valid(source.encode())
    assert parses(source.encode())


def test_most_of_our_own_sources_are_known_to_be_valid() -> None:
    sources = [path.read_bytes() for path in (REPOSITORY / "hermpkg_build").rglob("*.py")]
    assert sum(map(is_certainly_valid, sources)) > len(sources) * 0.95


def test_no_source_with_tokens_moved_is_said_to_be_valid_that_does_not_parse() -> None:
    """The same by `make fuzz TARGET=plain_sources`, for as long as one likes."""
    choose, valid = random.Random(20), 0
    tokens = [re.findall(r"\w+|\s+|.", source) for source in [*VALID, *INVALID, *OTHERS]]
    for _ in range(20_000):
        parts = list(choose.choice(tokens))
        for _ in range(choose.choice((1, 1, 2, 3))):
            place, other = choose.randrange(len(parts) + 1), choose.choice(tokens)
            parts[place : place + choose.randrange(2)] = other[choose.randrange(len(other) + 1) :][:1]
        data = "".join(parts).encode()
        if is_certainly_valid(data):
            valid += 1
            assert parses(data), data
    assert valid > 2_000


def test_work_grows_with_the_source_alone() -> None:
    """With work that grows with its square, this would not end."""
    pieces = ["a = [b, *c]\n", "if a:\n  b\n", "'''a\n'''\n", "f'{a!r}' '\\n'\n", "a(b)\n", "a = (\n#\n)\n"]
    for piece in pieces:
        assert is_certainly_valid((piece * 100_000).encode())
