"""The settings that change how hermpkg works and never what it makes: of a user, or of a workspace."""

from __future__ import annotations

from collections.abc import Callable

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.quantities import read_size
from hermpkg_build.dataclass import dataclass

UNLIMITED = "unlimited"
WARM = ("auto", "always", "never")
COLORS = ("auto", "always", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One setting of the user's file, and of ``[tool.hermpkg]`` unless `why_not_shared` says why not.

    `read` makes the value of what a file says, or raises ValueError with what is needed. `default` is what
    holds without it, "" where the machine decides; `example` is TOML.
    """

    key: str
    help: str
    read: Callable[[Json], object]
    example: str
    default: str = ""
    why_not_shared: str = ""


def read_cache_size(value: Json) -> int | None:
    """Read a limit in bytes; None where there is none. Raises ValueError.

    >>> read_cache_size("20GB"), read_cache_size(1000), read_cache_size("unlimited")
    (20000000000, 1000, None)
    """
    if value == UNLIMITED:
        return None
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return read_size(str(value))
    raise ValueError('a size such as "20GB", or "unlimited"')


def _read_jobs(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("a whole number from 1")


def _read_color(value: Json) -> str:
    if isinstance(value, str) and value in COLORS:
        return value
    raise ValueError(f"one of {', '.join(COLORS)}")


def read_warm(value: Json) -> str:
    """Read whether a process is kept that has libraries imported. Raises ValueError.

    >>> read_warm("never")
    'never'
    """
    if isinstance(value, str) and value in WARM:
        return value
    raise ValueError(f"one of {', '.join(WARM)}")


def _read_folder(value: Json) -> str:
    if isinstance(value, str) and value.startswith(("/", "~/")):
        return value
    raise ValueError("an absolute path, or one from ~/")


PREFERENCES = {
    preference.key: preference
    for preference in (
        Preference(
            key="jobs",
            help="how many actions run at once",
            read=_read_jobs,
            example="jobs = 4",
        ),
        Preference(
            key="cache-size",
            help="what the cache may take; what was not used for longest goes first",
            read=read_cache_size,
            example='cache-size = "20GB"',
            default="20GB",
        ),
        Preference(
            key="cache-dir",
            help="where cached work is kept",
            read=_read_folder,
            example='cache-dir = "/fast/cache"',
            why_not_shared="what lies in a cache is believed: a checkout must not choose it",
        ),
        Preference(
            key="warm-process",
            help="whether a process with the libraries of factories is kept for five minutes, so that"
            " the next ones need not import them: `always`, `never` or `auto`: unless `$CI` is set",
            read=read_warm,
            example='warm-process = "never"',
            default="auto",
        ),
        Preference(
            key="color",
            help="when to use colours: `always`, `never` or `auto`",
            read=_read_color,
            example='color = "never"',
            default="auto",
            why_not_shared="it is for people, not for projects",
        ),
    )
}
