"""Finds how a target pattern can go on, in the folders of the workspace and in the BUILD file it has come to.

What a BUILD file declares is kept with all that its evaluation looked at, so that the next question for it
is answered without an interpreter.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from hermpkg_build.core.folders import OUTPUT_FOLDER, STATE_FOLDER
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.engine.snapshot import find_change
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.workspace import Workspace, find_workspace

_FORMAT = 1
_MOST_FOLDERS = 2000
"""Folders that are looked into for a package; where there are more, one is taken to be there."""

_HARMLESS = re.compile(r"[A-Za-z0-9_./@%+=,~-]+")
"""Names that mean nothing else to any shell. Others must be typed: a name must not become a command."""


def target_names(current: str, rule: str = "") -> Iterator[tuple[str, bool, str]]:
    """Give how the pattern `current` can go on: whole or in part, and what it is; sorted.

    With `rule` there are only targets of that rule. None where there is no workspace, or the BUILD file is
    wrong and never was right.
    """
    try:
        here = os.getcwd()
        workspace = find_workspace(here)
    except (OSError, HermpkgError):
        return
    if current.startswith("//"):
        base, typed, shown = workspace.root, current[2:], "//"
    elif current.startswith(("/", "@", ".")):
        return
    else:
        base, typed, shown = here, current, ""
    folder, colon, name = typed.partition(":")
    if colon:
        path = os.path.normpath(os.path.join(base, folder))
        for each, kind in _declared(workspace, os.path.relpath(path, workspace.root), rule):
            if each.startswith(name):
                yield f"{shown}{folder}:{each}", True, kind
        if "all".startswith(name):
            yield f"{shown}{folder}:all", True, "all targets of the folder"
        return
    yield from _folders(base, typed, shown, workspace.build_names)


def _folders(
    base: str, typed: str, shown: str, build_names: Sequence[str]
) -> Iterator[tuple[str, bool, str]]:
    """Give the packages at and below the folder that `typed` has come to."""
    parent, slash, partial = typed.rpartition("/")
    above = os.path.join(base, parent)
    if shown or slash:
        if not partial and _is_package(above, build_names):
            yield f"{shown}{parent}:", False, "targets of the folder"
        if "...".startswith(partial):
            yield f"{shown}{parent}{slash}...", True, "all targets below"
    elif not partial and _is_package(above, build_names):
        yield ":", False, "targets of the folder"
    for name in _subfolders(above):
        path = os.path.join(above, name)
        if name.startswith(partial) and _HARMLESS.fullmatch(name):
            if _is_package(path, build_names):
                yield f"{shown}{parent}{slash}{name}:", False, "targets of the folder"
            if _has_packages_below(path, build_names):
                yield f"{shown}{parent}{slash}{name}/", False, "folder"


def _is_package(folder: str, build_names: Sequence[str]) -> bool:
    return any(os.path.isfile(os.path.join(folder, name)) for name in build_names)


def _subfolders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:
        return []
    outputs = (OUTPUT_FOLDER, "__pycache__", "node_modules")
    return sorted(name for name in names if name not in outputs and not name.startswith("bazel-"))


def _has_packages_below(folder: str, build_names: Sequence[str]) -> bool:
    queue = [os.path.join(folder, name) for name in _subfolders(folder)]
    for path in queue:
        if len(queue) > _MOST_FOLDERS or _is_package(path, build_names):
            return True
        if not os.path.islink(path) and not os.path.exists(os.path.join(path, "pyvenv.cfg")):
            queue += [os.path.join(path, name) for name in _subfolders(path)]
    return False


def _declared(workspace: Workspace, package: str, rule: str) -> list[tuple[str, str]]:
    """Return the names of the targets that a package declares, with their rules; sorted."""
    package = "" if package == os.curdir else package.replace(os.sep, "/")
    place = os.path.join(workspace.root, STATE_FOLDER, "completion", f"{_digest(package)}.json")
    known, is_current = _kept(place)
    targets = known if is_current else (_load(workspace, package, place) or known)
    return [(name, kind) for name, kind in targets if _HARMLESS.fullmatch(name) and rule in ("", kind)]


def _digest(package: str) -> str:
    return hashlib.sha256(package.encode(errors="surrogateescape")).hexdigest()[:32]


def _kept(place: str) -> tuple[list[tuple[str, str]], bool]:
    """Return what is kept of a package, and whether it is still so."""
    try:
        kept = json.loads(read_limited(place).decode(errors="surrogateescape"))
        targets = [(str(name), str(kind)) for name, kind in kept["targets"]]
        if kept["format"] != _FORMAT:
            return targets, False
        files, folders = (
            {path: (str(hash_), tuple(signature) if signature else None) for path, (hash_, signature) in part}
            for part in (kept["files"], kept["folders"])
        )
        return targets, find_change([files], folders)[0] == ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [], False


def _load(workspace: Workspace, package: str, place: str) -> list[tuple[str, str]] | None:
    """Evaluate a BUILD file, and keep what it declares; None where that fails."""
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.loading.loader import Loader

    tree = SourceTree()
    loader = Loader(workspace, tree, on_message=lambda *_: None)
    try:
        declared = loader.build_file(package).targets
    except (OSError, HermpkgError):
        return None
    targets = sorted((name, target.rule) for name, target in declared.items())
    signatures = tree.observed_signatures()
    parts = {"files": tree.observed_files(), "folders": tree.observed_directories()}
    kept = {
        name: [[path, [digest.hash, signatures.get(path)]] for path, digest in part.items()]
        for name, part in parts.items()
    }
    # It is kept where builds keep their notes; completing a line makes no folder for that.
    if os.path.isdir(os.path.dirname(os.path.dirname(place))):
        text = json.dumps({"format": _FORMAT, "targets": targets, **kept})
        with suppress(OSError):
            replace_file(place, text.encode(errors="surrogateescape"))
    return targets
