"""What a client is told where its request cannot be answered."""

from __future__ import annotations

from hermpkg_build.serving.errors import (
    CallError,
    CallTimeoutError,
    PoolClosedError,
    QueueFullError,
    ServingError,
)
from hermpkg_build.serving.protocol.errors import RequestError


def busy() -> RequestError:
    """The error for a request too many."""
    return RequestError(429, "too many requests wait already", retry_after=1)


def error_of(error: Exception) -> RequestError:
    """Return what a client is told of an error of the pool, or of the model."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, QueueFullError):
        return busy()
    if isinstance(error, CallTimeoutError):
        return RequestError(504, "the model had no answer in time")
    if isinstance(error, PoolClosedError):
        return RequestError(503, "the server is shutting down", retry_after=1)
    if isinstance(error, ServingError) and not isinstance(error, CallError):
        return RequestError(503, error.summary, retry_after=1)
    if isinstance(error, CallError):
        return RequestError(500, f"the model raised {error.summary}")
    return RequestError(500, f"the model raised {type(error).__name__}: {error}")
