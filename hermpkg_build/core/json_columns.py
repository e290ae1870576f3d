"""Looks at very many JSON values at once, in few steps for all; each check says no where one is wrong."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from itertools import chain
from operator import itemgetter
from typing import Any

from hermpkg_build.core.json_reading import OMITTED, PLAIN, ColumnCheck, hints_of
from hermpkg_build.dataclass import fields, is_dataclass


def column_check(hint: Any, ignore_unknown: bool) -> ColumnCheck | None:
    """The check of the values of one type; None for a type whose values are read one by one."""
    if hint in PLAIN:
        return lambda values: {*map(type, values)} <= {hint}
    if hasattr(hint, "JSON_PATTERN"):
        return _texts_check(hint.JSON_PATTERN)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choices_check({member.value for member in hint})
    if is_dataclass(hint) and not hasattr(hint, "JSON_ARRAY") and not hasattr(hint, "JSON_TEXT"):
        return _objects_check(hint, ignore_unknown)
    return None


def _texts_check(pattern: str) -> ColumnCheck:
    lines_of = re.compile(f"(?:{pattern}\n)*")

    def fit(values: Collection[Any]) -> bool:
        if {*map(type, values)} != {str}:
            return not values
        lines = "\n".join([*values, ""])
        return lines.count("\n") == len(values) and lines_of.fullmatch(lines) is not None

    return fit


def _choices_check(choices: set[Any]) -> ColumnCheck:
    return lambda values: {*map(type, values)} <= {str} and {*values} <= choices


def _objects_check(kind: Any, ignore_unknown: bool) -> ColumnCheck | None:
    found = {name: column_check(hint, ignore_unknown) for name, hint in hints_of(kind).items()}
    checks = {name: check for name, check in found.items() if check is not None}
    omitted = {each.name for each in fields(kind) if each.metadata == OMITTED}
    always = checks.keys() - omitted
    if len(checks) < len(found):
        return None

    def fit(values: Collection[Any]) -> bool:
        if {*map(type, values)} != {dict}:
            return not values
        names = {*chain.from_iterable(values)}
        if not (ignore_unknown or names <= checks.keys()):
            return False
        try:
            columns = {name: list(map(itemgetter(name), values)) for name in always}
        except KeyError:
            return False
        columns |= {name: [each[name] for each in values if name in each] for name in omitted & names}
        return all(checks[name](column) for name, column in columns.items())

    return fit
