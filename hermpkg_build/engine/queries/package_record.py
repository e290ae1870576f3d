"""What the target graph needs of one BUILD file: its rules with what they name, and its files."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import HermpkgError, LabelError, Location
from hermpkg_build.loading.packages import IGNORE_FILE
from hermpkg_build.loading.workspace import WORKSPACE_MARKERS

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.core.target import BuildFile, RuleTarget
    from hermpkg_build.loading.loader import Loader


RuleRecord: TypeAlias = "tuple[str, int, int, list[str]]"
"""A rule's name, the line and column where its target is declared, and the labels that this names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRecord:
    """The targets of one package by their labels, its files, and the .bzl files behind its BUILD file."""

    path: str
    rules: dict[str, RuleRecord]
    files: dict[str, None]
    loads: Sequence[str]

    def __contains__(self, label: str) -> bool:
        return label in self.rules or label in self.files

    def location(self, label: str) -> Location | None:
        """Return where a rule's target is declared; None for a file."""
        rule = self.rules.get(label)
        return Location(self.path, rule[1], rule[2]) if rule is not None else None

    def to_json(self) -> list[Any]:
        """Return the record as a JSON value."""
        return [self.path, self.rules, list(self.files), self.loads]

    @classmethod
    def from_json(cls, value: Any) -> PackageRecord:
        """Return what `to_json` made a value of."""
        path, rules, files, loads = value
        return cls(path=path, rules=rules, files=dict.fromkeys(files), loads=loads)

    def depends_on(self, package: str, path: str) -> bool:
        """Whether the record of `package` is made of what is at a path of the workspace, file or folder.

        That is its BUILD file, all folders at and below its own, the .bzl files behind it, and the folders
        that these lie in.
        """
        if not package or path == package or path.startswith(f"{package}/") or package.startswith("bazel-"):
            return True
        return any(load == path or not path or load.startswith(f"{path}/") for load in self.loads)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPackages:
    """The packages that are known from earlier queries, and lists of packages at and below folders."""

    records: Mapping[str, PackageRecord]
    below: Mapping[str, list[str]]

    @property
    def size(self) -> tuple[int, int]:
        """Return how much is known: it grows with each package and list."""
        return len(self.records), len(self.below)

    def without(self, changed: Collection[str], root: str) -> KeptPackages:
        """Return what still holds though what is at some absolute paths has changed."""
        paths = [path[len(root) + 1 :] for path in changed if f"{path}/".startswith(f"{root}/")]
        loads = {load for record in self.records.values() for load in record.loads}
        builds = {record.path for record in self.records.values()}
        folders = [path for path in paths if path not in loads and path not in builds]
        may_be_ignored = "" in paths and os.path.lexists(os.path.join(root, IGNORE_FILE))
        is_for_all = any(os.path.basename(path) in (IGNORE_FILE, *WORKSPACE_MARKERS) for path in paths)
        if len(paths) < len(changed) or is_for_all or may_be_ignored:
            return KeptPackages(records={}, below={})
        records = {
            package: record
            for package, record in self.records.items()
            if not any(record.depends_on(package, path) for path in paths)
        }
        return KeptPackages(records=records, below={} if folders else self.below)

    def encode(self) -> dict[str, bytes]:
        """Return this as bytes, of which `decode` makes it again."""
        stored = {
            "packages": {name: record.to_json() for name, record in self.records.items()},
            "below": self.below,
        }
        return {"packages": json.dumps(stored).encode()}

    @classmethod
    def decode(cls, sections: Mapping[str, bytes | memoryview]) -> KeptPackages:
        """Return what `encode` gave. Raises KeyError, TypeError or ValueError."""
        stored = json.loads(bytes(sections["packages"]))
        return cls(
            records={name: PackageRecord.from_json(each) for name, each in stored["packages"].items()},
            below=stored["below"],
        )


def record_of(file: BuildFile, loader: Loader) -> tuple[PackageRecord, list[HermpkgError]]:
    """Return the record of a BUILD file, and the errors of files that lie in other packages.

    As for Bazel, the files of a package are its BUILD file, those that it exports, and those that its
    targets name, whether they are there or not.
    """
    prefix = f"//{file.package}:"
    files = [f"{prefix}{file.path.rpartition('/')[2]}", *(f"{prefix}{name}" for name in file.exports)]
    rules: dict[str, RuleRecord] = {}
    errors: list[HermpkgError] = []
    for target in file.targets.values():
        named: list[str] = []
        for attribute, label in target.labelled():
            if label.package == file.package:
                text = f"{prefix}{label.name}"
                if label.name not in file.targets:
                    if "/" in label.name and (error := _crossing(target, attribute.name, label, loader)):
                        errors.append(error)
                        continue
                    files.append(text)
            else:
                text = str(label)
            named.append(text)
        place = target.location or Location(file.path)
        rules[f"{prefix}{target.label.name}"] = (
            target.rule,
            place.line,
            place.column,
            list(dict.fromkeys(named)),
        )
    record = PackageRecord(path=file.path, rules=rules, files=dict.fromkeys(files), loads=file.loads)
    return record, errors


def _crossing(target: RuleTarget, attribute: str, label: Label, loader: Loader) -> HermpkgError | None:
    """Return the error of a file that lies in a package below; None where it does not."""
    if loader.packages.crossed_by(label) is None:
        return None
    try:
        loader.target(label)
    except LabelError as error:
        return loader.error_in(
            target,
            error.summary,
            attribute=attribute,
            label=label,
            facts=error.facts,
            next_step=error.next_step,
        )
    return None
