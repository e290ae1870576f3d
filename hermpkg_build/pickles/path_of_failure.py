"""The error for an object that cannot be pickled: the path to it from the root, and why not."""

from __future__ import annotations

import operator
import pickle
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.path_steps import MODULE_TABLES, attribute_step, quoted
from hermpkg_build.pickles.reducing import Reduced

_LONGEST_PATH = 24


class UnpicklableError(pickle.PicklingError):
    """An object cannot be pickled: `path` leads to it from the root, `reason` says why not."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot pickle {path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnpicklableError], tuple[str, str]]:
        return type(self), (self.path, self.reason)


def path_of(name: str, opened: Sequence[object], bad: object, reductions: Mapping[int, Reduced]) -> str:
    """Python-like text that leads from `name`, the first of `opened`, to `bad`.

    Each object is a part of the one before, or of its reduction, which `reductions` has by the object's id;
    `bad` can also be the last of `opened` itself. Attributes of torch modules read as one writes them:
    ``model.layer[2].hook``. A part of a reduction alone reads as an index into that.
    """
    steps = [name]
    via = _Via(None)
    for obj, part in pairwise([*opened, bad]):
        if obj is not part:
            step, via = _step(obj, reductions.get(id(obj)), part, via)
            steps.append(step)
    if len(steps) > _LONGEST_PATH:
        half = _LONGEST_PATH // 2
        left_out = len(steps) - 2 * half
        steps = [*steps[:half], f"<{left_out} more steps>", *steps[-half:]]
    return "".join(steps)


@dataclass(frozen=True, slots=True)
class _Via:
    """How the container that is looked into belongs to an instance, where it does."""

    owner: Any
    table: str = ""
    """"" for its attributes, ``_modules`` and such for one of a torch module's tables."""


def _step(obj: Any, reduced: Reduced | None, child: object, via: _Via) -> tuple[str, _Via]:
    """The text that leads from an object to one of its parts, and how that part is to be read."""
    nothing = _Via(None)
    if reduced is not None:
        if child is reduced.state:
            return ("", _Via(obj)) if isinstance(child, (dict, tuple)) else (".__getstate__()", nothing)
        if child is type(obj):
            return ".__class__", nothing
        if child is reduced.function:
            return ".__reduce__()[0]", nothing
        if _are_arguments(child, reduced):
            return "", _Via(obj, "arguments")
    if via.owner is not None and isinstance(obj, tuple):
        if via.table == "arguments":
            return _step_of_argument(via.owner, obj, child), nothing
        # The state of an object with slots is a pair of two dicts of attributes.
        return "", via
    if isinstance(obj, (list, tuple)) or type(obj).__name__ == "deque":
        return _step_to_item(obj, child), nothing
    if isinstance(obj, (set, frozenset)):
        return f"<element {type(child).__name__}>", nothing
    if isinstance(obj, dict):
        return _step_of_mapping(obj, child, via)
    return f"<part {type(child).__name__}>", nothing


def _are_arguments(child: object, reduced: Reduced) -> bool:
    """Whether `child` is the tuple of arguments, or all of it but the class, as NEWOBJ takes it."""
    if not isinstance(child, tuple) or not child:
        return False
    expected = reduced.arguments[len(reduced.arguments) - len(child) :]
    return len(child) == len(expected) and all(map(operator.is_, child, expected))


def _step_of_mapping(obj: dict[Any, Any], child: object, via: _Via) -> tuple[str, _Via]:
    found = [key for key, value in obj.items() if value is child]
    if not found:
        return f"<key {type(child).__name__}>", _Via(None)
    key = found[0]
    if via.owner is None or not isinstance(key, str):
        return f"[{_key_text(key)}]", _Via(None)
    if not via.table and key in MODULE_TABLES and _is_torch_module(via.owner):
        return "", _Via(via.owner, key)
    return attribute_step(key, in_table=bool(via.table)) or f"[{_key_text(key)}]", _Via(None)


