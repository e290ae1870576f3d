"""Calls a factory as its users do: in their environment, from the current folder, without a workspace."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import FrameType
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.module_names import top_of
from hermpkg_build.errors import ActionError, CommandLineError, WorkspaceError
from hermpkg_build.factories.call import check_arguments, find_factory
from hermpkg_build.factories.hidden_modules import is_standard, standard_spec
from hermpkg_build.factories.places import Places
from hermpkg_build.factories.remedies import remedy, step_for_absent_file
from hermpkg_build.factories.tracebacks import trimmed_traceback
from hermpkg_build.generate.example import fixed_seeds
from hermpkg_build.loading.layout import find_layout, project_root
from hermpkg_build.loading.workspace import project_document

_OWN = "hermpkg_build."
_LINES = 12
_ABSENT = "run this where `python -c 'import ...'` finds it, or give a path: path/to/script.py:function"


def call_factory(factory: str, arguments: Mapping[str, Json]) -> Any:
    """What ``module:function`` or ``path/to/script.py:function`` returns, with fixed seeds.

    A module is found as from ``python -m``, the current folder first; a script is imported, with its own
    folder first, and not run as ``__main__``. Raises ActionError.
    """
    name = _named(factory)
    # The words of this command are none of the script's, as in a build.
    sys.argv = [factory]
    places = Places(workspace_root=os.getcwd(), search_path=sys.path)
    try:
        absent = _advice_on_module(top_of(name.partition(":")[0])) or _ABSENT
        function = find_factory(name, {}, places, absent=absent)
        check_arguments(name, function, arguments, places)
        with fixed_seeds():
            return function(**arguments)
    except ActionError:
        raise
    except (Exception, SystemExit) as error:
        absent = top_of(error.name or "") if isinstance(error, ModuleNotFoundError) else ""
        raise ActionError(
            f"{factory} failed: {type(error).__name__}: {error}",
            snippet="\n".join(trimmed_traceback(error, places).splitlines()[-_LINES:]),
            next_step=_advice_on_module(absent)
            or step_for_absent_file([error], places.workspace_root)
            or remedy([error])
            or _advice(sys.path[0]),
        ) from error


def factory_parts(factory: str, beside: str = "") -> tuple[str, str]:
    """The module or the script, and the function, that a name of a command line has.

    `beside` is the name of another function that may lie beside it. Raises CommandLineError for other forms.

    >>> factory_parts("app/net.py:make")
    ('app/net.py', 'make')
    """
    place, colon, function = factory.rpartition(":")
    if not colon or not place or not function:
        near = f"{beside.rpartition(':')[0]}:{factory}"
        raise CommandLineError(
            f'a function is named "module:function" or "path/to/script.py:function", not "{factory}"',
            next_step=f"did you mean {near!r}?" if beside and factory.isidentifier() else "",
        )
    return place, function


def _named(factory: str) -> str:
    """The factory by the name of its module, whose folder is on the path now."""
    place, function = factory_parts(factory)
    if not place.endswith(".py"):
        _put_first(os.getcwd(), place)
        return factory
    if not os.path.isfile(place):
        raise ActionError(f"there is no file {place}", next_step="give the path of a script")
    stem = os.path.splitext(os.path.basename(place))[0]
    _put_first(os.path.dirname(os.path.abspath(place)), stem)
    name = stem if _is_found_as(stem, place) else _load_under_another_name(stem, place)
    return f"{name}:{function}"


def _put_first(folder: str, factory: str) -> None:
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, _OwnImports(folder, top_of(factory)))


class _OwnImports:
    """A meta-path finder: what hermpkg imports of the standard library is not the user's, in `folder`.

    It leaves the module of the `factory` alone, and all imports that the user's code leads to.
    """

    def __init__(self, folder: str, factory: str) -> None:
        self._folder = os.path.join(folder, "")
        self._factory = factory

    def find_spec(self, name: str, path: Sequence[str] | None = None, _: object = None) -> ModuleSpec | None:
        if path is not None or not is_standard(name) or name == self._factory:
            return None
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith(self._folder):
            if str(frame.f_globals.get("__name__")).startswith(_OWN):
                return standard_spec(name, None)
            frame = frame.f_back
        return None


def _advice_on_module(name: str) -> str:
    """How Python finds a top-level module that the project has in a folder; "" where it has none."""
    root = project_root(os.getcwd())
    try:
        folders = find_layout(project_document(root), root).source_roots
    except WorkspaceError:
        return ""
    for folder in (os.path.relpath(os.path.join(root, each)) for each in folders):
        path = os.path.join(folder, name)
        if name and (os.path.isdir(path) or os.path.isfile(f"{path}.py")):
            behind = ':"$PYTHONPATH"' if os.environ.get("PYTHONPATH") else ""
            found = shlex.quote(folder)
            return (
                f"the project has {name} in {found}: let Python find it there, and call this again:\n"
                f"    export PYTHONPATH={found}{behind}"
            )
    return ""


def _advice(folder: str) -> str:
    """The next step for a factory that failed with `folder` first on the path."""
    known = {name: getattr(sys.modules.get(name), "__file__", None) for name in sys.stdlib_module_names}
    taken = [
        name
        for name, file in sorted(known.items())
        if file
        and os.path.isfile(own := os.path.join(folder, f"{name}.py"))
        and not os.path.samefile(own, file)
    ]
    if taken:
        files = " and ".join(f"{name}.py" for name in taken[:3])
        return (
            f"rename {files}, as hermpkg imports the standard library's, or name the factory in a BUILD file"
        )
    return "call it in a Python of your own until it works there"


def _is_found_as(name: str, file: str) -> bool:
    if not name.isidentifier() or name in sys.modules:
        return False
    spec = find_spec(name)
    return spec is not None and spec.origin is not None and os.path.samefile(spec.origin, file)


def _load_under_another_name(stem: str, file: str) -> str:
    """Import a script whose name is no module's, or that of another module."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = re.sub(r"\W", "_", f"script_{stem}")
    spec = spec_from_file_location(name, os.path.abspath(file))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return name
