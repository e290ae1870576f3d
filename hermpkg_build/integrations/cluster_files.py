"""Artifacts of a Ray cluster: an actor on the head node has the files, and each node fetches a file once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.errors import CommandLineError, LocalEnvironmentError
from hermpkg_build.integrations.extras import missing_extra
from hermpkg_build.integrations.node_files import PIECE, ArtifactIdentity, kept_file, pieces_of, release
from hermpkg_build.integrations.packed_model import PackedModel, Target
from hermpkg_build.runtime.contents.archives import local_source
from hermpkg_build.runtime.contents.checks import CheckMode, VerifyMode
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from hermpkg_build.trust.gate import GivenPolicy
    from hermpkg_build.trust.policy import TrustPolicy

_NAMESPACE = "hermpkg"
_KEEPER = f"artifacts {__version__}"  # Of another version there is another actor.
_AT_ONCE = 2
"""Pieces that are on their way to a node at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedArtifact:
    """An artifact that every node of the cluster can open; it can be pickled, and nodes fetch it to use it.

    `reference` is that of a registry that nodes pull it from, "" where they get it from the cluster. `trust`
    decides in each process that opens it, beside the policies that the process has.
    """

    identity: ArtifactIdentity
    reference: str = ""
    trust: TrustPolicy | None = None
    check: CheckMode = "warn"
    verify: VerifyMode = "code"

    def path(self) -> str:
        """Return the path of the file on this node, which fetches it if it is the first to ask.

        Raises LocalEnvironmentError, ArchiveError for other bytes than were shared.
        """
        return kept_file(self.identity, self._pieces)

    def _pieces(self) -> Iterator[bytes]:
        if not self.reference:
            return _pieces_from_keeper(self.identity)
        ray = _ray()
        ray.get(_keeper().begin.remote(self.identity, ray.get_runtime_context().get_node_id(), pulls=True))
        return pieces_of(_pulled(self.reference))

    def open(self) -> PackageImporter:
        """Open it on this node. Raises what `path` and PackageImporter raise."""
        return PackageImporter(self.path(), check=self.check, verify=self.verify, trust=self.trust)

    def load(
        self,
        model: Target | None = None,
        method: str = "",
        *,
        grad: bool = False,
        device: str | None = None,
    ) -> PackedModel:
        """Load what is to be called, as PackedModel does; the processes of a node share mapped tensors."""
        return PackedModel(self.open(), model, method, grad=grad, device=device)


