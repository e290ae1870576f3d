"""Reads the path that Python would search for modules, without running site code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.analysis.editable_hooks import read_hook
from hermpkg_build.core.module_roles import Origin
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.own_entries import SITE_FOLDERS, is_own_entry
from hermpkg_build.disk.standard_library import standard_library

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree

_HOOK_MARK = ".__path_hook__"
"""The end of entries that are not folders: editable installs of namespace packages add them."""

_EDITABLE_IMPORT = re.compile(r"import\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is searched for modules: an entry of the path, or a part of a package.

    `entry` is the path entry it belongs to, `shown` its path relative to that entry ("" for the
    entry itself), with "/" between the names.
    """

    directory: str
    entry: str
    shown: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPath:
    """Where modules are looked for, in order.

    `mapping` and `namespaces` come from the hooks that tools install for editable projects: modules with
    their files (without suffix) or folders, and namespace packages with their folders. `startup_code` are
    the ``.pth`` files that run other code at the start. `own` are the folders of the workspace that Python
    would search too, where modules count only if a target lists them.
    """

    folders: tuple[Folder, ...]
    mapping: Mapping[str, str]
    namespaces: Mapping[str, tuple[str, ...]]
    startup_code: tuple[str, ...]
    own: tuple[str, ...] = ()


def python_path() -> frozenset[str]:
    """The entries of PYTHONPATH, absolute; none where this interpreter ignores it."""
    entries = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    return frozenset(os.path.abspath(entry) for entry in entries.split(os.pathsep) if entry)


def environment_search_path() -> tuple[str, ...]:
    """The entries of this interpreter's sys.path, absolute, without accidental ones.

    That is the current folder and the folder of the script, where the interpreter's start has put them
    before the standard library, and the copies of other libraries that a setuptools adds when it is imported.
    Entries of PYTHONPATH stay, and those of ``.pth`` files, such as the checkout that one works in.
    """
    asked_for = python_path()
    started_in = {os.getcwd()}
    if sys.argv and sys.argv[0] not in ("", "-c", "-m"):
        started_in.add(os.path.dirname(os.path.realpath(sys.argv[0])))
    setuptools = getattr(sys.modules.get("setuptools"), "__file__", None)
    vendored = setuptools and os.path.join(os.path.dirname(os.path.abspath(setuptools)), "_vendor")
    entries = [os.path.abspath(entry) for entry in sys.path if entry and not entry.endswith(_HOOK_MARK)]
    standard = standard_library()
    start = next((at for at, entry in enumerate(entries) if entry in standard), 0)
    ahead = [entry for entry in entries[:start] if entry in asked_for or entry not in started_in]
    return tuple(dict.fromkeys(entry for entry in (*ahead, *entries[start:]) if entry != vendored))


def read_search_path(tree: SourceTree, entries: Sequence[str], *, workspace_root: str) -> SearchPath:
    """The search path that `entries` come to, with what their ``.pth`` files add.

    Workspace files can be imported only where a target lists them, so entries inside the
    workspace are left out, unless they belong to an interpreter that lives there, or have
    distributions installed in them.
    """
    own: dict[str, None] = {}

    def may_be_searched(entry: str, module: str = "") -> bool:
        if "\0" in entry:  # No file has such a name.
            return False
        if not is_own_entry(entry, workspace_root, lambda folder: tree.entries(folder) or ()):
            return True
        for _ in module.split(".") if module else ():
            entry = os.path.dirname(entry)
        own[entry] = None
        return False

    folders = {entry: _folder(entry) for entry in entries if may_be_searched(entry)}
    mapping: dict[str, str] = {}
    namespaces: dict[str, tuple[str, ...]] = {}
    startup_code: list[str] = []
    for site in [entry for entry in folders if os.path.basename(entry) in SITE_FOLDERS]:
        listing = tree.entries(site) or {}
        for name in listing:
            if not name.endswith(".pth") or name.startswith(".") or listing[name]:
                continue
            for line in _lines(tree, os.path.join(site, name)):
                if line.startswith(("import ", "import\t")):
                    editable = _EDITABLE_IMPORT.match(line)
                    found: dict[str, str] = {}
                    spaces: dict[str, list[str]] = {}
                    if editable and f"{editable[1]}.py" in listing:
                        found, spaces = read_hook(tree.read(os.path.join(site, f"{editable[1]}.py")), tree)
                    if not found and not spaces:
                        startup_code.append(os.path.join(site, name))
                    mapping.update({k: v for k, v in found.items() if may_be_searched(v, k)})
                    namespaces.update(
                        {k: tuple(p for p in v if may_be_searched(p, k)) for k, v in spaces.items()}
                    )
                else:
                    added = os.path.normpath(os.path.join(site, line))
                    if may_be_searched(added) and tree.entries(added) is not None:
                        folders.setdefault(added, _folder(added))
    return SearchPath(
        folders=tuple(folders.values()),
        mapping=mapping,
        namespaces=namespaces,
        startup_code=tuple(startup_code),
        own=tuple(own),
    )


def _folder(entry: str) -> Folder:
    is_standard = entry in standard_library()
    return Folder(entry, entry, "", Origin.STDLIB if is_standard else Origin.ENVIRONMENT)


def _lines(tree: SourceTree, path: str) -> list[str]:
    text = tree.read(path).decode("utf-8-sig", "surrogateescape")
    return [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
