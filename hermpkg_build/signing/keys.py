"""Public keys and certificates: read from PEM, named by fingerprints, and valid or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from hermpkg_build.errors import CommandLineError
from hermpkg_build.signing.failures import SignatureError, missing_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from cryptography.x509 import Certificate

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError as _error:
    raise missing_extra(_error) from None

_CURVES: dict[str, Callable[[], HashAlgorithm]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}


def read_public_key(data: bytes, name: str) -> ec.EllipticCurvePublicKey:
    """Read a public key in PEM. Raises CommandLineError where it is none that model signing knows."""
    try:
        return known_curve(serialization.load_pem_public_key(data), name)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise unreadable("public key", name, error) from None


def read_certificates(data: bytes, name: str) -> list[Certificate]:
    """Read certificates in PEM, at least one. Raises CommandLineError."""
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise unreadable("certificates", name, error) from None


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of the key in PEM, by which signatures hint at it, in hexadecimal."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def certificate_fingerprint(certificate: Certificate) -> str:
    """Return the SHA-256 of the certificate in DER, in hexadecimal."""
    return hashlib.sha256(der(certificate)).hexdigest()


def der(certificate: Certificate) -> bytes:
    """Return the certificate in DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def hash_of(key: ec.EllipticCurvePublicKey) -> HashAlgorithm:
    """Return the hash that goes with the key's curve."""
    return _CURVES[key.curve.name]()


def check_period(chain: Sequence[bytes], roots: bytes, name: str) -> None:
    """Check that every certificate that leads from the signer's, `chain`, to a root is valid today.

    A signature by a certificate bears no time that somebody else vouches for: one that was made while the
    certificate was valid looks like one that was made afterwards. Raises SignatureError.
    """
    now = datetime.now(timezone.utc)
    for certificate in _path(chain, roots, name):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            is_over = now > certificate.not_valid_after_utc
            raise SignatureError(
                "the certificate has expired" if is_over else "the certificate is not valid yet",
                fault="expired",
                facts=[
                    ("certificate", certificate.subject.rfc4514_string()),
                    ("valid from", str(certificate.not_valid_before_utc)),
                    ("valid until", str(certificate.not_valid_after_utc)),
                ],
                next_step="have it signed again, with a certificate that is valid",
            )


def names_of(certificate: Certificate) -> list[str]:
    """List the names that a certificate gives its holder: alternative names first, then the subject."""
    found: list[str] = []
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        kinds = (x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName)
        for kind in kinds:
            found += names.get_values_for_type(kind)
    except (x509.ExtensionNotFound, ValueError):
        pass
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    found += [certificate.subject.rfc4514_string(), *(str(each.value) for each in common)]
    return [name for name in found if name]


def read_der(data: bytes) -> Certificate:
    """Read one certificate of a signature, in DER. Raises SignatureError."""
    try:
        return x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise SignatureError(
            "the signature's certificate cannot be read", fault="malformed", facts=[("reason", str(error))]
        ) from None


def _path(chain: Sequence[bytes], roots: bytes, name: str) -> Iterator[Certificate]:
    """Give the certificates from the signer's to the root, as far as each one's issuer is there."""
    here: Certificate | None = read_der(chain[0])
    known = [*map(read_der, chain[1:]), *read_certificates(roots, name)]
    seen: set[bytes] = set()
    while here is not None and (own := der(here)) not in seen:
        seen.add(own)
        yield here
        here = next((each for each in known if _issued(each, here)), None)


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - it raises several kinds; whether the path holds is verified elsewhere
        return False
    return True


def known_curve(key: object, name: str) -> ec.EllipticCurvePublicKey:
    """Return a key that is of a kind that model signing knows. Raises CommandLineError for all others."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise other_kind(name)
    return key


def other_kind(name: str) -> CommandLineError:
    """Make the error for a key of a kind that is not known here."""
    return CommandLineError(
        f"the key {name!r} is of a kind that model signing does not have",
        facts=[("kinds", "elliptic curves secp256r1 (prime256v1), secp384r1, secp521r1")],
        next_step="openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
    )


def unreadable(what: str, name: str, error: Exception) -> CommandLineError:
    """Make the error for a file that is no key, or has no certificates."""
    return CommandLineError(
        f"{name!r} is not a {what} in PEM"
        if what != "certificates"
        else f"{name!r} has no certificates in PEM",
        facts=[("reason", str(error))],
        next_step="openssl pkey -in key.pem -pubout -out key.pub" if what == "public key" else "",
    )
