"""``fix``: BUILD files mended until their targets build, or a person must decide."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial

from hermpkg_build.analysis.unsettled import UnsettledPolicyError
from hermpkg_build.core.label import Label, TargetPattern
from hermpkg_build.core.target import Model
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.engine.build import Checked, check_targets
from hermpkg_build.engine.context import Build
from hermpkg_build.errors import GroupedError, HermpkgError
from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.generate.build_files.edits import NotEditableError
from hermpkg_build.generate.fixing.draft import Draft
from hermpkg_build.generate.fixing.labels import mend_label
from hermpkg_build.generate.fixing.moved import mend_factories, mend_modules
from hermpkg_build.generate.fixing.policies import mend_policy
from hermpkg_build.generate.fixing.undeclared import (
    declare_imports,
    declare_module,
    declare_resources,
    declared_resources,
)
from hermpkg_build.loading.dependencies import DependencyError, closure
from hermpkg_build.loading.expansion import expand
from hermpkg_build.loading.workspace import Workspace

_MOST_ROUNDS = 200

OpenBuild = Callable[[Mapping[str, bytes], Sequence[str]], AbstractContextManager[Build]]
"""Opens a build of some target patterns, for which BUILD files have other bytes than they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What `fix` came to.

    `diffs` are unified diffs by the paths of files. `decisions` say what became of modules and why, `left`
    are the errors that a person must mend; where there are none, the targets build. `computed` are the parts
    of BUILD files that would have to change and are made by macros or expressions.
    """

    diffs: Mapping[str, str]
    decisions: tuple[str, ...] = ()
    left: tuple[HermpkgError, ...] = ()
    computed: tuple[NotEditableError, ...] = ()


def fix(
    workspace: Workspace,
    patterns: Sequence[str],
    open_build: OpenBuild,
    *,
    package: str = "",
    dry_run: bool = False,
) -> Fixed:
    """Mend the BUILD files of the targets that `patterns` name, and write them unless it is a `dry_run`.

    Relative patterns count from the folder `package`, as they do for `open_build`. All is tried before
    anything is written. Each file is replaced at once; one that somebody else changed meanwhile is left
    alone. Raises LocalEnvironmentError where a file cannot be written.
    """
    fixer = _Fixer(draft=Draft(workspace), patterns=tuple(patterns), package=package, open_build=open_build)
    left = fixer.run()
    if not dry_run:
        fixer.draft.write()
    return Fixed(
        diffs=fixer.draft.diffs(),
        decisions=tuple(fixer.decisions),
        left=tuple(left),
        computed=tuple(fixer.computed.values()),
    )


@dataclass(slots=True, kw_only=True)
class _Fixer:
    draft: Draft
    patterns: Sequence[str]
    package: str
    open_build: OpenBuild
    decisions: dict[str, None] = field(default_factory=dict)
    computed: dict[str, NotEditableError] = field(default_factory=dict)

    def run(self) -> Sequence[HermpkgError]:
        """Mend until nothing more can be mended; the errors that are left."""
        seen = set()
        for _ in range(_MOST_ROUNDS):
            checked = self._check()
            seen.add(tuple(sorted(self.draft.given().items())))
            self.computed.clear()
            if not self._mend(checked) or tuple(sorted(self.draft.given().items())) in seen:
                break
        return checked.errors

    def _check(self) -> Checked:
        """Check the targets; where some cannot be loaded, those that can."""
        given = self.draft.given()
        try:
            with self.open_build(given, self.patterns) as build:
                return check_targets(build)
        except HermpkgError as error:
            labels, errors = self._loadable()
            if not labels or not errors:
                return Checked(errors=tuple(errors) or (error,))
            with self.open_build(given, labels) as build:
                checked = check_targets(build)
            return replace(checked, errors=(*errors, *checked.errors))

    def _loadable(self) -> tuple[list[str], list[HermpkgError]]:
        """The targets that can be loaded with all that they depend on, and what is wrong with the others."""
        loader = self.draft.loader
        found: dict[str, None] = {}
        errors: dict[str, HermpkgError] = {}
        for pattern in self._simple_patterns():
            try:
                labels = expand(loader, [pattern], package=self.package)
            except HermpkgError as error:
                errors[str(error)] = error
                continue
            for label in labels:
                if (wrong := self._problem_of(label)) is None:
                    found[str(label)] = None
                else:
                    errors[str(wrong)] = wrong
        return [*found], [*errors.values()]

    def _problem_of(self, label: Label) -> HermpkgError | None:
        """What is wrong with a target, or with what it depends on, as far as it was loaded."""
        try:
            closure(self.draft.loader, [label])
        except HermpkgError as error:
            return error
        return None

    def _simple_patterns(self) -> Iterator[str]:
        """The patterns, those for all packages below a folder taken apart; none where some take away."""
        for text in self.patterns if not any(text.startswith("-") for text in self.patterns) else ():
            with suppress(HermpkgError):
                pattern = TargetPattern.parse(text, package=self.package)
                if pattern.recursive:
                    yield from (
                        f"//{folder}:all" for folder in self.draft.loader.packages.below(pattern.package)
                    )
                else:
                    yield text

    def _mend(self, checked: Checked) -> bool:
        """Mend what can be mended of some errors; whether a file was edited."""
        changed = False
        for error in _leaves(checked.errors):
            for mend in self._mends(error):
                changed = self._try(mend) or changed
        for label, missing in checked.undeclared:
            mend = partial(declare_module, self.draft, missing.file, missing.importer, label)
            changed = self._try(mend) or changed
        if checked.errors:
            return changed or self._try(partial(mend_factories, self.draft, [*_leaves(checked.errors)]))
        return changed or self._declare_reads(checked)

    def _try(self, mend: Callable[[], bool]) -> bool:
        """Whether a mend edited a file; what it would have to edit and cannot is kept to be told."""
        try:
            return mend()
        except NotEditableError as told:
            self.computed[str(told)] = told
            return False

    def _mends(self, error: HermpkgError) -> Iterator[Callable[[], bool]]:
        draft = self.draft
        if isinstance(error, DependencyError):
            yield lambda: mend_label(draft, error)
        elif isinstance(error, FactoryError) and error.target:
            label = Label.parse(error.target)
            if (one := error.undeclared) is not None:
                yield lambda: declare_module(draft, one.file, one.importer, label)
            yield lambda: declare_imports(draft, label)
        elif isinstance(error, UnsettledPolicyError):
            label = Label.parse(error.target)
            for missing in error.missing:
                yield partial(declare_module, draft, missing.file, missing.importer, label)
            yield lambda: mend_modules(draft, error)
            yield lambda: self._mend_policy(error)

    def _mend_policy(self, error: UnsettledPolicyError) -> bool:
        changed = mend_policy(self.draft, error)
        if changed:
            for decision, _ in error.plan.decisions:
                version = f" {decision.version}" if decision.version else ""
                self.decisions[f"{decision.name}{version}: {decision.policy}, {decision.reason}"] = None
        return changed

    def _declare_reads(self, checked: Checked) -> bool:
        """Declare the files of the workspace that factories were seen to read."""
        changed = False
        for label, model in checked.models.items():
            target = self.draft.loader.target(label)
            assert isinstance(target, Model)
            declared = declared_resources(self.draft, label)
            reads = [path for path in model.workspace_reads if path not in declared and _is_data(path)]
            changed = self._try(partial(declare_resources, self.draft, reads, label)) or changed
        return changed


def _leaves(errors: Sequence[HermpkgError]) -> Iterator[HermpkgError]:
    """Errors that stand for themselves, not for a group of them."""
    for error in errors:
        if isinstance(error, GroupedError) and not isinstance(error, UnsettledPolicyError):
            yield from _leaves(error.errors)
        else:
            yield error


def _is_data(path: str) -> bool:
    """Whether a file may be packed: nothing hidden, and no code or settings of the project."""
    names = path.split("/")
    is_hidden = any(name.startswith(".") for name in names)
    return not is_hidden and not path.endswith((".py", ".pyc")) and os.path.basename(path) != "pyproject.toml"
