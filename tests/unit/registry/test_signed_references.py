"""Policies that want a signature find it in the registry that an artifact came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.registry.push import push
from hermpkg_build.registry.referrers import Attachment
from hermpkg_build.registry.server import Connection
from hermpkg_build.signing.contents import FileContent
from hermpkg_build.signing.making import model_statement
from hermpkg_build.signing.signers import AcceptedKey
from hermpkg_build.trust.errors import RefusalKind, TrustError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule

pytest.importorskip("cryptography")
pytest.importorskip("model_signing")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hermpkg_build.signing.sign import KeyFile, sign_statement

PEM = serialization.Encoding.PEM
WriteModel = Callable[..., str]


class Key:
    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._private = key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def signature(self, path: str, ending: str = ".sig") -> Attachment:
        content = FileContent.of_bytes("net.pt", Path(path).read_bytes())
        data = sign_statement(model_statement(content), KeyFile(private_key=self._private))
        return Attachment(ending=ending, data=data)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "own cache"))


def refusals(source: object, key: Key) -> list[str]:
    rule = TrustRule(signers=(AcceptedKey(public_key=key.public),), allow_all=True)
    try:
        PackageImporter(source, check="off", trust=TrustPolicy(rules=[rule])).close()  # type: ignore[arg-type]
    except TrustError as error:
        return [refusal.reason for refusal in error.refusals if refusal.kind is RefusalKind.SIGNER]
    return []


def test_an_artifact_is_accepted_by_its_referrers_and_asks_once(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    path, key = write_model(), Key()
    pinned = push(path, registry.reference(), connection, attachments=[key.signature(path)]).reference
    assert refusals(str(pinned), key) == []
    registry.asked.clear()
    assert refusals(str(pinned), key) == []
    assert registry.asked == []
    (reason,) = refusals(str(pinned), Key())
    assert "by somebody who is not accepted" in reason
    assert sum("/referrers/" in path for _, path, _ in registry.asked) == 1


def test_what_was_pulled_and_lies_anywhere_is_known_by_its_bytes(
    registry: Any, connection: Connection, write_model: WriteModel, tmp_path: Path
) -> None:
    path, key = write_model(), Key()
    push(path, registry.reference(), connection)
    (reason,) = refusals(str(registry.reference()), key)
    assert "there is no signature" in reason
    # Signed later: the registry is asked again where what is known is not enough.
    push(path, registry.reference(), connection, attachments=[key.signature(path, ".late.sig")])
    copy = tmp_path / "elsewhere" / "copy.pt"
    copy.parent.mkdir()
    copy.write_bytes(Path(path).read_bytes())
    assert refusals(str(copy), key) == []
    registry.close()
    assert refusals(str(copy), key) == []
    copy.write_bytes(copy.read_bytes().replace(b"x = 7", b"x = 8"))
    assert refusals(str(copy), key)


def test_what_strangers_attach_is_not_believed(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    path, other, key = write_model(), write_model("other.pt", seed=1), Key()
    strangers = [
        Key().signature(path, ".a.sig"),
        Attachment(ending=".b.sig", data=b"no signature"),
        Attachment(ending=".c.sig", data=b"{" * (2 << 20)),
        key.signature(other, ".d.sig"),
    ]
    push(path, registry.reference(), connection, attachments=strangers)
    (reason,) = refusals(str(registry.reference()), key)
    assert ".a.sig" in reason
    assert "the bytes are not those that were signed" in reason
    assert ".c.sig" not in reason
    push(path, registry.reference(), connection, attachments=[key.signature(path, ".e.sig")])
    assert refusals(str(registry.reference()), key) == []


def test_a_registry_that_does_not_answer_is_told(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    path, key = write_model(), Key()
    pinned = push(path, registry.reference(), connection).reference
    PackageImporter(str(pinned), check="off").close()
    registry.faults.append(
        lambda handler: "/referrers/" in handler.path and (handler.fail(403, "DENIED") or True)
    )
    (reason,) = refusals(str(pinned), key)
    assert "what refers to the artifact" in reason
    assert registry.host in reason


def test_a_signature_that_the_rule_names_is_the_only_one(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    path, key = write_model(), Key()
    pinned = push(path, registry.reference(), connection, attachments=[key.signature(path)]).reference
    rule = TrustRule(
        signers=(AcceptedKey(public_key=key.public),), signature="{file}.mine.sig", allow_all=True
    )
    with pytest.raises(TrustError):
        PackageImporter(str(pinned), check="off", trust=TrustPolicy(rules=[rule]))


def test_files_that_came_from_no_registry_ask_nobody_and_make_no_cache(
    write_model: WriteModel, tmp_path: Path
) -> None:
    (reason,) = refusals(write_model(), Key())
    assert reason.startswith("there is no signature")
    assert not (tmp_path / "own cache").exists()


def test_rules_know_artifacts_of_a_registry_by_the_name_of_the_repository(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    path = write_model()
    pinned = push(path, registry.reference(), connection).reference
    sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    rule = TrustRule(artifacts=("net.pt",), sha256=(sha256,), allow_all=True)
    with PackageImporter(str(pinned), check="off", trust=TrustPolicy(rules=[rule])) as importer:
        assert importer.import_module("net.m7").x == 7
    other = TrustRule(artifacts=("other.pt",), sha256=(sha256,), allow_all=True)
    with pytest.raises(TrustError, match=r"no rule is for 'net\.pt'"):
        PackageImporter(str(pinned), check="off", trust=TrustPolicy(rules=[other]))
