"""Raises collected errors: one as itself, several together in the order of their places."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.errors import GroupedError, HermpkgError, Location


def raise_all(errors: Sequence[HermpkgError], where: str) -> None:
    """Raise the errors, if there are any: the only one, or a GroupedError in the order of their places.

    `where` ends the summary "3 errors ...". Groups among several are taken apart, and equal errors are told
    once.
    """
    if len(errors) == 1:
        raise errors[0]
    flat: dict[str, HermpkgError] = {}
    for error in errors:
        for part in error.errors if isinstance(error, GroupedError) else (error,):
            flat.setdefault(part.render(), part)
    ordered = sorted(flat.values(), key=lambda error: error.location or Location(""))
    if len(ordered) == 1:
        raise ordered[0]
    if ordered:
        raise GroupedError(f"{len(ordered)} errors {where}", ordered)
