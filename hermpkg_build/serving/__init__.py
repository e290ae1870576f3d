"""Serves artifacts from worker processes: `Pool`, and the names of torch::deploy in `deploy`."""

from __future__ import annotations

from hermpkg_build.serving.bound import Bound as Bound
from hermpkg_build.serving.calls import Batch as Batch
from hermpkg_build.serving.errors import ArtifactChangedError as ArtifactChangedError
from hermpkg_build.serving.errors import CallError as CallError
from hermpkg_build.serving.errors import CallTimeoutError as CallTimeoutError
from hermpkg_build.serving.errors import PoolClosedError as PoolClosedError
from hermpkg_build.serving.errors import QueueFullError as QueueFullError
from hermpkg_build.serving.errors import RemoteTraceback as RemoteTraceback
from hermpkg_build.serving.errors import ServingError as ServingError
from hermpkg_build.serving.errors import WorkerDiedError as WorkerDiedError
from hermpkg_build.serving.errors import WorkersFailedError as WorkersFailedError
from hermpkg_build.serving.pool import Pool as Pool
from hermpkg_build.serving.pool import PoolState as PoolState
