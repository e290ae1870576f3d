"""Problems of modules and of the rules of a policy, as values."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.core.graph import Edge
from hermpkg_build.core.import_facts import SyntaxProblem


class ProblemKind(enum.Enum):
    """The kinds of problems."""

    NO_POLICY = "no policy"
    DENIED = "denied"
    NO_SOURCE = "no source"
    """Interned, but an extension module, bytecode, built in, or inside a ZIP file."""
    NOT_FOUND = "not found"
    MOCKED_BUT_USED = "mocked but used"
    """A pickle holds objects of it, which a stand-in cannot make again."""
    PROGRAM = "program"
    """A pickle holds objects of ``__main__``, which is another program where the package is loaded."""
    SYNTAX = "syntax"
    BEYOND_TOP = "beyond top"
    """A relative import with more dots than there are packages."""
    MALFORMED_NAME = "malformed name"
    MALFORMED_PATTERN = "malformed pattern"
    EMPTY_RULE = "empty rule"
    """Matched nothing, or the module that it names in full."""
    DEAD_RULE = "dead rule"
    """All it matched was taken by rules before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem.

    `module` is the name of the module it is about (of a malformed pattern: the pattern), `trail`
    the edges from a root to it, the last of them the import at fault. `rule` is the index of the
    rule that decided or is itself the problem, `earlier_rule` that of one that makes it dead.
    `names` are those that the import or the pickle asks of the module (``from module import names``).
    `detail` is for MALFORMED_PATTERN the reason, for DEAD_RULE the modules it matched, one a line.
    """

    kind: ProblemKind
    module: str
    trail: tuple[Edge, ...] = ()
    source: ModuleSource | None = None
    rule: int | None = None
    earlier_rule: int | None = None
    syntax: SyntaxProblem | None = None
    names: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFile:
    """A workspace file that is needed as a module, and that no dependency of a target lists.

    `importer` is the dotted name of the module that imports it, "" where the target itself names it.
    """

    file: str
    importer: str
