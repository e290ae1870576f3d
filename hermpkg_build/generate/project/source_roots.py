"""Finds the folders that a project's module names count from: by its build tool, its folders, its imports."""

from __future__ import annotations

import ast
import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from hermpkg_build.core.module_names import is_dotted_identifier, top_of
from hermpkg_build.core.parsed_texts import literal_value
from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.disk.files import read_limited
from hermpkg_build.errors import CommandLineError
from hermpkg_build.generate.project.sources import ProjectSources, folders_of
from hermpkg_build.loading.layout import Layout, find_layout

_SRC = "src"
_MAY_IMPORT_SRC = re.compile(rb"^\s*(?:from|import)\s.*\bsrc\b", re.MULTILINE)


def project_layout(document: Mapping[str, Any], sources: ProjectSources) -> Layout:
    """Find the layout of a project whose ``pyproject.toml`` is `document`.

    A folder `src` whose modules code imports as ``src.…`` is a package, whatever a build tool is told.
    """
    user = _imports_of_src(sources)
    if user:
        return Layout(reason=f"{user} imports modules of {_SRC} as {_SRC}.…")
    layout = find_layout(document, sources.root)
    if layout.reason:
        return _with_other_projects(layout, sources)
    root, reason = _by_setup_files("", sources)
    if root:
        return Layout(source_roots=(root, ""), reason=reason)
    if _SRC in sources.folders and not sources.has(f"{_SRC}/__init__.py"):
        reason = f"{_SRC} has modules, and none is imported as {_SRC}.…"
        layout = Layout(source_roots=(_SRC, ""), reason=reason)
    return _with_other_projects(layout, sources)


def with_root(layout: Layout, root: str, reason: str) -> Layout:
    """A layout with one more root."""
    if root in layout.source_roots:
        return layout
    roots = sorted((root, *layout.source_roots), key=lambda each: (not each, -each.count("/"), each))
    reasons = "; ".join(filter(None, (layout.reason, reason)))
    return Layout(source_roots=tuple(roots), reason=reasons)


def file_of_module(module: str, layout: Layout, sources: ProjectSources) -> str | None:
    """The file that a module is by a layout; None for none."""
    if not is_dotted_identifier(module):
        return None
    relative = module.replace(".", "/")
    for root in layout.source_roots:
        for suffix in ("/__init__.py", ".py"):
            if sources.has(path := f"{root}/{relative}{suffix}".lstrip("/")):
                return path
    return None


def factory_file(place: str, layout: Layout, sources: ProjectSources) -> tuple[str, str, Layout]:
    """The file and the module of a factory, and the layout by which it has that name.

    `place` is a module, which may count from a folder that is no root yet, or the path of a file. Raises
    CommandLineError where there is none, or several.
    """
    if place.endswith(".py"):
        return _module_at(place, layout, sources)
    path = file_of_module(place, layout, sources)
    if path is not None:
        return path, place, layout
    found = _files_called(place, sources)
    if len(found) != 1:
        near = [_module_of(path, layout) for path in sources.code]
        raise CommandLineError(
            f"there is no module {place} in the project"
            if not found
            else f"{place} may be several files of the project",
            facts=[("files", ", ".join(found))]
            if found
            else [("modules", ", ".join(filter(None, near[:12])))],
            next_step="give the path of the file: path/to/file.py:function",
        )
    ((path, root),) = found.items()
    return path, place, with_root(layout, root, f"{place} is in {root}")


def _files_called(module: str, sources: ProjectSources) -> dict[str, str]:
    """The files that a module may be, each with the folder that its name then counts from."""
    relative = module.replace(".", "/")
    return {
        path: path.removesuffix(end)
        for end in (f"/{relative}.py", f"/{relative}/__init__.py")
        for path in sources.code
        if path.endswith(end)
    }


def _module_at(place: str, layout: Layout, sources: ProjectSources) -> tuple[str, str, Layout]:
    path = os.path.relpath(os.path.abspath(place), sources.root).replace(os.sep, "/")
    if not sources.has(path):
        raise CommandLineError(f"there is no file {place} in the project", facts=[("project", sources.root)])
    module = _module_of(path, layout)
    if module is None:
        raise CommandLineError(
            f"{path} cannot be imported: its path is no name of a module",
            next_step="rename the file or folder so that all parts are identifiers",
        )
    return path, module, layout


def _module_of(path: str, layout: Layout) -> str | None:
    from hermpkg_build.loading.declared_modules import module_name

    return module_name(path, layout.source_roots)


def roots_for_imports(path: str, layout: Layout, sources: ProjectSources) -> Layout:
    """A layout by which all imports lead somewhere that do from `path` on, a file, when it runs as a script.

    A script finds what lies beside it, whatever folder that is. What else is imported, and can only be one
    file of the project, is that: code of another project in the repository.
    """
    queue, known = [path], {path}
    for file in queue:
        for each in sources.imports(file):
            found = file_of_module(each.module, layout, sources) or file_of_module(
                top_of(each.module), layout, sources
            )
            top = top_of(each.module)
            if found is None and top not in sys.stdlib_module_names and not _is_installed(top):
                for folder in folders_of(file):
                    beside = f"{folder}/{top}".lstrip("/")
                    if sources.has(f"{beside}.py") or beside in sources.folders:
                        layout = with_root(
                            layout, folder, f"{file}:{each.line} imports {top}, which is there"
                        )
                        found = file_of_module(each.module, layout, sources)
                        break
                else:
                    elsewhere = _files_called(each.module, sources)
                    root = next(iter(elsewhere.values()), "")
                    if len(elsewhere) == 1 and not sources.has(f"{root}/__init__.py"):
                        layout = with_root(
                            layout, root, f"{file}:{each.line} imports {top}, which is in {root}"
                        )
                        found = file_of_module(each.module, layout, sources)
            if found is not None and found not in known:
                known.add(found)
                queue.append(found)
    return layout


