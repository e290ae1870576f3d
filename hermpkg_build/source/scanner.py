"""The scanner in C, where hermpkg-speed is installed: the facts of plain sources, many times as fast.

It finds what the analysis in Python finds, or nothing at all where a source is not plain, and knows of most
sources that the parser accepts them, so that keys and caches are the same with it and without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from hermpkg_build.core.import_facts import IMPORT_CONTEXTS, Import, ImportFacts, ImportForm
from hermpkg_build.extension import choose, library
from hermpkg_build.source.bindings import TELLING_NAMES
from hermpkg_build.source.findings import PLACE_NAMES

_WORDS: Final = tuple(sorted(name.encode() for name in {*TELLING_NAMES, *PLACE_NAMES}))
"""Names that only the analysis in Python looks into."""

_FORMS: Final = (ImportForm.IMPORT, ImportForm.FROM)
_import: Final[Callable[[tuple[Any, ...]], Import]] = partial(tuple.__new__, Import)
"""Makes one of its fields, a third as long as a call of the class takes."""


def folder() -> str:
    """Where the scanner at work lies, for a process that has no site-packages; "" where there is none."""
    return os.path.dirname(library())


def scanned_facts(source: bytes) -> ImportFacts | None:
    """The facts of a source in normal form; None where Python has to look, or there is no scanner."""
    scanner = choose().extension
    found = scanner.scan(source, _WORDS, _FORMS, IMPORT_CONTEXTS) if scanner else None
    if found is None:
        return None
    imports, names = found
    exports = None if names is None else tuple(dict.fromkeys(names))
    return ImportFacts(imports=tuple(map(_import, imports)), exports=exports)


def is_certainly_valid(data: bytes) -> bool:
    """Whether every Python can parse a source; where this says no, nobody knows."""
    scanner = choose().extension
    return scanner is not None and scanner.is_valid(data)
