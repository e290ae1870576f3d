"""The failure of a factory, and its JSON form, in which it leaves the process that it happened in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_codec import OMITTED, from_json, to_json
from hermpkg_build.dataclass import dataclass, field, fields
from hermpkg_build.errors import ActionError, HermpkgError, Location
from hermpkg_build.factories.request import ObservedFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeclaredImport:
    """An import of the workspace file `file`, which no dependency lists.

    `importer` is the dotted name of the module that imports it, "" where the factory's name does.
    """

    file: str
    importer: str


class FactoryError(ActionError):
    """A factory, its weights or the pickling of what it returned failed.

    `observed_files` are the files that the factory asked for until then, None where this is unknown. `target`
    is the label of the model. `undeclared` is the import that failed, where one did for want of a dependency.
    `missed` are paths of the workspace that the factory looked for in the folder in which it ran.
    """

    observed_files: ObservedFiles | None = None
    target: str = ""
    undeclared: UndeclaredImport | None = None
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErrorParts:
    summary: str
    location: Location | None
    facts: tuple[tuple[str, str], ...]
    snippet: str
    next_step: str
    undeclared: UndeclaredImport | None = field(default=None, metadata=OMITTED)


def error_to_json(error: HermpkgError) -> dict[str, Json]:
    """The JSON form of an error."""
    return {
        part.name: to_json(value)
        for part in fields(_ErrorParts)
        if (value := getattr(error, part.name, None)) is not None or part.name == "location"
    }


def factory_error_from_json(value: Any, *, more_facts: Sequence[tuple[str, str]] = ()) -> FactoryError:
    """The inverse of `error_to_json`. Raises ValueError for anything else."""
    parts = from_json(_ErrorParts, value)
    error = FactoryError(
        parts.summary,
        location=parts.location,
        facts=[*parts.facts, *more_facts],
        snippet=parts.snippet,
        next_step=parts.next_step,
    )
    error.undeclared = parts.undeclared
    return error
