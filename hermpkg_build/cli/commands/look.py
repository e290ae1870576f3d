"""``hermpkg look``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import writing
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.core.file_kinds import PAGE
from hermpkg_build.core.texts import size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json

_SCREENS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
_UNSAFE = '<>:"/\\|?*'


@dataclass(frozen=True, slots=True, kw_only=True)
class LookArguments(EngineArguments):
    """What ``hermpkg look`` is told: an artifact, or two to be compared."""

    artifact: str = operand("LABEL|FILE")
    other: str = operand("[LABEL|FILE]")
    output: str | None = option(
        "-o, --output FILE",
        "write the page to FILE (default: a new folder for temporary files)",
        read=str,
        default=None,
        writes=PAGE,
    )
    no_open: bool = flag("--no-open", "write the page, and do not open it, as with `--json`")


@command(LookArguments, group="look into artifacts", example="hermpkg look //models:resnet")
def run(arguments: LookArguments, console: Console) -> ExitCode:
    """Open a page that shows what is in an artifact, and why.

    The page is one HTML file, which works offline and can be sent: a map of all bytes, with tensors by name
    and code by distribution; the graph of modules, folded by package, with the shortest chain of imports to
    each; what must be installed where the artifact lands; search. Of two artifacts it shows what changed.

    Nothing of an artifact runs, neither to make the page nor in it. It needs the extra ``look``.
    """
    from hermpkg_build.explorer.page import html_page

    data = _data(arguments, console)
    page = html_page(data).encode()
    path = _written(arguments, str(data["title"]), page)
    console.give_json({"path": path, "bytes": len(page)})
    console.say(f"{path}  {size_text(len(page))}")
    if not (arguments.no_open or arguments.json):
        _open(path, console)
    return ExitCode.SUCCESS


def _data(arguments: LookArguments, console: Console) -> dict[str, Json]:
    from hermpkg_build.cli.building import open_artifact
    from hermpkg_build.core.collection_pause import paused_collection
    from hermpkg_build.explorer.artifact_page import artifact_page
    from hermpkg_build.explorer.difference_page import difference_page

    with open_artifact(arguments.artifact, arguments, console) as archive:
        if not arguments.other:
            with paused_collection:
                return artifact_page(archive)
        with open_artifact(arguments.other, arguments, console) as other, paused_collection:
            return difference_page(archive, other)


def _written(arguments: LookArguments, title: str, page: bytes) -> str:
    """Write the page to its place; return the path."""
    from hermpkg_build.disk.replacing import replace_file

    path = arguments.output
    if path is None:
        import tempfile

        name = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in title).strip(". ")[:100]
        path = os.path.join(tempfile.mkdtemp(prefix="hermpkg-look-"), f"{name or 'artifact'}.html")
    if os.path.isdir(path):
        raise CommandLineError(f"--output names a folder: {path}", next_step="name a file in it")
    with writing("the page", path):
        replace_file(path, page)
    return path


def _open(path: str, console: Console) -> None:
    import webbrowser
    from pathlib import Path

    # Without a screen Python would start a browser for terminals, which cannot show the page.
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in _SCREENS)
    if not has_screen or not webbrowser.open(Path(os.path.abspath(path)).as_uri()):
        console.note(f"no browser could be opened: open {path} yourself, or on another machine")
