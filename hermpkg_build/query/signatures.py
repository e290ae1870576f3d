"""The functions of the query language: what each takes, and what it is for."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from hermpkg_build.dataclass import dataclass


class Takes(enum.Enum):
    """What an argument is, by the word that usage shows for it."""

    TARGETS = "EXPR"
    TEXT = "WORD"
    PATTERN = "REGEX"
    DEPTH = "DEPTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One function: its arguments, of which the last `optional` may be left out, and what it gives.

    With `many` the last argument may come any number of times.
    """

    name: str
    takes: tuple[Takes, ...]
    optional: int = 0
    many: bool = False
    doc: str

    @property
    def usage(self) -> str:
        """How it is called: ``deps(EXPR[, DEPTH])``."""
        needed = [each.value for each in self.takes[: len(self.takes) - self.optional]]
        rest = "".join(f"[, {each.value}]" for each in self.takes[len(needed) :])
        more = ", ..." if self.many else ""
        return f"{self.name}({', '.join(needed)}{rest}{more})"


def _table(*signatures: Signature) -> Mapping[str, Signature]:
    return {each.name: each for each in signatures}


_X, _WORD, _REGEX, _DEPTH = Takes.TARGETS, Takes.TEXT, Takes.PATTERN, Takes.DEPTH

SIGNATURES = _table(
    Signature(
        name="deps",
        takes=(_X, _DEPTH),
        optional=1,
        doc="The targets, and all that they depend on, over at most so many steps.",
    ),
    Signature(
        name="rdeps",
        takes=(_X, _X, _DEPTH),
        optional=1,
        doc="Of the first and all its dependencies, what depends on the second, over at most so many steps.",
    ),
    Signature(
        name="allrdeps",
        takes=(_X, _DEPTH),
        optional=1,
        doc="Of all targets of the workspace and their dependencies, what depends on the targets.",
    ),
    Signature(name="allpaths", takes=(_X, _X), doc="All that lies on a path from the first to the second."),
    Signature(name="somepath", takes=(_X, _X), doc="A shortest path from the first to the second."),
    Signature(
        name="kind",
        takes=(_REGEX, _X),
        doc="Those whose kind matches: `model rule`, `source file`, `extension module`.",
    ),
    Signature(name="filter", takes=(_REGEX, _X), doc="Those whose label matches."),
    Signature(
        name="attr",
        takes=(_WORD, _REGEX, _X),
        doc="Those that have the attribute, with a value whose text matches.",
    ),
    Signature(name="labels", takes=(_WORD, _X), doc="What the attribute of the targets names."),
    Signature(name="tests", takes=(_X,), doc="The tests among the targets."),
    Signature(
        name="buildfiles",
        takes=(_X,),
        doc="The BUILD files of the targets' packages and all `.bzl` files behind them.",
    ),
    Signature(name="loadfiles", takes=(_X,), doc="The `.bzl` files behind the targets' BUILD files."),
    Signature(
        name="rbuildfiles",
        takes=(_WORD,),
        many=True,
        doc="The BUILD files of the workspace that are at these paths, or load what is there: `tools/m.bzl`.",
    ),
    Signature(name="siblings", takes=(_X,), doc="All targets of the targets' packages."),
    Signature(name="visible", takes=(_X, _X), doc="Those of the second that every one of the first may use."),
    Signature(
        name="same_pkg_direct_rdeps",
        takes=(_X,),
        doc="What depends on one of the targets directly and is of the same package.",
    ),
    Signature(
        name="some",
        takes=(_X, _DEPTH),
        optional=1,
        doc="So many of the targets, one unless told otherwise. It fails where there is none.",
    ),
)
