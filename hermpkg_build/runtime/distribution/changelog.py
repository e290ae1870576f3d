"""CHANGELOG.md in the form of Keep a Changelog: what is not released yet, and what each release brought."""

from __future__ import annotations

import re

_UNRELEASED = "## [Unreleased]\n"
_HEADING = re.compile(r"^## \[(?P<version>[^]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


class ChangelogError(Exception):
    """The changelog does not have the form that it should have."""


def released_versions(text: str) -> tuple[str, ...]:
    """Return the versions that have a section, newest first."""
    return tuple(match["version"] for match in _HEADING.finditer(text) if match["version"] != "Unreleased")


def section_of(text: str, version: str) -> str:
    """Return what stands below the heading of a version, or of ``Unreleased``. Raises ChangelogError."""
    headings = list(_HEADING.finditer(text))
    for number, match in enumerate(headings):
        if match["version"] == version:
            end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
            return text[match.end() : end].strip()
    raise ChangelogError(f"CHANGELOG.md has no section ## [{version}]")


def is_empty(section: str) -> bool:
    """Tell whether a section says nothing: headings of kinds alone do not count."""
    return not [line for line in section.splitlines() if line.strip() and not line.startswith("#")]


def cut(text: str, version: str, date: str) -> str:
    """Make what is not released yet the section of a version. Raises ChangelogError."""
    if text.count(_UNRELEASED) != 1:
        raise ChangelogError(f"CHANGELOG.md has not one line {_UNRELEASED.strip()}")
    return text.replace(_UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {date}\n")
