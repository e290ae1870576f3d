"""The Python files of a project, and its checkpoints, without those of environments and other tools."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cached_property

from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.files import open_regular

_NEVER = frozenset({"node_modules", "__pycache__", "__pypackages__", "site-packages", OUTPUT_FOLDER})
_AT_THE_TOP = frozenset({"build", "dist"})
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
_TESTS = re.compile(r"(?:^|/)(?:tests?/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)")
_TOOLS = frozenset({"setup.py", "noxfile.py", "fabfile.py", "tasks.py", "conf.py"})
_LARGEST = 4 << 20
_WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
_NOTEBOOK = ".ipynb"
_ZIP_HEADER = 30
"""Bytes of an entry of a ZIP before its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsoluteImport:
    """A module that a file imports by its full name, and the line."""

    module: str
    line: int


class ProjectSources:
    """The Python files below `root`, by their paths relative to it; each is read and parsed once."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._trees: dict[str, ast.Module | None] = {}

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(path for path in self._found if path.endswith(".py"))

    @cached_property
    def notebooks(self) -> tuple[str, ...]:
        """The notebooks of the project, sorted."""
        return tuple(path for path in self._found if path.endswith(_NOTEBOOK))

    @cached_property
    def checkpoints(self) -> tuple[str, ...]:
        """The files of weights, sorted, but for those of tests."""
        named = (path for path in self._found if path.endswith(_WEIGHTS) and not is_test(path))
        return tuple(path for path in named if is_checkpoint(os.path.join(self.root, path)))

    @cached_property
    def _found(self) -> tuple[str, ...]:
        return tuple(sorted(self._walk()))

    @cached_property
    def code(self) -> tuple[str, ...]:
        """Those that are neither tests nor the settings of a tool."""
        return tuple(path for path in self.files if not is_test(path) and path not in _TOOLS)

    @cached_property
    def folders(self) -> frozenset[str]:
        """The folders with Python files in or below them, "" among them."""
        return frozenset(folder for path in self.files for folder in folders_of(path))

    def has(self, path: str) -> bool:
        """Whether there is a file, or a folder with Python files."""
        return path in self._known or path in self.folders

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.files)

    def tree(self, path: str) -> ast.Module | None:
        """The syntax of a file; None where it does not parse."""
        if path not in self._trees:
            self._trees[path] = self._parse(path)
        return self._trees[path]

    def imports(self, path: str) -> Iterator[AbsoluteImport]:
        """The absolute imports of a file, wherever they stand in it."""
        tree = self.tree(path)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Import):
                yield from (AbsoluteImport(module=each.name, line=node.lineno) for each in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield AbsoluteImport(module=node.module, line=node.lineno)

    def data(self, path: str) -> bytes:
        """The bytes of a file; none where it cannot be read."""
        try:
            descriptor, _ = open_regular(os.path.join(self.root, path))
            with open(descriptor, "rb", buffering=0) as file:
                return file.read(_LARGEST)
        except OSError:
            return b""

    def _parse(self, path: str) -> ast.Module | None:
        try:
            return parse_module(self.data(path))[0]
        except (SyntaxError, ValueError):
            return None

    def _walk(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.root):
            inside = os.path.relpath(folder, self.root).replace(os.sep, "/")
            prefix = "" if inside == "." else f"{inside}/"
            folders[:] = [each for each in folders if not _is_ignored(folder, each, at_top=not prefix)]
            yield from (f"{prefix}{name}" for name in names if name.endswith((".py", _NOTEBOOK, *_WEIGHTS)))


def is_test(path: str) -> bool:
    """Whether a file is one of tests, by its name or that of a folder.

    >>> [is_test(path) for path in ("tests/unit.py", "app/test_net.py", "app/contest.py")]
    [True, True, False]
    """
    return _TESTS.search(path) is not None


def is_checkpoint(path: str) -> bool:
    """Whether a file is one of safetensors, or was written by torch.save: no artifact, and no other data."""
    if path.endswith(".safetensors"):
        return True
    try:
        descriptor, _ = open_regular(path)
        with open(descriptor, "rb", buffering=0) as file:
            head = file.read(1024)
    except OSError:
        return False
    length = int.from_bytes(head[_ZIP_HEADER - 4 : _ZIP_HEADER - 2], "little")
    first = head[_ZIP_HEADER : _ZIP_HEADER + length]
    return head.startswith(b"\x80") or (head.startswith(b"PK\x03\x04") and first.endswith(b"/data.pkl"))


def folders_of(path: str) -> Iterator[str]:
    """The folders that a path lies in, the nearest first and "" last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _is_ignored(folder: str, name: str, *, at_top: bool) -> bool:
    if (
        name.startswith(".")
        or name in _NEVER
        or name.endswith(".egg-info")
        or (at_top and name in _AT_THE_TOP)
    ):
        return True
    return any(os.path.exists(os.path.join(folder, name, mark)) for mark in _ENVIRONMENT_MARKS)
