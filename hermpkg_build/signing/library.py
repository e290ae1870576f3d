"""The library model-signing: the one place that calls it.

Its public configuration makes signers and verifiers, for files by name. Here they work on statements and on
bytes that are in memory, for which the objects that the configuration holds are asked directly.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.signing.failures import SignatureError, missing_extra

if TYPE_CHECKING:
    from hermpkg_build.signing.bundles import Bundle
    from hermpkg_build.signing.signers import AcceptedSigner

try:
    from model_signing import signing, verifying
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


def sign_with_token(statement: bytes, *, uri: str, modules: Sequence[str]) -> bytes:
    """Sign with the key that a PKCS #11 URI names, in a token, and return the bundle.

    Raises LocalEnvironmentError where the token does not sign.
    """

    def configure(config: Any) -> None:
        config.use_pkcs11_signer(pkcs11_uri=uri, module_paths=list(modules))

    return _signed(statement, configure, "the token")


def sign_at_sigstore(
    statement: bytes, *, identity_token: str, ambient: bool, staging: bool, trust_config: str
) -> bytes:
    """Sign as the identity that a token or the machine's own credentials show, and return the bundle.

    Raises LocalEnvironmentError where Sigstore is out of reach or does not accept the identity.
    """
    from pathlib import Path

    def configure(config: Any) -> None:
        config.use_sigstore_signer(
            use_ambient_credentials=ambient,
            use_staging=staging,
            identity_token=identity_token or None,
            trust_config=Path(trust_config) if trust_config else None,
        )

    return _signed(statement, configure, "Sigstore")


def _signed(statement: bytes, configure: Callable[[Any], None], who: str) -> bytes:
    from google.protobuf import json_format
    from in_toto_attestation.v1 import statement_pb2

    message = json_format.Parse(statement, statement_pb2.Statement())
    config = signing.Config()
    with tempfile.TemporaryDirectory(prefix="hermpkg-signature-") as folder:
        path = os.path.join(folder, "signature")
        try:
            configure(config)
            _write(config._signer.sign(_Payload(message)), path)
        except Exception as error:
            # Libraries of tokens and of HTTP raise errors of their own, none of which have a common base.
            raise LocalEnvironmentError(
                f"{who} did not sign", facts=[("reason", f"{type(error).__name__}: {error}")]
            ) from error
        with open(path, "rb") as file:
            return file.read()


class _Payload:
    """What a signer asks of a payload: ``payload.statement.pb``."""

    def __init__(self, message: Any) -> None:
        self.statement = self
        self.pb = message


def _write(signature: Any, path: str) -> None:
    from pathlib import Path

    signature.write(Path(path))


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
