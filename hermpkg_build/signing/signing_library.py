"""The library model-signing, asked to sign: with a key in a token, or as an identity that Sigstore knows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.signing.library import signing_configuration


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
    config = signing_configuration()
    with tempfile.TemporaryDirectory(prefix="hermpkg-signature-") as folder:
        path = os.path.join(folder, "signature")
        try:
            configure(config)
            config._signer.sign(_Payload(message)).write(Path(path))
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
