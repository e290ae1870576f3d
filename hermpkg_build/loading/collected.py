"""Raises errors that were collected: one as itself, several together in source order."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.errors import GroupedError, HermpkgError, Location


def raise_all(errors: Sequence[HermpkgError], where: str) -> None:
    """Raise what was collected, if anything: the one error, or a GroupedError in source order.

    `where` ends the summary "3 errors ...". Groups among several are taken apart, and what is
    said twice is said once.
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
