"""Makes a project's model once, in a workspace that is written nowhere, to see what it reads and imports."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from hermpkg_build.analysis.decisions import Decision, must_match, rules_of
from hermpkg_build.analysis.policy_maker import Wishes, decide_imports
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.label import Label, LabelsInPackage
from hermpkg_build.core.module_roles import Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import Model, ModelPackage, PythonModules, Target
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.code_states import CodeStates
from hermpkg_build.engine.context import TargetContext
from hermpkg_build.engine.environment import current_environment
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.targets.artifact_contents import imports_of
from hermpkg_build.engine.targets.model import model_request
from hermpkg_build.errors import LoadingError
from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.factories.make import make_model_object
from hermpkg_build.factories.request import ModelObject
from hermpkg_build.generate.decided import check_names, note_on_size
from hermpkg_build.generate.made_report import versions_needed
from hermpkg_build.generate.project.runs_without import RunsWithout
from hermpkg_build.loading.declared_modules import declared_modules, module_name
from hermpkg_build.loading.workspace import Workspace
from hermpkg_build.store.cache import open_cache

if TYPE_CHECKING:
    from hermpkg_build.source.known_facts import FactsStore

_MOST_FILES = 1_000
"""A folder of more files than that holds data, which no target lists."""

_MODULES = Label("", "modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """The model of a project: `files` are the modules that it may use, `modules` further ones to be packed.

    `example` names the function of an example, "" where there is none. `named` are distributions or top-level
    modules with what is to become of them. Paths are relative to the workspace's root.
    """

    workspace: Workspace
    files: Sequence[str]
    name: str
    factory: str
    arguments: Mapping[str, Json]
    weights: str | None
    weights_key: str | None = None
    weights_prefix: str | None = None
    example: str = ""
    modules: Sequence[str] = ()
    named: Mapping[str, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What making the model has shown.

    `rules` and `requires` are those of its artifact, `note` tells of its size where that is unusual;
    `has_example` says whether a call has shown what the model does without, `uncallable` is the type of a
    model that nobody can call. `used` are the files of the workspace that are packed or that the factory
    imported, `read` its data files that it read, `sources_read` its sources, run or read; `missed` are paths
    that it looked for where it runs. Of the distributions that the example did not load, those `matter`
    without which it is another, and of those `untried` nobody knows which of them do.
    """

    decisions: Sequence[Decision]
    note: str
    has_example: bool
    uncallable: str
    rules: Sequence[PolicyRule]
    requires: Mapping[str, str]
    used: Sequence[str]
    read: Sequence[str]
    sources_read: Sequence[str]
    missed: Sequence[str]
    matter: Sequence[str] = ()
    untried: Sequence[str] = ()


def try_model(
    request: TrialRequest, cache_directory: str, jobs: int, tell: Callable[[str], None] = lambda _: None
) -> Trial:
    """Make the model, call it with its example, and decide on what it needs.

    A factory that looks for files by their paths from the root of the project is run again with these, as
    with declared ones. People are told by `tell` where it is run more often than once or twice. Raises
    FactoryError where the factory fails, and LocalEnvironmentError.
    """
    with closing(open_cache(cache_directory)) as store:
        context, model, package = _in_memory(request, SourceTree(store.digests), store.facts, jobs)
        asked = replace(model_request(context, model, FactoryConditions()), example=request.example)
        given: set[str] = set()
        while True:
            try:
                made = make_model_object(replace(asked, resources=tuple(sorted(given))), store.content)
            except FactoryError as error:
                more = _files_at(error.missed, request.workspace.root) - given
                if not more:
                    raise
            else:
                more = _files_at(made.missed, request.workspace.root) - given
                if not more:
                    break
            given |= more
        asked = replace(asked, resources=tuple(sorted(given)))
        wishes = Wishes(named=request.named)
        trial = _decide(context, package, made, given, wishes)
        if not made.output:
            return trial
        loaded = {each.module for each in made.observed_modules}
        sparing = replace(wishes, loaded=loaded, may_lack=True)
        runs, matter = RunsWithout(asked, made, store.content, tell), dict[str, Sequence[str]]()
        while True:
            sparing = replace(sparing, matters=[module for modules in matter.values() for module in modules])
            spared = _decide(context, package, made, given, sparing)
            optional = [each for each in spared.decisions if each.is_optional]
            mattering = runs.what_matters(optional)
            if mattering is None:
                return replace(trial, untried=[each.name for each in optional])
            if not mattering:
                return replace(spared, matter=sorted(matter))
            matter.update({each.name: each.modules for each in mattering})


