"""Where the code of a class says in which line the class begins, as it does from Python 3.13 on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType

CLASSES_KNOW_LINES = sys.version_info >= (3, 13)
LINE_OF_CLASS = "__firstlineno__"
_CO_OPTIMIZED = 1
"""Set for functions, whose names are no entries of a namespace."""
_UNIT = 2
"""The bytes of an instruction: what to do, and a number."""
_MOST_CONSTANTS = 256
"""So many can be told apart by an instruction alone; others have one before them."""


def has_line(code: CodeType) -> bool:
    """Whether `code`, which is a constant of other code, is the body of a class that notes its line."""
    return CLASSES_KNOW_LINES and LINE_OF_CLASS in code.co_names and not code.co_flags & _CO_OPTIMIZED


def instructions(code: CodeType) -> Iterator[tuple[int, int]]:
    """Give each instruction of `code`, and its number."""
    import opcode

    extended, data = 0, code.co_code
    for operation, number in zip(data[::_UNIT], data[1::_UNIT], strict=True):
        full = extended | number
        extended = full << 8 if operation == opcode.EXTENDED_ARG else 0
        yield operation, full


def place_of_line(code: CodeType) -> int | None:
    """Return which instruction of the body of a class gives the line; None where that is not known.

    It is before all that the class says itself, so that it is the first whose value gets the name.
    """
    import opcode

    name, value = code.co_names.index(LINE_OF_CLASS), None
    for place, (operation, number) in enumerate(instructions(code)):
        if operation == opcode.opmap["STORE_NAME"] and number == name:
            return place - 1 if value == code.co_firstlineno else None
        value = None
        if operation == opcode.opmap["LOAD_CONST"]:
            value = code.co_consts[number]
        elif operation == opcode.opmap.get("LOAD_SMALL_INT"):
            value = number
    return None


def with_lines(code: CodeType, line_of: Callable[[CodeType], object]) -> CodeType | None:
    """Return `code` in which each class has, in place of its line, what `line_of` gives for the class's code.

    None where that cannot be put there.
    """
    constants: list[object] = []
    for constant in code.co_consts:
        new = constant
        if isinstance(constant, CodeType):
            new = with_lines(constant, line_of)
            if new is not None and has_line(constant):
                new = _with_line(new, line_of(constant))
            if new is None:
                return None
        constants.append(new)
    if all(new is old for new, old in zip(constants, code.co_consts, strict=True)):
        return code
    return code.replace(co_consts=tuple(constants))


def _with_line(code: CodeType, line: object) -> CodeType | None:
    """Return the `code` of a class with another `line`: where nothing else has that number, in its place."""
    import opcode

    place = place_of_line(code)
    if place is None:
        return None
    load, constants = opcode.opmap["LOAD_CONST"], code.co_consts
    number = [*instructions(code)][place][1] if code.co_code[place * _UNIT] == load else -1
    users = [each for operation, each in instructions(code) if operation in opcode.hasconst]
    if users.count(number) == 1:
        return code.replace(co_consts=(*constants[:number], line, *constants[number + 1 :]))
    if len(constants) >= _MOST_CONSTANTS:
        return None
    start, data = place * _UNIT, code.co_code
    data = data[:start] + bytes((load, len(constants))) + data[start + _UNIT :]
    return code.replace(co_code=data, co_consts=(*constants, line))
