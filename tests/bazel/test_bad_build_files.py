"""What is wrong with BUILD files: both engines say it before any action runs, and in the same words."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from typing import Any

import pytest

pytestmark = pytest.mark.slow

LOAD = 'load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", "model", "model_package", '
LOAD += '"package_test", "python_modules")\n'
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
    'package_test(name = "t", package = ":a", main = "t.py", env = {"C": 1}, args = [1])',
    # Forms.
    'model(name = "a", factory = "ab")',
    'model(name = "a", factory = "a b:c", tags = ["a b"])',
    'model(name = "a", factory = "a.class:b")',
    'model(name = "a", factory = "")',
    'model(name = "a", factory = "a:b", seed = 1 << 64)',
    'model_package(name = "a", models = {"/m": ":m", "a/../m": ":m", "a\\\\b": ":m"})',
    'model_package(name = "a", models = {".data/x": ":m", "": ":m", "m.pkl": ":m", "byteorder": ":m"})',
    'model_package(name = "a", resources = {"byteorder": "x", "a//b": "x", "a\\nb": "x"})',
    'model_package(name = "a", modules = ["a-b", "a.class", "1a", "it\'s"])',
    'model_package(name = "a", sources = {"b..c": ""}, out = "../a.pt", python_version = "2.7", files = "x")',
    'model_package(name = "a", requires = {"torch": ">>2", "a b": ">1", "c": "~=1", "d": "1.0", "e": ""})',
    'package_test(name = "t", package = ":a", main = "t.py", timeout = 0, env = {"A=B": ""})',
    # JSON.
    'model(name = "a", factory = "a:b", args = {"a-b": 2, 1: 2})',
    'model(name = "a", factory = "a:b", args = {"x": {"y": [range(2)]}, "z": {1: [2]}})',
    'model(name = "a", factory = "a:b", args = {"x": intern("a", exclude = ["b", "c"], allow_empty = True)})',
    'model(name = "a", factory = "a:b", args = {"x": [float("nan"), float("-inf"), float("inf")]})',
    # Policies.
    'p = intern("a**")',
    'p = deny("a..b")',
    'p = mock(["ok", "a-b"], exclude = "**b")',
    "p = extern([])",
    'p = intern(["a", 1], exclude = 3)',
    'p = intern("a", allow_empty = 1)',
    "p = intern(None)",
    'model_package(name = "a", policy = ["a.**", 3])',
    'model_package(name = "a", policy = intern("a"))',
]  # fmt: skip
WORDS = re.compile(r"^(?:Error in fail: )?(\w+\(\) (?:attribute |is for ).*)", re.MULTILINE)


@pytest.fixture(scope="module")
def said(shared: Any) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """What Bazel and the embedded engine say of each package."""
    shared.write({"pyproject.toml": "[tool.hermpkg]\n"})
    shared.write({f"p{number}/BUILD": f"{LOAD}\n{text}\n" for number, text in enumerate(BAD)})
    shared.declare()
    under_bazel = defaultdict(set)
    for message in shared.bazel("build", "--nobuild", "--keep_going", "//...").said.split("ERROR: ")[1:]:
        for package in re.findall(r"/(p\d+)/BUILD\"", message)[:1]:
            under_bazel[package] |= set(WORDS.findall(message))
    under_ours = defaultdict(set)
    ran = subprocess.run(
        [sys.executable, "-m", "hermpkg_build", "-C", str(shared.root), "build", "//..."],
        capture_output=True,
        text=True,
        check=False,
    )
    for package, words in re.findall(r"^(?:error: )?(p\d+)/BUILD:\d+:\d+: (.*)$", ran.stderr, re.MULTILINE):
        under_ours[package] |= set(WORDS.findall(words))
    return under_bazel, under_ours


@pytest.mark.parametrize("number", range(len(BAD)), ids=BAD)
def test_both_engines_say_the_same(said: tuple[dict[str, set[str]], ...], number: int) -> None:
    under_bazel, under_ours = said
    assert under_ours[f"p{number}"]
    assert under_bazel[f"p{number}"] == under_ours[f"p{number}"]
