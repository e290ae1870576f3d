"""Reads fields of parsed TOML, each in its form; what is wrong is told with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from hermpkg_build.core.distribution_names import LONGEST_SPECIFIER, normalised
from hermpkg_build.dataclass import dataclass

_T = TypeVar("_T")

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_FILE = re.compile(
    r"[A-Za-z0-9][^/\\\s\x00-\x20\x7f-\x9f\"'`$;&|<>]*\.(?:whl|zip|tar\.gz|tar\.bz2|tar\.xz|tgz)"
)
_URL = re.compile(r"(?!.*\$\{)[a-z][a-z0-9+.-]*:[^\s\x00-\x20\x7f-\x9f]+")
_WORD = re.compile(r"(?!.*\$\{)[^\s\x00-\x20\x7f-\x9f]+")
"""Installers take blanks of all kinds for ends of lines, and replace ``${``: both are refused."""
_LONGEST = 4096


class LockFormError(ValueError):
    """A lock that does not have the form of its kind: says where, and what should be there."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A table of a lock; `at` is its place in the file, for errors."""

    values: Mapping[str, object]
    at: str = ""

    def text(self, key: str, *, needed: bool = False) -> str:
        """Return the text of a field, "" where it is absent."""
        value = self.values.get(key, "")
        if not isinstance(value, str) or len(value) > _LONGEST or (needed and not value):
            raise self.wrong(key, "a text")
        return value

    def name(self, key: str = "name") -> str:
        """Return the normalised name of a distribution."""
        return self._matching(key, _NAME, "the name of a distribution", normalised)

    def version(self, key: str = "version") -> str:
        """Return a version, "" where it is absent."""
        return self._matching(key, _VERSION, "a version", str) if key in self.values else ""

    def file_name(self, key: str) -> str:
        """Return the name of a wheel or a source archive."""
        return self._matching(key, _FILE, "the name of a wheel or a source archive", str)

    def url(self, key: str) -> str:
        """Return a URL, "" where it is absent."""
        return self._matching(key, _URL, "a URL", str) if key in self.values else ""

    def public_url(self, key: str = "url") -> str:
        """Return a URL that others may see, without credentials; "" for one of this machine."""
        from hermpkg_build.analysis.license_statements import public_url

        try:
            return public_url(self.url(key))
        except ValueError:
            raise self.wrong(key, "a URL") from None

    def word(self, key: str) -> str:
        """Return a text without blanks."""
        return self._matching(key, _WORD, "a word", str)

    def marker(self, key: str = "marker") -> str:
        """Return a marker (PEP 508) in its usual form, "" where it is absent."""
        if not self.text(key):
            return ""
        return usual_marker(self.text(key), lambda: self.wrong(key, "a marker (PEP 508)"))

    def size(self) -> int:
        """Return the size of a file in bytes, 0 where it is absent."""
        value = self.values.get("size", 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong("size", "a number of bytes")
        return value

    def table(self, key: str) -> Fields | None:
        """Return a table in this one, None where it is absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(key, "a table")
        return Fields(value, self._inside(key))

    def tables(self, key: str) -> Iterator[Fields]:
        """Give the tables of an array, none where it is absent."""
        for number, value in enumerate(self._array(key)):
            if not isinstance(value, Mapping):
                raise self.wrong(f"{key}[{number}]", "a table")
            yield Fields(value, self._inside(f"{key}[{number}]"))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of an array, none where it is absent."""
        found = self._array(key)
        if not all(isinstance(each, str) and len(each) <= _LONGEST for each in found):
            raise self.wrong(key, "an array of texts")
        return tuple(map(str, found))

    def wrong(self, key: str, expected: str) -> LockFormError:
        """Make the error for a field that is not what it should be."""
        found = repr(self.values.get(key, "nothing"))
        shown = found if len(found) <= 80 else f"{found[:77]}..."
        return LockFormError(f"at {self._inside(key)}: expected {expected}, found {shown}")

    def _array(self, key: str) -> list[object]:
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "an array")
        return value

    def _matching(self, key: str, form: re.Pattern[str], expected: str, read: Callable[[str], _T]) -> _T:
        if not form.fullmatch(self.text(key)):
            raise self.wrong(key, expected)
        return read(self.text(key))

    def _inside(self, key: str) -> str:
        return f"{self.at}.{key}" if self.at else key


def usual_marker(text: str, wrong: Callable[[], Exception]) -> str:
    """Return a marker (PEP 508) in the form that it has everywhere. Raises what `wrong` makes.

    >>> usual_marker("sys_platform=='win32'", ValueError)
    'sys_platform == "win32"'
    """
    from packaging.markers import InvalidMarker, Marker

    if len(text) > LONGEST_SPECIFIER * 4:
        raise wrong()
    try:
        return str(Marker(text))
    except (InvalidMarker, RecursionError):
        raise wrong() from None
