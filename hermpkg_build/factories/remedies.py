"""Says what to change in code that runs as a script or in a notebook, and fails where a factory is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_ABSENT_IN_MAIN = re.compile(r"Can't get attribute '(\w+)' on <module '__main__'")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*\b")


def remedy(errors: Iterable[BaseException]) -> str:
    """The next step for an exception with its causes; "" where nothing is known of it."""
    return next((step for step in map(_remedy, errors) if step), "")


def remedy_of_environment(text: str, seen: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """The next step where a message names one of the `variables` that the factory has not `seen`; else ""."""
    named = (name for name in _VARIABLE.findall(text) if name in variables and name not in seen)
    name = next(named, "")
    if not name:
        return ""
    return (
        f"builds show a factory no variables of your shell, such as {name}: set it in its module,"
        f' for everyone who builds:\n    os.environ["{name}"] = "..."'
    )


def _remedy(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            "the script is imported, to call a function of it, and has no command line then: put what it does"
            ' only when it is run, such as parsing arguments, below\n    if __name__ == "__main__":'
        )
    if isinstance(error, NameError) and error.name == "get_ipython":
        return (
            "such lines of an exported notebook run in a notebook alone: take them out, or pack in a cell:"
            '\n    hermpkg_build.pack(model, "model.pt")'
        )
    if isinstance(error, AttributeError) and (absent := _ABSENT_IN_MAIN.search(str(error))):
        name = absent[1]
        return (
            f"the file was written by a script, where {name} was a class of __main__: import {name} and what"
            " else of the script is in the file, and put all of it there before the file is read:"
            f"\n    import __main__\n    __main__.{name} = {name}"
        )
    return ""
