"""``hermpkg verify``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operands, option, repeated, whole_number
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import current_workspace, is_artifact, write_report
from hermpkg_build.cli.remote import EngineArguments, build_in_chosen_python
from hermpkg_build.cli.styles import bad, good, strong
from hermpkg_build.core.file_kinds import JUNIT, SUMMARY
from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import CommandLineError, ExitCode, WorkspaceError

if TYPE_CHECKING:
    from hermpkg_build.core.lock import Lock
    from hermpkg_build.inspection.verify.verdicts import Verdict
    from hermpkg_build.signing.signers import AcceptedSigner


def _read_conditions(text: str) -> tuple[str, ...]:
    """The conditions that ``--vary`` names, or ``all``, in the order of their table."""
    from hermpkg_build.inspection.verify.varied_conditions import CONDITIONS

    named = {*CONDITIONS} if text == "all" else {name.strip() for name in text.split(",")}
    for name in sorted(named - CONDITIONS.keys()):
        raise CommandLineError(
            f"--vary names an unknown condition: {name!r}",
            facts=[("conditions", ", ".join(CONDITIONS))],
            next_step=question(name, CONDITIONS),
        )
    return tuple(name for name in CONDITIONS if name in named)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyArguments(EngineArguments):
    """What ``hermpkg verify`` is told. `vary` and `runs` are None where they are left out."""

    words: tuple[str, ...] = operands("[FILE|DIR|PATTERN...]")
    rebuild: bool = flag(
        "--rebuild",
        "build targets again from clean caches, once as usual and then with all conditions varied, and "
        "compare the bytes; where they differ, find which condition alone causes it",
    )
    vary: tuple[str, ...] | None = option(
        "--vary NAMES",
        "vary only these conditions, NAME,NAME (default: all)",
        read=_read_conditions,
        default=None,
    )
    runs: int | None = option(
        "--runs N", "build N times more, at least 2 (default: 2)", read=whole_number(2), default=None
    )
    locked: bool = flag(
        "--locked",
        "hold targets to `hermpkg.lock`, all that it lists where none is named, and say in which "
        "records, extern distributions and versions they differ",
    )
    trust: str | None = option(
        "--trust FILE",
        "hold artifacts to the policy in FILE as well, which `hermpkg trust` writes a first version of",
        read=os.path.abspath,
        default=None,
    )
    signature: tuple[str, ...] = repeated(
        "--signature FILE",
        "the signatures of one artifact (default: those beside it, `.sig`, `.NAME.sig`)",
        read=str,
    )
    attestation: bool = flag(
        "--attestation",
        "the signers must have attested how the artifact was built, rather than signed it, beside it in "
        "`.provenance.sigstore.json`",
    )
    public_key: tuple[str, ...] = repeated(
        "--public-key FILE", "the owner of this key (PEM) must have signed", read=str
    )
    certificate_chain: tuple[str, ...] = repeated(
        "--certificate-chain FILE",
        "somebody must have signed whose certificate leads to a root in FILE (PEM)",
        read=str,
    )
    identity: str | None = option(
        "--identity NAME",
        "whom the certificate must name: an e-mail address, a URI, a host, a common name or a whole subject",
        read=str,
        default=None,
    )
    identity_provider: str | None = option(
        "--identity-provider URL",
        "who must have vouched for the identity, where it signed with Sigstore",
        read=str,
        default=None,
    )
    trust_config: str | None = option(
        "--trust-config FILE",
        "the instance of Sigstore (JSON; default: the public one, whose roots are fetched)",
        read=str,
        default=None,
    )
    file_only: bool = flag("--file-only", "look at the file alone, not at what this machine has installed")
    junit: str | None = option(
        "--junit FILE", "write the results to FILE as JUnit XML", read=str, default=None, writes=JUNIT
    )
    summary: str | None = option(
        "--summary FILE",
        "append the results to FILE as Markdown, as GitHub shows it from `$GITHUB_STEP_SUMMARY`",
        read=str,
        default=None,
        writes=SUMMARY,
    )


@command(VerifyArguments, group="build and test", example="hermpkg verify //models:resnet --rebuild")
def run(arguments: VerifyArguments, console: Console) -> ExitCode:
    """Check artifacts: intact, as the manifest says, fit for this machine.

    Artifacts of targets are built first. Every record is compared with its checksum and with the manifest,
    and the file with the one layout that its records can have: order, alignment, no times, no compression,
    nothing hidden before, between, in or behind the records. The distributions that provide its extern
    modules must be installed, in versions that it allows; nothing is imported.

    Where options name signers, each of them must have signed every byte, by a signature as ``hermpkg sign``
    and the command ``model_signing`` make it; of an unpacked folder that is all that is verified.

    What is wrong is listed as record, rule and finding, and the exit code is 3. An archive without a
    manifest, as torch.package writes it, does not pass; with `--trust` it is held to the policy alone.
    """
    verdicts: list[Verdict] = []
    try:
        for check in _checks(arguments, console):
            started = time.perf_counter()
            verdict = replace(check(), seconds=time.perf_counter() - started)
            verdicts.append(verdict)
            _tell(console, verdict)
    finally:
        # Also where a later check could not even begin: what is known by then is what CI can show.
        _write_reports(arguments, verdicts)
    passed = all(verdict.passed for verdict in verdicts)
    console.give_json({"passed": passed, "checks": [verdict.to_json() for verdict in verdicts]})
    return ExitCode.SUCCESS if passed else ExitCode.TESTS_FAILED


def _checks(arguments: VerifyArguments, console: Console) -> Iterator[Callable[[], Verdict]]:
    """Yield what is to be checked, file after file and target after target."""
    from hermpkg_build.cli.building import build_artifacts
    from hermpkg_build.inspection.verify.archive import has_manifest, verify_archive

    files = [word for word in arguments.words if is_artifact(word)]
    patterns = [word for word in arguments.words if not is_artifact(word)]
    _check_options(arguments, files)
    accepted = _accepted(arguments, files)
    if patterns or arguments.locked:
        build_in_chosen_python(arguments)
    hold = _policy_check(arguments)
    for path in files:
        yield from _signature_check(arguments, path, path, accepted)
        if not os.path.isdir(path) and (hold is None or has_manifest(path)):
            yield partial(verify_archive, path, path, environment=not arguments.file_only)
        if hold is not None:
            yield partial(hold, path, path)
    lock = _read_lock() if arguments.locked else None
    if lock is not None and not patterns:
        patterns = list(lock.targets)
    if not patterns:
        return
    for target in build_artifacts(patterns, arguments, console):
        if lock is not None:
            from hermpkg_build.inspection.verify.lock_entries import hold_to_lock

            yield partial(hold_to_lock, target.label, target.path, target.sha256, target.bytes, lock)
        yield from _signature_check(arguments, target.path, target.label, accepted)
        yield partial(verify_archive, target.path, target.label, environment=not arguments.file_only)
        if hold is not None:
            yield partial(hold, target.path, target.label)
        if arguments.rebuild:
            from hermpkg_build.core.label import Label
            from hermpkg_build.inspection.verify.rebuild import RebuildRequest, verify_rebuild
            from hermpkg_build.inspection.verify.varied_conditions import CONDITIONS

            request = RebuildRequest(
                label=Label.parse(target.label),
                artifact=target.path,
                root=current_workspace().root,
                conditions=arguments.vary or tuple(CONDITIONS),
                runs=arguments.runs or 2,
            )
            yield partial(verify_rebuild, request, console.note)


def _accepted(arguments: VerifyArguments, files: Sequence[str]) -> Sequence[AcceptedSigner]:
    """Return who must have signed. Raises CommandLineError where that is not said and must be."""
    from hermpkg_build.cli.accepted_signers import accepted_signers

    accepted = accepted_signers(arguments)
    folder = next((path for path in files if os.path.isdir(path)), None)
    is_asked = bool(arguments.signature) or arguments.attestation
    if not accepted and (is_asked or (folder and arguments.trust is None)):
        of_folder = "" if folder is None else f" {folder!r}, and of a folder only signatures can be verified"
        raise CommandLineError(
            f"nothing says who must have signed{of_folder}",
            facts=[("ways", "--public-key, --certificate-chain, --identity with --identity-provider")],
            next_step="name the signer: --public-key key.pub",
        )
    if arguments.signature and len(arguments.words) != 1:
        raise CommandLineError(
            "--signature needs one artifact",
            next_step="verify one at a time, or leave it out: the signatures beside each artifact are taken",
        )
    return accepted


def _signature_check(
    arguments: VerifyArguments, path: str, subject: str, accepted: Sequence[AcceptedSigner]
) -> Iterator[Callable[[], Verdict]]:
    if accepted:
        from hermpkg_build.inspection.verify.signatures import verify_attestations, verify_signatures

        # Who attests how an artifact was built signs its digest: that is as good as a signature.
        if arguments.signature or not arguments.attestation:
            yield partial(verify_signatures, path, subject, accepted, arguments.signature)
        if arguments.attestation:
            from hermpkg_build.provenance.statement import problem_with

            yield partial(verify_attestations, path, subject, accepted, problem_with)


def _check_options(arguments: VerifyArguments, files: Sequence[str]) -> None:
    if not arguments.words and not arguments.locked:
        raise CommandLineError("hermpkg verify needs FILE|PATTERN..., or --locked", next_step=run.how_to_call)
    for name, value in (("--vary", arguments.vary), ("--runs", arguments.runs)):
        if value is not None and not arguments.rebuild:
            raise CommandLineError(f"{name} needs --rebuild")
    if arguments.rebuild and files:
        raise CommandLineError(
            f"--rebuild needs targets, but {files[0]} is a file",
            next_step="name the target that it was built from",
        )


def _policy_check(arguments: VerifyArguments) -> Callable[[str, str], Verdict] | None:
    """Make the check that holds a file, under a name, to the policy that is given; None for none."""
    if arguments.trust is None:
        return None
    from hermpkg_build.inspection.verify.policy_verdict import hold_to_policy
    from hermpkg_build.trust.policy_file import read_policy

    return partial(hold_to_policy, policy=read_policy(arguments.trust))


def _read_lock() -> Lock:
    from hermpkg_build.core.lock import LOCK_FILE, Lock
    from hermpkg_build.disk.files import read_limited

    path = os.path.join(current_workspace().root, LOCK_FILE)
    try:
        return Lock.from_bytes(read_limited(path))
    except FileNotFoundError:
        raise WorkspaceError(
            f"there is no {LOCK_FILE} in this workspace",
            facts=[("looked for", path)],
            next_step="write it with hermpkg lock, and keep it under version control",
        ) from None
    except OSError as error:
        raise WorkspaceError(
            f"{LOCK_FILE} cannot be read", facts=[("file", path), ("reason", error.strerror or str(error))]
        ) from error


def _tell(console: Console, verdict: Verdict) -> None:
    subject = strong(verdict.subject)
    if verdict.passed:
        console.mention(subject, "  ", good("verified"), f"  {verdict.summary}")
    else:
        console.say(subject, "  ", bad("failed"), f"  {verdict.summary}")
        for text in verdict.lines:
            console.say(f"  {text}")
    for note in verdict.notes:
        console.note(f"note: {note}")


def _write_reports(arguments: VerifyArguments, verdicts: Sequence[Verdict]) -> None:
    from hermpkg_build.inspection.verify.verdicts import junit_report, markdown

    if arguments.junit is not None:
        write_report(arguments.junit, junit_report(verdicts))
    if arguments.summary is not None:
        # Appended, as GitHub asks for with the file that GITHUB_STEP_SUMMARY names.
        write_report(arguments.summary, markdown(verdicts), append=True)
