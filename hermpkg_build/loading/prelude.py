"""Defines what is built in for BUILD and .bzl files: Starlark functions that call Python."""

from __future__ import annotations

import re

from hermpkg_build.dataclass import dataclass
from hermpkg_build.loading.attribute_values import Foreign
from hermpkg_build.loading.rules import BUILD_FUNCTIONS, FUNCTIONS

# Values cross into Python by way of JSON, which loses NaN, tells no tuple from a list and fails
# on functions; so they are sealed first: what is no plain scalar becomes [kind, contents].
_SEAL = """
def _seal(value):
    kind = type(value)
    if kind == "string" or kind == "int" or kind == "bool" or kind == "NoneType":
        return value
    if kind == "list" or kind == "tuple":
        return [kind, [_seal(item) for item in value]]
    if kind == "dict":
        return [kind, [[_seal(key), _seal(item)] for key, item in value.items()]]
    if kind == "opaque_python_object":
        return value
    if kind == "float":
        return [kind, [value, repr(value)]]
    return [kind, repr(value)]
"""

# The Python functions that are called are `_call` and `_print`.
_FORWARD = """
def %s(*args, **kwargs):
    return _call("%s", call_stack(strip_frames = 1), _seal(args)[1], _seal(kwargs)[1])
"""

_PRINT = """
def print(*args, sep = " "):
    _print(call_stack(strip_frames = 1), sep.join([str(arg) for arg in args]))
"""

_FRAME = re.compile(r"^  \* (?P<path>.*):(?P<line>[0-9]+), in (?P<function>.*)$", re.MULTILINE)
PRELUDE_PATH = "hermpkg prelude"
"""The name under which the interpreter knows the prelude; no workspace file can have it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A call in progress: the file and line it is at, and the function it is in."""

    path: str
    line: int
    function: str


def prelude_text() -> str:
    """Return the prelude, made from the table of rules and functions."""
    members = ", ".join(f"{name} = {name}" for name in BUILD_FUNCTIONS if name != "package")
    return "\n".join(
        [_SEAL, _PRINT, *(_FORWARD % (name, name) for name in FUNCTIONS), f"native = struct({members})"]
    )


def unseal(value: object) -> object:
    """Return the value that the prelude's `_seal` was given, with Foreign where Python has no counterpart."""
    if not isinstance(value, list):
        return value
    kind, contents = value
    if kind == "list":
        return [unseal(item) for item in contents]
    if kind == "tuple":
        return tuple(unseal(item) for item in contents)
    if kind == "dict":
        return {_as_key(unseal(key)): unseal(item) for key, item in contents}
    if kind == "float":
        value, text = contents
        return float(text) if value is None else value
    return Foreign(kind, contents)


def _as_key(value: object) -> object:
    """Return a dictionary key; Starlark's tuples may hold what Python cannot hash."""
    try:
        hash(value)
    except TypeError:
        return Foreign("tuple", repr(value))
    return value


def frames_of(stack: str) -> tuple[Frame, ...]:
    """Return the calls of a stack as the interpreter prints it, outermost first, without the prelude."""
    found = (Frame(m["path"], int(m["line"]), m["function"]) for m in _FRAME.finditer(stack))
    return tuple(frame for frame in found if frame.path != PRELUDE_PATH)
