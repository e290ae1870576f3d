"""What a signature shows: who signed, that every byte is as it was signed, and nothing where it does not."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("model_signing")

from hermpkg_build.errors import CommandLineError, ExitCode
from hermpkg_build.signing.contents import FileContent
from hermpkg_build.signing.failures import SignatureError
from hermpkg_build.signing.folders import open_content
from hermpkg_build.signing.making import model_statement
from hermpkg_build.signing.sign import Certificates, KeyFile, sign_statement
from hermpkg_build.signing.signers import AcceptedCertificate, AcceptedIdentity, AcceptedKey
from hermpkg_build.signing.verify import verify_signature
from tests.unit.signing.keys_for_tests import DAY, NOW, Authority, Key, authority, key, other_key

__all__ = ["authority", "key", "other_key"]

DATA = b"some weights" * 100


def signed(data: bytes, key: Key, **shown: bytes) -> bytes:
    statement = model_statement(FileContent.of_bytes("net.pt", data))
    certificates = Certificates(**shown) if shown else None
    return sign_statement(statement, KeyFile(private_key=key.pem, certificates=certificates))


def verified(data: bytes, signature: bytes, *accepted):
    return verify_signature(FileContent.of_bytes("net.pt", data), signature, accepted)


def fault(data: bytes, signature: bytes, *accepted) -> str:
    with pytest.raises(SignatureError) as caught:
        verified(data, signature, *accepted)
    assert caught.value.exit_code == ExitCode.TESTS_FAILED
    assert caught.value.summary
    return caught.value.fault


def official(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the library's own command."""
    program = "import sys; from model_signing._cli import main; main()"
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_key_that_signed_is_told(key: Key, other_key: Key) -> None:
    accepted = AcceptedKey(public_key=key.public_pem)
    signer = verified(DATA, signed(DATA, key), AcceptedKey(public_key=other_key.public_pem), accepted)
    assert signer.kind == "key"
    assert signer.accepted == accepted
    assert len(signer.fingerprint) == 64


def test_equal_files_and_keys_give_equal_signatures(key: Key) -> None:
    assert signed(DATA, key) == signed(DATA, key)
    assert signed(DATA, key) != signed(DATA[:-1], key)


@pytest.mark.parametrize("curve", ["SECP256R1", "SECP384R1", "SECP521R1"])
def test_every_curve_of_model_signing(curve: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    key = Key.new(getattr(ec, curve)())
    assert verified(DATA, signed(DATA, key), AcceptedKey(public_key=key.public_pem)).kind == "key"


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
def test_no_bit_of_the_file_can_change(key: Key, place: int, bit: int) -> None:
    changed = bytearray(DATA)
    changed[place] ^= 1 << bit
    assert fault(bytes(changed), signed(DATA, key), AcceptedKey(public_key=key.public_pem)) == "other content"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_byte_of_the_signature_can_change_what_it_shows(key: Key, data: st.DataObject) -> None:
    """A changed signature shows nothing, or the same: some bytes are names that decide nothing."""
    signature = bytearray(signed(DATA, key))
    place = data.draw(st.integers(0, len(signature) - 1))
    signature[place] = data.draw(st.integers(0, 255))
    accepted = AcceptedKey(public_key=key.public_pem)
    try:
        signer = verified(DATA, bytes(signature), accepted)
    except SignatureError:
        return
    assert signer.accepted == accepted
    assert fault(DATA + b"x", bytes(signature), accepted)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda text: b"", "malformed"),
        (lambda text: text[:-1], "malformed"),
        (lambda text: text[: len(text) // 2], "malformed"),
        (lambda text: text + b"x", "malformed"),
        (lambda text: text + text, "malformed"),
        (lambda text: b"\xff" + text, "malformed"),
        (lambda text: b"[" * 100_000, "malformed"),
        (lambda text: b"[]", "malformed"),
        (lambda text: text.replace(b"bundle.v0.3", b"bundle.v0.9"), "malformed"),
        (lambda text: text.replace(b"vnd.in-toto+json", b"vnd.other+json"), "malformed"),
        (lambda text: text.replace(b'"publicKey"', b'"publicKeys"'), "malformed"),
        (lambda text: text.replace(b"{", b'{"mediaType":"x",', 1), "malformed"),
        (lambda text: text.replace(b'"signatures":[', b'"signatures":[{"sig":"AA=="},'), "malformed"),
        (lambda text: text.replace(b'"sig":"', b'"sig":"AAAA'), "not valid"),
    ],
)
def test_what_is_no_signature(key: Key, edit, expected: str) -> None:
    signature = edit(signed(DATA, key))
    assert fault(DATA, signature, AcceptedKey(public_key=key.public_pem)) == expected


def test_another_payload_under_the_same_signature(key: Key) -> None:
    bundle = json.loads(signed(DATA, key))
    other = model_statement(FileContent.of_bytes("net.pt", b"other"))
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(other).decode()
    accepted = AcceptedKey(public_key=key.public_pem)
    assert fault(b"other", json.dumps(bundle).encode(), accepted) == "not valid"


