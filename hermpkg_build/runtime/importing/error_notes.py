"""What errors of packaged code would not tell: that names, paths and folders of packages are special."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from hermpkg_build.runtime.importing.space import ModuleSpace

_SPEAK_OF_MODULES = (ImportError, AttributeError, NameError)
"""These give a module's name to say which it is, and nobody has refused it."""
_PATH = re.compile(r"[^\s'\"():,;]*(?:/|\.py\b)[^\s'\"():,;]*")


def add_note(error: BaseException, text: str) -> None:
    """Show `text`, once, with the message of `error`, whose type its importers may expect."""
    if hasattr(error, "add_note"):
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)
    elif text in str(error):  # Python 3.10 has no notes.
        return
    elif len(error.args) == 1 and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]}\n{text}",)
    elif error.__cause__ is None:
        error.__cause__ = RuntimeError(text)
    elif type(error.__cause__) is RuntimeError:
        add_note(error.__cause__, text)


def attributes_of_folder(name: str, artifact: str) -> Callable[[str], NoReturn]:
    """The ``__getattr__`` of a package that is a mere folder of `artifact`, whatever it is elsewhere."""

    def look_up(attribute: str) -> NoReturn:
        text = f"module {name!r} has no attribute {attribute!r}"
        if not attribute.startswith("__"):
            text += (
                f": the artifact {artifact} has what lies below {name}, but no __init__.py of it. If it has"
                " one elsewhere, name it where the artifact is built:"
                f' modules = ["{name}"] of the model_package, or add_dependency("{name}") of the exporter'
            )
        raise AttributeError(text, name=attribute)

    return look_up


def note_mangled(error: Exception, space: ModuleSpace) -> None:
    """Tell whoever reads `error`, which a packaged module ended in, of a way out, if it is of a mangled name.

    Other libraries do not know these: some look for the file of a function, some take only names
    that an import statement could have.
    """
    if isinstance(error, _SPEAK_OF_MODULES):
        return
    _, found, rest = str(error).partition(f"{space.prefix}.")
    path = _PATH.match(rest) if found else None
    if path is not None:
        text = (
            f"{path[0]} is in the artifact {space.archive.name} and has no path here. Give its code real"
            ' paths: files = "real" in the model_package, or PackageImporter(..., files="real").'
        )
    elif found and isinstance(error, ValueError):
        text = (
            f"Names of packaged modules begin with {space.prefix}, to tell them from other copies. Where that"
            " is what is refused: pass another name if one can be passed, or extern the module that has it."
        )
    else:
        return
    add_note(error, text)
