"""Reads targets from what the rules for Bazel declare, and checks them by the table of rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from hermpkg_build.core.attributes import Attribute
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import ATTRIBUTES, DeclaredModule, DeclaredModules, PythonModules, RuleTarget
from hermpkg_build.errors import HermpkgError, LoadingError
from hermpkg_build.loading.attribute_values import convert
from hermpkg_build.loading.binding import problem_sentence
from hermpkg_build.loading.collected_errors import raise_all
from hermpkg_build.loading.declared_modules import module_targets
from hermpkg_build.loading.rules import POLICY_FUNCTIONS, RULES, Function


def read_targets(declarations: Sequence[Mapping[str, Json]]) -> dict[Label, RuleTarget]:
    """The declared targets by label. Raises the one error, or GroupedError with all."""
    targets: dict[Label, RuleTarget] = {}
    errors: list[HermpkgError] = []
    for declaration in declarations:
        target = _read_target(declaration, errors)
        targets[target.label] = target
    raise_all(errors, "in the attributes of targets")
    return targets


def modules_of_targets(
    targets: Mapping[Label, RuleTarget], source_roots: tuple[str, ...]
) -> dict[Label, DeclaredModules]:
    """The modules of every `python_modules` target.

    Raises the one error, or GroupedError, with each file that cannot be a module, and each name that
    two files have.
    """
    errors: list[HermpkgError] = []
    owners: dict[str, DeclaredModule] = {}
    found: dict[Label, DeclaredModules] = {}
    for target in targets.values():
        if not isinstance(target, PythonModules):
            continue
        try:
            found[target.label] = module_targets(target, source_roots, _error_in_srcs)
        except HermpkgError as error:
            errors.append(error)
            continue
        for module in found[target.label]:
            first = owners.setdefault(module.module, module)
            if first.path != module.path:
                errors.append(_two_files(first, module))
    raise_all(errors, "in the sources of modules")
    return found


def _error_in_srcs(target: PythonModules, _: Label, summary: str, next_step: str) -> LoadingError:
    return LoadingError(summary, facts=[("target", str(target.label))], next_step=next_step)


def _two_files(first: DeclaredModule, second: DeclaredModule) -> LoadingError:
    return LoadingError(
        f"two files are the module {second.module!r}",
        facts=[("this", f"{second.path}, of {second.owner}"), ("other", f"{first.path}, of {first.owner}")],
        next_step="rename one of the two, or leave one out of srcs",
    )


def _read_target(declaration: Mapping[str, Json], errors: list[HermpkgError]) -> RuleTarget:
    label = Label.parse(str(declaration["label"]))
    rule = RULES[str(declaration["rule"])]
    given = cast("Mapping[str, Any]", declaration["attributes"])
    if given.get("policy"):
        given = {**given, "policy": [_policy_rule(label, item, errors) for item in given["policy"]]}
    return rule.target(label=label, **_values(label, rule, ATTRIBUTES[rule.target], given, errors))


def _policy_rule(label: Label, given: Mapping[str, Any], errors: list[HermpkgError]) -> PolicyRule:
    """The policy rule that a call of intern, extern, mock or deny stands for."""
    function = POLICY_FUNCTIONS[given["policy"]]
    values = _values(label, function, function.attributes.values(), given, errors)
    return PolicyRule(policy=Policy(function.name), **values)


def _values(
    label: Label,
    function: Function,
    attributes: Iterable[Attribute],
    given: Mapping[str, Any],
    errors: list[HermpkgError],
) -> dict[str, Any]:
    """The values of the `attributes` of `function`; what is wrong with those given is added to `errors`."""
    values: dict[str, Any] = {}
    for attribute in attributes:
        values[attribute.name], problems = convert(attribute, given.get(attribute.name), label.package)
        errors += [
            LoadingError(
                problem_sentence(function, attribute, problem),
                facts=[("target", str(label))],
                next_step=problem.next_step,
            )
            for problem in problems
        ]
    return values
