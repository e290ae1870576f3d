"""Problems of modules and of the rules of a policy, as values."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import overload

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.core.graph import Edge
from hermpkg_build.core.import_facts import SyntaxProblem
from hermpkg_build.dataclass import dataclass


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


class Trail(Sequence[Edge]):
    """The edges from a root to a module: those before the last, which many trails share, and the last."""

    __slots__ = ("_before", "_edge", "_length", "_root")

    def __init__(self, before: Trail | None, edge: Edge) -> None:
        self._before = before
        self._edge = edge
        self._root: Edge = edge if before is None else before._root
        self._length: int = 1 if before is None else before._length + 1

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Edge]:
        return iter(self._whole())

    @overload
    def __getitem__(self, at: int) -> Edge: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Edge]: ...
    def __getitem__(self, at: int | slice) -> Edge | Sequence[Edge]:
        if at in (-1, self._length - 1):
            return self._edge
        return self._root if at == 0 else self._whole()[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._whole() == tuple(other)

    def __hash__(self) -> int:
        return hash((self._length, self._edge))

    def __repr__(self) -> str:
        return repr(self._whole())

    def _whole(self) -> tuple[Edge, ...]:
        edges: list[Edge] = []
        here: Trail | None = self
        while here is not None:
            edges.append(here._edge)
            here = here._before
        return tuple(reversed(edges))


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
    trail: Sequence[Edge] = ()
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
