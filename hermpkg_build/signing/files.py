"""Where signatures lie: beside what they sign, one file for each signer."""

from __future__ import annotations

import errno
import glob
import os

from hermpkg_build.disk.files import read_limited
from hermpkg_build.printable import pasteable
from hermpkg_build.signing.bundles import MOST_BYTES
from hermpkg_build.signing.failures import SignatureError

SUFFIX = ".sig"
ATTESTATION_SUFFIX = ".provenance.sigstore.json"
"""The end of the names of signed statements on how an artifact was built."""


def signature_path(artifact: str, suffix: str = SUFFIX) -> str:
    """Return where the signature of a file or folder lies: ``net.pt.sig`` beside ``net.pt``."""
    return artifact.rstrip(os.sep) + suffix


def signature_files(artifact: str, suffix: str = SUFFIX) -> list[str]:
    """List the signatures beside a file or folder: ``net.pt.sig``, and further ones, ``net.pt.team.sig``."""
    path = artifact.rstrip(os.sep)
    usual = path + suffix
    more = sorted(glob.glob(f"{glob.escape(path)}.*{suffix}"))
    return ([usual] if os.path.lexists(usual) else []) + [each for each in more if each != usual]


def read_signature(path: str) -> bytes:
    """Read a signature file. Raises SignatureError where there is none, or it is not a file of its own."""
    try:
        if os.path.islink(path):
            raise SignatureError(
                "the signature is a symbolic link", fault="link", next_step="name the file that it leads to"
            ).in_file(path)
        return read_limited(path, MOST_BYTES)
    except FileNotFoundError:
        raise SignatureError(
            "there is no signature",
            fault="missing",
            facts=[("looked for", path)],
            next_step=_how_to_have(path),
        ) from None
    except OSError as error:
        raise SignatureError(
            "the signature cannot be read",
            fault="malformed" if error.errno == errno.EFBIG else "missing",
            facts=[("reason", error.strerror or str(error))],
        ).in_file(path) from None


def _how_to_have(path: str) -> str:
    """The next step where there is no signature at `path`."""
    artifact, command = path.removesuffix(SUFFIX), "sign"
    if path.endswith(ATTESTATION_SUFFIX):
        artifact, command = path.removesuffix(ATTESTATION_SUFFIX), "attest"
    named = ", or name it with --signature FILE" if command == "sign" else ""
    signed = pasteable("hermpkg", command, artifact, "--private-key", "key.pem")
    return f"get it from whoever signed, and put it there{named}; who has the key makes it:\n    {signed}"
