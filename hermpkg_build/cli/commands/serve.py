"""``hermpkg serve``."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option, whole_number
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import is_artifact
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.cli.styles import strong
from hermpkg_build.core.texts import counted
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode, HermpkgError, LocalEnvironmentError
from hermpkg_build.printable import pasteable

if TYPE_CHECKING:
    from hermpkg_build.serving.http.model import Model
    from hermpkg_build.serving.requests import Target

_LIBRARIES = ("prometheus_client", "uvicorn")
_PRELOAD = ("torch", "hermpkg_build.serving.protocol.calls")
"""What workers read and write requests with."""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise ValueError("a number of seconds above 0")
    return value


def _devices(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError("names of devices, such as cuda:0,cuda:1")
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeArguments(EngineArguments):
    """What ``hermpkg serve`` is told."""

    artifact: str = operand("LABEL|FILE")
    target: str | None = option(
        "--target NAME",
        "what is called: a pickle, `model/model.pkl`, or a packaged function, `app.serve:predict` (default: "
        "the only pickle)",
        read=str,
        default=None,
    )
    method: str = option(
        "--method NAME", "a method of it (default: it is called itself)", read=str, default=""
    )
    name: str | None = option(
        "--name NAME", "the name of the model for clients (default: that of the file)", read=str, default=None
    )
    host: str = option("--host ADDRESS", "the address to listen at", read=str, default="127.0.0.1")
    port: int = option(
        "--port NUMBER", "the port; 0 for any that is free", read=whole_number(0), default=8000
    )
    workers: int | None = option(
        "--workers NUMBER",
        "worker processes (default: one for each processor)",
        read=whole_number(1),
        default=None,
    )
    threads: int | None = option(
        "--threads NUMBER",
        "threads of torch in each (default: the processors are shared out)",
        read=whole_number(1),
        default=None,
    )
    device: tuple[str, ...] = option(
        "--device NAMES",
        "where the model is, as torch names it: `cuda`, or `cuda:0,cuda:1` for workers in turn (default: "
        "where it was packed)",
        read=_devices,
        default=(),
    )
    queue: int = option(
        "--queue NUMBER",
        "requests that may wait; others get the status 429",
        read=whole_number(1),
        default=128,
    )
    max_body: int = option(
        "--max-body MIB", "the largest body of a request", read=whole_number(1), default=64
    )
    request_timeout: float = option(
        "--request-timeout SECONDS",
        "the time for a request, after which its worker is replaced",
        read=_seconds,
        default=60.0,
    )
    retries: int = option(
        "--retries NUMBER",
        "how often a call is made again whose worker died",
        read=whole_number(0),
        default=2,
    )
    batch_size: int = option(
        "--batch-size NUMBER", "make up to so many calls together", read=whole_number(1), default=1
    )
    batch_delay: float = option(
        "--batch-delay SECONDS", "how long a call may wait for others", read=_seconds, default=0.002
    )
    trust: str | None = option(
        "--trust FILE", "serve only what the trust policy in FILE accepts", read=str, default=None
    )
    no_reload: bool = flag(
        "--no-reload", "do not look for a new file of the same name; SIGHUP reloads all the same"
    )


@command(ServeArguments, group="where it lands", example="hermpkg serve model.pt")
def run(arguments: ServeArguments, console: Console) -> ExitCode:
    """Serve a model over HTTP, by the Open Inference Protocol, from worker processes.

    A target is built first. Clients of the protocol, version 2, find the model at
    ``/v2/models/NAME/infer``, and Prometheus its numbers at ``/metrics``. Inputs become arguments by the
    names of parameters, or else in order; workers share the weights, and those that die or hang are replaced.

    Ctrl-C and SIGTERM end the server once running requests are answered. SIGHUP, or a new file of the same
    name, serves that version without a lost request. Whoever can reach the address can use the model: put
    what knows its users in front of it. Needs the extra ``serve``: ``pip install "hermpkg-build[serve]"``.
    """
    _check_libraries()
    path = _path_of(arguments, console)
    target = _target_of(arguments.target, path)
    from hermpkg_build.serving.calls import Batch
    from hermpkg_build.serving.http.model import Limits, Model
    from hermpkg_build.serving.pool import Pool

    batch = (
        Batch(size=arguments.batch_size, delay=arguments.batch_delay) if arguments.batch_size > 1 else None
    )
    with ExitStack() as stack:
        sock = stack.enter_context(_listening(arguments.host, arguments.port))
        with _loading(path):
            pool = stack.enter_context(
                Pool(
                    path,
                    arguments.workers,
                    load=[target],
                    batch=batch,
                    queue=arguments.queue,
                    threads=arguments.threads,
                    device=arguments.device,
                    trust=arguments.trust,
                    preload=_PRELOAD,
                )
            )
        limits = Limits(
            requests=arguments.queue + pool.workers * arguments.batch_size,
            body=arguments.max_body << 20,
            seconds=arguments.request_timeout,
            retries=arguments.retries,
        )
        name = arguments.name or os.path.splitext(os.path.basename(path))[0]
        with _loading(path):
            model = Model(pool, name, target, arguments.method, limits)
        _serve(model, sock, arguments, console)
    return ExitCode.SUCCESS


@contextmanager
def _loading(path: str) -> Iterator[None]:
    """Tell of what packed code raises while it is loaded: that is no fault of this program."""
    try:
        yield
    except HermpkgError:
        raise
    except Exception as error:
        is_missing = isinstance(error, ModuleNotFoundError)
        kind = LocalEnvironmentError if is_missing else HermpkgError
        check, run = pasteable("hermpkg", "env", path), pasteable("hermpkg", "run", path)
        raise kind(
            "the model cannot be loaded",
            facts=[("file", path), ("error", f"{type(error).__name__}: {error}")],
            next_step=f"to see what must be installed: {check} --check; to make an environment of that: {run}"
            if is_missing
            else "call what is served in this Python, to see where it fails: "
            f"{pasteable('hermpkg', 'shell', '--here', path)}",
        ) from error


def _serve(model: Model, sock: socket.socket, arguments: ServeArguments, console: Console) -> None:
    from urllib.parse import quote

    from hermpkg_build.serving.http.server import serve

    host, port = sock.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/v2/models/{quote(model.name)}"

    def started() -> None:
        console.give_json({"model": model.name, "url": url, "port": port, "workers": model.pool.workers})
        console.say(strong(model.name), f"  {url}  {counted(model.pool.workers, 'worker')}")
        print(end="", flush=True)

    _log_to(console)
    serve(model, sock, drain_s=arguments.request_timeout, watch=not arguments.no_reload, started=started)


def _log_to(console: Console) -> None:
    """Show what happens to workers and versions."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.warn(record.getMessage())

    logger = logging.getLogger("hermpkg_build.serving")
    logger.addHandler(Handler())
    logger.propagate = False


