"""Imports libraries ahead for factories that are forked later, and hides them until these import them.

A root is a module of the environment that something else than the environment imports first. Importing it
brings others along. What each root brought, and changed of what was there before, is recorded, taken back in
the forked process, and given back when that imports the root. There everything must be as it was when the
root was imported ahead; where it is not, the process ends, and the factory is run in a fresh one.
"""

from __future__ import annotations

import copyreg
import importlib
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from hermpkg_build.factories.observation import FileObserver, Notes
from hermpkg_build.factories.request import EXIT_COLD
from hermpkg_build.factories.workspace_finder import ImportSite, WorkspaceFinder

_OURS = ("hermpkg_build", "__main__", "__mp_main__")
_OWN_FOLDERS = ("HOME", "TMPDIR")
_TOUCHING = frozenset(
    {"open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.scandir", "sqlite3.connect"}
)
"""The audit events by which a process would use the home or the temporary folder of another."""
_IMPORT = "_find_and_load_unlocked"
"""The function of importlib that asks the finders for an import, and not to see what there is."""
_ABSENT = object()

Namespaces = dict[str, dict[str, Any]]


class UnfitError(Exception):
    """Importing a root ahead would show in what a factory makes, so that only those before it can be."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One root: all that it brought, by name in the order of ``sys.modules``, and what it did besides."""

    name: str
    spec: ModuleSpec
    modules: Mapping[str, ModuleType]
    sites: Mapping[str, ImportSite]
    notes: Notes
    changes: tuple[tuple[str, str, object, object], ...]
    tables: tuple[Mapping[str, Any], Mapping[str, Any]]
    folders: tuple[str, ...]


