"""Signatures by a key that never leaves its token, here one in software."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("model_signing")
pytest.importorskip("PyKCS11")

from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.signing.contents import FileContent
from hermpkg_build.signing.making import model_statement
from hermpkg_build.signing.sign import Certificates, TokenKey, sign_statement
from hermpkg_build.signing.signers import AcceptedCertificate, AcceptedKey
from hermpkg_build.signing.verify import verify_signature
from tests.unit.signing.keys_for_tests import Authority, Key, authority, key

__all__ = ["authority", "key"]

CONTENT = FileContent.of_bytes("net.pt", b"weights")


@pytest.fixture(scope="module")
def library() -> str:
    found = [*glob.glob("/usr/lib/softhsm/libsofthsm2.so"), *glob.glob("/usr/lib/*/softhsm/libsofthsm2.so")]
    if not shutil.which("softhsm2-util") or not found:
        pytest.skip("softhsm2 is not installed: sh tests/signing/install.sh")
    return found[0]


@pytest.fixture
def token(tmp_path: Path, key: Key, library: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of `key` in a token of its own."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    (tmp_path / "key.pem").write_bytes(key.pem)
    tool = ["softhsm2-util", "--pin", "1234"]
    subprocess.run([*tool, "--init-token", "--free", "--label", "team", "--so-pin", "5678"], check=True)
    words = ["--token", "team", "--label", "signing", "--id", "a1"]
    subprocess.run([*tool, "--import", str(tmp_path / "key.pem"), *words], check=True)
    return f"pkcs11:token=team;object=signing?pin-value=1234&module-path={library}"


def test_a_key_in_a_token_signs(token: str, key: Key) -> None:
    signature = sign_statement(model_statement(CONTENT), TokenKey(uri=token))
    assert verify_signature(CONTENT, signature, [AcceptedKey(public_key=key.public_pem)]).kind == "key"


def test_a_key_in_a_token_signs_with_its_certificate(token: str, key: Key, authority: Authority) -> None:
    shown = Certificates(certificate=authority.certify(key), chain=authority.middle)
    identity = TokenKey(uri=token, certificates=shown)
    signature = sign_statement(model_statement(CONTENT), identity)
    signer = verify_signature(CONTENT, signature, [AcceptedCertificate(roots=authority.root)])
    assert signer.identity == "CN=Ada"


def test_a_library_by_its_name_in_a_folder(token: str, key: Key, library: str) -> None:
    uri = token.replace(f"module-path={library}", "module-name=softhsm2")
    identity = TokenKey(uri=uri, modules=[os.path.join(os.path.dirname(library), "")])
    signature = sign_statement(model_statement(CONTENT), identity)
    assert verify_signature(CONTENT, signature, [AcceptedKey(public_key=key.public_pem)])


@pytest.mark.parametrize(
    "edit", [("1234", "9999"), ("object=signing", "object=other"), ("pkcs11:", "other:")]
)
def test_what_no_token_signs(token: str, edit: tuple[str, str]) -> None:
    with pytest.raises(LocalEnvironmentError, match="the token did not sign"):
        sign_statement(model_statement(CONTENT), TokenKey(uri=token.replace(*edit)))
