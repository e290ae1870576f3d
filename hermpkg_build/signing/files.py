"""Where signatures lie: beside what they sign, one file for each signer."""

from __future__ import annotations

import errno
import glob
import os

from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.errors import CommandLineError
from hermpkg_build.signing.bundles import MOST_BYTES, Bundle, read_bundle
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
            next_step="get it from whoever signed, or name it with --signature FILE",
        ) from None
    except OSError as error:
        raise SignatureError(
            "the signature cannot be read",
            fault="malformed" if error.errno == errno.EFBIG else "missing",
            facts=[("reason", error.strerror or str(error))],
        ).in_file(path) from None


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
