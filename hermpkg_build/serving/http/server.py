"""Runs a server until it is told to end, and lets it serve new versions of its artifact."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn

from hermpkg_build.printable import one_line
from hermpkg_build.serving.http.app import App
from hermpkg_build.serving.http.connections import bounded
from hermpkg_build.serving.http.metrics import Metrics
from hermpkg_build.serving.http.model import Model

_log = logging.getLogger("hermpkg_build.serving")

_IDLE_S = 20.0
"""The time for the head of a request, and to take some of a response: bodies have that of a request."""
_LOOK_S = 1.0
"""How often the file is looked at."""
_QUIET_LOOKS = 2
"""A file that has another size or time is opened once it has stayed the same for so many looks."""
_RELOAD: signal.Signals | None = getattr(signal, "SIGHUP", None)


def serve(
    model: Model, sock: socket.socket, *, drain_s: float, watch: bool, started: Callable[[], None]
) -> None:
    """Serve a model at a socket that is bound, until SIGTERM or SIGINT; then answer what is running.

    SIGHUP reloads the artifact, and so does a new file of its name, if `watch`. `started` is called when
    requests are answered.
    """
    metrics = Metrics(model)
    config = uvicorn.Config(
        App(model, metrics),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=max(1, round(drain_s)),
        lifespan="off",
        server_header=False,
    )
    config.load()
    config.http_protocol_class = bounded(config.http_protocol_class, _IDLE_S)
    asyncio.run(_serve(_Server(config), model, metrics, sock, watch, started))


class _Server(uvicorn.Server):  # type: ignore[misc]
    """A server that ends well when it is told to end, as the signal asks for nothing else."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            if self.should_exit:
                # Who asks again while workers end, or for a reload, asks for nothing new; Ctrl-C does.
                ignored = [signal.SIGTERM] if _RELOAD is None else [signal.SIGTERM, _RELOAD]
                before |= dict.fromkeys(ignored, signal.SIG_IGN)
            for number, handler in before.items():
                signal.signal(number, handler)


async def _serve(
    server: uvicorn.Server,
    model: Model,
    metrics: Metrics,
    sock: socket.socket,
    watch: bool,
    started: Callable[[], None],
) -> None:
    reload = asyncio.Event()
    _reload_on_hangup(asyncio.get_running_loop(), reload)
    tasks = [
        asyncio.create_task(_reload(model, metrics, reload)),
        asyncio.create_task(_tell(server, started)),
    ]
    if watch:
        tasks.append(asyncio.create_task(_watch(model.pool.file, reload)))
    try:
        await server.serve(sockets=[sock])
    finally:
        model.ready = False
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _reload_on_hangup(loop: asyncio.AbstractEventLoop, reload: asyncio.Event) -> None:
    """Let SIGHUP ask for a reload, and do nothing once the loop has ended.

    A handler of asyncio would leave the signal to end the process then, amid the end of workers.
    """

    def ask(*_: object) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(reload.set)

    if _RELOAD is not None:
        signal.signal(_RELOAD, ask)


async def _tell(server: uvicorn.Server, started: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    started()


async def _reload(model: Model, metrics: Metrics, asked: asyncio.Event) -> None:
    while True:
        await asked.wait()
        asked.clear()
        try:
            await model.reload()
        except Exception as error:  # noqa: BLE001 -- packed code may raise anything while it is loaded
            metrics.reloaded(served=False)
            _log.warning("the new version is not served, the present one goes on: %s", one_line(str(error)))
        else:
            metrics.reloaded(served=True)
            _log.warning("version %d of %s is served now", model.version, one_line(model.name))


async def _watch(path: str, changed: asyncio.Event) -> None:
    """Tell when another file has the name, once nothing writes to it any more."""
    served = last = _state(path)
    looks = 0
    while True:
        await asyncio.sleep(_LOOK_S)
        now = _state(path)
        looks = looks + 1 if now == last else 0
        last = now
        if now is not None and now != served and looks >= _QUIET_LOOKS:
            served = now
            changed.set()


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
