"""Weights of a model: a state dict out of a file, for a model that has all its keys and no others."""

from __future__ import annotations

from typing import Any

from hermpkg_build.core.texts import first_of
from hermpkg_build.errors import ActionError, Location
from hermpkg_build.factories.checkpoints import Other, read_checkpoint
from hermpkg_build.factories.state_dicts import (
    Fit,
    State,
    Voice,
    as_attributes,
    fill_tied,
    fits,
    is_state_dict,
    nearest,
    part_at,
    shape_of,
    tensors_under,
)

_SHOWN = 8


def load_weights(
    model: Any,
    path: str,
    *,
    shown: str,
    key: str = "",
    prefix: str = "",
    voice: Voice = as_attributes,
    has_shards: bool = False,
) -> Fit:
    """Load the state dict of the file at `path` into `model`, every key of either being in the other.

    `key` leads to the state dict inside the file, ``a.b`` to the part ``b`` of the part ``a``. With
    `prefix`, those of its keys count that begin so, without it. Where neither is given and the file as it is
    does not fit, the one part of it that does is taken, if it has a usual name. Values that are no tensors
    count where the model has them. With `has_shards` the file may be an index of others, or a folder with
    one. `shown` is the path for messages, which say by `voice` what to give.

    Returns what was taken. Raises ActionError.
    """
    if not callable(getattr(model, "load_state_dict", None)):
        raise ActionError(
            f"the factory returned a {type(model).__qualname__}, which has no load_state_dict",
            location=Location(shown),
            next_step="return a torch.nn.Module, or leave `weights` out",
        )
    checkpoint = read_checkpoint(path, shown, has_shards=has_shards)
    expected = _expected(model)
    taken = Fit(key=key, prefix=prefix) if key or prefix else _usual(checkpoint, expected)
    state = _state_dict(checkpoint, taken, expected, shown, voice)
    try:
        fill_tied(expected, state)
        model.load_state_dict(state, strict=True)
    except (RuntimeError, KeyError, TypeError) as error:
        next_step = _advice(checkpoint, expected, voice)
        near = None if next_step or taken.named else nearest(checkpoint, expected)
        of = near[0] if near is not None and near[0].named else taken
        state = near[1] if near is not None else state
        raise _misfit(expected, state, error, shown, voice(of), next_step) from error
    return taken


def _expected(model: Any) -> State:
    state: State = model.state_dict() if callable(getattr(model, "state_dict", None)) else {}
    return state


def _usual(checkpoint: Any, expected: State) -> Fit:
    """The part of a checkpoint that fits, where it is the only one; else all of the checkpoint."""
    whole = Fit(key="", prefix="")
    if is_state_dict(checkpoint) and expected.keys() <= tensors_under(checkpoint, "", expected).keys():
        return whole
    found = fits(checkpoint, expected)
    return found[0] if len(found) == 1 and found[0].is_usual else whole


def _state_dict(checkpoint: Any, taken: Fit, expected: State, shown: str, voice: Voice) -> dict[str, Any]:
    """The part of a checkpoint that was asked for, less what only the checkpoint is about."""
    part = part_at(checkpoint, taken.key) if taken.key else checkpoint
    if not is_state_dict(part):
        is_object = isinstance(part, Other)
        kind = "an object" if is_object else f"a {type(part).__qualname__}"
        found = f'no "{taken.key}"' if part is None else kind
        raise ActionError(
            f"the weights file holds {found}, not a state dict",
            location=Location(shown),
            next_step=_advice(checkpoint, expected, voice)
            or "write it with torch.save(model.state_dict(), path)",
        )
    return tensors_under(part, taken.prefix, expected)


def _misfit(
    expected: State, state: State, error: Exception, shown: str, part: str, next_step: str
) -> ActionError:
    """Why a state dict does not go into a model, key by key."""
    missing = sorted(expected.keys() - state.keys())
    unexpected = sorted(state.keys() - expected.keys())
    shapes = [
        f"{key}: {shape_of(state[key])} in the file, {shape_of(expected[key])} in the model"
        for key in sorted(expected.keys() & state.keys())
        if shape_of(state[key]) != shape_of(expected[key])
    ]
    facts = [
        (name, "\n".join(first_of(lines, _SHOWN)))
        for name, lines in (("missing", missing), ("unexpected", unexpected), ("shapes", shapes))
        if lines
    ]
    if part:
        facts.append(("part", part))
    return ActionError(
        "the weights do not fit the model",
        location=Location(shown),
        facts=facts or [("reason", str(error))],
        next_step=next_step or _prefix_of_model(missing, unexpected),
    )


def _advice(checkpoint: Any, expected: State, voice: Voice) -> str:
    """What to give so that a part of the checkpoint is taken that fits the model; "" where none does."""
    fitting = [fit for fit in fits(checkpoint, expected) if fit.named]
    if not fitting:
        return ""
    head = "give this, which fits:" if len(fitting) == 1 else "give one of these, which fit:"
    return "\n".join([head, *(f"    {voice(fit)}" for fit in fitting)])


def _prefix_of_model(missing: list[str], unexpected: list[str]) -> str:
    """The next step: what to do about a prefix of the model's keys, where these differ by that alone."""
    if missing and unexpected and missing[0].endswith(f".{unexpected[0]}"):
        prefix = missing[0].removesuffix(unexpected[0])
        if [prefix + key for key in unexpected] == missing:
            return f'every key of the model starts with "{prefix}": save the module without its wrapper'
    return (
        "make the model with the arguments that it had when these were saved:"
        " --arg NAME=VALUE for commands, args for a `model`"
    )
