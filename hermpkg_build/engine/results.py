"""What a build is asked for, and what it gives: the values between the engine and its callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from hermpkg_build.dataclass import dataclass

if TYPE_CHECKING:
    from hermpkg_build.core.conditions import FactoryConditions
    from hermpkg_build.engine.executed import ExecutedAction, RemoteCounts

Status: TypeAlias = Literal["built", "cached", "up-to-date"]
"""``built``: an action ran for the target; ``cached``: every action's result was in the cache and
the file was put in place; ``up-to-date``: the file was there already and nothing had changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """The targets to build and how.

    `directory` is the absolute folder that the request is made in: its workspace is built, and relative
    `patterns` count from it. `out` is where the artifact goes instead of its place in the output folder
    (one target only; absolute). `conditions` are those that factories run under, the usual ones where it
    is None. With `strict_imports`, functions of packed libraries must find all that they import.
    """

    patterns: tuple[str, ...]
    directory: str
    out: str | None = None
    keep_going: bool = False
    jobs: int = 1
    conditions: FactoryConditions | None = None
    strict_imports: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """The artifact of a target, or what stands for one.

    `path` is relative to the workspace where it lies inside, and "" for a target without a file of its own;
    `sha256` is in hexadecimal. `reasons` are clauses on why the target was built again, none where it was
    not.
    """

    label: str
    path: str
    sha256: str
    bytes: int
    status: Status
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionCounts:
    """How many actions of one kind ran, and how many were answered by the cache."""

    run: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What a build gave: targets in the order of the request, action counts by kind, seconds.

    `remote` is None where there was no shared cache; `inputs` are files of the workspace, where they were
    asked for.
    """

    targets: tuple[TargetResult, ...]
    actions: Mapping[str, ActionCounts]
    wall_s: float
    executed: tuple[ExecutedAction, ...] = ()
    remote: RemoteCounts | None = None
    inputs: tuple[str, ...] | None = None
