"""Splits a checkout into the projects of its distributions: hermpkg-runtime, hermpkg-build, hermpkg-speed.

The last is an extension in C, which hermpkg-build can do without. Which files the runtime has is worked out
from its imports each time; no list of them is kept. A project is a folder with the files of one
distribution and a pyproject.toml that setuptools alone builds.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from speed import FOLDER as SPEED_FOLDER
from speed import speed_files, speed_tables

CHECKOUT = Path(__file__).resolve().parents[3]
PACKAGE = "hermpkg_build"
RUNTIME = "hermpkg-runtime"
BUILD = "hermpkg-build"
SPEED = "hermpkg-speed"
WHOLE = "the whole checkout"
"""Both in one, as a checkout is installed: named hermpkg-build, and without need of the runtime."""

_DOORS = (PACKAGE, f"{PACKAGE}.__main__")
"""What hands out the rest as well, inside functions that say what is not installed."""

_MARKER = "py.typed"
_RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?=[^)]+\))")
_MODE = 0o644
_DEPENDENCIES = f"{PACKAGE}/runtime/distribution/dependencies.txt"
_BUILD_SYSTEM = {"requires": ["setuptools>=77"], "build-backend": "setuptools.build_meta"}
_SHARED = ("requires-python", "license", "license-files", "authors", "urls", "keywords", "classifiers")
"""Metadata that all distributions have from the checkout's pyproject.toml."""

Table = Mapping[str, Any]


class SplitError(Exception):
    """The checkout cannot be split into two distributions."""


def runtime_files(checkout: Path = CHECKOUT) -> frozenset[str]:
    """Return the files of hermpkg-runtime, relative to the checkout with ``/``. Raises SplitError."""
    modules = _modules(checkout)
    rooms = _settings(checkout)["rooms"]
    tops = [f"{PACKAGE}.{room}" for room in rooms]
    if absent := [top for top in tops if top not in modules]:
        raise SplitError(f"there is no {absent[0]}")
    roots = [name for name in modules if any(f"{name}.".startswith(f"{top}.") for top in tops)]
    closure = _closure(checkout, modules, [*_DOORS, f"{PACKAGE}.installation", *roots])
    return frozenset({*(modules[name] for name in closure), f"{PACKAGE}/{_MARKER}"})


def all_files(checkout: Path = CHECKOUT) -> frozenset[str]:
    """Return the files of both distributions: the modules, and the data that pyproject.toml names."""
    data = read_toml(checkout / "pyproject.toml")["tool"]["setuptools"]["package-data"][PACKAGE]
    patterns = [f"{PACKAGE}/{pattern}" for pattern in data]
    files = {path for path in _walk(checkout) if any(fnmatch.fnmatchcase(path, each) for each in patterns)}
    return frozenset(files | set(_modules(checkout).values()))


def files_of(distribution: str, checkout: Path = CHECKOUT) -> frozenset[str]:
    """Return the files of one of the distributions, or of the whole. Raises SplitError."""
    if distribution == WHOLE:
        return all_files(checkout)
    runtime = runtime_files(checkout)
    return runtime if distribution == RUNTIME else all_files(checkout) - runtime


def write_project(distribution: str, folder: Path, checkout: Path = CHECKOUT) -> None:
    """Write the project of a distribution, or of the whole, into an empty folder. Raises SplitError."""
    if distribution == SPEED:
        _write_speed_project(folder, checkout)
        return
    files = files_of(distribution, checkout)
    for file in sorted(files):
        _copy(checkout / file, folder / file)
    whole = read_toml(checkout / "pyproject.toml")
    _write_pages(
        folder, checkout, whole, checkout / PACKAGE / "runtime" if distribution == RUNTIME else checkout
    )
    project = (
        _runtime_project(checkout, whole)
        if distribution == RUNTIME
        else _build_project(checkout, whole, needs_runtime=distribution == BUILD)
    )
    packages = sorted({os.path.dirname(file).replace("/", ".") for file in files if file.endswith(".py")})
    data = sorted(file.removeprefix(f"{PACKAGE}/") for file in files if not file.endswith(".py"))
    setuptools = {"packages": packages, "include-package-data": False, "package-data": {PACKAGE: data}}
    _write_toml(folder, {"project": project, "tool": {"setuptools": setuptools}})


def _write_speed_project(folder: Path, checkout: Path) -> None:
    whole = read_toml(checkout / "pyproject.toml")
    for file in speed_files(checkout):
        _copy(file, folder / file.name)
    _write_pages(folder, checkout, whole, checkout / SPEED_FOLDER)
    _write(folder / "MANIFEST.in", "include *.h\n")
    shared = {key: whole["project"][key] for key in _SHARED}
    _write_toml(folder, speed_tables(checkout, shared, version_of(checkout)))


def _write_pages(folder: Path, checkout: Path, whole: Table, own: Path) -> None:
    """Write the README that is in the folder `own`, and the licence."""
    readme = (own / "README.md").read_text(encoding="utf-8")
    _write(folder / "README.md", readme_elsewhere(readme, whole["project"]["urls"], version_of(checkout)))
    _copy(checkout / "LICENSE", folder / "LICENSE")