def _files_at(paths: Sequence[str], root: str) -> set[str]:
    """The files at some paths in the workspace, and what is no module in folders at these."""
    found = set()
    for path in paths:
        absolute = os.path.join(root, path)
        if os.path.isfile(absolute):
            found.add(path)
        for folder, folders, names in os.walk(absolute):
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            inside = os.path.relpath(folder, root).replace(os.sep, "/")
            data = [name for name in names if not name.startswith(".") and not name.endswith(".py")]
            found.update(f"{inside}/{name}" for name in data)
            if len(found) > _MOST_FILES:
                return set()
    return found


def _in_memory(
    request: TrialRequest, tree: SourceTree, facts: FactsStore, jobs: int
) -> tuple[TargetContext, Model, ModelPackage]:
    """The workspace as it is going to be, but for the policy and with all modules in one target."""
    named = [
        (path, name)
        for path in request.files
        if (name := module_name(path, request.workspace.source_roots)) is not None
    ]
    labels = LabelsInPackage("", [path for path, _ in named])
    modules = declared_modules(_MODULES, labels, [name for _, name in named])
    model = Model(
        label=Label("", f"{request.name}_model"),
        factory=request.factory,
        args=request.arguments,
        weights=None if request.weights is None else Label("", request.weights),
        weights_key=request.weights_key,
        weights_prefix=request.weights_prefix,
        deps=(_MODULES,),
    )
    package = ModelPackage(
        label=Label("", request.name),
        models={"model/model.pkl": model.label},
        modules=tuple(request.modules),
        deps=(_MODULES,),
    )
    targets: dict[Label, Target] = {
        _MODULES: PythonModules(label=_MODULES, srcs=labels),
        model.label: model,
        package.label: package,
    }
    root = request.workspace.root
    context = TargetContext(
        targets=targets,
        workspace=request.workspace,
        environment=current_environment(environment_search_path(), root),
        tree=tree,
        code=CodeStates(tree),
        facts=CachedFacts(tree, facts, Journal(BuildObserver()), jobs),
        modules_of_target={_MODULES: modules}.__getitem__,
        declared_by=lambda _: None,
        error_in=_error_in,
    )
    return context, model, package


def _error_in(
    target: Target, summary: str, *, attribute: str, path: Sequence[int | str], next_step: str
) -> LoadingError:
    facts = [("target", str(target.label)), ("attribute", ".".join(map(str, (attribute, *path))))]
    return LoadingError(summary, facts=facts, next_step=next_step)


def _decide(
    context: TargetContext,
    package: ModelPackage,
    made: ModelObject,
    given: Collection[str],
    wishes: Wishes,
) -> Trial:
    """Decide what becomes of all that the model leads to; what a person must decide, the build tells of."""
    follow = imports_of(context, package, dict.fromkeys(package.models.values(), made))
    decisions = decide_imports(lambda found: follow(rules_of(found)), wishes)
    check_names(decisions, wishes)
    rules = [*must_match(rules_of(decisions)), PolicyRule(policy=Policy.DENY, include=("**",))]
    found = follow(rules)
    paths = {module.module: module.path for module in context.modules_of_target(_MODULES)}
    seen = {each.module for each in made.observed_modules}
    own = {os.path.join(context.workspace.root, path): path for path in paths.values()}
    packed = {node.name for node in found.graph if node.origin is Origin.WORKSPACE}
    by_name = {decision.name: decision for decision in decisions}
    code: Counter[str] = Counter()
    for node in found.graph:
        code[node.distribution] += node.digest.size if node.digest is not None else 0
    decisions = [replace(decision, bytes=code[decision.name]) for decision in decisions]
    tensors = sum(storage.digest.size for storage in made.storages)
    return Trial(
        decisions=decisions,
        note=next(note_on_size(decisions, found.graph, tensors, ["hermpkg", "why", str(package.label)]), ""),
        has_example=bool(made.output),
        uncallable=made.uncallable,
        rules=rules,
        requires=versions_needed(found.graph, by_name, found.distributions),
        used=sorted({paths[name] for name in (*seen, *packed) if name in paths}),
        read=sorted({*made.workspace_reads, *given}),
        sources_read=sorted(own[path] for path in made.observed_files.read if path in own),
        missed=[path for path in made.missed if os.path.exists(os.path.join(context.workspace.root, path))],
    )
