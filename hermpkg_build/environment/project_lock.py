"""What the lock of a project says, whichever tool wrote it: the distributions, and what needs what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hermpkg_build.core.json_codec import OMITTED
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.environment import poetry_lock, pylock, requirements_file, uv_lock
from hermpkg_build.environment.lock_entry import LockEntry
from hermpkg_build.environment.toml_fields import LockFormError

LARGEST = 64 << 20
"""Bytes of the largest lock that is read."""

LOCK_VERSION = 2
"""Changes whenever the same lock could give other entries."""

LOCK_NAMES = ("pylock.toml", "uv.lock", "poetry.lock", "requirements.txt")
"""The locks that are found by their names at the root of a workspace, the first choice first."""

_INSTALLS = {
    "uv.lock": "uv sync --frozen",
    "poetry.lock": "poetry sync",
    "pylock.toml": "uv pip sync {name}",
    "requirements.txt": "pip install --require-hashes -r {name}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLock:
    """The entries of a lock, which may have several of one name, for several platforms."""

    name: str
    entries: tuple[LockEntry, ...] = field(default=(), metadata=OMITTED)

    def by_name(self) -> Mapping[str, list[LockEntry]]:
        """Return the entries by the normalised names of their distributions."""
        found: dict[str, list[LockEntry]] = {}
        for entry in self.entries:
            found.setdefault(entry.distribution.name, []).append(entry)
        return found

    @property
    def how_to_install(self) -> str:
        """The command that installs what the lock says."""
        return _INSTALLS[kind_of(self.name)].format(name=self.name)


def kind_of(name: str) -> str:
    """Return which of `LOCK_NAMES` the file `name` has the form of; any text file can be requirements.

    >>> kind_of("locks/pylock.gpu.toml"), kind_of("../uv.lock"), kind_of("requirements-lock.txt")
    ('pylock.toml', 'uv.lock', 'requirements.txt')
    """
    last = name.rpartition("/")[2]
    if last in ("uv.lock", "poetry.lock"):
        return last
    return "pylock.toml" if last.endswith(".toml") else "requirements.txt"


def read_project_lock(files: Mapping[str, bytes]) -> ProjectLock:
    """Read a lock by the form that its name says. Raises LockFormError.

    It is the first of `files`; the others are what it includes, which a file of requirements can.
    """
    if sum(map(len, files.values())) > LARGEST:
        raise LockFormError(f"it has more than {LARGEST:,} bytes")
    name, data = next(iter(files.items()))
    kind = kind_of(name)
    read = _READERS.get(kind)
    entries = read(data) if read is not None else requirements_file.read_entries(files)
    return ProjectLock(name=name, entries=tuple(entries))


def _entries_of_pylock(data: bytes) -> Iterable[LockEntry]:
    for each in pylock.parse_pylock(data).distributions:
        yield LockEntry(distribution=each)


_READERS: Mapping[str, Callable[[bytes], Iterable[LockEntry]]] = {
    "pylock.toml": _entries_of_pylock,
    "uv.lock": uv_lock.read_entries,
    "poetry.lock": poetry_lock.read_entries,
}
