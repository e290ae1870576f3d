"""Who may have signed, and who has: public keys, certificates under given roots, identities at Sigstore."""

from __future__ import annotations

from typing import Literal, TypeAlias

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.dataclass import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedKey:
    """Whoever has the private key of `public_key` (PEM); `name` is what people call it, such as its file.

    >>> AcceptedKey(public_key=b"-----BEGIN PUBLIC KEY-----...", name="release.pub").name
    'release.pub'
    """

    public_key: bytes
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedCertificate:
    """Holders of certificates that lead to one of `roots` (PEM), all of them where `identity` is "".

    `identity` is one of the certificate's own names: a whole subject (``CN=Ada,O=Example``), its common name,
    an e-mail address, a host or a URI.

    >>> AcceptedCertificate(roots=b"-----BEGIN CERTIFICATE-----...", identity="ada@example.org").identity
    'ada@example.org'
    """

    roots: bytes
    identity: str = ""
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedIdentity:
    """An identity that an OpenID Connect `issuer` vouched for, by a certificate of Sigstore.

    `trust_config` is the configuration of an instance of Sigstore (JSON), None for the public one, whose
    roots are fetched.

    >>> AcceptedIdentity(identity="ada@example.org", issuer="https://accounts.example.org").trust_config
    """

    identity: str
    issuer: str
    trust_config: bytes | None = None
    name: str = field(default="", compare=False)


AcceptedSigner: TypeAlias = AcceptedKey | AcceptedCertificate | AcceptedIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed, verified.

    `fingerprint` is the SHA-256, in hexadecimal, of the public key in PEM or of the certificate in DER;
    `identity` and `issuer` are what the certificate says, "" for a key. `accepted` is what let it pass.
    """

    kind: Literal["key", "certificate", "sigstore"]
    fingerprint: str
    accepted: AcceptedSigner
    identity: str = ""
    issuer: str = ""

    def __str__(self) -> str:
        if self.kind == "key":
            return f"the key {self.fingerprint[:16]}"
        return f"{self.identity} (certified by {self.issuer})"

    def to_json(self) -> dict[str, Json]:
        """All that is known of the signer, by name."""
        return {
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "identity": self.identity,
            "issuer": self.issuer,
        }
