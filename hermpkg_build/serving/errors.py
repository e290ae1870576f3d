"""What can go wrong between a caller and the workers that serve an artifact."""

from __future__ import annotations

from hermpkg_build.errors import ExitCode, HermpkgError


class ServingError(HermpkgError):
    """Base of the errors of a pool itself; what served code raises is raised as it is."""

    exit_code = ExitCode.LOCAL_ENVIRONMENT


class PoolClosedError(ServingError):
    """The pool is closed, or was closed before the call had an answer."""


class QueueFullError(ServingError):
    """As many calls wait as may wait, and the caller does not want to wait for a place."""


class CallTimeoutError(ServingError, TimeoutError):
    """A call had no answer in its time; if it ran alone, its worker was ended."""


class WorkerDiedError(ServingError):
    """The process that ran a call ended before it answered."""


class WorkersFailedError(ServingError):
    """No worker can be started."""


class ArtifactChangedError(ServingError):
    """The file that is served was written over in place, so what workers have mapped is not what it was."""


class CallError(ServingError):
    """Served code raised an exception whose class is not to be had in this process.

    `type_name` is the full name of that class, and `traceback` what Python prints for it where it was raised.
    Where the class derives from one of Python's own, such as ValueError, the error is one of that, too.
    """

    def __init__(self, summary: str, *, type_name: str = "", traceback: str = "") -> None:
        super().__init__(summary)
        self.type_name = type_name
        self.traceback = traceback


class RemoteTraceback(Exception):  # noqa: N818 -- it is shown as the cause of an error, and is none itself
    """The traceback of an exception in a worker, as the cause of what is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"
