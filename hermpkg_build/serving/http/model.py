"""The model that a server serves: what of an artifact is called, and how."""

from __future__ import annotations

import asyncio
import logging
from pickle import PickleBuffer
from typing import Any

from hermpkg_build.dataclass import dataclass
from hermpkg_build.printable import one_line
from hermpkg_build.serving.bound import Bound
from hermpkg_build.serving.pool import Pool
from hermpkg_build.serving.protocol.calls import Answered, Asked, timeout_of
from hermpkg_build.serving.protocol.description import Description, NotDescribedError
from hermpkg_build.serving.requests import Target

_log = logging.getLogger("hermpkg_build.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server bears: requests at once, bytes of a body, seconds of a request, retries of a call."""

    requests: int
    body: int
    seconds: float
    retries: int


class Model:
    """A target of a pool under the name that clients use; versions are counted from 1.

    Raises what loading the target raises.
    """

    def __init__(self, pool: Pool, name: str, target: Target, method: str, limits: Limits) -> None:
        self.pool = pool
        self.name = name
        self.limits = limits
        self.version: int = 1
        self.ready = True
        self._target = target
        self._method = method
        pool.parameters(target, method=method)  # what cannot be called is told before it is served
        self._seen = self._described()

    async def infer(self, body: bytes, header_length: str | None) -> Answered:
        """Answer a request, of whose body `header_length` bytes are JSON. Raises what the call raises."""
        given = timeout_of(body, header_length) or self.limits.seconds
        asked = Asked(
            PickleBuffer(body), header_length, self.name, str(self.version), not self._seen["outputs"]
        )
        answered: Answered = await self._bound(min(self.limits.seconds, given)).acall(asked)
        if answered.description is not None and not self._seen["outputs"]:
            self._seen = answered.description
        return answered

    async def reload(self) -> None:
        """Serve what has the artifact's name now. Raises what `Pool.swap` raises, changing nothing then."""
        await asyncio.to_thread(self.pool.swap)
        seen = await asyncio.to_thread(self._described)
        self.version += 1
        self._seen = seen

    def metadata(self) -> dict[str, Any]:
        """What the protocol tells of a model; inputs and outputs are those of an example or request."""
        return {
            "name": self.name,
            "versions": [str(self.version)],
            "platform": "pytorch_hermpkg",
            **self._seen,
        }

    def _described(self) -> Description:
        """Describe inputs and outputs by the example that the artifact has recorded, if it has one.

        The model is called with it, once, which also makes the first request a quick one.
        """
        nothing: Description = {"inputs": [], "outputs": []}
        try:
            found = self.pool.described_example(
                self._target, method=self._method, timeout=self.limits.seconds
            )
        except NotDescribedError as error:
            _log.warning("what the model takes is not described by its example: %s", one_line(str(error)))
            return nothing
        except Exception as error:  # noqa: BLE001 -- requests may fare better
            _log.warning(
                "the example that the artifact has recorded could not be called: %s", one_line(str(error))
            )
            return nothing
        return found or nothing

    def _bound(self, seconds: float) -> Bound:
        return self.pool.bind_requests(
            self._target, method=self._method, timeout=seconds, retries=self.limits.retries
        )
