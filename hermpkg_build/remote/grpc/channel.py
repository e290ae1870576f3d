"""A connection to one gRPC server."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hermpkg_build.remote.addresses import Address, is_loopback
from hermpkg_build.remote.failures import RemoteError, unusable_certificate
from hermpkg_build.remote.grpc.failures import UNHEARD, CallFailedError
from hermpkg_build.remote.grpc.idle import IdleLimit
from hermpkg_build.remote.grpc.library import grpc
from hermpkg_build.remote.grpc.methods import GET_CAPABILITIES, Method, Request, Response
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.server import FIRST_DELAY_S, LONGEST_DELAY_S, SLOWEST, RemoteServer
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.version import __version__

_CONNECT_MS = 20_000
_CLOSE_S = 2.0
_PING_MS = 5 * 60 * 1000

_MESSAGE_LIMIT = 64 << 20
"""Bytes of a message from the server. What it is asked for in one message is far below; gRPC's own limit
of 4 MiB is that very size, and servers that count differently would go beyond it."""


class GrpcChannel(RemoteServer):
    """Calls to the server at `url` (``grpc://host:port`` or ``grpcs://host:port``), for any thread.

    The connection is made with the first call. Every call carries the credentials and the name of this
    tool. `call`, `responses` and `send` make one attempt and raise CallFailedError; `ask` and
    `attempts` try again and raise RemoteError. Raises RemoteError where the URL or a file with a
    certificate cannot be used.
    """

    def __init__(self, settings: RemoteSettings, url: str) -> None:
        super().__init__(settings, url)
        self.instance: str = settings.instance
        self._channel = _connect(settings, self.address)
        self._about = _about_this_tool()
        self._lock = threading.Lock()
        self._capabilities: messages.ServerCapabilities | RemoteError | None = None

    def capabilities(self) -> messages.ServerCapabilities:
        """What the server can do, asked once. Raises RemoteError, from then on at once."""
        with self._lock:
            if self._capabilities is None:
                request = messages.GetCapabilitiesRequest(instance_name=self.instance)
                try:
                    self._capabilities = self.ask(
                        GET_CAPABILITIES, request, doing="ask the server what it can do"
                    )
                except RemoteError as error:
                    self._capabilities = error
            if isinstance(self._capabilities, RemoteError):
                raise self._capabilities
            return self._capabilities

    def ask(self, method: Method[Request, Response], request: Request, *, doing: str) -> Response:
        """The answer to a request, after as many attempts as it takes. Raises RemoteError."""
        return self.attempts(doing).of(lambda: self.call(method, request))

    def call(self, method: Method[Request, Response], request: Request, *, moves: int = 0) -> Response:
        """One message for one message; `moves` is how many bytes of contents are in either."""
        with self._calling(method) as metadata:
            answer: Response = self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )(
                request,
                timeout=self.first_answer.limit_of(self.timeout_s + moves / SLOWEST),
                metadata=metadata,
            )
        self.first_answer.came()
        return answer

    def responses(self, method: Method[Request, Response], request: Request) -> Iterator[Response]:
        """A stream of messages for one, given up when none comes for as long as the timeout."""
        return self._stream(method, request, method.response.FromString)

    def serialised_responses(self, method: Method[Request, Response], request: Request) -> Iterator[bytes]:
        """As `responses`, with the messages as they arrive: each copy less counts in a large stream.

        It is given up when they come too slowly, too.
        """
        return self._stream(method, request, None)

    def send(self, method: Method[Request, Response], requests: Iterator[Request]) -> Response:
        """One message for a stream of them, given up when too few are taken within the timeout.

        `requests` is drawn from in another thread, and must not raise. It is not drawn from to its end
        where the server answers before.
        """
        idle = IdleLimit(self.timeout_s)

        def watched() -> Iterator[Request]:
            for request in requests:
                idle.moved(request.ByteSize())
                yield request

        with self._calling(method) as metadata:
            call = self._channel.stream_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            ).future(watched(), metadata=metadata)
            with idle.limits(call):
                try:
                    answer: Response = call.result()
                except grpc.FutureCancelledError:
                    raise CallFailedError("CANCELLED", "") from None
        return answer

    def close(self) -> None:
        """Close the connection. Calls under way in other threads fail."""
        self.closed.set()
        # The library waits for bytes under way, which can take as long as the limit on silence.
        closing = threading.Thread(target=self._channel.close, name="hermpkg-closing", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)

    def _stream(
        self,
        method: Method[Request, Response],
        request: Request,
        deserializer: Callable[[bytes], Any] | None,
    ) -> Iterator[Any]:
        idle = IdleLimit(self.timeout_s)
        with self._calling(method) as metadata:
            call = self._channel.unary_stream(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=deserializer,
            )(request, metadata=metadata)
            with idle.limits(call):
                for response in call:
                    idle.moved(None if deserializer else len(response))
                    with idle.suspended():
                        yield response

    @contextmanager
    def _calling(self, method: Method[Any, Any]) -> Iterator[list[tuple[str, str | bytes]]]:
        """Give the metadata for one call, and raise as CallFailedError what gRPC raises for it."""
        # A credential helper may take longer than a server: the limits of the call do not count it.
        sent = self.credentials.headers()
        metadata = [(name.lower(), _value(name.lower(), value)) for name, value in sent.items()]
        try:
            yield [*metadata, ("build.bazel.remote.execution.v2.requestmetadata-bin", self._about)]
        except grpc.RpcError as error:
            failure = CallFailedError(
                error.code().name, error.details() or "", writes=method.writes, sent=sent
            )
            if failure.code not in UNHEARD:
                self.first_answer.came()
            raise failure from error
        except ValueError as error:
            # That is how the library refuses a call over a channel that is closed.
            if not self.closed.is_set():
                raise
            raise CallFailedError("CANCELLED", "the connection was closed") from error


def _connect(settings: RemoteSettings, address: Address) -> Any:
    secure = address.scheme == "grpcs"
    target = address.authority if address.port else f"{address.authority}:{443 if secure else 80}"
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
        # An attempt to connect comes no later than our own attempt to ask.
        ("grpc.initial_reconnect_backoff_ms", int(FIRST_DELAY_S * 500)),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", int(LONGEST_DELAY_S * 500)),
        # Has the system give up bytes that nobody acknowledges for this long. Without it, a peer that has
        # hung up but never says so holds a call beyond its deadline, and the channel from being closed.
        # The pings that belong to it are as rare as servers put up with.
        ("grpc.keepalive_time_ms", _PING_MS),
        ("grpc.keepalive_timeout_ms", max(1, int(settings.timeout_s * 1000))),
        # What is to be tried again is decided here alone.
        ("grpc.enable_retries", 0),
        # This machine is never asked through a proxy, which would take it for itself, and read along.
        ("grpc.enable_http_proxy", int(not is_loopback(address.host))),
        ("grpc.primary_user_agent", f"hermpkg/{__version__}"),
    ]
    if not secure:
        return grpc.insecure_channel(target, options)
    certificate = settings.client_certificate
    trust = grpc.ssl_channel_credentials(
        root_certificates=_file(settings.ca_file, address) if settings.ca_file else _trusted_here(),
        # One file may hold both.
        private_key=_file(settings.client_key or certificate, address) if certificate else None,
        certificate_chain=_file(certificate, address) if certificate else None,
    )
    return grpc.secure_channel(target, trust, options)


def _trusted_here() -> bytes | None:
    """The certificates that this machine trusts; None for those that come with gRPC."""
    import ssl

    path = ssl.get_default_verify_paths().cafile
    if path is None or "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in os.environ:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _file(path: str, address: Address) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        reason = error.strerror or str(error)
        raise unusable_certificate(path, reason, server=str(address)) from error


def _about_this_tool() -> bytes:
    return messages.RequestMetadata(
        tool_details=messages.ToolDetails(tool_name="hermpkg", tool_version=__version__),
        tool_invocation_id=str(uuid.uuid4()),
    ).SerializeToString()


def _value(name: str, value: str) -> str | bytes:
    """The value of a header as gRPC wants it: what ends in ``-bin`` it encodes itself."""
    return value.encode() if name.endswith("-bin") else value
