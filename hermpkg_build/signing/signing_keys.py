"""Private keys: read from PEM, and signing so that bytes are reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.errors import CommandLineError
from hermpkg_build.signing.failures import missing_extra
from hermpkg_build.signing.keys import fingerprint, hash_of, known_curve, other_kind, unreadable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError as _error:
    raise missing_extra(_error) from None


def read_private_key(data: bytes, name: str, password: str | None) -> ec.EllipticCurvePrivateKey:
    """Read a private key in PEM. Raises CommandLineError where it is none, or the password is not its own."""
    secret = password.encode() if password is not None else None
    try:
        key = serialization.load_pem_private_key(data, secret)
    except TypeError as error:
        encrypted = secret is None
        raise CommandLineError(
            f"the private key {name!r} is encrypted"
            if encrypted
            else f"the private key {name!r} has no password",
            facts=[("reason", str(error))],
            next_step="put its password into HERMPKG_SIGN_PASSWORD"
            if encrypted
            else "unset HERMPKG_SIGN_PASSWORD",
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise unreadable("private key", name, error) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise other_kind(name)
    known_curve(key.public_key(), name)
    return key


def certified_key(certificate: Certificate) -> str:
    """Return the fingerprint of the key that a certificate is about, "" for a kind that signs no models."""
    key = certificate.public_key()
    return fingerprint(key) if isinstance(key, ec.EllipticCurvePublicKey) else ""


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Sign with ECDSA: with the same bytes each time (RFC 6979) where the installed OpenSSL can do so."""
    method = hash_of(key.public_key())
    try:
        return key.sign(data, ec.ECDSA(method, deterministic_signing=True))
    except (UnsupportedAlgorithm, TypeError):
        return key.sign(data, ec.ECDSA(method))
