"""Object graphs from recipes, and a process that pickles them on request.

A recipe is JSON, so that processes with other hash seeds can build the same graph: a list of
``[kind, value]`` or ``[kind, [index, ...]]``, whose last entry is the root. Containers that can
change may refer to any entry, so that graphs have cycles; the others to earlier ones only.
Run as a script, it answers each line of JSON ``[protocol, recipe]`` on standard input with the
pickle in hexadecimal.
"""

from __future__ import annotations

import json
import sys
from typing import Any

CHANGEABLE = ("list", "dict", "set", "thing", "slotted", "bag")


class Thing:
    """An object hashed by identity, with attributes."""


class Slotted:
    """An object whose slots come in the order of a hash table."""

    __slots__ = {"alpha", "beta", "delta", "gamma"}


class Bag(set):
    """A subclass of set, which reduces to a list of its elements."""


def build(recipe: list[Any], *, fresh: bool = True) -> Any:
    """The graph of a recipe; `fresh` makes a new string for every use of one."""
    makers = {"list": list, "dict": dict, "set": set, "thing": Thing, "slotted": Slotted, "bag": Bag}
    made: list[Any] = []
    for kind, value in recipe:
        if kind in makers:
            made.append(makers[kind]())
        elif kind in ("tuple", "frozenset"):
            parts = [_use(made[i], fresh) for i in value if i < len(made)]
            made.append(
                tuple(parts) if kind == "tuple" else frozenset(part for part in parts if _hashable(part))
            )
        elif kind == "bytes":
            made.append(value.encode())
        elif kind == "complex":
            made.append(complex(*value))
        elif kind == "float":
            made.append(float(value))
        else:
            made.append(value)
    for (kind, value), obj in zip(recipe, made, strict=True):
        if kind in CHANGEABLE:
            _fill(kind, obj, [_use(made[i % len(made)], fresh) for i in value])
    return made[-1]


def _use(obj: Any, fresh: bool) -> Any:
    return "".join(list(obj)) if fresh and type(obj) is str else obj


def _hashable(obj: Any) -> bool:
    try:
        hash(obj)
    except TypeError:
        return False
    return True


def _fill(kind: str, obj: Any, parts: list[Any]) -> None:
    if kind == "list":
        obj.extend(parts)
    elif kind == "dict":
        for key, value in zip(parts[::2], parts[1::2], strict=False):
            obj[key if _hashable(key) else "key"] = value
    elif kind in ("set", "bag"):
        obj.update(part for part in parts if _hashable(part))
    elif kind == "thing":
        for number, part in enumerate(parts):
            setattr(obj, f"attribute{number}", part)
    else:
        for name, part in zip(("alpha", "beta", "gamma", "delta"), parts, strict=False):
            setattr(obj, name, part)


def main() -> None:
    """Answer requests until standard input ends."""
    from hermpkg_build.pickles.canonical import pickle_canonically

    for line in sys.stdin:
        protocol, recipe = json.loads(line)
        print(pickle_canonically(build(recipe), protocol=protocol).data.hex(), flush=True)


if __name__ == "__main__":
    # Classes belong to the module that the test imports them from.
    sys.modules["object_graphs"] = sys.modules["__main__"]
    for cls in (Thing, Slotted, Bag):
        cls.__module__ = "object_graphs"
    main()