def _write_toml(folder: Path, tables: Table) -> None:
    document = {"build-system": _BUILD_SYSTEM, **tables}
    _write(folder / "pyproject.toml", "\n".join(_lines(document)) + "\n")


def readme_elsewhere(text: str, urls: Mapping[str, str], version: str) -> str:
    """Return a README whose links lead from an index to the files as they were released."""
    return _RELATIVE_LINK.sub(f"{urls['Repository']}/blob/v{version}/", text)


def version_of(checkout: Path = CHECKOUT) -> str:
    """Return the version of all distributions. Raises SplitError where they have two."""
    found = {}
    for file, name in (("version.py", "__version__"), ("build_version.py", "BUILD_VERSION")):
        values: dict[str, Any] = {}
        exec((checkout / PACKAGE / file).read_text(encoding="utf-8"), values)  # noqa: S102 - two lines of ours
        found[file] = str(values[name])
    if len({*found.values()}) > 1:
        raise SplitError(f"two versions: {found}; a distribution needs the other in its own")
    return found["version.py"]


def _runtime_project(checkout: Path, whole: Table) -> Table:
    own = read_toml(checkout / PACKAGE / "runtime" / "pyproject.toml")["project"]
    extras = whole["project"]["optional-dependencies"]
    settings = _settings(checkout)
    return {
        **{key: value for key, value in own.items() if key != "dynamic"},
        **{key: whole["project"][key] for key in _SHARED},
        "version": version_of(checkout),
        "optional-dependencies": {
            **{name: extras[name] for name in settings["extras"]},
            **settings["own-extras"],
        },
    }


def _build_project(checkout: Path, whole: Table, *, needs_runtime: bool) -> Table:
    version = version_of(checkout)
    project = {key: value for key, value in whole["project"].items() if key != "dynamic"}
    lines = (checkout / _DEPENDENCIES).read_text(encoding="utf-8").splitlines()
    dependencies = [line for line in lines if line and not line.startswith("#")]
    extras = dict(project["optional-dependencies"])
    if needs_runtime:
        dependencies.append(f"{RUNTIME}=={version}")
        extras["speed"] = [*extras["speed"], f"{SPEED}=={version}"]
    own = {"version": version, "dependencies": sorted(dependencies), "optional-dependencies": extras}
    return {**project, **own}


def _settings(checkout: Path) -> Table:
    settings: Table = read_toml(checkout / PACKAGE / "runtime" / "pyproject.toml")["tool"][RUNTIME]
    return settings


def _walk(checkout: Path) -> Iterator[str]:
    """List the files of the package, relative to the checkout; this folder is none of it."""
    for folder, folders, names in os.walk(checkout / PACKAGE):
        folders[:] = sorted({*folders} - {"__pycache__", Path(__file__).parent.name})
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), checkout).replace(os.sep, "/")


def _modules(checkout: Path) -> dict[str, str]:
    """Return the file of each module of the package, by the module's name."""
    files = [path for path in _walk(checkout) if path.endswith(".py")]
    return {path[: -len(".py")].replace("/", ".").removesuffix(".__init__"): path for path in files}


def _closure(checkout: Path, modules: Mapping[str, str], roots: Iterable[str]) -> set[str]:
    """Return `roots`, all that they import, at once or later, and the packages that these lie in."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += _above(name)
        found_in = _imported(checkout, modules[name], only_at_once=name in _DOORS)
        waiting += [each for each in found_in if each in modules]
    return found


def _imported(checkout: Path, file: str, *, only_at_once: bool) -> Iterator[str]:
    """Name what a module imports, and what could be a module of that: ``a``, ``a.b`` and ``a.b.c``."""
    if str(checkout) not in sys.path:
        # Where this is built, nothing of the checkout is installed.
        sys.path.insert(0, str(checkout))
    from hermpkg_build.core.import_facts import ImportContext
    from hermpkg_build.source.imports import analyse_source

    facts = analyse_source((checkout / file).read_bytes())
    if facts.syntax_problem:
        raise SplitError(f"{file}:{facts.syntax_problem.line}: {facts.syntax_problem.message}")
    for each in facts.imports:
        # What stands in a try that catches ImportError can be done without, and says so.
        if each.context & ImportContext.TRY or (only_at_once and each.context):
            continue
        if each.level:
            raise SplitError(f"{file}:{each.line}: modules of {PACKAGE} are imported by their whole names")
        for name in (each.module, *(f"{each.module}.{name}" for name in each.names)):
            yield from (name, *_above(name))


def _above(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(_MODE)  # Whatever the umask: it is a part of a wheel's bytes.


def _write(target: Path, text: str) -> None:
    target.write_text(text, encoding="utf-8")
    target.chmod(_MODE)


def read_toml(path: Path) -> Table:
    """Read a TOML file."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    document: Table = tomllib.loads(path.read_text(encoding="utf-8"))
    return document


def _lines(table: Table, path: Sequence[str] = ()) -> Iterator[str]:
    """Write a table as TOML: its values, then its tables."""
    if path:
        yield "[" + ".".join(json.dumps(part) for part in path) + "]"
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{json.dumps(key)} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines(value, (*path, key))


def _value(value: object) -> str:
    """Write a value; what is no table, nor has one inside, is the same in JSON."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
