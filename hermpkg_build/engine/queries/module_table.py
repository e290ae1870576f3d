"""Which modules the targets of a workspace have, and which targets mean the same by a name."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import parent_of, parents_of
from hermpkg_build.core.target import DeclaredModule, Model, ModelPackage, RuleTarget
from hermpkg_build.engine.queries.watched import joined, split

_Shared: TypeAlias = "tuple[str, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The targets of a workspace by their labels, and the modules of each `python_modules`."""

    targets: Mapping[Label, RuleTarget]
    modules: Mapping[Label, Sequence[DeclaredModule]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Targets for which every name means the same module of the workspace.

    `shared` are the files that they mean by names which several files have, `own` the files that the
    targets have themselves, and `asked` the names of modules that attributes of targets give.
    """

    shared: _Shared
    own: Sequence[str]
    asked: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ModuleTable:
    """The files that are modules, by their labels with their names, and the groups of targets."""

    names: Mapping[str, str]
    groups: Sequence[Group]

    @classmethod
    def of(cls, declared: Declared) -> ModuleTable:
        """Make the table of the targets of a workspace."""
        names = {
            str(module.label): module.module for modules in declared.modules.values() for module in modules
        }
        return cls(names, list(_groups(declared, _shared_names(names))))

    @cached_property
    def alone(self) -> Mapping[str, str]:
        """The labels of files by the names that no other file has."""
        shared = _shared_names(self.names)
        return {name: label for label, name in self.names.items() if name not in shared}

    def meant(self, shared: Sequence[str]) -> Mapping[str, str]:
        """Return the labels of files by their names for a group of targets that has these `shared` ones."""
        return {**self.alone, **{self.names[label]: label for label in shared}} if shared else self.alone

    def changed_names(self, before: ModuleTable) -> set[str]:
        """Return the names that mean another file or folder of the workspace than `before`."""
        own, other = self.alone, before.alone
        found = {name for name, label in own.items() if other.get(name) != label}
        found.update(name for name in other if name not in own)
        # Folders without a file may come and go with what is in them.
        return found | (_folders(own) ^ _folders(other))

    def moved(self, before: ModuleTable) -> tuple[set[str], set[str]]:
        """Return the labels that mean something else by names which several files have, and those gone.

        That are labels of modules, and of targets whose attributes name some.
        """
        now, then = self._standing, before._standing
        changed = {label for label, standing in now.items() if then.get(label) != standing}
        return changed, then.keys() - now.keys()

    @cached_property
    def _standing(self) -> Mapping[str, tuple[object, ...]]:
        """The name of each module and the names that each target asks for, with the group that decides."""
        found: dict[str, tuple[object, ...]] = {}
        for group in self.groups:
            for label in group.own:
                found.setdefault(label, (self.names[label], group.shared))
            for label, asked in group.asked.items():
                found[label] = (tuple(asked), group.shared)
        return found

    def encode(self) -> dict[str, bytes]:
        """Return the table as bytes, of which `decode` makes it again."""
        whole = len(self.groups) == 1 and list(self.groups[0].own) == list(self.names)
        groups = [
            {"shared": each.shared, "own": None if whole else list(each.own), "asked": each.asked}
            for each in self.groups
        ]
        return {
            "declared": joined(self.names),
            "declared names": joined(self.names.values()),
            "groups": json.dumps(groups).encode(),
        }

    @classmethod
    def decode(cls, sections: Mapping[str, bytes | memoryview]) -> ModuleTable:
        """Return the table that `encode` gave. Raises KeyError, TypeError or ValueError."""
        labels = split(sections["declared"])
        groups: list[Any] = json.loads(bytes(sections["groups"]))
        return cls(
            dict(zip(labels, split(sections["declared names"]), strict=True)),
            [
                Group(
                    shared=tuple(each["shared"]),
                    own=labels if each["own"] is None else each["own"],
                    asked=each["asked"],
                )
                for each in groups
            ],
        )


def _folders(names: Iterable[str]) -> set[str]:
    """Return the packages that modules lie in, whether they have a file or not."""
    nearest: set[str] = set(map(parent_of, names))
    return nearest.union(*map(parents_of, nearest))


def _shared_names(names: Mapping[str, str]) -> set[str]:
    """Return the names that several files have."""
    if len(set(names.values())) == len(names):
        return set()
    once: set[str] = set()
    return {name for name in names.values() if name in once or once.add(name)}  # type: ignore[func-returns-value]


def _groups(declared: Declared, shared: Collection[str]) -> Iterator[Group]:
    """Part the targets by what they mean by names that several files of the workspace have."""
    groups: dict[_Shared, tuple[dict[str, None], dict[str, Sequence[str]]]] = {}
    for label, target in declared.targets.items():
        meant = _meant_by(label, declared, shared) if shared else {}
        own, asked = groups.setdefault(tuple(sorted(meant.values())), ({}, {}))
        own.update(dict.fromkeys([str(module.label) for module in declared.modules.get(label, ())]))
        names = _names_in(target)
        if names:
            asked[str(label)] = names
    for key, (own, asked) in groups.items():
        yield Group(shared=key, own=list(own), asked=asked)


def _meant_by(label: Label, declared: Declared, shared: Collection[str]) -> dict[str, str]:
    """Return the modules with shared names that a target has or depends on, near ones first."""
    meant: dict[str, str] = {}
    queue = dict.fromkeys([label])
    for each in (pending := list(queue)):
        for module in declared.modules.get(each, ()):
            if module.module in shared:
                meant.setdefault(module.module, str(module.label))
        target = declared.targets.get(each)
        new = [end for end in (target.dependencies if target else ()) if end not in queue]
        queue.update(dict.fromkeys(new))
        pending.extend(new)
    return meant


def _names_in(target: RuleTarget) -> Sequence[str]:
    """Return the modules that the attributes of a target name."""
    if isinstance(target, Model):
        return [target.factory.partition(":")[0]]
    return target.modules if isinstance(target, ModelPackage) else ()
