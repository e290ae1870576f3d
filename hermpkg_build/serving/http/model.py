"""The model that a server serves: what of an artifact is called, and how inputs become its arguments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hermpkg_build.printable import one_line
from hermpkg_build.serving.bound import Bound
from hermpkg_build.serving.http.description import described, described_call
from hermpkg_build.serving.http.errors import bad_request
from hermpkg_build.serving.http.inference import InferenceRequest, InferenceResponse, Input
from hermpkg_build.serving.pool import Pool
from hermpkg_build.serving.requests import Parameter, Target

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
        with suppress(ModuleNotFoundError):
            import torch  # noqa: F401 -- it takes seconds, which no request is to wait

        self.pool = pool
        self.name = name
        self.limits = limits
        self.version: int = 1
        self.ready = True
        self._target = target
        self._method = method
        self._parameters = pool.parameters(target, method=method)
        self._seen = self._described()

    async def infer(self, request: InferenceRequest) -> tuple[Any, str]:
        """Call the model; return the result, and the version that was present then."""
        args, kwargs = arguments(self._parameters, request.inputs, request.parameters)
        seconds = min(self.limits.seconds, request.timeout or self.limits.seconds)
        version = str(self.version)
        return await self._bound(seconds).acall(*args, **kwargs), version

    async def reload(self) -> None:
        """Serve what has the artifact's name now. Raises what `Pool.swap` raises, changing nothing then."""
        await asyncio.to_thread(self.pool.swap)
        self._parameters = await asyncio.to_thread(self.pool.parameters, self._target, method=self._method)
        seen = await asyncio.to_thread(self._described)
        self.version += 1
        self._seen = seen

    def note(self, inputs: Sequence[Input], response: InferenceResponse) -> None:
        """Remember what the model takes and gives, for its metadata."""
        if not self._seen["outputs"]:
            self._seen = {
                "inputs": [described(each.name, each.datatype, each.dimensions) for each in inputs],
                "outputs": [
                    described(each.name, each.datatype, len(each.shape)) for each in response.outputs
                ],
            }

    def metadata(self) -> dict[str, Any]:
        """What the protocol tells of a model; inputs and outputs are those of an example or request."""
        return {
            "name": self.name,
            "versions": [str(self.version)],
            "platform": "pytorch_hermpkg",
            **self._seen,
        }

    def _described(self) -> dict[str, list[dict[str, Any]]]:
        """Describe inputs and outputs by the example that the artifact has recorded, if it has one.

        The model is called with it, once, which also makes the first request a quick one.
        """
        nothing: dict[str, list[dict[str, Any]]] = {"inputs": [], "outputs": []}
        try:
            call = self.pool.call_example(self._target, method=self._method, timeout=self.limits.seconds)
        except Exception as error:  # noqa: BLE001 -- requests may fare better
            _log.warning(
                "the example that the artifact has recorded could not be called: %s", one_line(str(error))
            )
            return nothing
        try:
            return nothing if call is None else described_call(self._parameters, *call)
        except TypeError as error:
            _log.warning("what the model takes is not described by its example: %s", one_line(str(error)))
            return nothing

    def _bound(self, seconds: float) -> Bound:
        return self.pool.bind(
            self._target, method=self._method, timeout=seconds, retries=self.limits.retries, wait=False
        )


def arguments(
    parameters: Sequence[Parameter], inputs: Sequence[Input], more: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Make arguments of inputs: by name where all are names of parameters, else in their order.

    `more` are arguments by name. Raises RequestError.
    """
    names = {each.name for each in parameters if each.by_name}
    unknown = [name for name in more if name not in names]
    if unknown:
        raise bad_request(
            f"the model has no parameter {unknown[0]!r}; it has {', '.join(sorted(names)) or 'none'}"
        )
    given = [each.name for each in inputs]
    if names.issuperset(given):
        kwargs = {each.name: each.value for each in inputs}
        if twice := [name for name in more if name in kwargs]:
            raise bad_request(f"{twice[0]!r} is given as an input and as a parameter")
        missing = [each.name for each in parameters if each.needed and each.name not in {*kwargs, *more}]
        if missing:
            raise bad_request(f"the model needs the input {missing[0]!r}")
        return [], {**kwargs, **more}
    if names.intersection(given):
        wrong = next(name for name in given if name not in names)
        raise bad_request(f"the model has no input {wrong!r}; it has {', '.join(sorted(names))}")
    places = [each for each in parameters if not each.takes_many]
    if len(places) == len(parameters) and len(given) > len(places):
        raise bad_request(f"the model takes {len(places)} inputs, not {len(given)}")
    return [each.value for each in inputs], dict(more)
