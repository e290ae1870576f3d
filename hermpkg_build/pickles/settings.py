"""What a canonical pickle is asked to be like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.global_names import ResolveGlobal

PersistentId: TypeAlias = Callable[[Any], "object | None"]
ReduceOverride: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of `pickle_canonically`."""

    protocol: int
    name: str
    persistent_id: PersistentId | None = None
    resolve_global: ResolveGlobal | None = None
    reduce_override: ReduceOverride | None = None
