"""Large, long and interrupted evaluations."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from hermpkg_build.core.label import Label
from hermpkg_build.loading import allowance, interpreter, interpreter_process
from hermpkg_build.loading.packages import Packages

if TYPE_CHECKING:
    from conftest import WorkspaceFiles

pytestmark = pytest.mark.usefixtures("real_processes")


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
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])

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
    ("text", "place"),
    [
        ("x = [[i] for i in range(1000000000)]", "1:19"),  # Seen while it runs: the step.
        ("x = 1\ny = list(range(1000000000))", "2:1"),  # Made by one step: its statement.
        ("def f(n):\n    return [0] * n\n\nx = f(\n  200000000)", "4:1"),
        ("def f(s):\n    for i in range(60):\n        s += s\n    return s\n\nx = f('a')", "6:1"),
        ("def f(s):\n    for i in range(60):\n        s = '%s%s' % (s, s)\n    return s\nx = f('a')", "5:1"),
        ("def f(s):\n    for i in range(9):\n        s = s.replace('', s)\n    return s\nx = f('ab')", "5:1"),
        ("def f(n):\n    return 'é'.join(['xx'] * n)\nx = f(90000000)", "3:1"),
    ],
)
def test_values_that_take_too_much_memory(files: WorkspaceFiles, text: str, place: str) -> None:
    files.write("p/m.bzl", f"{text}\nz = 1\n")
    files.write("p/BUILD", 'load(":m.bzl", "z")\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the values of the file take too much memory"
    assert str(error.location) == f"p/m.bzl:{place}"


def test_a_loop_that_takes_too_many_steps(files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "MOST_STEPS", 10_000_000)
    files.write("p/m.bzl", "def f():\n    for i in range(1000000000):\n        pass\n")
    files.write("p/BUILD", 'load(":m.bzl", "f")\nf()\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the file is evaluated for too long"
    assert str(error.location) == "p/m.bzl:2:5"
    assert ("called from", "p/BUILD:2") in error.facts


def test_steps_that_take_too_long_each(files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "MOST_CPU_S", 0.3)
    files.write("p/BUILD", "x = 1\ny = [len(str(i)) for i in [1 << 100000] * 1000000]\n")
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the file is evaluated for too long"
    assert str(error.location) == "p/BUILD:2:1"


def test_a_value_that_is_too_deep_to_be_written_ends_no_process_of_ours(files: WorkspaceFiles) -> None:
    text = (
        "def f():\n    x = []\n    for i in range(200000):\n        x = [x]\n    return str(x)\n\ny = f()\n"
    )
    files.write("p/m.bzl", text)
    files.write("p/BUILD", 'load(":m.bzl", "y")\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "a value is nested too deeply, or holds itself"
    assert str(error.location) == "p/m.bzl:7:1"


@pytest.mark.parametrize(
    "call",
    [
        'model(name = "m", factory = "a:b", args = {"x": ["ab"] * 900000})',
        'model(name = "m%d" % i, factory = "a:b")',
        'print("a" * 9000)',
    ],
)
def test_a_file_that_declares_too_much(
    files: WorkspaceFiles, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "MOST_GIVEN", 8 << 20)
    files.build("p", f"[{call} for i in range(100000)]\n")
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "what the file declares takes too much memory"
    assert str(error.location) == "p/BUILD:2:1"


def test_what_targets_have_in_common_counts_for_each(
    files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "MOST_GIVEN", 4 << 20)
    words = 'V = ["//a%d:__pkg__" % i for i in range(1000)]\n'
    files.write("p/m.bzl", words)
    files.write(
        "p/BUILD", 'load(":m.bzl", "V")\nexports_files(["f%d" % i for i in range(300)], visibility = V)'
    )
    rules = 'P = [intern(["a%d.**" % i for i in range(1000)])]\n'
    files.build("q", rules + '[model_package(name = "m%d" % i, policy = P) for i in range(300)]\n')
    files.build("r", f"{words}package(default_visibility = V)\n" + many_models(150))
    files.build("s", f"{words}package(default_visibility = V)\n" + many_models(5))
    for package in ("p", "q", "r"):
        (error,) = files.errors(lambda package=package: files.file(package))  # type: ignore[misc]
        assert error.summary == "what the file declares takes too much memory"
    assert len(files.file("s").targets) == 5


def many_models(count: int) -> str:
    return f'[model(name = "m%d" % i, factory = "a:b") for i in range({count})]\n'


def test_the_time_that_calls_take_counts_as_the_file_s_own(
    files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "MOST_CPU_S", 0.2)
    for index in range(200):
        files.write(f"p/d{index}/x.txt")
    call = 'glob(["**/*.txt", "**/y%d*" % i], allow_empty = True)'
    files.write("p/BUILD", f"x = 1\n[{call} for i in range(100000)]\n")
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the file is evaluated for too long"
    assert str(error.location) == "p/BUILD:2:1"


@pytest.mark.parametrize("argument", ["include", "exclude"])
def test_one_glob_can_take_too_long(
    files: WorkspaceFiles, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "MOST_CPU_S", 0.2)
    for index in range(200):
        files.write(f"p/d{index}/x.txt")
    others = '"**/y%d*z" % i for i in range(20000)'
    given = f"[{others}]" if argument == "include" else f'["**"], exclude = [{others}]'
    files.write("p/BUILD", f"x = 1\nglob({given}, allow_empty = True)\n")
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the file is evaluated for too long"
    assert str(error.location) == "p/BUILD:2:1"


def test_all_files_together_can_take_too_long(files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MOST_CPU_S", 0.3)
    monkeypatch.setattr(allowance, "FOR_ANY_MS", 0)
    files.write("p/m.bzl", "def f():\n    for i in range(1000000):\n        pass\n")
    for index in range(100):
        files.write(f"q{index}/BUILD", 'load("//p:m.bzl", "f")\nf()\n')
    files.write("p/BUILD")
    (error,) = files.closure_errors("//...")
    assert error.summary == "the BUILD files of the workspace are evaluated for too long"


def test_a_file_that_takes_too_long_is_tried_once(
    files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "MOST_CPU_S", 0.2)
    started = []
    begin = allowance.Allowance.begin

    def count(self: allowance.Allowance, size: int, most: float) -> None:
        started.append(size)
        begin(self, size, most)

    monkeypatch.setattr(allowance.Allowance, "begin", count)
    files.write("a/BUILD")
    files.write("b/BUILD", "x = [len(str(i)) for i in [1 << 100000] * 1000000]\n")
    loader = files.loader()
    loader.build_file("a")
    (error,) = files.errors(lambda: loader.build_file("b"))
    assert error.summary == "the file is evaluated for too long"
    assert len(started) == 2


def test_a_glob_in_a_loop_looks_once(files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("p/x.txt")
    files.write("p/BUILD", '[glob(["*.txt"]) for i in range(50)]\n')
    looks = []
    glob = Packages.glob

    def count(self: Packages, *args: Any) -> tuple[str, ...]:
        looks.append(args)
        return glob(self, *args)

    monkeypatch.setattr(Packages, "glob", count)
    files.file("p")
    assert len(looks) == 1


@pytest.mark.parametrize(
    "call",
    [
        'model(name = "a/" * 9000 + "x", factory = "a:b")',
        'model(name = "x", factory = "a:b", deps = ["//" + "a/" * 9000 + "x"])',
        'model_package(name = "x", out = "a/" * 9000 + "x")',
        'model_package(name = "x", resources = {"a/" * 9000 + "x": "x.txt"})',
        'model_package(name = "x", sources = {"a." * 9000 + "x": ""})',
        'model_package(name = "x", modules = ["a." * 9000 + "x"])',
        'model_package(name = "x", policy = [intern("a." * 9000 + "**")])',
        'glob(["a/" * 9000 + "x"], allow_empty = True)',
    ],
)
def test_names_that_are_too_long(files: WorkspaceFiles, call: str) -> None:
    files.build("p", f"{call}\n")
    errors = files.errors(lambda: files.file("p"))
    assert any("may have 4,096" in error.summary for error in errors)
    assert all(len(error.summary) < 1000 for error in errors)


def test_of_many_problems_of_a_value_some_are_told(files: WorkspaceFiles) -> None:
    files.build("p", 'model(name = "m", factory = "a:b", deps = ["//:"] * 100000)\n')
    assert len(files.errors(lambda: files.file("p"))) == 100


def test_of_what_a_file_prints_some_is_kept(files: WorkspaceFiles) -> None:
    files.write("p/m.bzl", '[print("%d" % i + "x" * 9000) for i in range(100)]\nN = 1\n')
    files.write("p/BUILD", 'load(":m.bzl", "N")\nprint("mine")\n')
    files.file("p")
    texts = [text for _, text in files.messages]
    assert 20 < len(texts) < 40
    assert "what is printed from here on is not shown" in texts


def test_a_file_with_too_many_errors(files: WorkspaceFiles) -> None:
    files.build("p", '[model(name = "m", factory = "a:b") for i in range(100000)]\n')
    assert "more than 1,000 errors" in [error.summary for error in files.errors(lambda: files.file("p"))]


def test_after_a_file_that_takes_too_much_the_others_are_not_tried(files: WorkspaceFiles) -> None:
    files.write("a/BUILD")
    files.write("a/m.bzl", "x = list(range(1000000000))\n")
    for name in ("b", "c", "d"):
        files.write(f"{name}/BUILD", 'load("//a:m.bzl", "x")\n')
    (error,) = files.closure_errors("//...")
    assert str(error.location) == "a/m.bzl:1:1"


def test_what_a_file_may_take_is_its_own(files: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file has room for itself and for what it loads, however many were evaluated before it."""
    monkeypatch.setattr(interpreter_process, "MOST_ADDRESSES", 64 << 20)
    for index in range(8):
        files.write(f"p{index}/m.bzl", f"x = ['a' * 1000000 + str(i) for i in range(10)]\nN = {index}\n")
        files.build(f"p{index}", 'load(":m.bzl", "N")\nmodel(name = "m", factory = "a:b", seed = N)\n')
    files.build("q", "x = ['a' * 1000000 + str(i) for i in range(100)]\n")
    loader = files.loader()
    assert [loader.build_file(f"p{i}").targets["m"].seed for i in range(8)] == list(range(8))
    (error,) = files.errors(lambda: loader.build_file("q"))
    assert error.summary == "the values of the file take too much memory"


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


def test_a_file_with_more_text_than_can_be_parsed_in_bounds(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", "x = [" + "a," * 600_000 + "]\n")
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "the file is too large"
    files.write("p/BUILD", f"x = '{'a word ' * 200_000}'\n")
    files.file("p")
