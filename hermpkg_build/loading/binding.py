"""Binds the arguments of a call to the attributes of a rule or the parameters of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hermpkg_build.core.target import AttributeValue
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.rules import Attribute
from hermpkg_build.loading.site import Site
from hermpkg_build.loading.suggest import did_you_mean
from hermpkg_build.loading.values import BadValueError, convert, default_of


def bind(
    site: Site,
    function: str,
    parameters: Mapping[str, Attribute],
    args: Sequence[object],
    kwargs: Mapping[str, object],
    *,
    positional: int,
    package: str,
    errors: list[HermpkgError],
) -> dict[str, AttributeValue] | None:
    """The values of all `parameters`, given or default; None where something is wrong.

    What is wrong is added to `errors`, all of it. The first `positional` parameters can be given
    without names; labels are read relative to `package`.
    """
    before = len(errors)
    given = _given(site, function, list(parameters)[:positional], args, kwargs, errors)
    meant: set[str] = set()
    for name in given:
        if name not in parameters:
            meaning = did_you_mean(name, parameters)
            meant.add(meaning)
            step = f"did you mean {meaning!r}?" if meaning else f"it has: {', '.join(parameters) or 'none'}"
            errors.append(
                site.error(f"{function}() has no attribute {name!r}", argument=name, next_step=step)
            )
    values: dict[str, AttributeValue] = {}
    for name, parameter in parameters.items():
        value = given.get(name)
        if name not in given and parameter.mandatory:
            if name not in meant and len(args) <= positional:
                errors.append(
                    site.error(f"{function}() needs the attribute {name!r}", next_step=parameter.doc)
                )
        elif value is None and not parameter.mandatory:
            values[name] = default_of(parameter)
        else:
            try:
                values[name] = convert(parameter, value, package)
            except BadValueError as bad:
                for problem in bad.problems:
                    part = "".join(f"[{step!r}]" for step in problem.path)
                    summary = f"{function}() attribute {name}{part}: {problem.message}"
                    errors.append(
                        site.error(summary, argument=name, path=problem.path, next_step=problem.next_step)
                    )
    return values if len(errors) == before else None


def _given(
    site: Site,
    function: str,
    names: Sequence[str],
    args: Sequence[object],
    kwargs: Mapping[str, object],
    errors: list[HermpkgError],
) -> dict[str, object]:
    """The arguments by name."""
    given = dict(kwargs)
    if len(args) > len(names):
        allowed = f"at most {len(names)} without a name" if names else "named arguments only"
        errors.append(site.error(f"{function}() takes {allowed}, got {len(args)} without a name"))
    for name, value in zip(names, args, strict=False):
        if name in given:
            errors.append(site.error(f"{function}() got {name!r} twice", argument=name))
        given[name] = value
    return given
