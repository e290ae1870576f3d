"""Binds the arguments of a call to the attributes of a rule or the parameters of a function."""

from __future__ import annotations

from typing import Any

from hermpkg_build.core.attributes import Attribute
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.core.texts import clipped
from hermpkg_build.loading.attribute_values import Problem, convert
from hermpkg_build.loading.call_site import CallSite
from hermpkg_build.loading.rules import Function

_LONGEST_STEP = 200
_MOST_UNKNOWN = 100
"""So many attributes that do not exist are told of one call."""


def bind(site: CallSite, package: str) -> dict[str, Any] | None:
    """Return the values of all attributes of the function that is called, given or default.

    None where something is wrong, all of which is reported. Labels are read relative to `package`.
    """
    function = site.call.function
    before = len(site.errors)
    given = _given(site)
    meant: set[str] = set()
    unknown = [name for name in given if name not in function.attributes]
    for name in unknown[:_MOST_UNKNOWN]:
        meaning = did_you_mean(name, function.attributes)
        meant.add(meaning)
        known = f"it has: {', '.join(function.attributes) or 'none'}"
        step = f"did you mean {meaning!r}?" if meaning else known
        summary = f"{function.name}() has no attribute {clipped(name, _LONGEST_STEP)!r}"
        site.report(summary, argument=name, path=None, next_step=step)
    values: dict[str, Any] = {}
    for name, attribute in function.attributes.items():
        value = given.get(name)
        if name not in given and attribute.mandatory:
            if name not in meant and len(site.call.args) <= function.positional:
                summary = f"{function.name}() needs the attribute {name!r}"
                site.report(summary, next_step=attribute.doc)
        else:
            values[name], problems = convert(attribute, value, package)
            for problem in problems:
                site.report(
                    problem_sentence(function, attribute, problem),
                    argument=name,
                    path=problem.path,
                    next_step=problem.next_step,
                )
    return values if len(site.errors) == before else None


def problem_sentence(function: Function, attribute: Attribute, problem: Problem) -> str:
    """Tell a problem with the value of `attribute` in a call of `function`, as one sentence."""
    part = "".join(f"[{clipped(repr(step), _LONGEST_STEP)}]" for step in problem.path)
    return f"{function.name}() attribute {attribute.name}{part}: {problem.message}"


def _given(site: CallSite) -> dict[str, object]:
    """Return the arguments by name."""
    call = site.call
    given = dict(call.kwargs)
    if len(call.args) > len(site.positional):
        most = len(site.positional)
        allowed = f"at most {most} without a name" if most else "named arguments only"
        summary = f"{call.function.name}() takes {allowed}, got {len(call.args)} without a name"
        site.report(summary)
    for name, value in zip(site.positional, call.args, strict=False):
        if name in given:
            site.report(f"{call.function.name}() got {name!r} twice", argument=name)
        given[name] = value
    return given
