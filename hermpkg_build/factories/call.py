"""Finds a factory by its name, and checks its arguments, with errors that point at the mistake."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.spelling import question
from hermpkg_build.disk.standard_library import interpreter
from hermpkg_build.errors import ActionError, Location
from hermpkg_build.factories.places import Places
from hermpkg_build.factories.remedies import step_for_standard_name

NEEDS = (
    "give what it needs in JSON, --arg NAME=VALUE for commands, args for a `model`;"
    " for what JSON cannot say, name a function that makes it and calls this one"
)


def find_factory(
    factory: str,
    modules: Mapping[str, str],
    places: Places,
    *,
    absent: str = "add the python_modules target that holds it to deps",
) -> Any:
    """The callable that ``module:name`` names.

    Raises ActionError where there is none, with `absent` as the next step where its module is not found, and
    whatever importing the module raises.
    """
    module_name, colon, qualname = factory.partition(":")
    if not (module_name and colon and qualname):
        raise ActionError(f'a factory reads "module:function", not "{factory}"')
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ActionError(
            f"there is no module {error.name}, which should hold the factory {factory}",
            facts=[("looked in", interpreter())],
            next_step=step_for_standard_name(error) or question(module_name, modules) or absent,
        ) from error
    found: Any = module
    for part in qualname.split("."):
        if not hasattr(found, part):
            raise ActionError(
                f"{module_name} has no {qualname}",
                location=_file_of(module, places),
                next_step=question(part, [n for n in dir(found) if not n.startswith("_")]),
            )
        found = getattr(found, part)
    if not callable(found) or hasattr(type(found), "load_state_dict"):
        # A model can be called, but not to make one.
        raise ActionError(
            f"{factory} is a {type(found).__qualname__}, and no function that makes a model",
            location=_file_of(module, places),
            next_step="write a function that returns it, and name that:"
            f"\n    def make():\n        return {qualname}",
        )
    return found


def check_arguments(factory: str, function: Any, arguments: Mapping[str, Json], places: Places) -> None:
    """Raise ActionError at the function's definition where it does not take these arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        names = [
            p.name for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        unknown = next((name for name in arguments if name not in names), "")
        raise ActionError(
            f"{factory} does not take these args: {error}",
            location=definition_of(function, places),
            facts=[("signature", f"{factory.partition(':')[2]}{signature}")],
            next_step=question(unknown, names) if unknown else NEEDS,
        ) from error


def returns_nothing(factory: str, location: Location | None = None) -> ActionError:
    """Make the error on a factory that returns None."""
    return ActionError(
        f"{factory} returns None, which is no model", location=location, next_step="let it return the model"
    )


def _file_of(module: Any, places: Places) -> Location | None:
    path = getattr(module, "__file__", None)
    return Location(places.short_path(path)) if path else None


def definition_of(function: Any, places: Places) -> Location | None:
    """Where a function, or the constructor of a class, is written."""
    target = vars(function).get("__init__") if isinstance(function, type) else inspect.unwrap(function)
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    return Location(places.short_path(code.co_filename), code.co_firstlineno) if code else None
