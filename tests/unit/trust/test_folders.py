"""An unpacked artifact is held to a policy like a packed one: a copy is judged, and the copy is used."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.errors import ArchiveError
from hermpkg_build.trust.errors import RefusalKind, TrustError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule


def only(**values: object) -> TrustPolicy:
    return TrustPolicy(rules=[TrustRule(**values)])  # type: ignore[arg-type]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt"
    with PackageExporter(path) as exporter:
        exporter.save_source_string("app.words", "WORD = 'good'\n")
        exporter.save_source_string("app.late", "WORD = 'good'\n")
        exporter.save_pickle("model", "model.pkl", {"a": [1, 2]})
        exporter.save_text("app", "wörter und mehr.txt", "good")
    return path


@pytest.fixture
def folder(packed: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(packed) as file:
        file.extractall(tmp_path / "unpacked")
    (found,) = (tmp_path / "unpacked").iterdir()
    return found


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_digest_of_the_artifact_accepts_what_was_unpacked_from_it(packed: Path, folder: Path) -> None:
    importer = PackageImporter(folder, trust=only(sha256=sha256_of(packed), allow_all=True))
    assert importer.import_module("app.words").WORD == "good"
    assert importer.load_pickle("model", "model.pkl") == {"a": [1, 2]}
    assert importer.load_text("app", "wörter und mehr.txt") == "good"


def test_whatever_differs_in_the_folder_is_refused(packed: Path, folder: Path) -> None:
    policy = only(sha256=sha256_of(packed), allow_all=True)
    for change in (
        lambda: (folder / "app" / "words.py").write_text("WORD = 'evil'\n"),
        lambda: (folder / "added.py").write_text(""),
        (folder / "app" / "late.py").unlink,
    ):
        shutil.copytree(folder, folder.parent / "kept")
        change()
        with pytest.raises(TrustError) as caught:
            PackageImporter(folder, trust=policy)
        assert [refusal.kind for refusal in caught.value.refusals] == [RefusalKind.DIGEST]
        shutil.rmtree(folder)
        (folder.parent / "kept").rename(folder)
    PackageImporter(folder, trust=policy).close()


def test_what_code_may_do_is_decided_before_anything_runs(folder: Path) -> None:
    (folder / "app" / "late.py").write_text("import os\nos.system('x')\n")
    with pytest.raises(TrustError) as caught:
        PackageImporter(folder, trust=only(modules="app.**"))
    assert RefusalKind.CAPABILITY in {refusal.kind for refusal in caught.value.refusals}


@pytest.mark.parametrize("closed", [True, False])
def test_what_is_written_into_the_folder_later_is_never_used(folder: Path, closed: bool) -> None:
    importer = PackageImporter(folder, trust=only(modules="app.**"), check="off")
    first = importer.import_module("app.words")
    for name in ("words.py", "late.py"):
        (folder / "app" / name).write_text("WORD = 'evil'\n")
    assert (importer.import_module("app.late").WORD, first.WORD) == ("good", "good")
    shutil.rmtree(folder)
    assert importer.load_pickle("model", "model.pkl") == {"a": [1, 2]}
    if closed:
        importer.close()
    assert importer.filename.endswith(folder.name)


def test_control_without_a_policy_the_folder_itself_is_read(folder: Path) -> None:
    importer = PackageImporter(folder, verify="off")
    (folder / "app" / "late.py").write_text("WORD = 'evil'\n")
    assert importer.import_module("app.late").WORD == "evil"


def test_a_policy_of_the_process_holds_for_folders_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trust.toml").write_text("[[artifact]]\nartifacts = 'arch*'\nmodules = ['other.**']\n")
    monkeypatch.setenv("HERMPKG_TRUST", str(tmp_path / "trust.toml"))
    with pytest.raises(TrustError):
        PackageImporter(folder)
    with pytest.raises(TrustError):
        PackageImporter(f"{folder}{os.sep}")


def test_rules_are_for_folders_by_their_names(folder: Path) -> None:
    rule = {"modules": "app.**", "artifacts": folder.name}
    PackageImporter(f"{folder}{os.sep}", trust=only(**rule)).close()
    with pytest.raises(TrustError):
        PackageImporter(folder, trust=only(**{**rule, "artifacts": "other"}))


def test_a_signature_of_the_folder_accepts_it_and_no_other(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("model_signing")
    from hermpkg_build.signing.folders import open_content
    from hermpkg_build.signing.making import model_statement
    from hermpkg_build.signing.sign import KeyFile, sign_statement
    from hermpkg_build.signing.signers import AcceptedKey
    from tests.unit.signing.keys_for_tests import Key

    key = Key.new()
    signature = sign_statement(model_statement(open_content(str(folder))), KeyFile(private_key=key.pem))
    Path(f"{folder}.sig").write_bytes(signature)
    policy = only(signers=[AcceptedKey(public_key=key.public_pem)], allow_all=True)
    PackageImporter(folder, trust=policy).close()
    (folder / "app" / "words.py").write_text("WORD = 'evil'\n")
    with pytest.raises(TrustError) as caught:
        PackageImporter(folder, trust=policy)
    assert [refusal.kind for refusal in caught.value.refusals] == [RefusalKind.SIGNER]


def test_a_terabyte_of_nothing_is_an_error(folder: Path) -> None:
    with open(folder / "large.bin", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArchiveError, match="hole"):
        PackageImporter(folder, trust=only(modules="app.**"))


def test_a_pipe_is_an_error(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    with pytest.raises(ArchiveError, match="no regular file"):
        PackageImporter(folder, trust=only(modules="app.**"))
