"""Weights of a model: a state dict out of a file, for a model that has all its keys and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from hermpkg_build.core.texts import first_of
from hermpkg_build.errors import ActionError, Location
from hermpkg_build.factories.checkpoints import Other, read_checkpoint

_SHOWN = 8
_DEEPEST = 3
"""How many levels of a checkpoint are searched for a state dict that fits."""


def load_weights(model: Any, path: str, *, shown: str, key: str = "", prefix: str = "") -> None:
    """Load the state dict of the file at `path` into `model`, every key of either being in the other.

    `key` leads to the state dict inside the file, ``a.b`` to the part ``b`` of the part ``a``. With
    `prefix`, those of its keys count that begin so, without it. Values that are no tensors count where the
    model has them. `shown` is the path for messages. Raises ActionError.
    """
    if not callable(getattr(model, "load_state_dict", None)):
        raise ActionError(
            f"the factory returned a {type(model).__qualname__}, which has no load_state_dict",
            location=Location(shown),
            next_step="return a torch.nn.Module, or leave `weights` out",
        )
    checkpoint = read_checkpoint(path, shown)
    expected = _expected(model)
    state = _state_dict(checkpoint, key, prefix, expected, shown)
    try:
        _fill_tied(expected, state)
        model.load_state_dict(state, strict=True)
    except (RuntimeError, KeyError, TypeError) as error:
        raise _misfit(expected, checkpoint, state, error, shown) from error


def _expected(model: Any) -> Mapping[str, Any]:
    state: Mapping[str, Any] = model.state_dict() if callable(getattr(model, "state_dict", None)) else {}
    return state


def _state_dict(
    checkpoint: Any, key: str, prefix: str, expected: Mapping[str, Any], shown: str
) -> dict[str, Any]:
    """The part of a checkpoint that `key` and `prefix` name, less what only the checkpoint is about."""
    state = _part(checkpoint, key) if key else checkpoint
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        kind = type(state).__qualname__
        found = f'no "{key}"' if state is None else "an object" if isinstance(state, Other) else f"a {kind}"
        if isinstance(state, Other):
            next_step = "write it with torch.save(model.state_dict(), path)"
        else:
            next_step = _advice(checkpoint, expected) or "write it with torch.save(model.state_dict(), path)"
        raise ActionError(
            f"the weights file holds {found}, not a state dict", location=Location(shown), next_step=next_step
        )
    chosen = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    return {name: value for name, value in chosen.items() if _is_tensor(value) or name in expected}


def _part(checkpoint: Any, key: str) -> Any:
    """What a dotted `key` leads to; None for nothing. Parts may have dots in their own keys."""
    if not isinstance(checkpoint, Mapping):
        return None
    if key in checkpoint:
        return checkpoint[key]
    for first in checkpoint:
        if isinstance(first, str) and key.startswith(f"{first}."):
            found = _part(checkpoint[first], key[len(first) + 1 :])
            if found is not None:
                return found
    return None


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "untyped_storage") or hasattr(value, "is_sparse")


def _fill_tied(expected: Mapping[str, Any], state: dict[str, Any]) -> None:
    """Give a key that the file leaves out the tensor of another that is the same memory in the model.

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


def _misfit(
    expected: Mapping[str, Any], checkpoint: Any, state: Mapping[str, Any], error: Exception, shown: str
) -> ActionError:
    """Why a state dict does not go into a model, key by key."""
    missing = sorted(expected.keys() - state.keys())
    unexpected = sorted(state.keys() - expected.keys())
    shapes = [
        f"{key}: {_shape(state[key])} in the file, {_shape(expected[key])} in the model"
        for key in sorted(expected.keys() & state.keys())
        if _shape(state[key]) != _shape(expected[key])
    ]
    facts = [
        (name, "\n".join(first_of(lines, _SHOWN)))
        for name, lines in (("missing", missing), ("unexpected", unexpected), ("shapes", shapes))
        if lines
    ]
    return ActionError(
        "the weights do not fit the model",
        location=Location(shown),
        facts=facts or [("reason", str(error))],
        next_step=_advice(checkpoint, expected) or _prefix_of_model(missing, unexpected),
    )


def _shape(value: Any) -> Any:
    shape = getattr(value, "shape", None)
    return "no tensor" if shape is None else tuple(shape)


def _advice(checkpoint: Any, expected: Mapping[str, Any]) -> str:
    """The attributes with which a part of the checkpoint fits the model; "" where none does."""
    fitting = [*islice(_fitting(checkpoint, expected, "", 0), _SHOWN)] if expected else []
    if not fitting:
        return ""
    lines = []
    for key, prefix in fitting:
        given = [("weights_key", key), ("weights_prefix", prefix)]
        lines.append("    " + ", ".join(f'{name} = "{value}"' for name, value in given if value) + ",")
    head = "give the model" if len(lines) == 1 else "give the model one of"
    return "\n".join([f"{head}, which fits:" if len(lines) == 1 else f"{head} these, which fit:", *lines])


def _fitting(part: Any, expected: Mapping[str, Any], key: str, depth: int) -> Iterator[tuple[str, str]]:
    """Each key and prefix of a state dict in a checkpoint that has what is expected."""
    if not isinstance(part, Mapping) or depth > _DEEPEST:
        return
    names = [name for name in part if isinstance(name, str)]
    first = next(iter(expected))
    for prefix in dict.fromkeys(name.removesuffix(first) for name in names if name.endswith(first)):
        if all(_shape(part.get(prefix + name)) == _shape(expected[name]) for name in expected) and (
            key or prefix
        ):
            yield key, prefix
    for name in names:
        yield from _fitting(part[name], expected, f"{key}.{name}" if key else name, depth + 1)


def _prefix_of_model(missing: list[str], unexpected: list[str]) -> str:
    """The next step: what to do about a prefix of the model's keys, where these differ by that alone."""
    if missing and unexpected and missing[0].endswith(f".{unexpected[0]}"):
        prefix = missing[0].removesuffix(unexpected[0])
        if [prefix + key for key in unexpected] == missing:
            return f'every key of the model starts with "{prefix}": save the module without its wrapper'
    return "save the weights of the model that the factory makes with the same arguments"
