"""Replaces a file at once: a new one is written aside, unseen, and takes its place when it is whole.

Whoever reads the file sees the old bytes or the new ones; of several who replace it at the same time the
last one wins. Nothing is forced to the disk: a power failure can leave a torn file, which a digest tells.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.digest import Bytes
from hermpkg_build.disk.descriptors import CREATE, NAMES_STAY_OPEN, READ
from hermpkg_build.disk.files import write_all

ASIDE = ".hermpkg-"
"""How the names of unfinished files and folders begin."""

HELD = f"{ASIDE}held-"
"""How the names of folders begin that are locked by the process that fills them, where the system can."""

NO_LOCK = -1
"""In place of the descriptor that has a lock, where folders cannot be opened: on Windows."""

_MADE_S = 10.0
"""The age at which a folder that was made to be locked has been."""


class NewFile(Closing):
    """An empty file in `folder` that nobody sees until it replaces another, by `replace`.

    `descriptor` is open for reading and writing. The file's mode is `mode`, or else 0666 without what the
    umask takes away. A file that has replaced nothing when it is closed, or when its process is killed, is
    gone. Only where the system knows no files without a name, a kill leaves it in `folder` under a name that
    begins with `ASIDE`; `remove_abandoned` finds it. All methods raise OSError.
    """

    def __init__(self, folder: str, *, mode: int | None = None) -> None:
        self._aside = aside_path(folder or os.curdir)
        self._is_aside = False
        self.descriptor: int = self._open(folder or os.curdir, 0o666 if mode is None else mode)
        try:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(self.descriptor, mode)
        except OSError:
            self.close()
            raise

    @property
    def path(self) -> str:
        """A path that leads to the file as long as it is open and has replaced nothing."""
        return self._aside if self._is_aside else f"{_DESCRIPTORS}/{self.descriptor}"

    def replace(self, path: str) -> None:
        """Take the place of the file at `path`, which is on the same file system; done once, at the end.

        A device, a pipe or a socket keeps its place: whoever names one wants to write to it. On Windows no
        open file can be renamed: this one is closed, and one that others have open keeps its place, a
        PermissionError.
        """
        if not self._is_aside:
            try:
                link_open_file(self.descriptor, path)
            except FileExistsError:
                _refuse_device(path)
                link_open_file(self.descriptor, self._aside)
            else:
                return
        self._is_aside = True
        _refuse_device(path)
        if not NAMES_STAY_OPEN:
            self._close_descriptor()
        os.replace(self._aside, path)
        self._is_aside = False

    def close(self) -> None:
        """Close the file, and remove it where it has replaced nothing."""
        self._close_descriptor()
        if self._is_aside:
            with suppress(OSError):
                os.unlink(self._aside)

    def _close_descriptor(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _open(self, folder: str, mode: int) -> int:
        if sys.platform == "linux" and hasattr(os, "O_TMPFILE") and os.path.isdir(_DESCRIPTORS):
            # A file system that cannot do this says so in one of several ways; the other way then
            # succeeds, or says what is really wrong.
            with suppress(OSError):
                return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode)
        descriptor = os.open(self._aside, os.O_RDWR | CREATE, mode)
        self._is_aside = True
        return descriptor


_DESCRIPTORS = "/proc/self/fd"


def _refuse_device(path: str) -> None:
    """Raise OSError where `path` is, or leads to, something that is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is no regular file", path)


def link_open_file(descriptor: int, path: str) -> None:
    """Give an open file a name, or one more on the same file system. Raises OSError."""
    # Naming a folder's descriptor is what makes Python use linkat(2) with AT_SYMLINK_FOLLOW, the
    # one way to link an unnamed file without privileges.
    descriptors = os.open(_DESCRIPTORS, READ)
    try:
        os.link(str(descriptor), path, src_dir_fd=descriptors, follow_symlinks=True)
    finally:
        os.close(descriptors)


