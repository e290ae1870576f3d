"""Errors that no one raised on purpose: the machine's, and bugs of our own."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from hermpkg_build.errors import ExitCode, HermpkgError, LocalEnvironmentError

# Errors of the operating system that no code of ours can have caused.
_OF_THE_MACHINE = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
    }
)


class InternalError(HermpkgError):
    """A bug of hermpkg itself."""

    exit_code = ExitCode.INTERNAL


def explain(error: Exception, arguments: Sequence[str]) -> HermpkgError:
    """Make a report of an `error` that nothing caught: what the machine lacks, or else a bug."""
    if isinstance(error, MemoryError):
        return LocalEnvironmentError("not enough memory", next_step="run fewer actions at once: --jobs 1")
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        facts = [("file", str(name)) for name in (error.filename, error.filename2) if name is not None]
        return LocalEnvironmentError(error.strerror or str(error), facts=facts)
    return _bug_report(error, arguments)


def _bug_report(error: Exception, arguments: Sequence[str]) -> InternalError:
    """Report the traceback, the versions and the command line, for whoever looks for the bug."""
    import platform
    import shlex
    import traceback

    from hermpkg_build.version import __version__

    return InternalError(
        f"a bug in hermpkg: {type(error).__name__}: {error}",
        snippet="".join(traceback.format_exception(error)),
        facts=[
            ("hermpkg", __version__),
            ("python", platform.python_version()),
            ("platform", platform.platform()),
            ("command", shlex.join(["hermpkg", *arguments])),
        ],
        next_step="please report this text together with the BUILD file; your sources and outputs are\n"
        "unchanged, and a build with an empty --cache-dir may avoid the bug",
    )
