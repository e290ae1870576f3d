"""What is wrong with a request, for the client that sent it."""

from __future__ import annotations


class RequestError(Exception):
    """A request that has an error for an answer, with the HTTP status; `retry_after` is in seconds."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message


def bad_request(message: str) -> RequestError:
    """The error for a request that is wrong in itself."""
    return RequestError(400, message)


def no_version(asked: str, served: int) -> RequestError:
    """The error for a version that is not, or not any more, served."""
    return RequestError(404, f"there is no version {asked!r}; there is {served}")
