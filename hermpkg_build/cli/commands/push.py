"""``hermpkg push``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option, repeated
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import is_file
from hermpkg_build.cli.registry_options import RegistryArguments
from hermpkg_build.cli.styles import faint, strong
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ArchiveError, CommandLineError, ExitCode, LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.registry.referrers import Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class PushArguments(RegistryArguments):
    """What ``hermpkg push`` is told."""

    artifact: str = operand("LABEL|FILE")
    reference: str = operand("oci://REGISTRY/REPOSITORY[:TAG]|URL")
    attach: tuple[str, ...] = repeated(
        "--attach FILE",
        "push FILE with it, as what refers to the artifact: a bill of materials (`.cdx.json`, `.spdx.json`), "
        "a signature (`.sig`), a statement (`.sigstore.json`, `.intoto.json`)",
        read=str,
    )
    without_signatures: bool = flag(
        "--without-signatures", "leave the signatures and attestations beside the artifact behind"
    )
    mount_from: str = option(
        "--mount-from REPOSITORY",
        "take layers from REPOSITORY of the same registry, where that has them",
        read=str,
        default="",
    )


@command(
    PushArguments,
    group="where it lands",
    example="hermpkg push //models:resnet oci://registry.example.com/team/resnet:1.2",
)
def run(arguments: PushArguments, console: Console) -> ExitCode:
    """Push an artifact to a container registry, in layers.

    A target is built first. Large records are layers of their own and small ones are stored together, so that
    of a new version only what changed has to travel; what the registry has already never does. Signatures and
    attestations that lie beside the artifact, and what ``--attach`` names, are pushed as what refers to it
    (referrers). ModelPack's tools list the artifact, and ``hermpkg pull`` writes the same file again, byte by
    byte.

    The login is docker's, from its configuration or its credential helpers: ``docker login REGISTRY``.

    To any other URL, such as ``s3://BUCKET/FILE``, ``gs://`` or ``hf://``, the artifact is written as one
    file, by the library that fsspec has for it.
    """
    if "://" in arguments.reference and not arguments.reference.startswith("oci://"):
        return _push_whole(arguments, console)
    connection = arguments.connection
    from hermpkg_build.cli.transfers import transfer_shown
    from hermpkg_build.registry.progress import Progress
    from hermpkg_build.registry.push import push
    from hermpkg_build.registry.reference import Reference

    reference = Reference.parse(arguments.reference)
    if reference.sha256:
        raise CommandLineError(
            "an artifact is pushed to a tag, not to a digest, which its contents decide",
            next_step=f"push to oci://{reference.host}/{reference.repository}:TAG",
        )
    path = _path_of(arguments, console)
    attachments = list(_attachments(path, arguments))
    progress = Progress()
    with transfer_shown(progress, f"pushing {reference}", console):
        pushed = push(
            path,
            reference,
            connection,
            mount_from=arguments.mount_from,
            attachments=attachments,
            progress=progress,
        )
    console.give_json(
        {
            "reference": str(pushed.reference),
            "manifest_sha256": pushed.reference.sha256,
            "sha256": pushed.file.hash,
            "bytes": pushed.file.size,
            "layers": pushed.layers,
            "layers_moved": pushed.moved,
            "bytes_moved": pushed.moved_bytes,
            "attached": list(pushed.attached),
        }
    )
    console.say(strong(str(pushed.reference)))
    console.mention(
        faint(f"{pushed.moved} of {pushed.layers} layers moved, {pushed.moved_bytes:,} bytes"),
        faint(f"; with it {', '.join(pushed.attached)}" if pushed.attached else ""),
    )
    return ExitCode.SUCCESS


def _push_whole(arguments: PushArguments, console: Console) -> ExitCode:
    from hermpkg_build.cli.transfers import transfer_shown
    from hermpkg_build.registry.progress import Progress
    from hermpkg_build.registry.whole_files import push_whole
    from hermpkg_build.remote.addresses import without_secrets

    if arguments.attach or arguments.mount_from:
        raise CommandLineError(
            "--attach and --mount-from need a registry",
            next_step="push other files there by the store's own tools, or push to oci://REGISTRY/REPOSITORY:TAG",
        )
    path, progress = _path_of(arguments, console), Progress()
    with transfer_shown(progress, f"pushing {without_secrets(arguments.reference)}", console):
        digest = push_whole(path, arguments.reference, progress)
    console.give_json({"url": arguments.reference, "sha256": digest.hash, "bytes": digest.size})
    console.say(strong(arguments.reference), f"  {digest.size:,} bytes, sha256 {digest.hash}")
    return ExitCode.SUCCESS


def _path_of(arguments: PushArguments, console: Console) -> str:
    """Return the path of the artifact, which is built where it is a target."""
    if is_file(arguments.artifact):
        return arguments.artifact
    if os.path.isdir(arguments.artifact) and os.path.isfile(f"{arguments.artifact}/.data/version"):
        raise CommandLineError(
            "an artifact that was unpacked cannot be pushed",
            facts=[("folder", arguments.artifact)],
            next_step="push the file that it was unpacked from",
        )
    from hermpkg_build.cli.building import build_artifacts

    artifacts = build_artifacts([arguments.artifact], arguments, console.aside())
    if len(artifacts) > 1:
        raise CommandLineError(
            f"{arguments.artifact} names {len(artifacts)} artifacts, but a reference is for one",
            next_step="push one at a time",
        )
    return artifacts[0].path


def _attachments(path: str, arguments: PushArguments) -> Iterator[Attachment]:
    from hermpkg_build.disk.files import read_limited
    from hermpkg_build.registry.referrers import ENDINGS, MOST_BYTES, Attachment, is_ending
    from hermpkg_build.signing.files import ATTESTATION_SUFFIX, SUFFIX, signature_files

    beside = [] if arguments.without_signatures else [SUFFIX, ATTESTATION_SUFFIX]
    found = [file for suffix in beside for file in signature_files(path, suffix)]
    for file in dict.fromkeys([*found, *arguments.attach]):
        name = os.path.basename(file)
        own = os.path.basename(path)
        ending = name.removeprefix(own) if name.startswith(own) else name[name.find(".") :]
        if not is_ending(ending):
            raise CommandLineError(
                f"{file!r} cannot be pushed with an artifact",
                facts=[("reason", f"its name does not end in {', '.join(ENDINGS)}")],
                next_step=f"name it as what it is: {own}.cdx.json for a bill of materials",
            )
        try:
            yield Attachment(ending=ending, data=read_limited(file, MOST_BYTES))
        except FileNotFoundError:
            raise ArchiveError("there is no such file", facts=[("file", file)]) from None
        except OSError as error:
            raise LocalEnvironmentError(
                f"cannot read {file!r}", facts=[("reason", error.strerror or str(error))]
            ) from error
