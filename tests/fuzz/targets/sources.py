"""Python sources, and what is installed: imports of a module, hooks of editable installs, metadata, paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from laws import Reader, in_file, target_of

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.editable_hooks import read_hook
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.source.imports import analyse_source
from hermpkg_build.source.source_facts import facts_of_source

_SOURCE = b'''# -*- coding: utf-8 -*-
"""Words."""
from __future__ import annotations
import os, sys as system
from . import (a, b as c,)
from ..d.e import *
__all__ = ["f", *g]
__all__ += ["h"]
if TYPE_CHECKING:
    import i
try:
    import j; import k
except ImportError:
    j = None
def f(x=lambda: __import__("l")):
    import importlib
    return importlib.import_module(f".{x}", __name__), __path__, __file__
@h
async def g():
    async with y as z:
        match z:
            case {"import": import_}: return r"\\x" rb"\\y" + f"{z!r:>{x}}"
'''
_HOOK = b"""from __future__ import annotations
MAPPING: dict[str, str] = {'pkg': '/src/pkg', 'mod': '/src/mod'}
NAMESPACES = {'ns': ['/src/ns']}
PATH_PLACEHOLDER = '__editable__.x.finder' + ".__path_hook__"
install('x', {'a.b': '/src/a/b.py'}, '/src/build/cp311', ['ninja'])
"""
_METADATA = b"""Metadata-Version: 2.1
Name: Thing.x
Version: 1.0
Classifier: Topic :: System :: Logging
Requires-Dist: other (>=1) ; extra == "a"
Requires-Dist: thing-two<2

Words.
"""
_RECORD = b'thing/__init__.py,sha256=abc,12\n"thing/a,b.py",,\nthing.libs/libx.so,,\n../../bin/x,,\n'


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of sources and of installed distributions."""
    site = folder / "site-packages"
    (site / "thing").mkdir(parents=True, exist_ok=True)
    (site / "thing" / "__init__.py").touch()
    info = site / "Thing_x-1.0.dist-info"
    info.mkdir(exist_ok=True)
    files = {"METADATA": _METADATA, "RECORD": _RECORD, "top_level.txt": b"thing\n",
             "direct_url.json": b'{"url":"file:///src/thing","dir_info":{"editable":true}}',
             "entry_points.txt": b"[console_scripts]\nx = thing:main\n[pytest11]\na = b\n"}  # fmt: skip
    found = {
        "source": Reader(sound=_SOURCE, read=_analyse),
        "hook": Reader(sound=_HOOK, read=lambda data: read_hook(data, SourceTree())),
        "pth": in_file(site / "x.pth", b"/src/a\n../b\nimport os; os.x\n# c\n", lambda: _searched(site)),
    }
    for name, sound in files.items():
        found[name] = in_file(info / name, sound, lambda: _read_metadata(str(site)))
    return found


def _analyse(data: bytes) -> None:
    analyse_source(data)
    facts_of_source(data)


def _searched(site: Path) -> None:
    finder = ModuleFinder(
        tree=SourceTree(), workspace_modules=(), workspace_root="/nowhere", search_path=[str(site)]
    )
    for name in ("thing", "pkg.part", "elsewhere.thing"):
        finder.find(name)
        finder.submodules(name)


def _read_metadata(site: str) -> None:
    known = Distributions([site], SourceTree())
    for distribution in known.installed_in(site):
        known.requirements_of(distribution)
        known.classifiers_of(distribution)
        known.entry_point_groups_of(distribution)
        known.is_compiled(distribution)
    known.owner_of(f"{site}/thing/__init__.py")
    known.owner_of("/src/thing/x.py")
    known.owner_of("thing")
    known.unknown_requirements(["thing", "x"])


TARGET = target_of(readers)
