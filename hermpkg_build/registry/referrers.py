"""What refers to an artifact in a registry: signatures, attestations and bills of materials."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass
from hermpkg_build.registry.manifest import (
    EMPTY,
    EMPTY_TYPE,
    MANIFEST_TYPE,
    TITLE,
    Descriptor,
    Manifest,
    ManifestError,
)
from hermpkg_build.registry.repository import Repository
from hermpkg_build.store.content import ContentStore

MOST_BYTES = 64 << 20
_MOST_READ = 256
"""So many referrers are read: anybody who may push may add some."""

ENDINGS: Mapping[str, str] = {
    ".sig": "application/vnd.dev.sigstore.bundle.v0.3+json",
    ".sigstore.json": "application/vnd.dev.sigstore.bundle.v0.3+json",
    ".cdx.json": "application/vnd.cyclonedx+json",
    ".spdx.json": "application/spdx+json",
    ".intoto.json": "application/vnd.in-toto+json",
}
"""How the names of files end that may be attached, and what each is."""

_ENDING = re.compile(rf"(?:\.[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}){{0,4}}(?:{'|'.join(map(re.escape, ENDINGS))})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that refers to an artifact: its name is the artifact's with `ending`, such as ``.team.sig``."""

    ending: str
    data: bytes

    @property
    def media_type(self) -> str:
        """What it is."""
        return next(kind for last, kind in ENDINGS.items() if self.ending.endswith(last))


def is_ending(text: str) -> bool:
    """Tell whether a file beside an artifact may end so: with no folder, and in a kind that is known."""
    return _ENDING.fullmatch(text) is not None


def attach(repository: Repository, subject: Descriptor, attachment: Attachment) -> str:
    """Store what refers to a manifest; its ending. Raises RemoteError."""
    repository.put_bytes(EMPTY)
    repository.put_bytes(attachment.data)
    name = f"artifact{attachment.ending}"
    data = Manifest(
        artifact_type=attachment.media_type,
        config=Descriptor(media_type=EMPTY_TYPE, digest=Digest.of(EMPTY)),
        layers=[
            Descriptor(
                media_type=attachment.media_type,
                digest=Digest.of(attachment.data),
                annotations={TITLE: name},
            )
        ],
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest),
        annotations={TITLE: name},
    ).to_bytes()
    digest = Digest.of(data)
    if not repository.put_manifest(f"sha256:{digest.hash}", data):
        listed = Descriptor(
            media_type=MANIFEST_TYPE,
            digest=digest,
            annotations={TITLE: name},
            artifact_type=attachment.media_type,
        )
        repository.add_to_tag(subject.digest, listed)
    return attachment.ending


def attachments_of(
    repository: Repository,
    subject: Digest,
    content: ContentStore,
    *,
    suffix: str = "",
    most_bytes: int = MOST_BYTES,
) -> Iterator[Attachment]:
    """Read what refers to a manifest and is of a kind that is known. Raises RemoteError.

    Of what others attached, what is no such file is passed over, and what does not end with `suffix`.
    """
    for referrer in repository.referrers(subject)[:_MOST_READ]:
        if referrer.artifact_type not in ENDINGS.values() or referrer.media_type != MANIFEST_TYPE:
            continue
        found = repository.manifest(f"sha256:{referrer.digest.hash}")
        try:
            manifest = Manifest.of_bytes(found[0]) if found is not None else None
        except ManifestError:
            continue
        if manifest is None or manifest.subject is None or manifest.subject.digest.hash != subject.hash:
            continue
        for layer in manifest.layers[:1]:
            ending = layer.annotations.get(TITLE, "").removeprefix("artifact")
            if is_ending(ending) and ending.endswith(suffix) and layer.digest.size <= most_bytes:
                repository.fetch([layer.digest], content)
                data = content.get_bytes(layer.digest)
                if data is not None:
                    yield Attachment(ending=ending, data=data)
