"""Finds the state dict in a checkpoint that goes into a model: a part of it, and what its keys begin with."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.factories.checkpoints import Other

State: TypeAlias = "Mapping[str, Any]"

_MOST = 8
_DEEPEST = 3
"""How many levels of a checkpoint are searched."""
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module.")
"""Parts of keys that torch's own wrappers of a module add, in front or in the middle."""
_PREFIXES = ("module.", "model.", "net.", "network.", *WRAPPERS)
_KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A part of a checkpoint that has what a model expects, in the shapes that it expects.

    `key` leads to it (`weights_key`), its keys begin with `prefix` (`weights_prefix`). `is_usual` says that
    both are what training loops and wrappers call the model itself, and that none of its tensors is left out.
    """

    key: str
    prefix: str
    is_usual: bool = False

    @property
    def named(self) -> Sequence[tuple[str, str]]:
        """The attributes that say so, without those that are empty."""
        given = [("weights_key", self.key), ("weights_prefix", self.prefix)]
        return [(name, value) for name, value in given if value]


Voice: TypeAlias = Callable[[Fit], str]
"""Says how a fit is asked for."""


def as_attributes(fit: Fit) -> str:
    """The attributes of a `model` target.

    >>> as_attributes(Fit(key="state_dict", prefix="net."))
    'weights_key = "state_dict", weights_prefix = "net.",'
    """
    return "".join(f'{name} = "{value}", ' for name, value in fit.named).rstrip()


def as_options(fit: Fit) -> str:
    """The options of a command.

    >>> as_options(Fit(key="state_dict", prefix="net."))
    '--weights-key state_dict --strip-prefix net.'
    """
    options = {"weights_key": "--weights-key", "weights_prefix": "--strip-prefix"}
    return " ".join(f"{options[name]} {shlex.quote(value)}" for name, value in fit.named)


def as_arguments(fit: Fit) -> str:
    """The arguments of a call.

    >>> as_arguments(Fit(key="state_dict", prefix="net."))
    "weights_key='state_dict', weights_prefix='net.'"
    """
    return ", ".join(f"{name}={value!r}" for name, value in fit.named)


def part_at(checkpoint: Any, key: str) -> Any:
    """What a dotted `key` leads to; None for nothing. Parts may have dots in their own keys."""
    if not isinstance(checkpoint, Mapping):
        return None
    if key in checkpoint:
        return checkpoint[key]
    for first in checkpoint:
        if isinstance(first, str) and key.startswith(f"{first}."):
            found = part_at(checkpoint[first], key[len(first) + 1 :])
            if found is not None:
                return found
    return None


def tensors_under(state: State, prefix: str, expected: State) -> dict[str, Any]:
    """What `state` has for a model: the keys that begin with `prefix`, without it.

    Values that are no tensors count where the model has them. What torch's wrappers add to keys is left out
    where the model has nothing of that name.
    """
    wrapped = [wrapper for wrapper in WRAPPERS if not any(wrapper in name for name in expected)]
    chosen = _under(state, prefix)
    if not expected.keys() <= chosen.keys():
        plain = {_without(name, wrapped): value for name, value in chosen.items()}
        chosen = plain or _under({_without(name, wrapped): value for name, value in state.items()}, prefix)
    return {name: value for name, value in chosen.items() if is_tensor(value) or name in expected}


def _under(state: State, prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}


def _without(name: str, wrappers: Sequence[str]) -> str:
    for wrapper in wrappers:
        name = name.replace(wrapper, "")
    return name


def is_state_dict(part: Any) -> bool:
    """Whether something can be a state dict: all of its keys are texts."""
    if isinstance(part, Other) and not part:
        return False
    return isinstance(part, Mapping) and all(isinstance(name, str) for name in part)


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch."""
    return hasattr(value, "untyped_storage") or hasattr(value, "is_sparse")


def shape_of(value: Any) -> Any:
    """The shape of a tensor; words for anything else."""
    shape = getattr(value, "shape", None)
    return "no tensor" if shape is None else tuple(shape)


def fill_tied(expected: State, state: dict[str, Any]) -> None:
    """Give a key that is left out the tensor of another that is the same memory in the model.

    Files of safetensors hold each tensor once, under one of its names.
    """
    if expected.keys() <= state.keys():
        return
    by_memory = {_memory(expected[key]): key for key in expected if key in state}
    for key in expected.keys() - state.keys():
        twin = by_memory.get(_memory(expected[key]))
        if twin is not None:
            state[key] = state[twin]


def _memory(tensor: Any) -> object:
    """Equal for tensors in the same memory; only equal to itself for anything else."""
    if not hasattr(tensor, "untyped_storage") or not tensor.numel():
        return id(tensor)
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype


def fits(checkpoint: Any, expected: State) -> list[Fit]:
    """The first parts of a checkpoint that have what is expected, from the top; none for an empty model."""
    if not expected:
        return []
    found = _parts(checkpoint, expected, "", 0)
    return [*islice((fit for fit, state in found if _has_all(state, expected)), _MOST)]


def nearest(checkpoint: Any, expected: State) -> tuple[Fit, dict[str, Any]] | None:
    """The part of a checkpoint with most of the names that are expected, and its tensors; None for none."""

    def shared(part: tuple[Fit, dict[str, Any]]) -> int:
        return len(expected.keys() & part[1].keys())

    best = max(_parts(checkpoint, expected, "", 0), key=shared, default=None)
    return best if best is not None and shared(best) else None


def _has_all(state: State, expected: State) -> bool:
    return all(shape_of(state.get(name)) == shape_of(expected[name]) for name in expected)


def _parts(part: Any, expected: State, key: str, depth: int) -> Iterator[tuple[Fit, dict[str, Any]]]:
    """Each part that has names of the model, and what it has for it."""
    if not is_state_dict(part) or depth > _DEEPEST:
        return
    for prefix in _prefixes(part, expected):
        found = tensors_under(part, prefix, expected)
        is_whole = len(found) == sum(is_tensor(value) for value in part.values())
        fill_tied(expected, found)
        usual = is_whole and _is_usual_key(key) and not _without(prefix, _PREFIXES)
        yield Fit(key=key, prefix=prefix, is_usual=usual), found
    for name in part:
        yield from _parts(part[name], expected, f"{key}.{name}" if key else name, depth + 1)


def _prefixes(part: State, expected: State) -> Sequence[str]:
    """What keys of a part have in front of a key that is expected."""
    for key in islice(expected, _MOST):
        found = dict.fromkeys(
            name.removesuffix(key)
            for written in part
            if (name := written if written.endswith(key) else _without(written, WRAPPERS)).endswith(key)
        )
        if found:
            return [*found]
    return ()


def _is_usual_key(key: str) -> bool:
    return not key or all(step in _KEYS for step in key.split("."))
