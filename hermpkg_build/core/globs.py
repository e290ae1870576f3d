"""Globs over dotted module names and over paths, with the semantics of torch.package's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

GlobPattern: TypeAlias = str | Iterable[str]


class GlobGroup:
    """A set of patterns that a candidate matches when one of `include` and none of `exclude` does.

    A candidate is split at `separator` into segments. In a pattern ``*`` stands for any part of
    one segment and ``**``, as a whole segment, for zero or more segments.
    Raises ValueError for ``**`` as a part of a segment.

    >>> group = GlobGroup("models.**", exclude="models.old.**")
    >>> [group.matches(name) for name in ("models", "models.resnet", "models.old.vgg", "modelsets")]
    [True, True, False, False]

    `regex` is the group as one regular expression without capturing groups, for candidates that
    begin with a separator; it must match to their end.
    """

    __slots__ = ("exclude", "include", "regex", "separator")

    def __init__(self, include: GlobPattern, *, exclude: GlobPattern = (), separator: str = ".") -> None:
        self.include: tuple[str, ...] = _as_tuple(include)
        self.exclude: tuple[str, ...] = _as_tuple(exclude)
        self.separator: str = separator
        self.regex: str = _any_of(self.include, separator)
        if self.exclude:
            self.regex = rf"(?!{_any_of(self.exclude, separator)}\Z){self.regex}"

    def matches(self, candidate: str) -> bool:
        """Whether `candidate` matches."""
        return _compiled(self.regex).fullmatch(self.separator + candidate) is not None

    def __str__(self) -> str:
        text = f"GlobGroup(include={list(self.include)}"
        return text + (f", exclude={list(self.exclude)})" if self.exclude else ")")

    __repr__ = __str__


def covers(wide: GlobGroup, narrow: GlobGroup) -> bool:
    """Whether `wide` is sure to match every candidate that `narrow` matches.

    Each pattern of `narrow` is tried with segments that no pattern can name in place of its
    wildcards, and zero to two of them for each ``**``. A group whose cover is made of several
    patterns together, or of one less its excludes, is not recognised: the answer is then False.
    """
    if wide.exclude:
        return False
    singles = [GlobGroup(pattern, separator=wide.separator) for pattern in wide.include]
    for pattern in narrow.include:
        samples = _samples(pattern, narrow.separator)
        if not any(all(single.matches(sample) for sample in samples) for single in singles):
            return False
    return True


def _samples(pattern: str, separator: str) -> list[str]:
    samples: list[tuple[str, ...]] = [()]
    for segment in pattern.split(separator):
        if segment == "**":
            tails: tuple[tuple[str, ...], ...] = ((), ("\0",), ("\0", "\0"))
        elif "*" in segment:
            shortest = segment.replace("*", "")
            tails = ((segment.replace("*", "\0"),), *([(shortest,)] if shortest else []))
        else:
            tails = ((segment,),)
        samples = [sample + tail for sample in samples for tail in tails]
    return [separator.join(sample) for sample in samples if sample]


def _as_tuple(patterns: GlobPattern) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


@lru_cache(maxsize=4096)
def _compiled(regex: str) -> re.Pattern[str]:
    return re.compile(regex)


def _any_of(patterns: Sequence[str], separator: str) -> str:
    return "(?s:" + ("|".join(_to_regex(pattern, separator) for pattern in patterns) or "(?!)") + ")"


def _to_regex(pattern: str, separator: str) -> str:
    """A regular expression for `pattern` over candidates that begin with a separator."""
    if "*" not in pattern:
        return re.escape(separator + pattern)
    sep = re.escape(separator)
    one = f"[^{sep}]"
    regex = ""
    previous = ""
    for segment in pattern.split(separator):
        if segment != "**":
            if "**" in segment:
                raise ValueError(f"** can only be a whole segment of a pattern: {pattern!r}")
            regex += sep + f"{one}*".join(re.escape(part) for part in segment.split("*"))
        elif previous != "**":
            # Neighbouring ** say no more than one of them, but would be tried in every division.
            regex += f"(?:{sep}{one}+)*"
        previous = segment
    return regex
