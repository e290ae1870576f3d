"""Carries out the plan for a policy in the BUILD file that has it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import partial

from hermpkg_build.analysis.policy_plan import ExtendRule, InsertRule, PolicyPlan, RemoveRule, RuleEdit
from hermpkg_build.analysis.unsettled import UnsettledPolicyError
from hermpkg_build.core.label import Label
from hermpkg_build.core.target import ModelPackage
from hermpkg_build.generate.build_files.build_text import BuildText
from hermpkg_build.generate.build_files.edits import (
    CallPlace,
    NotEditableError,
    add_entry,
    add_loads,
    change_patterns,
    insert_rule,
    is_written,
    remove_rules,
)
from hermpkg_build.generate.fixing.draft import Draft
from hermpkg_build.generate.made_report import versions_needed


def mend_policy(draft: Draft, error: UnsettledPolicyError) -> bool:
    """Edit the policy of the target of an error; whether that changed its file. Raises NotEditableError.

    Rules that match nothing are removed only when all else is settled: what is declared next may be theirs.
    """
    target = draft.loader.target(Label.parse(error.target))
    assert isinstance(target, ModelPackage)
    edits = [*error.plan.edits]
    if not edits and not error.missing:
        edits = [RemoveRule(index=index) for index, pattern in error.idle if not pattern]
        partly = [(index, pattern) for index, pattern in error.idle if pattern]
        for index, pattern in partly:
            if target.policy[index].include == (pattern,):
                edits.append(RemoveRule(index=index))
            elif draft.edit_target(target, partial(change_patterns, index=index, remove=[pattern])):
                return True
    changed = draft.edit_target(target, partial(edited, edits=edits, count=len(target.policy)))
    return _require(draft, target, error.plan) or changed


def _require(draft: Draft, target: ModelPackage, plan: PolicyPlan) -> bool:
    """Ask for the versions of what is left outside from now on, as `init` does; whether it edited."""
    new = {decision.name: decision for decision, _ in plan.decisions}
    needed = versions_needed(plan.followed.graph, new, plan.followed.distributions)
    changed = False
    for name in sorted((needed.keys() & new.keys()) - target.requires.keys()):
        entry = partial(add_entry, attribute="requires", key=name, value=needed[name])
        changed |= draft.edit_target(target, entry)
    return changed


def edited(file: BuildText, place: CallPlace, edits: Sequence[RuleEdit], count: int) -> BuildText:
    """The file with a policy that is edited: from its end on, so that the numbers of rules stay right."""
    _check(file, place, count)
    for edit in edits:
        if isinstance(edit, ExtendRule) and is_written(file, place, edit.index):
            file = change_patterns(file, place, edit.index, add=edit.patterns)
    gone = {edit.index for edit in edits if isinstance(edit, RemoveRule)}
    for index in range(count, -1, -1):
        if index in gone:
            file = remove_rules(file, place, [index])
        for edit in reversed(edits):
            if isinstance(edit, InsertRule) and edit.index == index:
                file = insert_rule(file, place, index, edit.rule)
                file = add_loads(file, [str(edit.rule.policy)])
    return file


def _check(file: BuildText, place: CallPlace, count: int) -> None:
    """Raise NotEditableError where the rules are not those that the list of the file has."""
    policy = place.argument(file, "policy")
    written = policy is None or (
        isinstance(policy, ast.List)
        and all(isinstance(rule, ast.Call) and isinstance(rule.func, ast.Name) for rule in policy.elts)
    )
    has = len(policy.elts) if isinstance(policy, ast.List) else 0
    if not written or has != count:
        raise NotEditableError(
            "the policy is computed here", location=file.location(policy or place.find(file))
        )
