"""Keeps a file that was replaced, to be written anew the next time where its successor begins as it does.

Only what follows on the bytes that are the same is written then, and nothing is freed. So its bytes change
under whoever still reads it; that nobody does is known of file systems on which no other machine opens files.
"""

from __future__ import annotations

import os
from contextlib import suppress
from stat import S_ISREG
from typing import NamedTuple

from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.replacing import NewFile, aside_path, link_open_file
from hermpkg_build.disk.signatures import FileSignature, signature_of

WORTHWHILE = 1 << 20
"""Fewer bytes are copied as quickly."""

_LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "f2fs"))
"""File systems on disks of this machine, whose kernel knows of each that has a file open."""

_MOUNTS = "/proc/self/mountinfo"

_FREE = 10
"""A file is kept where so many of its size would fit on the disk besides."""


class Spare(NamedTuple):
    """A file that nobody needs, by its signature; its first `same` bytes are those of another."""

    signature: FileSignature
    same: int


def taken(path: str, spare: Spare, *, mode: int) -> NewFile | None:
    """Take the spare file at `path` away, to write to it; None where it is another, or may be in use."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            is_ours = signature_of(status) == spare.signature and S_ISREG(status.st_mode)
            if is_ours and status.st_nlink == 1 and _is_local(status.st_dev) and _is_alone(descriptor):
                new = _TakenFile(path, descriptor, mode)
                descriptor = -1
                return new
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    return None


class Replaced(Closing):
    """The file at `path`, which `descriptor` is open for, with another name until this is closed.

    Once another has taken its place it can be kept at `spare`, unless that is "", if it is safe, and the disk
    has room.
    """

    def __init__(self, path: str, descriptor: int, spare: str) -> None:
        self.descriptor: int = descriptor
        self._spare = spare
        self._aside = aside_path(os.path.dirname(spare))
        self._is_held = False
        with suppress(OSError):
            if spare and _has_room(descriptor, path):
                os.makedirs(os.path.dirname(spare), exist_ok=True)
                link_open_file(descriptor, self._aside)
                self._is_held = True

    def keep(self) -> FileSignature | None:
        """Let it be the spare file, and return its signature; None where it is not kept."""
        if self._is_held:
            with suppress(OSError):
                os.replace(self._aside, self._spare)
                # The name that it had is gone, and nobody can give it another any more.
                status = os.fstat(self.descriptor)
                return signature_of(status) if status.st_nlink == 1 else None
        return None

    def close(self) -> None:
        """Let it go, where it is not kept."""
        if self._is_held:
            with suppress(OSError):
                os.unlink(self._aside)


class _TakenFile(NewFile):
    """A spare file that is to take the place of another, or to go."""

    def __init__(self, path: str, descriptor: int, mode: int) -> None:
        self._aside = aside_path(os.path.dirname(path))
        self._is_aside = True
        os.rename(path, self._aside)
        if not os.path.samestat(os.lstat(self._aside), os.fstat(descriptor)):
            os.unlink(self._aside)  # another process has put its own there
            raise FileNotFoundError(path)
        os.fchmod(descriptor, mode)
        self.descriptor = descriptor


def _has_room(descriptor: int, path: str) -> bool:
    status, room = os.fstat(descriptor), os.statvfs(os.path.dirname(path) or os.curdir)
    return _is_local(status.st_dev) and room.f_bavail * room.f_frsize >= _FREE * status.st_size


def _is_alone(descriptor: int) -> bool:
    """Whether a file is open, or mapped, nowhere but by `descriptor`, which was opened to write."""
    import signal

    try:
        import fcntl

        # Linux gives a lease to write where no other has the file open. Whoever opens it while there is one
        # has its holder told, by a signal that would end it.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except (ImportError, AttributeError, OSError):
        return False
    return True


def _is_local(device: int) -> bool:
    """Whether a device has a file system of this machine alone."""
    number, is_local = f"{os.major(device)}:{os.minor(device)}", False
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            mount, _, rest = line.partition(" - ")
            kind = rest.partition(" ")[0]
            if kind == "nfsd":
                return False  # A server for other machines runs here: it has no file open between two reads.
            if mount.split(" ", 3)[2] == number:
                is_local = kind in _LOCAL
    return is_local