class Preloaded:
    """The roots of this process, all taken back once `begin` was called in a forked one."""

    def __init__(
        self,
        roots: Sequence[Root],
        finder: WorkspaceFinder,
        observer: FileObserver,
    ) -> None:
        self.observer = observer
        self._folders = tuple(os.path.join(os.environ[name], "") for name in _OWN_FOLDERS)
        self._in_folders = _in(self._folders)
        self._is_guarding = False
        self.sites = {name: site for root in roots for name, site in root.sites.items()}
        self._roots = roots
        self._finder = finder
        self._next = 0
        self._waiting = {name: module for root in roots for name, module in root.modules.items()}
        self._after: Mapping[str, Callable[[Any], None]] = {}
        self._expected: Namespaces = {}
        self._classes: dict[type, dict[str, Any]] = {}
        self._torch: object = None

    def files(self) -> Iterator[str]:
        """The files and folders that importing the roots has read and listed."""
        for root in self._roots:
            for names in root.notes.files.values():
                yield from names

    def begin(self, finder: WorkspaceFinder, after: Mapping[str, Callable[[Any], None]]) -> None:
        """Take everything back: from now on `finder` stands where the one of the other process stood.

        `after` are functions that are called with modules, by their names, once these are given back.
        """
        if claimed := next((name for name in self.sites if self._is_claimed(name, finder)), None):
            go_cold(f"{claimed} is the workspace's now")
        sys.meta_path[sys.meta_path.index(self._finder)] = finder
        for root in reversed(self._roots):
            for module, key, before, _ in reversed(root.changes):
                _set(sys.modules[module], key, before)
            for name, found in root.modules.items():
                if sys.modules.get(name) is found:
                    del sys.modules[name]
        if self._roots:
            _set_tables(self._roots[0].tables[0], finder)
        self._finder, self._after = finder, after
        stashed = self._waiting if len(self._roots) > 1 else {}
        self._expected = _namespaces({**sys.modules, **stashed})
        if stashed:
            self._classes = {kind: dict(vars(kind)) for kind in _classes(self._expected)}
        self.observer.take()
        self._is_guarding = True
        sys.addaudithook(self._on_event)

    def find(self, name: str) -> ModuleSpec | None:
        """Find a module that was imported ahead and not given back yet; None where it is another."""
        found = self._waiting.get(name)
        if found is None:
            return None
        frame = sys._getframe(3)
        if frame.f_code.co_name != _IMPORT:
            spec: ModuleSpec | None = found.__spec__
            return spec
        root = self._roots[self._next]
        if name != root.name:
            go_cold(f"{name} is imported before {root.name}")
        if changed := self._changed_before(root):
            go_cold(f"{changed} was changed before {name} is imported")
        return ModuleSpec(name, _GivingBack(self, root), origin=root.spec.origin)

    def give_back(self, root: Root) -> None:
        """Let this process have what importing `root` gives."""
        self._next += 1
        module = root.modules[root.name]
        module.__spec__ = root.spec
        sys.modules.pop(root.name, None)
        sys.modules.update(root.modules)
        for name in root.modules:
            self._waiting.pop(name, None)
        for owner, key, _, after in root.changes:
            _set(sys.modules[owner], key, after)
            self._expected.get(owner, {})[key] = after
        _set_tables(root.tables[1], self._finder)
        for folder in root.folders:
            os.makedirs(_own(folder), exist_ok=True)
        for name, site in root.sites.items():
            self._finder.sites.setdefault(name, site)
        self.observer.add(root.notes)
        for name in root.modules:
            if name in self._after:
                self._after[name](root.modules[name])
        self._torch = _torch_state()

    def finish(self) -> None:
        """End this process where a root was imported ahead that the factory did not ask for."""
        if self._next < len(self._roots):
            go_cold(f"{self._roots[self._next].name} is not imported")
        self._is_guarding = False
        notes = self.observer.take()
        if _in(self._folders) != self._in_folders:
            go_cold("there is something in folders of another process")
        self.observer.take()
        self.observer.add(notes)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """End this process where it uses the home or the temporary folder of the one that forked it."""
        if event not in _TOUCHING or not self._is_guarding or not arguments:
            return
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        if f"{path}/".startswith(self._folders):
            go_cold(f"{path} is a path of another process")

    def _is_claimed(self, name: str, finder: WorkspaceFinder) -> bool:
        """Whether a module that was looked for ahead is the workspace's now."""
        if finder.is_declared(name):
            return True
        return name not in sys.modules and finder.is_undeclared(name)

    def _changed_before(self, root: Root) -> str:
        """What is not as it was when `root` was imported ahead, as far as can be seen; "" for nothing."""
        tables = _tables(self._finder)
        if changed := next((name for name in tables if tables[name] != root.tables[0][name]), ""):
            return changed
        given = {name for each in self._roots[: self._next] for name in each.modules}
        for name, expected in self._expected.items():
            if (name in given or name not in self._waiting) and not _same(name, expected):
                return f"the module {name}"
        if given and _torch_state() != self._torch:
            return "a setting of torch"
        for kind, entries in self._classes.items() if given else ():
            if not _same_entries(vars(kind), entries):
                return f"the class {kind.__qualname__}"
        return ""


class _GivingBack(Loader):
    """Loads a root by giving back what was imported ahead."""

    def __init__(self, preloaded: Preloaded, root: Root) -> None:
        self._preloaded = preloaded
        self._root = root

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - the protocol's
        return self._root.modules[self._root.name]

    def exec_module(self, module: ModuleType) -> None:  # noqa: ARG002 - the protocol's
        self._preloaded.give_back(self._root)


def go_cold(reason: str) -> NoReturn:
    """End this process: its factory has to be run in one that nothing was imported ahead in."""
    os.write(2, f"hermpkg: {reason}\n".encode(errors="backslashreplace"))
    os._exit(EXIT_COLD)


