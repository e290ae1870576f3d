"""Connections to HTTP servers: encryption, proxies, and a limit for servers that send too slowly."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from hermpkg_build.remote.addresses import is_loopback
from hermpkg_build.remote.failures import RemoteError, unusable_certificate
from hermpkg_build.remote.server import SLOWEST
from hermpkg_build.remote.settings import RemoteSettings

if TYPE_CHECKING:
    from urllib3.connectionpool import HTTPConnectionPool

_KEPT = 16
"""Idle connections to one server that are kept for the next request."""

_LARGEST_HEAD = 256 << 10
"""Bytes of the largest head of an answer: its status, interim ones before it, and headers."""


_LEAST_S = 0.01
"""The timeout of a socket where the time is over: 0 would mean not to wait for what is there."""


class TooSlowError(OSError):
    """A server sends or takes something, but too little of it."""


class Connections:
    """Requests to any server, over connections that are kept; for any number of threads at once.

    Proxies are those of the environment (``https_proxy``, ``http_proxy``, ``all_proxy``, ``no_proxy``), or
    on macOS of the system. This machine is never asked through one, which would take it for itself.
    Raises RemoteError where a certificate, a key or the address of a proxy cannot be used.
    """

    def __init__(self, settings: RemoteSettings, *, server: str, closed: threading.Event) -> None:
        self._server = server
        self._context = _tls_context(settings, server)
        self._proxies = getproxies()
        self._managers: dict[str, urllib3.PoolManager] = {}
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = closed

    def request(
        self, method: str, url: str, *, headers: dict[str, str], timeout_s: float, body: Any = None
    ) -> urllib3.BaseHTTPResponse:
        """One request, its answer's body unread. Raises urllib3's exceptions, and OSError.

        No redirect is followed and nothing is tried again. No more than the timeout is spent on waiting for
        the connection, for the head of the answer, and for as many bytes as the slowest network moves in it.
        """
        return self._manager_for(url).request(
            method,
            url,
            headers=headers,
            body=body,
            preload_content=False,
            decode_content=False,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s),
        )

    def close(self) -> None:
        """Close all connections. Requests under way in other threads fail."""
        self._closed.set()
        with self._lock:
            sockets, managers = list(self._open), list(self._managers.values())
        for each in sockets:
            # What is closed already cannot be shut down.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for manager in managers:
            manager.clear()

    def _manager_for(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxy_for(url)
        with self._lock:
            if proxy not in self._managers:
                self._managers[proxy] = self._new_manager(proxy)
            return self._managers[proxy]

    def _proxy_for(self, url: str) -> str:
        parts = urlsplit(url)
        if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc.rpartition("@")[2]):
            return ""
        return self._proxies.get(parts.scheme) or self._proxies.get("all") or ""

    def _new_manager(self, proxy: str) -> urllib3.PoolManager:
        manager: urllib3.PoolManager
        if proxy:
            manager = self._proxy_manager(proxy)
        else:
            manager = urllib3.PoolManager(maxsize=_KEPT, ssl_context=self._context)
        manager.pool_classes_by_scheme = self._pool_classes()
        return manager

    def _proxy_manager(self, proxy: str) -> urllib3.ProxyManager:
        address = proxy if "://" in proxy else f"http://{proxy}"
        try:
            given = urllib3.util.parse_url(address)
            headers = urllib3.make_headers(proxy_basic_auth=given.auth) if given.auth else None
            return urllib3.ProxyManager(
                given._replace(auth=None).url,
                maxsize=_KEPT,
                ssl_context=self._context,
                proxy_headers=headers,
            )
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise RemoteError(
                "protocol",
                "cannot use the proxy of the environment",
                server=self._server,
                reason=f"its address is not of the form http://host:port ({type(error).__name__})",
                next_step="correct http_proxy or https_proxy, or name the server in no_proxy",
            ) from error

    def _pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        """Pools whose connections are known here, so that `close` can end what they wait for."""
        adopt = self._adopt

        class Plain(_Paced, HTTPConnection):
            def connect(self) -> None:
                super().connect()
                self.sock = adopt(_paced(self.sock))

        class Encrypted(_Paced, HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                adopt(self.sock)

        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Encrypted

        return {"http": PlainPool, "https": EncryptedPool}

    def _adopt(self, connected: Any) -> Any:
        with self._lock:
            if isinstance(connected, socket.socket):
                self._open.add(connected)
        if self._closed.is_set():
            raise ConnectionAbortedError("the connection was closed")
        return connected


class _Paced:
    """A connection that tells its socket when a request begins, and when the head of the answer is there."""

    sock: Any

    def putrequest(self, *arguments: Any, **options: Any) -> None:
        if isinstance(self.sock, _Patience):
            self.sock.begin(head=False)
        super().putrequest(*arguments, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        paced = self.sock
        if not isinstance(paced, _Patience):
            return super().getresponse()  # type: ignore[misc]
        paced.begin(head=True)
        response = super().getresponse()  # type: ignore[misc]
        paced.begin(head=False)
        return response


class _Patience(socket.socket):
    """A socket whose timeout is the time to wait for what the slowest network moves in it, not for one byte.

    Only the time in its methods counts, for who calls may have other things to do meanwhile. The head of an
    answer has the timeout as a whole, however many bytes come.
    """

    _head = False
    _waited = 0.0
    _moved = 0

    def begin(self, *, head: bool) -> None:
        """Count anew: for the head of an answer, or else for a body."""
        self._head, self._waited, self._moved = head, 0.0, 0

    def sendall(self, data: Any, *arguments: Any) -> None:
        with self._counted():
            super().sendall(data, *arguments)
            self._moved += memoryview(data).nbytes

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        with self._counted():
            count = super().recv_into(*arguments, **options)
            self._moved += count
        return count

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Let what is done within have the time that is left. Raises TimeoutError and TooSlowError."""
        limit = self.gettimeout()
        if limit is None:
            yield
            return
        start = time.monotonic()
        self.settimeout(max(limit - self._waited, _LEAST_S))
        try:
            yield
        except TimeoutError:
            # Who is silent for long may be back at the next attempt; who crawls will do so again.
            if self._moved and not self._head and time.monotonic() - start < limit / 2:
                raise TooSlowError(
                    f"it does not answer in time: only {self._moved:,} bytes in {limit:g} s"
                ) from None
            raise
        finally:
            self.settimeout(limit)
            self._waited += time.monotonic() - start
        if self._head:
            if self._moved > _LARGEST_HEAD:
                raise http.client.HTTPException("the head of its answer does not end")
        elif self._moved >= SLOWEST * limit:
            self.begin(head=False)


class _PatientTlsSocket(_Patience, ssl.SSLSocket):
    """The same for an encrypted connection."""


def _paced(connected: Any) -> Any:
    """The same connection as a `_Patience`."""
    if type(connected) is not socket.socket:
        return connected
    limit = connected.gettimeout()
    paced = _Patience(connected.family, connected.type, connected.proto, fileno=connected.detach())
    paced.settimeout(limit)
    return paced


def _tls_context(settings: RemoteSettings, server: str) -> ssl.SSLContext:
    """Trust in `ca_file` alone where there is one, else in what the machine trusts."""
    path = settings.ca_file
    try:
        context = ssl.create_default_context(cafile=path or None)
        # Whom to trust is not to depend on the version of Python, whose defaults changed with 3.13.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.sslsocket_class = _PatientTlsSocket
        if path := settings.client_certificate:
            # Without a password function, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(path, settings.client_key or None, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise unusable_certificate(path, reason, server=server) from error
    return context
