"""Finds the folders that module names of a project count from, by its pyproject.toml."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from hermpkg_build.dataclass import dataclass

_SRC = "src"
BAZEL_MARKERS = ("MODULE.bazel", "WORKSPACE", "WORKSPACE.bazel")
_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", *BAZEL_MARKERS)

Finder: TypeAlias = "Callable[[_Project], Iterator[tuple[str, str]]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folders that module names count from, relative to the project, the deepest first.

    `reason` says what tells them, "" where nothing does and they count from the project itself.
    """

    source_roots: tuple[str, ...] = ("",)
    reason: str = ""


def find_layout(document: Mapping[str, Any], folder: str) -> Layout:
    """Find the layout of the project in `folder`, whose ``pyproject.toml`` is `document`.

    What a build tool is told counts, else what the tool does by itself with a folder ``src``. The project
    itself is always the last of the roots: scripts beside the packages are modules, too.
    """
    project = _Project(document, folder)
    for find in (*_TOLD, _by_itself):
        found = [(root, why) for root, why in find(project) if project.has_folder(root)]
        roots = tuple(dict.fromkeys(root for root, _ in found if root))
        if roots:
            reason = "; ".join(dict.fromkeys(why for root, why in found if root))
            return Layout(source_roots=(*sorted(roots, key=lambda r: (-r.count("/"), r)), ""), reason=reason)
        if found:
            return Layout(reason=found[0][1])
    return Layout()


def project_root(directory: str) -> str:
    """The nearest folder upward that a build tool knows, within the same repository; else `directory`."""
    folder = os.path.abspath(directory)
    while True:
        if any(os.path.isfile(os.path.join(folder, marker)) for marker in _MARKERS):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder or os.path.exists(os.path.join(folder, ".git")):
            return os.path.abspath(directory)
        folder = parent


def project_name(document: Mapping[str, Any]) -> str:
    """The name of the distribution that a ``pyproject.toml`` describes, "" for none."""
    project = _Project(document, "")
    names = (project.get("project", "name"), project.get("tool", "poetry", "name"))
    return next((name for name in names if isinstance(name, str)), "")


class _Project:
    """One ``pyproject.toml``, read without trusting its form, and the folder it lies in."""

    def __init__(self, document: Mapping[str, Any], folder: str) -> None:
        self._document = document
        self._folder = folder

    def get(self, *keys: str) -> Any:
        value: Any = self._document
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def texts(self, *keys: str) -> list[str]:
        value = self.get(*keys)
        values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        return [each for each in values if isinstance(each, str)]

    def table(self, *keys: str) -> dict[str, str]:
        value = self.get(*keys)
        return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}

    def has_folder(self, path: str) -> bool:
        return os.path.isdir(os.path.join(self._folder, path))

    def has_file(self, path: str) -> bool:
        return os.path.isfile(os.path.join(self._folder, path))

    @property
    def backend(self) -> str:
        """The module that builds the project; "" where none is named."""
        backend = self.get("build-system", "build-backend")
        name = backend.partition(".")[0].partition(":")[0] if isinstance(backend, str) else ""
        return (_behind_own(self._document) or name) if name == "hermpkg_build" else name


def _behind_own(document: Mapping[str, Any]) -> str:
    """The module of the build backend that our own stands before; "" where that is not clear."""
    from hermpkg_build.loading.wheel_backends import build_system

    delegates = build_system(document).delegates
    return delegates[0].partition(".")[0] if len(delegates) == 1 else ""


def _clean(path: str) -> str | None:
    """A folder as source roots are written; None where it does not lie in the project."""
    normal = os.path.normpath(path).replace(os.sep, "/") if path else "."
    if os.path.isabs(path) or normal.split("/")[0] == "..":
        return None
    return "" if normal == "." else normal


def _roots(paths: Iterable[str], why: str) -> Iterator[tuple[str, str]]:
    for path in paths:
        root = _clean(path)
        if root is not None:
            yield root, why


