"""``hermpkg pull``."""

from __future__ import annotations

import os
import re
from contextlib import closing
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import writing
from hermpkg_build.cli.registry_options import RegistryArguments
from hermpkg_build.cli.styles import faint, strong
from hermpkg_build.core.file_kinds import ARTIFACT, BILL, STATEMENT
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.keeping import why_not_replaced
from hermpkg_build.errors import CommandLineError, ExitCode

if TYPE_CHECKING:
    from hermpkg_build.registry.pull import Pulled


def read_sha256(text: str) -> str:
    """Read a SHA-256, for an option. Raises ValueError."""
    digest = text.removeprefix("sha256:").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError("64 hexadecimal digits")
    return digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PullArguments(RegistryArguments):
    """What ``hermpkg pull`` is told."""

    reference: str = operand("oci://REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST]|URL")
    output: str | None = option(
        "-o, --output FILE",
        "write the artifact to FILE (default: the last part of the repository, with `.pt` at the end, here)",
        read=str,
        default=None,
        writes=ARTIFACT,
    )
    sha256: str = option(
        "--sha256 DIGEST",
        "the SHA-256 that the file must have, as `hermpkg push` printed it",
        read=read_sha256,
        default="",
    )
    without_signatures: bool = flag(
        "--without-signatures", "leave what refers to the artifact where it is, its signatures included"
    )


@command(
    PullArguments,
    group="where it lands",
    example="hermpkg pull oci://registry.example.com/team/resnet:1.2 -o resnet.pt",
)
def run(arguments: PullArguments, console: Console) -> ExitCode:
    """Pull an artifact from a container registry: the very file that was pushed.

    Only layers that the cache lacks travel, several at once, and go on where a connection breaks. Each is
    compared with its digest on arrival, and the file with the digest that it had: where anything is wrong,
    nothing is written. A reference with ``@sha256:...`` always means the same file. Signatures, attestations
    and bills of materials that refer to the artifact are written beside it; ``hermpkg verify`` verifies them.

    The login is docker's, from its configuration or its credential helpers: ``docker login REGISTRY``.

    From any other URL, such as ``s3://BUCKET/FILE``, ``gs://`` or ``hf://``, the file is read whole, by
    the library that fsspec has for it; ``--sha256`` says which one it must be.
    """
    if "://" in arguments.reference and not arguments.reference.startswith("oci://"):
        return _pull_whole(arguments, console)
    connection = arguments.connection
    from hermpkg_build.cli.transfers import transfer_shown
    from hermpkg_build.registry.progress import Progress
    from hermpkg_build.registry.pull import pull
    from hermpkg_build.registry.reference import Reference
    from hermpkg_build.store.cache import open_cache

    reference = Reference.parse(arguments.reference)
    path = _output(arguments, f"{reference.name}.pt")
    if arguments.sha256:
        raise CommandLineError(
            "--sha256 is for a file of another store: a reference says which artifact it means",
            next_step=f"write oci://{reference.host}/{reference.repository}@sha256:DIGEST",
        )
    progress = Progress()
    with (
        closing(open_cache(arguments.cache_dir)) as cache,
        transfer_shown(progress, f"pulling {arguments.reference}", console),
    ):
        pulled = pull(
            reference,
            path,
            connection,
            cache,
            with_attachments=not arguments.without_signatures,
            progress=progress,
        )
    beside = _write_attachments(path, pulled, console)
    console.give_json(
        {
            "reference": str(pulled.reference),
            "manifest_sha256": pulled.reference.sha256,
            "path": path,
            "sha256": pulled.file.hash,
            "bytes": pulled.file.size,
            "layers": pulled.layers,
            "layers_moved": pulled.moved,
            "bytes_moved": pulled.moved_bytes,
            "attached": beside,
        }
    )
    console.say(strong(path), f"  {pulled.file.size:,} bytes, sha256 {pulled.file.hash}")
    console.mention(
        faint(f"{pulled.moved} of {pulled.layers} layers moved, {pulled.moved_bytes:,} bytes"),
        faint(f"; with it {', '.join(beside)}" if beside else ""),
    )
    return ExitCode.SUCCESS


def _output(arguments: PullArguments, name: str) -> str:
    """Return the file to write, by default one of this name. Raises CommandLineError."""
    if arguments.output is not None:
        return arguments.output
    if reason := why_not_replaced(name, ARTIFACT):
        raise CommandLineError(
            "the artifact would overwrite another file",
            facts=[("file", name), ("reason", reason)],
            next_step="name the file to write: -o FILE",
        )
    return name


def _pull_whole(arguments: PullArguments, console: Console) -> ExitCode:
    from hermpkg_build.cli.transfers import transfer_shown
    from hermpkg_build.registry.progress import Progress
    from hermpkg_build.registry.whole_files import pull_whole
    from hermpkg_build.remote.addresses import without_secrets

    if arguments.output is None:
        raise CommandLineError("-o FILE is needed: it says where to write the artifact")
    progress = Progress()
    with transfer_shown(progress, f"pulling {without_secrets(arguments.reference)}", console):
        digest = pull_whole(arguments.reference, arguments.output, arguments.sha256, progress)
    console.give_json(
        {"url": arguments.reference, "path": arguments.output, "sha256": digest.hash, "bytes": digest.size}
    )
    console.say(strong(arguments.output), f"  {digest.size:,} bytes, sha256 {digest.hash}")
    return ExitCode.SUCCESS


def _write_attachments(path: str, pulled: Pulled, console: Console) -> list[str]:
    """Write what refers to an artifact beside it; of the same name the first counts, others get a number.

    What was pulled before gives way; a file of another kind stays.
    """
    from hermpkg_build.disk.replacing import replace_file

    written: list[str] = []
    for attachment in pulled.attachments:
        place, number = f"{path}{attachment.ending}", 1
        while place in written:
            number += 1
            place = f"{path}.{number}{attachment.ending}"
        kind = BILL if attachment.ending.endswith((".cdx.json", ".spdx.json")) else STATEMENT
        if reason := why_not_replaced(place, kind):
            console.warn(f"{place} is not written: {reason}")
            continue
        with writing("what refers to the artifact", place):
            replace_file(place, attachment.data)
        written.append(place)
    return [os.path.normpath(place) for place in written]
