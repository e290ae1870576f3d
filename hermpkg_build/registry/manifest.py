"""The manifest of an artifact in a registry, as ModelPack's tools read it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hermpkg_build.core.canonical_json import Json, dumps, loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass, field

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MODEL_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
FILE_PATH = "org.cncf.model.filepath"
TITLE = "org.opencontainers.image.title"

MOST_LAYERS = 20_000
MOST_BYTES = 1 << 44
"""Bytes of the largest layer that a manifest may tell of: 16 TiB."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 1_000


class ManifestError(ValueError):
    """Text of a registry is no manifest; the words say why, and quote nothing large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a manifest says of a blob or another manifest."""

    media_type: str
    digest: Digest
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    def to_json(self) -> dict[str, Json]:
        """The form in a manifest."""
        value: dict[str, Json] = {
            "mediaType": self.media_type,
            "digest": f"sha256:{self.digest.hash}",
            "size": self.digest.size,
        }
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        return value

    @classmethod
    def of_json(cls, value: Any) -> Descriptor:
        """Read the form. Raises ManifestError."""
        if not isinstance(value, dict):
            raise ManifestError("a descriptor is not an object")
        digest, size = value.get("digest"), value.get("size")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ManifestError(f"a digest is not sha256: and 64 hexadecimal digits: {str(digest)[:100]!r}")
        if type(size) is not int or not 0 <= size <= MOST_BYTES:
            raise ManifestError(f"the size of {digest} is not from 0 to {MOST_BYTES:,}")
        return cls(
            media_type=_text(value, "mediaType"),
            digest=Digest(digest.removeprefix("sha256:"), size),
            annotations=_annotations(value),
            artifact_type=_text(value, "artifactType"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest; `subject` is what it refers to, such as the artifact that a signature signs."""

    artifact_type: str
    config: Descriptor
    layers: Sequence[Descriptor]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The canonical text: equal manifests have equal digests."""
        value: dict[str, Json] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": self.artifact_type,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.subject is not None:
            value["subject"] = self.subject.to_json()
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return dumps(value)

    @classmethod
    def of_bytes(cls, data: bytes) -> Manifest:
        """Read the text of a manifest, canonical or not. Raises ManifestError."""
        value = _object(data)
        if value.get("mediaType", MANIFEST_TYPE) != MANIFEST_TYPE:
            raise ManifestError(f"it is of the type {str(value['mediaType'])[:100]!r}, not {MANIFEST_TYPE}")
        layers, config = value.get("layers"), Descriptor.of_json(value.get("config"))
        if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
            raise ManifestError(f"its layers are not a list of at most {MOST_LAYERS:,}")
        subject = value.get("subject")
        return cls(
            artifact_type=_text(value, "artifactType") or config.media_type,
            config=config,
            layers=[Descriptor.of_json(layer) for layer in layers],
            subject=None if subject is None else Descriptor.of_json(subject),
            annotations=_annotations(value),
        )


def read_index(data: bytes) -> list[Descriptor]:
    """Read the manifests that an index lists. Raises ManifestError."""
    listed = _object(data).get("manifests")
    if not isinstance(listed, list) or len(listed) > MOST_LAYERS:
        raise ManifestError(f"its manifests are not a list of at most {MOST_LAYERS:,}")
    return [Descriptor.of_json(each) for each in listed]


def index_bytes(manifests: Sequence[Descriptor]) -> bytes:
    """The canonical text of an index."""
    return dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [each.to_json() for each in manifests],
        }
    )


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = loads(data)
    except ValueError as error:
        raise ManifestError(f"it is not JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise ManifestError("it is not a JSON object")
    return value


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ManifestError(f"its {name} is not a text of at most {_LONGEST} characters")
    return text


def _annotations(value: Mapping[str, Any]) -> Mapping[str, str]:
    annotations = value.get("annotations")
    if annotations is None:
        return {}
    if not isinstance(annotations, dict) or not all(isinstance(text, str) for text in annotations.values()):
        raise ManifestError("its annotations are not texts by name")
    return annotations
