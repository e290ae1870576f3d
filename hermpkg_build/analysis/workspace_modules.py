"""The modules of a workspace, and views of them as targets see them that depend on some of their owners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.analysis.module_finder import ModuleSource, declared_module, namespaces_above
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import parents_of, record_of_module
from hermpkg_build.core.module_roles import ModuleKind
from hermpkg_build.core.target import DeclaredModule

_NOBODY = frozenset[int]()


class WorkspaceModules(Mapping[str, ModuleSource]):
    """All modules of some `python_modules` targets by name, and the namespace packages above them.

    Owners are known by their number. They `are_plain` where each name has one owner, and a folder is one
    folder: only then it makes no difference to a namespace package which of its modules are seen.
    """

    def __init__(self, owners: Mapping[Label, Sequence[DeclaredModule]], root: str) -> None:
        self.are_plain: bool = True
        self._root = root
        self._declared = owners
        self._numbers = {label: number for number, label in enumerate(owners)}
        self._owners: dict[str, int] = {}
        self._below: dict[str, set[int]] = {}
        """The owners of modules below a name."""
        sources: dict[str, ModuleSource] = {}
        folders: dict[str, str] = {}
        for number, modules in enumerate(owners.values()):
            for module in modules:
                name = module.module
                self.are_plain &= self._owners.setdefault(name, number) == number and name not in sources
                sources[name] = declared_module(module, root)
                place = record_of_module(name, module.is_package)
                above = module.path.removesuffix(place)
                for parent in parents_of(name):
                    below = self._below.setdefault(parent, set())
                    self.are_plain &= folders.setdefault(parent, above) == above
                    if number in below:
                        break
                    below.add(number)
        ordered = [sources[name] for name in sorted(sources)]
        self._sources = {**namespaces_above(ordered, root), **sources}

    def __getitem__(self, name: str) -> ModuleSource:
        return self._sources[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def owner_of(self, name: str) -> int | None:
        """Return the owner that alone decides whether there is a module `name`; None if others have a say."""
        owner = self._owners.get(name)
        return owner if owner is not None and self._below.get(name, _NOBODY) <= {owner} else None

    def seen_by(self, labels: Sequence[Label]) -> Mapping[str, ModuleSource]:
        """Return the modules of `labels`, which are some of the owners, as if there were no others."""
        if self.are_plain:
            return SeenModules(self, frozenset(self._numbers[label] for label in labels))
        declared = {module.module: module for label in labels for module in self._declared[label]}
        sources: dict[str, ModuleSource] = {}
        for name, module in sorted(declared.items()):
            source, known = declared_module(module, self._root), self._sources[name]
            sources[name] = known if known == source else source
        found = {**namespaces_above(sources.values(), self._root), **sources}
        return {name: self._same(source) for name, source in found.items()}

    def _same(self, source: ModuleSource) -> ModuleSource:
        known = self._sources[source.name]
        return known if known == source else source

    def seen(self, name: str, owners: frozenset[int]) -> ModuleSource | None:
        """Return the module `name` as who sees the modules of some `owners` only; they must be plain."""
        owner = self._owners.get(name)
        if owner is not None and owner in owners:
            return self._sources[name]
        if self._below.get(name, _NOBODY).isdisjoint(owners):
            return None
        known = self._sources[name]
        if known.kind is ModuleKind.NAMESPACE:
            return known
        # The package's own file is not seen, so that its folder is a namespace package.
        folder = known.shown.removesuffix("/__init__.py" if known.kind is ModuleKind.PACKAGE else ".py")
        child = ModuleSource(
            name=f"{name}.module", kind=ModuleKind.SOURCE, origin=known.origin, shown=f"{folder}/module.py"
        )
        return namespaces_above([child], self._root)[name]


class SeenModules(Mapping[str, ModuleSource]):
    """The modules of a workspace as a target sees them that depends on `owners`."""

    def __init__(self, modules: WorkspaceModules, owners: frozenset[int]) -> None:
        self._modules = modules
        self.owners = owners

    def __getitem__(self, name: str) -> ModuleSource:
        found = self._modules.seen(name, self.owners)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._modules if self._modules.seen(name, self.owners) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
