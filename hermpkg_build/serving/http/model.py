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

_UNKNOWN: Description = {"inputs": [], "outputs": []}
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
        self.ready = True
        self._target = target
        self._method = method
        self._described: tuple[int, Description] = (0, _UNKNOWN)
        pool.parameters(target, method=method)  # what cannot be called is told before it is served
        self._describe()

    @property
    def version(self) -> int:
        """The version that is served."""
        return self.pool.version

    async def infer(self, body: bytes, header_length: str | None, version: str) -> Answered:
        """Answer a request, of whose body `header_length` bytes are JSON, by a version, "" for any.

        Raises what the call raises.
        """
        given = timeout_of(body, header_length) or self.limits.seconds
        describe = not self._seen()["outputs"]
        asked = Asked(PickleBuffer(body), header_length, self.name, version, describe)
        answered: Answered = await self._bound(min(self.limits.seconds, given)).acall(asked)
        if answered.description is not None and not self._seen()["outputs"]:
            self._described = answered.version, answered.description
        return answered

    async def reload(self) -> None:
        """Serve what has the artifact's name now. Raises what `Pool.swap` raises, changing nothing then."""
        await asyncio.to_thread(self.pool.swap)
        await asyncio.to_thread(self._describe)

    def metadata(self) -> dict[str, Any]:
        """What the protocol tells of a model; inputs and outputs are those of an example or request."""
        return {
            "name": self.name,
            "versions": [str(self.version)],
            "platform": "pytorch_hermpkg",
            **self._seen(),
        }

    def _seen(self) -> Description:
        """What is known of the version that is served."""
        version, description = self._described
        return description if version == self.version else _UNKNOWN

    def _describe(self) -> None:
        """Describe inputs and outputs by the example that the artifact has recorded, if it has one.

        The model is called with it, once, which also makes the first request a quick one.
        """
        version = self.version
        try:
            found = self.pool.described_example(
                self._target, method=self._method, timeout=self.limits.seconds
            )
        except NotDescribedError as error:
            _log.warning("what the model takes is not described by its example: %s", one_line(str(error)))
        except Exception as error:  # noqa: BLE001 -- requests may fare better
            _log.warning(
                "the example that the artifact has recorded could not be called: %s", one_line(str(error))
            )
        else:
            if found is not None:
                self._described = version, found

    def _bound(self, seconds: float) -> Bound:
        return self.pool.bind_requests(
            self._target, method=self._method, timeout=seconds, retries=self.limits.retries
        )
