"""Globs over dotted module names and over paths, with the semantics of torch.package's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

GlobPattern: TypeAlias = str | Sequence[str]


class GlobGroup:
    """A set of patterns that a candidate matches when one of `include` and none of `exclude` does.

    A candidate is split at `separator` into segments. In a pattern ``*`` stands for any part of
    one segment and ``**``, as a whole segment, for zero or more segments.
    Raises ValueError for ``**`` as a part of a segment.
    """

    __slots__ = ("_exclude", "_include", "exclude", "include", "separator")

    def __init__(self, include: GlobPattern, *, exclude: GlobPattern = (), separator: str = ".") -> None:
        self.include = _as_tuple(include)
        self.exclude = _as_tuple(exclude)
        self.separator = separator
        self._include = _compiled(self.include, separator)
        self._exclude = _compiled(self.exclude, separator) if self.exclude else None

    def matches(self, candidate: str) -> bool:
        """Whether `candidate` matches."""
        candidate = self.separator + candidate
        if not self._include.fullmatch(candidate):
            return False
        return self._exclude is None or not self._exclude.fullmatch(candidate)

    def __str__(self) -> str:
        text = f"GlobGroup(include={list(self.include)}"
        return text + (f", exclude={list(self.exclude)})" if self.exclude else ")")

    __repr__ = __str__


def _as_tuple(patterns: GlobPattern) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


@lru_cache(maxsize=4096)
def _compiled(patterns: tuple[str, ...], separator: str) -> re.Pattern[str]:
    return re.compile("|".join(_to_regex(pattern, separator) for pattern in patterns) or r"(?!)", re.DOTALL)


def _to_regex(pattern: str, separator: str) -> str:
    """A regular expression for `pattern` over candidates that begin with a separator."""
    sep = re.escape(separator)
    one = f"[^{sep}]"
    regex = ""
    for segment in pattern.split(separator):
        if segment == "**":
            regex += f"(?:{sep}{one}+)*"
        elif "**" in segment:
            raise ValueError(f"** can only be a whole segment of a pattern: {pattern!r}")
        else:
            regex += sep + f"{one}*".join(re.escape(part) for part in segment.split("*"))
    return regex
