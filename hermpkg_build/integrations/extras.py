"""The error for a library that an integration needs and that is not installed."""

from __future__ import annotations

from hermpkg_build.errors import LocalEnvironmentError


class ExtraNotInstalledError(LocalEnvironmentError, ImportError):
    """An integration needs a library of an extra that is not installed."""


def missing_extra(extra: str, error: ImportError) -> ExtraNotInstalledError:
    """Return the error for `extra`, of which importing a library raised `error`."""
    return ExtraNotInstalledError(
        f"the extra `{extra}` is not installed",
        facts=[("missing", error.name or str(error))],
        next_step=f"pip install 'hermpkg-build[{extra}]'",
    )
