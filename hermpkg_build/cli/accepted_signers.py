"""Who is to have signed, by the options of a command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from hermpkg_build.cli.signing_options import read_input
from hermpkg_build.errors import CommandLineError

if TYPE_CHECKING:
    from hermpkg_build.signing.signers import AcceptedSigner


class SignerWishes(Protocol):
    """The options that name signers."""

    @property
    def public_key(self) -> Sequence[str]:
        """Files with public keys, the owners of which must all have signed."""
        ...

    @property
    def certificate_chain(self) -> Sequence[str]:
        """Files with the roots of certificates."""
        ...

    @property
    def identity(self) -> str | None:
        """The name in the certificate."""
        ...

    @property
    def identity_provider(self) -> str | None:
        """The URL of who vouched for the identity, for Sigstore."""
        ...

    @property
    def trust_config(self) -> str | None:
        """The file that describes an instance of Sigstore."""
        ...


def accepted_signers(wishes: SignerWishes) -> list[AcceptedSigner]:
    """Return who must have signed, none where no option names anybody.

    Raises CommandLineError where options do not fit each other, and for keys that cannot be read.
    """
    from hermpkg_build.signing.signers import AcceptedCertificate, AcceptedIdentity, AcceptedKey

    found: list[AcceptedSigner] = [
        AcceptedKey(public_key=_key(path), name=path) for path in wishes.public_key
    ]
    identity, provider = wishes.identity, wishes.identity_provider
    if wishes.certificate_chain:
        if provider is not None:
            raise CommandLineError(
                "--certificate-chain and --identity-provider are two kinds of signers",
                next_step="verify one after the other",
            )
        roots = b"".join(map(read_input, wishes.certificate_chain))
        name = " ".join(wishes.certificate_chain)
        _check_certificates(roots, name)
        found.append(AcceptedCertificate(roots=roots, identity=identity or "", name=name))
    elif identity is not None and provider is not None:
        trust = read_input(wishes.trust_config) if wishes.trust_config is not None else None
        found.append(AcceptedIdentity(identity=identity, issuer=provider, trust_config=trust))
    elif identity is not None or provider is not None:
        raise CommandLineError(
            "--identity needs --certificate-chain, or --identity-provider for an identity of Sigstore"
            if identity is not None
            else "--identity-provider needs --identity"
        )
    if wishes.trust_config is not None and provider is None:
        raise CommandLineError("--trust-config needs --identity and --identity-provider")
    return found


def _key(path: str) -> bytes:
    from hermpkg_build.signing import keys

    data = read_input(path)
    keys.read_public_key(data, path)
    return data


def _check_certificates(data: bytes, name: str) -> None:
    from hermpkg_build.signing import keys

    keys.read_certificates(data, name)
