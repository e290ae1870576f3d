"""``hermpkg attest``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.ascii_json import pretty_ascii
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.made_time import made_time
from hermpkg_build.cli.operands import current_workspace, is_file, writing
from hermpkg_build.cli.signing_options import SigningArguments, signing_identity
from hermpkg_build.cli.styles import strong
from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.file_kinds import STATEMENT
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import ArchiveError, CommandLineError, ExitCode

if TYPE_CHECKING:
    from hermpkg_build.provenance.materials import BuildFacts, Held
    from hermpkg_build.provenance.revision import Revision
    from hermpkg_build.provenance.statement import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestArguments(SigningArguments):
    """What ``hermpkg attest`` is told."""

    artifact: str = operand("LABEL|FILE")
    output: str | None = option(
        "-o, --output FILE",
        "write the statement to FILE (default: to standard output; signed, beside the artifact with "
        "`.provenance.sigstore.json` at the end)",
        read=str,
        default=None,
        writes=STATEMENT,
    )
    builder: str = option(
        "--builder URI",
        "say that the build ran at URI, such as the workflow in your CI (default: hermpkg itself, which says "
        "nothing of the machine)",
        read=str,
        default="",
    )
    revision: bool = flag(
        "--revision",
        "name the commit of git that the workspace is at, and the files that were built of and are not as it "
        "has them",
    )
    revision_remote: str = option(
        "--revision-remote NAME",
        "name also where the repository is, as the remote NAME has it, without credentials",
        read=str,
        default="",
    )
    time: str | None = option(
        "--time TIME",
        "say that it was built at TIME, such as `2026-01-31T12:00:00Z` (default: `$SOURCE_DATE_EPOCH`, else "
        "no time, so that equal builds have equal statements)",
        read=str,
        default=None,
    )


@command(
    AttestArguments, group="build and test", example="hermpkg attest //models:resnet --private-key key.pem"
)
def run(arguments: AttestArguments, console: Console) -> ExitCode:
    """Say what an artifact was made of, and sign that.

    Builds the target where it has to, and writes an in-toto statement with the predicate of SLSA's provenance
    (v1): the artifact's SHA-256; the declarations of the target and its models, with factories, parameters
    and seeds; every file of the workspace that it was made of, by digest: sources, resources, weights and
    BUILD files; installed distributions that were packed, needed or read, with versions; and the interpreter.
    It holds no path of this machine, and a time and a commit only where they are asked for: equal builds give
    equal statements.

    With options that say who signs it is signed as artifacts are, and ``hermpkg verify --attestation`` holds
    the artifact to it. Of a file alone less is known, which the statement says.
    """
    if arguments.builder and ":" not in arguments.builder:
        raise CommandLineError(
            f"--builder needs a URI, not {arguments.builder!r}",
            next_step="such as https://ci.example.org/build",
        )
    if arguments.revision_remote and not arguments.revision:
        raise CommandLineError("--revision-remote says where a revision is from: give --revision too")
    made_time(arguments.time)  # What is wrong with it is told before anything is built.
    identity = signing_identity(arguments) if arguments.names_signer else None
    path, statement = _statement(arguments, console)
    if identity is None:
        if arguments.output is not None:
            _write(arguments.output, statement, path)
            console.say(arguments.output)
        else:
            console.say_all(pretty_ascii(loads(statement)).splitlines())
        console.give_json(loads(statement))
        return ExitCode.SUCCESS
    from hermpkg_build.signing.bundles import read_bundle
    from hermpkg_build.signing.files import ATTESTATION_SUFFIX, signature_path
    from hermpkg_build.signing.making import write_signature
    from hermpkg_build.signing.sign import sign_statement
    from hermpkg_build.signing.verify import claimed_signer

    data = sign_statement(statement, identity)
    place = arguments.output or signature_path(path, ATTESTATION_SUFFIX)
    with writing("the statement", place):
        write_signature(place, data)
    signer = claimed_signer(read_bundle(data))
    console.mention(strong(arguments.artifact), f"  attested by {signer}  {place}")
    console.give_json({"path": path, "attestation": place, "signer": signer})
    return ExitCode.SUCCESS


def _statement(arguments: AttestArguments, console: Console) -> tuple[str, bytes]:
    """Return the path of the artifact, and the statement on it."""
    from hermpkg_build.provenance.statement import Circumstances, build_statement, file_statement

    around = Circumstances(builder=arguments.builder, time=made_time(arguments.time))
    if is_file(arguments.artifact):
        if arguments.revision:
            raise CommandLineError(
                "--revision is of the files that a label is built of, and a file alone does not name them",
                next_step="attest the label in its workspace, or leave --revision out",
            )
        path = arguments.artifact
        held, sha256 = _read(path)
        console.note(
            "note: of a file alone it is not known what models were made of, nor where it was built: the "
            "statement says so; attest a label in its workspace for the whole of it"
        )
        return path, file_statement(_subject(path, sha256), held, around)
    from hermpkg_build.cli.building import ask_engine
    from hermpkg_build.engine.provenance import build_and_attest

    attested = ask_engine(build_and_attest, [arguments.artifact], arguments, console.aside())
    path = os.path.join(current_workspace().root, attested.target.path)
    held, sha256 = _read(path)
    if sha256 != attested.target.sha256:
        raise ArchiveError(
            "the artifact was changed after it was built",
            facts=[("file", path), ("built", attested.target.sha256), ("found", sha256)],
            next_step="build it again",
        )
    if arguments.revision:
        around = replace(around, revision=_revision(attested.facts, arguments.revision_remote))
    return path, build_statement(_subject(path, sha256), attested.facts, held, around)


def _revision(facts: BuildFacts, remote: str) -> Revision:
    from hermpkg_build.provenance.revision import revision_of

    # What begins with "@" lies in the environment.
    files = [name for name in facts.files if not name.startswith("@")]
    return revision_of(current_workspace().root, files, remote=remote)


def _read(path: str) -> tuple[Held, str]:
    """Return what the artifact at `path` holds, and the SHA-256 of the same bytes."""
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.inspection.contents import contents_of, digest_of
    from hermpkg_build.provenance.materials import Held

    with ArchiveReader(path) as archive:
        held, digest = Held.by(archive, contents_of(archive)), digest_of(archive)
    if held is None:
        raise ArchiveError(
            "the archive has no manifest: it does not say what it was made of",
            facts=[("file", path)],
            next_step="sign it: hermpkg sign FILE says who vouches for its bytes",
        )
    return held, digest.hash


def _subject(path: str, sha256: str) -> Subject:
    from hermpkg_build.provenance.statement import Subject

    return Subject(name=os.path.basename(path), sha256=sha256)


def _write(path: str, data: bytes, artifact: str) -> None:
    from hermpkg_build.disk.replacing import replace_file

    if os.path.exists(path) and os.path.samefile(path, artifact):
        raise CommandLineError("--output names the artifact itself", next_step="name another file")
    with writing("the statement", path):
        replace_file(path, data)
