"""Import facts: the imports that one module's source contains, a pure function of its bytes."""

from __future__ import annotations

import enum
from typing import NamedTuple

from hermpkg_build.dataclass import dataclass


class ImportContext(enum.IntFlag):
    """Where an import statement stands; TOP_LEVEL is the absence of all the others."""

    TOP_LEVEL = 0
    FUNCTION = 1
    """Inside a def or lambda: runs when called, if ever."""
    TRY = 2
    """Anywhere in the body of a try whose handlers catch ImportError or SyntaxError (also as Exception or
    bare except), or of a with that suppresses one."""
    TYPE_CHECKING = 4
    """Only seen by type checkers: never runs."""
    CONDITIONAL = 8
    """Under an if, match, while, for or except, or the else of these or of a try: runs on some
    platforms or versions. (Not the else of ``if TYPE_CHECKING``, which always runs.)"""


IMPORT_CONTEXTS = tuple(ImportContext(bits) for bits in range(16))
"""The contexts by their bits: arithmetic on members of an enumeration is slow."""


class ImportForm(enum.IntEnum):
    """How an import is written."""

    IMPORT = 0
    """``import a.b`` (one entry for each name)."""
    FROM = 1
    """``from a import b, c``."""
    DUNDER_IMPORT = 2
    """``__import__("a.b")`` with constant arguments."""
    IMPORT_MODULE = 3
    """``importlib.import_module("a.b")`` with constant arguments."""


class Import(NamedTuple):
    """One import; a tuple, because a large environment has a million of them.

    `module` is as written without leading dots, `level` counts the dots.
    `names` are the names of a FROM (``("*",)`` for a star) and the constant `fromlist` of a
    DUNDER_IMPORT; for IMPORT_MODULE with a constant second argument, that anchor package, while a
    relative one without names counts from the module's own package. They are empty for IMPORT.
    `line` and `column` count from 1, the column in characters, and point at the statement (the
    call expression for calls).
    """

    module: str
    level: int
    names: tuple[str, ...]
    form: ImportForm
    context: ImportContext
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class DynamicImport:
    """A call that imports a module whose name only run time knows.

    `text` is the call, each run of blanks made one, cut to 80 characters.
    """

    text: str
    context: ImportContext
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class SourceUse:
    """A use of a name that ties code to its place on disk.

    `name` is ``__file__``, ``__path__``, ``importlib.resources``, ``pkgutil.get_data`` or
    ``inspect.getsource`` (also for its ``getsourcelines``). For the place of a module that the source
    imports by an absolute name, that name stands before it: ``lib.part.__file__``. The place is that
    of the name, or of the statement that imports it.
    """

    name: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a source does not parse (also: cannot be decoded)."""

    message: str
    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFacts:
    """Everything that analysis needs to know of one module's source.

    `exports` is ``__all__`` where it is made of constants (those of all branches together where some
    are conditional), None where there is none or it is computed. With a `syntax_problem` everything
    else is empty.
    """

    imports: tuple[Import, ...] = ()
    dynamic: tuple[DynamicImport, ...] = ()
    exports: tuple[str, ...] | None = None
    uses: tuple[SourceUse, ...] = ()
    syntax_problem: SyntaxProblem | None = None
