"""A repository of a registry: its manifests and blobs, by the OCI distribution API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.digest import Digest
from hermpkg_build.registry.manifest import (
    INDEX_TYPE,
    MANIFEST_TYPE,
    Descriptor,
    ManifestError,
    index_bytes,
    read_index,
)
from hermpkg_build.registry.progress import CountedBlob, Progress
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.server import Connection, RegistryServer, open_repository, read_answer
from hermpkg_build.registry.uploads import Body, has_blob, upload
from hermpkg_build.remote.concurrently import all_of
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.http.blobs import Incoming, receive_blob
from hermpkg_build.remote.incoming_blob import IncomingBlob
from hermpkg_build.store.content import ContentStore

_ACCEPT = f"{MANIFEST_TYPE}, {INDEX_TYPE}"
_SUBJECT = "OCI-Subject"


class Repository(Closing):
    """The repository of a reference, asked by any number of threads at once. All methods raise RemoteError.

    `writes` says whether anything is to be stored there, `others` which repositories may be read, too;
    `progress` is told of what arrives here.
    """

    def __init__(
        self,
        reference: Reference,
        connection: Connection,
        *,
        writes: bool = False,
        others: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        allowed = "pull,push" if writes else "pull"
        scopes = [f"repository:{_path_of(reference)}:{allowed}"]
        scopes += [f"repository:{name}:pull" for name in others]
        self.reference = reference
        self._progress = progress or Progress()
        self._server: RegistryServer = open_repository(reference, connection, scopes)
        self._path = f"/v2/{_path_of(reference)}"

    def close(self) -> None:
        """Close the connections. Requests under way in other threads fail."""
        self._server.close()

    def manifest(self, version: str) -> tuple[bytes, Digest] | None:
        """Read the manifest with a tag or a digest (``sha256:..``), and its digest; None where there is none.

        Raises RemoteError where it is another than the digest says.
        """

        def read() -> bytes | None:
            headers = {"Accept": _ACCEPT}
            with self._server.exchange(
                "GET", f"{self._path}/manifests/{version}", headers=headers, expected=[404]
            ) as response:
                return None if response.status == 404 else read_answer(response)

        data = self._server.attempts("read the manifest").of(read)
        if data is None:
            return None
        digest = Digest.of(data)
        if version.startswith("sha256:") and version != f"sha256:{digest.hash}":
            raise self.wrong("read the manifest", f"it has other bytes than {version}")
        return data, digest

    def put_manifest(self, version: str, data: bytes, media_type: str = MANIFEST_TYPE) -> bool:
        """Store a manifest under a tag or its digest; whether the registry lists what refers to others."""
        headers = {"Content-Type": media_type, "Content-Length": str(len(data))}

        def put() -> bool:
            with self._server.exchange(
                "PUT", f"{self._path}/manifests/{version}", headers=headers, body=lambda: [data]
            ) as response:
                return _SUBJECT in response.headers

        return self._server.attempts("store the manifest").of(put)

    def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob."""
        attempts = self._server.attempts("ask which layers the registry has")
        return attempts.of(lambda: has_blob(self._server, self._path, digest))

    def put_blob(self, digest: Digest, body: Body, *, mount_from: str = "") -> bool:
        """Store a blob whose bytes `body` gives, from an offset on; whether they had to travel.

        Where the registry can, the blob is taken from the repository `mount_from` instead.
        """
        return upload(self._server, self._path, digest, body, mount_from=mount_from)

    def put_bytes(self, data: bytes) -> None:
        """Store a small blob, unless it is there."""
        digest = Digest.of(data)
        if not self.has_blob(digest):
            self.put_blob(digest, lambda offset: [data[offset:]])

    def fetch(self, digests: Iterable[Digest], content: ContentStore) -> None:
        """Bring blobs into `content`, several at once, those that are there already not again."""
        wanted = [digest for digest in dict.fromkeys(digests) if content.path_of(digest) is None]
        with content.staging() as staging:
            jobs = [partial(self._fetch, digest, content, staging) for digest in wanted]
            all_of(*jobs)

    def receive(self, incoming: Incoming) -> None:
        """Bring a blob to where it is wanted."""
        counted = CountedBlob(incoming, self._progress)
        if not receive_blob(self._server, self.blob_path(incoming.digest), counted):
            raise self._lacks(incoming.digest)

    def blob_path(self, digest: Digest) -> str:
        """Where a blob is on the server."""
        return f"{self._path}/blobs/sha256:{digest.hash}"

    def referrers(self, subject: Digest) -> list[Descriptor]:
        """List the manifests that refer to one, such as its signatures, also where a tag lists them."""
        path = f"{self._path}/referrers/sha256:{subject.hash}"

        def read() -> bytes | None:
            headers = {"Accept": INDEX_TYPE}
            with self._server.exchange("GET", path, headers=headers, expected=[404, 405, 501]) as response:
                return read_answer(response) if response.status == 200 else None

        data = self._server.attempts("ask what refers to the artifact").of(read)
        if data is None:
            found = self.manifest(_tag_of(subject))
            data = found and found[0]
        try:
            return read_index(data) if data is not None else []
        except ManifestError as error:
            raise self.wrong("ask what refers to the artifact", str(error)) from None

    def add_to_tag(self, subject: Digest, referrer: Descriptor) -> None:
        """List a manifest in the tag of what refers to another, where the registry has no list of its own."""
        found = self.manifest(_tag_of(subject))
        listed: list[Descriptor] = []
        if found is not None:
            # A tag that is something else is written anew.
            with suppress(ManifestError):
                listed = read_index(found[0])
        if all(each.digest != referrer.digest for each in listed):
            self.put_manifest(_tag_of(subject), index_bytes([*listed, referrer]), INDEX_TYPE)

    def wrong(self, doing: str, reason: str) -> RemoteError:
        """The error for an answer that is not what it should be; `doing` completes "cannot ..."."""
        return RemoteError(
            "protocol",
            f"cannot {doing}",
            server=str(self.reference),
            reason=reason,
            next_step="check the reference, and what is stored there; push it again",
        )

    def _fetch(self, digest: Digest, content: ContentStore, staging: str) -> None:
        with IncomingBlob(digest, content, staging) as incoming:
            self.receive(incoming)

    def _lacks(self, digest: Digest) -> RemoteError:
        reason = f"the registry does not have sha256:{digest.hash} with {digest.size:,} bytes"
        return self.wrong("download a layer", reason)


def _path_of(reference: Reference) -> str:
    """The repository as the registry knows it: Docker Hub keeps those without a folder in one of its own."""
    if reference.host == "docker.io" and "/" not in reference.repository:
        return f"library/{reference.repository}"
    return quote(reference.repository, safe="/")


def _tag_of(subject: Digest) -> str:
    return f"sha256-{subject.hash}"
