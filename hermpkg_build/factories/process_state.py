"""What of a process code can change before an import: modules, classes, variables, finders, settings."""

from __future__ import annotations

import copyreg
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, TypeAlias

from hermpkg_build.factories.workspace_finder import WorkspaceFinder

OURS = ("hermpkg_build", "__main__", "__mp_main__")
"""The modules of the process itself, by the beginnings of their names."""
OWN_FOLDERS = ("HOME", "TMPDIR")
"""The variables that name folders which each process has for itself."""
_ABSENT = object()

Namespaces: TypeAlias = tuple[tuple[ModuleType, dict[str, Any]], ...]
"""Modules with what they have."""
Change: TypeAlias = tuple[ModuleType, str, object, object]
"""An attribute of a module, what it was, and what it is."""
Classes: TypeAlias = tuple[tuple[type, dict[str, Any]], ...]
"""Classes with what they have."""


def changes_since(before: Namespaces) -> Iterator[Change]:
    """What is other than `before` in modules, but for parts of the standard library, which stay loaded."""
    for module, entries in before:
        now = vars(module)
        for key in {**entries, **now}:
            old, new = entries.get(key, _ABSENT), now.get(key, _ABSENT)
            if old is not new and not _is_no_matter(key, new):
                yield module, key, old, new


def _is_no_matter(key: str, value: object) -> bool:
    if key == "__warningregistry__":
        return True
    name = getattr(value, "__name__", "") if isinstance(value, ModuleType) else ""
    return name.partition(".")[0] in sys.stdlib_module_names


def set_attribute(module: ModuleType, key: str, value: object) -> None:
    """Let a module have what `changes_since` gives of it, or no such attribute."""
    entries = vars(module)
    if value is _ABSENT:
        entries.pop(key, None)
    else:
        entries[key] = value


def namespaces_of(modules: Iterable[tuple[str, ModuleType]]) -> Namespaces:
    """What modules have now, but for those of the process itself; each is given with its name."""
    found = {
        id(module): (module, dict(module.__dict__))
        for name, module in modules
        if isinstance(module, ModuleType) and not name.startswith(OURS)
    }
    return tuple(found.values())


def classes_of(namespaces: Namespaces) -> Classes:
    """What the classes that modules define have; of those of the standard library, what can be called."""
    found: dict[int, tuple[type, dict[str, Any]]] = {}
    for module, entries in namespaces:
        name = module.__name__
        standard = name.partition(".")[0] in sys.stdlib_module_names
        for kind in entries.values():
            if issubclass(type(kind), type) and id(kind) not in found and kind.__module__ == name:
                own = vars(kind).items()
                having = {key: value for key, value in own if not standard or _is_code(value)}
                found[id(kind)] = kind, having
    return tuple(found.values())


def changed_class(before: Classes) -> str:
    """The name of a class that has not what it had `before`; "" for none."""
    changed = (kind for kind, entries in before if not _same_entries(vars(kind), entries))
    return next((f"{kind.__module__}.{kind.__qualname__}" for kind in changed), "")


def _is_code(value: object) -> bool:
    return callable(value) or isinstance(value, classmethod | staticmethod | property)


def is_same(module: ModuleType, expected: Mapping[str, Any]) -> bool:
    """Whether a module has what it is expected to have, but for modules that were imported meanwhile."""
    now = vars(module)
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


def tables_of(finder: WorkspaceFinder) -> dict[str, Any]:
    """What code before an import can have set that the import would heed, or change."""
    return {
        "environment": {
            name: neutral_path(value) for name, value in os.environ.items() if name not in OWN_FOLDERS
        },
        "warnings": list(warnings.filters),
        "path": list(sys.path),
        "hooks": list(sys.path_hooks),
        "finders": [each for each in sys.meta_path if not isinstance(each, type(finder))],
        "reductions": dict(copyreg.dispatch_table),
        "recursion": sys.getrecursionlimit(),
    }


def set_tables(tables: Mapping[str, Any], finder: WorkspaceFinder) -> None:
    """Make everything as `tables` says; only what differs is touched."""
    now = tables_of(finder)
    if now["environment"] != tables["environment"]:
        for name in now["environment"].keys() - tables["environment"].keys():
            del os.environ[name]
        os.environ.update({name: own_path(value) for name, value in tables["environment"].items()})
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


def neutral_path(value: str) -> str:
    """A path in the home or the temporary folder of this process, in a way that holds in another."""
    for name in OWN_FOLDERS:
        folder = os.environ.get(name, "")
        if folder and f"{value}/".startswith(f"{folder}/"):
            return f"\0{name}\0{value[len(folder) :]}"
    return value


def own_path(value: str) -> str:
    """The inverse of `neutral_path`, in this process."""
    if not value.startswith("\0"):
        return value
    _, name, rest = value.split("\0")
    return os.environ[name] + rest


def made_in_own_folders() -> set[str]:
    """All that is in the home and the temporary folder of this process: see `_in`."""
    return {neutral_path(path) for path in contents_of([os.environ[name] for name in OWN_FOLDERS])}


def contents_of(tops: Iterable[str]) -> set[str]:
    """All that is in some folders, with a slash at the end of folders."""
    return {
        os.path.join(folder, name) + slash
        for top in tops
        for folder, folders, files in os.walk(top)
        for names, slash in ((folders, "/"), (files, ""))
        for name in names
    }


def torch_state() -> object:
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


def has_drawn(seed: int) -> bool:
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
