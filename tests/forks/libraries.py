"""Forks factories from a process that has torch imported, and runs those anew in which that could show.

It is done as warm processes do it, but for any workspace. Where one of these would say that a factory has to
be run in a fresh process, the forked one becomes that process.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from hermpkg_build.dataclass import replace
from hermpkg_build.disk.processes import end_with_parent
from hermpkg_build.factories import preloading, worker
from hermpkg_build.factories.child import interpreter_words
from hermpkg_build.factories.early_fork import REQUEST
from hermpkg_build.factories.late_collection import collecting_late
from hermpkg_build.factories.observation import FileObserver
from hermpkg_build.factories.preloading import Preloaded, Root, preload
from hermpkg_build.factories.request import EXIT_COLD, ModelRequest

_ROOTS = ("torch",)
_WORKSPACE = "/dev/null/workspace"
"""Where there is none: in what was asked for in it each factory has its own instead."""


def import_libraries(search_path: Sequence[str]) -> Preloaded | None:
    """Import torch ahead; None where it leaves something in this process's own folders, which are gone."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [f"{folder}/home", f"{folder}/tmp"]
        os.environ.update(zip(("HOME", "TMPDIR"), folders, strict=True))
        for name in folders:
            os.mkdir(name)
        os.chdir(folders[0])
        request = ModelRequest(
            label="",
            factory="",
            arguments={},
            seed=0,
            modules={},
            workspace_root=_WORKSPACE,
            search_path=tuple(search_path),
        )
        observer, places = FileObserver(), worker.places_of(request)
        finder = worker.confine(request, places, observer)
        with collecting_late():
            ahead = preload(_ROOTS, finder, observer, places, seed=request.seed)
        is_clean = not any(map(os.listdir, folders))
        os.chdir(os.sep)
    gc.freeze()
    return ahead if is_clean else None


def run_factory(
    ahead: Preloaded | None, script: str, words: Sequence[str], env: Mapping[str, str]
) -> NoReturn:
    """Run the worker's `script` with `words`, in this process or as another program in its place."""
    folder, parent, line = Path(words[0]), int(words[1]), int(words[2])
    process, place, mask, kept = os.getpid(), os.getcwd(), os.umask(0), os.dup(line)
    os.umask(mask)

    def begin_anew(_: str) -> NoReturn:
        if os.getpid() != process:
            os._exit(EXIT_COLD)
        _clear(folder)
        os.dup2(kept, line)
        os.umask(mask)
        os.chdir(place)
        os.execve(sys.executable, [*interpreter_words(), script, *words], env)

    if ahead is None:
        begin_anew("")
    preloading.go_cold = worker.go_cold = begin_anew
    request = json.loads((folder / REQUEST).read_bytes())
    ahead._roots = [_moved(root, request["workspace_root"]) for root in ahead._roots]
    end_with_parent(parent, line)
    tempfile.tempdir = None
    worker.run(folder, ahead)
    os._exit(0)


def _moved(root: Root, workspace_root: str) -> Root:
    def move(path: str) -> str:
        is_inside = f"{path}/".startswith(f"{_WORKSPACE}/")
        return workspace_root + path.removeprefix(_WORKSPACE) if is_inside else path

    kinds = root.notes.files.items()
    files = {kind: {move(path): mark for path, mark in names.items()} for kind, names in kinds}
    return replace(root, notes=replace(root.notes, files=files))


def _clear(folder: Path) -> None:
    """Leave in the folder of a factory what it found there."""
    for path in folder.iterdir():
        if path.name in ("home", "tmp", "work"):
            for inside in path.iterdir():
                _remove(inside)
        elif path.name not in (REQUEST, "output"):
            _remove(path)
    if stat.S_ISREG(os.fstat(1).st_mode):
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
