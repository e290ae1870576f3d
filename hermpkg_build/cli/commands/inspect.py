"""``hermpkg inspect``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import Command, Invocation, Option
from hermpkg_build.cli.console import printable, size_text
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.manifest import Manifest
    from hermpkg_build.inspection.contents import Contents, RecordFacts


def run(invocation: Invocation) -> ExitCode:
    """List what the artifact in a file holds."""
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.inspection.contents import contents_of

    with ArchiveReader(invocation.words[0]) as archive:
        contents = contents_of(archive)
    if invocation.settings.json:
        invocation.console.give_json(to_json(contents))
    elif invocation.has("tree"):
        from hermpkg_build.runtime.contents.file_tree import Directory

        tree = Directory.of_files(contents.root, [record.name for record in contents.records])
        invocation.console.say(printable(str(tree).rstrip("\n")))
    else:
        for line in _lines(contents):
            invocation.console.say(printable(line))
    return ExitCode.SUCCESS


def _lines(contents: Contents) -> Iterator[str]:
    if contents.manifest is not None:
        yield from _manifest_lines(contents.manifest)
    yield f"records under {contents.root}/:"
    kinds = max(len(record.kind) for record in contents.records) if contents.records else 0
    for record in contents.records:
        mark = "  changed since it was built" if record.as_built is False else ""
        size = size_text(record.bytes)
        yield f"  {size:>9}  {record.kind:<{kinds}}  sha256:{record.sha256[:16]}  {record.name}{mark}"
    total = sum(record.bytes for record in contents.records)
    yield f"{len(contents.records)} records, {size_text(total)}"
    yield from _differences(contents)


def _manifest_lines(manifest: Manifest) -> Iterator[str]:
    from hermpkg_build.inspection.contents import modules_by_policy

    yield f"built by {manifest.tool.name} {manifest.tool.version} for Python {manifest.python_version}"
    for record, model in sorted(manifest.models.items()):
        yield f"{record} is {model.label}, made by {model.factory}"
    for policy, names in modules_by_policy(manifest).items():
        if names:
            yield f"{len(names)} modules {policy}ed"
    requires = manifest.required_versions()
    for name, version in sorted(manifest.distributions.items()):
        wanted = requires.get(name, "")
        yield (
            f"needs {name}{wanted}, built against {version}" if wanted else f"built against {name} {version}"
        )
    yield ""


def _differences(contents: Contents) -> Iterator[str]:
    """What an edit has added or taken away, by the manifest."""
    if contents.manifest is None:
        yield "no manifest: written by torch.package, not by hermpkg"
        return
    present = {record.name for record in contents.records}
    for name in sorted(contents.manifest.records.keys() - present):
        yield f"gone since it was built: {name}"
    for record in contents.records:
        if record.as_built is None and not _is_manifest(record):
            yield f"added since it was built: {record.name}"


def _is_manifest(record: RecordFacts) -> bool:
    from hermpkg_build.archive.layout import MANIFEST

    return record.name == MANIFEST


COMMAND = Command(
    name="inspect",
    words="FILE",
    summary="Lists what an artifact holds: its records with sizes and digests, and what its manifest says.",
    run=run,
    options=(Option(names=("--tree",), help="show the records as a tree of folders"),),
    least=1,
    most=1,
)
