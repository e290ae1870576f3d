"""The manifest's JSON, strict in what it needs and patient with what it does not know."""

from __future__ import annotations

import copy
import json

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.manifest import (
    Manifest,
    ManifestModel,
    ManifestModule,
    ManifestRecord,
    ManifestTool,
    RecordKind,
)
from hermpkg_build.core.manifest_bytes import manifest_bytes
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.errors import ArchiveError

MANIFEST = Manifest(
    tool=ManifestTool(name="hermpkg", version="1.0"),
    python_version="3.11.7",
    records={"a.py": ManifestRecord(digest=Digest.of(b"a"), kind=RecordKind.MODULE)},
    modules={
        "a": ManifestModule(
            policy=Policy.INTERN, kind=ModuleKind.SOURCE, origin=Origin.WORKSPACE, label="//:a.py"
        ),
        "torch": ManifestModule(
            policy=Policy.EXTERN,
            kind=ModuleKind.PACKAGE,
            origin=Origin.ENVIRONMENT,
            distribution="torch",
            optional=True,
        ),
    },
    distributions={"torch": "2.13.0"},
    requires={"torch": ">=2.4,<3"},
    models={"m.pkl": ManifestModel(label="//:m", factory="a:make")},
)


def test_reading_is_the_inverse_of_writing() -> None:
    assert Manifest.from_bytes(manifest_bytes(MANIFEST)) == MANIFEST


def test_bytes_are_canonical() -> None:
    reordered = json.dumps(dict(reversed(to_json(MANIFEST).items()))).encode()
    assert manifest_bytes(Manifest.from_bytes(reordered)) == manifest_bytes(MANIFEST)
    assert manifest_bytes(MANIFEST).startswith(b'{"distributions":{"torch":"2.13.0"},"format":1,"models":')


def test_fields_of_later_versions_are_ignored() -> None:
    value = copy.deepcopy(to_json(MANIFEST))
    value["signature"] = {"by": 1}
    value["records"]["a.py"]["licence"] = "MIT"
    value["tool"]["commit"] = None
    assert Manifest.from_bytes(json.dumps(value).encode()) == MANIFEST


@pytest.mark.parametrize(
    ("path", "wrong", "at", "expected"),
    [
        (("format",), "1", "format", "an integer"),
        (("format",), True, "format", "an integer"),
        (("tool",), None, "tool", "an object"),
        (("tool", "name"), 3, "tool['name']", "a string"),
        (("records",), [], "records", "an object"),
        (("records", "a.py"), "x", "records['a.py']", "an object"),
        (("records", "a.py", "digest"), "abc/1", "records['a.py']['digest']", "<sha256>/<size>"),
        (("records", "a.py", "kind"), "code", "records['a.py']['kind']", "one of module, mock,"),
        (("modules", "a", "policy"), "keep", "modules['a']['policy']", "one of intern, extern,"),
        (("modules", "a", "label"), [], "modules['a']['label']", "a string"),
        (("distributions", "torch"), 2, "distributions['torch']", "a string"),
        (("models", "m.pkl", "factory"), None, "models['m.pkl']['factory']", "a string"),
    ],
)
def test_a_wrong_field_is_named(path: tuple[str, ...], wrong: object, at: str, expected: str) -> None:
    value = copy.deepcopy(to_json(MANIFEST))
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = wrong
    with pytest.raises(ArchiveError, match="not well formed") as caught:
        Manifest.from_bytes(json.dumps(value).encode())
    facts = dict(caught.value.facts)
    assert facts["at"] == at
    assert facts["expected"].startswith(expected)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b"[]", b"{}"])
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        Manifest.from_bytes(data)
