"""Copies bytes between open files inside the kernel of Linux, where the file systems can."""

from __future__ import annotations

import errno
import os
import sys

_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM, errno.EBADF)


def copied_by_kernel(source: int, target: int, size: int, *, start: int, to: int) -> int:
    """Copy up to `size` bytes from `start` in one open file to the place `to` in another; return how many.

    None are where the kernel or the file systems cannot, and where the source has ended. Raises OSError.
    """
    if sys.platform == "linux" and hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, size, start, to)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
    return 0
