"""A connection to one gRPC server: who asks, how long an answer may take, how often to ask again."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hermpkg_build.remote.addresses import Address, is_loopback, parse_address
from hermpkg_build.remote.credentials import Credentials
from hermpkg_build.remote.delays import FIRST_DELAY_S, LONGEST_DELAY_S, delay_s
from hermpkg_build.remote.failures import CHECK_CERTIFICATES, RemoteError
from hermpkg_build.remote.first_answer import FirstAnswer
from hermpkg_build.remote.grpc.failures import PASSING, REFUSED, UNHEARD, CallFailedError, remote_error
from hermpkg_build.remote.grpc.idle import IdleLimit
from hermpkg_build.remote.grpc.library import grpc
from hermpkg_build.remote.grpc.methods import GET_CAPABILITIES, Method, Request, Response
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.version import __version__

_CONNECT_MS = 20_000
_HANG_UP_S = 2.0
_PING_MS = 5 * 60 * 1000

_SLOWEST = 16 << 10
"""Bytes a second of a network on which sharing contents still makes some sense."""

_T = TypeVar("_T")

_MESSAGE_LIMIT = 64 << 20
"""Bytes of a message from the server. What it is asked for in one message is far below; gRPC's own limit
of 4 MiB is that very size, and servers that count differently would go beyond it."""


class GrpcChannel:
    """Calls to the server at `url` (``grpc://host:port`` or ``grpcs://host:port``), for any thread.

    The connection is made with the first call. Every call carries the credentials and the name of this
    tool. `call`, `responses` and `send` make one attempt and raise CallFailedError; `ask` and
    `attempts` try again and raise RemoteError. Raises RemoteError where the URL or a file with a
    certificate is no good.
    """

    def __init__(self, settings: RemoteSettings, url: str) -> None:
        self.instance = settings.instance
        address = parse_address(url)
        if address.scheme not in ("grpc", "grpcs") or address.path:
            raise RemoteError(
                "protocol",
                "The address of a remote server is not one that can be used",
                server=str(address),
                reason="it is not of the form grpc://host:port or grpcs://host:port",
                next_step="correct it; the name of an instance is for --remote-instance",
            )
        self.server = str(address)
        self.retries = settings.retries
        self.first_answer = FirstAnswer(settings.first_answer_s)
        self._timeout_s = settings.timeout_s
        self._credentials = Credentials(settings, url)
        self._channel = _connect(settings, address)
        self._about = _about_this_tool()
        self._closed = threading.Event()
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

    def ask(
        self, method: Method[Request, Response], request: Request, *, doing: str, writes: bool = False
    ) -> Response:
        """The answer to a request, after as many attempts as it takes. Raises RemoteError."""
        return self.attempts(doing, writes=writes).of(lambda: self.call(method, request))

    def find(
        self, method: Method[Request, Response], request: Request, *, doing: str, absent: Collection[str]
    ) -> Response | None:
        """As `ask`; None where the server answers with one of the codes in `absent`."""

        def once() -> Response | None:
            try:
                return self.call(method, request)
            except CallFailedError as error:
                if error.code in absent:
                    return None
                raise

        return self.attempts(doing).of(once)

    def attempts(self, doing: str, *, writes: bool = False) -> Attempts:
        """The patience for one thing to do; `doing` completes the sentence "cannot ..."."""
        return Attempts(self, doing, writes=writes)

    def call(self, method: Method[Request, Response], request: Request, *, moves: int = 0) -> Response:
        """One message for one message; `moves` is how many bytes of contents are in either."""
        # Who gives credentials may take longer than a server.
        metadata = self._metadata()
        limit_s = self.first_answer.limit_of(self._timeout_s + moves / _SLOWEST)
        with self._failures():
            answer: Response = self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )(request, timeout=limit_s, metadata=metadata)
        self.first_answer.came()
        return answer

    def responses(self, method: Method[Request, Response], request: Request) -> Iterator[Response]:
        """A stream of messages for one, given up when none comes for as long as the timeout."""
        yield from self._stream(method, request, method.response.FromString)

    def serialised_responses(self, method: Method[Request, Response], request: Request) -> Iterator[bytes]:
        """As `responses`, with the messages as they arrive: each copy less counts in a large stream."""
        yield from self._stream(method, request, None)

    def send(self, method: Method[Request, Response], requests: Iterator[Request]) -> Response:
        """One message for a stream of them, given up when none is taken for as long as the timeout.

        `requests` is drawn from in another thread, and must not raise. It is not drawn from to its end
        where the server answers before.
        """
        with self._failures(), IdleLimit(self._timeout_s) as idle:

            def watched() -> Iterator[Request]:
                for request in requests:
                    idle.moved()
                    yield request

            call = self._channel.stream_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            ).future(watched(), metadata=self._metadata())
            idle.ends_with(call.cancel)
            try:
                answer: Response = call.result()
                return answer
            except grpc.FutureCancelledError:
                raise CallFailedError("CANCELLED", "") from None
            finally:
                call.cancel()

    def can_ask_otherwise(self) -> bool:
        """Forget the credentials, which were refused; whether the next call may have others."""
        return self._credentials.refused()

    def pause(self, seconds: float) -> bool:
        """Wait before another attempt; False where the channel was closed meanwhile."""
        return not self._closed.wait(seconds)

    def close(self) -> None:
        """Hang up. Calls under way in other threads fail."""
        self._closed.set()
        # The library waits for bytes under way, which can take as long as the limit on silence.
        hanging_up = threading.Thread(target=self._channel.close, name="hermpkg-hanging-up", daemon=True)
        hanging_up.start()
        hanging_up.join(_HANG_UP_S)

    def _stream(
        self,
        method: Method[Request, Response],
        request: Request,
        deserializer: Callable[[bytes], Any] | None,
    ) -> Iterator[Any]:
        with self._failures(), IdleLimit(self._timeout_s) as idle:
            call = self._channel.unary_stream(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=deserializer,
            )(request, metadata=self._metadata())
            idle.ends_with(call.cancel)
            try:
                for response in call:
                    with idle.suspended():
                        yield response
            finally:
                call.cancel()

    def _metadata(self) -> list[tuple[str, str | bytes]]:
        given = self._credentials.headers()
        pairs = [(name.lower(), _value(name.lower(), value)) for name, value in given.items()]
        return [*pairs, ("build.bazel.remote.execution.v2.requestmetadata-bin", self._about)]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What gRPC raises, as CallFailedError."""
        try:
            yield
        except grpc.RpcError as error:
            failure = CallFailedError(error.code().name, error.details() or "")
            if failure.code not in UNHEARD:
                self.first_answer.came()
            raise failure from error
        except ValueError as error:
            # That is how the library refuses a call over a channel that is closed.
            if not self._closed.is_set():
                raise
            raise CallFailedError("CANCELLED", "the connection was closed") from error


class Attempts:
    """How patient one thing to do is: with failures that pass, and once with credentials that are refused."""

    def __init__(self, channel: GrpcChannel, doing: str, *, writes: bool) -> None:
        self._channel = channel
        self._doing = doing
        self._writes = writes
        self._failures = 0
        self._refused = False

    def of(self, attempt: Callable[[], _T]) -> _T:
        """What `attempt` gives, tried until it raises no CallFailedError. Raises RemoteError."""
        while True:
            try:
                return attempt()
            except CallFailedError as error:  # noqa: PERF203 - next to a request it costs nothing
                self.failed(error)

    def progressed(self) -> None:
        """Something was achieved: failures are counted anew."""
        self._failures = 0

    def failed(self, error: CallFailedError) -> None:
        """Wait until it is time to try again. Raises RemoteError where that is in vain."""
        if error.code in REFUSED and not self._refused:
            self._refused = True
            if self._channel.can_ask_otherwise():
                return
        self._failures += 1
        hopeless = error.code not in PASSING or error.untrusted or (self._writes and error.no_space)
        final = hopeless or self._failures > self._channel.retries or self._channel.first_answer.overdue
        if final or not self._channel.pause(delay_s(self._failures)):
            raise self.gives_up(error) from error

    def gives_up(self, error: CallFailedError) -> RemoteError:
        """The error for a failure that is final."""
        return remote_error(error, self._doing, server=self._channel.server, writes=self._writes)


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
        raise RemoteError(
            "denied",
            "a certificate or key for a server cannot be read",
            server=str(address),
            reason=f"{path}: {os.strerror(error.errno or 0)}",
            next_step=CHECK_CERTIFICATES,
        ) from error


def _about_this_tool() -> bytes:
    return messages.RequestMetadata(
        tool_details=messages.ToolDetails(tool_name="hermpkg", tool_version=__version__),
        tool_invocation_id=str(uuid.uuid4()),
    ).SerializeToString()


def _value(name: str, value: str) -> str | bytes:
    """The value of a header as gRPC wants it: what ends in ``-bin`` it encodes itself."""
    return value.encode() if name.endswith("-bin") else value
