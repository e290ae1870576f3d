"""Exceptions on their way from a worker to the caller, who may not have their classes."""

from __future__ import annotations

import builtins
import functools
import traceback
from contextlib import suppress
from typing import Any

from hermpkg_build.dataclass import dataclass
from hermpkg_build.runtime.mangling import demangle
from hermpkg_build.serving.channel import Part
from hermpkg_build.serving.errors import CallError, RemoteTraceback
from hermpkg_build.serving.transfer import pack, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """What is known of an exception wherever it goes; `bases` are Python's own classes among its own."""

    type_name: str
    message: str
    traceback: str
    bases: tuple[str, ...]


def pack_raised(error: BaseException, *, frames_of_ours: int = 0) -> list[Part]:
    """Return an exception as parts: what is known of it, and itself where it can be pickled.

    The outermost `frames_of_ours` of its traceback are left out.
    """
    entries = error.__traceback__
    for _ in range(frames_of_ours):
        if entries is not None and entries.tb_next is not None:
            entries = entries.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, entries))
    except Exception:  # noqa: BLE001 -- its own words can fail in any way
        text = "(the traceback cannot be shown)"
    known = Raised(
        type_name=_full_name(type(error)),
        message=_message(error),
        traceback=text.rstrip(),
        bases=tuple(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins"),
    )
    itself: list[Part] = []
    if isinstance(error, Exception):
        with suppress(Exception):
            itself = pack(error)
    return [*pack(known), *itself]


def unpack_raised(parts: list[Part], prefix: str | None) -> Exception:
    """Make the exception again, or a CallError that says of it what is known.

    `prefix` is the id of the importer here, None where there is none.
    """
    known: Raised = unpack(parts[:1], None)
    cause = RemoteTraceback(known.traceback)
    if len(parts) > 1:
        try:
            error = unpack(parts[1:], prefix)
        except Exception:  # noqa: BLE001 -- its class is not here, or cannot be made from its arguments
            error = None
        if isinstance(error, Exception):
            error.__cause__ = cause
            return error
    made = _call_error(known)
    made.__cause__ = cause
    return made


def _call_error(known: Raised) -> CallError:
    summary = f"{known.type_name}: {known.message}" if known.message else known.type_name
    base = next((name for name in known.bases if name not in ("object", "BaseException")), "Exception")
    try:
        return _error_class(base)(summary, type_name=known.type_name, traceback=known.traceback)
    except Exception:  # noqa: BLE001 -- some classes of Python's ask for arguments of their own
        return CallError(summary, type_name=known.type_name, traceback=known.traceback)


@functools.cache
def _error_class(base: str) -> type[CallError]:
    """Return a CallError that is also an error of Python's class `base`."""
    found: Any = getattr(builtins, base)
    if not issubclass(found, Exception) or issubclass(CallError, found):
        return CallError
    return type("CallError", (CallError, found), {"__module__": CallError.__module__})


def _full_name(cls: type[Any]) -> str:
    module = demangle(cls.__module__)
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 -- its own words can fail in any way
        return "(its message cannot be shown)"
