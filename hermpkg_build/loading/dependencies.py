"""Follows the dependencies of targets, and checks each target on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from hermpkg_build.core.attributes import Attribute
from hermpkg_build.core.label import Label, LabelsInPackage
from hermpkg_build.core.target import (
    DeclaredModule,
    FileTarget,
    ModelPackage,
    ModuleTarget,
    PythonModules,
    RuleTarget,
    Target,
)
from hermpkg_build.errors import HermpkgError, LabelError, LoadingError
from hermpkg_build.loading.collected_errors import raise_all
from hermpkg_build.loading.depth_first import depth_first
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.visibility import is_visible


class DependencyError(LoadingError):
    """A label in an attribute of `target` that leads to nothing that it may use.

    `attribute` is the name of the attribute, `label` what it says. `found` is what the label leads to, None
    where there is nothing; `is_invisible` says that it would do, were it visible.
    """

    target: RuleTarget
    attribute: Attribute
    label: Label
    found: Target | None = None
    is_invisible: bool = False


def closure(loader: Loader, labels: Sequence[Label]) -> Mapping[Label, Target]:
    """Return the targets of `labels` and all targets of rules that they depend on, dependencies first.

    Checked on the way: that every label names something visible of the right kind, that there is no cycle,
    and that every module has one name and every name one module. Raises the one error, or GroupedError with
    all.
    """
    return _Walk(loader).run(labels)


class _Walk:
    """One walk from some targets through all that they depend on."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._errors: list[HermpkgError] = []
        self._targets: dict[Label, Target] = {}
        self._owners: dict[str, PythonModules] = {}
        """The first target with a module, by its name."""
        self._places: dict[Label, dict[str, int]] = {}
        """The numbers of modules by name, of targets that share a name with another, or have one twice."""

    def run(self, labels: Sequence[Label]) -> Mapping[Label, Target]:
        roots = [label for label in labels if self._is_found(label)]
        order = list(depth_first(roots, self._dependencies, self._report_cycle))
        raise_all(self._errors, "in the targets and what they depend on")
        return {label: self._targets[label] for label in order}

    def _is_found(self, label: Label) -> bool:
        try:
            self._targets[label] = self._loader.target(label)
        except HermpkgError as error:
            self._errors.append(error)
        return label in self._targets

    def _dependencies(self, label: Label) -> Iterator[Label]:
        """Give the targets of rules that the target at `label` names, and note them."""
        target = self._targets[label]
        if isinstance(target, ModuleTarget):
            self._targets[target.owner] = self._loader.target(target.owner)
            yield target.owner
        if not isinstance(target, RuleTarget):
            return
        own = target.label.package
        if self._loader.was_checked(own):
            for named in target.dependencies:
                found = self._loader.build_file(named.package).targets.get(named.name)
                if found is not None:
                    self._targets[named] = found
                    yield named
            return
        errors_before = len(self._errors)
        files = self._loader.plain_files(own)
        for attribute, labels in target.labels_by_attribute():
            # There are thousands of files in srcs, and nothing more to ask.
            for named in _others(labels, own, files) if attribute.suffixes else labels:
                dependency = self._dependency(target, attribute, named)
                if isinstance(dependency, RuleTarget):
                    self._targets[named] = dependency
                    yield named
        if len(self._errors) == errors_before:
            self._check(target)

    def _dependency(self, target: RuleTarget, attribute: Attribute, label: Label) -> Target | None:
        """Find what `label` names; None for a file, and where it is not what it should be."""
        own = label.package == target.label.package
        if own and attribute.suffixes and self._loader.has_file(label) and not self._is_declared(label):
            return None
        try:
            dependency = self._loader.target(label)
        except LabelError as error:
            self._report(target, attribute, label, error.summary, error.facts, error.next_step)
            return None
        except HermpkgError as error:
            self._errors.append(error)
            return None
        if not self._is_allowed(attribute, dependency):
            what = " or ".join([*attribute.rules, *(["a file"] if attribute.suffixes else [])])
            given = f"{label} is a {dependency.rule}" + (
                " target" if isinstance(dependency, RuleTarget) else ""
            )
            step = f"did you mean '{dependency.owner}'?" if isinstance(dependency, ModuleTarget) else ""
            self._report(
                target,
                attribute,
                label,
                f"{attribute.name} takes {what}, and {given}",
                next_step=step,
                found=dependency,
            )
            return None
        if not is_visible(dependency.visibility, label.package, target.label.package):
            self._report_invisible(target, attribute, dependency)
            return None
        return dependency

    def _is_declared(self, label: Label) -> bool:
        return label.name in self._loader.build_file(label.package).targets

    @staticmethod
    def _is_allowed(attribute: Attribute, dependency: Target) -> bool:
        if isinstance(dependency, RuleTarget):
            return dependency.rule in attribute.rules
        return bool(attribute.suffixes) and dependency.label.name.endswith(attribute.suffixes)

    def _check(self, target: RuleTarget) -> None:
        """Check a target apart from its labels."""
        if isinstance(target, PythonModules):
            self._check_modules(target)
        elif isinstance(target, ModelPackage):
            out = Label(target.label.package, target.output)
            inner = self._loader.packages.crossed_by(out)
            if inner is not None:
                summary = f"the output {out.name!r} lies in another package, //{inner}"
                self._errors.append(self._loader.error_in(target, summary, attribute="out"))

    def _check_modules(self, target: PythonModules) -> None:
        try:
            modules = self._loader.module_targets(target.label)
        except HermpkgError as error:
            self._errors.append(error)
            return
        if len({*modules.names}) == len(modules) and self._owners.keys().isdisjoint(modules.names):
            self._owners.update(dict.fromkeys(modules.names, target))
            return
        for module in modules:
            owner = self._owners.setdefault(module.module, target)
            first = self._first_of(owner, module.module)
            if first.label != module.label:
                self._errors.append(
                    self._loader.error_in(
                        target,
                        f"two files are the module {module.module!r}",
                        attribute="srcs",
                        label=module.label,
                        facts=[
                            ("this", module.path),
                            ("other", f"{first.path}, of {owner.label} at {owner.location}"),
                        ],
                        next_step="rename one of the two, or leave one out of srcs",
                    )
                )

    def _first_of(self, owner: PythonModules, name: str) -> DeclaredModule:
        """Return the first module of `owner` with a name that one of its modules has."""
        modules = self._loader.module_targets(owner.label)
        places = self._places.get(owner.label)
        if places is None:
            count = len(modules)
            reverse = zip(reversed(modules.names), range(count - 1, -1, -1), strict=True)
            places = self._places[owner.label] = dict(reverse)
        return modules[places[name]]

    def _report(
        self,
        target: RuleTarget,
        attribute: Attribute,
        label: Label,
        summary: str,
        facts: Sequence[tuple[str, str]] = (),
        next_step: str = "",
        *,
        found: Target | None = None,
        is_invisible: bool = False,
    ) -> None:
        facts = [("needed by", f"{target.label}, {attribute.name}"), *facts]
        told = self._loader.error_in(
            target, summary, attribute=attribute.name, label=label, facts=facts, next_step=next_step
        )
        error = DependencyError(
            told.summary,
            location=told.location,
            facts=told.facts,
            snippet=told.snippet,
            next_step=told.next_step,
        )
        error.target, error.attribute, error.label = target, attribute, label
        error.found, error.is_invisible = found, is_invisible
        self._errors.append(error)

    def _report_invisible(self, target: RuleTarget, attribute: Attribute, dependency: Target) -> None:
        label, user = dependency.label, target.label.package
        if isinstance(dependency, FileTarget):
            path = self._loader.build_file(label.package).path
            step = f'add to {path}: exports_files(["{label.name}"])'
        else:
            owner = dependency.owner if isinstance(dependency, ModuleTarget) else label
            step = f'add to the visibility of {owner}: "//{user}:__pkg__"'
        visibility = ", ".join(dependency.visibility) or "none"
        self._report(
            target,
            attribute,
            label,
            f"{label} is not visible from //{user}",
            [("its visibility", visibility)],
            step,
            found=dependency,
            is_invisible=True,
        )

    def _report_cycle(self, way: Sequence[Label]) -> None:
        lines = [f"{label}  ({self._targets[label].location})" for label in way]
        self._errors.append(
            self._loader.error_in(
                self._targets[way[-2]],
                f"a cycle of dependencies through {way[-1]}",
                label=way[-1],
                facts=[("cycle", "\n".join(lines))],
                next_step="remove one of these dependencies",
            )
        )


def _others(labels: Collection[Label], package: str, files: frozenset[str]) -> Collection[Label]:
    """Return those of `labels` that are none of the `files` of a package."""
    if isinstance(labels, LabelsInPackage) and labels.package == package and files.issuperset(labels.names):
        return ()
    return [label for label in labels if label.name not in files or label.package != package]