def test_somebody_else_signed(key: Key, other_key: Key, authority: Authority) -> None:
    by_key = signed(DATA, key)
    by_certificate = signed(DATA, key, certificate=authority.certify(key), chain=authority.middle)
    stranger = AcceptedKey(public_key=other_key.public_pem)
    roots = AcceptedCertificate(roots=authority.root)
    assert fault(DATA, by_key, stranger) == "other signer"
    assert fault(DATA, by_key, roots) == "other signer"
    assert fault(DATA, by_key, AcceptedIdentity(identity="ada", issuer="https://issuer")) == "other signer"
    assert fault(DATA, by_key) == "other signer"
    assert fault(DATA, by_certificate, stranger) == "other signer"


def test_the_hint_at_the_key_is_no_proof(key: Key, other_key: Key) -> None:
    bundle = json.loads(signed(DATA, other_key))
    bundle["verificationMaterial"] = json.loads(signed(DATA, key))["verificationMaterial"]
    assert fault(DATA, json.dumps(bundle).encode(), AcceptedKey(public_key=key.public_pem)) == "not valid"


def test_certificates(key: Key, authority: Authority) -> None:
    signature = signed(
        DATA, key, certificate=authority.certify(key, email="ada@example.org"), chain=authority.middle
    )
    signer = verified(DATA, signature, AcceptedCertificate(roots=authority.root))
    assert (signer.kind, signer.identity, signer.issuer) == ("certificate", "ada@example.org", "CN=Middle")
    for identity in ("ada@example.org", "Ada", "CN=Ada"):
        accepted = AcceptedCertificate(roots=authority.root, identity=identity)
        assert verified(DATA, signature, accepted).identity == identity
    assert fault(DATA, signature, AcceptedCertificate(roots=authority.root, identity="Bob")) == "other signer"
    assert fault(DATA + b"x", signature, AcceptedCertificate(roots=authority.root)) == "other content"


def test_certificates_that_show_nothing(key: Key, authority: Authority) -> None:
    accepted = AcceptedCertificate(roots=authority.root)

    def by(certificate: bytes, chain: bytes = authority.middle) -> str:
        return fault(DATA, signed(DATA, key, certificate=certificate, chain=chain), accepted)

    assert by(authority.certify(key, begin=NOW - 30 * DAY, end=NOW - DAY)) == "expired"
    assert by(authority.certify(key, begin=NOW + DAY, end=NOW + 30 * DAY)) == "expired"
    assert by(authority.certify(key), chain=b"") == "not valid"
    self_made = Authority(b"", b"", Key.new())
    assert by(self_made.certify(key)) == "not valid"
    # An authority's own certificate is not one to sign artifacts with.
    assert by(authority.certify(key, ca=True)) == "not valid"


def test_keys_that_cannot_be_used(key: Key, other_key: Key, authority: Authority) -> None:
    def refusal(**more) -> str:
        with pytest.raises(CommandLineError) as caught:
            sign_statement(b"{}", KeyFile(**{"private_key": key.pem, **more}))
        return caught.value.render()

    assert "encrypted" in refusal(private_key=key.encrypted(b"secret"))
    assert "has no password" in refusal(password="secret")
    assert "in PEM" in refusal(private_key=key.encrypted(b"secret"), password="wrong")
    assert "in PEM" in refusal(private_key=b"junk")
    shown = Certificates(certificate=authority.certify(other_key))
    assert "not of the key" in refusal(certificates=shown)
    assert sign_statement(b"{}", KeyFile(private_key=key.encrypted(b"secret"), password="secret"))
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert "elliptic curves" in refusal(private_key=ed25519.Ed25519PrivateKey.generate().private_bytes(*form))


