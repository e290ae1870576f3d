"""The line on a target of a build. Start-up imports this file, so that it imports next to nothing."""

from __future__ import annotations

from hermpkg_build.cli.styles import Styled, faint, good, strong
from hermpkg_build.core.texts import size_text


def target_line(
    label: str, path: str, sha256: str, size: int, status: str, *, verbose: bool = False
) -> list[str | Styled]:
    """Return the pieces of the line on an artifact of `size` bytes at `path`, "" where there is none."""
    colored = good(status) if status == "built" else faint(status)
    place = f"  {path}" if path else ""
    shown = sha256 if verbose else sha256[:16]
    return [strong(label), "  ", colored, f"{place}  {size_text(size)}  sha256:{shown}"]
