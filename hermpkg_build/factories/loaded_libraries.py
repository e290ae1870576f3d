"""Tells which libraries the dynamic loader has opened in this process, whoever asked for them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

from hermpkg_build.dataclass import replace
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.extension import library
from hermpkg_build.factories.places import Place, Places
from hermpkg_build.factories.questions import is_kernels
from hermpkg_build.factories.request import ObservedFiles

_SYSTEMS = tuple(f"{top}/lib{kind}/" for top in ("", "/usr") for kind in ("", "32", "64", "x32", "exec"))
"""The folders of the system's own libraries, for which the platform stands."""
_INTERPRETERS = "libpython"
"""How the library that is the interpreter is called, for which its version stands."""


class _Loaded(ctypes.Structure):
    """The first fields of ``dl_phdr_info`` of <link.h>."""

    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))


def with_libraries(
    seen: ObservedFiles, places: Places, scratch: str, written: Iterable[str] = ()
) -> ObservedFiles:
    """What was `seen`, and the libraries that are loaded, by the paths that they were found by.

    A library that appears in a folder where the loader looks first would be loaded instead. Other files that
    are mapped are there too: native code reads large files so. Those in the folder `scratch` are the
    factory's own, and so are those that it has `written`. Our own extension changes nothing that is made.
    """
    ours = library()
    own = os.path.join(scratch, ""), os.path.join(os.path.realpath(scratch), "")
    loaded = {path for path in loaded_libraries() if _is_input(path, places) and not path.startswith(own)}
    loaded.discard(ours)
    named = {*loaded, *seen.read, *seen.code}
    mapped = {
        path
        for path in mapped_files() - named - _real_paths((sys.executable, ours, *written))
        if _is_input(path, places) and not path.startswith(own) and not is_kernels(path)
    }
    if mapped:  # Of thousands of files it takes long to tell where links lead.
        mapped -= _real_paths(named)
    folders = {folder for paths in library_paths().values() for folder in paths.split(os.pathsep)}
    listed = {folder for folder in folders if os.path.isabs(folder) and _is_input(folder, places)}
    return replace(
        seen,
        read=tuple(sorted({*seen.read, *loaded, *mapped} - {*seen.code})),
        listed=tuple(sorted({*seen.listed, *listed})),
    )


def _real_paths(paths: Iterable[str]) -> set[str]:
    return {os.path.realpath(path) for path in paths}


def loaded_libraries() -> list[str]:
    """The absolute paths of libraries that the loader has opened, where the system tells: on Linux."""
    found: list[str] = []
    if sys.platform != "linux":
        return found

    def note(info: ctypes._Pointer[_Loaded], _size: int, _data: object) -> int:
        name = os.fsdecode(info.contents.name or b"")
        if os.path.isabs(name):
            found.append(os.path.normpath(name))
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Loaded), ctypes.c_size_t, ctypes.c_void_p)
    ctypes.CDLL(None).dl_iterate_phdr(kind(note), None)
    return [path for path in found if os.path.isfile(path)]


def mapped_files() -> set[str]:
    """The absolute paths of the files that are mapped to be read, where the system tells: on Linux."""
    found: set[str] = set()
    if sys.platform != "linux":
        return found
    with open("/proc/self/maps", "rb") as file:
        for line in file:
            words = line.rstrip(b"\n").split(None, 5)
            if len(words) > 5 and words[5].startswith(b"/") and words[1][1:4:2] != b"ws":
                found.add(os.fsdecode(words[5]))
    return {path for path in found if os.path.isfile(path)}


def _is_input(path: str, places: Places) -> bool:
    """Whether a library or a folder of libraries is neither the system's nor the interpreter's own."""
    place = places.place_of(path)
    if place is Place.ELSEWHERE:
        return not f"{path}/".startswith(_SYSTEMS) and not os.path.basename(path).startswith(_INTERPRETERS)
    return place is not Place.STDLIB
