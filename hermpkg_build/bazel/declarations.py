"""Targets out of what Bazel read in BUILD files, checked and completed by our table of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from hermpkg_build.core.attributes import Attribute, AttributeType
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.label import Label
from hermpkg_build.core.policy import Policy, PolicyRule
from hermpkg_build.core.target import ATTRIBUTES, ModuleTarget, PythonModules, RuleTarget
from hermpkg_build.errors import GroupedError, HermpkgError, LoadingError
from hermpkg_build.loading.modules import module_name, module_name_problem
from hermpkg_build.loading.rules import POLICY_FUNCTIONS, RULES
from hermpkg_build.loading.values import BadValueError, Problem, convert


def read_targets(declarations: Sequence[Mapping[str, Json]]) -> dict[Label, RuleTarget]:
    """The declared targets by label. Raises GroupedError with all that the table of rules forbids."""
    targets: dict[Label, RuleTarget] = {}
    errors: list[HermpkgError] = []
    for declaration in declarations:
        target = _read_target(declaration, errors)
        if target is not None:
            targets[target.label] = target
    if errors:
        raise GroupedError("the BUILD files give attributes what they cannot hold", errors)
    return targets


def modules_of_targets(
    targets: Mapping[Label, RuleTarget], source_roots: tuple[str, ...]
) -> dict[Label, tuple[ModuleTarget, ...]]:
    """The modules of every `python_modules` target.

    Raises GroupedError with each file that is no module, and each name that two files have.
    """
    errors: list[HermpkgError] = []
    owners: dict[str, ModuleTarget] = {}
    found: dict[Label, tuple[ModuleTarget, ...]] = {}
    for target in targets.values():
        if not isinstance(target, PythonModules):
            continue
        modules = []
        for src in target.srcs:
            name = module_name(src.path, source_roots)
            if name is None:
                problem, step = module_name_problem(src.path, source_roots)
                errors.append(LoadingError(problem, facts=[("target", str(target.label))], next_step=step))
                continue
            module = ModuleTarget(label=src, module=name, path=src.path, owner=target.label)
            first = owners.setdefault(name, module)
            if first.path != module.path:
                errors.append(_two_files(first, module))
            modules.append(module)
        found[target.label] = tuple(modules)
    if errors:
        raise GroupedError("not every source file can be a module", errors)
    return found


def _two_files(first: ModuleTarget, second: ModuleTarget) -> LoadingError:
    return LoadingError(
        f"two files are the module {second.module!r}",
        facts=[("this", f"{second.path}, of {second.owner}"), ("other", f"{first.path}, of {first.owner}")],
        next_step="rename one of the two, or leave one out of srcs",
    )


def _read_target(declaration: Mapping[str, Json], errors: list[HermpkgError]) -> RuleTarget | None:
    label = Label.parse(str(declaration["label"]))
    rule = RULES[str(declaration["rule"])]
    given = cast("Mapping[str, Any]", declaration["attributes"])
    attributes: dict[str, Any] = {}
    before = len(errors)
    for attribute in ATTRIBUTES[rule.target]:
        value = given.get(attribute.name)
        try:
            if attribute.type is AttributeType.POLICY:
                value = [_policy_rule(item, label.package) for item in value or ()]
            attributes[attribute.name] = convert(attribute, value, label.package)
        except BadValueError as error:
            errors += [_bad_value(label, attribute, problem) for problem in error.problems]
    return rule.target(label=label, **attributes) if len(errors) == before else None


def _policy_rule(value: Mapping[str, Any], package: str) -> PolicyRule:
    """The policy rule that intern, extern, mock or deny of defs.bzl stand for. Raises BadValueError."""
    function = POLICY_FUNCTIONS[value["policy"]]
    values = {
        name: convert(attribute, value[name], package) for name, attribute in function.attributes.items()
    }
    if not values["include"]:
        raise BadValueError([Problem(f"{function.name}() is for no module: include is empty")])
    return PolicyRule(
        policy=Policy(function.name),
        include=cast("tuple[str, ...]", values["include"]),
        exclude=cast("tuple[str, ...]", values["exclude"]),
        allow_empty=bool(values["allow_empty"]),
    )


def _bad_value(label: Label, attribute: Attribute, problem: Problem) -> LoadingError:
    where = attribute.name + "".join(f"[{step!r}]" for step in problem.path)
    return LoadingError(f"{label}, {where}: {problem.message}", next_step=problem.next_step)
