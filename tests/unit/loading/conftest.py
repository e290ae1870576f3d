"""A workspace on disk that tests write files into and load."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import BuildFile, Target
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.errors import GroupedError, HermpkgError, Location
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.requested import load_requested
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.store.action_cache import ActionCache

RULES = (
    'load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", '
    '"model", "model_package", "package_test", "python_modules")\n'
)


class WorkspaceFiles:
    """A workspace under test. BUILD files written with `build` have all rules loaded on line 1."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.messages: list[tuple[Location, str]] = []
        root.mkdir(parents=True, exist_ok=True)
        self.write("pyproject.toml", "[tool.hermpkg]\n")

    def write(self, path: str, content: str | bytes = "") -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        data = textwrap.dedent(content).encode() if isinstance(content, str) else content
        place.write_bytes(data)

    def build(self, package: str, text: str = "") -> None:
        self.write(
            f"{package}/BUILD" if package else "BUILD", RULES + textwrap.dedent(text).removeprefix("\n")
        )

    def loader(self, cache: ActionCache | None = None) -> Loader:
        def note(location: Location, text: str) -> None:
            self.messages.append((location, text))

        return Loader(find_workspace(str(self.root)), SourceTree(), cache, on_message=note)

    def file(self, package: str) -> BuildFile:
        return self.loader().build_file(package)

    def target(self, label: str) -> Target:
        return self.loader().target(Label.parse(label))

    def closure(self, *patterns: str) -> Mapping[Label, Target]:
        return load_requested(self.loader(), patterns or ["//..."]).targets

    def errors(self, act: Callable[[], object]) -> list[HermpkgError]:
        """The errors that `act` raises, one by one."""
        with pytest.raises(HermpkgError) as caught:
            act()
        error = caught.value
        return list(error.errors) if isinstance(error, GroupedError) else [error]

    def build_errors(self, package: str) -> list[str]:
        """What is wrong with a BUILD file, each as ``place: summary``."""
        return [f"{e.location}: {e.summary}" for e in self.errors(lambda: self.file(package))]

    def closure_errors(self, *patterns: str) -> list[HermpkgError]:
        return self.errors(lambda: self.closure(*patterns))


@pytest.fixture
def files(tmp_path: Path) -> WorkspaceFiles:
    return WorkspaceFiles(tmp_path / "work space é")
