"""Answers that need no command line to be parsed: the version, and builds in which no code has changed.

What is not answered here goes the usual way, which would say the same. So whatever is out of the ordinary, an
option, a setting of the user or a file that only its contents can vouch for, is left to that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence

from hermpkg_build.version import __version__


def answered(words: Sequence[str]) -> bool:
    """Answer what the command line `words` asks for, if that takes no more than a look."""
    if sys.stdout is None or sys.stdout.closed:
        return False
    if list(words) == ["--version"]:
        lines = [f"hermpkg {__version__}"]
    else:
        patterns, quiet = _patterns_of(words)
        found = _unchanged(patterns) if patterns else None
        if found is None:
            return False
        lines = [] if quiet else found
    text = "".join(f"{line}\n" for line in lines)
    if not text.isascii():
        return False  # Not every terminal can show it.
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        from hermpkg_build.cli.output import discard_output

        discard_output()  # the reader has seen enough
    return True


def _patterns_of(words: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Return the patterns of a build, none where `words` ask for anything else, and whether it is quiet."""
    plain = [word for word in words if word not in ("-q", "--quiet")]
    if plain[:1] == ["build"]:
        del plain[0]
    elif not plain or not is_pattern(plain[0]):
        return (), False
    if any(word.startswith("-") for word in plain):
        return (), False
    return tuple(plain), len(plain) < len(words) - (words[0] == "build" or "build" in words[:2])


def is_pattern(word: str) -> bool:
    """Whether `word`, in the place of a command, is a target pattern."""
    return word in (".", "..") or any(mark in word for mark in ("/", ":", "..."))


def _unchanged(patterns: tuple[str, ...]) -> list[str] | None:
    """Return the lines on targets that are up to date, or were brought so; None where that takes a build."""
    from hermpkg_build.core.user_file import user_settings_path
    from hermpkg_build.engine.snapshot_check import words_of
    from hermpkg_build.engine.up_to_date import brought_up_to_date

    if os.path.lexists(user_settings_path(os.environ)):
        return None
    found = brought_up_to_date(os.getcwd(), words_of(patterns))
    try:
        return _lines(found[0].values["targets"], found[1]) if found is not None else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _lines(targets: Sequence[Sequence[object]], built: Collection[object]) -> list[str]:
    from hermpkg_build.cli.styles import joined, wants_color
    from hermpkg_build.cli.target_line import target_line

    color = wants_color(sys.stdout, "auto", os.environ)
    told = [target for target in targets if target[1]] or targets
    lines = []
    for label, path, sha256, size, _ in told:
        assert isinstance(size, int)
        status = "built" if label in built else "up-to-date"
        pieces = target_line(str(label), str(path), str(sha256), size, status)
        lines.append(joined(pieces, color))
    return lines
