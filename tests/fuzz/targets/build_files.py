"""BUILD and .bzl files of a workspace, up to the targets that they declare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from laws import Reader, in_file, target_of

from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.loading.build_file_codec import decode_build_file, encode_build_file
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.requested import load_requested
from hermpkg_build.loading.workspace import find_workspace

_BUILD = b"""load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", "model", "model_package")
load("@hermpkg//rules:defs.bzl", "package_test", "python_modules")
load(":more.bzl", "WORDS", "named")
package(default_visibility = ["//visibility:public"])
python_modules(name = "code", srcs = glob(["**/*.py"], exclude = ["x*"], allow_empty = True), deps = [])
model(name = "net", factory = "code:make", args = {"a": [1, 2.5, None, True]}, seed = 3, deps = [":code"])
model_package(
    name = "pkg",
    models = {"model/model.pkl": ":net"},
    resources = {"a.txt": ":words.txt"},
    sources = {"extra": "x = 1"},
    policy = [intern("a.**"), extern(["torch.**"]), mock("b", exclude = ["b.c"], allow_empty = True)],
    requires = {"torch": ">=2"},
)
[named(name = "p%d" % i) for i in range(3) if i != 1]
package_test(name = "t", package = ":pkg", main = "t.py")
exports_files(["words.txt"])
"""
_BZL = b"""WORDS = struct(a = [1, 2], b = {"c": "d"})
def named(name, **kwargs):
    for x in WORDS.a:
        if x > 1:
            native.filegroup(name = name) if False else None
    return [y * 2 for y in range(len(name))]
"""


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of files in Starlark, and of what is kept of them."""
    root = folder / "ws"
    (root / "a").mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text("[tool.hermpkg]\n")
    for name, text in (
        ("BUILD", _BUILD),
        ("more.bzl", _BZL),
        ("words.txt", b""),
        ("t.py", b""),
        ("code.py", b""),
    ):
        (root / "a" / name).write_bytes(text)
    kept = dumps(encode_build_file(_loader(root).build_file("a")))

    def load() -> object:
        return load_requested(_loader(root), ["//..."])

    return {
        "build-file": in_file(root / "a" / "BUILD", _BUILD, load),
        "bzl": in_file(root / "a" / "more.bzl", _BZL, load),
        "kept": Reader(
            sound=kept,
            read=lambda data: decode_build_file(loads(data)),
            raises=(KeyError, TypeError, ValueError, AttributeError),
        ),
    }


def _loader(root: Path) -> Loader:
    return Loader(find_workspace(str(root)), SourceTree(), on_message=lambda *_: None)


TARGET = target_of(readers)
