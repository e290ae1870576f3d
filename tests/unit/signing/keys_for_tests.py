"""Keys and certificates for tests, made anew for each process."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Key:
    private: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, curve: ec.EllipticCurve | None = None) -> Key:
        return cls(ec.generate_private_key(curve or ec.SECP256R1()))

    @property
    def pem(self) -> bytes:
        return self.encrypted(None)

    def encrypted(self, password: bytes | None) -> bytes:
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def certificate(
    name: str,
    key: Key,
    issuer: str,
    issuer_key: Key,
    *,
    ca: bool = False,
    begin: datetime.datetime = NOW - DAY,
    end: datetime.datetime = NOW + DAY,
    email: str = "",
) -> bytes:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if email:
        names = x509.SubjectAlternativeName([x509.RFC822Name(email)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="session")
def key() -> Key:
    return Key.new()


@pytest.fixture(scope="session")
def other_key() -> Key:
    return Key.new()


@dataclass(frozen=True)
class Authority:
    """A root, an authority below it, and how it certifies."""

    root: bytes
    middle: bytes
    middle_key: Key

    def certify(self, key: Key, name: str = "Ada", **more) -> bytes:
        return certificate(name, key, "Middle", self.middle_key, **more)


@pytest.fixture(scope="session")
def authority() -> Authority:
    root_key, middle_key = Key.new(), Key.new()
    year = 400 * DAY
    root = certificate("Root", root_key, "Root", root_key, ca=True, begin=NOW - year, end=NOW + year)
    middle = certificate("Middle", middle_key, "Root", root_key, ca=True, begin=NOW - year, end=NOW + year)
    return Authority(root, middle, middle_key)
