"""The conditions that a factory runs under: the same in every build, other ones in `verify --rebuild`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.dataclass import dataclass, field

Listing: TypeAlias = Literal["as-is", "sorted", "reversed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryConditions:
    """The surroundings of a factory, which its result must not depend on.

    `environment` are variables beyond those that a factory always has. `home` and `working_folder` are
    absolute paths, new folders of their own where they are "". `listing` is the order in which folders
    are listed: that of the file system, by name, or by name backwards. `processor` is one that QEMU's
    user mode emulates, such as ``Nehalem``; "" for this machine's, and ``limited`` for this machine's held to
    the baseline, also for models that ask for more.
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
    processor: str = ""

    def __post_init__(self) -> None:
        for name in ("hash_seed", "umask", "threads"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} cannot be {getattr(self, name)}")


def read_conditions(value: Json) -> FactoryConditions:
    """The conditions whose JSON form `value` is; those that it leaves out are as usual. Raises ValueError."""
    if not isinstance(value, Mapping):
        raise ValueError("conditions are an object")
    return from_json(FactoryConditions, {**to_json(FactoryConditions()), **value})
