"""Provenance as others read it: an in-toto statement with SLSA's predicate, out of materials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hermpkg_build.core.canonical_json import Json, pretty
from hermpkg_build.dataclass import dataclass
from hermpkg_build.provenance.materials import (
    BuildFacts,
    Held,
    Material,
    Role,
    materials_of_build,
    materials_of_file,
)
from hermpkg_build.provenance.package_urls import distribution_url
from hermpkg_build.provenance.revision import Revision
from hermpkg_build.version import __version__

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "pkg:pypi/hermpkg-build#model_package/v1"
"""What `externalParameters` mean: the target by its label, and the declarations that it is built by."""

UNKNOWN = (
    "the sources, BUILD files, weights and parameters that models were made of",
    "what factories read of installed distributions",
    "the machine that built it",
)
"""What an artifact does not say of its build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The artifact that a statement is about: the name of its file, and its SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is said of a build beside what it was made of, so that it is asked for each time.

    `builder` is a URI of who ran it; "" leaves it at the program, which vouches for nothing. `time` is when
    it was done, `revision` the commit of its files; None where that is not said.
    """

    builder: str = ""
    time: datetime | None = None
    revision: Revision | None = None


_NONE = Circumstances()


def build_statement(subject: Subject, facts: BuildFacts, held: Held, around: Circumstances = _NONE) -> bytes:
    """Return the statement on an artifact that was built of `facts`; equal builds give equal bytes."""
    external: dict[str, Json] = {"target": facts.label, "declarations": dict(sorted(facts.targets.items()))}
    internal: dict[str, Json] = {"platform": facts.platform, "python": facts.python_version}
    materials = materials_of_build(facts, held)
    return _statement(subject, external, internal, materials, around, __version__)


def file_statement(subject: Subject, held: Held, around: Circumstances = _NONE) -> bytes:
    """Return the statement on an artifact of which only the file is there; it says what is not known."""
    manifest = held.manifest
    models: dict[str, Json] = {
        record: {"target": model.label, "factory": model.factory}
        for record, model in sorted(manifest.models.items())
    }
    internal: dict[str, Json] = {"python": manifest.python_version, "unknown": [*UNKNOWN, *held.unknown]}
    materials = materials_of_file(held)
    return _statement(subject, {"models": models}, internal, materials, around, manifest.tool.version)


def problem_with(statement: Mapping[str, Any], sha256: str) -> tuple[str, str]:
    """Say why a statement is no provenance of the artifact with this SHA-256, and who built by it.

    The first is "" where it is one; the second "" where the statement does not say it.
    """
    builder = _builder_of(statement)
    if statement.get("predicateType") != PREDICATE_TYPE:
        return f"it is a statement of another kind: {statement.get('predicateType')!r}", builder
    if not builder:
        return "it does not say who built", builder
    digests = [
        each["digest"].get("sha256")
        for each in statement.get("subject", ())
        if isinstance(each, dict) and isinstance(each.get("digest"), dict)
    ]
    return ("" if sha256 in digests else "it is about another artifact"), builder


def _builder_of(statement: Mapping[str, Any]) -> str:
    try:
        found = statement["predicate"]["runDetails"]["builder"]["id"]
    except (KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def _statement(
    subject: Subject,
    external: Mapping[str, Json],
    internal: Mapping[str, Json],
    materials: Sequence[Material],
    around: Circumstances,
    version: str,
) -> bytes:
    revision = [_revision(around.revision)] if around.revision is not None else []
    details: dict[str, Json] = {
        "builder": {
            "id": around.builder or distribution_url("hermpkg-build", version),
            "version": {"hermpkg": version},
        }
    }
    if around.time is not None:
        details["metadata"] = {"finishedOn": around.time.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return pretty(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": subject.name, "digest": {"sha256": subject.sha256}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": external,
                    "internalParameters": internal,
                    "resolvedDependencies": [*revision, *map(_descriptor, materials)],
                },
                "runDetails": details,
            },
        }
    )


def _descriptor(material: Material) -> Json:
    """Return a material as in-toto's resource descriptor: with a name, a URI, or a digest, as it has them."""
    found: dict[str, Json] = {"annotations": {"role": str(material.role)}}
    if material.name:
        found["name"] = material.name
    if material.sha256:
        found["digest"] = {"sha256": material.sha256}
    if url := _url_of(material):
        found["uri"] = url
    if material.files:
        # A digest of the distribution itself is not known; this one is of the files that were of use.
        found["annotations"] = {
            "role": str(material.role),
            "files": len(material.files),
            "filesSha256": material.files_sha256,
        }
    return found


def _revision(revision: Revision) -> Json:
    """Return the commit of the workspace; in-toto names digests of commits so, however long they are."""
    found: dict[str, Json] = {
        "name": "workspace",
        "digest": {"gitCommit": revision.commit},
        "annotations": {
            "role": "revision",
            "dirty": bool(revision.changed),
            "changed": list(revision.changed),
        },
    }
    if revision.url:
        found["uri"] = f"{revision.url}@{revision.commit}"
    return found


def _url_of(material: Material) -> str:
    if material.role is Role.DISTRIBUTION:
        return distribution_url(material.name, material.version, material.source)
    return f"pkg:generic/python@{quote(material.version, safe=':')}" if material.role is Role.PYTHON else ""
