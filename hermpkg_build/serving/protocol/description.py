"""What a model takes and gives, as the protocol describes it, by one call of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermpkg_build.core.example_call import Arguments
from hermpkg_build.serving.protocol.datatypes import Output
from hermpkg_build.serving.protocol.inference import outputs_of
from hermpkg_build.serving.requests import Parameter

Description = dict[str, list[dict[str, Any]]]
"""The inputs and outputs of a model, as the protocol has them."""


class NotDescribedError(TypeError):
    """A call is not described, for the reason that it says: no request could make it."""


def described(name: str, datatype: str, dimensions: int) -> dict[str, Any]:
    """Describe an input or output; of its shape one call tells the number of dimensions."""
    return {"name": name, "datatype": datatype, "shape": [-1] * dimensions}


def described_call(parameters: Sequence[Parameter], arguments: Arguments, result: Any) -> Description:
    """Describe the inputs and outputs of a call that was made with `arguments`.

    Numbers, truth values and texts among these are parameters of a request, and no inputs. Raises
    NotDescribedError where an argument can be neither, so that no request could make the call.
    """
    try:
        inputs = [
            Output(name, value)
            for name, value in _named(parameters, arguments)
            if not isinstance(value, (bool, int, float, str))
        ]
        outputs = outputs_of(result)
    except TypeError as error:
        raise NotDescribedError(str(error)) from None
    return {
        "inputs": [described(each.name, each.datatype, len(each.shape)) for each in inputs],
        "outputs": [described(each.name, each.datatype, len(each.shape)) for each in outputs],
    }


def _named(parameters: Sequence[Parameter], arguments: Arguments) -> list[tuple[str, Any]]:
    """Name arguments by the parameters that take them; where one has no name, all go by their order."""
    args, kwargs = arguments
    names = [each.name for each in parameters if each.by_name][: len(args)]
    if len(names) < len(args):
        if kwargs or not all(map(_is_input, args)):
            raise TypeError("an argument has no name")
        names = [f"input__{number}" for number in range(len(args))]
    found = [*zip(names, args, strict=True), *kwargs.items()]
    for name, value in found:
        if not _is_input(value) and not isinstance(value, (bool, int, float, str)) and value is not None:
            raise TypeError(f"{name} is a {type(value).__name__}")
    return [(name, value) for name, value in found if value is not None]


def _is_input(value: Any) -> bool:
    """Whether an input of a request becomes such a value: a tensor, or texts in lists."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, str) or _is_input(each) for each in value)
    return hasattr(value, "shape")