def write_folder(path: Path) -> Path:
    for name in (".data/version", "a/__init__.py", "a/ünï.py", "a.b", "a b/x"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    (path / "empty.py").write_bytes(b"")
    return path


def test_folders(tmp_path: Path, key: Key) -> None:
    folder = write_folder(tmp_path / "net")
    accepted = AcceptedKey(public_key=key.public_pem)
    signature = sign_statement(model_statement(open_content(str(folder))), KeyFile(private_key=key.pem))

    def found() -> str:
        with pytest.raises(SignatureError) as caught:
            verify_signature(open_content(str(folder)), signature, [accepted])
        return f"{caught.value.fault} {caught.value.facts}"

    assert verify_signature(open_content(str(folder)), signature, [accepted])
    (folder / "b.py").write_bytes(b"")
    assert "('not signed', 'b.py')" in found()
    assert verify_signature(open_content(str(folder)), signature, [accepted], beside=["b.py"])
    (folder / "b.py").unlink()
    (folder / "a.b").write_text("other")
    assert "('changed', 'a.b')" in found()
    (folder / "a.b").unlink()
    assert "('missing', 'a.b')" in found()
    (folder / "a.b").symlink_to("empty.py")
    assert found().startswith("link ")
    assert fault(DATA, signature, accepted) == "other content"


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(DATA)
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(SignatureError) as caught:
            open_content(str(tmp_path / name))
        assert caught.value.fault == "link"


def test_what_is_open_is_verified_when_its_name_leads_elsewhere(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(DATA)
    accepted = AcceptedKey(public_key=key.public_pem)
    with open(path, "rb") as file:
        (tmp_path / "other").write_bytes(b"other")
        os.replace(tmp_path / "other", path)
        content = FileContent.of_descriptor("net.pt", file.fileno())
        assert verify_signature(content, signed(DATA, key), [accepted])
        assert file.tell() == 0


@pytest.fixture
def keys(tmp_path: Path, key: Key, authority: Authority) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "key").write_bytes(key.pem)
    (folder / "key.pub").write_bytes(key.public_pem)
    (folder / "certificate").write_bytes(authority.certify(key))
    (folder / "middle").write_bytes(authority.middle)
    (folder / "root").write_bytes(authority.root)
    return folder


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_official_command_verifies_ours(tmp_path: Path, key: Key, keys: Path, kind: str) -> None:
    path = tmp_path / "net.pt"
    if kind == "file":
        path.write_bytes(DATA)
    else:
        write_folder(path)
    signature = tmp_path / "net.pt.sig"
    with open_content(str(path)) as content:
        statement = model_statement(content)
    signature.write_bytes(sign_statement(statement, KeyFile(private_key=key.pem)))
    words = ("verify", "key", path, "--signature", signature, "--public_key", keys / "key.pub")
    assert official(*words).returncode == 0
    chain = {"certificate": (keys / "certificate").read_bytes(), "chain": (keys / "middle").read_bytes()}
    certificates = Certificates(**chain)
    signature.write_bytes(sign_statement(statement, KeyFile(private_key=key.pem, certificates=certificates)))
    certified = (
        "verify",
        "certificate",
        path,
        "--signature",
        signature,
        "--certificate_chain",
        keys / "root",
    )
    assert official(*certified).returncode == 0
    (path if kind == "file" else path / "a.b").write_bytes(b"changed")
    assert official(*certified).returncode != 0


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_ours_verifies_the_official_commands(
    tmp_path: Path, key: Key, authority: Authority, keys: Path, kind: str
) -> None:
    path = tmp_path / "net.pt"
    if kind == "file":
        path.write_bytes(DATA)
        beside = ()
        signature = tmp_path / "net.pt.sig"
    else:
        write_folder(path)
        # The command's own habit: the signature lies in the folder, and is left out.
        beside = ("model.sig",)
        signature = path / "model.sig"
    assert (
        official("sign", "key", path, "--signature", signature, "--private_key", keys / "key").returncode == 0
    )
    accepted = AcceptedKey(public_key=key.public_pem)
    assert verify_signature(open_content(str(path)), signature.read_bytes(), [accepted], beside=beside)
    signature.unlink()
    words = ("--signing_certificate", keys / "certificate", "--certificate_chain", keys / "middle")
    certified = ("sign", "certificate", path, "--signature", signature, "--private_key", keys / "key", *words)
    assert official(*certified).returncode == 0
    roots = AcceptedCertificate(roots=authority.root)
    assert verify_signature(open_content(str(path)), signature.read_bytes(), [roots], beside=beside)
    (path if kind == "file" else path / "a.b").write_bytes(b"changed")
    with pytest.raises(SignatureError):
        verify_signature(open_content(str(path)), signature.read_bytes(), [roots], beside=beside)


def test_what_a_signer_left_out_is_not_passed_over(tmp_path: Path, key: Key, keys: Path) -> None:
    folder = write_folder(tmp_path / "net")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.py").write_text("not covered")
    signature = tmp_path / "net.sig"
    assert (
        official("sign", "key", folder, "--signature", signature, "--private_key", keys / "key").returncode
        == 0
    )
    with pytest.raises(SignatureError, match="other files"):
        verify_signature(
            open_content(str(folder)), signature.read_bytes(), [AcceptedKey(public_key=key.public_pem)]
        )


@pytest.mark.parametrize("form", ["blake2", "blake3", "shards"])
def test_every_form_that_the_library_writes(tmp_path: Path, key: Key, keys: Path, form: str) -> None:
    import model_signing

    path = tmp_path / "net.pt"
    path.write_bytes(DATA)
    hashing = model_signing.hashing.Config()
    if form == "shards":
        hashing.use_shard_serialization(shard_size=1000)
    else:
        hashing.use_file_serialization(hashing_algorithm=form)
    config = model_signing.signing.Config().use_elliptic_key_signer(private_key=keys / "key")
    config.set_hashing_config(hashing).sign(path, tmp_path / "net.pt.sig")
    signature = (tmp_path / "net.pt.sig").read_bytes()
    accepted = AcceptedKey(public_key=key.public_pem)
    assert verified(DATA, signature, accepted)
    for other in (DATA + b"x", DATA[:-1], DATA[:-1] + b"x"):
        assert fault(other, signature, accepted) == "other content"
