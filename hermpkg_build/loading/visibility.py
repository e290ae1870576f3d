"""Visibility: who may depend on a target."""

from __future__ import annotations

from collections.abc import Iterable

PUBLIC = "//visibility:public"
PRIVATE = "//visibility:private"


def absolute_visibility(words: Iterable[str], package: str) -> tuple[str, ...]:
    """Return visibility as written in `package`, with relative words (``:__pkg__``) made absolute."""
    return tuple(f"//{package}{word}" if word.startswith(":") else word for word in words)


def is_visible(visibility: Iterable[str], owner: str, user: str) -> bool:
    """Whether a target of the package `owner` with this visibility can be used by the package `user`.

    >>> is_visible(["//a:__subpackages__"], "b", "a/x"), is_visible(["//a:__pkg__"], "b", "a/x")
    (True, False)
    """
    if owner == user:
        return True
    for word in visibility:
        package, _, kind = word.removeprefix("//").partition(":")
        if word == PUBLIC or (kind == "__pkg__" and user == package):
            return True
        if kind == "__subpackages__" and (not package or user == package or user.startswith(package + "/")):
            return True
    return False
