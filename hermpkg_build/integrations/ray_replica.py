"""A replica of Ray Serve: calls what an artifact holds, one call at a time or several as one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from hermpkg_build.core.example_call import Arguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.integrations.cluster_files import SharedArtifact
from hermpkg_build.integrations.packed_model import Target
from hermpkg_build.integrations.together import Outcome, Together
from hermpkg_build.integrations.values import Floats, ValueNotConvertedError, plain_call
from hermpkg_build.runtime.mangling import is_from_package
from hermpkg_build.serving.raised import pack_raised, unpack_raised


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Calls made as one: up to `size` of them, none of which waits for others longer than `wait_s`."""

    size: int
    wait_s: float = 0.01


class Replica:
    """What Ray Serve makes of an artifact on a node."""

    def __init__(
        self,
        artifact: SharedArtifact,
        model: Target | None,
        method: str,
        grad: bool,
        floats: Floats,
        batches: Batches | None,
        device: str | None = None,
    ) -> None:
        self._model = artifact.load(model, method, grad=grad, device=device)
        self._call = partial(_portably, self._model)
        self._floats = floats
        # The loop of Ray Serve stays free for its questions while the model runs.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hermpkg-model")
        self._together = self._in_batches(batches) if batches is not None else None

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model, or answer a request over HTTP."""
        if len(args) == 1 and not kwargs and _is_request(args[0]):
            return await self._answer(args[0])
        if self._together is None:
            return await self._run(partial(self._call, *args, **kwargs))
        outcome: Outcome = await self._together((args, kwargs))
        return outcome.value()

    async def _answer(self, request: Any) -> Any:
        from starlette.responses import Response

        try:
            body = json.loads(await request.body())
            if (
                not isinstance(body, dict)
                or "inputs" not in body
                or not isinstance(body.get("params", {}), dict)
            ):
                raise ValueNotConvertedError('the request needs {"inputs": ...}, and params are a dict')
            outputs = await self._run(partial(_portably, self._plain), body["inputs"], body.get("params"))
            status, answer = 200, {"outputs": outputs}
        except (ValueNotConvertedError, json.JSONDecodeError, UnicodeDecodeError) as error:
            status, answer = 400, {"error": str(error)}
        return Response(json.dumps(answer, default=_listed), status, media_type="application/json")

    def _in_batches(self, batches: Batches) -> Callable[[Arguments], Awaitable[Outcome]]:
        """Make the function that waits for other calls to come, and has them made as one."""
        from ray import serve

        together = Together(self._call)

        async def make(calls: list[Arguments]) -> list[Outcome]:
            return await asyncio.get_running_loop().run_in_executor(self._thread, together, calls)

        made: Any = serve.batch(make, max_batch_size=batches.size, batch_wait_timeout_s=batches.wait_s)
        waits: Callable[[Arguments], Awaitable[Outcome]] = made
        return waits

    def _plain(self, inputs: Any, params: Any) -> Any:
        return plain_call(self._model, inputs, params, floats=self._floats)

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args))


def _portably(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function; what it raises can be raised where the artifact is not."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 -- it is the caller's to see
        raise _portable(error) from None


def _is_request(value: Any) -> bool:
    from starlette.requests import Request

    return isinstance(value, Request)


def _listed(value: Any) -> Any:
    """What JSON has in place of arrays and their numbers."""
    return value.tolist()


def _portable(error: Exception) -> Exception:
    """Return an exception that can be raised where the artifact is not."""
    return unpack_raised(pack_raised(error)[:1], None) if is_from_package(error) else error