def _is_installed(top: str) -> bool:
    from importlib.machinery import PathFinder

    from hermpkg_build.analysis.search_path import environment_search_path
    from hermpkg_build.disk.own_entries import has_installed_things

    folders = [folder for folder in environment_search_path() if has_installed_things(folder)]
    spec = PathFinder.find_spec(top, folders)
    return spec is not None and spec.origin is not None


def _imports_of_src(sources: ProjectSources) -> str:
    """A file, with its line, that imports ``src`` as a package."""
    if _SRC not in sources.folders:
        return ""
    for path in sources.files:
        for each in sources.imports(path) if _MAY_IMPORT_SRC.search(sources.data(path)) else ():
            if each.module == _SRC or each.module.startswith(f"{_SRC}."):
                return f"{path}:{each.line}"
    return ""


def _with_other_projects(layout: Layout, sources: ProjectSources) -> Layout:
    """With the roots of projects in folders below, which have files of their own for build tools."""
    for folder in sorted(sources.folders - {""}):
        file = os.path.join(sources.root, folder, "pyproject.toml")
        if os.path.isfile(file):
            found = find_layout(read_toml(file), os.path.join(sources.root, folder)).source_roots
            for root in found[:-1] or found:
                path = f"{folder}/{root}".rstrip("/")
                layout = with_root(layout, path, f"{folder} is a project of its own")
        elif f"{folder}/setup.py" in sources.code and not sources.has(f"{folder}/__init__.py"):
            root, _ = _by_setup_files(folder, sources)
            layout = with_root(layout, f"{folder}/{root}".rstrip("/"), f"{folder} is a project of its own")
    return layout


def read_toml(path: str) -> dict[str, Any]:
    """What a TOML file says; nothing where it does not exist or cannot be read."""
    try:
        return parse_toml(read_limited(path))
    except (OSError, ValueError):
        return {}


def _by_setup_files(folder: str, sources: ProjectSources) -> tuple[str, str]:
    """The root that ``setup.cfg`` or ``setup.py`` in a folder names, relative to it, and why; "" for none."""
    place = os.path.join(sources.root, folder)
    for root, reason in (*_by_setup_cfg(place), *_by_setup_py(f"{folder}/setup.py".lstrip("/"), sources)):
        if root and os.path.isdir(os.path.join(place, root)):
            return root, reason
    return "", ""


def name_by_setup_files(sources: ProjectSources) -> str:
    """The name of the distribution by ``setup.py``, whose word counts, or ``setup.cfg``; "" for none.

    A name that is computed is none.
    """
    tree = sources.tree("setup.py") if sources.has("setup.py") else None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and _is_setup(node.func):
            for given in node.keywords:
                if given.arg == "name":
                    value = given.value.value if isinstance(given.value, ast.Constant) else ""
                    return value if isinstance(value, str) else ""
    return _setup_cfg(sources.root).get("metadata", "name", fallback="").strip()


def _is_setup(function: ast.expr) -> bool:
    """Whether a call is of ``setup`` or ``setuptools.setup``."""
    return (isinstance(function, ast.Name) and function.id == "setup") or (
        isinstance(function, ast.Attribute) and function.attr == "setup"
    )


def _setup_cfg(folder: str) -> configparser.ConfigParser:
    """The ``setup.cfg`` of a folder; an empty one where there is none that can be read."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_limited(os.path.join(folder, "setup.cfg")).decode())
    except (configparser.Error, UnicodeDecodeError, OSError):
        return configparser.ConfigParser(interpolation=None)
    return parser


def _by_setup_cfg(root: str) -> Iterator[tuple[str, str]]:
    parser = _setup_cfg(root)
    folders = parser.get("options", "package_dir", fallback="")
    where = parser.get("options.packages.find", "where", fallback="").strip()
    for line in folders.replace(",", "\n").splitlines():
        package, equals, folder = line.partition("=")
        if equals and not package.strip():
            yield folder.strip(), f"setup.cfg: package_dir = {folder.strip()}"
    if where and where != ".":
        yield where, f"setup.cfg: packages.find where = {where}"


def _by_setup_py(path: str, sources: ProjectSources) -> Iterator[tuple[str, str]]:
    tree = sources.tree(path) if sources.has(path) else None
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, ast.keyword) or node.arg not in ("package_dir", "where"):
            continue
        try:
            value = literal_value(node.value)
        except ValueError:
            continue
        folder = value.get("") if isinstance(value, dict) else value
        if isinstance(folder, str) and folder not in ("", "."):
            yield folder.rstrip("/"), f"setup.py: {node.arg} = {ast.unparse(node.value)}"
