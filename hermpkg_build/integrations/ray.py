"""Artifacts on a Ray cluster: deployed with Ray Serve, or loaded in actors and tasks of your own.

    import hermpkg_build.integrations.ray as hermpkg_ray

    handle = hermpkg_ray.deploy("model.pt", num_replicas=4)
    handle.remote(images).result()

Each node fetches the file once, and its replicas share the mapped weights. A file that is deployed under the
same name replaces the one before, replica by replica.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from hermpkg_build.integrations.cluster_files import Kept, SharedArtifact, forget, share, shared_artifacts
from hermpkg_build.integrations.extras import missing_extra
from hermpkg_build.integrations.packed_model import Target, target_in
from hermpkg_build.integrations.ray_replica import Batches, Replica
from hermpkg_build.integrations.values import Floats
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.serving.errors import CallError

__all__ = [
    "Batches",
    "CallError",
    "Kept",
    "SharedArtifact",
    "application",
    "deploy",
    "forget",
    "share",
    "shared_artifacts",
]

if TYPE_CHECKING:
    from hermpkg_build.trust.gate import GivenPolicy


def application(
    artifact: str | os.PathLike[str] | SharedArtifact,
    *,
    model: Target | None = None,
    method: str = "",
    grad: bool = False,
    floats: Floats = "model",
    batches: Batches | None = None,
    device: str | None = None,
    trust: GivenPolicy | None = None,
    num_replicas: int | Literal["auto"] = 1,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Make an application of Ray Serve that calls what an artifact holds, for ``serve.run`` and ``bind``.

    Its handle takes the arguments of a call. `model`, `method`, `grad` and `device` say what is called, and
    where, as for PackedModel; `trust` is a policy that must accept the artifact, on each node. A replica
    makes one call at a time, or with `batches` several as one. Over HTTP it takes
    ``{"inputs": ..., "params": {...}}`` as JSON, and answers ``{"outputs": ...}``: `inputs` and `floats` are
    as for a model of MLflow. `options` are further ones of ``serve.deployment``, such as
    ``ray_actor_options`` or ``autoscaling_config``.

    The file is shared with the cluster, as `share` does, unless it is. Raises what `share` raises.
    """
    try:
        from ray import serve
    except ImportError as error:
        raise missing_extra("ray", error) from None
    if not isinstance(artifact, SharedArtifact):
        with PackageImporter(artifact, check="off", verify="off", trust=trust) as importer:
            model = target_in(importer, model)  # What is not there is told here, and not by each replica.
        artifact = share(artifact, trust=trust)
    elif trust is not None:
        raise ValueError(
            "the policy of an artifact that is shared is given when it is: share(..., trust=...)"
        )
    # Not the name of the file: a new version is one of the same deployment, and replaces replica by replica.
    given = {"name": "artifact", "num_replicas": num_replicas, **(options or {})}
    deployment = serve.deployment(Replica).options(**given)
    return deployment.bind(artifact, model, method, grad, floats, batches, device)


def deploy(
    artifact: str | os.PathLike[str] | SharedArtifact,
    name: str = "",
    *,
    route_prefix: str | None = None,
    model: Target | None = None,
    method: str = "",
    grad: bool = False,
    floats: Floats = "model",
    batches: Batches | None = None,
    device: str | None = None,
    trust: GivenPolicy | None = None,
    num_replicas: int | Literal["auto"] = 1,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Deploy an artifact as the application `name`, that of the file if it is "", and return its handle.

    An application of the name is replaced without a lost call. With a `route_prefix`, such as ``/net``, it is
    there over HTTP too; all else is as for `application`.
    """
    if name != _plain(name) and name:
        # Ray Serve would wait for ever.
        raise ValueError(f"the name of an application is of ASCII letters, digits, _ and -, not {name!r}")
    app = application(
        artifact,
        model=model,
        method=method,
        grad=grad,
        floats=floats,
        batches=batches,
        device=device,
        trust=trust,
        num_replicas=num_replicas,
        options=options,
    )
    from ray import serve

    return serve.run(app, name=name or _name_for(artifact), route_prefix=route_prefix)


def _name_for(artifact: str | os.PathLike[str] | SharedArtifact) -> str:
    path = artifact.identity.name if isinstance(artifact, SharedArtifact) else os.fspath(artifact)
    stem, _ = os.path.splitext(os.path.basename(path).partition("@")[0])
    return _plain(stem)


def _plain(name: str) -> str:
    """Return a name that Ray Serve can use."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "artifact"
