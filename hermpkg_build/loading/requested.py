"""Loads what target patterns ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import Target
from hermpkg_build.dataclass import dataclass
from hermpkg_build.loading.dependencies import closure
from hermpkg_build.loading.expansion import expand
from hermpkg_build.loading.loader import Loader


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The labels that patterns stand for, in their order, and their targets with all they depend on."""

    labels: tuple[Label, ...]
    targets: Mapping[Label, Target]


def load_requested(loader: Loader, patterns: Sequence[str], *, package: str = "") -> Requested:
    """Load what `patterns` ask for; relative ones count from the folder `package`.

    Raises what `expand` and `closure` raise.
    """
    labels = expand(loader, patterns, package=package)
    return Requested(labels=labels, targets=closure(loader, labels))
