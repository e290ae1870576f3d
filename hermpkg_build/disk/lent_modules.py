"""Lends hermpkg, and the libraries that it needs, to an interpreter in which they are not installed.

Also a script: ``PYTHON lent_modules.py FOLDERS WORDS...`` runs the command line in PYTHON, where FOLDERS is a
JSON object from top-level modules to the folders that they lie in. It is of hermpkg's own process alone: what
factories and tests can import is what their interpreter has.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_OWN = "hermpkg_build"


class LentModules:
    """A meta-path finder of top-level modules by the folders that they lie in."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self.lent_folders = folders

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a top-level module that is lent; leave the others to the next finder."""
        folder = self.lent_folders.get(name)
        return None if folder is None or path is not None else PathFinder.find_spec(name, [folder], target)


def lend(folders: Mapping[str, str]) -> None:
    """Let this process import modules from `folders`: hermpkg in any case, others where it has none."""
    sys.meta_path.insert(0, LentModules({_OWN: folders[_OWN]}))
    sys.meta_path.append(LentModules(folders))


def lent_folders() -> Mapping[str, str] | None:
    """Return the folders of the modules that are lent to this process; None where none are."""
    # The script's own class is another than that of the module that is imported later.
    found = [getattr(finder, "lent_folders", None) for finder in sys.meta_path]
    return next((folders for folders in reversed(found) if folders is not None), None)


def command() -> list[str]:
    """Return the words that start the command line in this interpreter."""
    folders = lent_folders()
    if folders is None:
        return [sys.executable, "-m", _OWN]
    return command_in(sys.executable, folders)


def command_in(python: str, folders: Mapping[str, str]) -> list[str]:
    """Return the words that start the command line in the interpreter `python`, with modules lent to it."""
    return [python, __file__, json.dumps(folders)]


def main() -> None:
    """Run the command line with the modules lent that ``sys.argv[1]`` names."""
    # The folder of this script, whose modules are nobody's top-level modules.
    del sys.path[0]
    script, folders, *words = sys.argv
    lend(json.loads(folders))
    sys.argv = [script, *words]
    runpy.run_module(_OWN, run_name="__main__")


if __name__ == "__main__":
    main()
