"""Inputs of a request become the arguments of what it calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hermpkg_build.serving.protocol.errors import bad_request
from hermpkg_build.serving.protocol.inference import Input
from hermpkg_build.serving.requests import Parameter

_OF_THE_PROTOCOL = frozenset(["priority", "sequence_end", "sequence_id", "sequence_start"])
"""Parameters that clients of servers which have queues and sequences may send."""


def arguments(
    parameters: Sequence[Parameter], inputs: Sequence[Input], more: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Make arguments of inputs: by name where all are names of parameters, else in their order.

    `more` are arguments by name, but for words of the protocol that the model has no parameters for. Raises
    RequestError.
    """
    names = {each.name for each in parameters if each.by_name}
    more = {name: value for name, value in more.items() if name in names or name not in _OF_THE_PROTOCOL}
    unknown = [name for name in more if name not in names]
    if unknown:
        raise bad_request(
            f"the model has no parameter {unknown[0]!r}; it has {', '.join(sorted(names)) or 'none'}"
        )
    given = [each.name for each in inputs]
    if names.issuperset(given):
        kwargs = {each.name: each.value for each in inputs}
        if twice := [name for name in more if name in kwargs]:
            raise bad_request(f"{twice[0]!r} is given as an input and as a parameter")
        missing = [each.name for each in parameters if each.needed and each.name not in {*kwargs, *more}]
        if missing:
            raise bad_request(f"the model needs the input {missing[0]!r}")
        return (), {**kwargs, **more}
    if names.intersection(given):
        wrong = next(name for name in given if name not in names)
        raise bad_request(f"the model has no input {wrong!r}; it has {', '.join(sorted(names))}")
    places = [each for each in parameters if not each.takes_many]
    if len(places) == len(parameters) and len(given) > len(places):
        raise bad_request(f"the model takes {len(places)} inputs, not {len(given)}")
    return tuple(each.value for each in inputs), dict(more)