def preload(
    names: Sequence[str],
    finder: WorkspaceFinder,
    observer: FileObserver,
    *,
    seed: int,
) -> Preloaded:
    """Import the roots `names` ahead, in this process, which must not do anything else until it is forked.

    `seed` is the one that the contexts of `finder` seed libraries with. Raises UnfitError.
    """
    roots: list[Root] = []
    for position, name in enumerate(names):
        if name not in sys.modules:
            roots.append(_root(position, name, finder, observer, seed))
    return Preloaded(roots, finder, observer)


def _root(position: int, name: str, finder: WorkspaceFinder, observer: FileObserver, seed: int) -> Root:
    before, namespaces = dict(sys.modules), _namespaces(sys.modules)
    classes = {kind: dict(vars(kind)) for kind in _classes(namespaces)} if position else {}
    tables, torch, made = _tables(finder), _torch_state(), _made()
    finder.sites.clear()
    observer.take()
    random.seed(seed)
    drawn = random.getstate()
    try:
        importlib.import_module(name)
    except BaseException as error:
        raise UnfitError(position, f"{name} cannot be imported: {error}") from error
    if random.getstate() != drawn or _has_drawn(seed):
        raise UnfitError(position, f"{name} draws random numbers")
    if any(not _same_entries(vars(kind), entries) for kind, entries in classes.items()):
        raise UnfitError(position, f"{name} changes classes of other modules")
    if position and "torch" in before and _torch_state() != torch:
        raise UnfitError(position, f"{name} changes settings of torch")
    folders = tuple(sorted(_made() - made))
    if not all(folder.endswith("/") for folder in folders):
        raise UnfitError(position, f"{name} writes files")
    spec = sys.modules[name].__spec__
    if spec is None:
        raise UnfitError(position, f"{name} has no spec")
    return Root(
        name=name,
        spec=spec,
        modules={
            each: module
            for each, module in sys.modules.items()
            if before.get(each) is not module
            and each.partition(".")[0] not in sys.stdlib_module_names
            and not each.startswith(_OURS)
        },
        sites=dict(finder.sites),
        notes=_elsewhere(observer.take()),
        changes=tuple(_changes(namespaces)),
        tables=(tables, _tables(finder)),
        folders=folders,
    )


def _elsewhere(notes: Notes) -> Notes:
    """Leave out the home and the temporary folder of this process."""
    own = tuple(f"{os.environ[name]}/" for name in _OWN_FOLDERS)
    files = {
        kind: {name: None for name in names if not f"{name}/".startswith(own)}
        for kind, names in notes.files.items()
    }
    return replace(notes, files=files)


def _changes(before: Namespaces) -> Iterator[tuple[str, str, object, object]]:
    """What is other than `before` in modules, but for parts of the standard library, which stay loaded."""
    for name, entries in before.items():
        now = getattr(sys.modules.get(name), "__dict__", {})
        for key in {**entries, **now}:
            old, new = entries.get(key, _ABSENT), now.get(key, _ABSENT)
            if old is not new and not _is_no_matter(key, new):
                yield name, key, old, new


def _is_no_matter(key: str, value: object) -> bool:
    if key == "__warningregistry__":
        return True
    name = getattr(value, "__name__", "") if isinstance(value, ModuleType) else ""
    return name.partition(".")[0] in sys.stdlib_module_names


def _set(module: ModuleType, key: str, value: object) -> None:
    entries = vars(module)
    if value is _ABSENT:
        entries.pop(key, None)
    else:
        entries[key] = value


def _namespaces(modules: Mapping[str, ModuleType]) -> Namespaces:
    return {
        name: dict(module.__dict__)
        for name, module in list(modules.items())
        if isinstance(module, ModuleType) and not name.startswith(_OURS)
    }


def _classes(namespaces: Namespaces) -> Iterator[type]:
    """The classes that modules define, each once."""
    seen: set[int] = set()
    for name, entries in namespaces.items():
        for value in entries.values():
            if isinstance(value, type) and id(value) not in seen and value.__module__ == name:
                seen.add(id(value))
                yield value


