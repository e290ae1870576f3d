"""Bazel's dialect of Starlark: what is refused, and where."""

# The tables read best with one case a line.
# ruff: noqa: E501, ISC004

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from conftest import WorkspaceFiles


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\na = 2", "3:1: cannot reassign the global 'a'"),
        ("a = [1]\na += [2]", "3:1: cannot reassign the global 'a'"),
        ("a, b = 1, 2\n(c, [b]) = 1, [2]", "3:6: cannot reassign the global 'b'"),
        ("model = 3", "2:1: cannot reassign the global 'model'"),
        ("def f():\n    pass", "2:1: a function in a BUILD file"),
        ("f = lambda: 1", "2:5: a function in a BUILD file"),
        ("[lambda: 1 for x in []]", "2:2: a function in a BUILD file"),
        ("for x in []:\n    pass", "2:1: a for statement at the top level"),
        ("if True:\n    pass", "2:1: an if statement at the top level"),
        ("print(*[1])", "2:7: *args or **kwargs in a call in a BUILD file"),
        ("print(**{})", "2:7: *args or **kwargs in a call in a BUILD file"),
        ("import os", "2:1: Starlark has no import statements; use load()"),
        ("class A:\n    pass", "2:1: Starlark has no classes; use struct()"),
        ("while True:\n    pass", "2:1: Starlark has no while loops; use a for loop over range()"),
        ("try:\n    pass\nfinally:\n    pass", "2:1: Starlark has no exceptions"),
        ("raise 1", "2:1: Starlark has no exceptions; call fail()"),
        ("assert 1", "2:1: Starlark has no assert statements; call fail()"),
        ("x = f'a'", "2:5: Starlark has no f-strings; use format()"),
        ("x = b'a'", "2:5: Starlark has no bytes literals"),
        ("x = 1j", "2:5: Starlark has no complex literals"),
        ("x = ...", "2:5: Starlark has no ellipsis literals"),
        ("x = {1}", "2:5: Starlark has no set literals"),
        ("x = {y for y in []}", "2:5: Starlark has no set comprehensions"),
        ("x = list(y for y in [])", "2:9: Starlark has no generator expressions; write a list comprehension"),
        ("x = 1 is 1", "2:5: Starlark has no operator is; use =="),
        ("x = 2 ** 3", "2:5: Starlark has no operator **"),
        ("x = 1 < 2 < 3", "2:5: Starlark has no chained comparisons"),
        ("x = {**{}}", "2:5: Starlark has no ** in dictionaries"),
        ("x: int = 3", "2:1: Starlark has no type annotations"),
        ("x, *y = [1]", "2:4: Starlark has no starred assignment"),
        ("x = (y := 1)", "2:6: Starlark has no assignment expressions"),
        ('x = "a" "b"', '2:9: unexpected string literal "b" here'),
        ("x = 0777", "2:5: syntax error: leading zeros in decimal integer literals are not permitted; "
                     "use an 0o prefix for octal integers"),
        ("x = 1_000", "2:6: unexpected identifier '_000' here"),
        ('x = "\\d"', "2: invalid escape sequence '\\d'"),
        ("x = y", "2:5: name 'y' is not defined"),
        ("x = [y for z in [1]] + z", "2:6: name 'y' is not defined"),
        ("x = set([1])", "2:5: name 'set' is not defined"),
        ("x = ord('a')", "2:5: name 'ord' is not defined"),
        ("x = struct()", "2:5: name 'struct' is not defined"),
        ("x = native.glob([])", "2:5: name 'native' is not defined"),
        ("x = select({})", "2:5: select() is not supported"),
        ("x = y\ny = 1", "2:5: Local variable `y` referenced before assignment"),
        ("x = [1][4]", "2:5: Index `4` is out of bound"),
        ("x = 1 + 'a'", "2:5: Operation `+` not supported for types `int` and `string`"),
        ("x = 'a'.uper()", "2:5: Object of type `string` has no attribute `uper`, did you mean `upper`?"),
        ("fail('no', 3)", "2:1: fail: no 3"),
        ("x = = 1", "2:5: syntax error: invalid syntax"),
    ],
)  # fmt: skip
def test_refused_in_build_files(files: WorkspaceFiles, text: str, expected: str) -> None:
    files.build("p", text + "\n")
    errors = files.build_errors("p")
    assert errors[0] == f"p/BUILD:{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\nx = 2", "2:1: cannot reassign the global 'x'"),
        ("x = 1\ndef x():\n    pass", "2:1: cannot reassign the global 'x'"),
        ("for x in []:\n    pass", "1:1: a for statement at the top level"),
        ("def f(a, b: int):\n    pass", "1:13: Starlark has no type annotations"),
        ("def f(a) -> int:\n    pass", "1:13: Starlark has no type annotations"),
        ("def f(a, /):\n    pass", "1:1: Starlark has no positional-only parameters"),
        ("@x\ndef f():\n    pass", "1:2: Starlark has no decorators"),
        ("def f():\n    yield 1", "2:5: Starlark has no generators"),
        ("def f():\n    global x", "2:5: Starlark has no global statements"),
        ("def f():\n    del x", "2:5: Starlark has no del statements"),
        ("def f():\n    for x in []:\n        pass\n    else:\n        pass", "5:9: Starlark has no else of a for loop"),
        ("def f():\n    f()", "2:5: recursion: f calls f"),
        ("def f():\n    return [g(x) for x in []]\ndef g(x):\n    return lambda: f()",
         "4:20: recursion: f calls g calls f"),
        ("def f():\n    return y", "2:12: name 'y' is not defined"),
        ("def f():\n    return glob([])", "2:12: name 'glob' is not defined"),
        ("def f():\n    return model()", "2:12: name 'model' is not defined"),
        ("x = 1\nload(':n.bzl', 'y')", "2:1: load() comes after another statement"),
        ("def f():\n    load(':n.bzl', 'y')", "2:5: load() inside another statement"),
        ("def f():\n  if 1:\n  \treturn 1", "3:3: a tab indents a statement"),
        ("def f():\n\treturn 1", "2:1: a tab indents a statement"),
        ("native.glob(['x'])", "1:1: glob() is called while a .bzl file is loaded"),
        ("native.package_name()", "1:1: package_name() is called while a .bzl file is loaded"),
        ("x = 1 // 0", "1:5: Floor division by zero: 1 // 0"),
    ],
)  # fmt: skip
def test_refused_in_bzl_files(files: WorkspaceFiles, text: str, expected: str) -> None:
    files.write("p/m.bzl", f"{text}\nloaded = 1\n")
    files.write("p/n.bzl", "y = 1\n")
    files.write("p/BUILD", 'load(":m.bzl", "loaded")\n')
    errors = [f"{error.location}: {error.summary}" for error in files.errors(lambda: files.file("p"))]
    assert f"p/m.bzl:{expected}" in errors


