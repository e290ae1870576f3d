"""Signature files: Sigstore bundles with a DSSE envelope, as JSON, in both directions.

A bundle holds the signed statement (the *payload*), its signature, and what helps to verify it: a hint at the
public key, certificates, or a certificate with entries of a transparency log.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn, TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.signing.failures import SignatureError

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

MOST_BYTES = 64 << 20
"""The most that a signature file may have; folders of a million files come to more, and are refused."""

Material: TypeAlias = Literal["key", "certificate", "sigstore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The parts of a signature file, none of them verified.

    `hint` is the fingerprint of the public key, "" where the bundle has none; `certificates` are in DER, the
    signer's first.
    """

    data: bytes
    payload: bytes
    signature: bytes
    material: Material
    hint: str = ""
    certificates: tuple[bytes, ...] = ()


def read_bundle(data: bytes) -> Bundle:
    """Read a signature file. Raises SignatureError where it is none, is cut, or has more than one meaning."""
    if len(data) > MOST_BYTES:
        raise _malformed(f"it has more than {MOST_BYTES:,} bytes")
    value = _json(data)
    media_type = _field(value, "mediaType", str)
    material = _field(value, "verificationMaterial", dict)
    if "dsseEnvelope" not in value and "messageSignature" in value:
        raise SignatureError("the signature is of plain bytes, not of a statement", fault="other statement")
    envelope = _field(value, "dsseEnvelope", dict)
    kind = _kind(material)
    if kind != "sigstore" and media_type != MEDIA_TYPE:
        raise _malformed(f"its mediaType is {media_type!r}, not {MEDIA_TYPE!r}")
    if (found := _field(envelope, "payloadType", str)) != PAYLOAD_TYPE:
        raise _malformed(f"its payloadType is {found!r}, not {PAYLOAD_TYPE!r}")
    if len(signatures := _field(envelope, "signatures", list)) != 1:
        raise _malformed(f"it has {len(signatures)} signatures, not one")
    return Bundle(
        data=data,
        payload=_decoded(envelope, "payload"),
        signature=_decoded(_first(signatures), "sig"),
        material=kind,
        hint=_hint(material) if kind == "key" else "",
        certificates=_certificates(material),
    )


def read_statement(payload: bytes) -> Mapping[str, Any]:
    """Read the in-toto statement that a bundle's payload is. Raises SignatureError."""
    statement = _json(payload)
    if (found := _field(statement, "_type", str)) != STATEMENT_TYPE:
        raise SignatureError(
            "the signature is of another kind of statement",
            fault="other statement",
            facts=[("expected", STATEMENT_TYPE), ("found", found)],
        )
    _field(statement, "predicateType", str)
    _field(statement, "subject", list)
    _field(statement, "predicate", dict)
    return statement


def _first(signatures: Sequence[Any]) -> dict[str, Any]:
    if not isinstance(signatures[0], dict):
        raise _malformed("its signatures are not a list of objects")
    return signatures[0]


def _kind(material: Mapping[str, Any]) -> Material:
    # Sigstore's older bundles have their certificate in a chain, too; their log entries tell them apart.
    if "certificate" in material or ("x509CertificateChain" in material and material.get("tlogEntries")):
        return "sigstore"
    if "x509CertificateChain" in material:
        return "certificate"
    if "publicKey" in material:
        return "key"
    raise _malformed("its verificationMaterial has neither a publicKey nor certificates")


def _hint(material: Mapping[str, Any]) -> str:
    hint = _field(material, "publicKey", dict).get("hint")
    return hint if isinstance(hint, str) else ""


def _certificates(material: Mapping[str, Any]) -> tuple[bytes, ...]:
    if "certificate" in material:
        return (_decoded(_field(material, "certificate", dict), "rawBytes"),)
    if "x509CertificateChain" not in material:
        return ()
    chain = _field(_field(material, "x509CertificateChain", dict), "certificates", list)
    if not chain or not all(isinstance(each, dict) for each in chain):
        raise _malformed("its certificates are not a list of objects")
    return tuple(_decoded(each, "rawBytes") for each in chain)


def _json(data: bytes) -> dict[str, Any]:
    """Read an object that has one meaning for every reader: no name twice, no numbers that are none."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8 text") from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if not isinstance(value, dict):
        raise _malformed("it is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has {max(names, key=names.count)!r} twice")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _field(value: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    if not isinstance(found := value.get(name), kind):
        raise _malformed(f"its {name} is " + ("missing" if name not in value else "not what it should be"))
    return found


def _decoded(value: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(_field(value, name, str), validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(f"its {name} is not base64") from None


def _malformed(reason: str) -> SignatureError:
    return SignatureError(
        "this is not a signature as model signing writes it, or it is damaged",
        fault="malformed",
        facts=[("reason", reason)],
        next_step="get it again from whoever signed, or sign again",
    )
