"""The ASGI application of a server: paths to answers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from hermpkg_build.serving.http.bodies import Receive, Room, packed, read_body
from hermpkg_build.serving.http.errors import busy, error_of
from hermpkg_build.serving.http.interruption import Interruption
from hermpkg_build.serving.http.metrics import Metrics
from hermpkg_build.serving.http.model import Model
from hermpkg_build.serving.protocol.errors import RequestError, no_version
from hermpkg_build.version import __version__

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("hermpkg_build.serving")

_QUICK_S = 0.05
_JSON_LENGTH = b"inference-header-content-length"


class Answer(NamedTuple):
    """A status, a body, and headers beyond its length."""

    status: int
    body: bytes
    headers: dict[str, str]


class App:
    """Answers requests for one model."""

    def __init__(self, model: Model, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics
        self._running = 0
        self._room = Room(model.limits.requests * model.limits.body)
        self._of_server: dict[str, Callable[[], Answer]] = {
            "metrics": lambda: Answer(200, metrics.page(), {"content-type": metrics.content_type}),
            "v2": lambda: _json(
                {"name": "hermpkg", "version": __version__, "extensions": ["binary_tensor_data"]}
            ),
            "v2/health/live": lambda: _json({"live": True}),
            "v2/health/ready": self._ready,
        }
        self._of_model: dict[str, Callable[[], Answer]] = {
            "": lambda: _json(model.metadata()),
            "ready": self._ready,
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        try:
            answer = await self._answer(scope, headers, receive)
        except RequestError as error:
            answer = _error(error)
        except Exception:  # noqa: BLE001 -- the client is to have an answer
            _log.exception("a request could not be answered")
            answer = _error(RequestError(500, "this server has a bug, which its log tells of"))
        await _send(answer, headers, send, with_body=scope["method"] != "HEAD")

    async def _answer(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], receive: Receive
    ) -> Answer:
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        parts = [unquote(part) for part in raw.partition(b"?")[0].decode("latin-1").strip("/").split("/")]
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        found, answers = "/".join(parts), self._of_server
        if parts[:2] == ["v2", "models"]:
            version, found = self._asked_of_model(parts[2:])
            answers = self._of_model
            if found == "infer":
                if method != "POST":
                    raise RequestError(405, "inference is asked for with POST")
                return await self._infer(headers, receive, version)
        if found not in answers:
            raise RequestError(404, "there is nothing here")
        if method != "GET":
            raise RequestError(405, "this is asked for with GET")
        return answers[found]()

    def _asked_of_model(self, parts: list[str]) -> tuple[str, str]:
        """Return the version that a path asks for, "" for any, and what of it."""
        name, *rest = parts or [""]
        if name != self._model.name:
            raise RequestError(404, f"there is no model {name!r}; there is {self._model.name!r}")
        if rest[:1] != ["versions"]:
            return "", "/".join(rest)
        version = rest[1] if len(rest) > 1 else ""
        if version != str(self._model.version):
            raise no_version(version, self._model.version)
        return version, "/".join(rest[2:])

    def _ready(self) -> Answer:
        return _json({"ready": self._model.ready}, 200 if self._model.ready else 503)

    async def _infer(self, headers: Mapping[bytes, bytes], receive: Receive, version: str) -> Answer:
        start = time.monotonic()
        status = 500
        try:
            self._check_load()
            with self._room.share() as take:
                limits = self._model.limits
                # A body that comes slowly takes the place of no request: it has room for what has come.
                body = await read_body(receive, headers, limits.body, limits.seconds, take)
                self._check_load()
                self._running += 1
                try:
                    answer = await self._inferred(body, headers, receive, version)
                finally:
                    self._running -= 1
            status = answer.status
            return answer
        except RequestError as error:
            status = error.status
            raise
        finally:
            self._metrics.answered(status, time.monotonic() - start)

    def _check_load(self) -> None:
        if self._running >= self._model.limits.requests:
            raise busy()

    async def _inferred(
        self, body: bytes, headers: Mapping[bytes, bytes], receive: Receive, version: str
    ) -> Answer:
        length = headers.get(_JSON_LENGTH)
        calling = self._model.infer(body, None if length is None else length.decode("latin-1"), version)
        try:
            answered = await _unless_gone(calling, receive)
        except RequestError:
            raise
        except Exception as error:
            raise error_of(error) from error
        if answered.json_length is None:
            return Answer(200, answered.body, {"content-type": "application/json"})
        told = {"content-type": "application/octet-stream", _JSON_LENGTH.decode(): str(answered.json_length)}
        return Answer(200, answered.body, told)


async def _unless_gone(call: Awaitable[Any], receive: Receive) -> Any:
    """Await a call; cancel it where the client goes before it has its answer."""
    watching: list[asyncio.Task[None]] = []
    with Interruption(RequestError(499, "the client has gone")) as interrupt:

        def watch() -> None:
            watching.append(asyncio.ensure_future(_disconnected(receive)))
            watching[0].add_done_callback(lambda _: interrupt())

        # Most have their answer by then, and nobody need look whether the client is there.
        timer = asyncio.get_running_loop().call_later(_QUICK_S, watch)
        try:
            return await call
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json"})


def _error(error: RequestError) -> Answer:
    answer = _json({"error": error.message}, error.status)
    if error.retry_after is not None:
        answer.headers["retry-after"] = str(error.retry_after)
    return answer


async def _send(answer: Answer, headers: Mapping[bytes, bytes], send: Send, *, with_body: bool) -> None:
    body, encoding = packed(answer.body, headers)
    told = {**answer.headers, "content-length": str(len(body))}
    if encoding:
        told["content-encoding"] = encoding
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body if with_body else b""})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
