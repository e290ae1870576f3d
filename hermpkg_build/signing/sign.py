"""Signs artifacts and statements: with a key, a key and its certificate, a token's key, or an identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError
from hermpkg_build.signing.bundles import read_bundle
from hermpkg_build.signing.making import bundle_bytes, pre_authentication


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What a signature shows of its signer: the certificate, and the chain above it (PEM), by their names."""

    certificate: bytes
    chain: bytes = b""
    names: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A private key in PEM, with its password where it is encrypted; `name` is that of its file."""

    private_key: bytes
    password: str | None = None
    name: str = ""
    certificates: Certificates | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A key in a PKCS #11 token, by its URI; `modules` are folders with the tokens' libraries."""

    uri: str
    modules: Sequence[str] = ()
    certificates: Certificates | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigstoreIdentity:
    """The identity that a token shows, or the machine that this runs on (`ambient`)."""

    identity_token: str = ""
    ambient: bool = True
    staging: bool = False
    trust_config: str = ""


SigningIdentity: TypeAlias = KeyFile | TokenKey | SigstoreIdentity


def sign_statement(statement: bytes, identity: SigningIdentity) -> bytes:
    """Sign an in-toto statement and return the signature file's bytes.

    With a key file, the same statement gives the same bytes wherever OpenSSL can do so. Raises
    CommandLineError for keys and certificates that cannot be read or do not fit each other, and
    LocalEnvironmentError where a library is missing, or a token or Sigstore does not sign.
    """
    if isinstance(identity, SigstoreIdentity):
        from hermpkg_build.signing import signing_library

        return signing_library.sign_at_sigstore(
            statement,
            identity_token=identity.identity_token,
            ambient=identity.ambient,
            staging=identity.staging,
            trust_config=identity.trust_config,
        )
    if isinstance(identity, TokenKey):
        from hermpkg_build.signing import signing_library

        # The library's own way to add certificates to a token's signature fails for every one of them.
        data = signing_library.sign_with_token(statement, uri=identity.uri, modules=identity.modules)
        signed = read_bundle(data)
        return _shown(signed.payload, signed.signature, signed.hint, identity.certificates)
    from hermpkg_build.signing import keys, signing_keys

    key = signing_keys.read_private_key(identity.private_key, identity.name, identity.password)
    signature = signing_keys.sign(key, pre_authentication(statement))
    return _shown(statement, signature, keys.fingerprint(key.public_key()), identity.certificates)


def _shown(payload: bytes, signature: bytes, hint: str, shown: Certificates | None) -> bytes:
    """Write a bundle that hints at the key, or shows its certificates."""
    if shown is None:
        return bundle_bytes(payload, signature, hint=hint)
    from hermpkg_build.signing import keys, signing_keys

    certificates = keys.read_certificates(shown.certificate, shown.names[0])
    if signing_keys.certified_key(certificates[0]) != hint:
        raise CommandLineError(
            f"the certificate {shown.names[0]!r} is not of the key that signs",
            facts=[("signing key", hint)],
            next_step="name the certificate that was issued for this key",
        )
    if shown.chain:
        certificates += keys.read_certificates(shown.chain, shown.names[1])
    return bundle_bytes(payload, signature, certificates=[keys.der(each) for each in certificates])
