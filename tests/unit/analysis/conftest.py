"""Small workspaces on disk, with what closing over their imports needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hermpkg_build.analysis.closure import Closure, Root
from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.analysis.target_closure import close_over
from hermpkg_build.core.graph import EdgeKind
from hermpkg_build.core.label import Label
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import DeclaredModule
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.errors import AnalysisError, GroupedError
from hermpkg_build.source.source_facts import SourceFacts, facts_of_source


class ReadingFacts:
    """A facts provider that analyses what it is asked for, and remembers each wave."""

    def __init__(self) -> None:
        self.waves: list[list[str]] = []
        self._memo: dict[str, SourceFacts] = {}

    def facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        self.waves.append([module.name for module in modules])
        return [self._read(module) for module in modules]

    def _read(self, module: ModuleSource) -> SourceFacts:
        if module.name not in self._memo:
            data = Path(module.path).read_bytes() if module.data is None else module.data
            self._memo[module.name] = facts_of_source(data)
        return self._memo[module.name]


class Workspace:
    """A folder of sources, a folder that plays site-packages, and the standard library behind them."""

    def __init__(self, root: Path) -> None:
        self.root = root / "work"
        self.site = root / "env" / "site-packages"
        self.root.mkdir()
        self.site.mkdir(parents=True)
        self.declared: list[str] = []

    def own(self, files: dict[str, str], *, declared: bool = True) -> Workspace:
        """Write workspace files; the Python ones are declared by a target unless told otherwise."""
        write(self.root, files)
        if declared:
            self.declared += [path for path in files if path.endswith((".py", ".so"))]
        return self

    def installed(self, files: dict[str, str]) -> Workspace:
        """Write files of the environment."""
        write(self.site, files)
        return self

    def facts(self) -> ReadingFacts:
        return ReadingFacts()

    def finder(self, **options: object) -> ModuleFinder:
        stdlib = [entry for entry in environment_search_path() if "site-packages" not in entry]
        return ModuleFinder(
            tree=SourceTree(),
            workspace_modules=[module_target(path) for path in self.declared],
            workspace_root=str(self.root),
            search_path=[*stdlib, str(self.site)],
            **options,
        )

    def close(
        self,
        root: str | Sequence[str],
        *rules: PolicyRule,
        facts: ReadingFacts | None = None,
        finder: ModuleFinder | None = None,
        warn: Callable[[str], None] = lambda _: None,
        strict_imports: bool = False,
    ) -> Closure:
        names = [root] if isinstance(root, str) else root
        return close_over(
            [Root(source="//a:b", module=name, kind=EdgeKind.DECLARED) for name in names],
            rules,
            finder or self.finder(),
            facts or ReadingFacts(),
            target="//a:b",
            warn=warn,
            strict_imports=strict_imports,
        )

    def told(self, root: str | Sequence[str], *rules: PolicyRule) -> list[str]:
        """What closing over `root` says is left out, without the target."""
        texts: list[str] = []
        self.close(root, *rules, warn=texts.append)
        assert all(text.startswith("//a:b: ") for text in texts)
        return [text.removeprefix("//a:b: ") for text in texts]

    def problems(
        self, root: str | Sequence[str], *rules: PolicyRule, **options: object
    ) -> list[AnalysisError]:
        """The errors that closing over `root` gives; there must be some."""
        with pytest.raises(GroupedError) as caught:
            self.close(root, *rules, **options)
        assert all(isinstance(error, AnalysisError) for error in caught.value.errors)
        return list(caught.value.errors)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def module_target(path: str) -> DeclaredModule:
    package, _, name = path.rpartition("/")
    module = path.split(".")[0].removesuffix("/__init__").replace("/", ".")
    return DeclaredModule(
        label=Label(package, name), module=module, path=path, owner=Label(package, "modules")
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def reading_facts() -> ReadingFacts:
    return ReadingFacts()
