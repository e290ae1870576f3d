"""The use case that says what an artifact was made of: builds it, and takes it from the action graph."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.core.target import Model, ModelPackage, PythonModules, RuleTarget
from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.build import build_with_inputs
from hermpkg_build.engine.environment import PYTHON_REPOSITORY
from hermpkg_build.engine.queries.attribute_texts import declaration
from hermpkg_build.errors import CommandLineError, LocalEnvironmentError
from hermpkg_build.loading.workspace import WORKSPACE_MARKERS
from hermpkg_build.provenance.materials import BuildFacts, Role

if TYPE_CHECKING:
    from hermpkg_build.engine.context import Build
    from hermpkg_build.engine.results import TargetResult

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """An artifact that was built, or was up to date, and what it was made of."""

    target: TargetResult
    facts: BuildFacts


def build_and_attest(build: Build) -> Attested:
    """Build the one `model_package` of a request, and say what it was made of.

    Raises CommandLineError where the request names anything else, LocalEnvironmentError where the notes of
    the build could not be kept, and what `build_targets` raises.
    """
    requested = build.requested()
    if len(requested) != 1 or not isinstance(requested[0], ModelPackage):
        raise CommandLineError(
            f"{' '.join(build.request.patterns)} does not name exactly one model_package",
            next_step="name a single model_package target",
        )
    result = build_with_inputs(build)
    label = str(requested[0].label)
    target = next(each for each in result.targets if each.label == label)
    context = build.context
    files = {path: context.tree.digest(context.absolute(path)).hash for path in result.inputs or ()}
    read = dict(_read_by_factories(build))
    installed, versions, unowned = _by_distribution(build, read)
    declared = [each for each in context.targets.values() if isinstance(each, RuleTarget)]
    return Attested(
        target=target,
        facts=BuildFacts(
            label=label,
            targets={str(each.label): declaration(each) for each in declared},
            files={**files, **unowned},
            roles=_roles(build, files),
            installed=installed,
            versions=versions,
            outside=tuple(sha256 for name, sha256 in read.items() if os.path.isabs(name)),
            python_version=context.environment.python_version,
            platform=context.environment.platform,
        ),
    )


def _read_by_factories(build: Build) -> Iterator[tuple[str, str]]:
    """Give the files that the factories of models read, by the names that actions have for them."""
    for label, target in build.context.targets.items():
        if not isinstance(target, Model):
            continue
        inputs = build.notes.inputs_of(str(label), "make-model")
        if not inputs:
            raise LocalEnvironmentError(
                f"what {label} was made of is not known: the notes of its build could not be kept",
                next_step="make room for them in the workspace, and attest again",
            )
        for name, state in inputs.items():
            is_file = name.startswith(PYTHON_REPOSITORY) or os.path.isabs(name)
            if is_file and not name.endswith("/") and _SHA256.fullmatch(state):
                yield name, state


def _by_distribution(
    build: Build, read: Mapping[str, str]
) -> tuple[dict[str, dict[str, str]], dict[str, str], dict[str, str]]:
    """Sort files of the search path by the distribution that installed them.

    Returns the files of each, the versions, and those files that no distribution owns.
    """
    environment = build.context.environment
    distributions = Distributions(environment.search_path, build.context.tree)
    found: dict[str, dict[str, str]] = {}
    versions: dict[str, str] = {}
    unowned: dict[str, str] = {}
    for name, sha256 in read.items():
        if not name.startswith(PYTHON_REPOSITORY):
            continue
        paths = [path for path in environment.paths_of(name) if os.path.exists(path)]
        owner = distributions.owner_of(paths[0]) if paths else None
        if owner is None:
            unowned[name] = sha256
        else:
            found.setdefault(owner.name, {})[name.removeprefix(PYTHON_REPOSITORY)] = sha256
            versions[owner.name] = owner.version
    return found, versions, unowned


def _roles(build: Build, paths: Iterable[str]) -> dict[str, Role]:
    """Say what files of the workspace are, by the targets that name them, or by their names."""
    named: dict[str, Role] = {}
    for target in build.context.targets.values():
        if isinstance(target, PythonModules):
            named.update((label.path, Role.RESOURCE) for label in target.resources)
        elif isinstance(target, ModelPackage):
            named.update((label.path, Role.RESOURCE) for label in target.resources.values())
        elif isinstance(target, Model) and target.weights is not None:
            named[target.weights.path] = Role.WEIGHTS
    found = {}
    of_builds = {*build.context.workspace.build_names, *WORKSPACE_MARKERS}
    for path in paths:
        name = path.rpartition("/")[2]
        if path in named:
            found[path] = named[path]
        elif name in of_builds or name.endswith(".bzl"):
            found[path] = Role.BUILD_FILE
        elif name.endswith(".py"):
            found[path] = Role.SOURCE
    return found
