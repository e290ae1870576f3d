"""Files that somebody must have signed: who signed, the very bytes, and every way in which that fails."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.signing.contents import FileContent
from hermpkg_build.signing.making import model_statement
from hermpkg_build.signing.sign import KeyFile, sign_statement
from hermpkg_build.signing.signers import AcceptedKey
from hermpkg_build.trust.errors import RefusalKind, TrustError, TrustPolicyError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule
from hermpkg_build.trust.policy_file import read_policy
from hermpkg_build.trust.policy_text import policy_text

pytest.importorskip("cryptography")
pytest.importorskip("model_signing")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM


def new_key() -> tuple[bytes, bytes]:
    """A private key and its public one."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def sign(path: Path, private: bytes) -> bytes:
    content = FileContent.of_bytes(path.name, path.read_bytes())
    return sign_statement(model_statement(content), KeyFile(private_key=private))


@pytest.fixture
def signed(artifact: Callable[..., Path]) -> tuple[Path, Path, bytes]:
    """An artifact, its signature, and the public key."""
    path = artifact({"app/a.py": "WORD = 1\n" + "#" * 200_000})
    private, public = new_key()
    signature = path.with_name(f"{path.name}.sig")
    signature.write_bytes(sign(path, private))
    return path, signature, public


def reasons(path: object, *keys: bytes, **more: object) -> list[str]:
    accepted = tuple(AcceptedKey(public_key=key) for key in keys)
    rule = TrustRule(signers=accepted, allow_all=True, **more)  # type: ignore[arg-type]
    try:
        PackageImporter(path, trust=TrustPolicy(rules=[rule])).close()
    except TrustError as error:
        return [refusal.reason for refusal in error.refusals if refusal.kind is RefusalKind.SIGNER]
    return []


def test_one_of_those_who_are_accepted_has_signed(signed: tuple[Path, Path, bytes]) -> None:
    path, signature, public = signed
    assert reasons(path, public) == []
    assert reasons(path, new_key()[1], public) == []
    moved = path.with_name("elsewhere.bin")
    signature.rename(moved)
    assert reasons(path, public, signature=str(moved)) == []
    assert "there is no signature" in reasons(path, public)[0]


@pytest.mark.parametrize(("allow_all", "commands"), [(True, ["sign"]), (False, ["sign", "scan", "trust"])])
def test_the_next_step_is_to_sign_what_is_not_signed(
    signed: tuple[Path, Path, bytes], *, allow_all: bool, commands: list[str]
) -> None:
    path, signature, public = signed
    signature.unlink()
    rule = TrustRule(signers=(AcceptedKey(public_key=public),), allow_all=allow_all)
    with pytest.raises(TrustError) as caught:
        PackageImporter(path, trust=TrustPolicy(rules=[rule]))
    assert re.findall(r"hermpkg (\w+)", caught.value.next_step) == commands
    assert f"hermpkg sign {path} --private-key key.pem" in caught.value.next_step


def test_of_several_signatures_one_is_enough(signed: tuple[Path, Path, bytes]) -> None:
    path, signature, public = signed
    private, other = new_key()
    signature.rename(path.with_name(f"{path.name}.team.sig"))
    signature.write_bytes(sign(path, private))
    assert reasons(path, public) == []
    assert reasons(path, other) == []
    (reason,) = reasons(path, new_key()[1])
    assert reason.count("not accepted") == 2
    assert "team.sig" in reason


def test_everything_else_is_refused(signed: tuple[Path, Path, bytes]) -> None:
    path, signature, public = signed
    assert "not accepted" in reasons(path, new_key()[1])[0]
    assert "from memory" in reasons(path.read_bytes(), public)[0]
    good = signature.read_bytes()
    for bad in (b"", good[:-9], good[: len(good) // 2], b"{}", good.replace(b"a", b"b")):
        signature.write_bytes(bad)
        assert reasons(path, public), bad
    signature.write_bytes(good)
    path.write_bytes(path.read_bytes().replace(b"##", b"#!", 1))
    assert "not those that were signed" in reasons(path, public)[0]


def test_the_bytes_that_were_signed_are_those_that_are_used(signed: tuple[Path, Path, bytes]) -> None:
    path, _, public = signed
    rule = TrustRule(signers=(AcceptedKey(public_key=public),), allow_all=True)
    importer = PackageImporter(path, trust=TrustPolicy(rules=[rule]), verify="off")
    content = path.read_bytes().replace(b"WORD = 1", b"WORD = 2")
    os.truncate(path, 0)
    path.write_bytes(content)
    with pytest.raises(Exception, match="written over or replaced"):
        importer.import_module("app.a")


def test_keys_come_from_files_of_ones_own(signed: tuple[Path, Path, bytes], tmp_path: Path) -> None:
    path, _, public = signed
    key, file = tmp_path / "release.pub", tmp_path / "trust.toml"
    file.write_text('[[artifact]]\nsigners = [{ key = "release.pub" }]\nallow-all = true\n')
    with pytest.raises(TrustPolicyError, match="cannot be read") as caught:
        read_policy(file)
    assert str(caught.value).startswith(f"{file}:2:1: ")
    key.write_bytes(public)
    PackageImporter(path, trust=file).close()
    again = tmp_path / "again.toml"
    again.write_text(policy_text(read_policy(file)))
    assert read_policy(again) == read_policy(file)
    key.chmod(0o666)
    with pytest.raises(TrustPolicyError, match="somebody else"):
        read_policy(file)


@pytest.mark.parametrize("name", ["key", "certificate-authorities"])
def test_what_is_no_key_is_told(signed: tuple[Path, Path, bytes], tmp_path: Path, name: str) -> None:
    path, _, _ = signed
    (tmp_path / "x.pem").write_text("nothing")
    file = tmp_path / "trust.toml"
    file.write_text(f'[[artifact]]\nsigners = [{{ {name} = "x.pem" }}]\nallow-all = true\n')
    with pytest.raises(Exception, match=r"key|certificate|signer"):
        PackageImporter(path, trust=file)
