"""Says what must be installed: what loads artifacts and what makes them are two distributions.

``hermpkg-runtime`` has the modules that loading needs, ``hermpkg-build`` the others. Both are installed into
this one package, and each file belongs to one of them.
"""

from __future__ import annotations

from hermpkg_build.printable import one_line
from hermpkg_build.version import __version__

RUNTIME = "hermpkg-runtime"
BUILD = "hermpkg-build"


def check_build(wanted: str = "what makes artifacts") -> None:
    """Check that hermpkg-build is installed beside the runtime, in its version.

    Raises ImportError, which says what to install for `wanted`.
    """
    try:
        from hermpkg_build.build_version import BUILD_VERSION
    except ModuleNotFoundError:
        raise ImportError(_missing(wanted), name="hermpkg_build.build_version") from None
    if __version__ != BUILD_VERSION:
        raise ImportError(
            f"{BUILD} {BUILD_VERSION} needs {RUNTIME} {BUILD_VERSION}, and {__version__} is installed\n"
            f"  -> pip install {BUILD}=={BUILD_VERSION} {RUNTIME}=={BUILD_VERSION}",
            name="hermpkg_build.build_version",
        )


def with_extra(extra: str) -> str:
    """Return the command that installs what an extra names, for the distribution that is installed.

    >>> with_extra("sign")
    "pip install 'hermpkg-build[sign]'"
    """
    try:
        check_build()
    except ImportError:
        return f"pip install '{RUNTIME}[{extra}]'"
    return f"pip install '{BUILD}[{extra}]'"


def _missing(wanted: str) -> str:
    elsewhere = _place_of_build()
    if not elsewhere:
        return (
            f"{wanted} is a part of {BUILD}, and only {RUNTIME} is installed, which loads artifacts\n"
            f"  -> pip install {BUILD}=={__version__}"
        )
    return (
        f"{wanted} is a part of {BUILD}, which is installed in another folder than {RUNTIME}\n"
        f"     {BUILD}    {one_line(elsewhere)}\n"
        f"     {RUNTIME}  {one_line(_own_place())}\n"
        f"  -> pip install --force-reinstall --no-deps {BUILD}=={__version__} {RUNTIME}=={__version__}"
    )


def _own_place() -> str:
    import os

    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _place_of_build() -> str:
    """Return the folder that hermpkg-build is installed in, "" where it is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return str(distribution(BUILD).locate_file(""))
    except PackageNotFoundError:
        return ""
