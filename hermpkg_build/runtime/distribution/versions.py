"""The places that name the version, in step with the one source of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checkout_files import checkout_files

SOURCE = "hermpkg_build/version.py"

_FORM = r"(?P<version>[0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)"
_ONE_EACH = {
    SOURCE: '^__version__ = "{}"$',
    "hermpkg_build/build_version.py": '^BUILD_VERSION = "{}"$',
    "MODULE.bazel": '^    version = "{}",$',
    "CITATION.cff": "^version: {}$",
    "Dockerfile": 'image\\.version="{}"',
}
"""Files that name it once, with a pattern of the place."""

_ANYWHERE = (
    r"\bhermpkg-(?:build|runtime|speed)(?:\[[a-z,]+\])?=={}",
    r"\bhermpkg@v{}",
    r"\bhermpkg\n[# ]+re[fv]: v{}",
    r'name = "hermpkg",\s+version = "{}"',
    r"\bhermpkg_build-{}(?=\.tar\.gz|\")",
    r"/hermpkg/releases/download/v{}",
)
"""How pages, examples and templates name a release that readers are to use."""

_PAGES = re.compile(r"(README\.md|SECURITY\.md|(docs|examples|\.gitlab)/.*|hermpkg_build/runtime/README\.md)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a version stands."""

    file: str
    line: int
    version: str


def version_places(checkout: Path) -> Iterator[Place]:
    """Yield every place that names the version; of a file that should and does not, one with none."""
    for file, pattern in _patterns(checkout):
        text = (checkout / file).read_text(encoding="utf-8")
        matches = list(pattern.finditer(text))
        for match in matches:
            yield Place(
                file=file, line=text.count("\n", 0, match.start("version")) + 1, version=match["version"]
            )
        if file in _ONE_EACH and len(matches) != 1:
            yield Place(file=file, line=1, version="")


def set_version(checkout: Path, version: str) -> None:
    """Write another version to every place."""
    for file, pattern in _patterns(checkout):
        path = checkout / file
        text = path.read_text(encoding="utf-8")
        changed = pattern.sub(lambda match: _with_version(match, version), text)
        if changed != text:
            path.write_text(changed, encoding="utf-8")


def _with_version(match: re.Match[str], version: str) -> str:
    start, end = match.start("version") - match.start(), match.end("version") - match.start()
    return match[0][:start] + version + match[0][end:]


def _patterns(checkout: Path) -> Iterator[tuple[str, re.Pattern[str]]]:
    for file, pattern in _ONE_EACH.items():
        yield file, re.compile(pattern.replace("{}", _FORM), re.MULTILINE)
    # A name can stand for one group alone, so each pattern is one of its own.
    anywhere = [re.compile(pattern.replace("{}", _FORM)) for pattern in _ANYWHERE]
    for file in checkout_files(checkout):
        if _PAGES.fullmatch(file) and file.endswith((".md", ".yml", ".toml", ".bazel", ".py", ".sh")):
            yield from ((file, pattern) for pattern in anywhere)
