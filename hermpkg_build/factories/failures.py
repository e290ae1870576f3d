"""The failure of a factory, and its JSON form, in which it leaves the process that it happened in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.errors import ActionError, HermpkgError, Location
from hermpkg_build.factories.request import ObservedFiles


class FactoryError(ActionError):
    """A factory, its weights or the pickling of what it returned failed.

    `observed_files` are the files that the factory asked for until then, None where this is unknown.
    """

    def __init__(
        self,
        summary: str,
        *,
        location: Location | None = None,
        facts: Sequence[tuple[str, str]] = (),
        snippet: str = "",
        next_step: str = "",
        observed_files: ObservedFiles | None = None,
    ) -> None:
        super().__init__(summary, location=location, facts=facts, snippet=snippet, next_step=next_step)
        self.observed_files = observed_files


def error_to_json(error: HermpkgError) -> dict[str, Json]:
    """The JSON form of an error."""
    return {
        "summary": error.summary,
        "location": to_json(error.location),
        "facts": to_json(error.facts),
        "snippet": error.snippet,
        "next_step": error.next_step,
    }


def factory_error_from_json(
    value: Any,
    *,
    more_facts: Sequence[tuple[str, str]] = (),
    observed_files: ObservedFiles | None = None,
) -> FactoryError:
    """The inverse of `error_to_json`. Raises KeyError, TypeError or ValueError for anything else."""
    place = value["location"]
    return FactoryError(
        str(value["summary"]),
        location=Location(*place) if place else None,
        facts=[*((str(name), str(text)) for name, text in value["facts"]), *more_facts],
        snippet=str(value["snippet"]),
        next_step=str(value["next_step"]),
        observed_files=observed_files,
    )