def _step_of_argument(owner: object, arguments: tuple[object, ...], child: object) -> str:
    """An attribute of `owner` that is the argument, else the argument's place."""
    for name in _attribute_names(owner):
        if getattr(owner, name, None) is child:
            return f".{name}"
    if isinstance(owner, (list, tuple)) and any(part is child for part in owner):
        return _step_to_item(owner, child)
    return f".__reduce__()[1]{_step_to_item(arguments, child)}"


def _step_to_item(items: Iterable[object], child: object) -> str:
    return next((f"[{i}]" for i, part in enumerate(items) if part is child), "[...]")


def _attribute_names(owner: object) -> Iterator[str]:
    """The attributes of an object that are stored: no property, no code of a user is run."""
    yield from getattr(owner, "__dict__", ())
    for cls in type(owner).__mro__:
        for name, value in vars(cls).items():
            if isinstance(value, types.MemberDescriptorType):
                yield name


def _is_torch_module(obj: object) -> bool:
    return any(cls.__module__ == "torch.nn.modules.module" for cls in type(obj).__mro__)


def _key_text(key: object) -> str:
    if type(key) in (str, bytes, int, float, bool, type(None)):
        text = quoted(key) if isinstance(key, str) else repr(key)
        return text if len(text) <= 40 else text[:37] + "..."
    return f"<{type(key).__name__}>"


def reason_for(obj: object, error: BaseException) -> str:
    """Why `obj` could not be pickled, in words that name the usual offenders."""
    kind = type(obj)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in _UNPICKLABLE:
        return _UNPICKLABLE[name]
    # Two builds are to fail with the same words.
    text = _ADDRESS.sub("", str(error)) or type(error).__name__
    if known := next((reason for said, reason in _OF_TORCH.items() if re.search(said, text)), ""):
        return known
    if isinstance(error, (TypeError, AttributeError, OverflowError, pickle.PicklingError)):
        return text
    return f"{type(error).__name__}: {text}"


_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_OF_TORCH = {
    "OpaqueTensorImpl": "a tensor of oneDNN cannot be pickled; keep tensor.to_dense()",
    r"dtype torch\.\w+ is not recognized": "torch cannot pickle this dtype; keep tensor.view(torch.uint8)",
    "ScriptFunction cannot be pickled": "a function of TorchScript cannot be pickled; keep a scripted module",
}
"""What torch says of its own objects, and what to do."""
_UNPICKLABLE = {
    "_io.TextIOWrapper": "an open file cannot be pickled",
    "_io.BufferedReader": "an open file cannot be pickled",
    "_io.BufferedWriter": "an open file cannot be pickled",
    "_io.BufferedRandom": "an open file cannot be pickled",
    "_io.FileIO": "an open file cannot be pickled",
    "_thread.lock": "a lock cannot be pickled",
    "_thread.RLock": "a lock cannot be pickled",
    "builtins.generator": "a generator cannot be pickled; keep its values in a list",
    "builtins.coroutine": "a coroutine cannot be pickled",
    "builtins.async_generator": "a generator cannot be pickled; keep its values in a list",
    "builtins.module": "a module cannot be pickled; import it where it is used",
    "builtins.frame": "a stack frame cannot be pickled",
    "builtins.traceback": "a traceback cannot be pickled",
    "builtins.code": "a code object cannot be pickled",
    "builtins.mappingproxy": "a read-only view of a dict cannot be pickled; keep a dict",
    "builtins.dict_keys": "a view of a dict cannot be pickled; keep a list",
    "builtins.dict_values": "a view of a dict cannot be pickled; keep a list",
    "builtins.dict_items": "a view of a dict cannot be pickled; keep a list",
    "builtins.weakref": "a weak reference cannot be pickled",
    "weakref.ReferenceType": "a weak reference cannot be pickled",
    "_contextvars.ContextVar": "a context variable cannot be pickled",
    "_thread._local": "thread-local data cannot be pickled",
    "socket.socket": "a socket cannot be pickled",
}