def test_tabs_between_tokens(files: WorkspaceFiles) -> None:
    """Only those that indent statements are refused; in strings and comments they stay."""
    files.write(
        "p/m.bzl", 'def f(a,\tb = "\t"):\n    # a\tcomment\n\n    return \\\n\ta + b + """\n\t|"""\t\n'
    )
    files.write("p/BUILD", 'load(":m.bzl",\t"f")\nfail(\n\tf("x"),\n)\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert "x\t\n\t|" in error.summary
    files.write("q/BUILD", "x = [\n\tnope,\n]\n")
    (error,) = files.errors(lambda: files.file("q"))
    assert str(error.location) == "q/BUILD:2:2"


def test_allowed(files: WorkspaceFiles) -> None:
    files.write(
        "p/m.bzl",
        '''\
        """A docstring may come before load()."""
        load(":n.bzl", "number", other = "number")

        _private = [number]

        def f(a, *args, b = _private, **kwargs):
            """Functions may shadow globals and builtins, and reassign what is their own."""
            number = a
            number += 1
            for len, (x, y) in [(1, (2, 3))]:
                if x:
                    number += len
                elif y:
                    continue
                else:
                    break
            def inner(n):
                return n + number
            return inner(number) + sum2([z for z in args if z for _ in b])

        def sum2(items):
            total = 0
            for item in items:
                total += item
            return total

        def only(*, key):
            return (lambda k: k + key)(1)

        def maybe(n):
            # Named like another function, but a parameter here: no recursion.
            return apply(maybe2, n)

        def apply(function, maybe):
            return function(maybe)

        def maybe2(n):
            return n
        ''',
    )
    files.write("p/n.bzl", "number = 3\n")
    files.write(
        "p/BUILD",
        'x = [y for y in [1, 2] if y]; z = {k: v for k, v in {"a": 1}.items()}\n'
        'load(":m.bzl", "apply", "f", "maybe", "only")\n'
        'print(f(1, 2, 3), only(key = 4), maybe(5), 0x10, "%s-%d" % ("a", 3), "{}".format(1), r"\\d", x[::-1])\n',
    )
    files.file("p")
    assert [text for _, text in files.messages] == ["11 5 5 16 a-3 1 \\d [2, 1]"]


def test_all_static_errors_of_a_file_come_at_once_and_each_name_once(files: WorkspaceFiles) -> None:
    files.build("p", "x = a + a\nx = b\nimport c\nprint(a)\n")
    assert files.build_errors("p") == [
        "p/BUILD:2:5: name 'a' is not defined",
        "p/BUILD:3:1: cannot reassign the global 'x'",
        "p/BUILD:3:5: name 'b' is not defined",
        "p/BUILD:4:1: Starlark has no import statements; use load()",
    ]


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("model_pakage", "did you mean 'model_package'?"),
        ("pakage", "did you mean 'package'?"),
        (
            "alias",
            "Bazel has it, and hermpkg's own engine has not: leave it out of a file that both read, or let"
            " hermpkg have BUILD files of its own beside those of Bazel, in pyproject.toml:\n"
            '    [tool.hermpkg]\n    build-file-name = "BUILD.hermpkg"',
        ),
        ("quite_other", ""),
    ],
)
def test_did_you_mean_names(files: WorkspaceFiles, word: str, step: str) -> None:
    files.build("p", f"{word}()\n")
    (error,) = files.errors(lambda: files.file("p"))
    assert error.next_step == step


