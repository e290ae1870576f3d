"""Sources that differ in comments, blank lines and layout alone have one code, and no others have it."""

from __future__ import annotations

import ast
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.source.class_lines import CLASSES_KNOW_LINES, with_lines
from hermpkg_build.source.code_identity import code_of_source, digest_of_code, have_same_code, lines_of

LINES = [
    '"""What it is."""',
    "import json",
    "def call(self, x, *rest, key=1.0, **more):",
    "    global seen",
    "    seen = {x, 1} if x in {3, 2, 1} else (2.0, b'2', None, ...)",
    "    return [json.dumps(y) for y in rest if y is not key] or (lambda: more)",
    "async def wait(x):",
    "    async with x as y:",
    "        yield f'{y!r:>{x}} {y=}'",
    "made = [call(0, number) for number in range(3)]",
    "@call",
    "class Net(dict, metaclass=type):",
    "    width, depth = 16, 17",
    "    def call(self, x):",
    "        self.x = x",
    "        class Inner:",
    "            size: int = 20",
    "        return Inner",
]


def digest(text: str) -> str:
    code = code_of_source(text.encode())
    assert code is not None
    return digest_of_code(code)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(LINES)), st.sampled_from(["", "# why", "   # so", "\x0c"]))))
def test_comments_and_blank_lines_leave_the_code_alone(added: list[tuple[int, str]]) -> None:
    lines = list(LINES)
    for place, line in sorted(added, reverse=True):
        lines.insert(place, line)
    edited, plain = "\n".join(lines), "\n".join(LINES)
    assert digest(edited) == digest(plain)
    before, after = (
        list(lines_of(code)) for text in (plain, edited) if (code := code_of_source(text.encode()))
    )
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert not old or LINES[old - 1] == lines[new - 1]


DIFFERENT = [
    "x = 1",
    "x = 1.0",
    "x = True",
    "x = -0.0",
    "x = 0.0",
    "x = 1j",
    "x = '1'",
    "x = b'1'",
    "x = (1,)",
    "x = ((1,), 2)",
    "x = (1, (2,))",
    "x = a in {1, 2}",
    "x = a in {1, 3}",
    "y = 1",
    "'text'\nx = 1",
    "def x(a, b): pass",
    "def x(a, /, b): pass",
    "def x(a, *, b): pass",
    "def x(a, b): return a",
    "def x(a, b): 'text'",
    "class x: pass",
    "assert x",
    "from __future__ import annotations\nx: y = 1",
    "x: y = 1",
]


def test_other_code_has_another_digest() -> None:
    assert len({digest(text) for text in DIFFERENT}) == len(DIFFERENT)


CLASS = (
    """
@call
class Net[T](dict):
    'What it is.'
    {body}
    def f(self):
        class Inner(Net): x = 14
        return Inner
"""
    if sys.version_info >= (3, 12)
    else "class Net: {body}"
)


@pytest.mark.parametrize("line", [1, 14, 254, 255, 256, 257, 400, 70_000])
def test_the_line_of_a_class_is_no_code_whatever_else_has_that_value(line: int) -> None:
    text = CLASS.format(body="x, y, z, u = 14, 256, 400, 70_000")
    assert digest("\n" * line + text) == digest(text)
    assert digest("\n" * line + text.replace("256", "257")) != digest(text)
    assert digest("\n" * line + text.replace("x, y", "y, x")) != digest(text)


def test_what_a_class_says_itself_of_its_line_is_code() -> None:
    one, other = (f"{lines}class A: __firstlineno__ = {number}" for lines, number in (("", 1), ("\n", 2)))
    assert digest(one) != digest(other)
    assert digest("\n" + one) == digest(one)


@pytest.mark.skipif(not CLASSES_KNOW_LINES, reason="classes do not know their lines")
@pytest.mark.parametrize("constants", [0, 200, 300])
@pytest.mark.parametrize("line", [1, 14, 255, 256, 70_000])
def test_a_class_gets_another_thing_for_its_line_and_is_the_same_otherwise(line: int, constants: int) -> None:
    body = "; ".join(["x, y = 14, 256", *(f"x{number} = {number}.5" for number in range(constants))])
    code = code_of_source(("\n" * line + CLASS.format(body=body)).encode())
    assert code is not None
    changed = with_lines(code, lambda body: (body.co_name, body.co_firstlineno))
    assert changed is not None or constants == 300
    names: list[dict[str, Any]] = []
    for each in (code, changed):
        names.append({"__name__": "module", "call": lambda kind: kind})
        if each is not None:
            exec(each, names[-1])
    old = names[0]["Net"]
    assert old.__firstlineno__ == line + 2
    if changed is not None:
        new = names[1]["Net"]
        assert new.__firstlineno__ == ("Net", line + 2)
        assert new().f().__firstlineno__ == ("Inner", line + 7)
        assert (new.x, new.y, [*vars(new)], new.__doc__) == (14, 256, [*vars(old)], "What it is.")
        assert [*changed.co_lines()] == [*code.co_lines()]


@pytest.mark.parametrize("data", [b"x = (", b"\0", b"# coding: nowhere\n", "x = 'ä'".encode("latin-1")])
def test_what_is_not_python_has_no_code(data: bytes) -> None:
    assert code_of_source(data) is None


SAME = ("x = 1", "x = (1)", "x = 1;", "x = 1\n\n", "# why\nx = 1  # so", "x \\\n= 1")
OTHER = (
    "x = 2",
    "x = 1.0",
    "x = True",
    "x = '1'",
    "y = 1",
    "x = 1\nif 0: import a",
    "def x(: pass",
    "x = 1\0",
)


@pytest.mark.parametrize("text", SAME)
def test_sources_with_the_same_code(text: str) -> None:
    assert have_same_code(b"x = 1", text.encode())


@pytest.mark.parametrize("text", [*OTHER, "# coding: utf-8\nx = 1", "\ufeffx = 1"])
def test_sources_with_other_code(text: str) -> None:
    assert not have_same_code(b"x = 1", text.encode())
    assert not have_same_code(text.encode(), b"x = 1")


@pytest.mark.parametrize(("one", "other"), [("if 0: import a", "if 0: import b"), ("if 0: a\nb", "b")])
def test_code_that_never_runs_counts_too(one: str, other: str) -> None:
    assert not have_same_code(one.encode(), other.encode())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(LINES)), st.lists(st.sampled_from(LINES)))
def test_sources_with_the_same_code_have_the_same_imports(one: list[str], other: list[str]) -> None:
    texts = ["\n".join(lines).encode() for lines in (one, [*other, "# why"])]
    codes = [code_of_source(text) for text in texts]
    if have_same_code(*texts):
        assert digest_of_code(codes[0]) == digest_of_code(codes[1])  # type: ignore[arg-type]
        trees = [ast.dump(ast.parse(text)) for text in texts]
        assert trees[0] == trees[1]
