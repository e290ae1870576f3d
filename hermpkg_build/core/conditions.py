"""The conditions that a factory runs under: always the same, unless it is tried whether they matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, cast

from hermpkg_build.core.canonical_json import Json

Listing: TypeAlias = Literal["as-is", "sorted", "reversed"]
_LISTINGS = ("as-is", "sorted", "reversed")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryConditions:
    """What surrounds a factory and should not show in what it makes.

    `environment` are variables beyond those that a factory always has. `home` and `working_folder` are
    absolute paths, new folders of their own where they are "". `listing` is the order in which folders
    are listed: that of the file system, by name, or by name backwards.
    """

    hash_seed: int = 0
    time_zone: str = "UTC"
    locale: str = "C.UTF-8"
    umask: int = 0o022
    threads: int = 1
    home: str = ""
    working_folder: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    listing: Listing = "as-is"

    def to_json(self) -> dict[str, Json]:
        """All fields by name, the inverse of `from_json`."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, value: Json) -> FactoryConditions:
        """Read conditions; those that are absent are as usual. Raises ValueError naming the one at fault."""
        if not isinstance(value, Mapping):
            raise ValueError("conditions are an object")
        usual = cls()
        for name, given in value.items():
            if name not in {each.name for each in fields(cls)}:
                raise ValueError(f"there is no condition {name!r}")
            if not _fits(given, getattr(usual, name)) or (name == "listing" and given not in _LISTINGS):
                raise ValueError(f"{name} cannot be {given!r}")
        return cls(**cast("dict[str, Any]", dict(value)))


def _fits(given: Json, usual: object) -> bool:
    if isinstance(usual, Mapping):
        return isinstance(given, Mapping) and all(isinstance(text, str) for text in given.values())
    return type(given) is type(usual) and (not isinstance(given, int) or given >= 0)
