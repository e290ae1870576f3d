"""Opens the servers that remote settings name, with the protocol of the URL's scheme."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.remote.settings import RemoteSettings
    from hermpkg_build.remote.transport import Transport

_DISTRIBUTIONS = {"google": "protobuf", "grpc": "grpcio"}
"""The distribution of a module, where that has another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """The servers of a build; `cache` is None where only actions run on them."""

    settings: RemoteSettings
    cache: Transport | None


def open_remote(settings: RemoteSettings) -> Remote | None:
    """The servers of `settings`, None where they name none. No request is made yet.

    Raises LocalEnvironmentError where the libraries of the extra `remote` are not installed, and
    RemoteError where a certificate cannot be used.
    """
    if not settings.cache and not settings.executor:
        return None
    try:
        # All that the build is going to import is, so that what is missing shows before it begins.
        if settings.executor:
            import_module("hermpkg_build.remote.grpc.execution")
        if settings.cache:
            import_module("hermpkg_build.remote.cache")
        return Remote(settings=settings, cache=_transport(settings) if settings.cache else None)
    except ModuleNotFoundError as error:
        top = (error.name or "").partition(".")[0]
        if top == "hermpkg_build":
            raise
        raise LocalEnvironmentError(
            "the extra `remote` is not installed",
            facts=[("missing", _DISTRIBUTIONS.get(top, top))],
            next_step="pip install 'hermpkg-build[remote]', or build without it:\n"
            '--remote-cache "" --remote-executor ""',
        ) from error


def _transport(settings: RemoteSettings) -> Transport:
    if settings.cache.startswith(("http://", "https://")):
        from hermpkg_build.remote.http.transport import HttpTransport

        return HttpTransport(settings)
    from hermpkg_build.remote.grpc.transport import GrpcTransport

    return GrpcTransport(settings)
