"""Verifies the signatures of an artifact: each signer that is named must have signed every byte of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.texts import counted
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.verify.verdicts import Verdict
from hermpkg_build.signing.contents import WHOLE, Content
from hermpkg_build.signing.failures import Fault, SignatureError
from hermpkg_build.signing.files import ATTESTATION_SUFFIX, read_signature, signature_files, signature_path
from hermpkg_build.signing.folders import open_content
from hermpkg_build.signing.signers import AcceptedSigner, Signer
from hermpkg_build.signing.verify import describe, verify_signature, verify_statement

ProblemWith: TypeAlias = Callable[[Mapping[str, Any], str], tuple[str, str]]


def verify_signatures(
    path: str, subject: str, accepted: Sequence[AcceptedSigner], named: Sequence[str] = ()
) -> Verdict:
    """Judge the file or folder at `path`, under the name `subject`: each of `accepted` must have signed it.

    The signatures are the files `named`, or those that lie beside it. Signatures of others are not looked at
    where all that are needed are there. Raises ArchiveError where there is no such file.
    """
    problems: list[SignatureError] = []
    signers: list[tuple[Signer, str]] = []
    try:
        with open_content(path) as content:
            files = named or signature_files(path) or [signature_path(path)]
            beside = _inside(path, files)
            for each in accepted:
                found = _signed_by(each, content, files, beside)
                if isinstance(found, SignatureError):
                    problems.append(found)
                else:
                    signers.append(found)
    except SignatureError as error:
        problems.append(error)
    except OSError as error:
        raise ArchiveError(
            "the artifact cannot be read", facts=[("file", path), ("reason", error.strerror or str(error))]
        ) from None
    lines = [line for problem in problems for line in problem.render().splitlines()]
    return Verdict(
        subject=subject,
        check="signature",
        summary=counted(len(problems), "signature") + " missing or wrong"
        if problems
        else "signed by " + ", ".join(str(signer) for signer, _ in signers),
        lines=tuple(lines),
        facts={
            "signers": [_signer_json(signer, file) for signer, file in signers],
            "faults": [problem.fault for problem in problems],
        },
    )


def verify_attestations(
    path: str, subject: str, accepted: Sequence[AcceptedSigner], problem_with: ProblemWith
) -> Verdict:
    """Judge the signed provenance of the file at `path`: by each of `accepted`, and about this very file.

    `problem_with` says why a statement does not count for a SHA-256, and who built by it. Raises ArchiveError
    where there is no such file.
    """
    problems: list[SignatureError] = []
    found: list[tuple[Signer, str, str]] = []
    files = signature_files(path, ATTESTATION_SUFFIX) or [signature_path(path, ATTESTATION_SUFFIX)]
    try:
        with open_content(path) as content:
            sha256 = content.hash(WHOLE, "sha256", 0, content.size(WHOLE))
    except OSError as error:
        raise ArchiveError(
            "the artifact cannot be read", facts=[("file", path), ("reason", error.strerror or str(error))]
        ) from None
    for each in accepted:
        answers = [_attested(each, sha256, file, problem_with) for file in files]
        passed = [answer for answer in answers if not isinstance(answer, SignatureError)]
        refused = [answer for answer in answers if isinstance(answer, SignatureError)]
        own = [problem for problem in refused if problem.fault != "other signer"]
        found += passed[:1]
        problems += [] if passed else (own or refused)[:1]
    summary = ", ".join(f"built by {builder}, attested by {signer}" for signer, _, builder in found)
    return Verdict(
        subject=subject,
        check="attestation",
        summary=counted(len(problems), "attestation") + " missing or wrong" if problems else summary,
        lines=tuple(line for problem in problems for line in problem.render().splitlines()),
        facts={
            "attestations": [
                {**signer.to_json(), "attestation": file, "builder": builder}
                for signer, file, builder in found
            ],
            "faults": [problem.fault for problem in problems],
        },
    )


def _attested(
    accepted: AcceptedSigner, sha256: str, file: str, problem_with: ProblemWith
) -> tuple[Signer, str, str] | SignatureError:
    """Return the signer, the file and the builder of an attestation, or why it does not pass."""
    try:
        signer, statement = verify_statement(read_signature(file), [accepted])
    except SignatureError as error:
        return error if "looked for" in dict(error.facts) else error.in_file(file)
    problem, builder = problem_with(statement, sha256)
    if problem:
        fault: Fault = "other content" if "another artifact" in problem else "other statement"
        return SignatureError(f"the attestation does not count: {problem}", fault=fault).in_file(file)
    return signer, file, builder


def _signed_by(
    accepted: AcceptedSigner, content: Content, files: Sequence[str], beside: Collection[str]
) -> tuple[Signer, str] | SignatureError:
    """Return the signer and the file of the signature by `accepted`, or why there is none."""
    problems: list[SignatureError] = []
    for file in files:
        found = _verified(accepted, content, file, beside)
        if isinstance(found, Signer):
            return found, file
        problems.append(found)
    # Signatures of others are no reason where one of this signer says more.
    own = [problem for problem in problems if problem.fault != "other signer"]
    if own or len(problems) == 1:
        return (own or problems)[0]
    return SignatureError(
        "none of the signatures is by this signer",
        fault="other signer",
        facts=[("signer", describe(accepted)), *(("signature", file) for file in files)],
        next_step="get the signature of this signer, or do not ask for it",
    )


def _verified(
    accepted: AcceptedSigner, content: Content, file: str, beside: Collection[str]
) -> Signer | SignatureError:
    try:
        return verify_signature(content, read_signature(file), [accepted], beside=beside)
    except SignatureError as error:
        is_named = not dict(error.facts).keys().isdisjoint({"signature", "looked for"})
        return error if is_named else error.in_file(file)


def _inside(path: str, files: Sequence[str]) -> Collection[str]:
    """The names of those signatures that lie in the signed folder itself."""
    folder = os.path.join(os.path.abspath(path), "")
    return {
        os.path.abspath(file)[len(folder) :].replace(os.sep, "/")
        for file in files
        if os.path.abspath(file).startswith(folder)
    }


def _signer_json(signer: Signer, file: str) -> Json:
    return {**signer.to_json(), "signature": file}
