"""Artifacts signed and verified by the command: what passes, what does not, and with which exit code."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

pytest.importorskip("model_signing")

from tests.e2e.conftest import Workspace
from tests.unit.signing.keys_for_tests import DAY, NOW, Authority, Key, authority, key, other_key

__all__ = ["authority", "key", "other_key"]


@pytest.fixture
def app(workspace: Workspace, key: Key, other_key: Key) -> Workspace:
    """The package `app` built, with a signer's keys beside it and a stranger's."""
    workspace.write_app()
    for name, each in {"key": key, "other": other_key}.items():
        (workspace.root / name).write_bytes(each.pem)
        (workspace.root / f"{name}.pub").write_bytes(each.public_pem)
    workspace.build("//app")
    return workspace


def signed(app: Workspace) -> Path:
    assert app.run("sign", "//app", "--private-key", "key").code == 0
    return app.root / "hermpkg-out/app/app.pt.sig"


def as_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def test_a_target_is_signed_and_verified(app: Workspace) -> None:
    artifact = app.root / "hermpkg-out/app/app.pt"
    before = artifact.read_bytes()
    signature = signed(app)
    first = signature.read_bytes()
    assert artifact.read_bytes() == before
    outcome = app.run("--json", "verify", "//app", "--public-key", "key.pub")
    assert outcome.code == 0, outcome.stderr
    checks = {check["check"]: check for check in outcome.json["checks"]}
    assert checks["signature"]["signers"][0]["kind"] == "key"
    assert checks["file"]["passed"]
    # Signing again gives the same signature; one that is there does no harm to a build.
    signed(app)
    assert signature.read_bytes() == first
    assert app.build("//app").target["status"] == "up-to-date"


DAMAGES = {
    "missing": lambda artifact, signature: signature.unlink(),
    "malformed": lambda artifact, signature: signature.write_bytes(signature.read_bytes()[:-9]),
    "other content": lambda artifact, signature: artifact.write_bytes(artifact.read_bytes() + b"x"),
    "link": lambda artifact, signature: as_link(signature),
}


def test_what_is_not_as_signed_exits_with_3(app: Workspace) -> None:
    signature = signed(app)
    for fault, damage in DAMAGES.items():
        folder = app.root / f"with {fault}"
        shutil.copytree(signature.parent, folder)
        damage(folder / "app.pt", folder / "app.pt.sig")
        outcome = app.run(
            "--json", "verify", str(folder / "app.pt"), "--public-key", "key.pub", "--file-only"
        )
        assert outcome.code == 3, outcome.stderr
        assert outcome.json["checks"][0]["faults"] == [fault]


def test_a_missing_signature_is_told_with_the_command_that_makes_it(app: Workspace) -> None:
    signature = signed(app)
    signature.unlink()
    outcome = app.run("verify", str(signature.with_suffix("")), "--public-key", "key.pub")
    command = re.search("hermpkg sign .*", outcome.stderr + outcome.stdout)
    assert command is not None
    assert app.run(*shlex.split(command.group().replace("key.pem", "key"))[1:]).code == 0
    assert app.run("verify", str(signature.with_suffix("")), "--public-key", "key.pub").code == 0


def test_who_else_signed_does_not_count(app: Workspace, authority: Authority, key: Key) -> None:
    signed(app)
    artifact = "hermpkg-out/app/app.pt"
    outcome = app.run("verify", artifact, "--public-key", "other.pub")
    assert outcome.code == 3
    assert "other.pub" in outcome.stdout
    # A signature of somebody else is not written over; both can lie there, and both can be asked for.
    refused = app.run("sign", artifact, "--private-key", "other")
    assert refused.code == 2
    assert f"--signature {artifact}.NAME.sig" in refused.stderr
    assert (
        app.run("sign", artifact, "--private-key", "other", "--signature", f"{artifact}.team.sig").code == 0
    )
    assert app.run("verify", "//app", "--public-key", "key.pub", "--public-key", "other.pub").code == 0
    for name, end in {"old": NOW - DAY, "new": NOW + DAY}.items():
        (app.root / name).write_bytes(authority.certify(key, begin=NOW - 30 * DAY, end=end))
    (app.root / "middle").write_bytes(authority.middle)
    (app.root / "root").write_bytes(authority.root)
    with_chain = ("--certificate-chain", "middle", "--signature", f"{artifact}.ada.sig")
    for certificate, code in {"old": 3, "new": 0}.items():
        words = ("sign", artifact, "--private-key", "key", "--signing-certificate", certificate, *with_chain)
        assert app.run(*words).code == 0
        outcome = app.run("verify", artifact, "--certificate-chain", "root", "--identity", "Ada")
        assert outcome.code == code, outcome.stderr
        assert ("expired" in outcome.stdout) == bool(code)


def test_an_unpacked_folder(app: Workspace) -> None:
    artifact = app.root / "hermpkg-out/app/app.pt"
    folder = app.root / "unpacked folder"
    shutil.unpack_archive(artifact, folder, "zip")
    assert app.run("sign", "unpacked folder/app", "--private-key", "key").code == 0
    words = ("verify", "unpacked folder/app", "--public-key", "key.pub")
    assert app.run(*words).code == 0
    (folder / "app/app/sitecustomize.py").write_text("")
    outcome = app.run(*words)
    assert outcome.code == 3
    assert "app/sitecustomize.py" in outcome.stdout
    assert app.run("verify", "unpacked folder/app").code == 2


WRONG = [
    (("sign", "//app"), "nothing says who signs"),
    (("sign", "//app", "--private-key", "nowhere"), "-genkey -noout -out nowhere"),
    (("sign", "//app", "--private-key", "key.pub"), "private key"),
    (("sign", "//app", "--private-key", "key", "--sigstore"), "two signers"),
    (("sign", "//app", "--private-key", "key", "--certificate-chain", "x"), "--signing-certificate"),
    (("verify", "//app", "--signature", "x"), "who must have signed"),
    (("verify", "//app", "--identity", "x"), "--identity needs"),
    (("verify", "//app", "--identity-provider", "x"), "--identity-provider needs"),
    (("verify", "//app", "--public-key", "key"), "public key"),
]


def test_words_that_do_not_fit(app: Workspace) -> None:
    for words, said in WRONG:
        outcome = app.run(*words)
        assert outcome.code == 2, words
        assert said in outcome.stderr
