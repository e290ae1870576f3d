"""Signs artifacts and statements: with a key, a key and its certificate, a token's key, or an identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hermpkg_build.errors import CommandLineError
from hermpkg_build.signing.bundles import bundle_bytes, pre_authentication


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A private key in PEM, with its password where it is encrypted.

    `certificate` and `chain` (PEM) are what the signature shows of the signer; `names` are those of the three
    files, for errors.
    """

    private_key: bytes
    password: str | None = None
    certificate: bytes = b""
    chain: bytes = b""
    names: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A key in a PKCS #11 token, by its URI; `modules` are folders with the tokens' libraries."""

    uri: str
    modules: Sequence[str] = ()
    certificate: str = ""
    chain: Sequence[str] = ()


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
    if isinstance(identity, KeyFile):
        return _with_key(statement, identity)
    from hermpkg_build.signing import library

    if isinstance(identity, TokenKey):
        return library.sign_with_token(
            statement,
            uri=identity.uri,
            modules=identity.modules,
            certificate=identity.certificate,
            chain=identity.chain,
        )
    return library.sign_at_sigstore(
        statement,
        identity_token=identity.identity_token,
        ambient=identity.ambient,
        staging=identity.staging,
        trust_config=identity.trust_config,
    )


def _with_key(statement: bytes, identity: KeyFile) -> bytes:
    from hermpkg_build.signing import keys

    key_name, certificate_name, chain_name = identity.names
    key = keys.read_private_key(identity.private_key, key_name, identity.password)
    certificates = []
    if identity.certificate:
        certificates = keys.read_certificates(identity.certificate, certificate_name)
        if certificates[0].public_key() != key.public_key():
            raise CommandLineError(
                f"the certificate {certificate_name!r} is not of the private key {key_name!r}",
                facts=[("certificate's key", "another one")],
                next_step="name the certificate that was issued for this key",
            )
        if identity.chain:
            certificates += keys.read_certificates(identity.chain, chain_name)
    signature = keys.sign(key, pre_authentication(statement))
    return bundle_bytes(
        statement,
        signature,
        hint="" if certificates else keys.fingerprint(key.public_key()),
        certificates=[keys.der(each) for each in certificates],
    )