def _same(name: str, expected: Mapping[str, Any]) -> bool:
    """Whether a module has what it is expected to have, but for modules that were imported meanwhile."""
    now = getattr(sys.modules.get(name), "__dict__", None)
    if now is None:
        return False
    if len(now) == len(expected) and _same_entries(now, expected):
        return True
    return all(
        _is_no_matter(key, now.get(key, _ABSENT)) or _is_workspace_module(now.get(key))
        for key in {**now, **expected}
        if now.get(key, _ABSENT) is not expected.get(key, _ABSENT)
    )


def _is_workspace_module(value: object) -> bool:
    return isinstance(value, ModuleType) and sys.modules.get(value.__name__) is value


def _same_entries(now: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return all(now.get(key, _ABSENT) is value for key, value in expected.items())


def _tables(finder: WorkspaceFinder) -> dict[str, Any]:
    """What code before an import can have set that the import would heed, or change."""
    return {
        "environment": {
            name: _neutral(value) for name, value in os.environ.items() if name not in _OWN_FOLDERS
        },
        "warnings": list(warnings.filters),
        "path": list(sys.path),
        "hooks": list(sys.path_hooks),
        "finders": [each for each in sys.meta_path if not isinstance(each, type(finder))],
        "reductions": dict(copyreg.dispatch_table),
        "recursion": sys.getrecursionlimit(),
    }


def _set_tables(tables: Mapping[str, Any], finder: WorkspaceFinder) -> None:
    """Make everything as `tables` says; only what differs is touched."""
    now = _tables(finder)
    if now["environment"] != tables["environment"]:
        for name in now["environment"].keys() - tables["environment"].keys():
            del os.environ[name]
        os.environ.update({name: _own(value) for name, value in tables["environment"].items()})
    if now["warnings"] != tables["warnings"]:
        warnings.filters[:] = tables["warnings"]  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]
    sys.path[:], sys.path_hooks[:] = tables["path"], tables["hooks"]
    if now["finders"] != tables["finders"]:
        place = sys.meta_path.index(finder)
        ours = list(tables["finders"])
        sys.meta_path[:] = [*ours[:place], finder, *ours[place:]]
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(tables["reductions"])
    sys.setrecursionlimit(tables["recursion"])


def _neutral(value: str) -> str:
    """A path in the home or the temporary folder of this process, in a way that holds in another."""
    for name in _OWN_FOLDERS:
        folder = os.environ.get(name, "")
        if folder and f"{value}/".startswith(f"{folder}/"):
            return f"\0{name}\0{value[len(folder) :]}"
    return value


def _own(value: str) -> str:
    """The inverse of `_neutral`, in this process."""
    if not value.startswith("\0"):
        return value
    _, name, rest = value.split("\0")
    return os.environ[name] + rest


def _made() -> set[str]:
    """All that is in the home and the temporary folder of this process: see `_in`."""
    return {_neutral(path) for path in _in([os.environ[name] for name in _OWN_FOLDERS])}


def _in(tops: Iterable[str]) -> set[str]:
    """All that is in some folders, with a slash at the end of folders."""
    return {
        os.path.join(folder, name) + slash
        for top in tops
        for folder, folders, files in os.walk(top)
        for names, slash in ((folders, "/"), (files, ""))
        for name in names
    }


def _torch_state() -> object:
    """What code can set of torch, beside its modules' attributes, that importing a library could heed."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    return (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
    )


def _has_drawn(seed: int) -> bool:
    """Whether random numbers were drawn since libraries were imported, and seeded; seed them anew."""
    drawn = False
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        state = torch.random.get_rng_state()
        torch.manual_seed(seed)
        drawn = not bool((state == torch.random.get_rng_state()).all())
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        now = repr(numpy_random.get_state())
        numpy_random.seed(seed % (1 << 32))
        drawn = drawn or now != repr(numpy_random.get_state())
    return drawn