def share(
    file: str | os.PathLike[str],
    *,
    trust: GivenPolicy | None = None,
    check: CheckMode = "warn",
    verify: VerifyMode = "code",
) -> SharedArtifact:
    """Give the artifact in `file`, with the signatures beside it, to the cluster of this process.

    `file` may be a reference to a registry, ``oci://REGISTRY/REPOSITORY@sha256:...``: then each node pulls
    it. Otherwise it is copied, once: what becomes of `file` later changes nothing. A policy is read here and
    travels with it; `trust`, `check` and `verify` are as for PackageImporter.

    Raises ExtraNotInstalledError, ArchiveError, LocalEnvironmentError, TrustPolicyError.
    """
    from hermpkg_build.registry.reference import Reference, is_reference
    from hermpkg_build.signing.files import read_signature, signature_files
    from hermpkg_build.trust.policy import TrustPolicy

    if trust is not None and not isinstance(trust, TrustPolicy):
        from hermpkg_build.trust.policy_file import read_policy

        trust = read_policy(trust)
    reference = str(file) if is_reference(file) else ""
    if reference and not Reference.parse(reference).sha256:
        raise CommandLineError(
            "the reference has no digest, so nodes could pull another artifact each",
            facts=[("reference", reference)],
            next_step=f"name the digest that push prints: {reference.rpartition(':')[0]}@sha256:...",
        )
    path = _pulled(reference) if reference else os.path.abspath(file)
    with PackageImporter(path, check="off", verify="off", trust=trust):
        pass  # What is no artifact, or is not accepted, is told here, and not by each node.
    digest, _ = hash_file(path)
    identity = ArtifactIdentity(
        name=f"{Reference.parse(reference).name}.pt" if reference else os.path.basename(path),
        sha256=digest.hash,
        size=digest.size,
        signatures=tuple((os.path.basename(each), read_signature(each)) for each in signature_files(path)),
    )
    if reference:
        return SharedArtifact(identity=identity, reference=reference, trust=trust, check=check, verify=verify)
    ray, keeper = _ray(), _keeper()
    kept_file(identity, lambda: pieces_of(path))
    if not ray.get(keeper.has.remote(identity)):  # Its node is another one than this.
        ray.get(keeper.receive.remote(identity, [ray.put(piece) for piece in pieces_of(path)]))
    return SharedArtifact(identity=identity, trust=trust, check=check, verify=verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the cluster has of one artifact: `nodes` are the ids of those that have fetched it, each time."""

    identity: ArtifactIdentity
    nodes: tuple[str, ...]


def forget(artifact: SharedArtifact) -> None:
    """Let the cluster have an artifact no longer: nodes that have it go on, others cannot fetch it."""
    ray = _ray()
    ray.get(_keeper().forget.remote(artifact.identity))


def shared_artifacts() -> tuple[Kept, ...]:
    """List the artifacts that the cluster has. Raises ExtraNotInstalledError."""
    ray = _ray()
    kept: tuple[Kept, ...] = ray.get(_keeper().kept.remote())
    return kept


class Keeper:
    """Has the files of artifacts for the nodes of a cluster: the class of one actor, on the head node.

    It has what is in the cache of its own node, and what it is given. What it has shared stays until it is
    told to forget it, or ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[ArtifactIdentity, list[str]] = {}

    def has(self, identity: ArtifactIdentity) -> bool:
        """Whether it has an artifact, or finds it on its node."""
        try:
            self._path(identity)
        except _NotHereError:
            return False
        return True

    def receive(self, identity: ArtifactIdentity, pieces: Sequence[Any]) -> None:
        """Take an artifact whose bytes are objects of the cluster."""
        ray = _ray()
        kept_file(identity, lambda: (ray.get(piece) for piece in pieces))
        self._path(identity)

    def begin(self, identity: ArtifactIdentity, node: str, *, pulls: bool = False) -> None:
        """Note that a node begins to fetch an artifact, or `pulls` it.

        Raises LocalEnvironmentError where it is to come from here, and is not.
        """
        if not pulls:
            self._path(identity)
        with self._lock:
            self._nodes.setdefault(identity, []).append(node)

    def read(self, identity: ArtifactIdentity, offset: int, size: int) -> bytes:
        """Read from an artifact. Raises LocalEnvironmentError where it is not here."""
        descriptor = os.open(self._path(identity), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def kept(self) -> tuple[Kept, ...]:
        """List what was shared."""
        with self._lock:
            return tuple(Kept(identity=each, nodes=tuple(nodes)) for each, nodes in self._nodes.items())

    def forget(self, identity: ArtifactIdentity) -> None:
        """Hold an artifact no longer: it goes when the cache of this node needs its place."""
        with self._lock:
            self._nodes.pop(identity, None)
        release(identity)

    def _path(self, identity: ArtifactIdentity) -> str:
        path = kept_file(identity, lambda: _not_here(identity))
        with self._lock:
            self._nodes.setdefault(identity, [])
        return path


class _NotHereError(LocalEnvironmentError):
    """The actor with the files does not have this one."""


def _pulled(reference: str) -> str:
    """Return the path of the artifact of a registry, pulled to the cache of this node."""
    path = local_source(reference)
    assert isinstance(path, str)
    return path


def _not_here(identity: ArtifactIdentity) -> Iterator[bytes]:
    raise _NotHereError(
        "the cluster does not have the artifact any more",
        facts=[("artifact", identity.name), ("sha256", identity.sha256)],
        next_step="deploy it again",
    )


def _pieces_from_keeper(identity: ArtifactIdentity) -> Iterator[bytes]:
    """Fetch an artifact's bytes to this node."""
    ray = _ray()
    keeper = _keeper()
    ray.get(keeper.begin.remote(identity, ray.get_runtime_context().get_node_id()))
    offsets = range(0, identity.size, PIECE)
    asked = [keeper.read.remote(identity, offset, PIECE) for offset in offsets[:_AT_ONCE]]
    for offset in [*offsets[_AT_ONCE:], *[None] * _AT_ONCE]:
        if not asked:
            break
        piece = ray.get(asked.pop(0))
        if offset is not None:
            asked.append(keeper.read.remote(identity, offset, PIECE))
        yield piece


def _keeper() -> Any:
    """Find the actor of the cluster, or start it."""
    ray = _ray()
    # One for all who use the cluster, as long as that is there; it waits most of the time.
    options = {
        "name": _KEEPER,
        "namespace": _NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "resources": {"node:__internal_head__": 0.001},
        "max_concurrency": 16,
        "max_restarts": -1,
        "max_task_retries": -1,
    }
    return ray.remote(Keeper).options(**options).remote()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise missing_extra("ray", error) from None
    if not ray.is_initialized():
        ray.init()
    return ray