def replace_file(path: str, data: Bytes, *, mode: int | None = None, aside: str = "") -> None:
    """Replace the file at `path` by one with the bytes `data`. Raises OSError; `path` is then as it was.

    The folder of `path` is made where it is missing. The new file is written there, or in the existing
    folder `aside`. Its mode is `mode`, or else 0666 without what the umask takes away.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder or os.curdir, exist_ok=True)
    with NewFile(aside or folder, mode=mode) as new:
        write_all(new.descriptor, data)
        new.replace(path)


@contextmanager
def new_folder(place: str) -> Iterator[str]:
    """A context with a new empty folder in `place`, for this user alone.

    At the end it is removed with all it holds, unless it was renamed. What a process leaves that is killed,
    `remove_abandoned` finds at once. Raises OSError where it cannot be made.
    """
    folder = aside_path(place, prefix=HELD)
    os.mkdir(folder, 0o700)
    with locked(folder):
        try:
            yield folder
        finally:
            _remove_folder(folder)


def aside_path(folder: str, *, prefix: str = ASIDE) -> str:
    """A path in `folder` for something unfinished that no other process or thread has."""
    return os.path.join(folder, f"{prefix}{os.getpid()}-{os.urandom(8).hex()}")


@contextmanager
def locked(folder: str) -> Iterator[bool]:
    """Lock a folder, for as long as this process lives at most; gives whether that was possible."""
    descriptor = _open_folder(folder)
    try:
        yield descriptor >= 0 and lock_open(descriptor, alone=True)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _open_folder(path: str) -> int:
    """Open a folder to lock it; `NO_LOCK` on Windows, where none can be opened. Raises OSError."""
    if sys.platform == "win32":
        if not os.path.isdir(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return NO_LOCK
    return os.open(path, READ | os.O_DIRECTORY)


def lock_open(descriptor: int, *, alone: bool) -> bool:
    """Lock an open folder `alone`, or with others; False where one has it, or the system knows no locks."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
    except OSError:
        return False
    return True


def remove_abandoned(folder: str, *, age_s: float, prefix: str = "") -> None:
    """Remove the files and folders in `folder` that processes left unfinished when they were killed.

    These are the entries whose names begin with `prefix` and that nobody has changed for `age_s` seconds, and
    those of `new_folder` that no process holds any more. Raises OSError where `folder` cannot be listed.
    """
    now = time.time()
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another process may finish or remove the same at the same time.
            with suppress(OSError):
                age = now - entry.stat(follow_symlinks=False).st_mtime
                if not entry.name.startswith(prefix):
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    if age > age_s:
                        os.unlink(entry.path)
                elif age > age_s:
                    _remove_folder(entry.path)
                elif entry.name.startswith(HELD) and age > _MADE_S:
                    with locked(entry.path) as nobody_holds_it:
                        if nobody_holds_it:
                            _remove_folder(entry.path)


def discard_folder(path: str) -> bool:
    """Remove a folder with all it holds, unless a process has a lock on it; return whether it is gone.

    It is gone at once: what a process leaves of it that is killed, `remove_abandoned` finds.
    """
    with suppress(OSError), locked(path) as nobody_holds_it:
        if nobody_holds_it:
            doomed = aside_path(os.path.dirname(path), prefix=HELD)
            os.rename(path, doomed)
            _remove_folder(doomed)
            return True
    return not os.path.lexists(path)


def hold_folder(path: str) -> int | None:
    """Lock a folder, together with others, against `discard_folder`; return the descriptor that has the lock.

    The lock ends when the descriptor is closed, here and in every fork. None where the folder is gone, or was
    exchanged meanwhile. Raises OSError for another reason. Where the system knows no locks it has none, and
    `discard_folder` removes nothing; `NO_LOCK` where it opens no folders.
    """
    try:
        descriptor = _open_folder(path)
    except FileNotFoundError:
        return None
    if descriptor == NO_LOCK:
        return NO_LOCK
    lock_open(descriptor, alone=False)
    if is_open_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def is_open_at(descriptor: int, path: str) -> bool:
    """Whether what is at `path` now is what `descriptor` is open for."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _remove_folder(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)
