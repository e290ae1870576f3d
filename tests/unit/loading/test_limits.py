"""Large, long and interrupted evaluations."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from hermpkg_build.core.label import Label
from hermpkg_build.loading import interpreter

if TYPE_CHECKING:
    from conftest import WorkspaceFiles


def test_ten_thousand_targets(files: WorkspaceFiles) -> None:
    lines = [f'model(name = "m{i}", factory = "a.b:c", args = {{"i": {i}}})' for i in range(10_000)]
    files.build("p", "\n".join(lines))
    targets = files.file("p").targets
    assert len(targets) == 10_000
    assert str(targets["m9999"].location) == "p/BUILD:10001:1"


def test_an_evaluation_that_takes_forever_can_be_interrupted(files: WorkspaceFiles) -> None:
    files.write(
        "p/m.bzl",
        """\
        def f():
            for _ in range(1000000000):
                for _ in range(1000000000):
                    pass
        """,
    )
    files.write("p/BUILD", 'load(":m.bzl", "f")\nf()\n')
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])

    def evaluate() -> None:
        timer.start()
        files.file("p")

    with pytest.raises(KeyboardInterrupt):
        evaluate()
    timer.join()


def test_several_threads_share_a_loader(files: WorkspaceFiles) -> None:
    files.write("tools/BUILD")
    files.write(
        "tools/m.bzl",
        'load("@hermpkg//rules:defs.bzl", "model_package", "intern")\n'
        'P = [intern("a.**")]\ndef f(name):\n    model_package(name = name, policy = P)\n',
    )
    for i in range(30):
        files.build(f"p{i}", f'load("//tools:m.bzl", "f")\nf("t{i}")\n')
    loader = files.loader()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: loader.target(Label(f"p{i % 30}", f"t{i % 30}")), range(120)))
    assert len({target.label for target in found}) == 30


def test_deeply_nested_values_that_are_built_step_by_step(files: WorkspaceFiles) -> None:
    files.write(
        "p/m.bzl",
        """\
        load("@hermpkg//rules:defs.bzl", "model")

        def f(name, depth):
            value = 1
            for _ in range(depth):
                value = [value]
            model(name = name, factory = "a:b", args = {"x": value})
        """,
    )
    files.write("p/BUILD", 'load(":m.bzl", "f")\nf("ok", 90)\n')
    assert len(files.file("p").targets) == 1
    files.write("p/BUILD", 'load(":m.bzl", "f")\nf("ok", 100000)\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "a value is nested too deeply, or holds itself"


@pytest.mark.parametrize(
    "values",
    [
        "[x for x in range(1000000000)]",
        "['a' * (20000 + x) for x in range(1000000)]",
        "[a for b in [range(30000)] for c in b for a in list(range(c))]",
    ],
)
def test_values_that_take_too_much_memory(
    files: WorkspaceFiles, values: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "_MOST_MEMORY", 64 << 20)
    files.write("p/m.bzl", f"x = {values}\n")
    files.write("p/BUILD", 'load(":m.bzl", "x")\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the values of the file take too much memory"
    assert str(error.location) == "p/m.bzl"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('x = "ab" * 2000000000', "1:5"),
        ('x = 2000000000 * "ab"', "1:5"),
        ("x = ['é'] * 2000000000", "1:5"),
        ("x = (1, 2) * 1000 * 1000000", "1:5"),
        ("x = list(range(2000000000))", "1:5"),
        ("x = sorted(range(0, 2000000000, 2))", "1:5"),
        ("N = 1000 * 1000\nx = [0] * N\ny = [1] + x * (N - 1)", "3:11"),
        (
            "a = 'x' * 1000000\n" + "".join(f"{y} = {x} + {x}\n" for x, y in pairwise("abcdefghijklmnop")),
            "12:5",
        ),
        ("def f():\n    for x in []:\n        print(len('a' * 2000000000))", "3:19"),
        ("x = [y for y in [1] * 2000000000]", "1:17"),
    ],
)
def test_one_step_that_takes_too_much_memory_is_found_before_it_runs(
    files: WorkspaceFiles, text: str, place: str
) -> None:
    files.write("p/m.bzl", f"{text}\nz = 1\n")
    files.write("p/BUILD", 'load(":m.bzl", "z")\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the values of the file take too much memory"
    assert str(error.location) == f"p/m.bzl:{place}"


@pytest.mark.parametrize(
    "text",
    [
        "N = 2000000000\ndef f(N):\n    return 'a' * N\nx = f(3)",
        "x = range(2000000000)\ny = len(x)",
        "def f():\n    n = 2000000000\n    for i in range(1):\n        n = 2\n    return [0] * n\nx = f()",
        "def range(n):\n    return [n]\nx = list(range(2000000000))",
        "x = 'a' * -2000000000",
        "N = 2000000000\nx = ['a' * N for N in [1, 2]]",
        "N = 2000000000\nf = lambda N: 'a' * N\nx = f(3)",
        "x = 'a' * 1000000",
        "x = 2000000000 * 2000000000 * 2000000000",
        "x = '%d' % 2000000000",
    ],
)
def test_what_takes_little_is_not_refused(files: WorkspaceFiles, text: str) -> None:
    files.write("p/m.bzl", f"{text}\nz = 1\n")
    files.write("p/BUILD", 'load(":m.bzl", "z")\n')
    files.file("p")


def test_of_what_print_was_given_the_ends_are_kept(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", 'print("a" + "x" * 1000000 + "b")\n')
    files.file("p")
    ((_, text),) = files.messages
    assert len(text) < 11_000
    assert text.startswith("ax")
    assert text.endswith("xb")
