"""What is wrong with BUILD files: both engines refuse it, in the same words and for the same line.

Bazel checks types while it loads BUILD files, and leaves what strings must look like to an action.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest

from tests.commands import run_command

pytestmark = pytest.mark.slow

LOAD = 'load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", "model", "model_package", '
LOAD += '"package_test", "python_modules")\n'
GOOD = """
python_modules(name = "modules", srcs = ["m.py"])

model(name = "m", factory = "good.m:make", deps = [":modules"], visibility = ["//visibility:public"])

model_package(
    name = "package",
    policy = [intern("**")],
    sources = {"a": ""},
    visibility = ["//visibility:public"],
)
"""
BAD = [
    # Types.
    'python_modules(name = "a", srcs = None)',
    'python_modules(name = "a", srcs = "a.py")',
    'python_modules(name = "a", srcs = ["a.py", 3, None, [":y"]], resources = {}, deps = 1, tags = "x")',
    'model(name = "a", factory = 2, args = [1], seed = "1", weights = [], deps = ":m")',
    'model(name = "a", factory = "a:b", seed = True)',
    'model_package(name = "a", models = [], modules = "m", resources = 1, sources = [], requires = ["x"])',
    'model_package(name = "a", models = {1: ":m"}, resources = {"a": 1}, sources = {"a": 3})',
    'model_package(name = "a", requires = {"a": []})',
    'model_package(name = "a", files = 1, out = [], python_version = 3, policy = "x")',
    'package_test(name = "t", package = [], main = 1, args = "x", env = [], timeout = "1", deps = [0])',
    'package_test(name = "t", package = ":a", main = "t.py", flaky = 1, data = "x")',
    'package_test(name = "t", package = ":a", main = "t.py", env = {"C": 1}, args = [1])',
    # Forms.
    'model(name = "a", factory = "ab")',
    'model(name = "a", factory = "a b:c")',
    'model(name = "a", factory = "a:b", tags = ["a b", "c", "d\\te"])',
    'model(name = "a", factory = "a.class:b")',
    'model(name = "a", factory = "")',
    'model(name = "a", factory = "a:b", seed = 1 << 64)',
    'model_package(name = "a", models = {"/m": "//good:m", "a/../m": "//good:m", "a\\\\b": "//good:m"})',
    'model_package(name = "a", models = {".data/x": "//good:m", "": "//good:m", "m.pkl": "//good:m"})',
    'model_package(name = "a", models = {"byteorder": "//good:m", "it\'s/it": "//good:m", "m": "//good:m"})',
    'model_package(name = "a", resources = {"byteorder": "x", "a//b": "x", "a\\nb": "x"})',
    'model_package(name = "a", modules = ["a-b", "a.class", "1a", "it\'s"])',
    'model_package(name = "a", sources = {"b..c": ""}, out = "../a.pt", python_version = "2.7", files = "x")',
    'model_package(name = "a", out = "")',
    'model_package(name = "a", python_version = "")',
    'model_package(name = "a", files = "")',
    'model_package(name = "a", out = "/a.pt")',
    'model_package(name = "a", out = "b//./a.pt")',
    'model_package(name = "a", requires = {"torch": ">>2", "a b": ">1", "c": "~=1", "d": "1.0", "e": ""})',
    'package_test(name = "t", package = "//good:package", main = "t.py", timeout = 0, env = {"A=B": ""})',
    # JSON.
    'model(name = "a", factory = "a:b", args = {"a-b": 2, "": 3})',
    'model(name = "a", factory = "a:b", args = {1: 2})',
    'model(name = "a", factory = "a:b", args = {"x": {"y": [range(2)]}, "z": {1: [2]}})',
    'model(name = "a", factory = "a:b", args = {"x": intern("a", exclude = ["b", "c"], allow_empty = True)})',
    'model(name = "a", factory = "a:b", args = {"x": [float("nan"), float("-inf"), float("inf")]})',
    # Policies.
    'model_package(name = "a", policy = [intern("a**")])',
    'model_package(name = "a", policy = [extern("torch"), deny("a..b")])',
    'model_package(name = "a", policy = [mock(["ok", "a-b"], exclude = "**b")])',
    'model_package(name = "a", policy = [extern([])])',
    'p = intern(["a", 1], exclude = 3)',
    'p = intern("a", allow_empty = 1)',
    "p = intern(None)",
    'model_package(name = "a", policy = ["a.**", 3])',
    'model_package(name = "a", policy = intern("a"))',
]  # fmt: skip
WORDS = re.compile(r"^(?:Error in fail: )?(\w+\(\) attribute .*)", re.MULTILINE)


@pytest.fixture(scope="module")
def said(shared: Any) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """What Bazel and the embedded engine say of each package, each with its line of the BUILD file."""
    shared.write({"pyproject.toml": "[tool.hermpkg]\n", "good/BUILD": LOAD + GOOD})
    shared.write({"good/m.py": "def make():\n    return 1\n"})
    for number, text in enumerate(BAD):
        shared.write({f"p{number}/BUILD": f"{LOAD}\n{text}\n", f"p{number}/t.py": "", f"p{number}/x": ""})
    shared.declare(workers=True)
    under_bazel = defaultdict(set)
    outcome = shared.bazel("build", "--experimental_worker_allow_json_protocol", "--keep_going", "//...")
    assert outcome.code == 1
    for message in outcome.said.split("ERROR: ")[1:]:
        for package, line in re.findall(r"/(p\d+)/BUILD(?:\", line |:)(\d+)", message)[:1]:
            under_bazel[package] |= {f"{line}: {words}" for words in WORDS.findall(message)}
    under_ours = defaultdict(set)
    ran = run_command(["build", "//..."], cwd=shared.root)
    assert ran.returncode == 1
    for found in re.finditer(r"^(?:error: )?(p\d+)/BUILD:(\d+):\d+: (.*)$", ran.stderr, re.MULTILINE):
        package, line, message = found.groups()
        under_ours[package] |= {f"{line}: {words}" for words in WORDS.findall(message)}
    return under_bazel, under_ours


@pytest.mark.parametrize("number", range(len(BAD)), ids=BAD)
def test_both_engines_say_the_same(said: tuple[dict[str, set[str]], ...], number: int) -> None:
    under_bazel, under_ours = said
    assert under_ours[f"p{number}"]
    assert under_bazel[f"p{number}"] == under_ours[f"p{number}"]
