"""Opens what remote settings name, with the protocol that the URL's scheme asks for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from hermpkg_build.errors import LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.remote.settings import RemoteSettings
    from hermpkg_build.remote.transport import Transport

_HTTP = ("http://", "https://")

_DISTRIBUTIONS = {"google": "protobuf", "grpc": "grpcio"}
"""What is installed to have a module, where that goes by another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What a build uses of other machines; `cache` is None where only actions run there."""

    settings: RemoteSettings
    cache: Transport | None


def open_remote(settings: RemoteSettings) -> Remote | None:
    """The servers of `settings`, None where they name none. No request is made yet.

    Raises LocalEnvironmentError where the libraries that speak with them are not installed, and
    RemoteError where a certificate is no good.
    """
    if not settings.cache and not settings.executor:
        return None
    try:
        for name in _modules(settings):
            import_module(f"hermpkg_build.remote.{name}")
    except ModuleNotFoundError as error:
        top = (error.name or "").partition(".")[0]
        if top == "hermpkg_build":
            raise
        raise LocalEnvironmentError(
            "what speaks with remote servers is not installed",
            facts=[("missing", _DISTRIBUTIONS.get(top, top))],
            next_step="pip install 'hermpkg-build[remote]', or build without them:\n"
            '--remote-cache "" --remote-executor ""',
        ) from error
    return Remote(settings=settings, cache=_transport(settings) if settings.cache else None)


def _modules(settings: RemoteSettings) -> list[str]:
    """What a build with these settings is going to import, so that what lacks shows before it begins."""
    modules = []
    if settings.cache:
        modules += ["cache", "http.transport" if settings.cache.startswith(_HTTP) else "grpc.transport"]
    if settings.executor:
        modules += ["grpc.execution"]
    return modules


def _transport(settings: RemoteSettings) -> Transport:
    if settings.cache.startswith(_HTTP):
        from hermpkg_build.remote.http.transport import HttpTransport

        return HttpTransport(settings)
    from hermpkg_build.remote.grpc.transport import GrpcTransport

    return GrpcTransport(settings)
