"""The names of records and the versions of the format, those of torch.package and those of hermpkg."""

from __future__ import annotations

import os

VERSION = 6
"""The version of torch.package's format that hermpkg writes."""

NEWEST_READABLE_VERSION = 10
"""The newest format version that torch's own reader accepts (kMaxSupportedFileFormatVersion)."""

DATA = ".data/"
"""The folder of records that belong to the format, not to the user."""

VERSION_RECORD = ".data/version"
EXTERN_MODULES = ".data/extern_modules"
PYTHON_VERSION = ".data/python_version"
BYTEORDER = "byteorder"
MANIFEST = ".data/hermpkg/manifest.json"
ENVIRONMENT = ".data/hermpkg/pylock.toml"
"""The distributions that the artifact needs, with all that these need (PEP 751)."""

LICENSES = ".data/hermpkg/licenses/"
"""The folder of the licence files of packed distributions, a folder for each by its normalised name."""

MOCK_MODULE = "_mock"
"""The packed module that the stubs of mocked modules import."""

_STORAGE = ".storage"
_LONGEST_NUMBER = 10

LONGEST_NAME = 511
"""How many bytes of UTF-8 a name has at most, root folder included: torch's reader cuts longer ones."""

LONGEST_READ_NAME = 4096
MOST_SEGMENTS = 255
"""How long names may be that others wrote. All parents of a name together take the square of its length."""

_WORD = 64 << 10
_LARGEST = {
    VERSION_RECORD: _WORD,
    PYTHON_VERSION: _WORD,
    BYTEORDER: _WORD,
    EXTERN_MODULES: 4 << 20,
    MANIFEST: 16 << 20,
    ENVIRONMENT: 32 << 20,
}
_LARGEST_MANIFEST_ENTRY = 2 << 10


def resource_record_name(package: str, resource: str) -> str:
    """Return the record of a resource or pickle. Raises ValueError where `resource` is not a file name.

    >>> resource_record_name("my.config", "words.txt"), resource_record_name("", "words.txt")
    ('my/config/words.txt', 'words.txt')
    """
    if not resource or "/" in resource or os.sep in resource:
        raise ValueError(f"{resource!r} must be only a file name: the folders are those of the package")
    return f"{package.replace('.', '/')}/{resource}" if package else resource


def storage_record_name(key: int) -> str:
    """Return the record of the tensor storage with the number `key`."""
    return f"{DATA}{key}{_STORAGE}"


def storage_number(name: str) -> int | None:
    """Return the number of the tensor storage whose record is `name`, None for any other record.

    >>> storage_number(".data/10.storage"), storage_number(".data/1a.storage"), storage_number("10.storage")
    (10, None, None)
    """
    if not (name.startswith(DATA) and name.endswith(_STORAGE)):
        return None
    number = name[len(DATA) : -len(_STORAGE)]
    is_canonical = number.isascii() and number.isdecimal() and (number == "0" or number[0] != "0")
    return int(number) if is_canonical and len(number) <= _LONGEST_NUMBER else None


def license_record_name(distribution: str, file: str) -> str:
    """Return the record of a licence file, which lies at `file` beside the packages of its distribution.

    >>> license_record_name("kornia", "kornia-0.9.0.dist-info/licenses/LICENSE")
    '.data/hermpkg/licenses/kornia/kornia-0.9.0.dist-info/licenses/LICENSE'
    >>> license_record_name("kornia", "../../share/doc/kornia/LICENSE")
    '.data/hermpkg/licenses/kornia/share/doc/kornia/LICENSE'
    """
    return f"{LICENSES}{distribution}/{'/'.join(part for part in file.split('/') if part != '..')}"


def problem_with_name(name: str) -> str:
    """Say in half a sentence why `name` cannot be the name of a record; "" where it can.

    A name is a relative path with ``/`` between its segments, none of which is empty, ``.`` or ``..``. So
    unpacking an artifact never writes outside the folder that it is unpacked to.
    """
    if not name:
        return "it is empty"
    if "\\" in name:
        return "it holds a backslash"
    if "\0" in name:
        return "it holds a NUL character"
    if name.startswith("/"):
        return "it is absolute"
    # The quick test comes first: nearly all names pass it.
    if name[0] == "." or name[-1] in "./" or "/." in name or "//" in name:
        for segment in name.split("/"):
            if segment in ("", ".", ".."):
                return f"it has the segment {segment!r}"
    if len(name) > LONGEST_NAME and is_too_long(name, "/"):
        return f"it is {len(name)} characters long, and has {name.count('/') + 1} segments"
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            return "it cannot be written in UTF-8"
    return ""


def is_too_long(name: str, separator: str) -> bool:
    """Whether no archive may have a name of a record (``/`` between segments) or a module (``.``) so long."""
    return len(name) > LONGEST_READ_NAME or name.count(separator) >= MOST_SEGMENTS


def problem_with_size(name: str, size: int, records: int) -> str:
    """Say in half a sentence why the record `name` of an archive of so many records cannot have `size` bytes.

    "" where it can, as all can that are not read on opening. Those that are have to fit in memory.
    """
    most = _LARGEST.get(name)
    if most is None:
        return ""
    if name == MANIFEST:
        most += _LARGEST_MANIFEST_ENTRY * records
    return f"it is too large: {size} bytes, of {most} at most" if size > most else ""
