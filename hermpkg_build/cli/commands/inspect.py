"""``hermpkg inspect``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.core.texts import aligned, size_text
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.manifest import Manifest
    from hermpkg_build.inspection.contents import Contents


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectArguments(EngineArguments):
    """What ``hermpkg inspect`` is told: an artifact, a label or a file."""

    artifact: str = operand("LABEL|FILE")
    tree: bool = flag("--tree", "show the records as a tree of folders")


@command(InspectArguments, group="look into artifacts", example="hermpkg inspect //models:resnet")
def run(arguments: InspectArguments, console: Console) -> ExitCode:
    """List what an artifact holds.

    Shows its records with their sizes and digests, and what its manifest says, and marks what was edited
    since it was built. The artifact is that of a target, which is built first where it is not up to date, or
    the one in a file.
    """
    from hermpkg_build.cli.building import open_artifact
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.inspection.contents import contents_of
    from hermpkg_build.runtime.contents.file_tree import Directory

    with open_artifact(arguments.artifact, arguments, console) as archive:
        contents = contents_of(archive)
    console.give_json(to_json(contents))
    if arguments.tree:
        tree = Directory.of_files(contents.root, [record.name for record in contents.records])
        for line in str(tree).rstrip("\n").split("\n"):
            console.say(line)
    else:
        for line in _lines(contents):
            console.say(line)
    return ExitCode.SUCCESS


def _lines(contents: Contents) -> Iterator[str]:
    if contents.manifest is not None:
        yield from _manifest_lines(contents.manifest)
    yield f"records under {contents.root}/:"
    yield from aligned(
        (
            f"  {size_text(record.bytes):>9}",
            record.kind,
            f"sha256:{record.sha256[:16]}",
            record.name + ("  changed since it was built" if record.as_built is False else ""),
        )
        for record in contents.records
    )
    total = sum(record.bytes for record in contents.records)
    yield f"{len(contents.records)} records, {size_text(total)}"
    yield from _differences(contents)


def _manifest_lines(manifest: Manifest) -> Iterator[str]:
    from hermpkg_build.core.policy import Policy

    yield f"built by {manifest.tool.name} {manifest.tool.version} for Python {manifest.python_version}"
    for record, model in sorted(manifest.models.items()):
        yield f"{record} is {model.label}, made by {model.factory}"
    for policy in Policy:
        count = sum(module.policy is policy for module in manifest.modules.values())
        if count:
            yield f"{count} modules {policy}ed"
    requires = manifest.required_versions()
    for name, version in sorted(manifest.distributions.items()):
        wanted = requires.get(name, "")
        yield (
            f"needs {name}{wanted}, built against {version}" if wanted else f"built against {name} {version}"
        )
    yield ""


def _differences(contents: Contents) -> Iterator[str]:
    """What an edit has added or taken away, by the manifest."""
    from hermpkg_build.archive.layout import MANIFEST

    for name in contents.duplicates:
        yield f"there more than once, of which the last counts: {name}"
    for name in contents.strays:
        yield f"outside of {contents.root}/, where no reader looks: {name}"
    if contents.manifest is None:
        yield "no manifest: written by torch.package, not by hermpkg"
        return
    present = {record.name for record in contents.records}
    for name in sorted(contents.manifest.records.keys() - present):
        yield f"gone since it was built: {name}"
    for record in contents.records:
        if record.as_built is None and record.name != MANIFEST:
            yield f"added since it was built: {record.name}"