def _above_packages(folders: Iterable[str], why: str) -> Iterator[tuple[str, str]]:
    """The folders that packages lie in, by the paths of the packages."""
    cleaned = [path for folder in folders if (path := _clean(folder))]
    yield from _roots([path.rpartition("/")[0] for path in cleaned if "*" not in path], why)


def _setuptools(project: _Project) -> Iterator[tuple[str, str]]:
    where = project.texts("tool", "setuptools", "packages", "find", "where")
    yield from _roots(where, f"setuptools: packages.find.where = {where}")
    for package, folder in project.table("tool", "setuptools", "package-dir").items():
        why = f'setuptools: package-dir = {{"{package}" = "{folder}"}}'
        path = _clean(folder)
        if not package:
            yield from _roots([folder], why)
        elif path is not None and f"/{path}".endswith("/" + package.replace(".", "/")):
            yield path[: -len(package)].rstrip("/"), why


def _hatch(project: _Project) -> Iterator[tuple[str, str]]:
    for keys in (("tool", "hatch", "build", "targets", "wheel"), ("tool", "hatch", "build")):
        packages = project.texts(*keys, "packages")
        yield from _above_packages(packages, f"hatch: packages = {packages}")
        sources = project.texts(*keys, "sources")
        yield from _roots(sources, f"hatch: sources = {sources}")
        for folder, prefix in project.table(*keys, "sources").items():
            if not prefix:
                yield from _roots([folder], f'hatch: sources = {{"{folder}" = ""}}')


def _poetry(project: _Project) -> Iterator[tuple[str, str]]:
    packages = project.get("tool", "poetry", "packages")
    for package in packages if isinstance(packages, list) else ():
        folder = package.get("from") if isinstance(package, dict) else None
        if isinstance(folder, str):
            yield from _roots([folder], f'poetry: packages from = "{folder}"')


def _one_setting(*keys: str) -> Finder:
    """What finds the one folder that a setting names."""

    def find(project: _Project) -> Iterator[tuple[str, str]]:
        value = project.get(*keys)
        if isinstance(value, str):
            yield from _roots([value], f'{keys[1].replace("pdm", "PDM")}: {keys[-1]} = "{value}"')

    return find


def _scikit_build(project: _Project) -> Iterator[tuple[str, str]]:
    packages = project.texts("tool", "scikit-build", "wheel", "packages")
    yield from _above_packages(packages, f"scikit-build-core: wheel.packages = {packages}")


_TOLD: Sequence[Finder] = (
    _setuptools,
    _hatch,
    _poetry,
    _one_setting("tool", "pdm", "build", "package-dir"),
    _one_setting("tool", "uv", "build-backend", "module-root"),
    _one_setting("tool", "maturin", "python-source"),
    _scikit_build,
)


def _by_itself(project: _Project) -> Iterator[tuple[str, str]]:
    """``src``, where the build tool takes packages from there without being told."""
    if not project.backend or not project.has_folder(_SRC) or project.has_file(f"{_SRC}/__init__.py"):
        return
    if project.backend not in ("setuptools", "pdm") and not _has_named_package(project):
        return
    if project.backend == "setuptools" and project.get("tool", "setuptools", "packages") is not None:
        return
    yield _SRC, f"{project.backend} takes packages from {_SRC}"


def _has_named_package(project: _Project) -> bool:
    """Whether ``src`` has the package that the project is called after."""
    names = [project.get("project", "name"), project.get("tool", "poetry", "name")]
    names += [
        project.get("tool", "flit", "module", "name"),
        *project.texts("tool", "uv", "build-backend", "module-name"),
    ]
    for name in names:
        if isinstance(name, str):
            module = name.replace("-", "_").replace(".", "_")
            for file in (f"{module}/__init__.py", f"{module.lower()}/__init__.py", f"{module}.py"):
                if project.has_file(f"{_SRC}/{file}"):
                    return True
    return False
