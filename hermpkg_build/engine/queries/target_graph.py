"""The graph of targets and files that BUILD files declare, loaded as far as a query asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from hermpkg_build.core.label import Label, TargetPattern
from hermpkg_build.engine.queries.package_record import PackageRecord, RuleRecord
from hermpkg_build.errors import GroupedError, HermpkgError, LabelError, Location
from hermpkg_build.query.graph import Edge, package_of

if TYPE_CHECKING:
    from hermpkg_build.core.target import RuleTarget
    from hermpkg_build.loading.loader import Loader

PYTHON = "python"
"""The repository of the modules of the build's environment."""


class WorkspaceTargets:
    """The targets of one workspace. `package` is the folder that relative patterns count from.

    `records` are the packages that are known from an earlier query, and `below` lists of packages at and
    below folders; `loader` is called for others, and for what no record holds.
    """

    def __init__(
        self,
        loader: Callable[[], Loader],
        package: str,
        records: Mapping[str, PackageRecord],
        below: Mapping[str, list[str]],
    ) -> None:
        self._problems: dict[str, HermpkgError] = {}
        self.records: dict[str, PackageRecord] = dict(records)
        self.below: dict[str, list[str]] = dict(below)
        self._loader = loader
        self._package = package
        self._rules: dict[str, RuleRecord] = {}
        for record in records.values():
            self._rules.update(record.rules)
        self._ends: dict[str, Collection[str]] = {}

    @property
    def problems(self) -> Mapping[str, HermpkgError]:
        """Return what was wrong with what was asked for so far, by its text."""
        return self._problems

    def matching(self, pattern: str) -> Collection[str]:
        """Return the targets that a target pattern names: for ``:*``, files too. Raises HermpkgError."""
        wanted = self._parsed(pattern)
        with_files = pattern.endswith((":*", ":all-targets"))
        if wanted.recursive:
            records = map(self.record, self.packages_below(wanted.package))
            return [
                label for record in records if record is not None for label in _all_of(record, with_files)
            ]
        if wanted.target is None:
            record = self._record(wanted.package)
            own = f"//{wanted.package}:{pattern.rpartition(':')[2]}"
            return [own] if own in record else _all_of(record, with_files)
        if wanted.is_path:
            return self._at_path(wanted, wanted.target)
        return [self._checked(Label(wanted.package, wanted.target))]

    def everything(self) -> Collection[str]:
        """Return all targets that BUILD files of the workspace declare; what is wrong is reported."""
        records = map(self.record, self.packages_below(""))
        return [label for record in records if record is not None for label in record.rules]

    def build_files_behind(self, paths: Collection[str]) -> Collection[str]:
        """Return the BUILD files at some paths, and those that load what is there."""
        wanted, found = {path.removeprefix("./") for path in paths}, []
        for package in self.packages_below(""):
            record = self.record(package)
            if record is not None and not wanted.isdisjoint([record.path, *record.loads]):
                found.append(f"//{package}:{record.path.rpartition('/')[2]}")
        return found

    def _parsed(self, pattern: str) -> TargetPattern:
        if pattern.startswith("/") and not pattern.startswith("//"):
            from hermpkg_build.loading.expansion import parse_pattern

            return parse_pattern(pattern, self._package, self._loader().workspace.root)
        wanted = TargetPattern.parse(pattern, package=self._package)
        if wanted.negative:
            raise LabelError(f"{pattern!r} takes away", next_step=f"write ... - {pattern[1:]}")
        if wanted.repository:
            raise _foreign(wanted)
        return wanted

    def _at_path(self, wanted: TargetPattern, name: str) -> Collection[str]:
        """Return what a path means: a target or a file, or a package with all of its rules' targets."""
        from hermpkg_build.loading.expansion import label_at_path

        loader = self._loader()
        label = label_at_path(wanted, name, loader.packages)
        if label.package == wanted.package and loader.packages.build_file(label.package) is not None:
            record = self._record(label.package)
            if str(label) not in record and not loader.has_file(label) and record.rules:
                return list(record.rules)
        return [self._checked(label)]

    def packages_below(self, folder: str) -> list[str]:
        """List the packages at and below a folder. Raises LabelError where there are none."""
        if folder not in self.below:
            self.below[folder] = list(self._loader().packages.below(folder))
        if not self.below[folder]:
            raise LabelError(f"no packages at or below //{folder}")
        return self.below[folder]

    def record(self, package: str) -> PackageRecord | None:
        """Return the record of a package; None, reported, where its BUILD file is wrong."""
        try:
            return self._record(package)
        except HermpkgError as error:
            self.report(error)
            return None

    def _record(self, package: str) -> PackageRecord:
        known = self.records.get(package)
        if known is None:
            from hermpkg_build.engine.queries.package_record import record_of

            loader = self._loader()
            known, errors = record_of(loader.build_file(package), loader)
            if errors:
                raise GroupedError("files of other packages", errors)
            self.records[package] = known
            self._rules.update(known.rules)
        return known

    def _checked(self, label: Label) -> str:
        text = str(label)
        if label.package not in self.records or text not in self.records[label.package]:
            self._check(label)
        return text

    def _check(self, label: Label) -> None:
        """Raise LabelError where no BUILD file declares a target or names a file of this label."""
        loader = self._loader()
        if loader.packages.build_file(label.package) is None or label.repository:
            loader.target(label)
        record = self._record(label.package)
        if str(label) in record:
            return
        loader.target(label)
        raise LabelError(
            f"no such target: {label}",
            facts=[("file", f"{label.path} is there, but {record.path} does not name it")],
            next_step=f'add to {record.path}: exports_files(["{label.name}"])',
        )

    def report(self, error: HermpkgError) -> None:
        """Note what is wrong, each error once."""
        for each in error.errors if isinstance(error, GroupedError) else [error]:
            self._problems.setdefault(each.render(), each)

    def successors(self, labels: Iterable[str]) -> Iterator[Collection[str]]:
        """Give for each label the targets and files that its attributes name."""
        ends = self._ends
        for label in labels:
            known = ends.get(label)
            yield self._find_ends(label) if known is None else known

    def reach(self, labels: Iterable[str]) -> set[str]:
        """Return all that the labels lead to, themselves included."""
        seen = set(labels)
        known = wave = self._rules.keys() & seen  # Files lead nowhere, and they are the most by far.
        while wave:
            seen.update(*self.successors(wave))
            wave = (self._rules.keys() & seen) - known
            known = known | wave
        return seen

    def _find_ends(self, label: str) -> Collection[str]:
        rule = self._rules.get(label)
        if rule is None:
            return ()
        own = f"{package_of(label)}:"
        found: Collection[str] = rule[3]
        # Most name files of their own package alone, which is seen quicker than each by itself.
        if "\0".join(["", *found]).count(f"\0{own}") != len(found):
            found = [end for end in found if end.startswith(own) or self._is_there(label, end)]
        self._ends[label] = found
        return found

    def _is_there(self, label: str, end: str) -> bool:
        """Whether there is the target `end` of another package, which `label` names; report it where not."""
        record = self.records.get(package_of(end)[2:])
        if record is not None and end in record:
            return True
        named = Label.parse(end)
        try:
            self._check(named)
        except LabelError as error:
            target = self._target(label)
            self.report(
                self._loader().error_in(
                    target,
                    error.summary,
                    label=named,
                    facts=[("needed by", label), *error.facts],
                    next_step=error.next_step,
                )
            )
            return False
        except HermpkgError as error:
            self.report(error)
            return False
        return True

    def edges(self, labels: Iterable[str]) -> Iterator[Edge]:
        """Give the edges that leave the targets, each with the place of the target that names the other."""
        for label in labels:
            for end in self._find_ends(label):
                yield Edge(source=label, target=end, location=self.location(label))

    def siblings(self, label: str) -> Collection[str]:
        """Return all targets and files of the package of a target."""
        record = self.record(package_of(label)[2:])
        return [*record.rules, *record.files] if record is not None else ()

    def kind(self, label: str) -> str:
        """Return ``model rule`` for what a rule declares, else ``source file``."""
        rule = self._rules.get(label)
        return "source file" if rule is None else f"{rule[0]} rule"

    def is_test(self, label: str) -> bool:
        """Whether a test rule declares the target, whose name ends in ``_test`` as Bazel has it."""
        rule = self._rules.get(label)
        return rule is not None and rule[0].endswith("_test")

    def location(self, label: str) -> Location:
        """Return where a target is declared; for a file its own beginning."""
        package, _, name = label[2:].partition(":")
        if label in self._rules:
            place = self.records[package].location(label)
            assert place is not None
            return place
        return Location(f"{package}/{name}" if package else name, 1, 1)

    def attributes(self, label: str) -> Mapping[str, str]:
        """Return the attributes of a target as texts; none for a file."""
        if label not in self._rules:
            return {}
        from hermpkg_build.engine.queries.attribute_texts import attribute_texts

        return attribute_texts(self._target(label))

    def labels_in(self, label: str, attribute: str) -> Collection[str]:
        """Return what an attribute of a target names."""
        if label not in self._rules:
            return ()
        there = set(self._find_ends(label))
        named = (str(each) for known, each in self._target(label).labelled() if known.name == attribute)
        return [each for each in named if each in there]

    def declaration(self, label: str) -> str:
        """Return a target as a BUILD file would declare it; "" for a file."""
        if label not in self._rules:
            return ""
        from hermpkg_build.engine.queries.attribute_texts import declaration

        return declaration(self._target(label))

    def is_visible(self, label: str, user: str) -> bool:
        """Whether the target `user` may name the target or file `label`."""
        from hermpkg_build.loading.visibility import is_visible

        package, _, name = label[2:].partition(":")
        file = self._loader().build_file(package)
        if name in file.targets:
            words = file.targets[name].visibility
        else:
            words = file.exports.get(name, file.default_visibility)
        return is_visible(words, package, package_of(user)[2:])

    def build_files(self, label: str) -> Collection[str]:
        """Return the BUILD file of a target's package, and of those with .bzl files behind it."""
        loader = self._loader()
        packages = [package_of(label), *map(package_of, self.load_files(label))]
        paths = [loader.packages.build_file(package[2:]) for package in dict.fromkeys(packages)]
        return [self._label_of(path) for path in paths if path is not None]

    def load_files(self, label: str) -> Collection[str]:
        """Return the .bzl files behind the BUILD file of a target's package."""
        return [self._label_of(path) for path in self._loader().build_file(package_of(label)[2:]).loads]

    def _label_of(self, path: str) -> str:
        label = self._loader().packages.label_of(path)
        assert label is not None
        return str(label)

    def _target(self, label: str) -> RuleTarget:
        package, _, name = label[2:].partition(":")
        return self._loader().build_file(package).targets[name]


def _all_of(record: PackageRecord, with_files: bool) -> list[str]:
    return [*record.rules, *(record.files if with_files else ())]


def _foreign(wanted: TargetPattern) -> LabelError:
    if wanted.repository == PYTHON:
        return LabelError(
            f"{wanted} names modules of the Python environment",
            next_step="add --modules: the answer is then about modules and their imports too",
        )
    return LabelError(f"{wanted} is in another repository: only this workspace has targets")
