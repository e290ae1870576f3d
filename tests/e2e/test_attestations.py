"""Statements on what artifacts were made of: whole, the same again, in the form of the standards, signed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("model_signing")

from tests.e2e.conftest import Workspace
from tests.unit.signing.keys_for_tests import Key, key, other_key

__all__ = ["key", "other_key"]

MODEL_BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"]), resources = ["words.txt"])
model(name = "net", factory = "app.main:make", args = {"size": 3}, seed = 5, deps = [":modules"])
model_package(
    name = "app",
    models = {"net/net.pkl": ":net"},
    policy = [intern("app.**"), extern("packaging.**")],
    deps = [":modules"],
)
"""
MAIN = """
import packaging.version

class Net:
    def __init__(self, size):
        self.size = size

def make(size):
    assert packaging.version.Version("1") < packaging.version.Version("2")
    return Net(size)
"""


@pytest.fixture
def app(workspace: Workspace, key: Key, other_key: Key) -> Workspace:
    workspace.write_app()
    for name, each in {"key": key, "other": other_key}.items():
        (workspace.root / name).write_bytes(each.pem)
        (workspace.root / f"{name}.pub").write_bytes(each.public_pem)
    return workspace


def check_by_standard(data: bytes) -> None:
    """Hold a statement to in-toto's own library, field by field, and to SLSA's predicate."""
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    parsed = json_format.Parse(data, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    provenance = json_format.ParseDict(json.loads(data)["predicate"], provenance_pb2.Provenance())
    definition, details = provenance.build_definition, provenance.run_details
    assert definition.build_type
    assert details.builder.id
    for each in definition.resolved_dependencies:
        assert each.uri or each.digest
        for kind, value in each.digest.items():
            assert len(value) == {"sha256": 64, "gitCommit": 40}[kind]


def attested(app: Workspace, *words: str) -> bytes:
    outcome = app.run("attest", *words)
    assert outcome.code == 0, outcome.stderr
    check_by_standard(outcome.stdout.encode())
    return outcome.stdout.encode()


def materials(statement: bytes) -> dict[str, dict]:
    found = json.loads(statement)["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {each.get("name", ""): each for each in found}


def test_every_input_is_named_by_its_digest(app: Workspace) -> None:
    app.build_file(MODEL_BUILD)
    app.write("app/main.py", MAIN)
    first = attested(app, "//app")
    named = materials(first)
    for path in ("app/BUILD", "app/__init__.py", "app/main.py", "app/words.txt", "pyproject.toml"):
        data = (app.root / path).read_bytes()
        assert named[path]["digest"]["sha256"] == hashlib.sha256(data).hexdigest(), path
    roles = {name: each["annotations"]["role"] for name, each in named.items()}
    assert roles["app/words.txt"] == "resource"
    assert roles["app/main.py"] == "source"
    assert roles["app/BUILD"] == "build file"
    # What the factory alone used is there, too.
    assert named["packaging"]["uri"].startswith("pkg:pypi/packaging@")
    assert named["packaging"]["annotations"]["files"] >= 2
    definition = json.loads(first)["predicate"]["buildDefinition"]
    assert '"size": 3' in definition["externalParameters"]["declarations"]["//app:net"]
    assert str(app.root).encode() not in first
    # A build in which nothing had to be done, and one without a cache somewhere else, say the same.
    assert attested(app, "//app") == first
    other = Workspace(app.root.parent / "elsewhere" / "workspace", app.root.parent / "other cache")
    shutil.copytree(
        app.root, other.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".hermpkg*", "hermpkg-out")
    )
    assert attested(other, "//app") == first
    # An edit that changes an input shows.
    app.write("app/words.txt", "other words\n")
    assert attested(app, "//app") != first


def test_of_a_file_alone_it_says_what_is_not_known(app: Workspace) -> None:
    app.build("//app")
    path = app.root / "hermpkg-out/app/app.pt"
    statement = json.loads(attested(app, str(path)))
    assert statement["subject"][0]["digest"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert statement["predicate"]["buildDefinition"]["internalParameters"]["unknown"]
    assert "app/words.txt" in materials(json.dumps(statement).encode())


def test_an_attestation_is_signed_and_verified(app: Workspace) -> None:
    builder = "https://ci.example.org/workflow"
    outcome = app.run("attest", "//app", "--builder", builder, "--private-key", "key")
    assert outcome.code == 0, outcome.stderr
    artifact = app.root / "hermpkg-out/app/app.pt"
    attestation = artifact.with_name("app.pt.provenance.sigstore.json")
    words = ("--json", "verify", str(artifact), "--attestation", "--file-only", "--public-key")
    outcome = app.run(*words, "key.pub")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["checks"][0]["attestations"][0]["builder"] == builder

    def faults(owner: str = "key.pub") -> list[str]:
        outcome = app.run(*words, owner)
        assert outcome.code == 3
        return outcome.json["checks"][0]["faults"]

    assert faults("other.pub") == ["other signer"]
    # A signature of the artifact is no attestation, though the same key signed it; nor the other way round.
    kept = attestation.read_bytes()
    assert app.run("sign", str(artifact), "--private-key", "key").code == 0
    shutil.copy(artifact.with_name("app.pt.sig"), attestation)
    assert faults() == ["other statement"]
    artifact.with_name("app.pt.sig").write_bytes(kept)
    outcome = app.run("--json", "verify", str(artifact), "--file-only", "--public-key", "key.pub")
    assert (outcome.code, outcome.json["checks"][0]["faults"]) == (3, ["other statement"])
    attestation.write_bytes(kept)
    app.write("app/words.txt", "other words\n")
    app.build("//app")
    assert faults() == ["other content"]
    attestation.write_bytes(kept[:-20])
    assert faults() == ["malformed"]
    attestation.unlink()
    assert faults() == ["missing"]


def test_words_that_do_not_fit(app: Workspace, tmp_path: Path) -> None:
    assert app.run("attest", "//app", "--builder", "me").code == 2
    assert app.run("verify", "//app", "--attestation").code == 2
    (app.root / "other.pt").write_text("no archive")
    assert app.run("attest", "other.pt").code == 1
    assert app.run("attest", "nowhere.pt").code == 1


def test_time_and_revision_are_said_where_they_are_asked_for(app: Workspace) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=app.root, check=True)
    plain = attested(app, "//app")
    assert b"finishedOn" not in plain
    asked = ("--revision", "--time", "2026-01-31T12:00:00+02:00")
    first = attested(app, "//app", *asked)
    assert attested(app, "//app", *asked) == first
    predicate = json.loads(first)["predicate"]
    assert predicate["runDetails"]["metadata"] == {"finishedOn": "2026-01-31T10:00:00Z"}
    (revision,) = (
        each
        for each in predicate["buildDefinition"]["resolvedDependencies"]
        if each["annotations"]["role"] == "revision"
    )
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=app.root, check=True, capture_output=True, text=True
    )
    assert revision["digest"] == {"gitCommit": head.stdout.strip()}
    assert (revision["annotations"]["dirty"], revision["annotations"]["changed"]) == (False, [])
    app.write("app/words.txt", "other words\n")
    assert "app/words.txt" in attested(app, "//app", "--revision").decode()
    for words in (
        ["--revision-remote", "origin"],
        ["--time", "soon"],
        ["--revision", "--revision-remote", "x"],
    ):
        assert app.run("attest", "//app", *words).code == 2
