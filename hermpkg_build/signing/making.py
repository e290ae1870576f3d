"""Makes signature files: the statement over a model, the bundle around it, the file where it lies."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence

from hermpkg_build.core.canonical_json import Json, dumps
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.errors import CommandLineError
from hermpkg_build.signing.bundles import MEDIA_TYPE, PAYLOAD_TYPE, STATEMENT_TYPE, Bundle, read_bundle
from hermpkg_build.signing.contents import Content
from hermpkg_build.signing.failures import SignatureError
from hermpkg_build.signing.files import ATTESTATION_SUFFIX, SUFFIX, read_signature
from hermpkg_build.signing.statements import MODEL_SIGNATURE


def model_statement(content: Content) -> bytes:
    """Return the canonical statement over every byte of `content`. Raises what reading it raises."""
    resources = []
    root = hashlib.sha256()
    for file in content.files():
        try:
            file.encode()
        except UnicodeEncodeError:
            raise SignatureError(
                f"the name {file!r} is not text, so that no signature can name it",
                fault="other content",
                next_step="rename the file",
            ) from None
        digest = content.hash(file, "sha256", 0, content.size(file))
        root.update(bytes.fromhex(digest))
        resources.append({"name": file, "algorithm": "sha256", "digest": digest})
    return dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": content.name, "digest": {"sha256": root.hexdigest()}}],
            "predicateType": MODEL_SIGNATURE,
            "predicate": {
                "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
                "resources": resources,
            },
        }
    )


def pre_authentication(payload: bytes) -> bytes:
    """Return the bytes that are signed for a payload (PAE, https://github.com/secure-systems-lab/dsse)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def bundle_bytes(
    payload: bytes, signature: bytes, *, hint: str = "", certificates: Sequence[bytes] = ()
) -> bytes:
    """Write a bundle: canonical, so that equal signatures are equal files."""
    material: dict[str, Json] = {"tlogEntries": []}
    if certificates:
        chain = [{"rawBytes": _encoded(each)} for each in certificates]
        material["x509CertificateChain"] = {"certificates": chain}
    else:
        material["publicKey"] = {"hint": hint}
    envelope: dict[str, Json] = {
        "payload": _encoded(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": "", "sig": _encoded(signature)}],
    }
    return dumps({"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope})


def write_signature(path: str, data: bytes) -> None:
    """Put a signature in place; one of the same signer that is there gives way.

    Raises CommandLineError where something else is there, which would be lost, and OSError.
    """
    before: Bundle | None = None
    if os.path.lexists(path):
        try:
            before = read_bundle(read_signature(path))
        except SignatureError:
            before = None
        if before is None or not _same_signer(before, read_bundle(data)):
            what = "a file that is no signature" if before is None else "a signature of somebody else"
            suffix = next((each for each in (SUFFIX, ATTESTATION_SUFFIX) if path.endswith(each)), "")
            option = "--output" if suffix == ATTESTATION_SUFFIX else "--signature"
            raise CommandLineError(
                f"{path!r} is {what}",
                next_step=f"write this one beside it: {option} {path.removesuffix(suffix)}.NAME{suffix}",
            )
    replace_file(path, data)


def _same_signer(one: Bundle, other: Bundle) -> bool:
    if one.material != other.material:
        return False
    if one.material == "key":
        return one.hint == other.hint
    from hermpkg_build.signing import keys

    names = [keys.names_of(keys.read_der(each.certificates[0])) for each in (one, other)]
    return names[0] == names[1]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
