"""The program that runs: ``__main__``, which ``python -m`` makes of a module that has another name."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hermpkg_build.factories.loaded_modules import attribute_of

MAIN = "__main__"
_NAMES = (MAIN, "__mp_main__")
"""What a program and one that multiprocessing starts anew call it."""


def module_of_program(name: str) -> str:
    """The name that a module has where another program loads it: `name`, unless that is the program's.

    ``python -m package.train`` runs ``package.train``; a script has no other name than ``__main__``.
    """
    if name not in _NAMES:
        return name
    program = sys.modules.get(MAIN)
    spec = attribute_of(program, "__spec__")
    runs_spec = spec is not None and spec.origin == attribute_of(program, "__file__")
    return str(spec.name) if runs_spec and spec.name not in _NAMES else MAIN


def with_program(patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns, and the other name of the program where ``__main__`` is among them."""
    names = dict.fromkeys([*patterns, *map(module_of_program, patterns)])
    return tuple(names)
