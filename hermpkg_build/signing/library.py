"""The library model-signing, asked to verify, and the configuration that it signs with.

Its public configuration makes signers and verifiers, for files by name. Here they work on statements and on
bytes that are in memory, for which the objects that the configuration holds are asked directly.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.signing.failures import SignatureError, missing_extra

if TYPE_CHECKING:
    from hermpkg_build.signing.bundles import Bundle
    from hermpkg_build.signing.signers import AcceptedSigner

try:
    from model_signing import verifying
except ImportError as _error:
    raise missing_extra(_error) from None

# What it finds fault with is raised, too; nothing of its log is to go to standard error.
logging.getLogger("model_signing").addHandler(logging.NullHandler())


def payload_verified_by(accepted: AcceptedSigner, bundle: Bundle) -> bytes:
    """Verify that `accepted` signed the bundle, and return what it signed.

    Raises SignatureError where it did not, and LocalEnvironmentError where Sigstore's roots are out of reach.
    """
    from hermpkg_build.signing.signers import AcceptedCertificate, AcceptedKey

    with tempfile.TemporaryDirectory(prefix="hermpkg-signature-") as folder:
        path = _written(folder, "signature", bundle.data)
        config = verifying.Config()
        if isinstance(accepted, AcceptedKey):
            config.use_elliptic_key_verifier(public_key=_written(folder, "key", accepted.public_key))
        elif isinstance(accepted, AcceptedCertificate):
            config.use_certificate_verifier(certificate_chain=[_written(folder, "roots", accepted.roots)])
        else:
            _use_sigstore(config, accepted, folder)
        if bundle.material != "key" or bundle.hint:
            return _verified(config, path)
        # It prints that such a signature is by an older version, where only results are to be printed.
        with redirect_stdout(io.StringIO()):
            return _verified(config, path)


def signing_configuration() -> Any:
    """Return a new configuration to sign with, of whose log nothing goes to standard error, either."""
    from model_signing import signing

    return signing.Config()


def _use_sigstore(config: Any, accepted: Any, folder: str) -> None:
    from pathlib import Path

    trust = accepted.trust_config
    path = Path(_written(folder, "trust", trust)) if trust is not None else None
    try:
        config.use_sigstore_verifier(
            identity=accepted.identity, oidc_issuer=accepted.issuer, trust_config=path
        )
    except Exception as error:
        raise LocalEnvironmentError(
            "Sigstore's roots of trust cannot be had",
            facts=[("reason", f"{type(error).__name__}: {error}")],
            next_step="give them in a file: --trust-config FILE" if trust is None else "",
        ) from error


def _verified(config: Any, path: str) -> bytes:
    from pathlib import Path

    from model_signing._signing import sign_sigstore, sign_sigstore_pb

    form: Any = sign_sigstore if config._uses_sigstore else sign_sigstore_pb
    try:
        _, payload = config._verifier._verify_signed_content(form.Signature.read(Path(path)))
    except Exception as error:  # noqa: BLE001 - cryptography, OpenSSL, pydantic and Sigstore have no common base
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise SignatureError(
            "the signature is not valid",
            fault="not valid",
            facts=[("reason", reason)],
            next_step="get it again from whoever signed; do not use the artifact before",
        ) from None
    return bytes(payload)


def _written(folder: str, name: str, data: bytes) -> str:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path
