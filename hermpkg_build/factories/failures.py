"""The failure of a factory, and its JSON form, in which it leaves the process that it happened in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.errors import ActionError, HermpkgError, Location
from hermpkg_build.factories.request import ObservedFiles


class FactoryError(ActionError):
    """A factory, its weights or the pickling of what it returned failed.

    `observed_files` are the files that the factory asked for until then, None where this is unknown.
    """

    observed_files: ObservedFiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErrorParts:
    summary: str
    location: Location | None
    facts: tuple[tuple[str, str], ...]
    snippet: str
    next_step: str


def error_to_json(error: HermpkgError) -> dict[str, Json]:
    """The JSON form of an error."""
    return {part.name: to_json(getattr(error, part.name)) for part in fields(_ErrorParts)}


def factory_error_from_json(value: Any, *, more_facts: Sequence[tuple[str, str]] = ()) -> FactoryError:
    """The inverse of `error_to_json`. Raises ValueError for anything else."""
    parts = from_json(_ErrorParts, value)
    return FactoryError(
        parts.summary,
        location=parts.location,
        facts=[*parts.facts, *more_facts],
        snippet=parts.snippet,
        next_step=parts.next_step,
    )
