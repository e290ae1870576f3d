"""Reads the values of remote settings, as TOML and the command line have them, and checks them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json

Pairs = tuple[tuple[str, str], ...]

_CONTROL = r"[\x00-\x1f]"


class WrongValueError(HermpkgError):
    """A setting cannot have this value; the summary continues the name of the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the values of some settings are written.

    `read` makes the field of `RemoteSettings` out of a TOML value and the absolute folder that relative
    paths count from, `of_words` the TOML value out of all that the command line gives for it; both raise
    WrongValueError. `placeholder` is what help texts call a value, `choices` are all the words that stand
    for one, if there are not many. `may_be_empty` says that "" is a value too, `adds` that options add to
    what the workspace has, where others replace it.
    """

    placeholder: str
    read: Callable[[Json, str], object]
    of_words: Callable[[Sequence[str]], Json] = lambda words: words[-1]
    choices: tuple[str, ...] = ()
    may_be_empty: bool = False
    adds: bool = False


_KINDS: dict[Any, str] = {list: "a list", dict: "a table"}


def _checked(expected: str, is_right: Callable[[Any], bool]) -> Callable[[Json, str], Any]:
    """Reads a value as it is; `expected` are the words for the right ones.

    An error shows texts without the secrets of a URL, and no list or table.
    """

    def read(value: Json, _base: str) -> Any:
        if not is_right(value):
            from hermpkg_build.remote.addresses import without_secrets

            text = without_secrets(value) if isinstance(value, str) else value
            shown = _KINDS.get(type(value), repr(text))
            raise WrongValueError(f"must be {expected}, not {shown}")
        return value

    return read


_text = _checked(
    "a text without control characters",
    lambda value: isinstance(value, str) and not re.search(_CONTROL, value),
)
_switch = _checked("true or false", lambda value: isinstance(value, bool))
_count = _checked("a whole number from 0", lambda value: type(value) is int and value >= 0)
_seconds = _checked(
    "a number of seconds above 0", lambda value: type(value) in (int, float) and 0 < value < float("inf")
)


def _url(*schemes: str) -> Callable[[Json, str], str]:
    """Reads the URL of a server: in lower case as far as "://", without a slash at its end; "" for none."""

    def read(value: Json, base: str) -> str:
        from hermpkg_build.remote.addresses import parse_address, without_secrets
        from hermpkg_build.remote.failures import RemoteError

        text = _text(value, base)
        if not text:
            return ""
        try:
            address = parse_address(text, schemes)
        except RemoteError as error:
            raise WrongValueError(
                f"cannot be {without_secrets(text)!r}: {error.reason}", next_step=error.next_step
            ) from None
        return f"{address.scheme}://{text.partition('://')[2].rstrip('/')}"

    return read


def _file(value: Json, base: str) -> str:
    text = _text(value, base)
    path = _path(text, base) if text else ""
    if path and not os.path.isfile(path):
        raise WrongValueError(f"names a missing file: {text}", facts=[("looked for", path)])
    return path


def _path(text: str, base: str) -> str:
    return os.path.normpath(os.path.join(base, os.path.expanduser(text)))


def _pairs(value: Json, _base: str) -> Pairs:
    """Names and texts; an error shows no text, which can be a secret."""
    if not isinstance(value, Mapping) or "" in value:
        raise WrongValueError("must be a table of names and texts")
    for name, text in value.items():
        if not isinstance(text, str) or re.search(_CONTROL, name + text):
            raise WrongValueError(f"must be a table of names and texts, but {name!r} has no text")
    return tuple(cast("Mapping[str, str]", value).items())


def _headers(value: Json, base: str) -> Pairs:
    pairs = _pairs(value, base)
    for name, _ in pairs:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise WrongValueError(f"cannot have a header called {name!r}")
    return tuple({name.lower(): text for name, text in pairs}.items())


def _programs(value: Json, base: str) -> Pairs:
    """Hosts, "" for every one, and the program of each."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, Sequence):
        raise WrongValueError(f"must be a program, or a list of them, not {value!r}")
    return tuple(_program(_text(entry, base), base) for entry in entries if entry != "")


def _program(text: str, base: str) -> tuple[str, str]:
    import shutil

    host, equals, program = text.partition("=")
    if not equals or "/" in host:
        host, program = "", text
    where = _path(program, base) if "/" in program else program
    if shutil.which(where) is None:
        raise WrongValueError(
            f"names a missing program: {program or text}",
            facts=[("looked for", where if "/" in where else f"{where} on PATH")],
        )
    return host.lower(), where


def _number_of_words(words: Sequence[str]) -> Json:
    try:
        number = float(words[-1])
    except ValueError:
        raise WrongValueError(f"must be a number, not {words[-1]!r}") from None
    return int(number) if number.is_integer() else number


def _table_of_words(words: Sequence[str]) -> Json:
    table = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            # The word is not shown: it can be a secret that was put another way.
            raise WrongValueError('must be NAME=VALUE, but has no name or no "="')
        table[name.strip()] = text
    return table


CACHE_URL = Form(placeholder="URL", read=_url("grpc", "grpcs", "http", "https"), may_be_empty=True)
EXECUTOR_URL = Form(placeholder="URL", read=_url("grpc", "grpcs"), may_be_empty=True)
NAME = Form(placeholder="NAME", read=_text, may_be_empty=True)
PATH = Form(placeholder="PATH", read=_text, may_be_empty=True)
FILE = Form(placeholder="FILE", read=_file, may_be_empty=True)
SWITCH = Form(
    placeholder="on|off", read=_switch, of_words=lambda words: words[-1] == "on", choices=("on", "off")
)
SECONDS = Form(placeholder="SECONDS", read=_seconds, of_words=_number_of_words)
COUNT = Form(placeholder="N", read=_count, of_words=_number_of_words)
PROPERTIES = Form(placeholder="NAME=VALUE", read=_pairs, of_words=_table_of_words, adds=True)
HEADERS = Form(placeholder="NAME=VALUE", read=_headers, of_words=_table_of_words, adds=True)
PROGRAMS = Form(placeholder="[HOST=]PROGRAM", read=_programs, of_words=list, may_be_empty=True)
