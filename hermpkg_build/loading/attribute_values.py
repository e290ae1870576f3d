"""Turns what a BUILD file gives for an attribute into its value, or says what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hermpkg_build.core.attributes import Attribute, AttributeType, Form, value_of_default
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.label import Label, labels_in_package
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.texts import clipped
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LabelError
from hermpkg_build.loading.forms import problem_with

Path = tuple[int | str, ...]
"""Where in a value: list indices and dictionary keys, outermost first."""


_MOST_PROBLEMS = 100
"""So many problems of one value are told; what comes after them is not looked at."""

_LONGEST_SHOWN = 200
"""So many characters of a text are told in an error."""

_MAX_BITS = 4096
"""How large integers among JSON values may be: Python itself refuses to print much larger ones."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A Starlark value that means nothing outside of Starlark, such as a function."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an attribute's value, and in which part of it."""

    message: str
    path: Path = ()
    next_step: str = ""


def convert(attribute: Attribute, value: object, package: str) -> tuple[Any, Sequence[Problem]]:
    """Return the value that `value`, as it came out of Starlark, gives to `attribute`, and all that is wrong.

    Labels are read relative to `package`. Where something is wrong, the value means nothing.
    """
    if value is None:
        if attribute.mandatory:
            return None, [Problem(f"expected {attribute.type.value}, got None")]
        return value_of_default(attribute.default), ()
    problems: list[Problem] = []
    with suppress(_EnoughProblemsError):
        return _CONVERTERS[attribute.type](_Context(attribute, package, problems), value), problems
    return None, problems


def starlark_type(value: object) -> str:
    """Return the name of a value's type, as Starlark's `type` gives it, or of a policy rule."""
    if isinstance(value, Foreign):
        return value.type
    if isinstance(value, PolicyRule):
        return "a policy rule"
    return "string" if isinstance(value, str) else type(value).__name__


class _EnoughProblemsError(Exception):
    """There are more problems than anyone reads."""


@dataclass(frozen=True, slots=True)
class _Context:
    attribute: Attribute
    package: str
    problems: list[Problem]

    def bad(self, message: str, path: Path = (), next_step: str = "") -> None:
        self.problems.append(Problem(message, path, next_step))
        if len(self.problems) >= _MOST_PROBLEMS:
            raise _EnoughProblemsError

    def mismatch(self, value: object, path: Path = (), expected: str = "") -> None:
        self.bad(f"expected {expected or self.attribute.type.value}, got {starlark_type(value)}", path)

    def string(self, value: object, path: Path, form: Form | None) -> str:
        if not isinstance(value, str):
            self.mismatch(value, path, "a string" if path else "")
        elif "\0" in value:
            self.bad("a string with a NUL character", path)
        elif form is not None:
            problem = problem_with(form, value)
            if problem:
                self.bad(f"{clipped(value, _LONGEST_SHOWN)!r} {problem}", path)
            return value
        return value if isinstance(value, str) else ""

    def label(self, value: object, path: Path) -> Label:
        if not isinstance(value, str):
            self.mismatch(value, path, "a label" if path else "")
            return Label("", "x")
        try:
            label = Label.parse(value, package=self.package)
        except LabelError as error:
            self.bad(error.summary + "".join(f": {reason}" for _, reason in error.facts), path)
            return Label("", "x")
        if label.repository:
            self.bad(f"{value!r} names another repository: only this workspace has targets", path)
        elif not self.attribute.rules and not label.name.endswith(self.attribute.suffixes):
            ends = " or ".join(self.attribute.suffixes)
            self.bad(f"{value!r} does not end in {ends}", path)
        return label

    def items(self, value: object) -> Sequence[object]:
        if isinstance(value, list | tuple):
            return value
        self.mismatch(value)
        return ()

    def entries(self, value: object) -> Mapping[str, object]:
        if not isinstance(value, dict):
            self.mismatch(value)
            return {}
        for key in value:
            self.string(key, (key,), self.attribute.key_form)
        return value


def _integer(context: _Context, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        context.mismatch(value)
        return 0
    if context.attribute.form is Form.POSITIVE and value <= 0:
        context.bad(f"{value} is not a positive number")
    if not -(2**63) <= value < 2**63:
        context.bad(f"{value} does not fit into 64 bits")
    return value


def _boolean(context: _Context, value: object) -> bool:
    if not isinstance(value, bool):
        context.mismatch(value)
    return bool(value)


def _strings(context: _Context, value: object) -> tuple[str, ...]:
    form = context.attribute.form
    return tuple(context.string(item, (i,), form) for i, item in enumerate(context.items(value)))


def _string_or_strings(context: _Context, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (context.string(value, (), context.attribute.form),)
    if isinstance(value, list | tuple) and not value and context.attribute.mandatory:
        context.bad("the list is empty")
    return _strings(context, value)


def _labels(context: _Context, value: object) -> Sequence[Label]:
    labels: dict[Label, int] = {}
    for index, item in enumerate(context.items(value)):
        before = len(context.problems)
        label = context.label(item, (index,))
        if labels.setdefault(label, index) != index and len(context.problems) == before:
            context.bad(f"{str(label)!r} is there twice", (index,))
    return labels_in_package(context.package, labels)


def _label_dict(context: _Context, value: object) -> dict[str, Label]:
    return {key: context.label(item, (key,)) for key, item in context.entries(value).items()}


def _string_dict(context: _Context, value: object) -> dict[str, str]:
    form = context.attribute.form
    return {key: context.string(item, (key,), form) for key, item in context.entries(value).items()}


def _json_dict(context: _Context, value: object) -> dict[str, Json]:
    entries = context.entries(value)
    for key in entries:
        if isinstance(key, str) and key and not key.isidentifier():
            context.bad(f"{key!r} cannot be the name of an argument", (key,))
    return {key: _json(context, item, (key,)) for key, item in entries.items()}


def _json(context: _Context, value: object, path: Path) -> Json:
    if isinstance(value, float):
        if not math.isfinite(value):
            context.bad(f"{value} is not a JSON value", path)
        return value
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        context.bad(f"an integer of more than {_MAX_BITS} bits", path)
        return 0
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(_json(context, item, (*path, i)) for i, item in enumerate(value))
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                context.mismatch(key, (*path, key), "a string as a key")
        return {str(key): _json(context, item, (*path, key)) for key, item in value.items()}
    context.mismatch(value, path, "a JSON value")
    return None


def _policy(context: _Context, value: object) -> tuple[PolicyRule, ...]:
    rules: list[PolicyRule] = []
    for index, item in enumerate(context.items(value)):
        if isinstance(item, PolicyRule):
            rules.append(item)
        else:
            context.bad(
                f"expected a policy rule, got {starlark_type(item)}",
                (index,),
                f'write intern("{item}"), extern(...), mock(...) or deny(...)'
                if isinstance(item, str)
                else "",
            )
    return tuple(rules)


_CONVERTERS: Mapping[AttributeType, Callable[[_Context, object], object]] = {
    AttributeType.STRING: lambda context, value: context.string(value, (), context.attribute.form),
    AttributeType.INTEGER: _integer,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.STRINGS: _strings,
    AttributeType.STRING_OR_STRINGS: _string_or_strings,
    AttributeType.LABEL: lambda context, value: context.label(value, ()),
    AttributeType.LABELS: _labels,
    AttributeType.LABEL_DICT: _label_dict,
    AttributeType.STRING_DICT: _string_dict,
    AttributeType.JSON_DICT: _json_dict,
    AttributeType.POLICY: _policy,
}
