"""Targets: what a BUILD file declares, and the modules of `python_modules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from hermpkg_build.core.label import Label
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.errors import Location

AttributeValue: TypeAlias = (
    bool
    | int
    | float
    | str
    | Label
    | PolicyRule
    | tuple["AttributeValue", ...]
    | Mapping[str, "AttributeValue"]
    | None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target with all attributes of its rule present: given, or the rule's default.

    Attributes that hold labels hold `Label`s; `deps` are all of them, in order of appearance.
    `visibility` is absolute: ``//visibility:public``, ``//visibility:private``,
    ``//pkg:__pkg__`` or ``//pkg:__subpackages__``. A file, and a module of a `python_modules`
    target, is a target too, with the rule ``file`` or ``module``; no BUILD file declares it.
    Equal whatever its `location`.
    """

    label: Label
    rule: str
    attributes: Mapping[str, AttributeValue]
    deps: tuple[Label, ...] = ()
    visibility: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTarget:
    """One Python module of a `python_modules` target: a file with a label and a dotted name.

    `path` is relative to the workspace root; `owner` is the `python_modules` target.
    """

    label: Label
    module: str
    path: str
    owner: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFile:
    """What one BUILD file declares, in order of declaration.

    `path` is relative to the workspace root. `exports` are the files that `exports_files` names,
    each with its visibility; `messages` what `print` was given, each with its place.
    """

    package: str
    path: str
    targets: Mapping[str, Target]
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    messages: tuple[tuple[Location, str], ...] = ()
