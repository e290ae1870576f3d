"""Examples: the arguments of one call, as `pack` takes them and artifacts record them."""

from __future__ import annotations

from typing import Any, TypeAlias

Arguments: TypeAlias = "tuple[tuple[Any, ...], dict[str, Any]]"
"""Arguments by position, and by name."""


def arguments_of(example: Any) -> Arguments:
    """Return the arguments that an example stands for: a tuple of them, a dict by name, or one alone.

    >>> arguments_of((1, 2)), arguments_of({"x": 1}), arguments_of([1])
    (((1, 2), {}), ((), {'x': 1}), (([1],), {}))
    """
    if isinstance(example, tuple) and not hasattr(example, "_fields"):
        return example, {}
    if type(example) is dict and all(isinstance(name, str) for name in example):
        return (), example
    return (example,), {}


def example_of(arguments: Arguments) -> Any:
    """Return an example that stands for arguments that `arguments_of` has given."""
    args, kwargs = arguments
    return kwargs or args
