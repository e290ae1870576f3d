"""Imports libraries ahead for factories that are forked later, and hides them until these import them.

A root is a module of the environment that something else than the environment imports first. Importing it
brings others along. What each root brought, and changed of what was there before, is recorded, taken back in
the forked process, and given back when that imports the root. There everything must be as it was when the
root was imported ahead; where it is not, the process ends, and the factory is run in a fresh one.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.factories.observation import FileObserver, Notes
from hermpkg_build.factories.places import Places
from hermpkg_build.factories.process_state import (
    OURS,
    OWN_FOLDERS,
    Change,
    Classes,
    changed_class,
    changes_since,
    classes_of,
    contents_of,
    has_drawn,
    is_same,
    made_in_own_folders,
    namespaces_of,
    neutral_path,
    own_path,
    set_attribute,
    set_tables,
    tables_of,
    torch_state,
)
from hermpkg_build.factories.request import EXIT_COLD
from hermpkg_build.factories.workspace_finder import ImportSite, WorkspaceFinder

_TOUCHING = frozenset(
    {"open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.scandir", "sqlite3.connect"}
)
"""The audit events by which a process would use the home or the temporary folder of another."""
_LOOKING_AROUND = frozenset({"gc.get_objects", "gc.get_referrers"})
"""The audit events of questions that the collector answers without what was there before the fork."""
_IMPORT = "_find_and_load_unlocked"
"""The function of importlib that asks the finders for an import, and not to see what there is."""


class UnfitError(Exception):
    """Importing a root ahead would show in what a factory makes, so that only those before it can be."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One root: all that it brought, by name in the order of ``sys.modules``, and what it did besides.

    `replaced` are those in whose places `modules` has others. `tables` are those before and after it, and
    `folders` what it made in folders of the process itself; `sought` are what it looked for in vain in the
    folder that it was imported in, with 0 where it asked no more than whether that is a link.
    """

    name: str
    spec: ModuleSpec
    modules: Mapping[str, ModuleType]
    replaced: Mapping[str, ModuleType]
    sites: Mapping[str, ImportSite]
    notes: Notes
    changes: tuple[Change, ...]
    tables: tuple[Mapping[str, Any], Mapping[str, Any]]
    folders: tuple[str, ...]
    sought: Mapping[str, int | None]


class Preloaded:
    """The roots of this process, all taken back once `begin` was called in a forked one."""

    def __init__(
        self,
        roots: Sequence[Root],
        finder: WorkspaceFinder,
        observer: FileObserver,
        places: Places,
    ) -> None:
        self.observer = observer
        self.places = places
        self._folders = tuple(os.path.join(os.environ[name], "") for name in OWN_FOLDERS)
        self._in_folders = contents_of(self._folders)
        self._is_guarding = False
        self.sites: dict[str, ImportSite] = {
            name: site for root in roots for name, site in root.sites.items()
        }
        self._roots = roots
        self._finder = finder
        self._next = 0
        self._waiting = {name: module for root in roots for name, module in root.modules.items()}
        self._after: Mapping[str, Callable[[Any], None]] = {}
        self._expected: dict[int, tuple[ModuleType, dict[str, Any]]] = {}
        self._hidden = {id(module) for root in roots for module in root.modules.values()}
        self._classes: Classes = ()
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
                set_attribute(module, key, before)
            for name, found in root.modules.items():
                if sys.modules.get(name) is found:
                    del sys.modules[name]
            sys.modules.update(root.replaced)
        if self._roots:
            set_tables(self._roots[0].tables[0], finder)
        self._finder, self._after = finder, after
        hidden = [item for root in self._roots for item in root.modules.items()] if self._roots[1:] else []
        namespaces = namespaces_of([*sys.modules.items(), *hidden])
        self._expected = {id(module): (module, entries) for module, entries in namespaces}
        self._classes = classes_of(namespaces) if hidden else ()

    def guard(self) -> None:
        """From now on, end this process where it does what shows that it is no fresh one."""
        self._is_guarding = True
        self.observer.heed(_LOOKING_AROUND, self._on_look)
        self.observer.heed(_TOUCHING, self._on_touch)

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
        # These questions are noted, as those that it asks when it is imported here would be.
        if there := [path for path, kind in root.sought.items() if _is_there(path, kind)]:
            go_cold(f"{there[0]} would have been found by {name}")
        return ModuleSpec(name, _GivingBack(self, root), origin=root.spec.origin)

    def give_back(self, root: Root) -> None:
        """Let this process have what importing `root` gives."""
        self._next += 1
        sys.modules.pop(root.name, None)
        sys.modules.update(root.modules)
        for name, brought in root.modules.items():
            self._waiting.pop(name, None)
            self._hidden.discard(id(brought))
        for owner, key, _, new in root.changes:
            after = own_path(new) if isinstance(new, str) else new
            set_attribute(owner, key, after)
            if id(owner) in self._expected:
                self._expected[id(owner)][1][key] = after
        set_tables(root.tables[1], self._finder)
        for folder in root.folders:
            os.makedirs(own_path(folder), exist_ok=True)
        for name, site in root.sites.items():
            self._finder.sites.setdefault(name, site)
        self.observer.add(root.notes)
        for name in root.modules:
            if name in self._after:
                self._after[name](root.modules[name])
        self._torch = torch_state()

    def finish(self) -> None:
        """End this process where a root was imported ahead that the factory did not ask for."""
        if self._next < len(self._roots):
            go_cold(f"{self._roots[self._next].name} is not imported")
        self._is_guarding = False
        notes = self.observer.take()
        if contents_of(self._folders) != self._in_folders:
            go_cold("there is something in folders of another process")
        self.observer.take()
        self.observer.add(notes)

    def _on_look(self, _: str, __: tuple[Any, ...]) -> None:
        """End this process where it would see among all objects that another imported libraries for it.

        What is saved can ask for them, too.
        """
        go_cold("the garbage collector was asked for objects")

    def _on_touch(self, _: str, arguments: tuple[Any, ...]) -> None:
        """End this process where it uses the home or the temporary folder of the one that forked it."""
        if not self._is_guarding or not arguments:
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
        tables = tables_of(self._finder)
        if changed := next((name for name in tables if tables[name] != root.tables[0][name]), ""):
            return changed
        given = self._next > 0
        for module, entries in self._expected.values():
            if id(module) not in self._hidden and not is_same(module, entries):
                return f"the module {module.__name__}"
        if given and torch_state() != self._torch:
            return "a setting of torch"
        changed = changed_class(self._classes) if given else ""
        return f"the class {changed}" if changed else ""


class _GivingBack(Loader):
    """Loads a root by giving back what was imported ahead."""

    def __init__(self, preloaded: Preloaded, root: Root) -> None:
        self._preloaded = preloaded
        self._root = root
        self._found = namespaces_of([(root.name, root.modules[root.name])])

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - the protocol's
        return self._root.modules[self._root.name]

    def exec_module(self, module: ModuleType) -> None:  # noqa: ARG002 - the protocol's
        # The import system has set attributes of a module that it takes for a new one.
        for changed, key, before, _ in list(changes_since(self._found)):
            set_attribute(changed, key, before)
        self._preloaded.give_back(self._root)


def go_cold(reason: str) -> NoReturn:
    """End this process: its factory has to be run in one that nothing was imported ahead in."""
    os.write(2, f"hermpkg: {reason}\n".encode(errors="backslashreplace"))
    os._exit(EXIT_COLD)


def preload(
    names: Sequence[str],
    finder: WorkspaceFinder,
    observer: FileObserver,
    places: Places,
    *,
    seed: int,
) -> Preloaded:
    """Import the roots `names` ahead, in this process, which must not do anything else until it is forked.

    `seed` is the one that the contexts of `finder` seed libraries with; `places` know afterwards where all
    lies that was read. Raises UnfitError.
    """
    roots: list[Root] = []
    for position, name in enumerate(names):
        if name not in sys.modules:
            roots.append(_root(position, name, finder, observer, seed))
    ahead = Preloaded(roots, finder, observer, places)
    for path in ahead.files():
        places.place_of(path)
    return ahead


def _root(position: int, name: str, finder: WorkspaceFinder, observer: FileObserver, seed: int) -> Root:
    before, namespaces = dict(sys.modules), namespaces_of(sys.modules.items())
    classes = classes_of(namespaces) if position else ()
    tables, torch, made = tables_of(finder), torch_state(), made_in_own_folders()
    finder.sites.clear()
    observer.take()
    random.seed(seed)
    drawn = random.getstate()
    try:
        importlib.import_module(name)
    except BaseException as error:
        raise UnfitError(position, f"{name} cannot be imported: {error}") from error
    notes, here = observer.take(), os.path.join(os.getcwd(), "")
    seen = {path for paths in notes.files.values() for path in paths if f"{path}/".startswith(here)}
    # That there is the folder itself, each process finds.
    seen -= {here[:-1]} - {path for kind, paths in notes.files.items() if kind != "_asked" for path in paths}
    if any(os.path.lexists(path) for path in seen):
        raise UnfitError(position, f"{name} looks at the folder that it is imported in")
    if len(os.listdir("/proc/self/task")) > 1:
        raise UnfitError(position, f"{name} starts threads")
    if random.getstate() != drawn or has_drawn(seed):
        raise UnfitError(position, f"{name} draws random numbers")
    if changed := changed_class(classes):
        raise UnfitError(position, f"{name} changes the class {changed}")
    if position and "torch" in before and torch_state() != torch:
        raise UnfitError(position, f"{name} changes settings of torch")
    folders = tuple(sorted(made_in_own_folders() - made))
    if not all(folder.endswith("/") for folder in folders):
        raise UnfitError(position, f"{name} writes files")
    spec = sys.modules[name].__spec__
    if spec is None or before.keys() - sys.modules.keys():
        raise UnfitError(position, f"{name} takes modules away, or has no spec")
    return Root(
        name=name,
        spec=spec,
        modules={
            each: module
            for each, module in sys.modules.items()
            if before.get(each) is not module
            and each.partition(".")[0] not in sys.stdlib_module_names
            and not each.startswith(OURS)
        },
        replaced={
            each: module for each, module in before.items() if sys.modules.get(each, module) is not module
        },
        sites=dict(finder.sites),
        notes=_elsewhere(notes),
        sought={path.removeprefix(here): notes.files["_asked"].get(path) for path in seen},
        changes=tuple(
            (module, key, old, neutral_path(new) if isinstance(new, str) else new)
            for module, key, old, new in changes_since(namespaces)
        ),
        tables=(tables, tables_of(finder)),
        folders=folders,
    )


def _is_there(path: str, only_as_link: int | None) -> bool:
    """Whether there is what a library looked for; the question is noted as the library's own would be."""
    return os.path.lexists(path) or (only_as_link is None and os.path.exists(path))


def _elsewhere(notes: Notes) -> Notes:
    """Leave out the home and the temporary folder of this process, and the folders that they lie in."""
    own = tuple(f"{os.environ[name]}/" for name in OWN_FOLDERS)
    files = {
        kind: {
            name: mark
            for name, mark in names.items()
            if not (f"{name}/".startswith(own) or any(each.startswith(f"{name}/") for each in own))
        }
        for kind, names in notes.files.items()
    }
    return replace(notes, files=files)
