"""Replaces a file at once: a new one is written aside, unseen, and takes its place when it is whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hermpkg_build.errors import LocalEnvironmentError

_MODE = 0o644
_ADVICE = {
    errno.ENOSPC: "free some space on that file system, or write the output elsewhere",
    errno.EDQUOT: "free some of your quota, or write the output elsewhere",
    errno.EFBIG: "write the output to a file system that holds files of this size",
    errno.EACCES: "choose an output you may write to",
    errno.EPERM: "choose an output you may write to",
    errno.EROFS: "choose an output on a writable file system",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "choose an output whose parent is a folder",
    errno.EISDIR: "remove the folder of that name, or choose another output",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextmanager
def replacement_of(path: str) -> Iterator[int]:
    """A context with a new empty file, open for reading and writing, that becomes `path` at its end.

    When the body raises, or the process is killed, `path` stays as it was and nothing else is
    left. The new file's mode is 0644 whatever the umask.
    Raises LocalEnvironmentError for every OSError, of the body also, and where `path` is a device or
    a pipe: what others reach by that name would be gone.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise LocalEnvironmentError(
            "an archive cannot be written",
            facts=[("file", path), ("reason", "it is no regular file, which can be replaced")],
            next_step="choose the path of a file; PackageExporter also writes to open streams",
        )
    folder = os.path.dirname(path) or os.curdir
    # A name no one lists by accident, and that no other process makes at the same time.
    aside = os.path.join(folder, f".hermpkg-{os.getpid()}-{os.urandom(6).hex()}")
    try:
        descriptor, named = _new_file(folder, aside)
        try:
            os.fchmod(descriptor, _MODE)
            yield descriptor
            if not named:
                _give_name(descriptor, aside)
                named = True
            os.replace(aside, path)
            named = False
        finally:
            os.close(descriptor)
            if named:
                with suppress(OSError):
                    os.unlink(aside)
    except OSError as error:
        raise LocalEnvironmentError(
            "an archive cannot be written",
            facts=[("file", path), ("reason", error.strerror or str(error))],
            next_step=_ADVICE.get(error.errno or 0, "see the reason above; the file is as it was before"),
        ) from error


def _new_file(folder: str, aside: str) -> tuple[int, bool]:
    """A new file in `folder`, and whether it has the name `aside` yet.

    A file without a name (O_TMPFILE) vanishes with the process that holds it, even a killed one.
    """
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        # A file system that cannot do this says so in one of several ways; the other way then
        # succeeds, or says what is really wrong.
        with suppress(OSError):
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE), False
    return os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _MODE), True


def _give_name(descriptor: int, aside: str) -> None:
    # Naming a folder's descriptor is what makes Python use linkat(2) with AT_SYMLINK_FOLLOW, the
    # one way to link an unnamed file without privileges.
    descriptors = os.open("/proc/self/fd", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.link(str(descriptor), aside, src_dir_fd=descriptors, follow_symlinks=True)
    finally:
        os.close(descriptors)
