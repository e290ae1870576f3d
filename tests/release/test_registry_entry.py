"""The entry in a registry of Bazel modules: by its schemas, and true to the archive."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

PROJECT = {
    "urls": {"Homepage": "https://h.example", "Repository": "https://h.example/hermpkg"},
    "authors": [{"name": "somebody", "email": "a@b.example"}],
}


@pytest.fixture
def archive(tmp_path: Path, repository: Path) -> Path:
    path = tmp_path / "hermpkg_build-1.2.0.tar.gz"
    with tarfile.open(path, "w:gz") as written:
        content = (repository / "MODULE.bazel").read_bytes()
        member = tarfile.TarInfo("hermpkg_build-1.2.0/MODULE.bazel")
        member.size = len(content)
        written.addfile(member, io.BytesIO(content))
    return path


def entry(program, archive: Path, folder: Path, project=PROJECT) -> Path:
    program("bazel_registry").write_entry(
        folder, archive, version="1.2.0", versions=["1.1.0", "1.10.0", "1.9.0"], project=project
    )
    return folder / "modules/hermpkg"


@pytest.fixture(scope="module")
def jsonschema():
    """The library, whose import takes as long as a tenth of collecting all tests."""
    return pytest.importorskip("jsonschema")


@pytest.fixture
def schema(jsonschema, repository):
    """Makes what validates by a schema, of its name."""

    def validator(name: str):
        path = repository / f"hermpkg_build/runtime/distribution/registry_schemas/{name}.json"
        return jsonschema.Draft202012Validator(json.loads(path.read_text()))

    return validator


def test_an_entry_is_of_its_form_and_true(program, archive, schema, tmp_path):
    module = entry(program, archive, tmp_path / "registry")
    metadata = json.loads((module / "metadata.json").read_text())
    source = json.loads((module / "1.2.0/source.json").read_text())
    presubmit = yaml.safe_load((module / "1.2.0/presubmit.yml").read_text())
    for name, value in (("metadata", metadata), ("source", source), ("presubmit", presubmit)):
        schema(name).validate(value)
    assert metadata["versions"] == ["1.1.0", "1.2.0", "1.9.0", "1.10.0"]
    assert source["url"] == "https://h.example/hermpkg/releases/download/v1.2.0/hermpkg_build-1.2.0.tar.gz"
    assert source["url"].startswith(f"{metadata['repository'][0]}/")
    digest = base64.b64encode(hashlib.sha256(archive.read_bytes()).digest()).decode()
    assert source["integrity"] == f"sha256-{digest}"
    with tarfile.open(archive) as members:
        inside = members.extractfile(f"{source['strip_prefix']}/MODULE.bazel").read()
    assert (module / "1.2.0/MODULE.bazel").read_bytes() == inside


def test_a_repository_of_github_is_named_as_registries_name_it(program, archive, schema, tmp_path):
    urls = {"Homepage": "https://h.example", "Repository": "https://github.com/owner/hermpkg"}
    module = entry(program, archive, tmp_path / "registry", {**PROJECT, "urls": urls})
    metadata = json.loads((module / "metadata.json").read_text())
    schema("metadata").validate(metadata)
    assert metadata["repository"] == ["github:owner/hermpkg"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "metadata",
            {"homepage": "https://x", "maintainers": [], "repository": ["github:a/b"], "versions": ["1"]},
        ),
        ("source", {"integrity": "sha256-short", "strip_prefix": "a", "url": "https://x/a.tar.gz"}),
        ("source", {"integrity": f"sha256-{'A' * 43}=", "strip_prefix": "a/b", "url": "https://x/a.tar.gz"}),
        ("presubmit", {"matrix": {"platform": ["debian11"]}, "tasks": {}}),
    ],
)
def test_the_schemas_refuse_what_a_registry_refuses(jsonschema, schema, name, value):
    """The control."""
    with pytest.raises(jsonschema.ValidationError):
        schema(name).validate(value)
