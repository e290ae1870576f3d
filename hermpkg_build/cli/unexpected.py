"""Errors that no one raised on purpose: the machine's, and bugs of our own."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.errors import ExitCode, HermpkgError, LocalEnvironmentError


class InternalError(HermpkgError):
    """A bug of hermpkg itself."""

    exit_code = ExitCode.INTERNAL


def environment_error(error: OSError) -> LocalEnvironmentError:
    """An error of the operating system, as one of ours: full disks, missing permissions."""
    facts = [("file", str(name)) for name in (error.filename, error.filename2) if name is not None]
    return LocalEnvironmentError(error.strerror or str(error), facts=facts)


def bug_report(error: Exception, arguments: Sequence[str]) -> InternalError:
    """What someone needs who is to find the bug: the traceback, the versions, the command line."""
    import platform
    import shlex
    import traceback

    from hermpkg_build import __version__

    return InternalError(
        f"a bug in hermpkg: {type(error).__name__}: {error}",
        snippet="".join(traceback.format_exception(error)),
        facts=[
            ("hermpkg", __version__),
            ("python", platform.python_version()),
            ("platform", platform.platform()),
            ("command", shlex.join(["hermpkg", *arguments])),
        ],
        next_step="please report this text with the BUILD file that brings it about; your sources and\n"
        "outputs are as they were, and a build with an empty --cache-dir may get you further",
    )
