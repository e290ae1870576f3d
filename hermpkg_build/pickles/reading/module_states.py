"""What a state dict has of the objects in a module's pickle: the names of plain tensors, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from hermpkg_build.pickles.reading.flat_tensors import FlatTensor
from hermpkg_build.pickles.reading.module_copies import ModuleCopy, ModulePattern

ORDERED = ("collections", "OrderedDict")
PARAMETER = ("torch._utils", "_rebuild_parameter")
_SETS = frozenset((module, name) for module in ("builtins", "__builtin__") for name in ("set", "frozenset"))
"""Protocol 2, in which torch.save writes, has the names of Python 2."""

_MOST_NAMES = 1 << 20
_MOST_LETTERS = 64 << 20
_MOST_VISITS = 1 << 17
_LONGEST_PREFIX = 64 << 10


class DictParts:
    """A dict, or an OrderedDict that was made empty: keys and values by turns, as they were put into it."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[object] = []


class MadeObject:
    """What a call gives, with the states that were set on it, and whether anything was put into it.

    `begun` is set until the first state is, where the call is one without arguments: where it began, how many
    numbers were met until then, and how many values were kept.
    """

    __slots__ = ("arguments", "begun", "function", "is_filled", "states")

    def __init__(self, function: tuple[str, str], arguments: object) -> None:
        self.function: tuple[str, str] = function
        self.arguments: object = arguments
        self.states: list[object] = []
        self.is_filled: bool = False
        self.begun: tuple[int, int, int] | None = None


class Items(list[object]):
    """The elements of a list or a set. Those of a tuple are in a list of Python, and globals are tuples."""

    __slots__ = ()


_Attributes: TypeAlias = dict[str, object]
_Modules: TypeAlias = list[tuple[str, object]]


def state_tensors(root: object) -> dict[str, FlatTensor]:
    """Return the tensors of a module's `state_dict`. Raises ValueError where any is no plain one."""
    return _Walk().names(root).tensors


class _Names(NamedTuple):
    """The tensors in a module by name; of how many modules they are, and how long names are.

    `letters` are those of all names together, `longest` those of the longest.
    """

    tensors: dict[str, FlatTensor]
    visits: int
    letters: int
    longest: int


class _CopyNames(NamedTuple):
    """What all copies of a module have in common: names, each with a tensor or the number of one."""

    tensors: list[tuple[str, int | FlatTensor]]
    names: _Names


class _Walk:
    """Goes through modules, and through those of which others are copies once."""

    def __init__(self) -> None:
        self._contents: dict[int, tuple[list[tuple[str, FlatTensor]], _Modules]] = {}
        self._copied: dict[int, _CopyNames] = {}
        self._visits_left = 2 * _MOST_VISITS

    def names(self, root: object) -> _Names:
        """Return what is in the module `root`. Raises ValueError."""
        found: dict[str, FlatTensor] = {}
        count = visits = letters = longest = 0
        stack = [("", root)]
        while stack:
            prefix, module = stack.pop()
            if type(module) is ModuleCopy:
                named, inside = self._copied.get(id(module.pattern)) or self._in_copies(module.pattern)
                tensors = module.tensors
                for name, which in named:
                    found[prefix + name] = tensors[which] if isinstance(which, int) else which
                count += len(named)
                letters += inside.letters + len(prefix) * len(named)
                longest = max(longest, len(prefix) + inside.longest)
                visits += inside.visits
            else:
                own, modules = self._contents.get(id(module)) or self._contents_of(module)
                for name, tensor in own:
                    found[prefix + name] = tensor
                    letters += len(prefix) + len(name)
                stack += [(f"{prefix}{name}.", each) for name, each in reversed(modules)]
                count += len(own)
                longest = max(longest, len(prefix))
                visits += 1
                self._visits_left -= 1
            if len(found) != count or longest > _LONGEST_PREFIX or max(visits, len(stack)) > _MOST_VISITS:
                raise ValueError
            if count > _MOST_NAMES or letters > _MOST_LETTERS or self._visits_left < 0:
                raise ValueError
        return _Names(found, visits, letters, longest)

    def _contents_of(self, module: object) -> tuple[list[tuple[str, FlatTensor]], _Modules]:
        contents = self._contents[id(module)] = _contents(module)
        return contents

    def _in_copies(self, pattern: ModulePattern) -> _CopyNames:
        """Return the names in a module that has copies, where nothing was done to it after it was read."""
        sample = pattern.sample
        if type(sample) is not MadeObject or len(sample.states) != 1:
            raise ValueError
        names = self.names(sample)
        numbers = {id(tensor): number for number, tensor in enumerate(pattern.tensors)}
        tensors = [(name, numbers.get(id(tensor), tensor)) for name, tensor in names.tensors.items()]
        copied = self._copied[id(pattern)] = _CopyNames(tensors, names)
        return copied


def _contents(module: object) -> tuple[list[tuple[str, FlatTensor]], _Modules]:
    """Return the tensors that a module itself has of a state dict, and the modules in it."""
    attributes = _attributes_of(module)
    tensors = [(name, _tensor_of(value)) for name, value in _tensors_of(attributes)]
    modules = _named(attributes["_modules"]).items()
    return tensors, [(name, each) for name, each in modules if not _is_atom(each)]


def _attributes_of(module: object) -> _Attributes:
    """Return the attributes that a module's pickle sets. Raises ValueError where it is no module."""
    if type(module) is not MadeObject:
        raise ValueError
    attributes: _Attributes = {}
    for state in module.states:
        for part in (state, *(state if type(state) is list else ())):
            if type(part) is DictParts:
                attributes.update(_named(part))
    if type(attributes["_parameters"]) is not DictParts or type(attributes["_modules"]) is not DictParts:
        raise ValueError
    return attributes


def _tensors_of(attributes: _Attributes) -> Iterator[tuple[str, object]]:
    """Give the values in a module's own tables, by name, that its `state_dict` has."""
    for name, value in _named(attributes["_parameters"]).items():
        if not _is_atom(value):
            yield name, value
    buffers = attributes.get("_buffers")
    if buffers is None:
        return
    hidden = _texts(attributes.get("_non_persistent_buffers_set"))
    for name, value in _named(buffers).items():
        if name not in hidden and not _is_atom(value):
            yield name, value


def _named(table: object) -> _Attributes:
    """Return the items of a dict whose keys are texts; of several with one key the last, as a dict has it."""
    if type(table) is not DictParts:
        raise ValueError
    pairs = table.pairs
    return {key: value for key, value in zip(pairs[::2], pairs[1::2], strict=True) if type(key) is str}


def _texts(names: object) -> set[str]:
    """Return the texts in a set that a call makes of a list."""
    if names is None:
        return set()
    if type(names) is not MadeObject or names.function not in _SETS or names.is_filled or names.states:
        raise ValueError
    found: set[str] = set()
    for listed in names.arguments if isinstance(names.arguments, list) else ():
        if type(listed) is not Items:
            raise ValueError
        found.update(item for item in listed if type(item) is str)
    return found


def _tensor_of(value: object) -> FlatTensor:
    if type(value) is MadeObject and value.function == PARAMETER and not (value.states or value.is_filled):
        value = value.arguments[0] if isinstance(value.arguments, list) else None
    if type(value) is not FlatTensor:
        raise ValueError
    return value


def _is_atom(value: object) -> bool:
    return value is None or type(value) in _ATOMS


_ATOMS = frozenset({str, int, float, bool})
