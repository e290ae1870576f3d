"""Signature files that others send, and the statements in them: none shows anything of other bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from laws import Reader, target_of

from hermpkg_build.provenance.statement import problem_with
from hermpkg_build.signing.bundles import read_statement
from hermpkg_build.signing.contents import FileContent
from hermpkg_build.signing.failures import SignatureError
from hermpkg_build.signing.making import model_statement
from hermpkg_build.signing.sign import KeyFile, sign_statement
from hermpkg_build.signing.signers import AcceptedKey
from hermpkg_build.signing.statements import check_content
from hermpkg_build.signing.verify import verify_signature

_SIGNED = FileContent.of_bytes("net.pt", b"weights")
_OTHER = FileContent.of_bytes("net.pt", b"Weights")


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of signatures."""
    del folder
    key = ec.derive_private_key(4711, ec.SECP256R1())
    pem, no_lock = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_lock)
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    accepted = [AcceptedKey(public_key=public, name="key.pub")]
    statement = model_statement(_SIGNED)

    def verify(data: bytes) -> None:
        try:
            verify_signature(_OTHER, data, accepted)
        except SignatureError:
            verify_signature(_SIGNED, data, accepted)
        else:
            raise AssertionError("a signature passed for bytes that nobody signed")

    return {
        "signature": Reader(sound=sign_statement(statement, KeyFile(private_key=private)), read=verify),
        "statement": Reader(sound=statement, read=_compare),
    }


def _compare(data: bytes) -> None:
    statement = read_statement(data)
    problem_with(statement, "0" * 64)
    check_content(statement, _SIGNED)


TARGET = target_of(readers)
