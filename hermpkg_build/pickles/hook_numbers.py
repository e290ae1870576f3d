"""Numbers the hooks of torch modules by their order, where torch counts all hooks of the process.

These numbers are the keys of a module's tables of hooks, and what a handle removes its hook by. Ours end at
-1: torch counts from 0 in each process, and a new hook with the number of one that was loaded replaces it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from hermpkg_build.dataclass import replace
from hermpkg_build.pickles.reducing import Reduced, checked, reduce

_GROUPS = (
    ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    ("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
    ("_backward_pre_hooks",),
    ("_backward_hooks",),
    ("_state_dict_hooks",),
    ("_state_dict_pre_hooks",),
    ("_load_state_dict_pre_hooks",),
    ("_load_state_dict_post_hooks",),
)
"""Tables of one module that have hooks, each with those that say more of the same hooks."""
_FORWARD = _GROUPS[0][0]


def number_hooks(reduced: Reduced, reductions: MutableMapping[int, Reduced]) -> Reduced:
    """`reduced`, with the number that a handle of torch is to have.

    The tables of hooks that it has, as a module does, get their numbers in `reductions`, by which they are
    written; those that are there already keep theirs.
    """
    for table in (reduced.state, *reduced.arguments):
        if type(table) is dict and _FORWARD in table:
            for names in _GROUPS:
                _number([table[name] for name in names if name in table], reductions)
    state = reduced.state
    hooks: Any = sys.modules.get("torch.utils.hooks")
    if hooks is None or type(reduced.obj) is not hooks.RemovableHandle or not isinstance(state, tuple):
        return reduced
    hooked, number, *more = state
    if hooked is None:
        return replace(reduced, state=(None, -1, *more))
    _number([hooked, *(table for tables in more for table in tables or () if table is not None)], reductions)
    return replace(reduced, state=(hooked, _number_in(hooked, number, reductions), *more))


def _number(tables: list[Any], reductions: MutableMapping[int, Reduced]) -> None:
    """Number the hooks of the first table by their order, and have the others say the same of them."""
    if not tables or not tables[0]:
        return
    if any(type(table) is not OrderedDict or id(table) in reductions for table in tables):
        return
    numbers = {key: place - len(tables[0]) for place, key in enumerate(tables[0])}
    for table in tables:
        reduced = checked(table, reduce(table, 3))
        pairs = [(numbers.get(key, key), value) for key, value in reduced.pairs or ()]
        reductions[id(table)] = replace(reduced, pairs=pairs)


def _number_in(hooked: Any, number: int, reductions: Mapping[int, Reduced]) -> int:
    """What stands for a `number` among those of a table; one that is not there, where it is removed."""
    reduced = reductions.get(id(hooked))
    keys: Iterable[int] = hooked if reduced is None else (key for key, _ in reduced.pairs or ())
    numbers: dict[int, int] = dict(zip(hooked, keys, strict=True))
    return numbers.get(number, -1 - len(hooked))
