"""``hermpkg sign``."""

from __future__ import annotations

from collections.abc import Iterator

from hermpkg_build.cli.arguments import operands, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import is_artifact
from hermpkg_build.cli.signing_options import SigningArguments, signing_identity
from hermpkg_build.cli.styles import strong
from hermpkg_build.core.file_kinds import SIGNATURE
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import (
    ArchiveError,
    ArchiveNotFoundError,
    CommandLineError,
    ExitCode,
    LocalEnvironmentError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignArguments(SigningArguments):
    """What ``hermpkg sign`` is told."""

    words: tuple[str, ...] = operands("FILE|DIR|PATTERN...")
    signature: str | None = option(
        "--signature FILE",
        "write the signature to FILE (default: beside the artifact, with `.sig` at the end)",
        read=str,
        default=None,
        writes=SIGNATURE,
    )


@command(SignArguments, group="build and test", example="hermpkg sign //models:resnet --private-key key.pem")
def run(arguments: SignArguments, console: Console) -> ExitCode:
    """Sign artifacts, so that others can tell who made them.

    Artifacts of targets are built first. The signature has the form of the OpenSSF model-signing
    specification, whose own command ``model_signing verify`` accepts it, too; it covers every byte of the
    file, or of all files of an unpacked folder, lies beside it, and changes nothing of it. With a key, the
    same artifact gives the same signature again where the machine's OpenSSL can do that (RFC 6979).

    A signature of the same signer that is there gives way; one of somebody else does not: each lies in a file
    of its own. ``hermpkg verify --signature`` verifies them.
    """
    from hermpkg_build.signing.bundles import read_bundle
    from hermpkg_build.signing.files import signature_path
    from hermpkg_build.signing.folders import open_content
    from hermpkg_build.signing.making import model_statement, write_signature
    from hermpkg_build.signing.sign import sign_statement
    from hermpkg_build.signing.verify import claimed_signer

    identity = signing_identity(arguments)
    artifacts = list(_artifacts(arguments, console))
    if arguments.signature is not None and len(artifacts) > 1:
        raise CommandLineError(
            f"--signature needs one artifact, but there are {len(artifacts)}", next_step="sign one at a time"
        )
    signed = []
    for subject, path in artifacts:
        try:
            with open_content(path) as content:
                statement = model_statement(content)
            data = sign_statement(statement, identity)
            place = arguments.signature or signature_path(path)
            write_signature(place, data)
        except FileNotFoundError as error:
            if error.filename == path:
                raise ArchiveNotFoundError(path) from None
            raise ArchiveError("there is no such file", facts=[("file", str(error.filename))]) from None
        except OSError as error:
            raise LocalEnvironmentError(
                f"cannot sign {path!r}",
                facts=[("file", str(error.filename or path)), ("reason", error.strerror or str(error))],
            ) from error
        signer = claimed_signer(read_bundle(data))
        signed.append({"subject": subject, "path": path, "signature": place, "signer": signer})
        console.mention(strong(subject), f"  signed by {signer}  {place}")
    console.give_json({"signatures": signed})
    return ExitCode.SUCCESS


def _artifacts(arguments: SignArguments, console: Console) -> Iterator[tuple[str, str]]:
    """Give the name and the path of each artifact that is to be signed."""
    from hermpkg_build.cli.building import build_artifacts

    yield from ((word, word) for word in arguments.words if is_artifact(word))
    patterns = [word for word in arguments.words if not is_artifact(word)]
    if patterns:
        targets = build_artifacts(patterns, arguments, console)
        yield from ((target.label, target.path) for target in targets)
