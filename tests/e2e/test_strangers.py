"""A checkout from a stranger decides what its own artifacts are, and nothing else on the machine."""

import hashlib
import shutil
from zipfile import ZipFile

import pytest

from hermpkg_build.engine.snapshot_check import StoredSnapshot


def test_artifacts_that_come_with_a_checkout_are_not_believed(app):
    first = app.build("//app").target
    artifact = app.root / "hermpkg-out/app/app.pt"
    artifact.unlink()
    artifact.write_bytes(b"what a stranger likes")
    forged = hashlib.sha256(artifact.read_bytes()).hexdigest()
    for snapshot in (app.root / "hermpkg-out/.hermpkg/requests").glob("*.snapshot"):
        stored = StoredSnapshot.from_bytes(bytearray(snapshot.read_bytes()))
        for table in (stored.files, stored.directories, stored.outputs):
            table.update({path: (hash_, None) for path, (hash_, _) in table.items()})
        stored.outputs.update(dict.fromkeys(stored.outputs, (forged, None)))
        snapshot.write_bytes(stored.to_bytes())
    # The forgery is good: who writes into the folder of a build, rather than a copy of it, is believed.
    assert app.build("//app").target["status"] == "up-to-date"
    moved = app.root.rename(app.root.with_name("moved"))
    shutil.copytree(moved, app.root)
    again = app.build("--cache-dir", str(app.cache.with_name("empty")), "//app").target
    assert (again["status"], again["sha256"]) == ("built", first["sha256"])


@pytest.mark.parametrize("link", ["hermpkg-out", "hermpkg-out/app", "hermpkg-out/.hermpkg"])
def test_outputs_go_through_no_link(app, tmp_path, link):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    precious = elsewhere / "app.pt"
    precious.write_text("precious")
    (app.root / link).parent.mkdir(exist_ok=True)
    (app.root / link).symlink_to(elsewhere)
    outcome = app.run("//app")
    assert outcome.code == 2
    assert f"link:     {app.root / link}" in outcome.stderr
    assert precious.read_text() == "precious"
    assert [path.name for path in elsewhere.iterdir()] == ["app.pt"]
    assert app.build("//app", env={"HERMPKG_TRUST": str(app.root)}).target["status"] == "built"


EVIL = "\x1b]0;title\x07\x9b31m\u202e\r\nFAKE: verified"


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "FILE"],
        ["inspect", "--tree", "FILE"],
        ["verify", "FILE"],
        ["diff", "original.pt", "FILE"],
        ["why", "FILE", EVIL],
    ],
    ids=lambda words: words[0],
)
def test_no_text_of_an_artifact_steers_a_terminal(app, words):
    app.build("//app", "--out", "original.pt")
    with ZipFile(app.root / "original.pt") as source, ZipFile(app.root / "evil.pt", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("python_version"):
                data += EVIL.encode()
            target.writestr(
                f"evil{EVIL}/{name.partition('/')[2]}", data + EVIL.encode() * name.endswith("txt")
            )
        target.writestr(f"evil{EVIL}/{EVIL}", "x")
    reports = ["--summary", "page.md", "--junit", "report.xml"] if "verify" in words else []
    outcome = app.run("-v", *[word.replace("FILE", "evil.pt") for word in words], *reports)
    assert outcome.code in (0, 1, 3, 7), outcome.stderr
    texts = [outcome.stdout, outcome.stderr, *((app.root / name).read_text() for name in reports[1::2])]
    for line in "\n".join(texts).split("\n"):
        assert not line.startswith("FAKE")
        assert all(character.isprintable() or character == "\t" for character in line)
