"""Adds to errors of packaged code what their messages lack: how packaged names, paths and folders differ."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import NoReturn

from hermpkg_build.core.module_names import parents_of, top_of
from hermpkg_build.printable import one_line
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import CLOSED_ARTIFACTS, OPEN_SPACES, ModuleSpace

_ERRORS_THAT_NAME_MODULES = (ImportError, AttributeError, NameError)
"""Their messages name a module to say where the error is, not because something refused the name."""
_PATH = re.compile(r"[^\s'\"():,;]*(?:/|\.py\b)[^\s'\"():,;]*")


def missing_module(space: ModuleSpace, name: str) -> ModuleNotFoundError:
    """Make the error for a module that packaged code may not import; it says what would help.

    Raises ValueError for an empty name, as every import does.
    """
    if not name:
        raise ValueError("Empty module name")
    top = top_of(name)
    text = f"No module named {name!r} in the artifact {space.archive.name}"
    if space.tree.role(top) is ModuleRole.MISSING:
        text += (
            ", and it is not among the modules that the artifact may take from its environment."
            f' Intern it, or extern it, when the artifact is built: intern("{top}.**")'
            f' or extern("{top}.**")'
        )
    else:
        text += (
            f": {top!r} is packaged, but this part of it is not: nothing was seen to import it."
            f" {_how_to_add(name)}"
        )
    return ModuleNotFoundError(one_line(text), name=name)


def attributes_of_folder(name: str, artifact: str) -> Callable[[str], NoReturn]:
    """Make the ``__getattr__`` of the package `name`, a folder without ``__init__.py`` in `artifact`."""

    def look_up(attribute: str) -> NoReturn:
        text = f"module {name!r} has no attribute {attribute!r}"
        if not attribute.startswith("__"):
            text += (
                f": the artifact {artifact} has modules below {name}, but not its __init__.py."
                f" If there is one: {_how_to_add(name)}"
            )
        raise AttributeError(one_line(text), name=attribute)

    return look_up


def explain(error: Exception, name: str, space: ModuleSpace) -> None:
    """Add notes to `error`, which the packaged module `name` raised, where its cause may not be obvious.

    Other libraries do not know mangled names: some look for the file of a function, some accept only
    names that an import statement could have. And a table of an extern library that takes each name only
    once, such as torch's of operators, refuses the second copy of the code that registers it.
    """
    if not isinstance(error, (ImportError, OSError)):  # A missing file is not a taken name.
        _explain_other_copy(error, name, space)
    if type(error) is ImportError:
        _explain_bare_folder(error, name, space)
    if not isinstance(error, _ERRORS_THAT_NAME_MODULES):
        _explain_mangled_name(error, space)


def _explain_other_copy(error: Exception, name: str, space: ModuleSpace) -> None:
    others = [other for other in list(OPEN_SPACES.values()) if other is not space]
    places = [f"the artifact {o.archive.name}" for o in others if o.mangle(name) in o.registered]
    if name in sys.modules:
        places.insert(0, "the environment")
    if not places and name in CLOSED_ARTIFACTS:
        closed = CLOSED_ARTIFACTS[name]
        places = [f"the artifact {closed}, which is closed but has registered what it registered"]
    if places:
        _add_note(
            error,
            f"{name} of the artifact {space.archive.name} runs beside the copy of it from {places[0]}. If the"
            " error is about a name that is taken, in a table in which both register: extern the module, load"
            " only one of the copies, or have the code look before it registers.",
        )


def _explain_bare_folder(error: ImportError, name: str, space: ModuleSpace) -> None:
    """Say that modules may come in another order where the code of their package does not run first."""
    bare = [above for above in parents_of(name) if space.tree.role(above) is ModuleRole.NAMESPACE]
    if bare:
        _add_note(
            error,
            f"The artifact {space.archive.name} has modules below {bare[-1]}, but not its __init__.py, which"
            f" may import them in another order. If there is one: {_how_to_add(bare[-1])}",
        )


def _explain_mangled_name(error: Exception, space: ModuleSpace) -> None:
    _, found, rest = str(error).partition(f"{space.prefix}.")
    path = _PATH.match(rest) if found else None
    if path is not None:
        _add_note(
            error,
            f"{path[0]} is in the artifact {space.archive.name}, not on disk. Give its code real"
            ' paths: files = "real" in the model_package, or PackageImporter(..., files="real").',
        )
    elif found and isinstance(error, ValueError):
        _add_note(
            error,
            f"Names of packaged modules begin with {space.prefix}, to tell them from other copies. If the"
            " prefix is what was refused: pass another name where one can be passed, or extern the module.",
        )


def _add_note(error: BaseException, text: str) -> None:
    """Show `text` once with the message of `error`, whose type stays as it is."""
    text = one_line(text)
    if hasattr(error, "add_note"):
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)
    elif text in str(error):  # Python 3.10 has no notes.
        return
    elif len(error.args) == 1 and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]}\n{text}",)
        if isinstance(error, ImportError):  # It is shown by its own copy of the text.
            error.msg = error.args[0]
    elif error.__cause__ is None:
        error.__cause__ = RuntimeError(text)
    elif type(error.__cause__) is RuntimeError:
        _add_note(error.__cause__, text)


def _how_to_add(module: str) -> str:
    return (
        f'Name it where the artifact is built: modules = ["{module}"] of the model_package,'
        f' or add_dependency("{module}") of the exporter'
    )
