"""What the target graph needs of one BUILD file: its rules with what they name, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from hermpkg_build.errors import HermpkgError, LabelError, Location

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.core.target import BuildFile, RuleTarget
    from hermpkg_build.loading.loader import Loader

RuleRecord: TypeAlias = "tuple[str, int, int, list[str]]"
"""A rule's name, the line and column where its target is declared, and the labels that this names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRecord:
    """The targets of one package by their labels, and its files, in the order of its BUILD file."""

    path: str
    rules: dict[str, RuleRecord]
    files: dict[str, None]

    def __contains__(self, label: str) -> bool:
        return label in self.rules or label in self.files

    def location(self, label: str) -> Location | None:
        """Return where a rule's target is declared; None for a file."""
        rule = self.rules.get(label)
        return Location(self.path, rule[1], rule[2]) if rule is not None else None

    def to_json(self) -> list[Any]:
        """Return the record as a JSON value."""
        return [self.path, self.rules, list(self.files)]

    @classmethod
    def from_json(cls, value: Any) -> PackageRecord:
        """Return what `to_json` made a value of."""
        path, rules, files = value
        return cls(path=path, rules=rules, files=dict.fromkeys(files))


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
    record = PackageRecord(path=file.path, rules=rules, files=dict.fromkeys(files))
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
