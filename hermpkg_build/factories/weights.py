"""Weights of a model: a .safetensors file, or a .pt that holds tensors alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermpkg_build.core.texts import first_of
from hermpkg_build.errors import ActionError, Location

_SHOWN = 8


def load_weights(model: Any, path: str, *, shown: str) -> None:
    """Load the state dict of the file at `path` into `model`, every key of either being in the other.

    The file is mapped, so that its tensors are in memory once, as those of the model. `shown` is
    the path for messages. Raises ActionError.
    """
    if not callable(getattr(model, "load_state_dict", None)):
        raise ActionError(
            f"the factory returned a {type(model).__qualname__}, which has no load_state_dict",
            location=Location(shown),
            next_step="return a torch.nn.Module, or leave `weights` out",
        )
    state = _read(path, shown)
    try:
        _fill_tied(model, state)
        model.load_state_dict(state, strict=True)
    except (RuntimeError, KeyError) as error:
        raise _misfit(model, state, error, shown) from error


def _read(path: str, shown: str) -> dict[str, Any]:
    if path.endswith(".safetensors"):
        state = _read_safetensors(path, shown)
    elif path.endswith((".pt", ".pth", ".bin")):
        state = _read_torch(path, shown)
    else:
        raise ActionError(
            "weights are a .safetensors file, or a .pt, .pth or .bin that torch.save wrote",
            location=Location(shown),
        )
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise ActionError(
            f"the weights file holds a {type(state).__qualname__}, not a state dict",
            location=Location(shown),
            next_step="write it with torch.save(model.state_dict(), path)",
        )
    return dict(state)


def _read_safetensors(path: str, shown: str) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise _not_installed(".safetensors", "safetensors torch", shown, error) from error
    try:
        return load_file(path)
    except Exception as error:
        raise _unreadable(shown, error) from error


def _read_torch(path: str, shown: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise _not_installed(".pt", "torch", shown, error) from error
    import zipfile

    try:
        # Only the ZIP format can be mapped; torch writes it since 1.6.
        mapped = zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:
        raise _unreadable(shown, error) from error


def _not_installed(suffix: str, distributions: str, shown: str, error: ImportError) -> ActionError:
    return ActionError(
        f"weights in a {suffix} file need {distributions.replace(' ', ' and ')}",
        location=Location(shown),
        facts=[("reason", str(error))],
        next_step=f"pip install {distributions}",
    )


def _unreadable(shown: str, error: Exception) -> ActionError:
    text = f"{type(error).__name__}: {error}".splitlines()
    weights_only = any("weights_only" in line or "Weights only" in line for line in text)
    return ActionError(
        "the weights file holds more than tensors" if weights_only else "the weights file cannot be read",
        location=Location(shown),
        facts=[("reason", "\n".join(text[:4]))],
        next_step=(
            "write it with torch.save(model.state_dict(), path)"
            if weights_only
            else "check that it is complete: its size, and whether it was downloaded whole"
        ),
    )


def _fill_tied(model: Any, state: dict[str, Any]) -> None:
    """Give a key that the file leaves out the tensor of another that is the same memory in the model.

    Files of safetensors hold each tensor once, under one of its names.
    """
    if not callable(getattr(model, "state_dict", None)):
        return
    expected = model.state_dict()
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


def _misfit(model: Any, state: Mapping[str, Any], error: Exception, shown: str) -> ActionError:
    """Why a state dict does not go into a model, key by key."""
    expected: Mapping[str, Any] = model.state_dict() if hasattr(model, "state_dict") else {}
    missing = sorted(expected.keys() - state.keys())
    unexpected = sorted(state.keys() - expected.keys())
    shapes = [
        f"{key}: {tuple(state[key].shape)} in the file, {tuple(expected[key].shape)} in the model"
        for key in sorted(expected.keys() & state.keys())
        if getattr(state[key], "shape", None) != getattr(expected[key], "shape", None)
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
        next_step=_prefix_hint(missing, unexpected),
    )


def _prefix_hint(missing: list[str], unexpected: list[str]) -> str:
    """The next step: what to do about a prefix, where the keys differ by that alone."""
    for longer, shorter, whose in ((unexpected, missing, "file"), (missing, unexpected, "model")):
        if longer and shorter and longer[0].endswith(f".{shorter[0]}"):
            prefix = longer[0].removesuffix(shorter[0])
            if [prefix + key for key in shorter] == longer:
                return f'every key of the {whose} starts with "{prefix}": save the module without its wrapper'
    return "save the weights of the model that the factory makes with the same arguments"
