"""Verifies signatures: who signed, and that what was signed is what is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hermpkg_build.signing.bundles import read_bundle, read_statement
from hermpkg_build.signing.failures import SignatureError
from hermpkg_build.signing.signers import (
    AcceptedCertificate,
    AcceptedIdentity,
    AcceptedKey,
    AcceptedSigner,
    Signer,
)
from hermpkg_build.signing.statements import check_content

if TYPE_CHECKING:
    from hermpkg_build.signing.bundles import Bundle
    from hermpkg_build.signing.contents import Content

_KINDS = {AcceptedKey: "key", AcceptedCertificate: "certificate", AcceptedIdentity: "sigstore"}


def verify_signature(
    content: Content, signature: bytes, accepted: Sequence[AcceptedSigner], *, beside: Collection[str] = ()
) -> Signer:
    """Verify that one of `accepted` signed every byte of `content`, and return who did.

    `signature` is the whole signature file; `beside` names signature files inside a signed folder. Raises
    SignatureError for anything else, LocalEnvironmentError where the extra `sign` is not installed, and what
    reading `content` raises. The bytes are read from `content`, so that whoever keeps it open uses the same.
    """
    signer, statement = verify_statement(signature, accepted)
    check_content(statement, content, beside)
    return signer


def verify_statement(
    signature: bytes, accepted: Sequence[AcceptedSigner]
) -> tuple[Signer, Mapping[str, Any]]:
    """Verify that one of `accepted` signed a statement, and return who did and the statement.

    What the statement says is not compared with anything yet. Raises as `verify_signature` does.
    """
    bundle = read_bundle(signature)
    fitting = [each for each in accepted if _KINDS[type(each)] == bundle.material]
    if not fitting:
        raise _other_signer(bundle, accepted)
    problem: SignatureError | None = None
    for each in fitting:
        try:
            signer = _signer(bundle, each)
        except SignatureError as error:
            # Of several who may have signed, the one that fits best says why: the others just did not.
            if problem is None or problem.fault == "other signer":
                problem = error
            continue
        return signer, read_statement(bundle.payload)
    assert problem is not None
    raise problem


def _signer(bundle: Bundle, accepted: AcceptedSigner) -> Signer:
    from hermpkg_build.signing import keys

    if isinstance(accepted, AcceptedKey):
        own = keys.fingerprint(keys.read_public_key(accepted.public_key, accepted.name))
        if bundle.hint and bundle.hint != own:
            raise _other_signer(bundle, [accepted])
        _check_payload(bundle, accepted)
        return Signer(kind="key", fingerprint=own, accepted=accepted)
    certificate = keys.read_der(bundle.certificates[0])
    names = keys.names_of(certificate)
    _check_payload(bundle, accepted)
    own = keys.certificate_fingerprint(certificate)
    if isinstance(accepted, AcceptedIdentity):
        identity, issuer = accepted.identity, accepted.issuer
        return Signer(kind="sigstore", fingerprint=own, accepted=accepted, identity=identity, issuer=issuer)
    if accepted.identity and accepted.identity not in names:
        raise _other_signer(bundle, [accepted])
    keys.check_period(bundle.certificates, accepted.roots, accepted.name)
    return Signer(
        kind="certificate",
        fingerprint=own,
        accepted=accepted,
        identity=accepted.identity or (names or [own])[0],
        issuer=certificate.issuer.rfc4514_string(),
    )


def _check_payload(bundle: Bundle, accepted: AcceptedSigner) -> None:
    from hermpkg_build.signing.library import payload_verified_by

    if payload_verified_by(accepted, bundle) != bundle.payload:
        raise SignatureError("the signature has more than one meaning", fault="malformed")


def _other_signer(bundle: Bundle, accepted: Sequence[AcceptedSigner]) -> SignatureError:
    return SignatureError(
        "the signature is by somebody who is not accepted",
        fault="other signer",
        facts=[("signed by", claimed_signer(bundle)), *(("accepted", describe(each)) for each in accepted)],
        next_step="name the signer, or get a signature of one that is named",
    )


def claimed_signer(bundle: Bundle) -> str:
    """Say who signed by what the bundle says itself, which is not verified."""
    if bundle.material == "key":
        return f"the key {bundle.hint or 'of a signature without a hint'}"
    from hermpkg_build.signing import keys

    return ", ".join(keys.names_of(keys.read_der(bundle.certificates[0]))) or "a certificate without a name"


def describe(accepted: AcceptedSigner) -> str:
    """Say in words who is accepted."""
    if isinstance(accepted, AcceptedKey):
        from hermpkg_build.signing import keys

        own = keys.fingerprint(keys.read_public_key(accepted.public_key, accepted.name))
        return f"the key {own}" + (f" ({accepted.name})" if accepted.name else "")
    if isinstance(accepted, AcceptedCertificate):
        return (
            f"{accepted.identity or 'anyone'} with a certificate under {accepted.name or 'the given roots'}"
        )
    return f"{accepted.identity} by {accepted.issuer}"