def test_a_rule_that_is_not_loaded_says_how_to_load_it(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", 'model(name = "a")\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.next_step == 'add: load("@hermpkg//rules:defs.bzl", "model")'


def test_recursion_that_only_running_shows_is_one_short_error(files: WorkspaceFiles) -> None:
    files.write("p/m.bzl", "def g(f):\n    f(f)\n\ndef h():\n    g(g)\n")
    files.write("p/BUILD", 'load(":m.bzl", "h")\nh()\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "function 'g' is called recursively, and Starlark has no recursion"
    assert str(error.location) == "p/m.bzl:2:5"
    assert dict(error.facts) == {"called from": "p/m.bzl:5\np/BUILD:2"}
    assert len(str(error).splitlines()) < 8


def test_an_error_in_a_macro_shows_the_calls_that_led_there(files: WorkspaceFiles) -> None:
    files.write("p/m.bzl", "def f(x):\n    g(x)\n\ndef g(x):\n    fail('no', x)\n")
    files.write("p/BUILD", 'load(":m.bzl", "f")\n\nf("é")\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert str(error).splitlines() == [
        "p/m.bzl:5:5: fail: no é",
        "    5 |     fail('no', x)",
        "      |     ^^^^^^^^^^^^^",
        "  called from: p/m.bzl:2",
        "               p/BUILD:3",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 150 + "]" * 150,
        "x = " + "[" * 100_000,
        "x = " + "1 + " * 5_000 + "1",
        "x = " + "-" * 100_000 + "1",
        "x = " + "not " * 20_000 + "1",
        "x = ''" + ".strip()" * 5_000,
        "x = " + "1 if 1 else " * 5_000 + "1",
        "x = " + "lambda: " * 5_000 + "1",
    ],
)
def test_deep_nesting_never_kills_the_process(files: WorkspaceFiles, text: str) -> None:
    files.write("p/BUILD", text + "\n")
    try:
        files.file("p")
    except HermpkgError as error:
        assert "p/BUILD" in str(error)  # noqa: PT017
    else:
        assert len(text) < 1000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"# \xff\n", "p/BUILD:1: not UTF-8 text: byte 0xff"),
        (b"\n\nx = '\xe9'\n", "p/BUILD:3: not UTF-8 text: byte 0xe9"),
        (b"x = 1\ny = '\0'\n", "p/BUILD:2:6: a NUL byte in the text"),
        (b"x = 1\ry = z\r", "p/BUILD:2:5: name 'z' is not defined"),
    ],
)
def test_bytes_that_are_no_text(files: WorkspaceFiles, data: bytes, expected: str) -> None:
    files.write("p/BUILD", data)
    assert files.build_errors("p") == [expected]


def test_an_empty_file_and_one_of_comments(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", b"")
    files.write("q/BUILD", b"# nothing\n\n")
    assert not files.file("p").targets
    assert not files.file("q").targets