def _check_libraries() -> None:
    from importlib.util import find_spec

    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise LocalEnvironmentError(
            "the extra `serve` is not installed",
            facts=[("missing", ", ".join(missing))],
            next_step='pip install "hermpkg-build[serve]"',
        )


def _path_of(arguments: ServeArguments, console: Console) -> str:
    if is_artifact(arguments.artifact):
        return arguments.artifact
    from hermpkg_build.cli.building import build_artifacts

    built = list(build_artifacts([arguments.artifact], arguments, console))
    if len(built) != 1:
        raise CommandLineError(
            f"a server serves one artifact, and {arguments.artifact} names {len(built)}",
            next_step="name one of them",
        )
    return built[0].path


def _target_of(name: str | None, path: str) -> Target:
    """Return what is called: what is named, or the only model, or the one in the usual place."""
    if name is not None:
        if ":" in name:
            return name
        package, _, resource = name.rpartition("/")
        if not package or not resource:
            raise CommandLineError(
                f"--target {name!r} names neither a pickle nor a function",
                next_step="write model/model.pkl or app.serve:predict",
            )
        return package.replace("/", "."), resource
    from hermpkg_build.archive.layout import resource_record_name
    from hermpkg_build.archive.pickled_models import model_meant, pickled_models
    from hermpkg_build.runtime.contents.archives import open_archive

    archive = open_archive(path)
    try:
        models = pickled_models(archive.names(), archive.read)
    finally:
        archive.release()
    meant = model_meant(models)
    if meant is None:
        pickles = [resource_record_name(*each) for each in models]
        shown = ", ".join(pickles[:10]) or "none"
        raise CommandLineError(
            "say what of the artifact is called",
            facts=[("file", path), ("pickles", shown)],
            next_step=f"--target {pickles[0]}"
            if pickles
            else "--target app.serve:predict names a packaged function",
        )
    return meant


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, so that a port that is taken is told before anything is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except BaseException:
            sock.close()
            raise
    except (OSError, OverflowError) as error:
        raise LocalEnvironmentError(
            f"the server cannot listen at {host}:{port}",
            facts=[("reason", getattr(error, "strerror", None) or str(error))],
            next_step="choose another --port; --port 0 takes any that is free",
        ) from error
    return sock
